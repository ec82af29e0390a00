/**
 * Namespaces. A parent must exist before its children and outlives them: nothing in a listing hangs in the air, and a
 * namespace can be dropped only when it is empty. (The reference in-memory catalog lets `a.b` exist without `a`; then `a`
 * neither lists nor loads, and the compatibility kit creates parents first.)
 */
import { change, type Attempt } from '../changes/change.ts'
import { MAX_LEVELS, checkName } from '../iceberg/identifier.ts'
import {
  IcebergError,
  alreadyExists,
  badRequest,
  displayNamespace,
  namespaceNotEmpty,
  noSuchWarehouse,
} from '../iceberg/errors.ts'
import { checkProperties, checkPropertyCount } from '../iceberg/table-properties.ts'
import type { Location } from '../iceberg/location.ts'
import type { Json, NewRow, Row } from '../stores/entities.ts'
import type { Mutation } from '../stores/store.ts'
import { namesWithin } from '../access/decide.ts'
import { assertMayTouchNamespace, boundsNow, guardNewNamespace, mayTouchNamespace, resolveNamespace } from './authorize.ts'
import type { CatalogCall, CatalogContext, CatalogHandle, Namespace, PageRequest } from './call.ts'
import {
  FIRST_EPOCH,
  assertNamespace,
  branchKey,
  namespaceKey,
  namespacePath,
  requireBranch,
  requireNamespace,
} from './entries.ts'
import { assertInArea } from './places/areas.ts'
import { assertInNoPlace, claimSteps, groundOf } from './places/locations.ts'
import {
  answeredProperties,
  checkedLocationOf,
  givenLocation,
  locationOfNamespace,
  settledLocation,
  type Properties,
} from './places/namespace-locations.ts'
import type { DropOptions } from './drop.ts'
import { keep } from './dropped.ts'
import { changedProperties, namespaceOperation } from './logged.ts'
import { listNames } from './page-token.ts'
import { namespaceThing, unprotected } from './protection.ts'
import { mapped } from '../stores/pages.ts'
import type {
  CreateNamespaceRequest,
  CreateNamespaceResponse,
  GetNamespaceResponse,
  ListNamespacesResponse,
  UpdateNamespacePropertiesRequest,
  UpdateNamespacePropertiesResponse,
} from './shapes.ts'
import { soon, type Soon } from './soon.ts'

/** Of all levels, in UTF-8: what a database's key has room for, with a name of the greatest length behind it. */
const MAX_BYTES = 1024
/** They are read with the row, at every look-up of something inside. */
const MAX_PROPERTIES_LENGTH = 256 * 1024

const rowsOf = (catalog: CatalogHandle) => ({ tenant_id: catalog.tenantId, catalog_id: catalog.id, branch: catalog.branch })

async function assertBranch(context: CatalogContext, catalog: CatalogHandle): Promise<void> {
  if ((await context.store.get('branches', branchKey(catalog))) === undefined) throw noSuchWarehouse(catalog.name)
}

/** The namespaces directly below `parent`, or the outermost ones: those that the principal may see. */
export async function listNamespaces(
  context: CatalogContext,
  call: CatalogCall,
  parent: Namespace | undefined,
  page: PageRequest,
): Promise<ListNamespacesResponse> {
  const levels = parent ?? []
  if (levels.length > 0) await resolveNamespace(context, call, levels, 'namespace.list')
  else await assertMayTouchNamespace(context, call, 'namespace.list', levels)
  const where = { ...rowsOf(call.catalog), parent: namespacePath(levels) }
  const { rows, rest, next } = await listNames(context, call, page, {
    name: ['namespaces', ...levels],
    kind: 'namespace',
    entity: 'namespaces',
    index: 'primary',
    where,
    by: 'name',
    among: namesWithin(await boundsNow(context, call), levels, 'namespaces'),
  })
  const named = (page: readonly string[]) => page.map((name) => [...levels, name])
  return { namespaces: named(rows), 'next-page-token': next, ...(rest && { rest: mapped(rest, named) }) }
}

/** What the creation of a namespace writes and says in the log; that what is above it exists is for the caller to require. */
export const namespaceCreation = (
  context: CatalogContext,
  catalog: Pick<CatalogHandle, 'tenantId' | 'id' | 'branch'>,
  namespace: Namespace,
  properties: Readonly<Record<string, string>>,
  location: Location | null = null,
): Pick<Attempt<unknown>, 'message' | 'operations' | 'steps'> => {
  const now = context.now()
  const row = {
    ...namespaceKey(catalog, namespace),
    id: context.uuid(),
    epoch: FIRST_EPOCH,
    deleted: false,
    properties,
    created_at: now,
    updated_at: now,
    location,
  }
  return {
    message: `Create namespace ${displayNamespace(namespace)}`,
    operations: [namespaceOperation('create-namespace', namespace, row, { before: null, after: properties })],
    steps: [{ op: 'insert', entity: 'namespaces', row }],
  }
}

function checkLevels(namespace: Namespace): void {
  if (namespace.length > MAX_LEVELS)
    throw badRequest(`Invalid namespace: ${namespace.length} levels, expected at most ${MAX_LEVELS}`)
  for (const level of namespace) checkName(level, 'Namespace level')
  const bytes = Buffer.byteLength(namespace.join('.'))
  if (bytes > MAX_BYTES) throw badRequest(`Invalid namespace: its levels have ${bytes} bytes, expected at most ${MAX_BYTES}`)
}

const requireAbove = (catalog: CatalogHandle, parent: Namespace): Mutation =>
  parent.length > 0 ? requireNamespace(catalog, parent) : requireBranch(catalog)

export async function createNamespace(
  context: CatalogContext,
  call: CatalogCall,
  request: CreateNamespaceRequest,
): Promise<CreateNamespaceResponse> {
  const { namespace } = request
  await assertMayTouchNamespace(context, call, 'namespace.create', namespace)
  checkLevels(namespace)
  const properties = request.properties ?? {}
  checkProperties(properties, undefined)
  checkSize(properties)
  const parent = namespace.slice(0, -1)
  return change<CreateNamespaceResponse>(context, call, {
    what: `namespace ${displayNamespace(namespace)}`,
    log: call.catalog,
    attempt: async () => {
      const guard = await guardNewNamespace(context, call, namespace)
      const { location, steps } = await takeLocation(context, call, namespace, properties)
      const answered = await answeredProperties(context, call.catalog, namespace, { properties, location })
      const answer: CreateNamespaceResponse = { namespace, properties: answered }
      const creation = namespaceCreation(context, call.catalog, namespace, properties, location)
      return {
        ...creation,
        steps: [requireAbove(call.catalog, parent), ...creation.steps, ...steps, ...guard],
        status: 200,
        outcome: answer as unknown as Json,
        answer: () => answer,
      }
    },
    lost: async () => {
      if (parent.length > 0) await assertNamespace(context, call.catalog, parent)
      else await assertBranch(context, call.catalog)
      const taken = await context.store.get('namespaces', namespaceKey(call.catalog, namespace))
      if (taken !== undefined) throw alreadyExists('Namespace', displayNamespace(namespace))
    },
    replay: (outcome) => outcome as unknown as CreateNamespaceResponse,
  })
}

/** The steps that bring a namespace back under this name; `isParentBack`: in the same batch as what is around it. @throws IcebergError that says what is in the way */
export async function undroppedNamespace(
  context: CatalogContext,
  call: CatalogCall,
  namespace: Namespace,
  row: NewRow<'namespaces'>,
  isParentBack = false,
): Promise<Mutation[]> {
  const { catalog } = call
  checkLevels(namespace)
  const [parent, key] = [namespace.slice(0, -1), namespaceKey(catalog, namespace)]
  if (parent.length > 0 && !isParentBack) await assertNamespace(context, catalog, parent)
  const taken = await context.store.get('namespaces', key)
  if (taken !== undefined) throw alreadyExists('Namespace', displayNamespace(namespace))
  const { location, steps } = await takeLocation(context, call, namespace, row.properties as Properties)
  const back = { ...row, ...key, location, updated_at: context.now() }
  return [...(isParentBack ? [] : [requireAbove(catalog, parent)]), { op: 'insert', entity: 'namespaces', row: back }, ...steps]
}

/**
 * Of a namespace that only lies on the way to what the principal may see, clients that walk there learn that it exists, and
 * none of its properties.
 */
export function loadNamespaceMetadata(
  context: CatalogContext,
  call: CatalogCall,
  namespace: Namespace,
): Soon<GetNamespaceResponse> {
  return soon(resolveNamespace(context, call, namespace, 'namespace.see'), (row) =>
    soon(mayTouchNamespace(context, call, 'namespace.read', namespace, row), (may) => {
      if (!may) return { namespace, properties: {} }
      // Where it lies is asked by clients that create tables.
      if (call.catalog.at !== undefined) return { namespace, properties: row.properties as Properties }
      return soon(answeredProperties(context, call.catalog, namespace, row), (properties) => ({ namespace, properties }))
    }),
  )
}

/** Resolves when it exists, throws 404 when not. */
export const namespaceExists = (context: CatalogContext, call: CatalogCall, namespace: Namespace): Soon<unknown> =>
  resolveNamespace(context, call, namespace, 'namespace.see')

/** The drop of a namespace that was found. @throws IcebergError 409 for one that is not empty, or protected */
export async function droppingNamespace(
  context: CatalogContext,
  call: CatalogCall,
  namespace: Namespace,
  { version: expected, ...gone }: Row<'namespaces'>,
  force = false,
): Promise<Pick<Attempt<unknown>, 'message' | 'operations' | 'steps'>> {
  const path = namespacePath(namespace)
  const inside = {
    entries: { ...rowsOf(call.catalog), namespace: path },
    namespaces: { ...rowsOf(call.catalog), parent: path },
  }
  const [entries, children] = await Promise.all([
    context.store.list('entries', { index: 'primary', where: inside.entries, limit: 1 }),
    context.store.list('namespaces', { index: 'primary', where: inside.namespaces, limit: 1 }),
  ])
  if (entries.length + children.length > 0) throw namespaceNotEmpty(namespace)
  const guard = await unprotected(context, call.principal, namespaceThing(namespace, gone), force)
  return {
    message: `Drop namespace ${displayNamespace(namespace)}`,
    operations: [namespaceOperation('drop-namespace', namespace, gone, { before: gone.properties, after: null })],
    // What is created inside requires the row that goes away here, so the emptiness lasts.
    steps: [
      { op: 'remove', entity: 'namespaces', key: namespaceKey(call.catalog, namespace), expected },
      guard,
      { op: 'requireEmpty', entity: 'entries', index: 'primary', where: inside.entries },
      { op: 'requireEmpty', entity: 'namespaces', index: 'primary', where: inside.namespaces },
      ...keep(context, call, { kind: 'namespace', row: gone }),
    ],
  }
}

export async function dropNamespace(
  context: CatalogContext,
  call: CatalogCall,
  namespace: Namespace,
  { force = false }: Pick<DropOptions, 'force'> = {},
): Promise<void> {
  return change<void>(context, call, {
    what: `namespace ${displayNamespace(namespace)}`,
    log: call.catalog,
    attempt: async () => {
      const row = await resolveNamespace(context, call, namespace, 'namespace.drop')
      return {
        ...(await droppingNamespace(context, call, namespace, row, force)),
        status: 204,
        outcome: null,
        answer: () => undefined,
      }
    },
    replay: () => undefined,
  })
}

/**
 * Where the properties that a namespace is to have let it lie (`null`: nowhere in particular), and what makes a batch fail when
 * that has been taken meanwhile. `before` is the namespace as it is; a `location` of it that is not `set` stays what it was,
 * though a program that does not check may have stored it.
 * @throws IcebergError 400 for what the warehouse does not have and for what is in a table's place, 403 for a narrowed token
 */
async function takeLocation(
  context: CatalogContext,
  call: CatalogCall,
  namespace: Namespace,
  properties: Properties,
  before?: Pick<NewRow<'namespaces'>, 'properties' | 'location'>,
  isSet = true,
): Promise<{ readonly location: Location | null; readonly steps: readonly Mutation[] }> {
  const { catalog } = call
  const given = givenLocation(properties)
  const last = (before && settledLocation(before)) ?? null
  if (given === undefined) {
    const derived = last === null ? undefined : await locationOfNamespace(context, catalog, namespace, undefined)
    if (derived !== undefined) await assertInArea(context, call, namespace, derived)
    return { location: null, steps: [] }
  }
  const isKept = before !== undefined && given === givenLocation(before.properties as Properties)
  if (isKept && (last !== null || !isSet)) return { location: last, steps: [] }
  const location = checkedLocationOf(catalog, given)
  await assertInArea(context, call, namespace, location)
  const ground = await groundOf(context, catalog)
  await assertInNoPlace(context, catalog, location)
  return { location, steps: claimSteps([{ ground, own: true }]) ?? [] }
}

function checkSize(properties: Readonly<Record<string, string>>): void {
  const entries = Object.entries(properties)
  checkPropertyCount(entries.length)
  const length = entries.reduce((total, [key, value]) => total + key.length + value.length, 0)
  if (length <= MAX_PROPERTIES_LENGTH) return
  throw badRequest(`Invalid properties: ${length} characters in all, expected at most ${MAX_PROPERTIES_LENGTH}`)
}

interface PropertyChange {
  readonly properties: Readonly<Record<string, string>>
  readonly answer: UpdateNamespacePropertiesResponse
}

function changeProperties(current: Readonly<Record<string, string>>, request: UpdateNamespacePropertiesRequest): PropertyChange {
  const updates = request.updates ?? {}
  const removals = [...new Set(request.removals ?? [])]
  const removed = removals.filter((key) => Object.hasOwn(current, key))
  const gone = new Set(removed)
  const kept = Object.entries(current).filter(([key]) => !gone.has(key))
  return {
    properties: { ...Object.fromEntries(kept), ...updates },
    answer: { updated: Object.keys(updates), removed, missing: removals.filter((key) => !gone.has(key)) },
  }
}

interface NewProperties extends Pick<UpdateNamespacePropertiesResponse, 'updated' | 'removed'> {
  readonly properties: Properties
  /** `location` is among those that are set. */
  readonly isSet: boolean
}

/** Other properties for a namespace that was found. */
export async function changingProperties(
  context: CatalogContext,
  call: CatalogCall,
  namespace: Namespace,
  { version, ...row }: Row<'namespaces'>,
  { properties, isSet, updated, removed }: NewProperties,
): Promise<Pick<Attempt<unknown>, 'message' | 'operations' | 'steps'>> {
  checkSize(properties)
  const { location, steps } = await takeLocation(context, call, namespace, properties, row, isSet)
  const changed = { ...row, properties, location, updated_at: context.now() }
  const values = changedProperties(row.properties as Properties, properties)
  return {
    message: `Update properties of namespace ${displayNamespace(namespace)}`,
    operations: [namespaceOperation('update-namespace-properties', namespace, row, values, { updated, removed })],
    steps: [{ op: 'replace', entity: 'namespaces', row: changed, expected: version }, ...steps],
  }
}

export async function updateProperties(
  context: CatalogContext,
  call: CatalogCall,
  namespace: Namespace,
  request: UpdateNamespacePropertiesRequest,
): Promise<UpdateNamespacePropertiesResponse> {
  await assertMayTouchNamespace(context, call, 'namespace.update', namespace)
  const both = (request.removals ?? []).find((key) => Object.hasOwn(request.updates ?? {}, key))
  if (both !== undefined) {
    const key = both.slice(0, 200).toWellFormed()
    throw new IcebergError('UnprocessableEntityException', `Invalid request: the property ${key} is both updated and removed`)
  }
  checkProperties(request.updates ?? {}, undefined)
  return change(context, call, {
    what: `namespace ${displayNamespace(namespace)}`,
    log: call.catalog,
    attempt: async () => {
      const row = await resolveNamespace(context, call, namespace, 'namespace.update')
      const { properties, answer } = changeProperties(row.properties as Properties, request)
      const isSet = givenLocation(request.updates ?? {}) !== undefined
      return {
        ...(await changingProperties(context, call, namespace, row, { properties, isSet, ...answer })),
        status: 200,
        outcome: answer as unknown as Json,
        answer: () => answer,
      }
    },
    replay: (outcome) => outcome as unknown as UpdateNamespacePropertiesResponse,
  })
}
