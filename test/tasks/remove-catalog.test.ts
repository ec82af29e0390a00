/** The removal of what was in a dropped catalog, cut off at each of its steps; and commits that were under way when it was dropped. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isUntouched, REMOVE_CATALOG, removalStep } from '../../src/catalog/catalog-removal.ts'
import { dropCatalogRow } from '../../src/catalog/catalogs.ts'
import { createNamespace } from '../../src/catalog/namespaces.ts'
import { updateTable } from '../../src/catalog/update-table.ts'
import type { Mutation, Store } from '../../src/stores/store.ts'
import { removeCatalog } from '../../src/tasks/remove-catalog.ts'
import { startTasks } from '../../src/tasks/start.ts'
import { ident, newTable, open, rejects, set, type Fixture } from '../catalog/setup.ts'
import { faultyStore } from '../stores/faulty.ts'

const all = <E extends 'entries' | 'namespaces' | 'tasks' | 'commits'>(store: Store, entity: E) =>
  store.list(entity, { index: 'primary', where: {}, limit: 1000 })

/** As management does it, due at once unless told. */
async function dropAll({ store, context }: Fixture, keptMs = 0): Promise<void> {
  const catalog = await store.get('catalogs', { tenant_id: 't1', name: 'lake' })
  const branch = await store.get('branches', { tenant_id: 't1', catalog_id: 'c1', name: 'main' })
  assert.ok(catalog !== undefined && branch !== undefined)
  const [{ version: _, ...catalogRow }, { version: __, ...branchRow }] = [catalog, branch]
  const dropped_at = Date.now()
  const gone = { catalog: catalogRow, branch: branchRow, namespaces: [], dropped_at, dropped_by: 'ada', principal_id: 'u1' }
  const step = removalStep(context, { ...gone, kept_until: dropped_at + keptMs }, null)
  await store.write([...dropCatalogRow(catalog, branch), step])
}

async function filled(t: Parameters<typeof open>[0]): Promise<Fixture> {
  const fixture = await open(t)
  for (const namespace of [['a'], ['a', 'b']]) await createNamespace(fixture.context, fixture.call, { namespace })
  for (let n = 0; n < 55; n++) await newTable(fixture, `t${n}`)
  return fixture
}

for (const mode of ['before', 'after'] as const) {
  test(`a removal that is cut off goes on where it was, ${mode} any of its writes`, async (t) => {
    for (let fault = 0; fault < 4; fault++) {
      const fixture = await filled(t)
      await dropAll(fixture)
      const faulty = faultyStore(fixture.store)
      // The log, which tells what landed, is out of reach too: the process is as good as dead.
      faulty.inject({ method: 'write', mode, skip: fault })
      if (mode === 'after') faulty.inject({ method: 'get', mode: 'before', times: 5, when: (entity) => entity === 'commits' })
      const [task] = await all(fixture.store, 'tasks')
      const { signal } = new AbortController()
      const handler = removeCatalog({ store: faulty, now: Date.now, log: () => {} })
      await assert.rejects(handler(task!, { signal }))
      faulty.heal()
      await handler(task!, { signal })
      assert.deepEqual(
        await Promise.all([all(fixture.store, 'entries'), all(fixture.store, 'namespaces'), all(fixture.store, 'tasks')]),
        [[], [], []],
      )
      const operations = (await all(fixture.store, 'commits')).flatMap((row) => row.operations as { operation: string }[])
      const counts = Object.entries(Object.groupBy(operations, ({ operation }) => operation)).map(([name, some]) => [
        name,
        some?.length,
      ])
      assert.deepEqual(Object.fromEntries(counts), {
        'create-namespace': 3,
        'create-table': 55,
        'drop-table': 55,
        'drop-namespace': 3,
        'remove-catalog': 1,
      })
    }
  })
}

test('a server that stops in the middle leaves the rest to the next one, and nothing comes back then', async (t) => {
  const fixture = await filled(t)
  await dropAll(fixture)
  const faulty = faultyStore(fixture.store)
  const held = Promise.withResolvers<void>()
  const reached = Promise.withResolvers<void>()
  const isSecond = (steps: unknown): boolean =>
    (steps as Mutation[]).some(({ entity, op }) => entity === 'namespaces' && op === 'remove')
  faulty.inject({
    method: 'write',
    mode: 'pause',
    when: (steps) => isSecond(steps) && (reached.resolve(), true),
    until: held.promise,
  })
  const options = { now: Date.now, log: () => {}, openStorageFor: () => assert.fail('no file is touched') }
  const first = startTasks({ store: faulty, ...options })
  await reached.promise
  const stopped = first.stop()
  held.resolve()
  await stopped
  const [task] = (await all(fixture.store, 'tasks')).filter(({ kind }) => kind === REMOVE_CATALOG)
  if (task !== undefined) assert.equal(isUntouched(task), false)
  const second = startTasks({ store: fixture.store, ...options })
  if (task !== undefined) await second.ended(task.id, 5000)
  await second.stop()
  assert.deepEqual(await all(fixture.store, 'tasks'), [])
  assert.deepEqual(await all(fixture.store, 'namespaces'), [])
})

test('a commit that takes longer than a second finds its catalog gone, and leaves no file', async (t) => {
  let now = Date.now()
  const fixture = await open(t, { now: () => now })
  const { context, call, store, hooks } = fixture
  await newTable(fixture, 't')
  const [before, files] = [await all(store, 'entries'), fixture.files()]
  const change = (value: string) =>
    updateTable(context, call, ident('t'), { requirements: [], updates: [set({ value })] } as never)
  hooks.create = async (location, bytes, next) => {
    await next(location, bytes)
    await dropAll(fixture, 60_000)
    now += 1500
  }
  await assert.rejects(change('late'), rejects(404, /Warehouse does not exist: lake/))
  hooks.create = undefined
  assert.deepEqual([await all(store, 'entries'), fixture.files()], [before, files])
  // One that is quick lands, by a handle of before: it is there when the catalog comes back.
  await change('quick')
  assert.notEqual((await all(store, 'entries'))[0]!.version, before[0]!.version)
})
