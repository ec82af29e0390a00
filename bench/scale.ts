/**
 * One million tables in one namespace, and what a server costs that does nothing. The rows are written through the store
 * contract (a million REST calls would measure patience); they all point at the metadata of one table made through REST.
 */
import { randomUUID } from 'node:crypto'
import { openStore } from '../src/stores/open.ts'
import type { NewRow } from '../src/stores/entities.ts'
import type { Mutation, Store } from '../src/stores/store.ts'
import { startServer, type RunningServer } from '../test/clients/server.ts'
import { launchPostgres } from '../test/services/postgres.ts'
import { createNamespace, createTable, type Target } from './fixtures.ts'
import { httpRequest } from './load.ts'
import { measure, print, us } from './measure.ts'
import { residentMegabytes } from './process.ts'

const TABLES = 1_000_000
const BATCH = 5_000
const PAGE = 1_000

export const targetOf = (server: RunningServer): Target => ({
  url: server.url,
  port: Number(new URL(server.url).port),
  token: server.adminToken,
})

export async function benchIdle(): Promise<void> {
  const first = await startServer({ database: 'sqlite', dist: true })
  await first.stop({ keepData: true })
  const startedAt = performance.now()
  const server = await startServer({ database: 'sqlite', dist: true, dataDir: first.dataDir })
  await fetch(`${server.url}/health/ready`)
  const milliseconds = performance.now() - startedAt
  print({
    what: 'start to first answer',
    figures: `${milliseconds.toFixed(0)} ms`,
    target: { text: 'under 1 s', met: milliseconds < 1000 },
  })
  await new Promise((resolve) => setTimeout(resolve, 3_000))
  const megabytes = residentMegabytes(server.pid)
  print({ what: 'idle memory', figures: `${megabytes.toFixed(0)} MB`, target: { text: 'under 120 MB', met: megabytes < 120 } })
  await server.stop()
}

export async function benchScale(): Promise<void> {
  const seed = await startServer({ database: 'sqlite', dist: true })
  const path = await firstTable(seed)
  const alone = await loadCost(seed, path)
  await seed.stop({ keepData: true })
  const store = openStore(`sqlite://${seed.dataDir}/pangolin.db`)
  await fillWith(store, 'million', TABLES)
  await store.close()

  const server = await startServer({ database: 'sqlite', dist: true, dataDir: seed.dataDir })
  await measureScale(server, path, alone)
  await server.stop()
}

/** The rows are made by the database, of the first one. */
export async function benchPostgresScale(): Promise<void> {
  const postgres = await launchPostgres({ isDurable: true })
  if ('missing' in postgres) return print({ what: 'PostgreSQL', figures: postgres.missing })
  try {
    const databaseUrl = await postgres.value.createDatabase()
    const server = await startServer({ database: 'postgres', databaseUrl, dist: true })
    const path = await firstTable(server)
    const alone = await loadCost(server, path)
    await postgres.value.query(
      `insert into "entries" select (jsonb_populate_record(e, jsonb_build_object(
           'name', 'table_' || lpad(n::text, 7, '0'), 'id', gen_random_uuid(), 'version', n))).*
         from "entries" e, generate_series(0, ${TABLES - 1}) n where e."name" = 'a_first'`,
      databaseUrl,
    )
    // What the database has to do about so many new rows is not to run beside what is measured.
    await postgres.value.query('vacuum (analyze) "entries"', databaseUrl)
    await postgres.value.query('checkpoint', databaseUrl)
    print({ what: 'PostgreSQL:', figures: '' })
    await measureScale(server, path, alone)
    await server.stop()
  } finally {
    await postgres.value.stop()
  }
}

async function firstTable(server: RunningServer): Promise<string> {
  await createNamespace(targetOf(server), 'million')
  return createTable(targetOf(server), 'million', 'a_first', 20)
}

async function measureScale(server: RunningServer, path: string, alone: number): Promise<void> {
  const among = await loadCost(server, path)
  const middle = await loadCost(server, '/v1/lake/namespaces/million/tables/table_0500000')
  print({
    what: 'loadTable among 1,000,000 tables',
    figures: `${us(among)} (alone ${us(alone)}, the middle one ${us(middle)})`,
    target: { text: 'unaffected (within 10 %)', met: among <= alone * 1.1 && middle <= alone * 1.1 },
  })
  const pages = await listAll(server)
  pages.sort((a, b) => a - b)
  const median = pages[pages.length >> 1] ?? 0
  print({
    what: `page of ${PAGE} of ${TABLES}`,
    figures: `median ${median.toFixed(1)} ms, p99 ${(pages[Math.floor(pages.length * 0.99)] ?? 0).toFixed(1)} ms, ${pages.length} pages`,
    target: { text: 'under 20 ms', met: median < 20 },
  })
  const megabytes = residentMegabytes(server.pid)
  print({
    what: 'memory after listing them all',
    figures: `${megabytes.toFixed(0)} MB`,
    target: { text: 'under 300 MB', met: megabytes < 300 },
  })
}

async function loadCost(server: RunningServer, path: string): Promise<number> {
  const request = httpRequest('GET', path, { Authorization: `Bearer ${server.adminToken}` })
  const result = await measure(server.pid, { port: targetOf(server).port, clients: 8, requests: 30_000, request: () => request })
  return result.cpuMicrosecondsPerRequest
}

/** So many tables beside `a_first` of the namespace, which is there. */
export async function fillWith(store: Store, namespace: string, tables: number): Promise<void> {
  await store.migrate()
  const tenant = (await store.list('tenants', { index: 'by_name', where: { name: 'default' }, limit: 1 }))[0]
  const catalog = await store.get('catalogs', { tenant_id: tenant?.id ?? '', name: 'lake' })
  const key = { tenant_id: tenant?.id ?? '', catalog_id: catalog?.id ?? '', branch: 'main', namespace }
  const model = await store.get('entries', { ...key, name: 'a_first' })
  if (model === undefined) throw new Error('the first table is not in the store')
  const { version: _, ...row } = model
  for (let start = 0; start < tables; start += BATCH) {
    const batch: Mutation[] = []
    for (let index = start; index < start + BATCH; index++) {
      const entry: NewRow<'entries'> = { ...row, name: `table_${String(index).padStart(7, '0')}`, id: randomUUID() }
      batch.push({ op: 'insert', entity: 'entries', row: entry })
    }
    await store.write(batch)
  }
}

async function listAll(server: RunningServer): Promise<number[]> {
  const durations: number[] = []
  for (let token: string | null = ''; token !== null;) {
    const startedAt = performance.now()
    const response: Response = await fetch(
      `${server.url}/v1/lake/namespaces/million/tables?pageSize=${PAGE}&pageToken=${encodeURIComponent(token)}`,
      { headers: { Authorization: `Bearer ${server.adminToken}` } },
    )
    const text = await response.text()
    durations.push(performance.now() - startedAt)
    const page = JSON.parse(text) as { 'next-page-token'?: string | null }
    token = page['next-page-token'] ?? null
  }
  return durations
}
