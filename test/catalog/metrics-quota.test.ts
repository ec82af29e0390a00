/** Reports that clients send are kept within bounds, whoever sends how many of them, through however many processes. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { listMetrics, reportMetrics } from '../../src/catalog/metrics/metrics.ts'
import { createMetricsQuota, type Quota } from '../../src/catalog/metrics/metrics-quota.ts'
import { openStore } from '../../src/stores/open.ts'
import { StoreError } from '../../src/stores/store.ts'
import { ident, newTable, open, rejects, type Fixture } from './setup.ts'

const NONE: Quota = { bytes: 1e9, reports: 1e9 }
const quotaOf = (quotas: Partial<Record<'table' | 'principal' | 'tenant', Quota>>) =>
  createMetricsQuota({ quotas: { table: NONE, principal: NONE, tenant: NONE, ...quotas } })
/** As if by a process of its own. */
const process = (fixture: Fixture, quotas: Parameters<typeof quotaOf>[0]): Fixture => {
  const other = fixture.another()
  return { ...other, context: { ...other.context, metricsQuota: quotaOf(quotas) } }
}
const text = (n: number, size = 0) => `{"report-type":"r","n":${n},"x":"${'x'.repeat(size)}"}`
const send = ({ context, call }: Fixture, n: number, table = 't', principal = 'u1', size = 0) =>
  reportMetrics(
    context,
    { ...call, principal: { ...call.principal, id: principal } },
    ident(table),
    { 'report-type': 'r' },
    text(n, size),
  )
const stored = async ({ store }: Pick<Fixture, 'store'>) =>
  (await store.list('metrics', { index: 'primary', where: { tenant_id: 't1' }, limit: 10_000 })).map((row) => ({
    table: row.entry_id,
    principal: row.principal_id,
    n: (JSON.parse(row.report) as { n: number }).n,
    bytes: row.report.length,
  }))

test('the newest reports of a table are kept, up to its quota in number', async (t) => {
  const fixture = await open(t)
  await newTable(fixture, 't')
  await newTable(fixture, 'other')
  const one = process(fixture, { table: { bytes: 1e9, reports: 20 } })
  await send(one, -1, 'other')
  for (let n = 0; n < 200; n++) {
    await send(one, n)
    assert.ok((await stored(one)).length <= 1 + 20 + 5, String(n))
  }
  const kept = (await stored(one)).map(({ n }) => n).toSorted((a, b) => a - b)
  assert.equal(kept[0], -1, 'that of another table stays')
  assert.ok(kept.length > 20)
  assert.deepEqual(
    kept.slice(1),
    Array.from({ length: kept.length - 1 }, (_, at) => 200 - (kept.length - 1) + at),
  )
})

test('bytes are bounded by table, principal and tenant, with many requests at once from several processes', async (t) => {
  for (const scope of ['table', 'principal', 'tenant'] as const) {
    const fixture = await open(t)
    for (const name of ['t', 'u']) await newTable(fixture, name)
    const quota = { bytes: 100_000, reports: 1e9 }
    const processes = [0, 1, 2].map(() => process(fixture, { [scope]: quota }))
    let most = 0
    for (let round = 0; round < 10; round++) {
      await Promise.all(
        Array.from({ length: 60 }, (_, at) => {
          const name = scope === 'table' || at % 2 === 0 ? 't' : 'u'
          const principal = scope === 'principal' || at % 3 === 0 ? 'u1' : `u${at % 5}`
          return send(processes[at % 3]!, round * 60 + at, name, principal, 2_000)
        }),
      )
      most = Math.max(
        most,
        (await stored(fixture)).reduce((sum, { bytes }) => sum + bytes, 0),
      )
    }
    // A quota, and a quarter of one for each process.
    assert.ok(most <= 175_000, `${scope}: ${most}`)
    assert.ok(most > 50_000, `${scope}: ${most}`)
  }
})

test('what a process of before has left is brought within the quotas by the first report', async (t) => {
  const fixture = await open(t)
  await newTable(fixture, 't')
  const rows = Array.from({ length: 300 }, (_, n) => ({
    tenant_id: 't1',
    catalog_id: 'c1',
    entry_id: 'gone',
    id: `017f22e2-79b0-7cc3-98c4-${String(n).padStart(12, '0')}`,
    received_at: n,
    report_type: 'r',
    report: text(n),
    principal_id: null,
  }))
  await fixture.store.write(rows.map((row) => ({ op: 'insert', entity: 'metrics', row }) as const))
  await send(process(fixture, { tenant: { bytes: 1e9, reports: 40 } }), 1000)
  const kept = (await stored(fixture)).map(({ n }) => n).toSorted((a, b) => a - b)
  assert.deepEqual(kept, [...Array.from({ length: 40 }, (_, at) => 260 + at), 1000])
})

test('a report for which no room can be made is lost, and none is kept where they are switched off', async (t) => {
  const fixture = await open(t)
  await newTable(fixture, 't')
  const one = process(fixture, {})
  const store = {
    ...one.context.store,
    list: () => Promise.reject(new StoreError('unavailable', 'away')),
  } as unknown as Fixture['store']
  await send({ ...one, context: { ...one.context, store } }, 1)
  assert.deepEqual(await stored(fixture), [])
  await send(one, 2)
  assert.equal((await stored(fixture)).length, 1)
  const off = fixture.another()
  await send({ ...off, context: { ...off.context, metricsQuota: createMetricsQuota({ quotas: undefined }) } }, 3)
  assert.equal((await stored(fixture)).length, 1)
})

test('reports are read in pages of bounded size, also by those who ask for no pages', async (t) => {
  const fixture = await open(t)
  const { context, call } = fixture
  await newTable(fixture, 't')
  for (let n = 0; n < 12; n++) await send(fixture, n, 't', 'u1', 500_000)
  for (let n = 12; n < 150; n++) await send(fixture, n)
  const seen: number[] = []
  let token: string | undefined
  do {
    const page = await listMetrics(context, call, ident('t'), { pageToken: token })
    const bytes = page.reports.reduce((sum, { report }) => sum + report.length, 0)
    assert.ok(page.reports.length <= 100 && bytes <= 4_200_000, `${page.reports.length} reports, ${bytes} bytes`)
    seen.push(...page.reports.map(({ report }) => (JSON.parse(report) as { n: number }).n))
    token = page['next-page-token'] ?? undefined
  } while (token !== undefined)
  assert.deepEqual(
    seen,
    Array.from({ length: 150 }, (_, at) => 149 - at),
  )
  const two = await listMetrics(context, call, ident('t'), { pageSize: 2 })
  assert.equal(two.reports.length, 2)
  await assert.rejects(listMetrics(context, call, ident('t'), { pageSize: 0 }), rejects(400, /pageSize/))
})

test('the file of a database does not grow with reports that come and go', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'metrics-'))
  const store = openStore(`sqlite:${folder}/a.db`)
  t.after(async () => {
    await store.close()
    rmSync(folder, { recursive: true })
  })
  await store.migrate()
  const fixture = await open(t, { metricsQuota: quotaOf({ tenant: { bytes: 1_000_000, reports: 1e9 } }) }, store)
  await newTable(fixture, 't')
  const bytes = () => ['a.db', 'a.db-wal'].reduce((sum, name) => sum + statSync(join(folder, name)).size, 0)
  const fill = async (count: number) => {
    for (let n = 0; n < count; n++) await send(fixture, n, 't', 'u1', 100_000)
    return bytes()
  }
  const first = await fill(60)
  const last = await fill(240)
  assert.ok(last < first + 2_000_000, `${first} bytes after 6 MB of reports, ${last} after 30 MB`)
})
