/** Catalogs: each lies at a place of its own in a warehouse, and is what clients name as their `warehouse`. */
import Type from 'typebox'
import { isAllowed } from '../access/decide.ts'
import type { Principal } from '../access/principal.ts'
import { createCatalogWithNamespace, dropCatalogRow, FIRST_NAMESPACE, MAIN_BRANCH } from '../catalog/catalogs.ts'
import { change } from '../changes/change.ts'
import { tenantLog, type ChangeCall } from '../changes/context.ts'
import { cutOut, listed, mapped, pagesOf, type Listed } from '../stores/pages.ts'
import { changeProtection, isProtected, unprotected, type Protection } from '../catalog/protection.ts'
import { decode } from '../catalog/shapes.ts'
import { alreadyExists, badRequest, IcebergError, noSuchWarehouse, unsupported } from '../iceberg/errors.ts'
import { canonicalLocation, isBelow, joinLocation, overlaps, type Location } from '../iceberg/location.ts'
import type { Json, NewRow, Row } from '../stores/entities.ts'
import type { Mutation } from '../stores/store.ts'
import type { ManagementContext } from './context.ts'
import { settingsOf } from './handles.ts'
import { nearest } from '../nearest.ts'
import { checkFields, checkName, MAX_LISTED, type Paging } from './input.ts'
import { lockPlaces } from './places-lock.ts'

const text = Type.Optional(Type.Union([Type.String(), Type.Null()]))
const Properties = Type.Optional(Type.Union([Type.Record(Type.String(), Type.String()), Type.Null()]))
const CreateCatalogRequest = Type.Object({
  name: Type.String(),
  catalog_type: text,
  warehouse_name: text,
  storage_location: text,
  federated_config: Type.Optional(Type.Unknown()),
  properties: Properties,
})
const UpdateCatalogRequest = Type.Object({ warehouse_name: text, storage_location: text, properties: Properties })
const UPDATE_FIELDS = ['name', 'catalog_type', 'warehouse_name', 'storage_location', 'federated_config', 'properties']
const CREATE_FIELDS = ['id', ...UPDATE_FIELDS]
/** Of the first start. */
export const FIRST_CATALOG = 'lake'

const noSuchCatalog = (name: string): IcebergError => new IcebergError('NotFoundException', `Catalog does not exist: ${name}`)

export interface Catalog {
  readonly id: string
  readonly name: string
  readonly catalog_type: string
  readonly warehouse_name: string | null
  readonly storage_location: string | null
  readonly federated_config: Json
  readonly properties: Json
}

function shown(row: NewRow<'catalogs'>): Catalog {
  const { id, name, catalog_type, warehouse_name, storage_location, federated_config, properties } = row
  return { id, name, catalog_type, warehouse_name, storage_location, federated_config, properties }
}

const mayRead = (principal: Principal, name: string): boolean =>
  isAllowed(principal, 'catalog.read', { tenantId: principal.tenantId, catalog: name })

/** Those that the principal may read as a whole. */
export function listCatalogs(context: ManagementContext, principal: Principal, paging: Paging): Promise<Listed<Catalog>> {
  const where = { tenant_id: principal.tenantId }
  const pages = pagesOf(context.catalog.store, 'catalogs', { index: 'primary', where })
  const readable = mapped(pages, (page) => page.filter(({ name }) => mayRead(principal, name)).map(shown))
  return listed(cutOut(readable, paging))
}

/** Those that there are of the catalogs that a narrowed token names, in order of names; undefined for one that names none. */
async function boundCatalogs({ catalog }: ManagementContext, { tenantId, bounds }: Principal): Promise<string[] | undefined> {
  if (bounds?.within === undefined) return undefined
  const names = [...new Set(bounds.within.map((bound) => bound.catalog))].toSorted()
  const rows = await catalog.store.getMany(
    'catalogs',
    names.map((name) => ({ tenant_id: tenantId, name })),
  )
  return rows.flatMap((row) => (row === undefined ? [] : [row.name]))
}

/** The names of those in which the principal may do anything at all. */
export async function seenCatalogs(context: ManagementContext, principal: Principal): Promise<string[]> {
  const bound = await boundCatalogs(context, principal)
  if (bound !== undefined) return bound
  const { tenantId } = principal
  const seen: string[] = []
  const where = { tenant_id: tenantId }
  for await (const page of pagesOf(context.catalog.store, 'catalogs', { index: 'primary', where })) {
    for (const { name } of page) if (isAllowed(principal, 'config.read', { tenantId, catalog: name })) seen.push(name)
  }
  return seen
}

/** What a client gets that names no catalog: the one that it sees, or the one of the first start. */
export async function defaultCatalog(context: ManagementContext, principal: Principal): Promise<string> {
  const { tenantId } = principal
  const where = { tenant_id: tenantId }
  const rows = async () => context.catalog.store.list('catalogs', { index: 'primary', where, limit: 2 })
  const names = (await boundCatalogs(context, principal)) ?? (await rows()).map(({ name }) => name)
  const sees = (name: string): boolean => isAllowed(principal, 'config.read', { tenantId, catalog: name })
  const [only, another] = names.filter(sees)
  if (only !== undefined && another === undefined) return only
  const first = sees(FIRST_CATALOG)
    ? await context.catalog.store.get('catalogs', { tenant_id: tenantId, name: FIRST_CATALOG })
    : undefined
  if (first === undefined) throw badRequest('Name a catalog in the query parameter warehouse')
  return first.name
}

/** One that may not be read is as if it did not exist. */
async function rowOf(context: ManagementContext, principal: Principal, name: string): Promise<Row<'catalogs'>> {
  if (!mayRead(principal, name)) throw noSuchCatalog(name)
  const row = await context.catalog.store.get('catalogs', { tenant_id: principal.tenantId, name })
  if (row === undefined) throw noSuchCatalog(name)
  return row
}

export async function loadCatalog(context: ManagementContext, principal: Principal, name: string): Promise<Catalog> {
  return shown(await rowOf(context, principal, name))
}

interface Place {
  readonly location: Location
  /** Hold until the catalog has the place. */
  readonly steps: readonly Mutation[]
}

/** The place of a catalog: inside its warehouse, and not in another catalog's place. */
async function placeOf(
  context: ManagementContext,
  principal: Principal,
  name: string,
  warehouseName: string,
  wanted: string | null | undefined,
): Promise<Place> {
  const { store, now } = context.catalog
  const lock = await lockPlaces(store, principal.tenantId, now)
  const key = { tenant_id: principal.tenantId, name: warehouseName }
  const warehouse = await store.get('warehouses', key)
  if (warehouse === undefined) throw badRequest(noSuchWarehouse(warehouseName).message)
  const root = context.storage.rootOf(settingsOf(warehouse, context))
  const place = wanted == null || wanted === '' ? joinLocation(root, name) : canonicalLocation(wanted)
  if (place !== root && !isBelow(root, place)) throw badRequest(`storage_location ${place} is not below the warehouse's ${root}`)
  const others = await store.list('catalogs', { index: 'primary', where: { tenant_id: principal.tenantId }, limit: MAX_LISTED })
  const neighbour = others.find(
    (row) => row.name !== name && row.storage_location !== null && overlaps(canonicalLocation(row.storage_location), place),
  )
  const same: Mutation = { op: 'require', entity: 'warehouses', key, expected: warehouse.version }
  if (neighbour === undefined) return { location: place, steps: [lock, same] }
  throw new IcebergError(
    'ConflictException',
    `storage_location ${place} overlaps with catalog ${neighbour.name} at ${neighbour.storage_location}`,
  )
}

const outcomeOf = (catalog: Catalog): Json => catalog as unknown as Json
const catalogOf = (outcome: Json): Catalog => outcome as unknown as Catalog

/** With the namespace `default` in it. */
export async function createCatalog(context: ManagementContext, call: ChangeCall, json: unknown): Promise<Catalog> {
  checkFields(json, CREATE_FIELDS)
  const request = decode(CreateCatalogRequest, json)
  const { name, warehouse_name: warehouse } = request
  checkName('Catalog', name)
  refuseFederation(request.catalog_type, request.federated_config)
  if (warehouse == null) throw badRequest('warehouse_name is missing: a catalog keeps its tables in a warehouse')
  const { store, now, uuid } = context.catalog
  const { principal } = call
  const { tenantId } = principal
  return change(context.catalog, call, {
    what: `catalog ${name}`,
    log: tenantLog(tenantId),
    attempt: async () => {
      const place = await placeOf(context, principal, name, warehouse, request.storage_location)
      if ((await store.get('catalogs', { tenant_id: tenantId, name })) !== undefined) throw alreadyExists('Catalog', name)
      const row: NewRow<'catalogs'> = {
        tenant_id: tenantId,
        name,
        id: uuid(),
        catalog_type: 'Local',
        warehouse_name: warehouse,
        storage_location: place.location,
        federated_config: null,
        properties: (request.properties ?? {}) as Json,
        created_at: now(),
        updated_at: now(),
      }
      return {
        message: `Create catalog ${name}`,
        operations: [{ operation: 'create-catalog', before: null, after: outcomeOf(shown(row)) }],
        steps: [...place.steps, ...createCatalogWithNamespace(context.catalog, call, row)],
        status: 201,
        outcome: outcomeOf(shown(row)),
        answer: () => {
          context.handles.forget(tenantId)
          return shown(row)
        },
      }
    },
    replay: catalogOf,
  })
}

function refuseFederation(type: string | null | undefined, config: unknown): void {
  const wanted = type?.toLowerCase() ?? 'local'
  if (wanted === 'federated' || (config !== undefined && config !== null))
    throw unsupported('Federated catalogs are not supported yet')
  if (wanted !== 'local') throw badRequest(`catalog_type must be Local, not ${JSON.stringify(type?.slice(0, 100))}`)
}

export async function updateCatalog(context: ManagementContext, call: ChangeCall, name: string, json: unknown): Promise<Catalog> {
  checkFields(json, UPDATE_FIELDS)
  const request = decode(UpdateCatalogRequest, json)
  const { name: sentName, catalog_type: sentType } = json as { name?: unknown; catalog_type?: unknown }
  const { principal } = call
  return change(context.catalog, call, {
    what: `catalog ${name}`,
    log: tenantLog(principal.tenantId),
    attempt: async () => {
      const row = await rowOf(context, principal, name)
      if (sentName != null && sentName !== name) throw badRequest(`Catalog ${name} can't be renamed`)
      if (sentType != null && sentType !== row.catalog_type) throw badRequest(`catalog_type of ${name} can't be changed`)
      const { location, warehouse, steps, isMoved } = await movedTo(context, principal, row, request)
      const { version, ...rest } = row
      const changed: NewRow<'catalogs'> = {
        ...rest,
        warehouse_name: warehouse,
        storage_location: location,
        properties: (request.properties ?? row.properties) as Json,
        updated_at: context.catalog.now(),
      }
      return {
        message: `Update catalog ${name}`,
        operations: [{ operation: 'update-catalog', before: outcomeOf(shown(row)), after: outcomeOf(shown(changed)) }],
        // What is created in it meanwhile requires the row that is replaced here, so that the emptiness behind it lasts.
        steps: [
          ...steps,
          { op: 'replace', entity: 'catalogs', row: changed, expected: version },
          ...(isMoved ? [isEmpty(row)] : []),
        ],
        status: 200,
        outcome: outcomeOf(shown(changed)),
        answer: () => {
          context.handles.forget(principal.tenantId)
          return shown(changed)
        },
      }
    },
    replay: catalogOf,
  })
}

interface Move {
  readonly location: string | null
  readonly warehouse: string | null
  readonly steps: readonly Mutation[]
  /** To another warehouse. */
  readonly isMoved: boolean
}

/** Where the catalog lies after an update. */
async function movedTo(
  context: ManagementContext,
  principal: Principal,
  row: Row<'catalogs'>,
  request: Pick<Type.Static<typeof UpdateCatalogRequest>, 'warehouse_name' | 'storage_location'>,
): Promise<Move> {
  const warehouse = request.warehouse_name ?? row.warehouse_name
  const isMoved = warehouse !== row.warehouse_name
  if (warehouse === null) return { location: row.storage_location, warehouse, steps: [], isMoved }
  if (isMoved) await refuseInUse(context, row, 'move it to another warehouse')
  const wanted = request.storage_location ?? (isMoved ? undefined : row.storage_location)
  return { ...(await placeOf(context, principal, row.name, warehouse, wanted)), warehouse, isMoved }
}

const isEmpty = (row: Row<'catalogs'>): Mutation => ({
  op: 'requireEmpty',
  entity: 'entries',
  index: 'primary',
  where: within(row),
})

const within = (row: Row<'catalogs'>) => ({ tenant_id: row.tenant_id, catalog_id: row.id })

const inUse = (name: string, what: string): IcebergError =>
  new IcebergError('ConflictException', `Catalog ${name} is in use: drop its namespaces, tables and views before you ${what}`)

async function refuseInUse(context: ManagementContext, row: Row<'catalogs'>, what: string): Promise<void> {
  const entries = await context.catalog.store.list('entries', { index: 'primary', where: within(row), limit: 1 })
  if (entries.length > 0) throw inUse(row.name, what)
}

export async function dropCatalog(context: ManagementContext, call: ChangeCall, name: string, force = false): Promise<void> {
  const { principal } = call
  return change<void>(context.catalog, call, {
    what: `catalog ${name}`,
    log: tenantLog(principal.tenantId),
    attempt: async () => {
      const row = await rowOf(context, principal, name)
      await refuseInUse(context, row, 'drop it')
      return {
        message: `Drop catalog ${name}`,
        operations: [{ operation: 'drop-catalog', before: outcomeOf(shown(row)), after: null }],
        steps: [
          await unprotected(context.catalog, principal, thingOf(row), force),
          ...(await dropFirstNamespace(context, principal, row, force)),
          ...dropCatalogRow(row),
        ],
        status: 204,
        outcome: null,
        answer: () => context.handles.forget(principal.tenantId),
      }
    },
    replay: () => undefined,
  })
}

/** The namespace that came with the catalog goes with it, where it is empty and all there is. */
async function dropFirstNamespace(
  context: ManagementContext,
  principal: Principal,
  row: Row<'catalogs'>,
  force: boolean,
): Promise<Mutation[]> {
  const where = { ...within(row), branch: MAIN_BRANCH }
  const [first, another] = await context.catalog.store.list('namespaces', { index: 'primary', where, limit: 2 })
  if (first === undefined) return []
  const { parent, name, id, version: expected } = first
  if (another !== undefined || parent !== '' || name !== FIRST_NAMESPACE[0]) throw inUse(row.name, 'drop it')
  const thing = { title: `namespace ${name} of catalog ${row.name}`, id, tenantId: row.tenant_id }
  return [
    { op: 'remove', entity: 'namespaces', key: { ...where, parent, name }, expected },
    await unprotected(context.catalog, principal, thing, force),
  ]
}

const thingOf = ({ id, name, tenant_id }: Row<'catalogs'>) => ({ title: `catalog ${name}`, id, tenantId: tenant_id })

export async function loadCatalogProtection(context: ManagementContext, principal: Principal, name: string): Promise<Protection> {
  const { id } = await rowOf(context, principal, name)
  return isProtected(context.catalog, principal.tenantId, id)
}

export function protectCatalog(
  context: ManagementContext,
  call: ChangeCall,
  name: string,
  isWanted: boolean,
): Promise<Protection> {
  const { principal } = call
  const find = async () => {
    const row = await rowOf(context, principal, name)
    const key = { tenant_id: row.tenant_id, name: row.name }
    const same = { op: 'require', entity: 'catalogs', key, expected: row.version } as const
    return { thing: thingOf(row), same, about: { name: row.name, id: row.id } }
  }
  const wanted = { what: `catalog ${name}`, log: tenantLog(principal.tenantId), find, kind: 'catalog' }
  return changeProtection(context.catalog, call, wanted, isWanted)
}

/** So many names are compared with one that does not exist, in one look. */
const MOST_COMPARED = 200

/**
 * What a person may have meant by the name of a catalog that does not exist for them: of what they see alone, so that a hidden
 * catalog is answered as an absent one is. Empty where nothing is near.
 */
export async function explainMissing(context: ManagementContext, principal: Principal, name: string): Promise<string> {
  if (/^v\d+$/.test(name)) return `: a client's URI ends before /${name}; leave that away`
  const { store } = context.catalog
  const { tenantId: tenant_id } = principal
  const isSeen = (catalog: string): boolean => isAllowed(principal, 'config.read', { tenantId: tenant_id, catalog })
  const maySeeWarehouse = isAllowed(principal, 'warehouse.read', { tenantId: tenant_id })
  if (!maySeeWarehouse || (await store.get('warehouses', { tenant_id, name })) === undefined) {
    const names = await context.handles.namesOf(tenant_id)
    return nearest(name, names.slice(0, MOST_COMPARED).filter(isSeen))
  }
  const where = { tenant_id, warehouse_name: name }
  const rows = await store.list('catalogs', { index: 'by_warehouse', where, limit: MOST_COMPARED })
  const here = rows.map((row) => row.name).filter(isSeen)
  const which =
    here.length === 0
      ? 'there is none in it yet'
      : `in it are ${here
          .slice(0, 5)
          .map((each) => JSON.stringify(each))
          .join(', ')}`
  return `: that is a warehouse of this server, and clients name a catalog; ${which}`
}
