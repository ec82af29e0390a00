/** Catalogs: each lies at a place of its own in a warehouse, and is what clients name as their `warehouse`. */
import Type from 'typebox'
import { isAllowed, type NamedObject } from '../access/decide.ts'
import type { Principal } from '../access/principal.ts'
import { createCatalogWithNamespace } from '../catalog/catalogs.ts'
import { change } from '../changes/change.ts'
import { tenantLog, type ChangeCall } from '../changes/context.ts'
import { cutOut, listed, mapped, pagesOf, type Listed } from '../stores/pages.ts'
import { changeProtection, isProtected, type Protection } from '../catalog/protection.ts'
import { decode } from '../catalog/shapes.ts'
import { alreadyExists, badRequest, conflict, IcebergError, unsupported } from '../iceberg/errors.ts'
import type { Json, NewRow, Row } from '../stores/entities.ts'
import type { ManagementContext } from './context.ts'
import { nearest } from '../nearest.ts'
import { placeOf } from './catalog-place.ts'
import { checkFields, checkName, type Paging } from './input.ts'

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
export const UpdateCatalogRequest = Type.Object({
  name: text,
  catalog_type: text,
  warehouse_name: text,
  storage_location: text,
  properties: Properties,
})
export const UPDATE_FIELDS = ['name', 'catalog_type', 'warehouse_name', 'storage_location', 'federated_config', 'properties']
const CREATE_FIELDS = ['id', ...UPDATE_FIELDS]
/** Of the first start. */
export const FIRST_CATALOG = 'lake'

export const noSuchCatalog = (name: string): IcebergError =>
  new IcebergError('NotFoundException', `Catalog does not exist: ${name}`)

export interface Catalog {
  readonly id: string
  readonly name: string
  readonly catalog_type: string
  readonly warehouse_name: string | null
  readonly storage_location: string | null
  readonly federated_config: Json
  readonly properties: Json
}

export function shown(row: NewRow<'catalogs'>): Catalog {
  const { id, name, catalog_type, warehouse_name, storage_location, federated_config, properties } = row
  return { id, name, catalog_type, warehouse_name, storage_location, federated_config, properties }
}

const mayRead = (principal: Principal, catalog: NamedObject): boolean =>
  isAllowed(principal, 'catalog.read', { tenantId: principal.tenantId, catalog })

/** Whether the principal may do anything at all in it. */
const sees = (principal: Principal, catalog: NamedObject): boolean =>
  isAllowed(principal, 'config.read', { tenantId: principal.tenantId, catalog })

/** Those that the principal may read as a whole. */
export function listCatalogs(context: ManagementContext, principal: Principal, paging: Paging): Promise<Listed<Catalog>> {
  const where = { tenant_id: principal.tenantId }
  const pages = pagesOf(context.catalog.store, 'catalogs', { index: 'primary', where })
  const readable = mapped(pages, (page) => page.filter((row) => mayRead(principal, row)).map(shown))
  return listed(cutOut(readable, paging))
}

/** Those that there are of the catalogs that a narrowed token is bound to, in order of names; undefined for one that is bound to none. */
async function boundCatalogs({ catalog }: ManagementContext, principal: Principal): Promise<string[] | undefined> {
  const { tenantId, bounds } = principal
  if (bounds?.within === undefined) return undefined
  const names = [...new Set(bounds.within.map((bound) => bound.catalog))].toSorted()
  const rows = await catalog.store.getMany(
    'catalogs',
    names.map((name) => ({ tenant_id: tenantId, name })),
  )
  return rows.flatMap((row) => (row !== undefined && sees(principal, row) ? [row.name] : []))
}

/** The names of those in which the principal may do anything at all. */
export async function seenCatalogs(context: ManagementContext, principal: Principal): Promise<string[]> {
  const bound = await boundCatalogs(context, principal)
  if (bound !== undefined) return bound
  const { tenantId } = principal
  const seen: string[] = []
  const where = { tenant_id: tenantId }
  for await (const page of pagesOf(context.catalog.store, 'catalogs', { index: 'primary', where })) {
    for (const row of page) if (sees(principal, row)) seen.push(row.name)
  }
  return seen
}

/** What a client gets that names no catalog: the one that it sees, or the one of the first start. */
export async function defaultCatalog(context: ManagementContext, principal: Principal): Promise<string> {
  const { tenantId } = principal
  const where = { tenant_id: tenantId }
  const rows = async () => context.catalog.store.list('catalogs', { index: 'primary', where, limit: 2 })
  const names = (await boundCatalogs(context, principal)) ?? (await rows()).map(({ name }) => name)
  const [only, another] = names
  if (only !== undefined && another === undefined) return only
  const first = await context.catalog.store.get('catalogs', { tenant_id: tenantId, name: FIRST_CATALOG })
  if (first === undefined || !sees(principal, first)) throw badRequest('Name a catalog in the query parameter warehouse')
  return first.name
}

/** One that may not be read is as if it did not exist. */
export async function rowOf(context: ManagementContext, principal: Principal, name: string): Promise<Row<'catalogs'>> {
  const row = await context.catalog.store.get('catalogs', { tenant_id: principal.tenantId, name })
  if (row === undefined || !mayRead(principal, row)) throw noSuchCatalog(name)
  return row
}

export async function loadCatalog(context: ManagementContext, principal: Principal, name: string): Promise<Catalog> {
  return shown(await rowOf(context, principal, name))
}

export const outcomeOf = (catalog: Catalog): Json => catalog as unknown as Json
export const catalogOf = (outcome: Json): Catalog => outcome as unknown as Catalog

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
      if ((await store.get('catalogs', { tenant_id: tenantId, name })) !== undefined) throw alreadyExists('Catalog', name)
      const place = await placeOf(context, principal, { name, warehouse, location: request.storage_location })
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

export const within = (row: Row<'catalogs'>) => ({ tenant_id: row.tenant_id, catalog_id: row.id })

export const inUse = (name: string, what: string): IcebergError =>
  conflict(`Catalog ${name} is in use: drop its namespaces, tables and views before you ${what}`)

export async function refuseInUse(context: ManagementContext, row: Row<'catalogs'>, what: string): Promise<void> {
  const entries = await context.catalog.store.list('entries', { index: 'primary', where: within(row), limit: 1 })
  if (entries.length > 0) throw inUse(row.name, what)
}

export const thingOf = ({ id, name, tenant_id }: Row<'catalogs'>) => ({ title: `catalog ${name}`, id, tenantId: tenant_id })

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
    return { thing: thingOf(row), same: [same], about: { name: row.name, id: row.id } }
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
  const isSeen = (catalog: NamedObject): boolean => sees(principal, catalog)
  const maySeeWarehouse = isAllowed(principal, 'warehouse.read', { tenantId: tenant_id })
  if (!maySeeWarehouse || (await store.get('warehouses', { tenant_id, name })) === undefined) {
    const seen = (await context.handles.namesOf(tenant_id)).slice(0, MOST_COMPARED).filter(isSeen)
    return nearest(
      name,
      seen.map((catalog) => catalog.name),
    )
  }
  const where = { tenant_id, warehouse_name: name }
  const rows = await store.list('catalogs', { index: 'by_warehouse', where, limit: MOST_COMPARED })
  const here = rows.filter(isSeen).map((row) => row.name)
  const which =
    here.length === 0
      ? 'there is none in it yet'
      : `in it are ${here
          .slice(0, 5)
          .map((each) => JSON.stringify(each))
          .join(', ')}`
  return `: that is a warehouse of this server, and clients name a catalog; ${which}`
}
