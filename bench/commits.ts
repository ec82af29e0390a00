/** Durable commits: one client, sixteen on their own tables, sixty-four on one table. */
import { compare, median, startBare, type Contender } from './compare.ts'
import { createNamespace, createTable, type Target } from './fixtures.ts'
import { httpRequest, load } from './load.ts'
import { measure, print, rate, times, us, type Measured } from './measure.ts'
import type { Yardstick } from './reads.ts'

const commit = (target: Target, path: string, client: number, sequence: number): Buffer =>
  httpRequest('POST', path, { Authorization: `Bearer ${target.token}` }, setProperty(`${client}-${sequence}`))

const WARM_UP = 20_000

/** Where commits go, and the request of a client's n-th. */
interface Commits extends Contender {
  readonly request: (client: number, n: number) => Buffer
}

const setProperty = (value: string): string =>
  JSON.stringify({ requirements: [], updates: [{ action: 'set-properties', updates: { 'bench.value': value } }] })

export async function benchCommits(target: Target, pid: number, yardstick: Yardstick): Promise<void> {
  await createNamespace(target, 'commits')
  const paths: string[] = []
  for (let index = 0; index < 16; index++) paths.push(await createTable(target, 'commits', `t${index}`, 20))
  const shared = await createTable(target, 'commits', 'shared', 20)
  const own: Commits = {
    pid,
    port: target.port,
    request: (client: number, n: number) => commit(target, paths[client] ?? '', client, n),
  }
  // What a server does all day is compiled for speed, and the tables' logs are as long as they get.
  await load({ ...own, clients: 16, requests: WARM_UP })
  await benchCost(own, yardstick)
  const one = await benchRate(own)
  const contended = await load({
    port: target.port,
    clients: 64,
    requests: 4_000,
    request: (client, n) => commit(target, shared, client, n),
  })
  const share = contended.perSecond / one
  const statuses = [...contended.statuses].map(([status, count]) => `${count} x ${status}`).join(', ')
  print({
    what: 'updateTable, 64 clients, 1 table',
    figures: `${rate(contended.perSecond)}, ${times(share)} the rate of one client, answers ${statuses}`,
    target: {
      text: 'no error, at least 0.5x',
      met: share >= 0.5 && contended.statuses.size === 1 && contended.statuses.has(200),
    },
  })
}

/** In turn with the bare server, and both for clients that sleep until they are answered, as those that wait for a disk do. */
async function benchCost(own: Commits, { bytes, request }: Yardstick): Promise<void> {
  const bare = await startBare(bytes, request)
  const options = { clients: 16, warmUp: 5_000, requests: 40_000, contenderRequests: 8_000, isAwake: false }
  const { base, contender, ratio } = await compare(bare, own, options).finally(bare.stop)
  print({
    what: 'updateTable, 16 clients, 16 tables',
    figures: `${us(contender)}, ${times(ratio)} of a bare request (${us(base)})`,
    target: { text: 'at most 20x', met: ratio <= 20 },
  })
}

/** Sixteen clients in turn with one, whose rate it returns. */
async function benchRate(own: Commits): Promise<number> {
  const rounds: { one: Measured; many: Measured }[] = []
  for (let round = 0; round < 9; round++) {
    const one = await measure(own.pid, { ...own, clients: 1, requests: 200 })
    rounds.push({ one, many: await measure(own.pid, { ...own, clients: 16, requests: 1_000 }) })
  }
  const medianOf = (figure: (round: (typeof rounds)[number]) => number): number => median(rounds.map(figure))
  const one = medianOf((round) => round.one.perSecond)
  const ratio = medianOf((round) => round.many.perSecond / round.one.perSecond)
  print({
    what: 'updateTable, 1 client',
    figures: `${us(medianOf((round) => round.one.cpuMicrosecondsPerRequest))}, ${rate(one)}`,
  })
  print({
    what: 'updateTable, 16 clients, 16 tables',
    figures: `${rate(medianOf((round) => round.many.perSecond))}, ${times(ratio)} the rate of one client, p99 ${medianOf((round) => round.many.p99Ms).toFixed(1)} ms`,
    target: { text: 'at least 3x', met: ratio >= 3 },
  })
  return one
}
