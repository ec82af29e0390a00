/** What takes long in all is done in parts, between which the event loop has its turns: how large the parts are at most. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { listCommits } from '../../src/catalog/history.ts'
import { listMetrics, reportMetrics } from '../../src/catalog/metrics/metrics.ts'
import { createTable, listTables } from '../../src/catalog/tables.ts'
import { commitTransaction } from '../../src/catalog/transactions.ts'
import { logStep } from '../../src/changes/write.ts'
import { stringify } from '../../src/iceberg/json.ts'
import type { Mutation } from '../../src/stores/store.ts'
import { open } from './setup.ts'

const schema = { type: 'struct' as const, fields: [{ id: 1, name: 'c', required: false, type: 'long' }] }

/** A store that says how many rows each of its lists gave, and in how many turns of the event loop they were read. */
async function watched(t: TestContext) {
  const fixture = await open(t)
  const { context } = fixture
  const seen = { rows: [] as number[], turns: new Set<number>() }
  let turn = 0
  const count = setInterval(() => turn++, 0)
  const spin = (): void => void (turn++, (next = setImmediate(spin)))
  let next = setImmediate(spin)
  t.after(() => (clearInterval(count), clearImmediate(next)))
  const watch =
    <A extends unknown[], R>(read: (...args: A) => Promise<R[]>) =>
    async (...args: A): Promise<R[]> => {
      const rows = await read(...args)
      seen.rows.push(rows.length)
      seen.turns.add(turn)
      return rows
    }
  const { store: inner } = context
  const list = watch(inner.list.bind(inner) as (...args: never[]) => Promise<unknown[]>)
  const column = inner.column && watch(inner.column.bind(inner) as (...args: never[]) => Promise<unknown[]>)
  const store = new Proxy(inner, {
    get: (target, key) => (key === 'list' ? list : key === 'column' ? column : (Reflect.get(target, key) as unknown)),
  })
  return { ...fixture, context: { ...context, store }, seen, turnNow: () => turn }
}

const PARTS = [
  { asked: 10, most: 11, turns: 1 },
  { asked: 1000, most: 1001, turns: 1 },
  { asked: 2400, most: 1001, turns: 3 },
  { asked: 10_000, most: 1001, turns: 3 },
] as const

test('a page of many names is read in parts', async (t) => {
  const { context, call, catalog, seen } = await watched(t)
  await createTable(context, call, ['ns'], { name: 'model', schema })
  const key = { tenant_id: catalog.tenantId, catalog_id: catalog.id, branch: catalog.branch, namespace: 'ns', name: 'model' }
  const { version: _, ...model } = (await context.store.get('entries', key))!
  const steps = Array.from({ length: 2500 }, (_one, n): Mutation => ({
    op: 'insert',
    entity: 'entries',
    row: {
      ...model,
      name: `t${String(n).padStart(5, '0')}`,
      id: context.uuid(),
      uuid: context.uuid(),
      location: `${model.location}-${n}` as never,
    },
  }))
  await context.store.write(steps)
  for (const { asked, most, turns } of PARTS) {
    seen.rows.length = 0
    seen.turns.clear()
    const page = await listTables(context, call, ['ns'], { pageToken: '', pageSize: asked })
    assert.equal(page.identifiers.length, Math.min(asked, 2501))
    assert.equal(new Set(page.identifiers.map(({ name }) => name)).size, page.identifiers.length)
    assert.ok(Math.max(...seen.rows) <= most, `${asked}: ${seen.rows.join()}`)
    assert.equal(seen.turns.size, turns, `turns for ${asked}`)
    const token = page['next-page-token']
    assert.equal(token !== null, asked < 2501)
    if (token === null) continue
    const rest = await listTables(context, call, ['ns'], { pageToken: token, pageSize: 10_000 })
    assert.equal(page.identifiers.length + rest.identifiers.length, 2501)
  }
})

test('pages of the log end early where changes are large', async (t) => {
  const { context, call, catalog, seen } = await watched(t)
  const operations = (bytes: number) => [{ operation: 'x', text: 'y'.repeat(bytes) }]
  const steps = Array.from({ length: 40 }, () =>
    logStep(
      context,
      { tenant_id: catalog.tenantId, catalog_id: catalog.id, branch: catalog.branch, id: context.uuidV7() },
      call,
      { message: 'm', operations: operations(300_000) },
    ),
  )
  await context.store.write(steps)
  let found = 0
  for (let pageToken: string | null = ''; pageToken !== null;) {
    const page: Awaited<ReturnType<typeof listCommits>> = await listCommits(context, call, { pageToken, pageSize: 1000 })
    assert.ok(page.commits.length <= 12, `${page.commits.length} of 300 kB in a page`)
    assert.ok(page.commits.length > 0)
    found += page.commits.filter(({ message }) => message === 'm').length
    pageToken = page['next-page-token']
  }
  assert.equal(found, 40)
  assert.ok(Math.max(...seen.rows) <= 5, seen.rows.join())
  assert.ok(seen.turns.size >= 5, `${seen.turns.size} turns`)
  assert.equal((await listCommits(context, call, { pageToken: '', pageSize: 3 })).commits.length, 3)
})

test('pages of reports end early where reports are large', async (t) => {
  const { context, call, seen } = await watched(t)
  await createTable(context, call, ['ns'], { name: 't', schema })
  const text = stringify({ 'report-type': 'x', filter: 'y'.repeat(500_000) })
  for (let n = 0; n < 12; n++) await reportMetrics(context, call, { namespace: ['ns'], name: 't' }, { 'report-type': 'x' }, text)
  seen.rows.length = 0
  const page = await listMetrics(context, call, { namespace: ['ns'], name: 't' }, { pageSize: 1000 })
  assert.ok(page.reports.length < 9, `${page.reports.length} of 500 kB`)
  assert.ok(Math.max(...seen.rows) <= 5)
  assert.notEqual(page['next-page-token'], null)
})

test('the commits of a transaction are worked out in turns of their own', async (t) => {
  const { context, call, turnNow } = await watched(t)
  const names = Array.from({ length: 60 }, (_, n) => `t${n}`)
  for (const name of names) await createTable(context, call, ['ns'], { name, schema })
  const change = (name: string) => ({
    identifier: { namespace: ['ns'], name },
    requirements: [],
    updates: [{ action: 'set-properties', updates: { a: String(turnNow()) } }],
  })
  const planned = new Map<number, number>()
  // Each plan names its file by an id that is made then.
  const uuid = (): string => {
    planned.set(turnNow(), (planned.get(turnNow()) ?? 0) + 1)
    return context.uuid()
  }
  await commitTransaction({ ...context, uuid }, call, { 'table-changes': names.map(change) })
  assert.ok(planned.size >= names.length, `${planned.size} turns for ${names.length} tables`)
})
