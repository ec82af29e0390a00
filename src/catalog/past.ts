/**
 * The catalog as it was at a position of its log: tables, views and namespaces by name, and lists of names. What was at a position
 * never changes, so what was read once is remembered.
 */
import { setImmediate as turn } from 'node:timers/promises'
import { isAllowed } from '../access/decide.ts'
import type { Kind } from '../history/effects.ts'
import { logKeyOf } from '../history/logs.ts'
import { displayIdentifier, IcebergError } from '../iceberg/errors.ts'
import { namespaceKey as joinLevels, namespaceOfKey } from '../iceberg/identifier.ts'
import { StorageError } from '../storage/storage.ts'
import type { Key, Row } from '../stores/entities.ts'
import type { Store } from '../stores/store.ts'
import type { CatalogCall, CatalogContext, CatalogHandle, TableIdentifier } from './call.ts'
import { assertStillThere, type Seen } from './documents/metadata-files.ts'
import { namespaceIds, type Entry } from './entries.ts'
import type { Soon } from './soon.ts'

/** A reading of the past. */
export interface PastHandle extends CatalogHandle {
  readonly at: number
}

export const isPast = (catalog: CatalogHandle): catalog is PastHandle => catalog.at !== undefined

interface Place {
  readonly kind: Kind
  /** The path of the namespace around it. */
  readonly parent: string
  readonly name: string
}

/** Things of all catalogs and positions that are remembered, absent ones included. */
const MOST_REMEMBERED = 10_000
const remembered = new WeakMap<Store, Map<string, Entry | Row<'namespaces'> | null>>()

async function once<T extends Entry | Row<'namespaces'>>(
  { store }: CatalogContext,
  catalog: PastHandle,
  { kind, parent, name }: Place,
  read: () => Promise<T | undefined>,
): Promise<T | undefined> {
  const key = [catalog.tenantId, catalog.id, catalog.branch, catalog.at, kind, parent, name].join('\n')
  let known = remembered.get(store)
  if (known === undefined) remembered.set(store, (known = new Map()))
  const found = known.get(key)
  if (found !== undefined) return (found ?? undefined) as T | undefined
  const fresh = await read()
  if (known.size >= MOST_REMEMBERED) known.delete(known.keys().next().value!)
  known.set(key, fresh ?? null)
  return fresh
}

/** What had the name at the position. */
async function stateOf({ store }: CatalogContext, catalog: PastHandle, place: Place): Promise<Row<'states'> | undefined> {
  const where = { ...logKeyOf(catalog), ...place }
  const after = { ...where, since: catalog.at + 1 }
  const [last] = await store.list('states', { index: 'primary', where, after, descending: true, limit: 1 })
  return last !== undefined && isThere(last, catalog.at) ? last : undefined
}

const isThere = ({ since, until }: Row<'states'>, at: number): boolean => since <= at && (until === null || until > at)

/** The row as it was, as far as it was recorded; undefined when nothing of this kind had the name. */
export function pastEntry(
  context: CatalogContext,
  catalog: PastHandle,
  { namespace, name }: TableIdentifier,
  kind: 'table' | 'view',
): Promise<Entry | undefined> {
  const path = joinLevels(namespace)
  const place = { kind, parent: path, name }
  return once<Entry>(context, catalog, place, async () => {
    const where = { ...logKeyOf(catalog), namespace: path, name }
    const after = { ...where, position: catalog.at + 1 }
    const [state, [version]] = await Promise.all([
      stateOf(context, catalog, place),
      context.store.list('versions', { index: 'primary', where, after, descending: true, limit: 1 }),
    ])
    if (state === undefined || version === undefined) return undefined
    const { id, uuid, location } = state
    const row = {
      ...where,
      kind,
      id: id ?? '',
      uuid,
      location: location ?? undefined,
      metadata_location: version.metadata_location,
    }
    // Of what is not recorded nothing is asked where the past is read.
    return { ...row, epoch: 0, deleted: false, created_at: 0, updated_at: 0, version: 0 } as unknown as Entry
  })
}

export async function pastNamespace(
  context: CatalogContext,
  catalog: PastHandle,
  { parent, name }: Pick<Key<'namespaces'>, 'parent' | 'name'>,
): Promise<Row<'namespaces'> | undefined> {
  const place = { kind: 'namespace', parent, name } as const
  return once<Row<'namespaces'>>(context, catalog, place, async () => {
    const state = await stateOf(context, catalog, place)
    if (state === undefined) return undefined
    const row = { ...logKeyOf(catalog), parent, name, id: state.id ?? '', properties: state.properties ?? {} }
    return { ...row, epoch: 0, deleted: false, created_at: 0, updated_at: 0, location: null, version: 0 }
  })
}

/** Rows read at a time, since those of other times stand between: the largest page and a name more, where none do. */
const READ_AT_ONCE = 1024

/** What is listed, for whom. */
export type PastListing = Pick<Place, 'kind' | 'parent'> & { readonly call: CatalogCall }

/** Those that the caller may still read; of namespaces all. */
async function readable(
  context: CatalogContext,
  { kind, call }: PastListing,
  states: readonly Row<'states'>[],
): Promise<readonly Row<'states'>[]> {
  if (kind === 'namespace' || call.principal.bounds?.within === undefined) return states
  const named = states.map(({ id, parent, name }) => ({ id: id ?? '', kind, namespace: parent, name }))
  const are = await Promise.all(named.map((one) => isStillReadable(context, call, one)))
  return states.filter((_, at) => are[at])
}

/** Between a name and a position in a text that stands for both. No name holds it. */
const MARK = '\u001f'

/** The position of a name, behind all that ever had it. */
export const behindName = (name: string): string => `${name}${MARK}${Number.MAX_SAFE_INTEGER}`

/** Of one name there may be as many states as of many. */
function rowBehind(position: string): Pick<Row<'states'>, 'name' | 'since'> {
  const [name = '', since] = position.split(MARK)
  return { name, since: Number(since ?? Number.MAX_SAFE_INTEGER) }
}

export interface PastNames {
  readonly names: readonly string[]
  /** Where there may be more; undefined at the end. */
  readonly position: string | undefined
}

/** Looked at for one page, where most of what there is was not there at the time. */
const MAX_SCANNED = 10_000
/** Where each name has to be looked up, since rights depend on the last one that a thing had. */
const MAX_SCANNED_NARROWED = 1000

/** Names of a kind in a namespace, in their order, behind a position. Fewer than `limit` where that takes too much, unless all are wanted. */
export async function pastNames(
  context: CatalogContext,
  catalog: PastHandle,
  listing: PastListing,
  behind: string | undefined,
  { limit, isAll = false }: { readonly limit: number; readonly isAll?: boolean },
): Promise<PastNames> {
  const { kind, parent, call } = listing
  const where = { ...logKeyOf(catalog), kind, parent }
  const names: string[] = []
  const most = isAll ? Infinity : call.principal.bounds?.within === undefined ? MAX_SCANNED : MAX_SCANNED_NARROWED
  let after = behind === undefined ? undefined : { ...where, ...rowBehind(behind) }
  for (let scanned = 0; ;) {
    const size = rowsFor(limit - names.length, scanned, names.length)
    const rows = await context.store.list('states', { index: 'primary', where, limit: size, ...(after && { after }) })
    const there = rows.filter((row) => isThere(row, catalog.at))
    for (const { name } of await readable(context, listing, there)) {
      names.push(name)
      if (names.length === limit) return { names, position: behindName(name) }
    }
    const last = rows.at(-1)
    if (last === undefined || rows.length < size) return { names, position: undefined }
    scanned += rows.length
    if (scanned >= most) return { names, position: `${last.name}${MARK}${last.since}` }
    after = { ...where, name: last.name, since: last.since }
    await turn()
  }
}

/** How many rows to read for so many names, if these are as thinly spread as those found so far. */
function rowsFor(wanted: number, scanned: number, found: number): number {
  const spread = scanned === 0 ? 1 : scanned / Math.max(1, found)
  return Math.min(READ_AT_ONCE, Math.max(16, Math.ceil(wanted * spread)))
}

/** The names of some that were there. */
export async function pastNamesAmong(
  context: CatalogContext,
  catalog: PastHandle,
  listing: PastListing,
  names: readonly string[],
): Promise<string[]> {
  const { kind, parent } = listing
  const states = await Promise.all(names.map((name) => stateOf(context, catalog, { kind, parent, name })))
  const there = states.filter((state) => state !== undefined)
  return (await readable(context, listing, there)).map(({ name }) => name)
}

/** What of an operation of the log is asked here. */
interface Logged {
  readonly id?: string
  readonly destination?: TableIdentifier
  readonly 'purge-requested'?: boolean
}

const operationsOf = (line: Row<'commits'> | undefined): readonly Logged[] => (line?.operations ?? []) as readonly Logged[]

type Named = Pick<Entry, 'id' | 'kind' | 'namespace' | 'name'>

const placeOf = ({ kind, namespace, name }: Named): Place => ({ kind: kind as Kind, parent: namespace, name })

const MOST_RENAMES = 100

/** The last name of what had one at the position, and the change by which it went away; none while it is there. */
async function endOf(
  context: CatalogContext,
  catalog: PastHandle,
  first: Place,
): Promise<{ readonly place: Place; readonly line: Row<'commits'> | undefined; readonly at: number }> {
  for (let [place, at, renames] = [first, catalog.at, 0]; ; renames++) {
    const state = await stateOf(context, { ...catalog, at }, place)
    if (typeof state?.until !== 'number') return { place, line: undefined, at }
    at = state.until
    const end = await context.store.get('positions', { ...logKeyOf(catalog), position: at })
    const line = end && (await context.store.get('commits', { ...logKeyOf(catalog), id: end.commit_id }))
    const renamed = operationsOf(line).find(({ id, destination }) => id === state.id && destination !== undefined)
    if (renamed?.destination === undefined || renames === MOST_RENAMES) return { place, line, at }
    const { namespace, name } = renamed.destination
    place = { kind: first.kind, parent: joinLevels(namespace), name }
  }
}

/**
 * Rights follow what they are about: a caller that may no longer read a table where it is now, or was last, may not read its past
 * where it was. Asked only of narrowed tokens.
 */
export async function isStillReadable(
  context: CatalogContext,
  { principal, catalog }: CatalogCall,
  entry: Named,
): Promise<boolean> {
  const { id, kind } = entry
  if (principal.bounds?.within === undefined || id === '' || !isPast(catalog)) return true
  const { tenantId: tenant_id } = catalog
  const [now] = await context.store.list('entries', { index: 'by_id', where: { tenant_id, id }, limit: 1 })
  if (now !== undefined && now.catalog_id !== catalog.id) return false
  // What became of it may be in lines that have no position yet.
  if (now === undefined) await context.sequencer.settle()
  const end = now === undefined ? await endOf(context, catalog, placeOf(entry)) : undefined
  const { parent, name } = end?.place ?? placeOf(now!)
  const names = namespaceOfKey(parent)
  // Of what is gone: as it was before it went.
  const ids = await namespaceIds(context, { ...catalog, at: end && end.at - 1 }, names)
  const resource = { tenantId: tenant_id, catalog, namespace: { names, ids }, entry: { name, id } }
  return isAllowed(principal, kind === 'view' ? 'view.read' : 'table.read', resource)
}

/** In the place of the error that a missing metadata file is: what became of it, where that is known. */
export async function explainGone(
  context: CatalogContext,
  catalog: PastHandle,
  identifier: TableIdentifier,
  row: Entry,
  error: unknown,
): Promise<never> {
  const isGone = error instanceof IcebergError && error.cause instanceof StorageError && error.cause.kind === 'missing'
  if (!isGone) throw error
  const { kind, metadata_location: file } = row
  const what = `${kind === 'view' ? 'View' : 'Table'} ${displayIdentifier(identifier)}`
  const { line } = await endOf(context, catalog, placeOf(row))
  const purge = operationsOf(line).some((operation) => operation['purge-requested'] === true) ? line : undefined
  const why =
    purge === undefined
      ? 'it was removed since, by the clean-up of the table or by another program'
      : `it was purged by change ${purge.id} at ${new Date(purge.timestamp_ms).toISOString()}`
  const message = `${what} can not be read at position ${catalog.at}: its metadata file ${file} is gone; ${why}`
  throw new IcebergError(kind === 'view' ? 'NoSuchViewException' : 'NoSuchTableException', message, { cause: error })
}

/** When a file of the past was last seen. */
const seen = new WeakMap<Entry, Seen>()

function seenOf(row: Entry): Seen {
  let known = seen.get(row)
  if (known === undefined) seen.set(row, (known = { presentAt: -Infinity }))
  return known
}

/** Where reads of the past and of now differ: what is remembered of a file must not stand for one that is gone. */
export const orGone = <T>(
  context: CatalogContext,
  catalog: CatalogHandle,
  identifier: TableIdentifier,
  row: Entry,
  read: () => Soon<T>,
): Soon<T> => (isPast(catalog) ? readPast(context, catalog, identifier, row, read) : read())

async function readPast<T>(
  context: CatalogContext,
  catalog: PastHandle,
  identifier: TableIdentifier,
  row: Entry,
  read: () => Soon<T>,
): Promise<T> {
  try {
    await assertStillThere(context, catalog, row.metadata_location, seenOf(row))
    return await read()
  } catch (error) {
    return explainGone(context, catalog, identifier, row, error)
  }
}
