/**
 * Two workers against one. The load generator of this process takes cores, too: what it took is measured, and the workers are
 * asked for the share of what it leaves them.
 */
import { availableParallelism } from 'node:os'
import { startServer } from '../test/clients/server.ts'
import { loadedTable } from './databases.ts'
import { createNamespace, type Target } from './fixtures.ts'
import { httpRequest, load, type LoadResult } from './load.ts'
import { print, rate, times } from './measure.ts'
import { median } from './compare.ts'
import { targetOf } from './scale.ts'

const WORKERS = 2
const CLIENTS = 64
const LISTED = 1_000
const ROUNDS = 3
/** Of what the cores could do. */
const SHARE = 0.8

interface Run extends LoadResult {
  /** Cores that the generator kept busy. */
  readonly generatorCores: number
}

/** What the workers are asked for. */
interface Work {
  readonly what: string
  readonly path: string
  readonly requests: number
}

export async function benchWorkers(): Promise<void> {
  const first = await startServer({ database: 'sqlite', dist: true })
  const loads = { what: 'loadTable', path: await loadedTable(targetOf(first)), requests: 30_000 }
  const pages = { what: `listNamespaces, ${LISTED} names`, path: await manyNamespaces(targetOf(first)), requests: 2_000 }
  await first.stop({ keepData: true })
  // The generator takes nearly as long for a load as the server does; for a page it has next to nothing to do.
  for (const work of [loads, pages]) await compareWorkers(first.dataDir, work)
  const last = await startServer({ database: 'sqlite', dist: true, dataDir: first.dataDir })
  await last.stop()
}

async function manyNamespaces(target: Target): Promise<string> {
  await createNamespace(target, 'many')
  for (let from = 0; from < LISTED; from += 20) {
    await Promise.all(Array.from({ length: 20 }, (_, at) => createNamespace(target, 'many', `n${from + at}`)))
  }
  return `/v1/lake/namespaces?parent=many&pageSize=${LISTED}`
}

async function compareWorkers(dataDir: string, work: Work): Promise<void> {
  const cores = availableParallelism()
  const runs: { one: Run; more: Run }[] = []
  for (let round = 0; round < ROUNDS; round++) {
    runs.push({ one: await run(dataDir, work, 1), more: await run(dataDir, work, WORKERS) })
  }
  const ratio = median(runs.map(({ one, more }) => more.perSecond / one.perSecond))
  const generator = median(runs.map(({ more }) => more.generatorCores))
  const alone = median(runs.map(({ one }) => one.generatorCores))
  // One worker has a core of its own as long as the generator leaves it one.
  const possible = Math.min(WORKERS, cores - generator) / Math.min(1, cores - alone)
  print({
    what: `${work.what}, ${WORKERS} workers, ${cores} cores`,
    figures:
      `${rate(median(runs.map(({ more }) => more.perSecond)))}, ${times(ratio)} one worker; the load generator took ` +
      `${generator.toFixed(2)} cores, which leaves room for ${times(possible)}`,
    target: { text: `at least ${SHARE} of the room, 1.6x where there is room for 2x`, met: ratio >= SHARE * possible },
  })
}

async function run(dataDir: string, { path, requests }: Work, workers: number): Promise<Run> {
  const server = await startServer({ database: 'sqlite', dist: true, dataDir, env: { PANGOLIN_WORKERS: String(workers) } })
  try {
    const { port, token } = targetOf(server)
    const request = httpRequest('GET', path, { Authorization: `Bearer ${token}` })
    const options = { port, clients: CLIENTS, requests, request: () => request }
    await load(options)
    const before = process.cpuUsage()
    const result = await load(options)
    const { user, system } = process.cpuUsage(before)
    if (result.firstFailure !== undefined) throw new Error(`an answer that is an error: ${result.firstFailure}`)
    return { ...result, generatorCores: (user + system) / 1e6 / result.seconds }
  } finally {
    await server.stop({ keepData: true })
  }
}
