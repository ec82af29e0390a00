/** The stores that the conformance suite runs on, wrappers included. A new engine adds a line here. */
import { randomUUID } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { MongoClient } from 'mongodb'
import { openMemoryStore } from '../../src/stores/memory.ts'
import { openMongoStore } from '../../src/stores/mongo.ts'
import { openPostgresStore } from '../../src/stores/sql/postgres.ts'
import { openSqliteStore } from '../../src/stores/sql/sqlite.ts'
import type { Store } from '../../src/stores/store.ts'
import { installFerret, startFerret } from '../services/ferret.ts'
import { NO_MONGO, givenMongo, installMongo, launchMongo, withDatabase } from '../services/mongo.ts'
import { startPgBouncer } from '../services/pgbouncer.ts'
import { startPostgres } from '../services/postgres.ts'
import type { Availability } from '../services/require.ts'
import { faultyStore } from './faulty.ts'
import { temporaryFolder } from './folder.ts'
import { openProcessesStore } from './processes.ts'

export interface Backend {
  readonly name: string
  /** Whether the data is shared between stores and outlives them. */
  readonly isShared: boolean
  /** How many steps a large batch has, when not 5000. */
  readonly manySteps?: number
  /** The server does not keep concurrent writers apart: what is tested of them is left out. */
  readonly isSequential?: boolean
  /** Opens an empty store with its schema in place. */
  open(): Promise<OpenedStore>
  /** Why it can't run here, if it can't. */
  readonly skip?: string
}

export interface OpenedStore {
  readonly store: Store
  /** Another store over the same data. */
  openAnother(): Promise<Store>
  /** Closes all that was opened and removes the data. */
  dispose(): Promise<void>
}

/** What can't be migrated is closed: the processes of a store would outlive the test. */
async function migrated(store: Store): Promise<Store> {
  try {
    await store.migrate()
    return store
  } catch (error) {
    await store.close()
    throw error
  }
}

const memory: Backend = {
  name: 'memory',
  isShared: false,
  open: async () => {
    const store = openMemoryStore()
    await store.migrate()
    return { store, openAnother: () => Promise.reject(new Error('not shared')), dispose: () => store.close() }
  },
}

const sqliteWith = (name: string, openFile: (path: string) => Store | Promise<Store>): Backend => ({
  name,
  isShared: true,
  open: async () => {
    const folder = await temporaryFolder()
    const path = join(folder, 'test.db')
    const opened: Store[] = []
    const open = async (): Promise<Store> => {
      const store = await migrated(await openFile(path))
      opened.push(store)
      return store
    }
    const dispose = async (): Promise<void> => {
      await Promise.all(opened.map((store) => store.close()))
      await rm(folder, { recursive: true, force: true })
    }
    return { store: await open(), openAnother: open, dispose }
  },
})

const sqlite = sqliteWith('sqlite', (path) => openSqliteStore({ path }))

interface MongoBackend {
  readonly name: string
  readonly url: () => Promise<string>
  readonly skip?: string | undefined
  /** The stand-in takes longer for many documents. */
  readonly isStandIn?: boolean
  readonly manySteps?: number
  readonly isSequential?: boolean
  readonly openStore?: (url: string) => Promise<Store>
}

/** Each store has a database of its own in the server. */
function mongo({
  name,
  url,
  skip,
  isStandIn = false,
  // The stand-in looks at every document for each of a batch's keys; 2000 still are several messages.
  manySteps = isStandIn ? 2000 : 5000,
  isSequential = false,
  openStore = async (one) => openMongoStore({ url: one }),
}: MongoBackend): Backend {
  return {
    name,
    isShared: true,
    manySteps,
    isSequential,
    ...(skip !== undefined && { skip }),
    open: async () => {
      const own = withDatabase(await url(), `test-${randomUUID()}`)
      const opened: Store[] = []
      const open = async (): Promise<Store> => {
        const store = await migrated(await openStore(own))
        opened.push(store)
        return store
      }
      const dispose = async (): Promise<void> => {
        await Promise.all(opened.map((store) => store.close()))
        const client = new MongoClient(own)
        try {
          await client.db().dropDatabase()
        } catch (error) {
          // Of a collection that several processes make at once the stand-in may lose an index, and then can't drop it. Its
          // databases end with it.
          if (!isStandIn) throw error
        } finally {
          await client.close()
        }
      }
      const store = await open()
      if (isStandIn) await helpStandIn(own)
      return { store, openAnother: open, dispose }
    },
  }
}

/** The stand-in uses an index only when it has all fields of a query and no others: batches of thousands would take minutes. */
async function helpStandIn(url: string): Promise<void> {
  const client = new MongoClient(url)
  await client.db().collection('entries').createIndex({ _id: 1, m: 1 }, { unique: true })
  await client.close()
}

const standIn = await installMongo()
let launched: ReturnType<typeof launchMongo> | undefined
const standInUrl = async (): Promise<string> => {
  const server = await (launched ??= launchMongo({ isDurable: false }))
  if ('missing' in server) throw new Error(server.missing)
  return server.value.url
}
/** Under CI the suite runs, and fails by the reason. */
const skipAtHome = (availability: Availability<unknown>): { readonly skip?: string } =>
  'missing' in availability && process.env['CI'] !== 'true' ? { skip: availability.missing } : {}

const ferret = await installFerret()
const ferretUrl = async (): Promise<string> => {
  const started = await startFerret()
  if ('missing' in started) throw new Error(started.missing)
  return started.value.urlOf('')
}

const standInMongo = { url: standInUrl, isStandIn: true, ...skipAtHome(standIn) }

const server = await startPostgres()

const postgresWith = (name: string, openStore: (url: string) => Promise<Store>): Backend => ({
  name,
  isShared: true,
  ...skipAtHome(server),
  open: async () => {
    if ('missing' in server) throw new Error(server.missing)
    const url = await server.value.createDatabase()
    const opened: Store[] = []
    const open = async (): Promise<Store> => {
      const store = await migrated(await openStore(url))
      opened.push(store)
      return store
    }
    const dispose = async (): Promise<void> => {
      await Promise.all(opened.map((store) => store.close()))
    }
    return { store: await open(), openAnother: open, dispose }
  },
})

const pgBouncer = 'missing' in server ? server : await startPgBouncer(await server.value.createDatabase())

function behindPgBouncer(url: string): Promise<Store> {
  if ('missing' in pgBouncer) throw new Error(pgBouncer.missing)
  return openProcessesStore(pgBouncer.value.urlOf(url), 3)
}

function wrapped(backend: Backend, name: string, wrap: (store: Store) => Store): Backend {
  return {
    ...backend,
    name: `${backend.name}, ${name}`,
    open: async () => {
      const { store, openAnother, dispose } = await backend.open()
      return { store: wrap(store), openAnother: async () => wrap(await openAnother()), dispose }
    },
  }
}

export const backends: readonly Backend[] = [
  memory,
  sqlite,
  sqliteWith('sqlite, through several processes', (path) => openProcessesStore(`sqlite://${path}`, 3)),
  postgresWith('postgres', async (url) => openPostgresStore({ url })),
  postgresWith('postgres, through several processes', (url) => openProcessesStore(url, 3)),
  { ...postgresWith('postgres, through several processes behind PgBouncer', behindPgBouncer), ...skipAtHome(pgBouncer) },
  mongo({ name: 'mongo, on a stand-in', ...standInMongo }),
  mongo({
    name: 'mongo, on a stand-in, through several processes',
    ...standInMongo,
    openStore: (url) => openProcessesStore(url, 3),
  }),
  mongo({
    name: 'mongo, on MONGODB_TEST_URI',
    url: async () => givenMongo ?? '',
    skip: givenMongo === undefined ? NO_MONGO : undefined,
  }),
  wrapped(memory, 'wrapped for faults', faultyStore),
  wrapped(sqlite, 'wrapped for faults', faultyStore),
]

/** For the conformance suite alone: slow, and of no use to tests in which several write. */
export const sequentialBackends: readonly Backend[] = [
  mongo({
    name: 'mongo, on FerretDB, one writer at a time',
    url: ferretUrl,
    ...skipAtHome(ferret),
    manySteps: 40,
    isSequential: true,
  }),
]
