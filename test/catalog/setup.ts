/** What the tests of this room stand on: a memory store and a folder of files, both of which can be made to fail. */
import { createSecretKey, randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { TestContext } from 'node:test'
import type { CatalogCall, CatalogContext, CatalogHandle, MetadataAnswer } from '../../src/catalog/call.ts'
import { createCatalogRow } from '../../src/catalog/catalogs.ts'
import { createCatalogContext } from '../../src/catalog/context.ts'
import { createNamespace } from '../../src/catalog/namespaces.ts'
import { createTable } from '../../src/catalog/tables.ts'

import { parse } from '../../src/iceberg/json.ts'
import { canonicalLocation } from '../../src/iceberg/location.ts'
import { openFileStore } from '../../src/storage/file.ts'
import type { ObjectStore } from '../../src/storage/storage.ts'
import { openMemoryStore } from '../../src/stores/memory.ts'
import { openStore } from '../../src/stores/open.ts'
import type { Mutation, Store } from '../../src/stores/store.ts'
import { viewVersion } from '../requests.ts'
import { startMongo } from '../services/mongo.ts'
import { startPostgres } from '../services/postgres.ts'

type Write = Store['write']
type Hooks = {
  /** Stands between a use case and the store's `write`; `undefined` lets everything through. */
  write: ((mutations: readonly Mutation[], next: Write) => ReturnType<Write>) | undefined
  create: ((location: string, bytes: Uint8Array, next: ObjectStore['create']) => Promise<void>) | undefined
  read: ((location: string) => void) | undefined
}

export interface Fixture {
  readonly context: CatalogContext
  readonly call: CatalogCall
  readonly catalog: CatalogHandle
  readonly store: Store
  readonly folder: string
  readonly hooks: Hooks
  readonly logged: { readonly event: string; readonly details: unknown }[]
  readonly tasks: { stored: number }
  /** Other processes on the same store and files: nothing in memory is shared. */
  readonly another: () => Fixture
  /** All metadata files on disk. */
  readonly files: () => string[]
}

export const catalogRow = {
  tenant_id: 't1',
  name: 'lake',
  id: 'c1',
  catalog_type: 'local',
  warehouse_name: 'w',
  storage_location: null,
  federated_config: null,
  properties: {},
  created_at: 0,
  updated_at: 0,
}

/** A fresh catalog with the namespace `ns`, in an empty store. */
export async function open(t: TestContext, parts: Partial<CatalogContext> = {}, given?: Store): Promise<Fixture> {
  const folder = mkdtempSync(path.join(tmpdir(), 'catalog-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const store = given ?? (await openTestStore(t))
  const tenant = { id: catalogRow.tenant_id, name: 'one', properties: {}, created_at: 0 }
  await store.write([{ op: 'insert', entity: 'tenants', row: tenant }, ...createCatalogRow(catalogRow)])
  const fixture = attach(store, folder, parts)
  await createNamespace(fixture.context, fixture.call, { namespace: ['ns'] })
  return fixture
}

/** `PANGOLIN_TEST_DATABASE` (`postgres`, `mongo`) runs the room's tests on a server; memory is what they run on otherwise. */
async function openTestStore(t: TestContext): Promise<Store> {
  const database = process.env['PANGOLIN_TEST_DATABASE']
  if (database !== 'postgres' && database !== 'mongo') return openMemoryStore()
  const server = await { postgres: startPostgres, mongo: startMongo }[database]()
  if ('missing' in server) throw new Error(server.missing)
  const store = openStore(await server.value.createDatabase())
  t.after(() => store.close())
  await store.migrate()
  return store
}

function attach(inner: Store, folder: string, parts: Partial<CatalogContext>): Fixture {
  const hooks: Hooks = { write: undefined, create: undefined, read: undefined }
  const next: Write = (mutations) => inner.write(mutations)
  const store: Store = {
    get: (entity, key) => inner.get(entity, key),
    getMany: (entity, keys) => inner.getMany(entity, keys),
    list: (entity, options) => inner.list(entity, options),
    write: (mutations) => (hooks.write ? hooks.write(mutations, next) : next(mutations)),
    migrate: () => inner.migrate(),
    close: () => inner.close(),
  }
  const logged: { event: string; details: unknown }[] = []
  const tasks = { stored: 0 }
  const context = createCatalogContext({
    store,
    pageTokenKey: createSecretKey(randomBytes(32)),
    log: (event, details) => void logged.push({ event, details }),
    taskStored: () => void (tasks.stored += 1),
    // The pauses before reading back would only make the tests slow; those between racing processes are short.
    sleep: (ms) => new Promise((resolve) => setTimeout(resolve, Math.min(ms, 5))),
    ...parts,
  })
  const root = canonicalLocation(`file://${folder}/lake`)
  const files = openFileStore(canonicalLocation(`file://${folder}`))
  const create: ObjectStore['create'] = (location, bytes) => files.create(location, bytes)
  const storage: ObjectStore = {
    read: async (location, options) => {
      hooks.read?.(location)
      return files.read(location, options)
    },
    create: (location, bytes) => (hooks.create ? hooks.create(location, bytes, create) : create(location, bytes)),
    delete: (locations) => files.delete(locations),
    list: (prefix, options) => files.list(prefix, options),
    prepare: (location) => files.prepare(location),
    removeEmptyFolders: (file, top) => files.removeEmptyFolders?.(file, top) ?? Promise.resolve(),
    isMissing: (location) => files.isMissing?.(location) ?? false,
    close: () => files.close(),
  }
  const catalog: CatalogHandle = {
    tenantId: 't1',
    id: 'c1',
    name: 'lake',
    branch: 'main',
    version: 'any',
    root,
    allowedRoots: [canonicalLocation(`file://${folder}/extra`)],
    storage,
    warehouseName: 'local',
    clientConfig: { 'client.region': 'eu-west-1' },
    tableLayout: 'plain',
    purgeDelayMs: 0,
    configVersion: 'v1',
    vending: undefined,
    signer: undefined,
    properties: {},
  }
  const call: CatalogCall = { principal: { id: 'u1', name: 'ada', tenantId: 't1', role: 'tenant-admin' }, catalog }
  return {
    context,
    call,
    catalog,
    store: inner,
    folder,
    hooks,
    logged,
    tasks,
    another: () => attach(inner, folder, parts),
    files: () => readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.metadata.json')),
  }
}

export const schema = {
  type: 'struct',
  fields: [
    { id: 1, name: 'id', required: true, type: 'long' },
    { id: 2, name: 'data', required: false, type: 'string' },
  ],
}

/** Documents and errors of many shapes; each test knows what it looks at. */
// oxlint-disable-next-line typescript/no-explicit-any
export type Loose = any

export interface LoadResult {
  readonly 'metadata-location': string | null
  readonly metadata: Loose
  readonly config?: Readonly<Record<string, string>>
  readonly 'storage-credentials'?: readonly { readonly prefix: string; readonly config: Readonly<Record<string, string>> }[]
}

export function bodyOf(answer: MetadataAnswer): LoadResult {
  if (answer.body === undefined) throw new Error('the answer has no body')
  return parse(Buffer.concat([answer.body, answer.tail ?? new Uint8Array()])) as unknown as LoadResult
}

export const ident = (name: string, ...namespace: string[]) => ({ namespace: namespace.length > 0 ? namespace : ['ns'], name })

export const newTable = async (fixture: Fixture, name: string, properties: Record<string, string> = {}): Promise<LoadResult> =>
  bodyOf(await createTable(fixture.context, fixture.call, ['ns'], { name, schema, properties }))

/** The updates of a commit that give a new table its schema, spec and sort order. */
export const NEW_TABLE = [
  { action: 'add-schema', schema: { ...schema, 'schema-id': 0 } },
  { action: 'set-current-schema', 'schema-id': -1 },
  { action: 'add-spec', spec: { 'spec-id': 0, fields: [] } },
  { action: 'set-default-spec', 'spec-id': -1 },
  { action: 'add-sort-order', 'sort-order': { 'order-id': 0, fields: [] } },
  { action: 'set-default-sort-order', 'sort-order-id': -1 },
]

export const set = (updates: Record<string, string>) => ({ action: 'set-properties', updates })

/** A UUID of version 7; equal for equal numbers. */
export const key7 = (n: number): string => `017f22e2-79b0-7cc3-98c4-${n.toString(16).padStart(12, '0')}`

export const withKey = (call: CatalogCall, key: string, fingerprint = 'f'): CatalogCall => ({
  ...call,
  idempotency: { key, fingerprint },
})

export const rejects =
  (code: number, message: RegExp, type?: string) =>
  (error: Loose): boolean => {
    const matches = error.code === code && message.test(error.message) && (type === undefined || error.type === type)
    if (!matches) throw error
    return true
  }

export const placesOf = (store: Store) => store.list('places', { index: 'primary', where: { tenant_id: 't1' }, limit: 100 })

/** As a database is in which tables named their places before places had rows. */
export async function forgetPlaces(store: Store): Promise<void> {
  for (const { version, ...key } of await placesOf(store)) {
    await store.write([{ op: 'remove', entity: 'places', key, expected: version }])
  }
}

export const VIEW_VERSION = viewVersion('ns')
export const newView = { schema: { ...schema, 'schema-id': 0 }, 'view-version': VIEW_VERSION, properties: {} }
