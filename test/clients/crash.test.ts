/**
 * `kill -9` at random moments under load: what was acknowledged is there afterwards, what was not is there wholly or not at
 * all, every pointer leads to a readable file, and a request that is sent again with its key has happened once.
 * PANGOLIN_TEST_SEED repeats a run's choices (the machine's timing stays its own), PANGOLIN_TEST_ROUNDS changes its length.
 */
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { after, test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { ConnectionLost, createApi, type Api } from './crash/api.ts'
import {
  CATALOG,
  counting,
  creating,
  housekeeping,
  purging,
  readMetadata,
  renaming,
  tablePath,
  transacting,
  type LoadedTable,
} from './crash/work.ts'
import { randomNumbers } from './crash/random.ts'
import { createWorker, type Worker } from './crash/worker.ts'
import { newDatabase, serverDatabases, stopDatabases } from '../services/databases.ts'
import { startServer, type ServerOptions } from './server.ts'

const ROUNDS = Number(process.env['PANGOLIN_TEST_ROUNDS'] ?? 8)
const SEED = Number(process.env['PANGOLIN_TEST_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const [SHORTEST_MS, LONGEST_MS] = [50, 1_500]
/** A task that was under way at the last crash is taken up again when its lease of a minute has run out. */
const PURGE_SECONDS = 150

after(stopDatabases)

test('kill -9 under load loses nothing that was acknowledged, sqlite', (context) => underLoad(context, { database: 'sqlite' }))

for (const { database, title } of serverDatabases) {
  test(`kill -9 under load loses nothing that was acknowledged, ${title}`, async (context) => {
    const databaseUrl = await newDatabase(context, database)
    if (databaseUrl !== undefined) await underLoad(context, { database, databaseUrl })
  })
}

async function underLoad(context: TestContext, options: ServerOptions): Promise<void> {
  context.diagnostic(`PANGOLIN_TEST_SEED=${SEED}`)
  const random = randomNumbers(SEED)
  const doomed = new Map<string, string>()
  const server = await startServer(options)
  const api = createApi(server.url, server.adminToken)
  try {
    const workers = [
      ...['counting_1', 'counting_2', 'counting_3', 'counting_4'].map((name) => createWorker(counting(name))),
      ...['transacting_1', 'transacting_2'].map((name) => createWorker(transacting(name))),
      ...['renaming_1', 'renaming_2'].map((name) => createWorker(renaming(name))),
      ...['purging_1', 'purging_2'].map((name) => createWorker(purging(name, doomed))),
      createWorker(creating('creating')),
      createWorker(housekeeping('housekeeping')),
    ]
    for (const worker of workers) await worker.prepare(api)
    let whole = true
    for (let round = 1; round <= ROUNDS && whole; round++) {
      // After a round that failed nobody knows what to expect of the next.
      whole = false
      await context.test(`round ${round}`, async () => {
        const load = Promise.allSettled(workers.map((worker) => keepBusy(worker, api, random)))
        await sleep(SHORTEST_MS + random() * (LONGEST_MS - SHORTEST_MS))
        await server.kill('SIGKILL')
        const failed = (await load).find((outcome) => outcome.status === 'rejected')
        if (failed !== undefined) throw failed.reason
        await server.restart()
        for (const worker of workers) await worker.settle(api)
        await everyPointerLeadsToItsFile(api)
        whole = true
      })
    }
    assert.ok(whole, 'a round failed')
    await context.test('files of purged tables are gone, also when the crash came before the purge', () => purged(api, doomed))
    const sum = (count: (worker: Worker) => number): number => workers.reduce((total, worker) => total + count(worker), 0)
    const [total, landed] = [sum((worker) => worker.unanswered.total), sum((worker) => worker.unanswered.landed)]
    context.diagnostic(
      `${sum((worker) => worker.acknowledged)} acknowledged changes; ${total} without an answer, of which ${landed} landed`,
    )
    assert.ok(sum((worker) => worker.acknowledged) > ROUNDS * 4, 'the load was hardly one')
  } catch (error) {
    context.diagnostic(`the server's last words:\n${server.log.slice(-5_000)}`)
    throw error
  } finally {
    await server.stop()
  }
}

async function keepBusy(worker: Worker, api: Api, random: () => number): Promise<void> {
  try {
    for (;;) await worker.step(api, random)
  } catch (error) {
    if (!(error instanceof ConnectionLost)) throw error
  }
}

async function everyPointerLeadsToItsFile(api: Api): Promise<void> {
  const { namespaces } = await api.get<{ namespaces: string[][] }>(`${CATALOG}/namespaces`)
  for (const [namespace = ''] of namespaces) {
    const { identifiers } = await api.get<{ identifiers: { name: string }[] }>(`${CATALOG}/namespaces/${namespace}/tables`)
    for (const { name } of identifiers) {
      const table = await api.get<LoadedTable>(tablePath(namespace, name))
      assert.deepEqual(readMetadata(table['metadata-location']), table.metadata, `${namespace}.${name}: file and answer agree`)
    }
  }
}

/** Waits for the background work, of those tables that are dropped by now. */
async function purged(api: Api, doomed: ReadonlyMap<string, string>): Promise<void> {
  assert.ok(doomed.size > 0, 'no table was ever dropped')
  const deadline = performance.now() + PURGE_SECONDS * 1000
  for (const [path, location] of doomed) {
    if ((await api.send({ method: 'HEAD', path })).status !== 404) continue
    for (let files = filesBelow(location); files.length > 0; files = filesBelow(location)) {
      assert.ok(
        performance.now() < deadline,
        `${path} was dropped, but after ${PURGE_SECONDS} s these files are left: ${files.join(', ')}`,
      )
      await sleep(100)
    }
  }
}

function filesBelow(location: string): string[] {
  try {
    const entries = readdirSync(fileURLToPath(location), { recursive: true, withFileTypes: true })
    return entries.filter((entry) => entry.isFile()).map((entry) => entry.name)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}
