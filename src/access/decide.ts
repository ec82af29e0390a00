/**
 * The one place that says who may do what. Deny by default: what no rule allows is forbidden, and an action that is not in
 * the list does not compile. Rules for finer roles belong here and nowhere else.
 */
import type { Principal } from './principal.ts'

export type Action =
  | 'config.read'
  | 'namespace.list'
  | 'namespace.create'
  | 'namespace.read'
  | 'namespace.update'
  | 'namespace.drop'
  | 'table.list'
  | 'table.create'
  | 'table.read'
  | 'table.commit'
  | 'table.rename'
  | 'table.drop'
  | 'table.metrics'
  | 'view.list'
  | 'view.create'
  | 'view.read'
  | 'view.commit'
  | 'view.rename'
  | 'view.drop'
  | 'catalog.list'
  | 'catalog.read'
  | 'catalog.manage'
  | 'warehouse.read'
  | 'warehouse.manage'

export interface Resource {
  /** The tenant whose rows would be touched. */
  readonly tenantId: string
}

export function isAllowed(principal: Principal, _action: Action, resource: Resource): boolean {
  if (principal.tenantId !== resource.tenantId) return false
  return principal.role === 'tenant-admin'
}
