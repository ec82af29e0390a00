/**
 * Warehouses: where the files of catalogs lie and with which settings they are reached. Secrets are taken out and sealed
 * before a row is written, and never come back out of this room's answers.
 */
import Type from 'typebox'
import type { Principal } from '../access/principal.ts'
import type { SecretJson } from '../access/secrets.ts'
import { decode } from '../catalog/shapes.ts'
import { change } from '../changes/change.ts'
import { tenantLog, type ChangeCall } from '../changes/context.ts'
import { alreadyExists, badRequest, IcebergError, noSuchWarehouse } from '../iceberg/errors.ts'
import { RawNumber } from '../iceberg/json.ts'
import { canonicalLocation, isBelow } from '../iceberg/location.ts'
import type { VendingStrategy, WarehouseSettings } from '../storage/open.ts'
import type { Json, NewRow, Row } from '../stores/entities.ts'
import type { Mutation } from '../stores/store.ts'
import type { ManagementContext, WarehouseTestAnswer } from './context.ts'
import { openSettings, sealOwner, settingsOf } from './handles.ts'
import { cutOut, listed, mapped, pagesOf, type Listed } from '../stores/pages.ts'
import { checkFields, checkName, MAX_LISTED, type Paging } from './input.ts'
import { lockPlaces } from './places-lock.ts'

const StorageConfig = Type.Record(Type.String(), Type.Union([Type.String(), Type.Null()]))
const Strategy = Type.Union([
  Type.String(),
  Type.Record(Type.String(), Type.Record(Type.String(), Type.Union([Type.String(), Type.Null()]))),
  Type.Null(),
])
const Layout = Type.Optional(Type.Union([Type.Literal('plain'), Type.Literal('suffix'), Type.Literal('uuid'), Type.Null()]))
/** Ten years. */
const MAX_DELAY_HOURS = 87_600
const Delay = Type.Optional(Type.Union([Type.Integer({ minimum: 0, maximum: MAX_DELAY_HOURS }), Type.Null()]))
const CreateWarehouseRequest = Type.Object({
  name: Type.String(),
  use_sts: Type.Optional(Type.Union([Type.Boolean(), Type.Null()])),
  storage_config: StorageConfig,
  vending_strategy: Type.Optional(Strategy),
  table_location_layout: Layout,
  purge_delay_hours: Delay,
})
const UpdateWarehouseRequest = Type.Object({
  name: Type.Optional(Type.Union([Type.String(), Type.Null()])),
  use_sts: Type.Optional(Type.Union([Type.Boolean(), Type.Null()])),
  storage_config: Type.Optional(Type.Union([StorageConfig, Type.Null()])),
  vending_strategy: Type.Optional(Strategy),
  table_location_layout: Layout,
  purge_delay_hours: Delay,
})
const FIELDS = ['name', 'use_sts', 'storage_config', 'vending_strategy', 'table_location_layout', 'purge_delay_hours']

/** Numbers and truths are as good as their text. */
function withTexts(json: unknown): unknown {
  if (json === null || typeof json !== 'object' || Array.isArray(json)) return json
  const { storage_config: config, vending_strategy: strategy } = json as Readonly<Record<string, unknown>>
  return {
    ...json,
    ...(config !== undefined && { storage_config: textsOf(config, 1) }),
    ...(strategy !== undefined && { vending_strategy: textsOf(strategy, 2) }),
  }
}

function textsOf(value: unknown, depth: number): unknown {
  if (value instanceof RawNumber) return String(value)
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean') return String(value)
  if (depth === 0 || value === null || typeof value !== 'object' || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, textsOf(one, depth - 1)]))
}

export interface Warehouse {
  readonly id: string
  readonly name: string
  readonly tenant_id: string
  readonly use_sts: boolean
  readonly storage_config: Json
  readonly vending_strategy: Json
  readonly table_location_layout: string
  readonly purge_delay_hours: number
  readonly warnings?: readonly string[]
  /** Of an update: the names of the settings that it changed. */
  readonly changed?: readonly string[]
}

function shown(context: ManagementContext, row: NewRow<'warehouses'>): Warehouse {
  const { id, name, tenant_id, use_sts, storage_config, vending_strategy: strategy, table_location_layout: layout } = row
  const warnings = context.storage.warnings(openSettings(row))
  const vending_strategy = strategy === 'None' ? null : strategy
  return {
    id,
    name,
    tenant_id,
    use_sts,
    storage_config,
    vending_strategy,
    table_location_layout: layout ?? 'plain',
    purge_delay_hours: row.purge_delay_hours ?? 0,
    ...(warnings.length > 0 && { warnings }),
  }
}

export function listWarehouses(context: ManagementContext, principal: Principal, paging: Paging): Promise<Listed<Warehouse>> {
  const where = { tenant_id: principal.tenantId }
  const pages = pagesOf(context.catalog.store, 'warehouses', { index: 'primary', where })
  return listed(
    cutOut(
      mapped(pages, (page) => page.map((row) => shown(context, row))),
      paging,
    ),
  )
}

/** @throws IcebergError 404 */
export async function warehouseRow(context: ManagementContext, principal: Principal, name: string): Promise<Row<'warehouses'>> {
  const row = await context.catalog.store.get('warehouses', { tenant_id: principal.tenantId, name })
  if (row === undefined) throw noSuchWarehouse(name)
  return row
}

export async function loadWarehouse(context: ManagementContext, principal: Principal, name: string): Promise<Warehouse> {
  return shown(context, await warehouseRow(context, principal, name))
}

const withoutNulls = (config: Readonly<Record<string, string | null>>): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(config).filter((entry): entry is [string, string] => entry[1] !== null))

/** The columns that hold settings: open ones as they are, secrets sealed. */
function columnsOf(context: ManagementContext, settings: WarehouseSettings, warehouse: { tenant_id: string; id: string }) {
  context.storage.validate(settings)
  const { open, secrets } = context.storage.split(settings)
  return {
    storage_config: open.storageConfig as Json,
    vending_strategy: (open.vendingStrategy ?? null) as Json,
    secrets: secrets === undefined ? null : context.secrets.seal(secrets as SecretJson, sealOwner(warehouse)),
  }
}

interface NewWarehouse {
  readonly name: string
  readonly useSts: boolean
  readonly settings: WarehouseSettings
  readonly layout: string | null
  readonly delayHours: number | null
}

/** What a person says of a warehouse that is not there yet. @throws IcebergError 400, 422 */
export function readNewWarehouse(json: unknown): NewWarehouse {
  checkFields(json, FIELDS)
  const request = decode(CreateWarehouseRequest, withTexts(json))
  checkName('Warehouse', request.name)
  const settings = {
    storageConfig: withoutNulls(request.storage_config),
    vendingStrategy: request.vending_strategy as VendingStrategy | undefined,
  }
  const { name, use_sts: useSts, table_location_layout: layout, purge_delay_hours: delayHours } = request
  return { name, useSts: useSts ?? false, settings, layout: layout ?? null, delayHours: delayHours ?? null }
}

const outcomeOf = (warehouse: Warehouse): Json => warehouse as unknown as Json
const warehouseOf = (outcome: Json): Warehouse => outcome as unknown as Warehouse

/**
 * @param trial tries the settings, where the answer may rest on it: a strategy that the user did not name is taken when it works
 * @throws IcebergError 400, 409, 422
 */
export async function createWarehouse(
  context: ManagementContext,
  call: ChangeCall,
  json: unknown,
  trial?: WarehouseTrial,
): Promise<Warehouse> {
  const { name, useSts, settings: given, layout, delayHours } = readNewWarehouse(json)
  const { now, uuid, store } = context.catalog
  const { tenantId } = call.principal
  return change(context.catalog, call, {
    what: `warehouse ${name}`,
    log: tenantLog(tenantId),
    attempt: async () => {
      const settings = await withDefaultStrategy(context, given, name, trial)
      if ((await store.get('warehouses', { tenant_id: tenantId, name })) !== undefined) throw alreadyExists('Warehouse', name)
      const key = { tenant_id: tenantId, id: uuid() }
      const row: NewRow<'warehouses'> = {
        ...key,
        name,
        use_sts: useSts,
        ...columnsOf(context, settings, key),
        created_at: now(),
        updated_at: now(),
        table_location_layout: layout,
        purge_delay_hours: delayHours,
      }
      const made = shown(context, row)
      return {
        message: `Create warehouse ${name}`,
        operations: [{ operation: 'create-warehouse', before: null, after: outcomeOf(made) }],
        steps: [{ op: 'insert', entity: 'warehouses', row }],
        status: 201,
        outcome: outcomeOf(made),
        answer: () => made,
      }
    },
    replay: warehouseOf,
  })
}

/** Tests settings under the name of a warehouse. */
export type WarehouseTrial = (name: string, settings: WarehouseSettings) => Promise<WarehouseTestAnswer>

async function withDefaultStrategy(
  { storage }: ManagementContext,
  settings: WarehouseSettings,
  name: string,
  trial: WarehouseTrial | undefined,
): Promise<WarehouseSettings> {
  storage.validate(settings)
  const vendingStrategy = trial && storage.defaultStrategy(settings)
  if (trial === undefined || vendingStrategy === undefined) return settings
  const wished = { ...settings, vendingStrategy }
  try {
    return (await trial(name, wished)).ok ? wished : settings
  } catch (error) {
    // Too many tests at a time: the answer's warning says what clients get.
    if (error instanceof IcebergError && error.code === 429) return settings
    throw error
  }
}

/** @throws IcebergError 400 that says what failed, and what to do about it */
function refuseFailed(name: string, { checks }: WarehouseTestAnswer): void {
  const failed = checks.filter(({ status }) => status === 'failed')
  if (failed.length === 0) return
  const said = failed.map((check) => `${check.name}: ${check.message}${check.fix === null ? '' : ` (${check.fix})`}`)
  throw badRequest(
    `Warehouse ${name} is not changed, since its test failed with the new settings. ${said.join('. ')}. With ?test=false they are saved untested`,
  )
}

/**
 * What is given replaces, `null` removes, the rest stays.
 * @param trial tries the settings before they are saved; absent, they are saved untested
 * @throws IcebergError 400 also where the test fails, 404, 409 where catalogs would lie outside, 422
 */
export async function updateWarehouse(
  context: ManagementContext,
  call: ChangeCall,
  name: string,
  json: unknown,
  trial?: WarehouseTrial,
): Promise<Warehouse> {
  checkFields(json, FIELDS)
  const request = decode(UpdateWarehouseRequest, withTexts(json))
  const { principal } = call
  return change(context.catalog, call, {
    what: `warehouse ${name}`,
    log: tenantLog(principal.tenantId),
    attempt: async () => {
      const row = await warehouseRow(context, principal, name)
      const { changed, names, steps } = await changedBy(context, principal, row, request, trial)
      const answer = { ...shown(context, changed), changed: names }
      return {
        message: `Update warehouse ${name}`,
        operations: [
          { operation: 'update-warehouse', changed: names, before: outcomeOf(shown(context, row)), after: outcomeOf(answer) },
        ],
        steps: [...steps, { op: 'replace', entity: 'warehouses', row: changed, expected: row.version }],
        status: 200,
        outcome: outcomeOf(answer),
        answer: () => {
          context.handles.forget(principal.tenantId)
          return answer
        },
      }
    },
    replay: warehouseOf,
  })
}

interface ChangedWarehouse {
  readonly changed: NewRow<'warehouses'>
  /** Of the settings that differ. */
  readonly names: readonly string[]
  readonly steps: readonly Mutation[]
}

async function changedBy(
  context: ManagementContext,
  principal: Principal,
  row: Row<'warehouses'>,
  request: Type.Static<typeof UpdateWarehouseRequest>,
  trial: WarehouseTrial | undefined,
): Promise<ChangedWarehouse> {
  const { name, version: _, ...rest } = row
  if (typeof request.name === 'string' && request.name !== name) throw badRequest(`Warehouse ${name} can't be renamed`)
  const before = settingsOf(row, context)
  const settings = context.storage.change(before, {
    storageConfig: request.storage_config ?? undefined,
    vendingStrategy: request.vending_strategy,
  })
  const columns = columnsOf(context, settings, row)
  const root = context.storage.rootOf(settings)
  const { store, now } = context.catalog
  const lock = root === context.storage.rootOf(before) ? [] : [await lockPlaces(store, principal.tenantId, now)]
  await refuseStranding(context, principal, name, root)
  const names = [...context.storage.changed(before, settings)]
  if (trial !== undefined && names.length > 0) refuseFailed(name, await trial(name, settings))
  const { use_sts: useSts, table_location_layout: layout, purge_delay_hours: delay } = request
  const changed: NewRow<'warehouses'> = {
    ...rest,
    name,
    ...columns,
    use_sts: useSts ?? row.use_sts,
    table_location_layout: layout === undefined ? row.table_location_layout : layout,
    purge_delay_hours: delay === undefined ? row.purge_delay_hours : delay,
    updated_at: now(),
  }
  if (changed.use_sts !== row.use_sts) names.push('use_sts')
  if (changed.table_location_layout !== row.table_location_layout) names.push('table_location_layout')
  if ((changed.purge_delay_hours ?? 0) !== (row.purge_delay_hours ?? 0)) names.push('purge_delay_hours')
  return { changed, names, steps: lock }
}

/** Tables of a catalog that lies outside the warehouse's new root could not be read any more. */
async function refuseStranding(
  context: ManagementContext,
  principal: Principal,
  name: string,
  root: ReturnType<typeof canonicalLocation>,
): Promise<void> {
  const where = { tenant_id: principal.tenantId, warehouse_name: name }
  const catalogs = await context.catalog.store.list('catalogs', { index: 'by_warehouse', where, limit: MAX_LISTED })
  const stranded = catalogs.find(
    ({ storage_location: at }) => at !== null && at !== root && !isBelow(root, canonicalLocation(at)),
  )
  if (stranded === undefined) return
  throw new IcebergError(
    'ConflictException',
    `Catalog ${stranded.name} lies at ${stranded.storage_location}, which is not below ${root}`,
  )
}

export async function dropWarehouse(context: ManagementContext, call: ChangeCall, name: string): Promise<void> {
  const { principal } = call
  const within = { tenant_id: principal.tenantId, warehouse_name: name }
  return change<void>(context.catalog, call, {
    what: `warehouse ${name}`,
    log: tenantLog(principal.tenantId),
    attempt: async () => {
      const row = await warehouseRow(context, principal, name)
      const inside = await context.catalog.store.list('catalogs', { index: 'by_warehouse', where: within, limit: 1 })
      if (inside.length > 0) throw new IcebergError('ConflictException', `Warehouse ${name} is in use: drop its catalogs first`)
      const key = { tenant_id: principal.tenantId, name }
      return {
        message: `Drop warehouse ${name}`,
        operations: [{ operation: 'drop-warehouse', before: outcomeOf(shown(context, row)), after: null }],
        // What is created in it requires the row that goes away here.
        steps: [
          { op: 'remove', entity: 'warehouses', key, expected: row.version },
          { op: 'requireEmpty', entity: 'catalogs', index: 'by_warehouse', where: within },
        ],
        status: 204,
        outcome: null,
        answer: () => context.handles.forget(principal.tenantId),
      }
    },
    replay: () => undefined,
  })
}
