/** A warehouse that waits before it purges: until then the table comes back, and nothing else takes its place. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { test, type TestContext } from 'node:test'
import { dropTable } from '../../src/catalog/drop.ts'
import { listDropped } from '../../src/catalog/dropped.ts'
import { registerTable } from '../../src/catalog/register.ts'
import { createTable, loadTable } from '../../src/catalog/tables.ts'
import { undo } from '../../src/catalog/undo/undo.ts'
import { undrop } from '../../src/catalog/undrop.ts'
import { localPath, type Location } from '../../src/iceberg/location.ts'
import type { Mutation } from '../../src/stores/store.ts'
import { startTasks, type Tasks } from '../../src/tasks/start.ts'
import { bodyOf, ident, newTable, open, rejects, schema, type Fixture, type LoadResult } from '../catalog/setup.ts'
import { last, state, undoOf } from '../catalog/undo.ts'
import { faultyStore } from '../stores/faulty.ts'

const HOUR = 3_600_000

interface Delayed extends Fixture {
  readonly clock: { now: number }
  readonly table: LoadResult
  readonly isThere: () => boolean
  readonly purge: () => Promise<Tasks>
}

/** A table `t` that was dropped with purge, an hour before that is due. */
async function delayed(t: TestContext): Promise<Delayed> {
  const clock = { now: Date.now() }
  const given = await open(t, { now: () => clock.now })
  const catalog = { ...given.catalog, purgeDelayMs: HOUR }
  const fixture = { ...given, catalog, call: { ...given.call, catalog } }
  const table = await newTable(fixture, 't')
  await dropTable(fixture.context, fixture.call, ident('t'), { purgeRequested: true })
  const purge = async (): Promise<Tasks> => {
    const [task] = await given.store.list('tasks', { index: 'primary', where: {}, limit: 1 })
    const { storage } = given.catalog
    const tasks = startTasks({
      store: given.store,
      now: () => clock.now,
      log: () => {},
      openStorageFor: async () => ({ storage }),
    })
    t.after(() => tasks.stop())
    if (task !== undefined) await tasks.ended(task.id, 2000)
    return tasks
  }
  const isThere = (): boolean => existsSync(localPath(table['metadata-location'] as Location))
  return { ...fixture, clock, table, isThere, purge }
}

const kept = async ({ context, call }: Fixture) => (await listDropped(context, call, {})).dropped

test('within the delay the table comes back, and its files stay', async (t) => {
  const fixture = await delayed(t)
  const { context, call, clock, store, isThere, purge, table } = fixture
  const [row] = await kept(fixture)
  assert.ok(row !== undefined)
  assert.deepEqual([row.purge, row.kept_until - row.dropped_at], [true, HOUR])
  clock.now += HOUR - 1000
  await (await purge()).stop()
  assert.ok(isThere())
  await undrop(context, call, { id: row.id, name: 'back' })
  assert.deepEqual(await store.list('tasks', { index: 'primary', where: {}, limit: 10 }), [])
  clock.now += HOUR
  await (await purge()).stop()
  assert.ok(isThere())
  const entry = await store.get('entries', { tenant_id: 't1', catalog_id: 'c1', branch: 'main', namespace: 'ns', name: 'back' })
  assert.equal(entry?.metadata_location, table['metadata-location'])
  await dropTable(context, call, ident('back'))
  assert.deepEqual(
    (await kept(fixture)).map(({ purge: isPurged }) => isPurged),
    [false],
  )
})

test('within the delay the drop can be undone, which takes the purge away', async (t) => {
  const fixture = await delayed(t)
  const { context, call, clock, store, isThere, purge, table } = fixture
  const change = await last(fixture)
  const before = await state(fixture)
  const told = await undoOf(fixture, change, true)
  assert.deepEqual(await state(fixture), before)
  clock.now += HOUR - 1000
  const done = await undoOf(fixture, change)
  assert.deepEqual([done.operations, done.message], [told.operations, `Undo ${change}: Undrop table ns.t`])
  assert.deepEqual(await store.list('tasks', { index: 'primary', where: {}, limit: 10 }), [])
  assert.deepEqual(await kept(fixture), [])
  clock.now += HOUR
  await (await purge()).stop()
  assert.ok(isThere())
  assert.equal(bodyOf(await loadTable(context, call, ident('t')))['metadata-location'], table['metadata-location'])
  await assert.rejects(undoOf(fixture, change), rejects(409, /was undone already/))
  // Undone again it is a drop that can be undone: nothing is purged.
  await undoOf(fixture, await last(fixture))
  assert.deepEqual(
    (await kept(fixture)).map(({ purge: isPurged }) => isPurged),
    [false],
  )
})

test('a purge that has begun, and one that has ended, are not undone', async (t) => {
  const fixture = await delayed(t)
  const { clock, isThere, purge, store } = fixture
  const change = await last(fixture)
  const [task] = await store.list('tasks', { index: 'primary', where: {}, limit: 1 })
  const { version, ...row } = task!
  await store.write([
    { op: 'replace', entity: 'tasks', row: { ...row, owner: 'another', due_at: row.due_at + 1 }, expected: version },
  ])
  for (const dryRun of [true, false]) {
    await assert.rejects(
      undoOf(fixture, change, dryRun),
      rejects(409, /can't be undone: It can't come back: its purge has begun/),
    )
  }
  clock.now += HOUR + 1
  await purge()
  assert.equal(isThere(), false)
  await assert.rejects(undoOf(fixture, change), rejects(409, /it was a drop with purge, and nothing is kept of it any more/))
})

test('when it is due the files go, and nothing comes back', async (t) => {
  const fixture = await delayed(t)
  const { context, call, clock, isThere, purge } = fixture
  const [row] = await kept(fixture)
  clock.now += HOUR
  await assert.rejects(undrop(context, call, { id: row!.id }), rejects(409, /its purge has begun/))
  await purge()
  assert.equal(isThere(), false)
  assert.deepEqual(await kept(fixture), [])
  await assert.rejects(undrop(context, call, { id: row!.id }), rejects(404, /Nothing that was dropped/))
})

test('nothing takes the place meanwhile, and a new table of the name lies elsewhere', async (t) => {
  const fixture = await delayed(t)
  const { context, call, table } = fixture
  const { location } = table.metadata as { location: string }
  const refused = rejects(400, /a place whose files are being deleted/)
  await assert.rejects(
    registerTable(context, call, ['ns'], { name: 'u', 'metadata-location': table['metadata-location'] } as never),
    refused,
  )
  await assert.rejects(createTable(context, call, ['ns'], { name: 'u', schema, location }), refused)
  await assert.rejects(createTable(context, call, ['ns'], { name: 'u', schema, location: `${location}/in` }), refused)
  const again = bodyOf(await createTable(context, call, ['ns'], { name: 't', schema }))
  assert.notEqual((again.metadata as { location: string }).location, location)
  const [row] = await kept(fixture)
  await assert.rejects(undrop(context, call, { id: row!.id }), rejects(409, /already exists/))
  assert.equal((await undrop(context, call, { id: row!.id, name: 'old' })).name, 'old')
})

test('of bringing back and purging the one comes to pass that has the task', async (t) => {
  for (const [first, by] of [
    ['bringing back', 'undrop'],
    ['purge', 'undrop'],
    ['bringing back', 'undo'],
    ['purge', 'undo'],
  ]) {
    const fixture = await delayed(t)
    const { call, clock, isThere, purge, store } = fixture
    const [row] = await kept(fixture)
    const change = await last(fixture)
    const takesTask = (steps: unknown): boolean =>
      (steps as Mutation[]).some(({ op, entity }) => entity === 'tasks' && op === 'remove')
    const faulty = faultyStore(store)
    const [reached, held] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    faulty.inject({
      method: 'write',
      mode: 'pause',
      until: held.promise,
      when: (steps) => takesTask(steps) && (reached.resolve(), true),
    })
    // A server whose clock is behind finds that there is time left.
    const context = { ...fixture.context, store: faulty, now: () => clock.now - HOUR }
    clock.now += HOUR
    const back = (by === 'undo' ? undo(context, call, { change }) : undrop(context, call, { id: row!.id })).then(
      () => 200,
      (error: { code: number }) => error.code,
    )
    await reached.promise
    if (first === 'purge') await purge()
    held.resolve()
    const status = await back
    await purge()
    assert.deepEqual([status, isThere()], first === 'purge' ? [409, false] : [200, true])
  }
})

test('a drop whose answer got lost has both, what is kept and the task, or neither', async (t) => {
  for (const mode of ['before', 'after'] as const) {
    const given = await open(t)
    const catalog = { ...given.catalog, purgeDelayMs: HOUR }
    const call = { ...given.call, catalog }
    await newTable(given, 't')
    const faulty = faultyStore(given.store)
    faulty.inject({ method: 'write', mode })
    const dropped = dropTable({ ...given.context, store: faulty }, call, ident('t'), { purgeRequested: true })
    if (mode === 'before') await assert.rejects(dropped, rejects(503, /nothing was changed/))
    else await dropped
    const rows = await Promise.all(
      (['entries', 'dropped', 'tasks'] as const).map(async (entity) =>
        given.store.list(entity, { index: 'primary', where: {}, limit: 10 }),
      ),
    )
    assert.deepEqual(
      rows.map(({ length }) => length),
      mode === 'before' ? [1, 0, 0] : [0, 1, 1],
    )
    const [keptRow, task] = rows.slice(1).map(([row]) => row) as { id: string; kept_until?: number; due_at?: number }[]
    assert.deepEqual([keptRow?.id, keptRow?.kept_until], [task?.id, task?.due_at])
  }
})
