/** How many round trips to the store each use case may cost. Calls that are under way together are one. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { updateTable } from '../../src/catalog/update-table.ts'
import { createLandedRows } from '../../src/catalog/commits/landed.ts'
import type { CatalogContext } from '../../src/catalog/call.ts'
import { createNamespace, listNamespaces, loadNamespaceMetadata } from '../../src/catalog/namespaces.ts'
import { createTable, listTables, loadTable, tableExists } from '../../src/catalog/tables.ts'
import { commitTransaction } from '../../src/catalog/transactions.ts'
import type { Store } from '../../src/stores/store.ts'
import { ident, key7, newTable, open, schema, set, withKey } from './setup.ts'

interface Counted {
  readonly store: Store
  readonly trips: { count: number; calls: string[] }
}

/** A store as far away as another machine: a call takes a while, and one that begins when none is under way is a new trip. */
function counting(inner: Store): Counted {
  const trips = { count: 0, calls: [] as string[] }
  let underWay = 0
  const through = async <T>(name: string, call: () => Promise<T>): Promise<T> => {
    if (underWay++ === 0) trips.count++
    trips.calls.push(name)
    try {
      await new Promise((resolve) => setTimeout(resolve, 5))
      return await call()
    } finally {
      underWay--
    }
  }
  const store: Store = {
    get: (entity, key) => through(`get ${entity}`, () => inner.get(entity, key)),
    getMany: (entity, keys) => through(`getMany ${entity}`, () => inner.getMany(entity, keys)),
    list: (entity, options) => through(`list ${entity}`, () => inner.list(entity, options)),
    write: (steps) => through('write', () => inner.write(steps)),
    migrate: () => inner.migrate(),
    close: () => inner.close(),
  }
  return { store, trips }
}

async function budgets(t: TestContext) {
  const fixture = await open(t)
  for (const name of ['a', 'b', 'c']) await newTable(fixture, name)
  const { store, trips } = counting(fixture.store)
  const context: CatalogContext = { ...fixture.context, store }
  const costs = async (what: string, budget: number, use: () => unknown): Promise<string[]> => {
    trips.count = 0
    trips.calls = []
    await use()
    assert.ok(trips.count <= budget, `${what}: ${trips.count} round trips (${trips.calls.join(', ')}), at most ${budget}`)
    return trips.calls
  }
  return { context, call: fixture.call, costs }
}

test('a warm load is one look-up of one row', async (t) => {
  const { context, call, costs } = await budgets(t)
  assert.deepEqual(await costs('load', 1, () => loadTable(context, call, ident('a'))), ['get entries'])
  assert.deepEqual(await costs('load again', 1, () => loadTable(context, call, ident('a'))), ['get entries'])
  assert.deepEqual(await costs('exists', 1, () => tableExists(context, call, ident('a'))), ['get entries'])
})

test('a commit costs at most three round trips, with an Idempotency-Key too', async (t) => {
  const { context, call, costs } = await budgets(t)
  // A process that knows nothing of the tables yet.
  const fresh = { ...context, landed: createLandedRows(context.now) }
  const commit = (n: number) => ({ requirements: [], updates: [set({ n: String(n) })] }) as never
  assert.deepEqual(await costs('commit', 2, () => updateTable(fresh, call, ident('a'), commit(0))), ['get entries', 'write'])
  assert.deepEqual(await costs('the next', 1, () => updateTable(fresh, call, ident('a'), commit(1))), ['write'])
  await costs('commit with a key', 3, () => updateTable(fresh, withKey(call, key7(1)), ident('a'), commit(2)))
  await costs('the same again', 2, () => updateTable(fresh, withKey(call, key7(1)), ident('a'), commit(2)))
  const changes = ['a', 'b', 'c'].map((name) => ({ identifier: ident(name), requirements: [], updates: [set({ n: '3' })] }))
  await costs('a transaction over three tables', 2, () => commitTransaction(fresh, call, { 'table-changes': changes } as never))
})

test('creating and listing', async (t) => {
  const { context, call, costs } = await budgets(t)
  await costs('create a table', 3, () => createTable(context, call, ['ns'], { name: 'd', schema, properties: {} }))
  await costs('create a namespace', 1, () => createNamespace(context, call, { namespace: ['new'] }))
  await costs('load a namespace', 1, () => loadNamespaceMetadata(context, call, ['ns']))
  await costs('list tables', 2, () => listTables(context, call, ['ns'], {}))
  await costs('list namespaces', 2, () => listNamespaces(context, call, undefined, {}))
})

test('a commit that lets metadata files fall off the log, to be deleted, costs what any commit does', async (t) => {
  const { context, call, costs } = await budgets(t)
  const wants = { 'write.metadata.delete-after-commit.enabled': 'true', 'write.metadata.previous-versions-max': '1' }
  const commit = (name: string, updates: Record<string, string>) => () =>
    updateTable(context, call, ident(name), { requirements: [], updates: [set(updates)] })
  for (const [name, updates] of [
    ['a', { x: '0' }],
    ['b', wants],
  ] as const) {
    await commit(name, updates)()
    await commit(name, { x: '1' })()
  }
  const tasks = async (): Promise<number> =>
    (await context.store.list('tasks', { index: 'primary', where: {}, limit: 10 })).length
  const before = await tasks()
  const plain = await costs('commit', 1, commit('a', { x: '2' }))
  assert.deepEqual(await costs('commit with clean-up', 1, commit('b', { x: '2' })), plain)
  assert.equal(await tasks(), before + 1)
})
