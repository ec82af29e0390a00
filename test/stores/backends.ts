/** The stores that the conformance suite runs on, wrappers included. A new engine adds a line here. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openMemoryStore } from '../../src/stores/memory.ts'
import { openPostgresStore } from '../../src/stores/sql/postgres.ts'
import { openSqliteStore } from '../../src/stores/sql/sqlite.ts'
import type { Store } from '../../src/stores/store.ts'
import { startPostgres } from '../services/postgres.ts'
import { faultyStore } from './faulty.ts'
import { openProcessesStore } from './processes.ts'

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

const server = await startPostgres()

const postgresWith = (name: string, openStore: (url: string) => Promise<Store>): Backend => ({
  name,
  isShared: true,
  ...('missing' in server ? { skip: server.missing } : {}),
  open: async () => {
    if ('missing' in server) throw new Error(server.missing)
    const url = await server.value.createDatabase()
    const opened: Store[] = []
    const open = async (): Promise<Store> => {
      const store = await openStore(url)
      opened.push(store)
      await store.migrate()
      return store
    }
    const dispose = async (): Promise<void> => {
      await Promise.all(opened.map((store) => store.close()))
    }
    return { store: await open(), openAnother: open, dispose }
  },
})

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
  postgresWith('postgres', async (url) => openPostgresStore({ url })),
  postgresWith('postgres, through several processes', (url) => openProcessesStore(url, 3)),
  wrapped(memory, 'wrapped for faults', faultyStore),
  wrapped(sqlite, 'wrapped for faults', faultyStore),
]
