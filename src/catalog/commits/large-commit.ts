/**
 * Commits that take long: large requests, and requests of any size to tables whose metadata is large and not at hand in its
 * parsed form. A thread works out what they come to; what that names is judged here, before anything is written.
 */
import { setImmediate as turn } from 'node:timers/promises'
import { parse, stringify } from '../../iceberg/json.ts'
import { nextVersion } from '../../iceberg/metadata-file.ts'
import type { TableCommit } from '../../iceberg/table-commit.ts'
import type { TableMetadata } from '../../iceberg/table-metadata.ts'
import { toShared } from '../../threads.ts'
import { placeCheck, type PlaceCheck } from '../places/areas.ts'
import type { CatalogCall, CatalogContext, TableIdentifier } from '../call.ts'
import { stageMade, type Staged } from './commit.ts'
import { asFault, cacheKey, readDocument } from '../documents/documents.ts'
import type { Entry, EntryKind } from '../entries.ts'
import { errorOf } from './failures.ts'
import {
  factsOf,
  parseTableCommit,
  type CommitFacts,
  type CommitOutput,
  type Identity,
  type InputOf,
  type NewFile,
  type ReadCommit,
  type ReadCreation,
} from './format-work.ts'
import type { CommitTableRequest, CreateTableRequest, CreateViewRequest } from '../shapes.ts'

/**
 * Up to these sizes in bytes the thread that serves requests does it itself, in some 20 ms at most: one table's
 * part of a large request; metadata that must be parsed first; metadata whose schemas are to be compared with a new one.
 */
const INLINE_PART = 16 * 1024
const INLINE_BASE = 1024 * 1024
const INLINE_SCHEMAS = 512 * 1024

/** What a request wants of a table. */
export interface TableChange extends CommitFacts {
  /** Absent for a large one. */
  readonly commit: TableCommit | undefined
  /** Requirements and updates. */
  readonly json: () => Uint8Array
}

export const smallChange = (commit: TableCommit): TableChange => ({
  ...factsOf(commit),
  commit,
  json: () => Buffer.from(stringify(commit)),
})

const changeOf = ({ json, ...facts }: ReadCommit): TableChange => ({
  ...facts,
  commit: json.length > INLINE_PART ? undefined : parseTableCommit(parse(json) as unknown as CommitTableRequest),
  json: () => json,
})

export interface ReadChange {
  readonly identifier: TableIdentifier | undefined
  readonly change: TableChange
}

/** What a large request wants, of one table or of several. */
export async function readLarge(
  context: CatalogContext,
  { principal }: CatalogCall,
  request: Uint8Array,
  { isTransaction }: { readonly isTransaction: boolean },
): Promise<readonly ReadChange[]> {
  const bytes = await toShared(request)
  const commits = await context.threads.run('readCommits', { request: bytes, isTransaction }, principal.id)
  const changes: ReadChange[] = []
  for (const [at, commit] of commits.entries()) {
    if (at % 16 === 15) await turn()
    changes.push({ identifier: commit.identifier, change: changeOf(commit) })
  }
  return changes
}

const TOUCHES_SCHEMAS: ReadonlySet<string> = new Set([
  'add-schema',
  'set-current-schema',
  'remove-schemas',
  'upgrade-format-version',
])

/** Whether a thread should carry it out. The metadata's bytes are at hand afterwards, or its parsed form. */
export async function isLarge(
  context: CatalogContext,
  call: CatalogCall,
  change: TableChange,
  row: Entry | undefined,
): Promise<boolean> {
  if (change.commit === undefined) return true
  if (row === undefined) return false
  const key = cacheKey(call.catalog, row)
  if (context.cache.parsed<TableMetadata>(key) === undefined) {
    return (await readDocument(context, call.catalog, row)).json.length > INLINE_BASE
  }
  const bytes = context.cache.get(key)?.json.length ?? 0
  return bytes > INLINE_SCHEMAS && change.commit.updates.some(({ action }) => TOUCHES_SCHEMAS.has(action))
}

export interface LargePlan {
  readonly base: Identity | undefined
  /** Absent where nothing changes. */
  readonly made?: {
    readonly metadata: Identity
    readonly removed: readonly string[]
    readonly foreign: readonly string[]
    readonly staged: Staged
  }
}

export interface LargeTarget {
  readonly identifier: TableIdentifier
  readonly row: Entry | undefined
  /** For a table that has none. */
  readonly uuid: string
  /** The table's place, or those that the server would give it. */
  readonly own: readonly string[]
  /** Of a table that is created, where the commit names none. */
  readonly fallback: string | undefined
}

/** @throws IcebergError 4xx, as the same commit would in the thread that serves requests */
export async function planLarge(
  context: CatalogContext,
  call: CatalogCall,
  kind: EntryKind,
  change: { readonly json: () => Uint8Array },
  { identifier, row, uuid, own, fallback }: LargeTarget,
): Promise<LargePlan> {
  const { catalog, principal } = call
  const document = row === undefined ? undefined : await readDocument(context, catalog, row)
  const input: InputOf<'commitToTable'> = {
    request: await toShared(change.json()),
    base: document === undefined ? undefined : await toShared(document.json),
    now: context.now(),
    newUuid: uuid,
    previousMetadataLocation: row?.metadata_location,
    fallbackLocation: fallback,
    limits: context.limits,
    plan: { version: nextVersion(row?.metadata_location), uuid: context.uuid(), config: catalog.clientConfig },
  }
  const work = kind === 'table' ? 'commitToTable' : 'commitToView'
  const output = await context.threads.run(work, input, principal.id).catch((error: unknown) => {
    // What the request does wrong is part of the output: this is the file.
    throw row === undefined ? error : asFault(error, row)
  })
  const { base } = output
  const places = placeCheck(context, call, { identifier, locations: own, properties: base?.properties ?? {} })
  for (const [place, what] of output.places) places.check(place, what)
  await places.settled()
  const outcome = settled(output)
  if (outcome === undefined) return { base }
  const { metadata, removed, foreign, made } = outcome
  const staged = stageMade(context, catalog, { identifier, kind, row }, metadata, made, document?.json.length ?? 0)
  return { base, made: { metadata, removed, foreign, staged } }
}

function settled({ outcome }: CommitOutput) {
  if ('unchanged' in outcome) return undefined
  if (!('failure' in outcome)) return outcome
  throw errorOf(outcome.failure)
}

/** What a request wants to create. */
export interface Creation<R> extends ReadCreation {
  /** Absent for a large one. */
  readonly request: R | undefined
  readonly json: Uint8Array
}

export async function creationOf<R extends CreateTableRequest | CreateViewRequest>(
  context: CatalogContext,
  { principal }: CatalogCall,
  kind: EntryKind,
  request: R | Uint8Array,
): Promise<Creation<R>> {
  if (request instanceof Uint8Array) {
    const json = await toShared(request)
    const read = await context.threads.run('readCreation', { request: json, kind }, principal.id)
    return { ...read, request: undefined, json }
  }
  const isStaged = 'stage-create' in request && request['stage-create'] === true
  return { name: request.name, location: request.location ?? undefined, isStaged, request, json: NOTHING }
}

const NOTHING = new Uint8Array()

/** What a large request to create comes to. @throws IcebergError 4xx, as a small one */
export async function createLarge(
  context: CatalogContext,
  call: CatalogCall,
  kind: EntryKind,
  request: Uint8Array,
  { places, uuid, location }: { readonly places: PlaceCheck; readonly uuid: string; readonly location: string },
): Promise<{ readonly metadata: Identity; readonly made: NewFile }> {
  const plan = { version: nextVersion(undefined), uuid: context.uuid(), config: call.catalog.clientConfig }
  const input = { request, kind, uuid, location, now: context.now(), limits: context.limits, plan }
  const output = await context.threads.run('create', input, call.principal.id)
  for (const [place, what] of output.places) places.check(place, what)
  await places.settled()
  if ('failure' in output.outcome) throw errorOf(output.outcome.failure)
  return output.outcome
}
