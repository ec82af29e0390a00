/**
 * What is done with metadata and large requests, as functions from bytes to bytes: they need nothing of the server's, so a
 * thread of its own can carry them out. What a use case has to judge of the result (places, names of files) comes with it.
 */
import { parse, stringify, type JsonValue } from '../../iceberg/json.ts'
import type { JsonParts } from '../../iceberg/json-parts.ts'
import { compressionCodec, encodeMetadataFile, metadataDirectory, metadataFileName } from '../../iceberg/metadata-file.ts'
import type { MetadataCodec } from '../../iceberg/metadata-file.ts'
import { foreignFiles } from '../../iceberg/named-files.ts'
import { checkMetadata, type MetadataOwner } from '../../iceberg/metadata-check.ts'
import { refsOnly } from '../../iceberg/refs-only.ts'
import { newTableMetadata, type NewTable } from '../../iceberg/create-table.ts'
import { newViewMetadata, type NewView } from '../../iceberg/create-view.ts'
import { commitTable, type TableCommit } from '../../iceberg/table-commit.ts'
import type { TableLimits } from '../../iceberg/table-limits.ts'
import { parseForeignTableMetadata, parseTableMetadata, serializeTableMetadata } from '../../iceberg/table-metadata.ts'
import type { CheckLocation } from '../../iceberg/table-properties.ts'
import { parseTableRequirements, parseViewRequirements } from '../../iceberg/table-requirement.ts'
import { parseTableUpdates } from '../../iceberg/table-update.ts'
import { undoTable, type Undone } from '../../iceberg/undo-table.ts'
import { undoView } from '../../iceberg/undo-view.ts'
import { commitView, type ViewCommit } from '../../iceberg/view-commit.ts'
import { parseViewMetadata, serializeViewMetadata } from '../../iceberg/view-metadata.ts'
import { parseViewUpdates } from '../../iceberg/view-update.ts'
import { sharedBuffer } from '../../threads.ts'
import { LARGE_JSON, SMALL_JSON } from '../request-limits.ts'
import { compose, type ClientConfig } from '../documents/compose.ts'
import { failureOf, type Failure } from './failures.ts'
import {
  CommitTableRequest,
  CommitTransactionRequest,
  CommitViewRequest,
  CreateTableRequest,
  CreateViewRequest,
  decode,
} from '../shapes.ts'

/** In a file of another writer; the metadata of a table of 100,000 snapshots has fewer. */
export const FOREIGN_LIMITS = { maxValues: 4_000_000, maxKeys: 100_000 }

export const parseTableCommit = (request: Pick<CommitTableRequest, 'requirements' | 'updates'>): TableCommit => ({
  requirements: parseTableRequirements((request.requirements ?? []) as JsonValue),
  updates: parseTableUpdates((request.updates ?? []) as JsonValue),
})

export const parseViewCommit = (request: Pick<CommitViewRequest, 'requirements' | 'updates'>): ViewCommit => ({
  requirements: parseViewRequirements((request.requirements ?? []) as JsonValue),
  updates: parseViewUpdates((request.updates ?? []) as JsonValue),
})

type Given = Pick<NewTable, 'uuid' | 'location' | 'now' | 'limits' | 'checkLocation'>

/** What a request says of a new table, with what the server adds. */
export const tableToCreate = (request: CreateTableRequest, given: Given): NewTable => ({
  ...given,
  schema: request.schema,
  spec: request['partition-spec'],
  order: request['write-order'],
  properties: request.properties ?? {},
})

export const viewToCreate = (request: CreateViewRequest, given: Given): NewView => ({
  ...given,
  schema: request.schema,
  viewVersion: request['view-version'],
  properties: request.properties ?? {},
})

/** What a use case must know of a commit to a table before it looks at the table. */
export interface CommitFacts {
  readonly creates: boolean
  /** A staged creation brings the identity that it was answered with, and the place made up for that. */
  readonly assignedUuid: string | undefined
  readonly setsLocation: boolean
}

export const factsOf = ({ requirements, updates }: TableCommit): CommitFacts => ({
  creates: requirements.some(({ type }) => type === 'assert-create'),
  assignedUuid: updates.find((update) => update.action === 'assign-uuid')?.uuid,
  setsLocation: updates.some(({ action }) => action === 'set-location'),
})

export interface ReadCommit extends CommitFacts {
  readonly identifier: { readonly namespace: readonly string[]; readonly name: string } | undefined
  /** Requirements and updates, as JSON. */
  readonly json: Uint8Array
}

/** What of metadata says where files lie and how they are written. */
const KEPT_PROPERTIES = [
  'write.data.path',
  'write.metadata.path',
  'write.object-storage.path',
  'write.folder-storage.path',
  'write.metadata.compression-codec',
  'write.metadata.delete-after-commit.enabled',
]

export interface Identity {
  readonly location: string
  /** Those alone that name places or files. */
  readonly properties: Readonly<Record<string, string>>
  readonly 'table-uuid'?: string
  readonly 'view-uuid'?: string
}

function identityOf(metadata: Identity): Identity {
  const { location, properties, 'table-uuid': table, 'view-uuid': view } = metadata
  const kept = KEPT_PROPERTIES.flatMap((key) =>
    Object.hasOwn(properties, key) ? [[key, properties[key] as string] as const] : [],
  )
  const uuid = table === undefined ? view && { 'view-uuid': view } : { 'table-uuid': table }
  return { location, properties: Object.fromEntries(kept), ...uuid }
}

/** A new metadata file and the answer that it will be. */
export interface NewFile {
  readonly file: string
  readonly codec: MetadataCodec
  readonly body: Uint8Array
  /** Where in the body the document is. */
  readonly start: number
  readonly end: number
  /** What the file holds, where that is not the document as it is. */
  readonly encoded: Uint8Array | undefined
}

export interface FilePlan {
  readonly version: number
  readonly uuid: string
  readonly config: ClientConfig
}

function newFile(metadata: Identity, json: JsonParts, plan: FilePlan): NewFile {
  const codec = compressionCodec(metadata.properties)
  const file = `${metadataDirectory(metadata)}/${metadataFileName(plan.version, plan.uuid, codec)}`
  const { body, json: document } = compose(file, json, plan.config, sharedBuffer)
  const start = document.byteOffset - body.byteOffset
  const encoded = codec === 'none' ? undefined : encodeMetadataFile(document, codec)
  return { file, codec, body, start, end: start + document.length, encoded }
}

export interface CommitInput {
  /** Requirements and updates. */
  readonly request: Uint8Array
  readonly base: Uint8Array | undefined
  readonly now: number
  readonly newUuid: string
  readonly previousMetadataLocation: string | undefined
  /** Of a table that is created, where the commit names none. */
  readonly fallbackLocation: string | undefined
  readonly limits: TableLimits
  readonly plan: FilePlan
}

/** A refusal comes with the places that were named until then: who may name them is judged first. */
export interface CommitOutput {
  readonly base: Identity | undefined
  readonly places: readonly (readonly [location: string, what: string])[]
  readonly outcome:
    | { readonly failure: Failure }
    | { readonly unchanged: true }
    | {
        readonly metadata: Identity
        readonly removed: readonly string[]
        /** Files that the commit names and that are not the table's own. */
        readonly foreign: readonly string[]
        readonly made: NewFile
      }
}

/** What a commit to metadata of a kind comes to, as JSON. */
interface Applied {
  readonly metadata: Identity
  readonly changed: boolean
  readonly json: () => JsonParts
  readonly removed: readonly string[]
  readonly foreign: readonly string[]
}

function commitTo<M extends Identity>(
  input: CommitInput,
  parseBase: (json: Uint8Array) => M,
  apply: (base: M | undefined, request: JsonValue, checkLocation: CheckLocation) => Applied,
): CommitOutput {
  const base = input.base === undefined ? undefined : parseBase(input.base)
  const known = { base: base === undefined ? undefined : identityOf(base) }
  const { check, named } = namedPlaces()
  try {
    const { metadata, changed, json, removed, foreign } = apply(base, parse(input.request, LARGE_JSON), check)
    if (base !== undefined && !changed) return { ...known, places: named(), outcome: { unchanged: true } }
    const identity = identityOf(metadata)
    const made = newFile(identity, json(), input.plan)
    return { ...known, places: named(), outcome: { metadata: identity, removed, foreign, made } }
  } catch (error) {
    return { ...known, places: named(), outcome: { failure: failureOf(error) } }
  }
}

/** Takes note of the places that a request names, each once. */
function namedPlaces() {
  const places = new Map<string, readonly [string, string]>()
  const check: CheckLocation = (location, what) => void places.set(`${what}\n${location}`, [location, what])
  return { check, named: () => [...places.values()] }
}

const commitToTable = (input: CommitInput): CommitOutput =>
  commitTo(input, parseTableMetadata, (base, request, checkLocation) => {
    const commit = parseTableCommit(request as unknown as CommitTableRequest)
    const { fallbackLocation: location, now, newUuid, previousMetadataLocation, limits } = input
    const placed = location === undefined ? [] : parseTableUpdates([{ action: 'set-location', location }])
    const { metadata, changed, removedMetadataLocations } = commitTable(
      base,
      { ...commit, updates: [...commit.updates, ...placed] },
      { now, newUuid, checkLocation, previousMetadataLocation, limits },
    )
    const foreign = foreignFiles(metadata.location, commit.updates)
    return { metadata, changed, json: () => serializeTableMetadata(metadata), removed: removedMetadataLocations, foreign }
  })

/** To one that exists. */
const commitToView = (input: CommitInput): CommitOutput =>
  commitTo(input, parseViewMetadata, (base, request, checkLocation) => {
    if (base === undefined) throw new TypeError('a commit to a view needs its metadata')
    const { metadata, changed } = commitView(base, parseViewCommit(decode(CommitViewRequest, request)), {
      now: input.now,
      checkLocation,
    })
    return { metadata, changed, json: () => serializeViewMetadata(metadata), removed: [], foreign: [] }
  })

export interface ReadCreation {
  readonly name: string
  /** Where the client wants it. */
  readonly location: string | undefined
  readonly isStaged: boolean
}

const creationOf = ({ request, kind }: { readonly request: Uint8Array; readonly kind: 'table' | 'view' }) => {
  const json = parse(request, SMALL_JSON)
  return kind === 'table'
    ? ({ kind, request: decode(CreateTableRequest, json) } as const)
    : ({ kind, request: decode(CreateViewRequest, json) } as const)
}

/** A request to create that is too large to be parsed where requests are served: what it is about. */
function readCreation(input: Parameters<typeof creationOf>[0]): ReadCreation {
  const { kind, request } = creationOf(input)
  const isStaged = kind === 'table' && request['stage-create'] === true
  return { name: request.name, location: request.location ?? undefined, isStaged }
}

export interface CreateInput {
  readonly request: Uint8Array
  readonly kind: 'table' | 'view'
  readonly uuid: string
  readonly location: string
  readonly now: number
  readonly limits: TableLimits
  readonly plan: FilePlan
}

/** As that of a commit: places come with a refusal too. */
export interface CreateOutput {
  readonly places: CommitOutput['places']
  readonly outcome: { readonly failure: Failure } | { readonly metadata: Identity; readonly made: NewFile }
}

function create(input: CreateInput): CreateOutput {
  const { check: checkLocation, named } = namedPlaces()
  try {
    const { uuid, location, now, limits } = input
    const given = { uuid, location, now, limits, checkLocation }
    const creation = creationOf(input)
    const [metadata, json] = creation.kind === 'table' ? newTable(creation.request, given) : newView(creation.request, given)
    const identity = identityOf(metadata)
    return { places: named(), outcome: { metadata: identity, made: newFile(identity, json, input.plan) } }
  } catch (error) {
    return { places: named(), outcome: { failure: failureOf(error) } }
  }
}

function newTable(request: CreateTableRequest, given: Given): [Identity, JsonParts] {
  const metadata = newTableMetadata(tableToCreate(request, given))
  return [metadata, serializeTableMetadata(metadata)]
}

function newView(request: CreateViewRequest, given: Given): [Identity, JsonParts] {
  const metadata = newViewMetadata(viewToCreate(request, given))
  return [metadata, serializeViewMetadata(metadata)]
}

function shared(text: string): Uint8Array {
  const bytes = sharedBuffer(Buffer.byteLength(text))
  bytes.write(text)
  return bytes
}

/** A request that is too large to be parsed where requests are served: what it is about, and its parts one by one. */
function readCommits({
  request,
  isTransaction,
}: {
  readonly request: Uint8Array
  readonly isTransaction: boolean
}): ReadCommit[] {
  const json = parse(request, LARGE_JSON)
  const changes = isTransaction ? decode(CommitTransactionRequest, json)['table-changes'] : [decode(CommitTableRequest, json)]
  return changes.map((change) => {
    const { requirements, updates } = change
    const facts = factsOf(parseTableCommit(change))
    const bytes = isTransaction ? shared(stringify({ requirements: requirements ?? [], updates: updates ?? [] })) : request
    return { ...facts, identifier: change.identifier ?? undefined, json: bytes }
  })
}

export interface RefsInput {
  readonly json: Uint8Array
  readonly location: string
  readonly config: ClientConfig
}

/** The answer with those snapshots alone that a branch or tag names; undefined where that is all of them. */
function composeRefs({ json, location, config }: RefsInput): Uint8Array | undefined {
  const metadata = parseTableMetadata(json)
  const reduced = refsOnly(metadata)
  if (reduced.snapshots.length === metadata.snapshots.length) return undefined
  return compose(location, serializeTableMetadata(reduced), config, sharedBuffer).body
}

/** As `iceberg/metadata-check.ts` says; undefined where the file's own bytes are the answer. */
function checkFile({ json, owner }: { readonly json: Uint8Array; readonly owner: MetadataOwner }): Uint8Array | undefined {
  const checked = checkMetadata(json, owner)
  if (checked === json) return undefined
  const bytes = sharedBuffer(checked.length)
  bytes.set(checked)
  return bytes
}

/** Metadata of a file that this server did not write, judged as in a request. */
function readForeignTable({ json }: { readonly json: Uint8Array }): Identity {
  return identityOf(parseForeignTableMetadata(parse(json, FOREIGN_LIMITS)))
}

const readIdentity = ({ json }: { readonly json: Uint8Array }): Identity => identityOf(parseTableMetadata(json))

export interface UndoInput {
  readonly kind: 'table' | 'view'
  /** The metadata of now and that to go back to, with their files. */
  readonly current: Uint8Array
  readonly before: Uint8Array
  readonly currentFile: string
  readonly beforeFile: string
  readonly now: number
  readonly limits: TableLimits
  readonly plan: FilePlan
}

/** What taking back a commit comes to. @throws IcebergError 409, 400 as `iceberg/undo-table.ts` does */
export function undo({ kind, current: json, before, plan, ...options }: UndoInput) {
  const of = <M extends Identity>(current: M, { metadata, ...undone }: Undone<M>, serialize: (metadata: M) => JsonParts) => {
    const identity = identityOf(metadata)
    return { ...undone, base: identityOf(current), metadata: identity, made: newFile(identity, serialize(metadata), plan) }
  }
  if (kind === 'table') {
    const current = parseTableMetadata(json)
    return of(current, undoTable(current, parseTableMetadata(before), options), serializeTableMetadata)
  }
  const current = parseViewMetadata(json)
  return of(current, undoView(current, parseViewMetadata(before), options), serializeViewMetadata)
}

export const WORK = {
  commitToTable,
  commitToView,
  readCreation,
  create,
  readCommits,
  composeRefs,
  readIdentity,
  checkFile,
  readForeignTable,
  undo,
}

export type FormatWork = keyof typeof WORK
export type InputOf<W extends FormatWork> = Parameters<(typeof WORK)[W]>[0]
export type OutputOf<W extends FormatWork> = ReturnType<(typeof WORK)[W]>
