/** The server on a database of its own: loads against the bare server, and commits against the writes that they can't do without. */
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { canonicalLocation } from '../src/iceberg/location.ts'
import { openFileStore } from '../src/storage/file.ts'
import { connect, type Item } from '../src/stores/sql/postgres-connection.ts'
import { startServer, type Database, type RunningServer } from '../test/clients/server.ts'
import { givenMongo, startMongo, stopMongo } from '../test/services/mongo.ts'
import { launchPostgres } from '../test/services/postgres.ts'
import { compare, median, startBare, type Contender } from './compare.ts'
import { call, createNamespace, createTable, growBySnapshots, type Target } from './fixtures.ts'
import { httpRequest } from './load.ts'
import { print, times, us } from './measure.ts'
import { targetOf } from './scale.ts'

const LOAD = { clients: 64, requests: 10_000, warmUp: 30_000 }
const COMMIT_ROUNDS = 9
const COMMITS = 100

export async function benchPostgres(): Promise<void> {
  // Sure of its disk, as the one that somebody keeps a catalog in.
  const postgres = await launchPostgres({ isDurable: true })
  if ('missing' in postgres) return print({ what: 'PostgreSQL', figures: postgres.missing })
  try {
    const databaseUrl = await postgres.value.createDatabase()
    await withServer('postgres', databaseUrl, async (server) => {
      await benchLoads(server, 'PostgreSQL', 2.5)
      await benchUnavoidable(targetOf(server), databaseUrl)
    })
  } finally {
    await postgres.value.stop()
  }
}

export async function benchMongo(): Promise<void> {
  if (givenMongo !== undefined) {
    return withServer('mongo', givenMongo, (server) => benchLoads(server, 'MongoDB of MONGODB_TEST_URI', 4))
  }
  const mongo = await startMongo()
  if ('missing' in mongo) return print({ what: 'MongoDB', figures: mongo.missing })
  try {
    await withServer('mongo', mongo.value.createDatabase(), (server) => benchLoads(server, 'a stand-in for MongoDB', 4))
  } finally {
    await stopMongo()
  }
}

async function withServer(database: Database, databaseUrl: string, use: (server: RunningServer) => Promise<void>): Promise<void> {
  const server = await startServer({ database, databaseUrl, dist: true })
  try {
    await use(server)
  } finally {
    await server.stop()
  }
}

async function benchLoads(server: RunningServer, title: string, most: number): Promise<void> {
  const target = targetOf(server)
  const path = await loadedTable(target)
  const bytes = Buffer.from((await call(target, 'GET', path)).text)
  const bare = await startBare(bytes)
  const ours: Contender = {
    pid: server.pid,
    port: target.port,
    request: httpRequest('GET', path, { Authorization: `Bearer ${target.token}` }),
  }
  const { base, contender, ratio } = await compare(bare, ours, LOAD).finally(bare.stop)
  print({
    what: `loadTable on ${title}, ${LOAD.clients} clients`,
    figures: `${us(contender)}, ${times(ratio)} of bare (${us(base)}, ${bytes.length} bytes)`,
    target: { text: `at most ${most}x`, met: ratio <= most },
  })
}

export async function loadedTable(target: Target): Promise<string> {
  await createNamespace(target, 'reads')
  const path = await createTable(target, 'reads', 'warm', 20)
  await growBySnapshots(target, path, 20_000)
  return path
}

/**
 * A commit by one client against the two writes that it can't do without, in turn: a metadata file of the same size, durable,
 * then one transaction of the statements that a commit needs, in one round trip on a connection of its own.
 */
async function benchUnavoidable(target: Target, databaseUrl: string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'pangolin-bench-'))
  try {
    await createNamespace(target, 'commits')
    const path = await createTable(target, 'commits', 'one', 20)
    const plain = await plainWrites(databaseUrl, folder, Buffer.from((await call(target, 'GET', path)).text))
    const commit = (n: number): Promise<unknown> =>
      call(target, 'POST', path, { requirements: [], updates: [{ action: 'set-properties', updates: { n: String(n) } }] })
    const rounds: { base: number; ours: number }[] = []
    for (let round = 0; round < COMMIT_ROUNDS; round++) {
      rounds.push({ base: await millisecondsEach(plain.write), ours: await millisecondsEach((n) => commit(round * COMMITS + n)) })
    }
    plain.close()
    const ratio = median(rounds.map(({ base, ours }) => ours / base))
    const [base, ours] = [median(rounds.map((one) => one.base)), median(rounds.map((one) => one.ours))]
    print({
      what: 'updateTable on PostgreSQL, 1 client',
      figures: `${ours.toFixed(2)} ms, ${times(ratio)} its two unavoidable writes (${base.toFixed(2)} ms)`,
      target: { text: 'at most 1.5x', met: ratio <= 1.5 },
    })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function millisecondsEach(work: (n: number) => Promise<unknown>): Promise<number> {
  const startedAt = performance.now()
  for (let n = 0; n < COMMITS; n++) await work(n)
  return (performance.now() - startedAt) / COMMITS
}

/** Statements as plain as they can be, on rows of their own. */
async function plainWrites(
  url: string,
  folder: string,
  bytes: Uint8Array,
): Promise<{ write: () => Promise<void>; close: () => void }> {
  const connection = await connect({ url, connectTimeoutMs: 10_000, statementTimeoutMs: 10_000 })
  const files = openFileStore(canonicalLocation(`file://${folder}`))
  await connection.simple(
    'create table "bench_entries" ("id" text primary key, "file" text, "version" bigint); create table "bench_log" ("id" text primary key, "text" text)',
  )
  await connection.simple(`insert into "bench_entries" values ('one', '', 0)`)
  const item = (sql: string, ...parameters: Item['parameters']): Item => ({ name: sql.slice(0, 20), sql, parameters })
  let version = 0
  const write = async (): Promise<void> => {
    const file = `file://${folder}/metadata/${randomUUID()}.metadata.json`
    await files.create(canonicalLocation(file), bytes)
    const outcome = await connection.run([
      item('begin'),
      item(
        'update "bench_entries" set "file" = $1, "version" = $2 where "id" = $3 and "version" = $4',
        file,
        ++version,
        'one',
        version - 1,
      ),
      item('insert into "bench_log" values ($1, $2)', randomUUID(), file),
      item('commit'),
    ])
    if (outcome.kind !== 'done' || outcome.replies[1]?.tag !== 'UPDATE 1') throw new Error(`the plain write: ${outcome.kind}`)
  }
  return {
    write,
    close: () => {
      connection.close()
      void files.close()
    },
  }
}
