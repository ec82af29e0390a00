/**
 * Pages of one million tables at old positions, behind which one million changes came. The rows are made by the database, of those
 * of one table that was made and changed through REST.
 */
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { entities, type EntityName } from '../src/stores/entities.ts'
import { startServer, type RunningServer } from '../test/clients/server.ts'
import { launchPostgres } from '../test/services/postgres.ts'
import { call, createNamespace, createTable, headPosition } from './fixtures.ts'
import { print } from './measure.ts'
import { residentMegabytes } from './process.ts'
import { targetOf } from './scale.ts'

const TABLES = 1_000_000
const CHANGES = 1_000_000
const PAGE = 1000
/** Of so many changes one is a creation, one a drop, and the others are commits. */
const EACH = 20

type Query = (sql: string) => Promise<unknown>

export async function benchPastPages(): Promise<void> {
  const seed = await startServer({ database: 'sqlite', dist: true })
  const first = await firstPosition(seed)
  await seed.stop({ keepData: true })
  const database = new DatabaseSync(join(seed.dataDir, 'pangolin.db'))
  database.exec('pragma synchronous = off')
  await fill(async (sql) => database.exec(sql), first)
  database.exec('pragma wal_checkpoint(truncate)')
  database.close()
  const server = await startServer({ database: 'sqlite', dist: true, dataDir: seed.dataDir })
  await measurePages(server, first, 'SQLite')
  await server.stop()
}

export async function benchPastPagesOnPostgres(): Promise<void> {
  const postgres = await launchPostgres({ isDurable: true })
  if ('missing' in postgres) return print({ what: 'PostgreSQL', figures: postgres.missing })
  try {
    const databaseUrl = await postgres.value.createDatabase()
    const server = await startServer({ database: 'postgres', databaseUrl, dist: true })
    const first = await firstPosition(server)
    await fill((sql) => postgres.value.query(sql, databaseUrl), first)
    // What the database has to do about so many new rows is not to run beside what is measured.
    await postgres.value.query('vacuum (analyze)', databaseUrl)
    await postgres.value.query('checkpoint', databaseUrl)
    await measurePages(server, first, 'PostgreSQL')
    await server.stop()
  } finally {
    await postgres.value.stop()
  }
}

/** The position of the last change of the table `a_first`, at which all others begin. */
async function firstPosition(server: RunningServer): Promise<number> {
  const target = targetOf(server)
  await createNamespace(target, 'million')
  const path = await createTable(target, 'million', 'a_first', 20)
  await call(target, 'POST', path, { requirements: [], updates: [{ action: 'set-properties', updates: { a: 'b' } }] })
  return headPosition(target)
}

const padded = (n: string): string => `substr(cast(10000000 + ${n} as text), 2)`
const numbered = (n: string): string => `'01900000-0000-7000-8000-' || substr(cast(1000000000000 + ${n} as text), 2)`

/** Rows like the one of `model`, for each number `n` of `where`; `values` are what they have in its place. */
function copies(
  entity: EntityName,
  model: string,
  values: Readonly<Record<string, string>>,
  { count, where = 'true' }: { readonly count: number; readonly where?: string },
): string {
  const columns = [...Object.keys(entities[entity].columns), 'version']
  const selected = columns.map((name) => values[name] ?? (name === 'arrival' ? 'null' : `m."${name}"`))
  return `with recursive series(n) as (select cast(0 as bigint) union all select n + 1 from series where n < ${count - 1}),
      m as (select * from "${entity}" where ${model} limit 1)
    insert into "${entity}" (${columns.map((name) => `"${name}"`).join(', ')})
    select ${selected.join(', ')} from series, m where ${where}`
}

/**
 * The tables are there from position `first` on. Then, of each twenty changes, the first creates a table behind the name of another,
 * the eleventh drops one, and the others change the metadata of some that stay.
 */
async function fill(query: Query, first: number): Promise<void> {
  const [begin, named] = [`${first + 1} + n`, `"namespace" = 'million' and "name" = 'a_first'`]
  const name = `'table_' || ${padded('n')}`
  const created = `n % ${EACH} = 0`
  const isDropped = `n % ${EACH} = ${EACH / 2}`
  const all = { count: TABLES }
  const state = `"kind" = 'table' and "name" = 'a_first'`
  const until = `case when ${isDropped} then ${begin} end`
  const changed = `((n * 7919) % ${TABLES / EACH}) * ${EACH} + n % ${EACH}`
  const made = { name: `${name} || 'b'`, id: numbered('n + 1000000') }
  const position = { position: begin }
  for (const sql of [
    copies('entries', named, { name, id: numbered('n') }, { ...all, where: `not ${isDropped}` }),
    copies('entries', named, made, { ...all, where: created }),
    copies('states', state, { name, id: numbered('n'), since: `${first}`, until }, all),
    copies('states', state, { ...made, since: begin }, { ...all, where: created }),
    copies('versions', named, { name, position: `${first}` }, all),
    copies('versions', named, { ...made, ...position }, { ...all, where: created }),
    copies('versions', named, { name: `'table_' || ${padded(changed)}`, ...position }, { ...all, where: `n % 10 <> 0` }),
    copies('commits', `"position" = ${first}`, { id: numbered('n'), ...position }, { count: CHANGES }),
    copies('positions', `"position" = ${first}`, { commit_id: numbered('n'), ...position }, { count: CHANGES }),
    `update "logs" set "position" = ${first + CHANGES} where "position" = ${first}`,
  ]) {
    await query(sql)
  }
}

async function measurePages(server: RunningServer, first: number, title: string): Promise<void> {
  const catalogs = {
    'an old position': `lake@${first}`,
    'a middle position': `lake@${first + CHANGES / 2}`,
    'the last position': `lake@${first + CHANGES}`,
    'no position': 'lake',
  }
  for (const [which, catalog] of Object.entries(catalogs)) {
    const before = residentMegabytes(server.pid)
    const { durations, names, megabytes } = await listAll(server, catalog)
    if (which === 'an old position' && names !== TABLES + 1) throw new Error(`${names} tables in ${catalog}`)
    durations.sort((a, b) => a - b)
    const [median, late] = [0.5, 0.99].map((part) => durations[Math.floor(durations.length * part)]!) as [number, number]
    print({
      what: `page of ${PAGE} at ${which}, ${title}`,
      figures: `median ${median.toFixed(1)} ms, p99 ${late.toFixed(1)} ms, ${durations.length} pages of ${names} tables; memory ${before.toFixed(0)} MB, then at most ${megabytes.toFixed(0)} MB`,
      ...(catalog !== 'lake' && { target: { text: 'under 30 ms, under 300 MB', met: late < 30 && megabytes < 300 } }),
    })
  }
}

async function listAll(
  server: RunningServer,
  catalog: string,
): Promise<{ readonly durations: number[]; readonly names: number; readonly megabytes: number }> {
  const durations: number[] = []
  let [names, megabytes] = [0, 0]
  for (let token: string | null = ''; token !== null;) {
    const startedAt = performance.now()
    const response: Response = await fetch(
      `${server.url}/v1/${catalog}/namespaces/million/tables?pageSize=${PAGE}&pageToken=${encodeURIComponent(token)}`,
      { headers: { Authorization: `Bearer ${server.adminToken}` } },
    )
    const text = await response.text()
    durations.push(performance.now() - startedAt)
    const page = JSON.parse(text) as { identifiers: unknown[]; 'next-page-token'?: string | null }
    names += page.identifiers.length
    token = page['next-page-token'] ?? null
    megabytes = Math.max(megabytes, residentMegabytes(server.pid))
  }
  return { durations, names, megabytes }
}
