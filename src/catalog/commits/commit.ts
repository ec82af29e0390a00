/**
 * The commit protocol. Read the entry (or begin with the row that the commit before left, `landed.ts`), check requirements,
 * apply updates; write the new metadata file; flip the pointer by compare-and-set on the entry's row, in one batch with the
 * catalog's log. A lost race starts over on the new base, so a client sees 409 only when its requirement fails. Our file is
 * deleted when it is certain that no pointer names it, and kept when it is not: deleting it then would destroy the table.
 */
import { IcebergError, badRequest, displayIdentifier } from '../../iceberg/errors.ts'
import type { JsonParts } from '../../iceberg/json-parts.ts'
import { overlaps } from '../../iceberg/location.ts'
import type { Location } from '../../iceberg/location.ts'
import { compressionCodec, metadataDirectory, metadataFileName, nextVersion } from '../../iceberg/metadata-file.ts'
import type { MetadataCodec } from '../../iceberg/metadata-file.ts'
import { checkLimit } from '../../iceberg/table-limits.ts'
import type { Json, NewRow } from '../../stores/entities.ts'
import type { Mutation, Version } from '../../stores/store.ts'
import { change, type Attempt, type ChangeRequest } from '../../changes/change.ts'
import type { Operation } from '../../changes/write.ts'
import { guardCreation } from '../authorize.ts'
import { storeTask } from '../background.ts'
import type { CatalogCall, CatalogContext, CatalogHandle, MetadataAnswer, TableIdentifier } from '../call.ts'
import {
  answerOf,
  answerSuperseded,
  answerWithEntry,
  composedElsewhere,
  composeNew,
  rememberCurrent,
  uuidOf,
} from '../documents/documents.ts'
import { MAX_METADATA_BYTES, maybeWritten, writeFile } from '../documents/metadata-files.ts'
import type { Identified, NewDocument } from '../documents/documents.ts'
import type { NewFile } from './format-work.ts'
import { discard, leave, prepare } from './discard.ts'
import {
  FIRST_EPOCH,
  assertSameCatalog,
  entryKey,
  entryLane,
  findEntry,
  laneOf,
  noSuch,
  insertEntry,
  requireBranch,
  withoutVersion,
} from '../entries.ts'
import type { Entry, EntryKind } from '../entries.ts'
import { entryOperation } from '../logged.ts'
import { assertLocationFree, checkedLocation, claimSteps, groundOf, locationCheck } from '../places/locations.ts'
import type { Claim } from '../places/locations.ts'
import { ownLocations, type MadeUp } from '../places/default-locations.ts'
import { homeOf } from '../places/namespace-locations.ts'
import { placeSteps } from '../places/places.ts'
import type { Beside } from '../places/places.ts'

/** A metadata file that is about to be written, and the entry that will point to it. */
export interface Staged {
  readonly identifier: TableIdentifier
  readonly kind: EntryKind
  /** The row to replace; a new one is inserted without. */
  readonly row: Entry | undefined
  readonly location: Location
  readonly file: string
  /** Of the table or view. */
  readonly uuid: string
  readonly document: NewDocument
  readonly codec: MetadataCodec
  /** In its parsed form, where that is at hand. */
  readonly metadata: object | undefined
  /** Of an entry that takes a place. */
  readonly claim?: Claim | undefined
  readonly beside?: Beside | undefined
  /** Metadata files that fell off the log, to be deleted once the commit is done. */
  readonly obsolete: readonly string[]
}

/** What an attempt on one entry came to: a file to write, or the entry as it already is. */
export type Plan = Staged | { readonly unchanged: Entry }

type StagedEntry = Pick<Staged, 'identifier' | 'kind' | 'row'>

export interface Replacing {
  /** Metadata files that are to be deleted. */
  readonly obsolete?: readonly string[]
  /** Of the document that is replaced. */
  readonly bytesBefore?: number
}

/** Names the file of new metadata, and makes sure that it lies where the catalog may write. */
export function stage<M extends Identified>(
  context: CatalogContext,
  catalog: CatalogHandle,
  entry: StagedEntry,
  metadata: M,
  serialize: (metadata: M) => JsonParts,
  { obsolete = [], bytesBefore = 0 }: Replacing = {},
): Staged {
  const codec = compressionCodec(metadata.properties)
  const version = nextVersion(entry.row?.metadata_location)
  const file = `${metadataDirectory(metadata)}/${metadataFileName(version, context.uuid(), codec)}`
  const compose = (uuid: string): NewDocument =>
    composeNew(catalog, { metadata_location: file, id: '', uuid }, serialize(metadata))
  return { ...stagedFile(context, catalog, entry, metadata, { file, codec, compose, bytesBefore }), metadata, obsolete }
}

/** The same of a file that a thread has made. */
export function stageMade(
  context: CatalogContext,
  catalog: CatalogHandle,
  entry: StagedEntry,
  metadata: Identified,
  made: NewFile,
  bytesBefore: number,
): Staged {
  const { file, codec } = made
  const compose = (uuid: string): NewDocument => composedElsewhere(catalog, made, uuid)
  return stagedFile(context, catalog, entry, metadata, { file, codec, compose, bytesBefore })
}

interface FileToCheck {
  readonly file: string
  readonly codec: MetadataCodec
  readonly compose: (uuid: string) => NewDocument
  readonly bytesBefore: number
}

function stagedFile(
  context: CatalogContext,
  catalog: CatalogHandle,
  { identifier, kind, row }: StagedEntry,
  metadata: Identified,
  { file, codec, compose, bytesBefore }: FileToCheck,
): Staged {
  const location = checkedLocation(catalog, metadata.location)
  locationCheck(catalog)(file, 'location of the metadata file')
  const uuid = uuidOf(metadata)
  if (uuid === undefined) throw new TypeError('new metadata has no uuid')
  const document = compose(uuid)
  checkSize(identifier, document.json)
  // The size of a view has no limit but the largest that there is.
  if (kind === 'table') checkLimit(context.limits, 'bytes', document.json.length, bytesBefore)
  return { identifier, kind, row, location, file, uuid, document, codec, metadata: undefined, obsolete: [] }
}

/** What could not be read again must not be written: the table could be neither loaded nor mended. */
function checkSize(identifier: TableIdentifier, json: Uint8Array): void {
  if (json.length <= MAX_METADATA_BYTES) return
  throw badRequest(`Metadata of ${displayIdentifier(identifier)} would be larger than ${MAX_METADATA_BYTES} bytes`)
}

interface EntryWrite {
  readonly operation: Operation
  readonly steps: readonly Mutation[]
}

function entryWrite(context: CatalogContext, call: CatalogCall, staged: Staged): EntryWrite {
  const { identifier, kind, row: before } = staged
  const now = context.now()
  const place = { metadata_location: staged.file, location: staged.location, uuid: staged.uuid, updated_at: now }
  if (before !== undefined) {
    const row: NewRow<'entries'> = { ...withoutVersion(before), ...place }
    const operation = entryOperation(`update-${kind}`, { identifier, before, after: row })
    const replaced: Mutation = { op: 'replace', entity: 'entries', row, expected: before.version }
    const changes = [replaced, ...placeSteps(row, staged.beside)]
    if (staged.obsolete.length === 0) return { operation, steps: changes }
    const payload = { entry_id: row.id, location: row.location, files: staged.obsolete }
    return { operation, steps: [...changes, storeTask(context, call, 'delete-files', payload)] }
  }
  const row: NewRow<'entries'> = {
    ...entryKey(call.catalog, identifier),
    id: context.uuid(),
    kind,
    epoch: FIRST_EPOCH,
    deleted: false,
    created_at: now,
    ...place,
  }
  return {
    operation: entryOperation(`create-${kind}`, { identifier, before: undefined, after: row }),
    steps: [...insertEntry(call.catalog, identifier.namespace, row), ...placeSteps(row, staged.beside)],
  }
}

async function writeFiles(context: CatalogContext, catalog: CatalogHandle, staged: readonly Staged[]): Promise<void> {
  const writes = await Promise.allSettled(staged.map(({ file, document, codec }) => writeFile(catalog, file, document, codec)))
  const failed = writes.find((write) => write.status === 'rejected')
  if (failed === undefined) return
  const isThere = (_: Staged, at: number): boolean => {
    const write = writes[at]
    return write?.status !== 'rejected' || maybeWritten(write.reason)
  }
  await discard(context, catalog, staged.filter(isThere))
  await leave(
    catalog,
    staged.filter((one, at) => !isThere(one, at)),
  )
  throw failed.reason
}

export interface FlipOptions<T> extends Pick<Attempt<T>, 'status' | 'outcome' | 'answer'> {
  readonly message: string
  /** Of what else the batch puts into a place. */
  readonly claims?: readonly Claim[]
}

/**
 * Writes the files, then flips all pointers at once.
 * @returns `undefined` when a race was lost already
 */
export function flip<T>(
  context: CatalogContext,
  call: CatalogCall,
  staged: readonly Staged[],
  { message, status, outcome, answer, claims: others = [] }: FlipOptions<T>,
): Attempt<T> | undefined {
  const { catalog } = call
  const own = staged.flatMap(({ claim, beside }) => [claim, beside?.claim]).filter((claim) => claim !== undefined)
  const claims = claimSteps([...own, ...others])
  if (claims === undefined) return undefined
  const writes = staged.map((one) => entryWrite(context, call, one))
  const changes = [...claims, ...writes.flatMap(({ steps }) => steps)]
  return {
    message,
    operations: writes.map(({ operation }) => operation),
    steps: changes,
    status,
    outcome,
    prepare: () => writeFiles(context, catalog, staged),
    undo: async () => {
      for (const { identifier } of staged) context.landed.missed(laneOf(catalog, identifier))
      await discard(context, catalog, staged)
    },
    landed: (versions) => rememberLanded(context, changes, versions),
    answer: async () => {
      for (const { file: metadata_location, uuid, document, metadata, row } of staged) {
        rememberCurrent(context, catalog, { file: { metadata_location, id: '', uuid }, document, metadata }, row)
      }
      await Promise.all(staged.map((one) => prepare(context, catalog, one)))
      return answer()
    },
  }
}

function rememberLanded(context: CatalogContext, changes: readonly Mutation[], versions: readonly (Version | undefined)[]): void {
  for (const [at, change] of changes.entries()) {
    const version = versions[at]
    if (change.entity !== 'entries' || !('row' in change) || version === undefined) continue
    context.landed.put(entryLane(change.row), { ...change.row, version })
  }
}

/** With its place, where that is a new one. @throws IcebergError 400 when the place is not free */
export async function claimed(
  context: CatalogContext,
  catalog: CatalogHandle,
  staged: Staged,
  known: {
    readonly ground?: Claim['ground'] | undefined
    readonly uuid: string | undefined
    readonly made?: MadeUp | undefined
  },
): Promise<Staged> {
  const { row, location, identifier } = staged
  if (row?.location === location) return staged
  const ground = known.ground ?? (await groundOf(context, catalog))
  if (known.made !== undefined) return { ...staged, claim: { ground, own: known.made.own, steps: known.made.steps } }
  const home = await homeOf(context, catalog, identifier.namespace)
  const own = ownLocations(catalog, home, identifier, known.uuid ?? '').includes(location)
  await assertLocationFree(context, catalog, location, { isMadeUp: own, ownId: row?.id })
  return { ...staged, claim: { ground, own } }
}

/** Tables created together must not overlap either, nor lie where another one of the request has its files from now on. */
export function assertApart(staged: readonly Staged[]): void {
  const fresh = staged.filter(({ row, location }) => row?.location !== location)
  const placesOf = ({ location, beside }: Staged): readonly Location[] => [location, ...(beside?.added ?? [])]
  const clash = fresh.find((one) =>
    staged.some((other) => other !== one && placesOf(other).some((place) => overlaps(one.location, place))),
  )
  if (clash !== undefined) throw badRequest(`Invalid location: ${clash.location} overlaps that of another table of the request`)
}

export interface EntriesCommit<T> extends Pick<ChangeRequest<T>, 'replay'> {
  readonly identifiers: readonly TableIdentifier[]
  /** One attempt, for the identifier at this position. */
  readonly plan: (position: number) => Promise<Plan>
  readonly message: string
  readonly status: number
  /** `locations`: where the current metadata of each is. */
  readonly outcome: (locations: readonly string[]) => Json
  readonly answer: (plans: readonly Plan[]) => T | Promise<T>
}

const PLANNED_AT_ONCE = 16

/** Some at a time and bounded in all: what a thousand large tables become must fit into memory until the last is planned. */
async function planAll(commit: Pick<EntriesCommit<unknown>, 'identifiers' | 'plan'>): Promise<Plan[]> {
  const plans: Plan[] = []
  let bytes = 0
  for (let from = 0; from < commit.identifiers.length; from += PLANNED_AT_ONCE) {
    const some = commit.identifiers.slice(from, from + PLANNED_AT_ONCE)
    for (const plan of await Promise.all(some.map((_, position) => commit.plan(from + position)))) {
      plans.push(plan)
      if ('document' in plan) bytes += plan.document.json.length
    }
    if (bytes > MAX_METADATA_BYTES && plans.length > 1) {
      throw badRequest(
        `Invalid transaction: the new metadata of its tables has more than ${MAX_METADATA_BYTES} bytes; commit fewer tables`,
      )
    }
  }
  return plans
}

/** A commit that takes longer asks whether its catalog is still there. (Asking each time would make them all lock one row.) */
const SURE_MS = 1000

/** Commits to one or several entries, all or none. */
export function commitEntries<T>(context: CatalogContext, call: CatalogCall, commit: EntriesCommit<T>): Promise<T> {
  const since = context.now()
  const late = (): Mutation[] => (context.now() - since > SURE_MS ? [requireBranch(call.catalog)] : [])
  const lanes = commit.identifiers.map((identifier) => laneOf(call.catalog, identifier))
  const [first] = commit.identifiers
  return change(context, call, {
    what: first !== undefined && lanes.length === 1 ? displayIdentifier(first) : `${lanes.length} tables`,
    log: call.catalog,
    lanes,
    attempt: async () => {
      const plans = await planAll(commit)
      const staged = plans.filter((plan) => 'file' in plan)
      const locations = plans.map((plan) => ('file' in plan ? plan.file : plan.unchanged.metadata_location))
      const decided = { status: commit.status, outcome: commit.outcome(locations), answer: () => commit.answer(plans) }
      if (staged.length === 0) return decided
      assertApart(staged)
      const created = staged.filter(({ row }) => row === undefined)
      const guards = await Promise.all(
        created.map(({ kind, identifier }) => guardCreation(context, call, `${kind}.create`, identifier)),
      )
      const flipped = flip(context, call, staged, { message: commit.message, ...decided })
      return flipped && { ...flipped, steps: [...flipped.steps, ...guards.flat()], late }
    },
    lost: () => assertSameCatalog(context, call.catalog),
    replay: commit.replay,
  })
}

/** A request for one entry whose answer is the metadata that it led to. */
export function commitEntry(
  context: CatalogContext,
  call: CatalogCall,
  identifier: TableIdentifier,
  what: EntryKind,
  plan: () => Promise<Plan>,
): Promise<MetadataAnswer> {
  return commitEntries(context, call, {
    identifiers: [identifier],
    plan,
    message: `Commit to ${what} ${displayIdentifier(identifier)}`,
    status: 200,
    outcome: ([location = '']) => location,
    answer: ([made]) => {
      if (made === undefined) throw new TypeError('a commit was decided without a plan')
      return 'file' in made ? answerOf(made.document) : answerWithEntry(context, call.catalog, made.unchanged)
    },
    replay: (location) => answerAgain(context, call, identifier, what, location as string),
  })
}

/** The answer to a repeated request: what it led to, or what has become of that since. */
export async function answerAgain(
  context: CatalogContext,
  call: CatalogCall,
  identifier: TableIdentifier,
  kind: EntryKind,
  location: string,
): Promise<MetadataAnswer> {
  const { catalog } = call
  const row = await findEntry(context, catalog, identifier)
  const entry = row?.kind === kind ? row : undefined
  if (entry?.metadata_location === location) return answerWithEntry(context, catalog, entry)
  const before = { ...entryKey(catalog, identifier), kind, id: entry?.id ?? '', uuid: null, location: undefined }
  try {
    return await answerSuperseded(context, catalog, { ...before, metadata_location: location }, catalog.clientConfig)
  } catch (error) {
    if (!(error instanceof IcebergError) || (error.code !== 404 && error.code !== 500)) throw error
    if (entry === undefined) throw noSuch(kind, identifier)
    return answerWithEntry(context, catalog, entry)
  }
}
