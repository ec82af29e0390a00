/**
 * The one place that says who may do what. Deny by default: what no rule allows is forbidden, and an action that is not in
 * the list does not compile. Rules for finer roles belong here and nowhere else.
 *
 * It is asked twice. At the door, with the action alone: `mayEver`. By the use case, before it looks anything up, with the
 * exact object: `isAllowed`, so that a refusal does not tell whether the object exists. Listings ask once for the whole set:
 * `namesWithin`.
 */
import { isSameNamespace, isWithinNamespace } from '../iceberg/identifier.ts'
import type { Bound, Bounds } from './bounds.ts'
import type { Principal } from './principal.ts'

/**
 * For those whose token is narrowed, what an action is about: the tenant as a whole (then it is not for them), one of their
 * own tokens, a whole catalog, anything in a catalog, a namespace with all that is in it, a namespace on the way to something
 * or in it, a table or view.
 */
type Scope = 'tenant' | 'token' | 'catalog' | 'anything' | 'namespace' | 'way' | 'entry'

interface Rule {
  readonly writes: boolean
  readonly scope: Scope
}

const reads = (scope: Scope): Rule => ({ writes: false, scope })
const writes = (scope: Scope): Rule => ({ writes: true, scope })

const RULES = {
  'config.read': reads('anything'),
  'namespace.list': reads('way'),
  'namespace.see': reads('way'),
  'namespace.create': writes('namespace'),
  'namespace.read': reads('namespace'),
  'namespace.update': writes('namespace'),
  'namespace.drop': writes('namespace'),
  'table.list': reads('way'),
  'table.create': writes('entry'),
  'table.read': reads('entry'),
  'table.commit': writes('entry'),
  'table.rename': writes('entry'),
  'table.drop': writes('entry'),
  'table.metrics': reads('entry'),
  'view.list': reads('way'),
  'view.create': writes('entry'),
  'view.read': reads('entry'),
  'view.commit': writes('entry'),
  'view.rename': writes('entry'),
  'view.drop': writes('entry'),
  'catalog.list': reads('anything'),
  'catalog.read': reads('catalog'),
  'catalog.manage': writes('tenant'),
  'warehouse.read': reads('tenant'),
  'warehouse.manage': writes('tenant'),
  'log.read': reads('tenant'),
  'token.create': writes('tenant'),
  'token.see': reads('token'),
  // Of one's own, which a token that may only read may do too.
  'token.revoke': reads('token'),
} satisfies Readonly<Record<string, Rule>>

export type Action = keyof typeof RULES

/** All by name. What an action is about must be named; what is not is not allowed. */
export interface Resource {
  /** The tenant whose rows would be touched. */
  readonly tenantId: string
  readonly catalog?: string | undefined
  /** Empty for the root of a catalog. */
  readonly namespace?: readonly string[] | undefined
  /** Of a table or view. */
  readonly name?: string | undefined
  readonly tokenId?: string | undefined
}

/** Whether there is anything at all with which the principal may do this. */
export function mayEver({ role, bounds }: Principal, action: Action): boolean {
  if (role !== 'tenant-admin') return false
  if (bounds === undefined) return true
  const { writes: changes, scope }: Rule = RULES[action]
  return scope !== 'tenant' && (!changes || bounds.access === 'read-write')
}

export function isAllowed(principal: Principal, action: Action, resource: Resource): boolean {
  if (principal.tenantId !== resource.tenantId || principal.role !== 'tenant-admin') return false
  const { bounds } = principal
  return bounds === undefined || (mayEver(principal, action) && isInside(principal, bounds, RULES[action].scope, resource))
}

function isInside(principal: Principal, { within }: Bounds, scope: Scope, resource: Resource): boolean {
  const { catalog, namespace, name, tokenId } = resource
  if (scope === 'token') return tokenId !== undefined && tokenId === principal.tokenId
  if (scope === 'tenant' || catalog === undefined) return false
  if (scope !== 'anything' && scope !== 'catalog' && namespace === undefined) return false
  if (scope === 'entry' && name === undefined) return false
  if (within === undefined) return true
  return within.some((bound) => bound.catalog === catalog && REACHES[scope](bound, namespace ?? [], name))
}

const REACHES: Readonly<
  Record<Exclude<Scope, 'tenant' | 'token'>, (bound: Bound, at: readonly string[], name?: string) => boolean>
> = {
  anything: () => true,
  catalog: ({ namespace }) => namespace === undefined,
  namespace: covers,
  entry: (bound, at, name) => covers(bound, at) || (bound.table === name && isSameNamespace(bound.namespace ?? [], at)),
  way: (bound, at) => covers(bound, at) || isWithinNamespace(bound.namespace ?? [], at),
}

/** All that is in the namespace, and the namespace itself. */
function covers({ namespace, table }: Bound, at: readonly string[]): boolean {
  return table === undefined && (namespace === undefined || isWithinNamespace(at, namespace))
}

/**
 * The names directly in a namespace (empty: the root) that the principal may see in a listing, where these are not all of
 * them. Of namespaces they are those within the bounds and those on the way there.
 */
export function namesWithin(
  { bounds }: Principal,
  catalog: string,
  namespace: readonly string[],
  what: 'namespaces' | 'entries',
): readonly string[] | undefined {
  const within = bounds?.within?.filter((bound) => bound.catalog === catalog)
  if (within === undefined || within.some((bound) => covers(bound, namespace))) return undefined
  const below = within.filter((bound) => isWithinNamespace(bound.namespace ?? [], namespace))
  const names =
    what === 'namespaces'
      ? below.map((bound) => bound.namespace?.[namespace.length])
      : below.filter((bound) => bound.namespace?.length === namespace.length).map(({ table }) => table)
  return [...new Set(names.filter((name) => name !== undefined))]
}

/**
 * Those of the principal's namespaces that the namespace lies in (the empty one: the whole catalog), where not everything is
 * theirs.
 */
export function namespacesAround(
  { bounds }: Principal,
  catalog: string,
  namespace: readonly string[],
): readonly (readonly string[])[] | undefined {
  const around = bounds?.within?.filter((bound) => bound.catalog === catalog && covers(bound, namespace))
  return around?.map((bound) => bound.namespace ?? [])
}
