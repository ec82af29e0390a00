/**
 * The one place that says who may do what. Deny by default: what no rule allows is forbidden, and an action that is not in
 * the list does not compile. Rules for finer roles belong here and nowhere else.
 *
 * It is asked at the door, with the action alone: `mayEver`; and by the use case with the object as it was resolved, by ids and
 * names: `isAllowed`. Listings ask once for the whole set: `namesWithin`.
 */
import { isSameNamespace, isWithinNamespace } from '../iceberg/identifier.ts'
import type { Bound, Bounds, NamedBound } from './bounds.ts'
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

export interface NamedObject {
  readonly name: string
  /** Undefined where nothing has the name. */
  readonly id?: string | undefined
}

/** A namespace with those around it, outermost first; of the root of a catalog there are none. */
export interface Levels {
  readonly names: readonly string[]
  /** Of as many of them as exist. Needed where bounds say so: `needsLevelIds`. */
  readonly ids: readonly string[]
}

/** What an action is about must be given; where it is not, the action is not allowed. */
export interface Resource {
  /** The tenant whose rows would be touched. */
  readonly tenantId: string
  readonly catalog?: NamedObject | undefined
  readonly namespace?: Levels | undefined
  /** A table or view. */
  readonly entry?: NamedObject | undefined
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
  const { catalog, namespace, entry, tokenId } = resource
  if (scope === 'token') return tokenId !== undefined && tokenId === principal.tokenId
  if (scope === 'tenant' || catalog === undefined) return false
  if (scope !== 'anything' && scope !== 'catalog' && namespace === undefined) return false
  if (scope === 'entry' && entry === undefined) return false
  if (within === undefined) return true
  return within.some((bound) => isIn(bound, catalog) && REACHES[scope](bound, namespace ?? ROOT, entry))
}

const ROOT: Levels = { names: [], ids: [] }

const REACHES: Readonly<Record<Exclude<Scope, 'tenant' | 'token'>, (bound: Bound, at: Levels, entry?: NamedObject) => boolean>> =
  {
    anything: () => true,
    catalog: ({ namespace }) => namespace === undefined,
    namespace: covers,
    entry: (bound, at, entry) => covers(bound, at) || isEntry(bound, at, entry!),
    // Where what is bound by its id is now, is to be looked up: then the bounds are by names alone.
    way: (bound, at) => covers(bound, at) || (!isById(bound) && isWithinNamespace(bound.namespace ?? [], at.names)),
  }

const isIn = ({ catalog, ids }: Bound, { name, id }: NamedObject): boolean =>
  ids?.catalog === undefined ? catalog === name : ids.catalog === id

/** All that is in the namespace, and the namespace itself. */
function covers({ namespace, table, ids }: Bound, at: Levels): boolean {
  if (table !== undefined) return false
  if (namespace === undefined) return true
  return ids?.namespace === undefined ? isWithinNamespace(at.names, namespace) : at.ids.includes(ids.namespace)
}

function isEntry({ namespace = [], table, ids }: Bound, at: Levels, { name, id }: NamedObject): boolean {
  if (ids?.table !== undefined) return ids.table === id
  if (table !== name) return false
  if (ids?.namespace === undefined) return isSameNamespace(namespace, at.names)
  return at.ids.length === at.names.length && at.ids.at(-1) === ids.namespace
}

/** Those of the principal's bounds that are of the catalog; undefined where all of it is theirs. */
export const boundsIn = ({ bounds }: Principal, catalog: NamedObject): readonly Bound[] | undefined =>
  bounds?.within?.filter((bound) => isIn(bound, catalog))

/** Whether the bound is of a namespace or table that it knows by an id. */
export const isById = ({ ids }: Bound): boolean => ids?.namespace !== undefined || ids?.table !== undefined

/** Whether the action is also for what only lies on the way to what is within bounds. */
export const isOnWay = (action: Action): boolean => RULES[action].scope === 'way'

/** Whether decisions about what is in the catalog need the ids of namespaces. */
export const needsLevelIds = ({ bounds }: Principal, catalog: NamedObject): boolean =>
  bounds?.within?.some((bound) => bound.ids?.namespace !== undefined && isIn(bound, catalog)) ?? false

/**
 * The names directly in a namespace (empty: the root) that bounds let be seen in a listing, where these are not all of them. Of
 * namespaces they are those within the bounds and those on the way there.
 * @param within by names alone
 */
export function namesWithin(
  within: readonly NamedBound[] | undefined,
  namespace: readonly string[],
  what: 'namespaces' | 'entries',
): readonly string[] | undefined {
  const at = { names: namespace, ids: [] }
  if (within === undefined || within.some((bound) => covers(bound, at))) return undefined
  const below = within.filter((bound) => isWithinNamespace(bound.namespace ?? [], namespace))
  const names =
    what === 'namespaces'
      ? below.map((bound) => bound.namespace?.[namespace.length])
      : below.filter((bound) => bound.namespace?.length === namespace.length).map(({ table }) => table)
  return [...new Set(names.filter((name) => name !== undefined))]
}

/**
 * Those of the bounds' namespaces that the namespace lies in (the empty one: the whole catalog), where not everything is
 * the principal's.
 * @param within by names alone
 */
export const namespacesAround = (
  within: readonly NamedBound[] | undefined,
  namespace: readonly string[],
): readonly (readonly string[])[] | undefined =>
  within?.filter((bound) => covers(bound, { names: namespace, ids: [] })).map((bound) => bound.namespace ?? [])
