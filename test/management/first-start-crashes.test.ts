/**
 * A first start that dies at any of its writes, before or behind it: what it leaves is whole, and the next start completes it. All
 * that it makes is in the tenant's log, once.
 */
import assert from 'node:assert/strict'
import { createSecretKey, randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { openSecretBox } from '../../src/access/secrets.ts'
import { createCatalogContext } from '../../src/catalog/context.ts'
import type { ManagementContext, WarehouseStorage } from '../../src/management/context.ts'
import { DEFAULT_TENANT, firstStart, isAdminFileValid } from '../../src/management/first-start.ts'
import { createCatalogHandles } from '../../src/management/handles.ts'
import {
  clientConfig,
  defaultStrategy,
  joinSecrets,
  rootLocation,
  splitSecrets,
  validateWarehouse,
  warehouseWarnings,
} from '../../src/storage/open.ts'
import type { EntityName, Row } from '../../src/stores/entities.ts'
import { openMemoryStore } from '../../src/stores/memory.ts'
import { StoreError, type Mutation, type Store } from '../../src/stores/store.ts'
import { insert, user } from '../stores/suite/rows.ts'

const secrets = openSecretBox({ key: randomBytes(32), previousKeys: [] })
const pageTokenKey = createSecretKey(randomBytes(32))

/** What a start needs of the storage: the warehouse is made and not opened. */
function contextOf(store: Store, dataDirectory: string): ManagementContext {
  const storage = {
    validate: (settings) => validateWarehouse(settings, { localRoots: [dataDirectory] }),
    split: splitSecrets,
    join: joinSecrets,
    rootOf: rootLocation,
    clientConfig,
    defaultStrategy,
    warnings: warehouseWarnings,
  } as Partial<WarehouseStorage> as WarehouseStorage
  const catalog = createCatalogContext({ store, pageTokenKey })
  return { catalog, storage, secrets, handles: createCatalogHandles({ store, storage, secrets, now: Date.now }) }
}

class Crash extends Error {}

/** The database as a process sees it that dies at its n-th write, and does nothing any more from then on. */
function dyingAt(store: Store, writes: number, isBehind: boolean): { readonly store: Store; readonly isDead: () => boolean } {
  let left = writes
  const alive = <T>(work: () => Promise<T>): Promise<T> => (left > 0 ? work() : Promise.reject(new Crash()))
  const dying: Store = {
    ...store,
    get: (...args) => alive(() => store.get(...args)),
    getMany: (...args) => alive(() => store.getMany(...args)),
    list: (...args) => alive(() => store.list(...args)),
    write: (mutations: readonly Mutation[]) =>
      alive(async () => {
        left--
        if (left > 0) return store.write(mutations)
        if (isBehind) await store.write(mutations)
        throw new Crash()
      }),
    migrate: () => store.migrate(),
    close: () => store.close(),
  }
  return { store: dying, isDead: () => left <= 0 }
}

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'pangolin-crash-'))
  t.after(() => rmSync(path, { recursive: true, force: true }))
  return path
}

const optionsIn = (dataDirectory: string) => ({ dataDirectory, adminUser: 'admin', adminPassword: undefined })
const rowsOf = <E extends EntityName>(store: Store, entity: E): Promise<Row<E>[]> =>
  store.list(entity, { index: 'primary', where: {}, limit: 100 })

const LINES = ['Create user admin', 'Create warehouse local', 'Create catalog lake', 'Create tenant default']

async function linesOf(store: Store): Promise<Row<'commits'>[]> {
  const rows = await rowsOf(store, 'commits')
  return rows.filter(({ catalog_id }) => catalog_id === '').toSorted((a, b) => a.arrival! - b.arrival!)
}

/** Nothing is there by half, and nothing without its line. */
async function assertWhole(store: Store, isComplete: boolean, what: string): Promise<void> {
  const [users, tokens, warehouses, catalogs, branches, namespaces, tenants] = await Promise.all([
    rowsOf(store, 'users'),
    rowsOf(store, 'tokens'),
    rowsOf(store, 'warehouses'),
    rowsOf(store, 'catalogs'),
    rowsOf(store, 'branches'),
    rowsOf(store, 'namespaces'),
    rowsOf(store, 'tenants'),
  ])
  assert.deepEqual([tokens.length, catalogs.length], [users.length, branches.length], what)
  assert.equal(namespaces.length, catalogs.length, what)
  const made = [users, warehouses, catalogs, tenants].map(({ length }) => length)
  const lines = await linesOf(store)
  assert.deepEqual(
    lines.map(({ message }) => message),
    LINES.slice(0, made.filter((count) => count > 0).length),
    what,
  )
  // One after the other, and each once.
  assert.deepEqual(
    made.toSorted((a, b) => b - a),
    made,
    what,
  )
  assert.ok(made.every((count) => count <= 1))
  if (isComplete) assert.deepEqual(made, [1, 1, 1, 1], what)
  for (const { author, origin } of lines) {
    assert.deepEqual([author, origin], ['operator', { principal_id: 'operator' }])
  }
}

test('a first start that dies at any write leaves nothing by half, and the next one completes it', async (t) => {
  /** In the order in which they come: at which write, and whether it landed. */
  const points = LINES.flatMap((_, n) => [[n + 1, false] as const, [n + 1, true] as const])
  for (const [n, isBehind] of points) {
    for (const [again, isBehindAgain] of points) {
      const dataDirectory = folder(t)
      const store = openMemoryStore()
      const what = `died ${isBehind ? 'behind' : 'before'} write ${n}, then ${isBehindAgain ? 'behind' : 'before'} ${again}`
      const first = dyingAt(store, n, isBehind)
      await assert.rejects(firstStart(contextOf(first.store, dataDirectory), optionsIn(dataDirectory)), Crash, what)
      await assertWhole(store, false, what)
      const second = dyingAt(store, again, isBehindAgain)
      await firstStart(contextOf(second.store, dataDirectory), optionsIn(dataDirectory)).catch((error: unknown) => {
        assert.ok(error instanceof Crash && second.isDead(), what)
      })
      await assertWhole(store, false, what)
      const context = contextOf(store, dataDirectory)
      await firstStart(context, optionsIn(dataDirectory))
      await assertWhole(store, true, what)
      assert.ok(await isAdminFileValid(context, dataDirectory), what)
      assert.equal(await firstStart(context, optionsIn(dataDirectory)), false, 'and there is nothing more to do')
    }
  }
})

test('the lines say what was made, and nothing secret', async (t) => {
  const dataDirectory = folder(t)
  const store = openMemoryStore()
  await firstStart(contextOf(store, dataDirectory), optionsIn(dataDirectory))
  const [made] = await rowsOf(store, 'users')
  const [token] = await rowsOf(store, 'tokens')
  const lines = await linesOf(store)
  const operations = lines.flatMap((line) => line.operations as { operation: string; before: null; after: { id: string } }[])
  assert.deepEqual(
    operations.map(({ operation, before }) => [operation, before]),
    ['create-user', 'create-token', 'create-warehouse', 'create-catalog', 'create-tenant'].map((name) => [name, null]),
  )
  assert.deepEqual([operations[0]?.after.id, operations[1]?.after.id], [made?.id, token?.id])
  assert.equal(operations[4]?.after.id, DEFAULT_TENANT)
  const file = JSON.parse(readFileSync(join(dataDirectory, 'admin.json'), 'utf8')) as { password: string; token: string }
  const text = JSON.stringify(lines)
  for (const secret of [file.password, file.token, file.token.split('_')[2]!, token!.secret_hash, made!.password_hash!])
    assert.ok(!text.includes(secret))
})

test('answers of the database that get lost make nothing twice', async (t) => {
  const dataDirectory = folder(t)
  const store = openMemoryStore()
  const losing: Store = Object.assign(Object.create(store) as Store, {
    write: async (mutations: readonly Mutation[]) => {
      await store.write(mutations)
      throw new StoreError('unknown', 'the connection broke')
    },
  })
  assert.equal(await firstStart(contextOf(losing, dataDirectory), optionsIn(dataDirectory)), true)
  await assertWhole(store, true, 'with lost answers')
  assert.ok(await isAdminFileValid(contextOf(store, dataDirectory), dataDirectory))
})

test('a name that somebody else of the tenant has is told, one that another tenant has is free', async (t) => {
  const dataDirectory = folder(t)
  const store = openMemoryStore()
  await store.write([insert('users', user({ tenant_id: DEFAULT_TENANT, username: 'admin', role: 'tenant-user' }))])
  const start = (adminUser: string) => firstStart(contextOf(store, dataDirectory), { ...optionsIn(dataDirectory), adminUser })
  await assert.rejects(start('admin'), /the name "admin" belongs to another user/)
  assert.deepEqual([await linesOf(store), await rowsOf(store, 'tenants')], [[], []])
  assert.ok(!existsSync(join(dataDirectory, 'admin.json')), 'whose token nothing accepts')
  await store.write([insert('users', user({ tenant_id: 'another', username: 'root', role: 'tenant-admin' }))])
  assert.equal(await start('root'), true)
  assert.ok(existsSync(join(dataDirectory, 'admin.json')))
})
