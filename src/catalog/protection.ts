/**
 * Protection against dropping: a row for each table, view, namespace or catalog that is protected, by its id, so that it stays with a
 * thing that is renamed. What drops something requires in its batch that there is no such row, or removes it where the drop is
 * forced, which is for administrators.
 */
import { isAllowed } from '../access/decide.ts'
import type { Principal } from '../access/principal.ts'
import { change, type Attempt, type ChangeRequest } from '../changes/change.ts'
import type { ChangeCall, LogScope } from '../changes/context.ts'
import type { Operation } from '../changes/write.ts'
import { displayIdentifier, displayNamespace, forbidden, IcebergError, noSuchWarehouse } from '../iceberg/errors.ts'
import type { NewRow, Row } from '../stores/entities.ts'
import type { Mutation } from '../stores/store.ts'
import { resolveEntry, resolveNamespace } from './authorize.ts'
import type { CatalogCall, CatalogContext, CatalogHandle, Namespace, TableIdentifier } from './call.ts'
import { branchKey, entryKey, namespaceKey, type Entry, type EntryKind } from './entries.ts'

export interface Protection {
  readonly protected: boolean
}

/** What is to be dropped, or protected. */
interface Thing {
  /** As messages name it: `table a.t`. */
  readonly title: string
  readonly id: string
  readonly tenantId: string
}

const keyOf = ({ tenantId, id }: Pick<Thing, 'tenantId' | 'id'>) => ({ tenant_id: tenantId, object_id: id })

/**
 * The steps that make a drop of the thing fail when it is protected meanwhile, or that take a protection away.
 * @param force of an administrator: whether to drop what is protected
 * @throws IcebergError 409 for what is protected, 403 for a caller with a narrowed token that forces
 */
export async function unprotected(
  { store }: Pick<CatalogContext, 'store'>,
  principal: Principal,
  thing: Thing,
  force: boolean,
): Promise<Mutation> {
  const key = keyOf(thing)
  if (force && !isAllowed(principal, 'catalog.manage', { tenantId: thing.tenantId }))
    throw forbidden('A narrowed token drops nothing with force')
  const row = await store.get('protections', key)
  if (row === undefined) return { op: 'require', entity: 'protections', key, expected: 'none' }
  if (force) return { op: 'remove', entity: 'protections', key, expected: row.version }
  throw new IcebergError(
    'ConflictException',
    `The ${thing.title} is protected: take its protection away, or drop it with ?force=true as an administrator`,
  )
}

export async function isProtected({ store }: Pick<CatalogContext, 'store'>, tenantId: string, id: string): Promise<Protection> {
  return { protected: (await store.get('protections', keyOf({ tenantId, id }))) !== undefined }
}

interface Found {
  readonly thing: Thing
  /** The steps that fail when it has changed meanwhile. */
  readonly same: readonly Mutation[]
  readonly about: Operation
}

interface Wanted {
  readonly what: string
  readonly log: LogScope
  /** Finds the thing anew for each attempt. */
  readonly find: () => Promise<Found>
  readonly kind: string
}

/** The protection of a thing that was found, or the end of one; `undefined` where it is so already. */
export async function changingProtection(
  { store, now }: Pick<CatalogContext, 'store' | 'now'>,
  principal: Principal,
  { kind, thing, same, about }: Found & Pick<Wanted, 'kind'>,
  isWanted: boolean,
): Promise<Pick<Attempt<unknown>, 'message' | 'operations' | 'steps'> | undefined> {
  const key = keyOf(thing)
  const row = await store.get('protections', key)
  if ((row !== undefined) === isWanted) return undefined
  const next = { ...key, kind, protected_at: now(), protected_by: principal.name }
  const step: Mutation =
    row === undefined
      ? { op: 'insert', entity: 'protections', row: next }
      : { op: 'remove', entity: 'protections', key, expected: row.version }
  return {
    message: `${isWanted ? 'Protect' : 'End the protection of'} ${thing.title}`,
    operations: [{ operation: `${isWanted ? 'protect' : 'unprotect'}-${kind}`, ...about, id: thing.id }],
    steps: [...same, step],
  }
}

/** Protects something, or ends that. */
export function changeProtection(
  context: CatalogContext,
  call: ChangeCall,
  { what, log, find, kind }: Wanted,
  isWanted: boolean,
): Promise<Protection> {
  const answer = { protected: isWanted }
  const request: ChangeRequest<Protection> = {
    what,
    log,
    attempt: async () => {
      const { thing, same, about } = await find()
      const decided = { status: 200, outcome: answer, answer: () => answer }
      const changing = await changingProtection(context, call.principal, { kind, thing, same, about }, isWanted)
      return changing === undefined ? decided : { ...decided, ...changing }
    },
    replay: () => answer,
  }
  return change(context, call, request)
}

/** Makes a drop of the whole catalog fail that has not seen what is protected in it from now on. */
async function touchBranch({ store }: CatalogContext, catalog: CatalogHandle): Promise<Mutation> {
  const row = await store.get('branches', branchKey(catalog))
  if (row === undefined) throw noSuchWarehouse(catalog.name)
  return { op: 'replace', entity: 'branches', row, expected: row.version }
}

const titleOfEntry = (kind: string, identifier: TableIdentifier): string => `${kind} ${displayIdentifier(identifier)}`
const titleOfNamespace = (namespace: Namespace): string => `namespace ${displayNamespace(namespace)}`

type Identity<E extends 'entries' | 'namespaces'> = Pick<NewRow<E>, 'id' | 'tenant_id'>

export const entryThing = (identifier: TableIdentifier, row: Identity<'entries'> & { readonly kind: string }): Thing => ({
  title: titleOfEntry(row.kind, identifier),
  id: row.id,
  tenantId: row.tenant_id,
})

export const namespaceThing = (namespace: Namespace, row: Identity<'namespaces'>): Thing => ({
  title: titleOfNamespace(namespace),
  id: row.id,
  tenantId: row.tenant_id,
})

export async function foundEntry(
  context: CatalogContext,
  catalog: CatalogHandle,
  { namespace, name }: TableIdentifier,
  row: Entry,
): Promise<Found> {
  const key = entryKey(catalog, { namespace, name })
  return {
    thing: entryThing({ namespace, name }, row),
    same: [{ op: 'require', entity: 'entries', key, expected: row.version }, await touchBranch(context, catalog)],
    about: { identifier: { namespace, name } },
  }
}

export async function foundNamespace(
  context: CatalogContext,
  catalog: CatalogHandle,
  namespace: Namespace,
  row: Row<'namespaces'>,
): Promise<Found> {
  const key = namespaceKey(catalog, namespace)
  return {
    thing: namespaceThing(namespace, row),
    same: [{ op: 'require', entity: 'namespaces', key, expected: row.version }, await touchBranch(context, catalog)],
    about: { namespace },
  }
}

export async function loadProtection(
  context: CatalogContext,
  call: CatalogCall,
  identifier: TableIdentifier,
  kind: EntryKind,
): Promise<Protection> {
  const { id } = await resolveEntry(context, call, identifier, kind)
  return isProtected(context, call.catalog.tenantId, id)
}

/** For a principal that may drop it. */
export function protect(
  context: CatalogContext,
  call: CatalogCall,
  identifier: TableIdentifier,
  kind: EntryKind,
  isWanted: boolean,
): Promise<Protection> {
  const { catalog } = call
  const find = async () =>
    foundEntry(context, catalog, identifier, await resolveEntry(context, call, identifier, kind, `${kind}.drop`))
  return changeProtection(context, call, { what: titleOfEntry(kind, identifier), log: catalog, find, kind }, isWanted)
}

export async function loadNamespaceProtection(
  context: CatalogContext,
  call: CatalogCall,
  namespace: Namespace,
): Promise<Protection> {
  const { id } = await resolveNamespace(context, call, namespace, 'namespace.read')
  return isProtected(context, call.catalog.tenantId, id)
}

export function protectNamespace(
  context: CatalogContext,
  call: CatalogCall,
  namespace: Namespace,
  isWanted: boolean,
): Promise<Protection> {
  const { catalog } = call
  const find = async () =>
    foundNamespace(context, catalog, namespace, await resolveNamespace(context, call, namespace, 'namespace.drop'))
  return changeProtection(context, call, { what: titleOfNamespace(namespace), log: catalog, find, kind: 'namespace' }, isWanted)
}
