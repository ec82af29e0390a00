/** The server on a database that is a server: loads against the bare server, commits against what they can't do without. */
import { startServer, type Database, type RunningServer } from '../test/clients/server.ts'
import { givenMongo, startMongo, stopMongo } from '../test/services/mongo.ts'
import { launchPostgres } from '../test/services/postgres.ts'
import { compare, startBare, type Contender } from './compare.ts'
import { call, createNamespace, createTable, growBySnapshots, type Target } from './fixtures.ts'
import { httpRequest } from './load.ts'
import { print, times, us } from './measure.ts'
import { benchPages } from './pages.ts'
import { targetOf } from './scale.ts'
import { benchUnavoidable } from './unavoidable.ts'

const LOAD = { clients: 64, requests: 50_000, warmUp: 30_000 }

export async function benchPostgres(): Promise<void> {
  // Sure of its disk, as the one that somebody keeps a catalog in.
  const postgres = await launchPostgres({ isDurable: true })
  if ('missing' in postgres) return print({ what: 'PostgreSQL', figures: postgres.missing })
  try {
    const databaseUrl = await postgres.value.createDatabase()
    await withServer('postgres', databaseUrl, async (server) => {
      await benchLoads(server, 'PostgreSQL', 2.5)
      await benchPages(targetOf(server), server.pid, { title: 'PostgreSQL', most: 6, clients: LOAD.clients })
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
    await withServer('mongo', mongo.value.createDatabase(), (server) => benchLoads(server, 'stand-in for MongoDB', 4))
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
  const requestFor = (of: string): Buffer => httpRequest('GET', of, { Authorization: `Bearer ${target.token}` })
  const one: Contender = { pid: server.pid, port: target.port, request: requestFor(path) }
  const own = (await tablesLike(target, LOAD.clients)).map(requestFor)
  const many: Contender = { ...one, request: (client) => own[client] as Buffer }
  const bare = await startBare(bytes, one.request)
  try {
    for (const [tables, ours] of [[1, one] as const, [LOAD.clients, many] as const]) {
      const { base, contender, ratio } = await compare(bare, ours, LOAD)
      print({
        what: `loadTable, ${title}, ${LOAD.clients} clients, ${tables} table${tables === 1 ? '' : 's'}`,
        figures: `${us(contender)}, ${times(ratio)} of bare (${us(base)}, ${bytes.length} bytes)`,
        target: { text: `at most ${most}x`, met: ratio <= most },
      })
    }
  } finally {
    bare.stop()
  }
}

/** Tables as large as the one of `loadedTable`. */
async function tablesLike(target: Target, count: number): Promise<string[]> {
  const paths: string[] = []
  for (let n = 0; n < count; n++) {
    const path = await createTable(target, 'reads', `many_${n}`, 20)
    await growBySnapshots(target, path, 20_000)
    paths.push(path)
  }
  return paths
}

export async function loadedTable(target: Target): Promise<string> {
  await createNamespace(target, 'reads')
  const path = await createTable(target, 'reads', 'warm', 20)
  await growBySnapshots(target, path, 20_000)
  return path
}
