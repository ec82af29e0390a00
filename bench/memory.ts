/** Memory of a server that sixteen clients keep busy: they commit, load and create without pause, in ever more tables. */
import { startServer, type ServerOptions } from '../test/clients/server.ts'
import { launchPostgres } from '../test/services/postgres.ts'
import { createNamespace, type Target } from './fixtures.ts'
import { Connection, httpRequest } from './load.ts'
import { print } from './measure.ts'
import { residentMegabytes } from './process.ts'
import { targetOf } from './scale.ts'

const CLIENTS = 16
const SECONDS = 30
const MOST_MEGABYTES = 250
const TABLES = '/v1/lake/namespaces/memory/tables'
const FIELDS = Array.from({ length: 20 }, (_, n) => ({ id: n + 1, name: `column_${n + 1}`, type: 'long', required: false }))

export async function benchMemory(): Promise<void> {
  await measureMemory('SQLite', { database: 'sqlite' })
  const postgres = await launchPostgres({ isDurable: true })
  if ('missing' in postgres) return print({ what: 'PostgreSQL', figures: postgres.missing })
  try {
    const databaseUrl = await postgres.value.createDatabase()
    await measureMemory('PostgreSQL', { database: 'postgres', databaseUrl })
  } finally {
    await postgres.value.stop()
  }
}

async function measureMemory(title: string, options: ServerOptions): Promise<void> {
  const server = await startServer({ ...options, dist: true })
  try {
    const target = targetOf(server)
    await createNamespace(target, 'memory')
    const before = residentMegabytes(server.pid)
    let most = before
    const watching = setInterval(() => (most = Math.max(most, residentMegabytes(server.pid))), 250)
    const until = performance.now() + SECONDS * 1000
    const counts = await Promise.all(Array.from({ length: CLIENTS }, (_, client) => work(target, client, until)))
    clearInterval(watching)
    const sum = (of: keyof Work): number => counts.reduce((total, count) => total + count[of], 0)
    print({
      what: `memory under ${CLIENTS} clients, ${title}`,
      figures: `at most ${most.toFixed(0)} MB, ${before.toFixed(0)} MB before; ${sum('commits')} commits, ${sum('loads')} loads, ${sum('tables')} tables in ${SECONDS} s`,
      target: { text: `at most ${MOST_MEGABYTES} MB`, met: most <= MOST_MEGABYTES },
    })
  } finally {
    await server.stop()
  }
}

interface Work {
  commits: number
  loads: number
  tables: number
}

/** A table, two commits and loads of it, a load of one of before; and again. */
async function work(target: Target, client: number, until: number): Promise<Work> {
  const connection = await Connection.open(target.port)
  const headers = { Authorization: `Bearer ${target.token}` }
  const send = async (method: string, path: string, body?: object): Promise<void> => {
    const request = httpRequest(method, path, headers, body && JSON.stringify(body))
    const { status, text } = await connection.exchange(request)
    if (status >= 400) throw new Error(`${method} ${path}: ${status} ${text}`)
  }
  const done: Work = { commits: 0, loads: 0, tables: 0 }
  try {
    while (performance.now() < until) {
      const name = `table_${client}_${done.tables++}`
      await send('POST', TABLES, { name, schema: { type: 'struct', 'schema-id': 0, fields: FIELDS } })
      for (const value of ['first', 'second']) {
        const updates = [{ action: 'set-properties', updates: { 'bench.value': value } }]
        await send('POST', `${TABLES}/${name}`, { requirements: [], updates })
        await send('GET', `${TABLES}/${name}`)
        done.commits++
        done.loads++
      }
      await send('GET', `${TABLES}/table_${client}_${(done.tables - 1) >> 1}`)
      done.loads++
    }
  } finally {
    connection.close()
  }
  return done
}
