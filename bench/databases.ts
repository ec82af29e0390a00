/** The server on a database that is a server: loads against the bare server, commits against what they can't do without. */
import { startServer, type Database, type RunningServer } from '../test/clients/server.ts'
import { givenMongo, startMongo, stopMongo } from '../test/services/mongo.ts'
import { launchPostgres } from '../test/services/postgres.ts'
import { compare, startBare, type Contender } from './compare.ts'
import { call, createNamespace, createTable, growBySnapshots, type Target } from './fixtures.ts'
import { httpRequest } from './load.ts'
import { print, times, us } from './measure.ts'
import { targetOf } from './scale.ts'
import { benchUnavoidable } from './unavoidable.ts'

const LOAD = { clients: 64, requests: 10_000, warmUp: 30_000 }

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
