/**
 * Whether the principal of a call may do what it asks, with exactly this object. Each use case asks before it looks anything
 * up, so that a refusal is the same whether the object exists or not.
 */
import { isAllowed, mayEver, namesWithin, type Action } from '../access/decide.ts'
import type { Principal } from '../access/principal.ts'
import { notAllowed } from '../access/refusals.ts'
import { displayIdentifier, displayNamespace, noSuchWarehouse } from '../iceberg/errors.ts'
import type { CatalogCall, CatalogHandle, Namespace, TableIdentifier } from './call.ts'

/** @throws IcebergError 403 */
export function assertMayTouch({ principal, catalog }: CatalogCall, action: Action, identifier: TableIdentifier): void {
  const { namespace, name } = identifier
  if (isAllowed(principal, action, { tenantId: catalog.tenantId, catalog: catalog.name, namespace, name })) return
  throw notAllowed(principal, `${action} of ${catalog.name}.${displayIdentifier(identifier)}`)
}

/** Before it is known whether the commit creates its table. @throws IcebergError 403 when the principal may do neither */
export function assertMayCommitTo(call: CatalogCall, identifier: TableIdentifier): void {
  const { principal, catalog } = call
  const resource = { tenantId: catalog.tenantId, catalog: catalog.name, ...identifier }
  if (!isAllowed(principal, 'table.create', resource)) assertMayTouch(call, 'table.commit', identifier)
}

/** Before the name is known. @throws IcebergError 403 when there is no name in the namespace with which the principal may */
export function assertMayPlaceIn(call: CatalogCall, action: 'table.create' | 'view.create', namespace: Namespace): void {
  const { principal, catalog } = call
  const names = namesWithin(principal, catalog.name, namespace, 'entries')
  if (mayEver(principal, action) && names?.length !== 0) return
  throw notAllowed(principal, `${action} in ${catalog.name}.${displayNamespace(namespace)}`)
}

export function mayTouchNamespace({ principal, catalog }: CatalogCall, action: Action, namespace: Namespace): boolean {
  return isAllowed(principal, action, { tenantId: catalog.tenantId, catalog: catalog.name, namespace })
}

/** @throws IcebergError 403 */
export function assertMayTouchNamespace(call: CatalogCall, action: Action, namespace: Namespace): void {
  if (mayTouchNamespace(call, action, namespace)) return
  const { principal, catalog } = call
  throw notAllowed(principal, `${action} of ${catalog.name}.${displayNamespace(namespace)}`)
}

/** Asked for every table of a request before any of them is looked at. @throws IcebergError 403 */
export const assertMayCommit = (
  call: CatalogCall,
  identifier: TableIdentifier,
  { creates }: { readonly creates: boolean },
): void => assertMayTouch(call, creates ? 'table.create' : 'table.commit', identifier)

/** A catalog in which the principal may do nothing is for it as if it did not exist. @throws IcebergError 404 */
export function assertSees(principal: Principal, catalog: CatalogHandle, asked: string): CatalogHandle {
  if (isAllowed(principal, 'config.read', { tenantId: catalog.tenantId, catalog: catalog.name })) return catalog
  throw noSuchWarehouse(asked)
}

/** For what is about a catalog as a whole. @throws IcebergError 403 */
export function assertMayTouchCatalog({ principal, catalog }: CatalogCall, action: Action): void {
  if (isAllowed(principal, action, { tenantId: catalog.tenantId, catalog: catalog.name })) return
  throw notAllowed(principal, `${action} of ${catalog.name}`)
}
