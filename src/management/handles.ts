/**
 * Catalogs by name, resolved to what the use cases need and remembered. A handle is used for at most a second without
 * asking the store whether its rows are still the same, and not at all after this process changed them.
 */
import { createHash } from 'node:crypto'
import type { NamedObject } from '../access/decide.ts'
import type { SecretBox } from '../access/secrets.ts'
import type { CatalogHandle, TableLayout } from '../catalog/call.ts'
import { noSuchWarehouse } from '../iceberg/errors.ts'
import { canonicalLocation, joinLocation } from '../iceberg/location.ts'
import { stringify, type JsonValue } from '../iceberg/json.ts'
import type { ObjectStore } from '../storage/storage.ts'
import type { RequestSigner, Vending } from '../storage/vending/vending.ts'
import type { WarehouseSecrets, WarehouseSettings } from '../storage/open.ts'
import type { Row } from '../stores/entities.ts'
import type { Store, Version } from '../stores/store.ts'
import type { WarehouseStorage } from './context.ts'
import { createCatalogNames, type CatalogNames } from './catalog-names.ts'

const FRESH_MS = 1000
const MAX_HANDLES = 10_000
/** How long a store that was replaced stays open for those who still use it. */
const LINGER_MS = 120_000

export interface CatalogHandles {
  /** At once when it is fresh. @throws IcebergError 404 */
  resolve(tenantId: string, name: string): CatalogHandle | Promise<CatalogHandle>
  /** Names of the tenant's catalogs, to suggest one of them in place of a name that there is not. */
  namesOf(tenantId: string): Promise<readonly NamedObject[]>
  /** For background work, which may outlive the catalog. Undefined when there is no such warehouse any more. */
  storageOf(tenantId: string, warehouseName: string): Promise<{ readonly storage: ObjectStore } | undefined>
  /** Call after every change to a catalog or a warehouse of the tenant. */
  forget(tenantId: string): void
  close(): Promise<void>
}

interface Entry {
  readonly handle: CatalogHandle
  readonly catalogVersion: Version
  readonly warehouseVersion: Version
  checkedAt: number
}

interface Entries {
  /** By tenant, then by name: both are the same strings for each request of a path, so nothing is built to look them up. */
  readonly byTenant: Map<string, Map<string, Entry>>
  size: number
  /** Grows with each change that this process makes. */
  generation: number
}

function remember(entries: Entries, tenantId: string, name: string, entry: Entry): void {
  if (entries.size >= MAX_HANDLES) forgetAll(entries)
  let ofTenant = entries.byTenant.get(tenantId)
  if (ofTenant === undefined) entries.byTenant.set(tenantId, (ofTenant = new Map()))
  if (!ofTenant.has(name)) entries.size++
  ofTenant.set(name, entry)
}

function forgetAll(entries: Entries): void {
  entries.byTenant.clear()
  entries.size = 0
}

function forgetTenant(entries: Entries, tenantId: string): void {
  entries.size -= entries.byTenant.get(tenantId)?.size ?? 0
  entries.byTenant.delete(tenantId)
}

interface Opened {
  readonly version: Version
  readonly store: ObjectStore
  readonly vending: Vending | undefined
  readonly signer: RequestSigner | undefined
}

export interface HandleParts {
  readonly store: Store
  readonly storage: WarehouseStorage
  readonly secrets: SecretBox
  readonly now: () => number
}

/** What binds a warehouse's sealed secrets to their row. */
export const sealOwner = (warehouse: { readonly tenant_id: string; readonly id: string }): string =>
  `warehouse/${warehouse.tenant_id}/${warehouse.id}`

/** A warehouse's settings without the secrets. */
export const openSettings = (warehouse: Pick<Row<'warehouses'>, 'storage_config' | 'vending_strategy'>): WarehouseSettings => ({
  storageConfig: warehouse.storage_config as WarehouseSettings['storageConfig'],
  vendingStrategy: warehouse.vending_strategy as WarehouseSettings['vendingStrategy'],
})

/** A warehouse's settings with the secrets in them. */
export function settingsOf(warehouse: Row<'warehouses'>, parts: Pick<HandleParts, 'storage' | 'secrets'>): WarehouseSettings {
  const open = openSettings(warehouse)
  if (warehouse.secrets === null) return open
  return parts.storage.join(open, parts.secrets.open(warehouse.secrets, sealOwner(warehouse)) as WarehouseSecrets)
}

/** What stands in front of the last sign that a branch or a moment follows, and what follows; undefined without one. */
export function splitName(name: string): { readonly base: string; readonly suffix: string } | undefined {
  const mark = Math.max(name.lastIndexOf('@'), name.lastIndexOf('~'))
  return mark < 0 ? undefined : { base: name.slice(0, mark), suffix: name.slice(mark + 1) }
}

/** Object stores and who makes credentials for them, one a warehouse, opened anew when the warehouse changes. */
function openWarehouses(parts: HandleParts) {
  const opened = new Map<string, Opened>()
  const close = async ({ store, vending, signer }: Opened): Promise<void> => {
    await Promise.all([store.close(), vending?.vendor.close(), signer?.close()])
  }
  return {
    of: (warehouse: Row<'warehouses'>, settings: WarehouseSettings): Opened => {
      const key = `${warehouse.tenant_id}\0${warehouse.name}`
      const known = opened.get(key)
      if (known?.version === warehouse.version) return known
      const { version } = warehouse
      const { storage } = parts
      const fresh = {
        version,
        store: storage.open(settings),
        vending: storage.vending(settings),
        signer: storage.signer(settings),
      }
      opened.set(key, fresh)
      if (known !== undefined) setTimeout(() => void close(known), LINGER_MS).unref()
      return fresh
    },
    close: async () => {
      await Promise.all([...opened.values()].map(close))
      opened.clear()
    },
  }
}

const digest = (...values: readonly JsonValue[]): string =>
  createHash('sha256').update(stringify(values)).digest('base64url').slice(0, 16)

async function catalogRow(
  store: Store,
  names: CatalogNames,
  tenantId: string,
  name: string,
): Promise<Row<'catalogs'> | undefined> {
  const row = await store.get('catalogs', { tenant_id: tenantId, name })
  if (row !== undefined) return row
  const meant = await names.spellingOf(tenantId, name)
  return meant === undefined || meant === name ? undefined : store.get('catalogs', { tenant_id: tenantId, name: meant })
}

/** Asks the store for the rows of a catalog by name; keeps the handle that is known where they are the same. */
function catalogLoader(parts: HandleParts, entries: Entries, warehouses: ReturnType<typeof openWarehouses>, names: CatalogNames) {
  const handleOf = (catalog: Row<'catalogs'>, warehouse: Row<'warehouses'>): CatalogHandle => {
    const settings = settingsOf(warehouse, parts)
    const warehouseRoot = parts.storage.rootOf(settings)
    const root =
      catalog.storage_location === null ? joinLocation(warehouseRoot, catalog.name) : canonicalLocation(catalog.storage_location)
    const clientConfig = parts.storage.clientConfig(settings)
    const allowedRoots = [warehouseRoot]
    const { store, vending, signer } = warehouses.of(warehouse, settings)
    const vendingId = digest(warehouse.id, String(warehouse.version), catalog.id, root, allowedRoots)
    const properties = catalog.properties as Readonly<Record<string, string>>
    return {
      tenantId: catalog.tenant_id,
      id: catalog.id,
      name: catalog.name,
      branch: 'main',
      version: catalog.version,
      warehouseName: warehouse.name,
      root,
      allowedRoots,
      storage: store,
      clientConfig,
      tableLayout: (warehouse.table_location_layout ?? 'plain') as TableLayout,
      purgeDelayMs: (warehouse.purge_delay_hours ?? 0) * 3_600_000,
      configVersion: digest(root, clientConfig),
      vending: vending && { ...vending, id: vendingId, warehouseName: warehouse.name },
      signer,
      properties,
    }
  }

  return async (tenantId: string, name: string): Promise<CatalogHandle> => {
    // As of before the question: what it answers may be that old.
    const checkedAt = parts.now()
    const { generation } = entries
    const catalog = await catalogRow(parts.store, names, tenantId, name)
    const warehouseName = catalog?.warehouse_name
    const warehouse =
      typeof warehouseName === 'string'
        ? await parts.store.get('warehouses', { tenant_id: tenantId, name: warehouseName })
        : undefined
    if (catalog === undefined || warehouse === undefined) {
      if (entries.byTenant.get(tenantId)?.delete(name) === true) entries.size--
      throw noSuchWarehouse(name)
    }
    const known = entries.byTenant.get(tenantId)?.get(name)
    if (known?.catalogVersion === catalog.version && known.warehouseVersion === warehouse.version) {
      known.checkedAt = checkedAt
      return known.handle
    }
    const handle = handleOf(catalog, warehouse)
    // Something was changed meanwhile: good for this caller, which asked before, and for no other.
    if (generation !== entries.generation) return handle
    remember(entries, tenantId, name, {
      handle,
      catalogVersion: catalog.version,
      warehouseVersion: warehouse.version,
      checkedAt,
    })
    return handle
  }
}

export function createCatalogHandles(parts: HandleParts): CatalogHandles {
  const entries: Entries = { byTenant: new Map(), size: 0, generation: 0 }
  const pending = new Map<string, Promise<CatalogHandle>>()
  const warehouses = openWarehouses(parts)
  const names = createCatalogNames(parts.store, parts.now)
  const load = catalogLoader(parts, entries, warehouses, names)

  return {
    resolve: (tenantId, name) => {
      const known = entries.byTenant.get(tenantId)?.get(name)
      if (known !== undefined && Math.abs(parts.now() - known.checkedAt) < FRESH_MS) return known.handle
      const key = `${tenantId}\0${name}`
      const joined = pending.get(key)
      if (joined !== undefined) return joined
      const loading: Promise<CatalogHandle> = load(tenantId, name).finally(() => {
        if (pending.get(key) === loading) pending.delete(key)
      })
      pending.set(key, loading)
      return loading
    },
    namesOf: names.of,
    storageOf: async (tenantId, warehouseName) => {
      const warehouse = await parts.store.get('warehouses', { tenant_id: tenantId, name: warehouseName })
      return warehouse && { storage: warehouses.of(warehouse, settingsOf(warehouse, parts)).store }
    },
    forget: (tenantId) => {
      const start = `${tenantId}\0`
      entries.generation++
      forgetTenant(entries, tenantId)
      names.forget(tenantId)
      // A look-up that began before the change may still be under way: no caller may join it.
      for (const key of pending.keys()) if (key.startsWith(start)) pending.delete(key)
    },
    close: async () => {
      await warehouses.close()
      forgetAll(entries)
    },
  }
}
