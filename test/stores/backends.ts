/** The stores that the conformance suite runs on, wrappers included. A new engine adds a line here. */
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MongoClient } from 'mongodb'
import { openMemoryStore } from '../../src/stores/memory.ts'
import { openMongoStore } from '../../src/stores/mongo.ts'
import { openSqliteStore } from '../../src/stores/sql/sqlite.ts'
import type { Store } from '../../src/stores/store.ts'
import { NO_MONGO, givenMongo, startMongo } from '../services/mongo.ts'
import { faultyStore } from './faulty.ts'

export interface Backend {
  readonly name: string
  /** Whether the data is shared between stores and outlives them. */
  readonly isShared: boolean
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

export const temporaryFolder = (): Promise<string> => mkdtemp(join(tmpdir(), 'store-'))

const memory: Backend = {
  name: 'memory',
  isShared: false,
  open: async () => {
    const store = openMemoryStore()
    await store.migrate()
    return { store, openAnother: () => Promise.reject(new Error('not shared')), dispose: () => store.close() }
  },
}

const sqlite: Backend = {
  name: 'sqlite',
  isShared: true,
  open: async () => {
    const folder = await temporaryFolder()
    const path = join(folder, 'test.db')
    const opened: Store[] = []
    const open = async (): Promise<Store> => {
      const store = openSqliteStore({ path })
      opened.push(store)
      await store.migrate()
      return store
    }
    const dispose = async (): Promise<void> => {
      await Promise.all(opened.map((store) => store.close()))
      await rm(folder, { recursive: true, force: true })
    }
    return { store: await open(), openAnother: open, dispose }
  },
}

const STAND_IN = 'mongo, on a stand-in'

/** Each store has a database of its own in the server. */
function mongo(name: string, url: () => Promise<string>, skip?: string): Backend {
  const isStandIn = name === STAND_IN
  return {
    name,
    isShared: true,
    ...(skip !== undefined && { skip }),
    open: async () => {
      const options = { url: await url(), databaseName: `test-${randomUUID()}` }
      const opened: Store[] = []
      const open = async (): Promise<Store> => {
        const store = openMongoStore(options)
        opened.push(store)
        await store.migrate()
        return store
      }
      const dispose = async (): Promise<void> => {
        await Promise.all(opened.map((store) => store.close()))
        const client = new MongoClient(options.url)
        await client.db(options.databaseName).dropDatabase()
        await client.close()
      }
      const store = await open()
      if (isStandIn) await helpStandIn(options)
      return { store, openAnother: open, dispose }
    },
  }
}

/** The stand-in uses an index only when it has all fields of a query and no others: batches of thousands would take minutes. */
async function helpStandIn({ url, databaseName }: { url: string; databaseName: string }): Promise<void> {
  const client = new MongoClient(url)
  await client.db(databaseName).collection('entries').createIndex({ _id: 1, m: 1 }, { unique: true })
  await client.close()
}

const standIn = await startMongo()
const standInBackend =
  'value' in standIn
    ? mongo(STAND_IN, () => Promise.resolve(standIn.value.url))
    : mongo(STAND_IN, () => Promise.reject(new Error(standIn.missing)), skipUnlessCi(standIn.missing))

function skipUnlessCi(missing: string): string | undefined {
  // Under CI the suite runs, and fails by the reason.
  return process.env['CI'] === 'true' ? undefined : missing
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
  standInBackend,
  mongo('mongo, on MONGODB_TEST_URI', () => Promise.resolve(givenMongo ?? ''), givenMongo === undefined ? NO_MONGO : undefined),
  wrapped(memory, 'wrapped for faults', faultyStore),
  wrapped(sqlite, 'wrapped for faults', faultyStore),
]
