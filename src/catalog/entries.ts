/** Where namespaces, tables and views stand in the store: keys, look-ups, and the steps that the use cases share. */
import {
  alreadyExists,
  badRequest,
  displayIdentifier,
  IcebergError,
  noSuchNamespace,
  noSuchTable,
  noSuchView,
  noSuchWarehouse,
} from '../iceberg/errors.ts'
import { LEVEL_SEPARATOR, namespaceKey as joinLevels, namespaceOfKey } from '../iceberg/identifier.ts'
import type { Key, NewRow, Row } from '../stores/entities.ts'
import { lookUpIn } from '../stores/store.ts'
import type { LookUp, Mutation, Store, Version } from '../stores/store.ts'
import type { CatalogContext, CatalogHandle, Namespace, TableIdentifier } from './call.ts'
import { isPast, pastEntry, pastNamespace } from './past.ts'
import { soon, type Soon } from './soon.ts'

export type EntryKind = 'table' | 'view'
export type Entry = Row<'entries'>

/** The epoch of rows of a branch from which nothing was forked yet. */
export const FIRST_EPOCH = 0

/** The path of a namespace as rows hold it. Two different namespaces have different paths. */
export function namespacePath(namespace: Namespace): string {
  for (const level of namespace) checkName(level, 'namespace level')
  return joinLevels(namespace)
}

/** Look-ups check it too: a separator within a level would reach another namespace's rows. */
function checkName(name: string, what: string): void {
  if (name === '' || name.includes(LEVEL_SEPARATOR) || !name.isWellFormed()) {
    throw badRequest(`Invalid ${what}: expected well-formed text that is not empty and has no unit separator (U+001F)`)
  }
}

export function entryKey(
  catalog: Pick<CatalogHandle, 'tenantId' | 'id' | 'branch'>,
  identifier: TableIdentifier,
): Key<'entries'> {
  checkName(identifier.name, 'name')
  return {
    tenant_id: catalog.tenantId,
    catalog_id: catalog.id,
    branch: catalog.branch,
    namespace: namespacePath(identifier.namespace),
    name: identifier.name,
  }
}

/** The name of an entry's lane in the queue. */
export function entryLane(key: Key<'entries'>): string {
  return ['entry', key.tenant_id, key.catalog_id, key.branch, key.namespace, key.name].join('\n')
}

export const laneOf = (catalog: CatalogHandle, identifier: TableIdentifier): string => entryLane(entryKey(catalog, identifier))

export function namespaceKey(
  catalog: Pick<CatalogHandle, 'tenantId' | 'id' | 'branch'>,
  namespace: Namespace,
): Key<'namespaces'> {
  const name = namespace.at(-1)
  if (name === undefined) throw badRequest('Invalid namespace: expected at least one level')
  checkName(name, 'namespace level')
  return {
    tenant_id: catalog.tenantId,
    catalog_id: catalog.id,
    branch: catalog.branch,
    parent: namespacePath(namespace.slice(0, -1)),
    name,
  }
}

export const branchKey = ({ tenantId, id, branch }: CatalogHandle): Key<'branches'> => ({
  tenant_id: tenantId,
  catalog_id: id,
  name: branch,
})

/** Makes a batch fail when the catalog was dropped after the request found it. */
export const requireBranch = (catalog: CatalogHandle): Mutation => ({
  op: 'require',
  entity: 'branches',
  key: branchKey(catalog),
  expected: 'any',
})

/** The catalog is as it was found when the request came. */
export const requireCatalog = ({ tenantId: tenant_id, name, version }: CatalogHandle): Mutation => ({
  op: 'require',
  entity: 'catalogs',
  key: { tenant_id, name },
  expected: version,
})

/**
 * After a creation that lost a race: whether it was against a change of the catalog itself. It can't go on then, since all that
 * it knows of the catalog is of before.
 * @throws IcebergError 404 when the catalog is gone, 503
 */
export async function assertSameCatalog({ store }: CatalogContext, catalog: CatalogHandle): Promise<void> {
  const { tenantId: tenant_id, name, version } = catalog
  const row = await store.get('catalogs', { tenant_id, name })
  if (row === undefined) throw noSuchWarehouse(name)
  if (version === 'any' || row.version === version) return
  throw new IcebergError('ServiceUnavailableException', `Catalog ${name} was changed meanwhile; nothing was created. Try again`, {
    retryAfterSeconds: 1,
  })
}

export const requireNamespace = (catalog: CatalogHandle, namespace: Namespace): Mutation => ({
  op: 'require',
  entity: 'namespaces',
  key: namespaceKey(catalog, namespace),
  expected: 'any',
})

/** The steps that put a new entry into the namespace, which must be there. */
export const insertEntry = (catalog: CatalogHandle, namespace: Namespace, row: NewRow<'entries'>): Mutation[] => [
  requireCatalog(catalog),
  requireNamespace(catalog, namespace),
  { op: 'insert', entity: 'entries', row },
]

type Named = 'entries' | 'namespaces'
interface Remembered<E extends Named> {
  readonly store: Store
  readonly catalog: CatalogHandle
  readonly lookUp: LookUp<E>
}

/** Look-ups by the very name that was asked for: the router hands out the same object for the same path. */
function findingBy<E extends Named, N extends object>(entity: E, keyOf: (catalog: CatalogHandle, name: N) => Key<E>) {
  const lookUps = new WeakMap<N, Remembered<E>>()
  return ({ store }: CatalogContext, catalog: CatalogHandle, name: N): Soon<Row<E> | undefined> => {
    let known = lookUps.get(name)
    if (known?.catalog !== catalog || known.store !== store) {
      known = { store, catalog, lookUp: lookUpIn(store, entity, keyOf(catalog, name)) }
      lookUps.set(name, known)
    }
    return known.lookUp.get()
  }
}

const findEntryNow = findingBy('entries', entryKey)
const findNamespaceNow = findingBy('namespaces', namespaceKey)

/** Whatever has the name. */
export function findEntry(context: CatalogContext, catalog: CatalogHandle, identifier: TableIdentifier): Soon<Entry | undefined> {
  if (!isPast(catalog)) return findEntryNow(context, catalog, identifier)
  const found = KINDS.map((kind) => pastEntry(context, catalog, checked(identifier), kind))
  return Promise.all(found).then(([table, view]) => table ?? view)
}

const KINDS = ['table', 'view'] as const

function checked(identifier: TableIdentifier): TableIdentifier {
  checkName(identifier.name, 'name')
  namespacePath(identifier.namespace)
  return identifier
}

export const namespaceOrNone = (
  context: CatalogContext,
  catalog: CatalogHandle,
  namespace: Namespace,
): Soon<Row<'namespaces'> | undefined> =>
  isPast(catalog)
    ? pastNamespace(context, catalog, namespaceKey(catalog, namespace))
    : findNamespaceNow(context, catalog, namespace)

/** @throws IcebergError 404 */
export const getNamespace = (context: CatalogContext, catalog: CatalogHandle, namespace: Namespace): Soon<Row<'namespaces'>> =>
  soon(namespaceOrNone(context, catalog, namespace), (row) => {
    if (row === undefined) throw noSuchNamespace(namespace)
    return row
  })

/** Of the namespaces along the way, outermost first. */
export const keysAlong = (catalog: CatalogHandle, namespace: Namespace): Key<'namespaces'>[] =>
  namespace.map((_, at) => namespaceKey(catalog, namespace.slice(0, at + 1)))

/** The ids of the namespaces along the way, outermost first: of as many of them as exist. */
export async function namespaceIds(context: CatalogContext, catalog: CatalogHandle, namespace: Namespace): Promise<string[]> {
  const keys = keysAlong(catalog, namespace)
  const rows = isPast(catalog)
    ? await Promise.all(keys.map((key) => pastNamespace(context, catalog, key)))
    : await context.store.getMany('namespaces', keys)
  const end = rows.findIndex((row) => row === undefined || row.id === '')
  return rows.slice(0, end < 0 ? rows.length : end).map((row) => row!.id)
}

/** @throws IcebergError 404 */
export async function assertNamespace(context: CatalogContext, catalog: CatalogHandle, namespace: Namespace): Promise<void> {
  await getNamespace(context, catalog, namespace)
}

export const noSuch = (kind: EntryKind, identifier: TableIdentifier): IcebergError =>
  kind === 'table' ? noSuchTable(identifier) : noSuchView(identifier)

/** Of the past that of this kind alone; now whatever has the name. */
export const entryOrNone = (
  context: CatalogContext,
  catalog: CatalogHandle,
  identifier: TableIdentifier,
  kind: EntryKind,
): Soon<Entry | undefined> =>
  isPast(catalog) ? pastEntry(context, catalog, checked(identifier), kind) : findEntryNow(context, catalog, identifier)

/** @throws IcebergError 404 when nothing of this kind has the name */
export const getEntry = (
  context: CatalogContext,
  catalog: CatalogHandle,
  identifier: TableIdentifier,
  kind: EntryKind,
): Soon<Entry> => soon(entryOrNone(context, catalog, identifier, kind), (row) => ofKind(row, identifier, kind))

export function ofKind(row: Entry | undefined, identifier: TableIdentifier, kind: EntryKind): Entry {
  if (row === undefined || row.kind !== kind) throw noSuch(kind, identifier)
  return row
}

const TITLES = { table: 'Table', view: 'View' } as const
export const titleOf = (kind: string): string => (kind === 'view' ? TITLES.view : TITLES.table)

/** The name that `wanted` wants to be created under is taken by `taken`. */
export function nameTaken(wanted: EntryKind, taken: Pick<Entry, 'kind'>, identifier: TableIdentifier): IcebergError {
  const what = taken.kind === wanted ? titleOf(wanted) : `${titleOf(taken.kind)} with same name`
  return alreadyExists(what, displayIdentifier(identifier))
}

/** @throws IcebergError 409 for a taken name */
export async function assertNameFree(
  context: CatalogContext,
  catalog: CatalogHandle,
  identifier: TableIdentifier,
  kind: EntryKind,
): Promise<void> {
  const taken = await context.store.get('entries', entryKey(catalog, identifier))
  if (taken !== undefined) throw nameTaken(kind, taken, identifier)
}

/** The row without its version, to be written again. */
export function withoutVersion<R extends { readonly version: Version }>(row: R): Omit<R, 'version'> {
  const { version: _, ...rest } = row
  return rest
}

/** The name that a row has. */
export const identifierOf = ({ namespace, name }: Pick<Entry, 'namespace' | 'name'>): TableIdentifier => ({
  namespace: namespaceOfKey(namespace),
  name,
})
