/** What it costs to put changes in order, in turn with a server that does not; how far that falls behind; how databases grow. */
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { openStore } from '../src/stores/open.ts'
import type { Store } from '../src/stores/store.ts'
import { startServer, type RunningServer, type ServerOptions } from '../test/clients/server.ts'
import { launchPostgres, type PostgresServer } from '../test/services/postgres.ts'
import { median } from './compare.ts'
import { createNamespace, createTable, type Target } from './fixtures.ts'
import { httpRequest, load } from './load.ts'
import { print, rate, us } from './measure.ts'
import { cpuMicroseconds } from './process.ts'
import { targetOf } from './scale.ts'

const WITHOUT_SEQUENCER = new URL('./without-sequencer.mjs', import.meta.url).href

interface Database {
  readonly title: string
  readonly options: () => Promise<ServerOptions>
  /** What the database does by itself in the long run, where a bench is too short for that. */
  readonly tidy?: (side: Side) => Promise<unknown>
  readonly sizeOf: (side: Side) => Promise<number>
}

export async function benchSequencing(): Promise<void> {
  await benchSequencingOn({ title: 'SQLite', options: async () => ({ database: 'sqlite' }), sizeOf: sqliteBytes })
  const postgres = await launchPostgres({ isDurable: true })
  if ('missing' in postgres) return print({ what: 'PostgreSQL', figures: postgres.missing })
  const { value } = postgres
  await benchSequencingOn({
    title: 'PostgreSQL',
    options: async () => ({ database: 'postgres', databaseUrl: await value.createDatabase() }),
    tidy: ({ databaseUrl }) => value.query('vacuum', databaseUrl),
    sizeOf: (side) => postgresBytes(value, side),
  }).finally(() => value.stop())
}

const TABLES = 64
const ROUNDS = 12
const COMMITS_OF_ROUND = 1_000
const FASTEST_COMMITS = 20_000
/** Longer than the sequencer gathers, looks again, and places what a round of commits left. */
const SETTLE_MS = 400

interface Side {
  readonly server: RunningServer
  readonly store: Store
  readonly paths: readonly string[]
  readonly databaseUrl: string | undefined
}

async function startSide(options: ServerOptions, isSequenced: boolean): Promise<Side> {
  const env = { ...options.env, ...(!isSequenced && { NODE_OPTIONS: `--import=${WITHOUT_SEQUENCER}` }) }
  const server = await startServer({ ...options, dist: true, env })
  const target = targetOf(server)
  await createNamespace(target, 'commits')
  const paths: string[] = []
  for (let n = 0; n < TABLES; n++) paths.push(await createTable(target, 'commits', `t${n}`, 20))
  const store = openStore(options.databaseUrl ?? `sqlite://${server.dataDir}/pangolin.db`)
  return { server, store, paths, databaseUrl: options.databaseUrl }
}

const commitsOf = ({ server, paths }: Side, clients: number, requests: number) => {
  const target: Target = targetOf(server)
  const request = (client: number, n: number): Buffer => {
    const updates = [{ action: 'set-properties', updates: { 'bench.value': `${client}-${n}` } }]
    const body = JSON.stringify({ requirements: [], updates })
    return httpRequest('POST', paths[client] ?? '', { Authorization: `Bearer ${target.token}` }, body)
  }
  return load({ port: target.port, clients, requests, request })
}

/** CPU per commit, with what is done for it afterwards. */
async function costOf(side: Side): Promise<number> {
  const before = cpuMicroseconds(side.server.pid)
  const { firstFailure } = await commitsOf(side, 16, COMMITS_OF_ROUND)
  if (firstFailure !== undefined) throw new Error(`a commit failed: ${firstFailure}`)
  await sleep(SETTLE_MS)
  return (cpuMicroseconds(side.server.pid) - before) / COMMITS_OF_ROUND
}

async function benchSequencingOn({ title, options, tidy, sizeOf }: Database): Promise<void> {
  const [off, on] = [await startSide(await options(), false), await startSide(await options(), true)]
  try {
    for (const side of [off, on]) {
      await commitsOf(side, 16, 10_000)
      await sleep(SETTLE_MS)
      await tidy?.(side)
    }
    const sizesBefore = [await sizeOf(off), await sizeOf(on)] as const
    const rounds: { off: number; on: number }[] = []
    for (let n = 0; n < ROUNDS; n++) {
      rounds.push({ off: await costOf(off), on: await costOf(on) })
      await Promise.all([tidy?.(off), tidy?.(on)])
    }
    const ratio = median(rounds.map((round) => round.on / round.off))
    print({
      what: `sequencing, ${title}, 16 clients`,
      figures: `${us(median(rounds.map((round) => round.on - round.off)))} a commit, ${((ratio - 1) * 100).toFixed(1)} % (${us(median(rounds.map((round) => round.off)))} without)`,
      target: { text: 'at most 10 %', met: ratio <= 1.1 },
    })
    const grown = [(await sizeOf(off)) - sizesBefore[0], (await sizeOf(on)) - sizesBefore[1]] as const
    const perCommit = grown.map((bytes) => bytes / (ROUNDS * COMMITS_OF_ROUND)) as [number, number]
    print({
      what: `database growth, ${title}`,
      figures: `${perCommit[1].toFixed(0)} bytes a commit, ${perCommit[0].toFixed(0)} without positions, versions and states`,
      target: { text: 'at most 2x', met: perCommit[1] <= 2 * perCommit[0] },
    })
    await benchDelay(title, on)
  } finally {
    for (const { server, store } of [off, on]) {
      await store.close()
      await server.stop()
    }
  }
}

/** Of the oldest change without a position, from when it was made, its own transaction included, while commits come as fast as they can. */
async function benchDelay(title: string, side: Side): Promise<void> {
  const seen = { longest: 0, isDone: false }
  const watching = (async () => {
    while (!seen.isDone) {
      const [oldest] = await side.store.list('commits', { index: 'pending', where: { position: null }, limit: 1 })
      if (oldest !== undefined) seen.longest = Math.max(seen.longest, Date.now() - oldest.timestamp_ms)
      await sleep(10)
    }
  })()
  const { perSecond, p99Ms } = await commitsOf(side, TABLES, FASTEST_COMMITS)
  await sleep(SETTLE_MS)
  seen.isDone = true
  await watching
  print({
    what: `changes without a position, ${title}`,
    figures: `for at most ${seen.longest} ms, at ${rate(perSecond)}, ${TABLES} clients, p99 of the commits themselves ${p99Ms.toFixed(0)} ms`,
    target: { text: 'never more than 1 s', met: seen.longest <= 1000 },
  })
}

/** Of the pages that are in use. */
async function sqliteBytes({ server }: Side): Promise<number> {
  const database = new DatabaseSync(join(server.dataDir, 'pangolin.db'), { readOnly: true })
  const [pages, free, size] = ['page_count', 'freelist_count', 'page_size'].map((name) =>
    Number(Object.values(database.prepare(`pragma ${name}`).get()!)[0]),
  ) as [number, number, number]
  database.close()
  return (pages - free) * size
}

/** Of tables with their indexes, and what the vacuum has made free in them. */
async function postgresBytes(postgres: PostgresServer, { databaseUrl }: Side): Promise<number> {
  const tables = `select oid from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace`
  const [row] = await postgres.query(`select sum(pg_total_relation_size(oid)) from (${tables}) one`, databaseUrl)
  return Number(row?.[0])
}
