/** Builds everything from the settings, starts it, and stops it in the opposite order. The only place that knows all rooms. */
import { createHmac, createSecretKey } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { createAuthenticator } from './access/authenticate.ts'
import { loadKey, loadOrCreateKey, openSecretBox, SecretError, type SecretBox } from './access/secrets.ts'
import { createSessionTokens } from './access/session-tokens.ts'
import { createThrottle } from './access/throttle.ts'
import type { CatalogContext } from './catalog/call.ts'
import { positionOf } from './catalog/moments.ts'
import { createCatalogContext } from './catalog/context.ts'
import { connectionSettings, SettingsError, type Settings } from './config.ts'
import { endpoints, routes } from './http/routes/index.ts'
import { createHttpServer, type HttpServer } from './http/server.ts'
import { IcebergError } from './iceberg/errors.ts'
import type { Log } from './log.ts'
import type { ManagementContext, WarehouseStorage } from './management/context.ts'
import {
  DEFAULT_TENANT,
  FirstStartError,
  firstStart,
  ADMIN_FILE,
  isAdminFileValid,
  tellIdleSettings,
} from './management/first-start.ts'
import { agreeOnKey, keyOfDatabase, nameKey } from './management/encryption-key.ts'
import { createCatalogHandles, sealOwner, type CatalogHandles } from './management/handles.ts'
import { createMomentHandles } from './management/moments.ts'
import { createReadiness } from './management/readiness.ts'
import { unfinishedFilling } from './operations/fill.ts'
import type { StorageOf } from './operations/check-files.ts'
import type { RekeyOptions } from './operations/rekey.ts'
import {
  changedNames,
  changedSettings,
  clientConfig,
  joinSecrets,
  openObjectStore,
  openProbeTarget,
  openSigner,
  openVending,
  rootLocation,
  splitSecrets,
  validateWarehouse,
  warehouseWarnings,
  defaultStrategy,
} from './storage/open.ts'
import { probeWarehouse } from './storage/probe/probe.ts'
import { databaseFile, databaseWarning, openStore } from './stores/open.ts'
import { StoreError, type Store } from './stores/store.ts'
import { watchWrites } from './stores/watched.ts'
import { startTasks, type Tasks } from './tasks/start.ts'

export interface App {
  readonly url: string
  /** This start made the administrator and the first catalog. */
  readonly firstStart: boolean
  readonly adminFile: string
  /** The file is there, and its token is one of this database. */
  readonly hasAdminFile: boolean
  /** Drains for at most the grace of the settings. */
  close(): Promise<void>
}

const ANONYMOUS = { id: 'anonymous', name: 'anonymous', tenantId: DEFAULT_TENANT, role: 'tenant-admin' } as const

function storageOf({ localRoots, webIdentityTokenFile }: Settings): WarehouseStorage {
  const options = { localRoots, webIdentityTokenFile }
  return {
    validate: (settings) => validateWarehouse(settings, options),
    split: splitSecrets,
    join: joinSecrets,
    change: changedSettings,
    changed: changedNames,
    defaultStrategy,
    rootOf: rootLocation,
    clientConfig,
    open: (settings) => openObjectStore(settings, options),
    vending: (settings) => openVending(settings, options),
    signer: openSigner,
    test: (settings, by) => probeWarehouse(openProbeTarget(settings, options), by),
    warnings: warehouseWarnings,
  }
}

function openDatabase(settings: Settings): Store {
  try {
    return openStore(settings.databaseUrl, connectionSettings(settings))
  } catch (error) {
    if (error instanceof TypeError) throw new SettingsError(`DATABASE_URL: ${error.message}`)
    throw error
  }
}

/** @throws SettingsError for what the person who starts the server can change */
export async function startApp(settings: Settings, log: Log): Promise<App> {
  let store: Store | undefined
  try {
    mkdirSync(settings.dataDirectory, { recursive: true, mode: 0o700 })
    store = openDatabase(settings)
    const message = databaseWarning(settings.databaseUrl)
    if (message !== undefined) log('setting-read-as', { level: 'warn', setting: 'DATABASE_URL', message })
    await store.migrate()
    const source = await unfinishedFilling(store)
    if (source !== undefined) {
      throw new SettingsError(`DATABASE_URL names an unfinished copy of ${source}. Run the command that made it once more.`)
    }
    return await startOn(store, settings, log)
  } catch (error) {
    await store?.close()
    throw startFailure(error, settings)
  }
}

/** What a disk, a damaged file or another program's database keeps from starting is no bug: it is said in a line. */
function startFailure(thrown: unknown, settings: Settings): unknown {
  // A change that the database did not carry out says so in words for clients.
  const error = thrown instanceof IcebergError && thrown.cause instanceof StoreError ? thrown.cause : thrown
  if (error instanceof StoreError) {
    const { databaseUrl } = settings
    return new SettingsError(`DATABASE_URL: ${databaseUrl.startsWith('sqlite:') ? `${databaseUrl}: ` : ''}${error.message}`)
  }
  if (error instanceof SecretError || error instanceof FirstStartError) return new SettingsError(error.message)
  if (error instanceof Error && 'code' in error && 'path' in error) return new SettingsError(`PANGOLIN_DATA: ${error.message}`)
  return error
}

async function startOn(database: Store, settings: Settings, log: Log): Promise<App> {
  const { store, writes } = watchWrites(database)
  const secret = settings.jwtSecret ?? loadOrCreateKey(settings.dataDirectory, 'session').toString('base64')
  // Not as bytes, of which a key would be made anew for each page.
  const pageTokenKey = createSecretKey(createHmac('sha256', secret).update('pangolin page tokens').digest())
  const secrets = await openSecrets(store, settings)
  await agreeOnKey(store, secrets, Date.now)
  const storage = storageOf(settings)
  // The tasks need the handles, the handles the context, the context the tasks.
  const background: { tasks?: Tasks } = {}
  const taskStored = (): void => background.tasks?.stored()
  const taskEnded = async (id: string, ms: number): Promise<void> => background.tasks?.ended(id, ms)
  const catalog = createCatalogContext({
    store,
    pageTokenKey,
    cacheBytes: settings.cacheBytes,
    limits: settings.tableLimits,
    metricsLimits: settings.metrics,
    droppedKeptMs: settings.droppedKeptMs,
    log,
    taskStored,
    taskEnded,
  })
  const { now } = catalog
  const handles = openHandles(catalog, storage, secrets)
  const management: ManagementContext = { catalog, storage, secrets, handles }
  const wasFirst = await firstStart(management, settings)
  if (!wasFirst) await tellIdleSettings(management, settings)
  const hasAdminFile = await isAdminFileValid(management, settings.dataDirectory)
  const sessions = createSessionTokens(secret, now)
  const throttle = createThrottle({ limit: settings.authRateLimit, windowMs: settings.authRateWindowSeconds * 1000, now })
  const http = createHttpServer(
    {
      catalog,
      management,
      handles,
      sessions,
      endpoints,
      now,
      log,
      authenticator: createAuthenticator({ store, sessions, throttle, now, everybody: settings.noAuth ? ANONYMOUS : undefined }),
      readiness: createReadiness({ store, writes, ...foldersOf(settings), log }),
      limits: settings,
      corsAllowedOrigins: settings.corsAllowedOrigins,
      state: { draining: false },
    },
    routes,
  )
  const url = await listen(http, settings)
  const tasks = startTasks({ store, now, log, openStorageFor: handles.storageOf, historyKeptMs: settings.historyKeptMs })
  background.tasks = tasks
  catalog.sequencer.start()
  return {
    url,
    firstStart: wasFirst,
    adminFile: join(settings.dataDirectory, ADMIN_FILE),
    hasAdminFile,
    close: async () => {
      await http.close(settings.shutdownGraceSeconds * 1000)
      await tasks.stop()
      await catalog.sequencer.stop()
      await handles.close()
      await store.close()
    },
  }
}

/** What the server can't work without, and where warehouses without a place of their own lie. */
const foldersOf = ({ dataDirectory, databaseUrl, localRoots }: Settings) => ({
  needed: [dataDirectory, databaseFile(databaseUrl)].filter((path) => path !== undefined),
  warehouses: localRoots[0]!,
})

/** Catalogs by name, as they are and as they were. */
function openHandles(catalog: CatalogContext, storage: WarehouseStorage, secrets: SecretBox): CatalogHandles {
  const { store, now } = catalog
  const present = createCatalogHandles({ store, storage, secrets, now })
  return createMomentHandles(present, { now, positionOf: (handle, moment) => positionOf(catalog, handle, moment) })
}

/** A key file is made only for a database that has no key yet: beside secrets of another key it would be of no use. */
async function openSecrets(store: Store, settings: Settings): Promise<SecretBox> {
  const { dataDirectory, encryptionKey, previousEncryptionKeys } = settings
  const known = await keyOfDatabase(store)
  const key = encryptionKey ?? (known === undefined ? loadOrCreateKey : loadKey)(dataDirectory, 'encryption')
  if (key === undefined) {
    throw new SecretError(
      `The secrets in this database are sealed with the encryption key ${known}, and none is given: PANGOLIN_ENCRYPTION_KEY is not set, ` +
        `and there is no ${join(dataDirectory, 'keys', 'encryption')}. Copy that file from the data folder with which the database was made.`,
    )
  }
  return openSecretBox({ key, previousKeys: previousEncryptionKeys })
}

/** For the tool that seals a database's secrets anew. */
export async function rekeyParts(store: Store, settings: Settings): Promise<Omit<RekeyOptions, 'store'>> {
  const secrets = await openSecrets(store, settings)
  return {
    reseal: (row) => {
      if (row.secrets === null || !secrets.isStale(row.secrets)) return undefined
      const owner = sealOwner(row)
      return secrets.seal(secrets.open(row.secrets, owner), owner)
    },
    nameKey: () => nameKey(store, secrets, Date.now),
  }
}

/** For tools that look at the files behind a store, as the server with these settings would. */
export async function openWarehouses(
  store: Store,
  settings: Settings,
): Promise<{ readonly storageOf: StorageOf; close(): Promise<void> }> {
  const secrets = await openSecrets(store, settings)
  const handles = createCatalogHandles({ store, storage: storageOf(settings), secrets, now: Date.now })
  return {
    storageOf: async (tenantId, warehouse) => (await handles.storageOf(tenantId, warehouse))?.storage,
    close: () => handles.close(),
  }
}

/** Systems on which several processes may listen on one port, each with a queue of its own. */
const SHARES_PORTS = ['linux', 'freebsd'].includes(process.platform)

export function portError(error: NodeJS.ErrnoException, { bindAddress: host, port }: Settings): Error {
  if (error.code === 'EADDRINUSE') return new SettingsError(`Port ${port} of ${host} is in use; choose another one with PORT`)
  if (error.code === 'EACCES')
    return new SettingsError(`Port ${port} of ${host} may not be used by this user; choose another one with PORT`)
  if (error.code === 'EADDRNOTAVAIL') return new SettingsError(`PANGOLIN_BIND_ADDRESS: this machine has no address ${host}`)
  return error
}

function listen({ server }: HttpServer, settings: Settings): Promise<string> {
  const { bindAddress: host, port } = settings
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(portError(error, settings)))
    server.listen({ port, host, backlog: 1024, reusePort: settings.workers > 1 && SHARES_PORTS }, () => {
      const address = server.address() as AddressInfo
      const name = address.family === 'IPv6' ? `[${address.address}]` : address.address
      resolve(`http://${name}:${address.port}`)
    })
  })
}
