/**
 * How long the event loop stands still while the server works on one large request of a kind: as others see it who ask for
 * something trivial again and again meanwhile, and in the server's process itself. Beside it what others wait for a bare
 * `node:http` server that is sent the same bodies and answers as many bytes.
 */
import { readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { startServer } from '../test/clients/server.ts'
import { ANSWER_BYTES } from './answer-bytes.ts'
import { median, startProgram } from './compare.ts'
import { openStore } from '../src/stores/open.ts'
import { createNamespace, createTable, type Target } from './fixtures.ts'
import { largeRequests, type Kind } from './large-requests.ts'
import { Connection, httpRequest } from './load.ts'
import { LOOP_FILE, type LoopFigures } from './loop-watch.ts'
import { print } from './measure.ts'
import { residentMegabytes } from './process.ts'
import { fillWith, targetOf } from './scale.ts'
import { CLOSED, startSender, type Sender, type Sent } from './sender.ts'

const PING = httpRequest('GET', '/health/live', {})
const MOST_MS = 50
const TRIES = 3

/** The longest wait for a trivial answer until the work is done, and what that answered. */
async function longestWait<T>(port: number, work: () => Promise<T>): Promise<{ readonly ms: number; readonly result: T }> {
  const connection = await Connection.open(port)
  let ms = 0
  const state = { isOver: false }
  const done = work().finally(() => (state.isOver = true))
  while (!state.isOver) {
    const sentAt = performance.now()
    await connection.exchange(PING)
    ms = Math.max(ms, performance.now() - sentAt)
    await sleep(0)
  }
  connection.close()
  return { ms, result: await done }
}

/** What the server's process says of its event loop since it was last asked. */
async function loopFigures(pid: number, file: string, number: number): Promise<LoopFigures> {
  process.kill(pid, 'SIGUSR2')
  for (const giveUpAt = performance.now() + 10_000; performance.now() < giveUpAt; await sleep(5)) {
    try {
      const figures = JSON.parse(readFileSync(file, 'utf8')) as LoopFigures
      if (figures.number >= number) return figures
    } catch {
      // Not written yet.
    }
  }
  throw new Error('the server says nothing of its event loop')
}

function assertAnswered({ what, status, isCutOff = false }: Kind, answers: readonly Sent[]): void {
  const other = answers.find((answer) => answer.status !== status && !(isCutOff && answer.status === CLOSED))
  if (other !== undefined) throw new Error(`${what}: ${other.status} instead of ${status}: ${other.text}`)
}

interface Measured {
  readonly waits: readonly number[]
  readonly stood: readonly number[]
  readonly worked: readonly number[]
  readonly bare: readonly number[]
}

interface Servers {
  readonly port: number
  readonly barePort: number
  readonly sender: Sender
  readonly figures: () => Promise<LoopFigures>
}

async function measureKind({ port, barePort, sender, figures }: Servers, kind: Kind): Promise<Measured> {
  const measured = { waits: [] as number[], stood: [] as number[], worked: [] as number[], bare: [] as number[] }
  for (let n = 0; n < TRIES; n++) {
    const requests = kind.requests(n)
    await figures()
    const { ms, result } = await longestWait(port, () => sender.send(port, requests))
    assertAnswered(kind, result)
    const { stoodMs, workedMs } = await figures()
    const alike = requests.map((request, at) => ({
      ...request,
      headers: { ...request.headers, [ANSWER_BYTES]: String(result[at]?.bytes ?? 0) },
    }))
    measured.waits.push(ms)
    measured.stood.push(stoodMs)
    measured.worked.push(workedMs)
    measured.bare.push((await longestWait(barePort, () => sender.send(barePort, alike))).ms)
  }
  return measured
}

const LISTED = 300_000

/** All names in one answer, as the specification has them where no page is asked for. */
async function manyTables(target: Target, dataDir: string): Promise<Kind> {
  await createNamespace(target, 'many')
  await createTable(target, 'many', 'a_first', 20)
  const store = openStore(`sqlite://${dataDir}/pangolin.db`)
  await fillWith(store, 'many', LISTED)
  await store.close()
  const headers = { Authorization: `Bearer ${target.token}` }
  const request = { method: 'GET', path: '/v1/lake/namespaces/many/tables', headers }
  return { what: `a list of ${LISTED} tables`, status: 200, requests: () => [request] }
}

const ms = (value: number): string => `${value.toFixed(0)} ms`

export async function benchStalls(only?: string): Promise<void> {
  const file = join(tmpdir(), `pangolin-bench-loop-${process.pid}.json`)
  const watch = new URL('./loop-watch.ts', import.meta.url).pathname
  const env = { [LOOP_FILE]: file, NODE_OPTIONS: `--disable-warning=ExperimentalWarning --import=${watch}` }
  const server = await startServer({ database: 'sqlite', dist: true, env })
  const target = targetOf(server)
  const bare = await startProgram('bare-body.ts')
  const sender = startSender()
  let number = 0
  const servers = {
    port: target.port,
    barePort: bare.port,
    sender,
    figures: () => loopFigures(server.pid, file, ++number),
  }
  try {
    const kinds = await largeRequests(target)
    const idle = await longestWait(target.port, () => sleep(1000))
    print({ what: 'longest wait of others, nothing else asked', figures: ms(idle.ms) })
    const list = await manyTables(target, server.dataDir)
    for (const kind of [list, ...kinds]) {
      if (only !== undefined && !kind.what.includes(only)) continue
      const before = residentMegabytes(server.pid)
      const { waits, stood, worked, bare } = await measureKind(servers, kind)
      const [wait, bareWait] = [median(waits), median(bare)]
      print({
        what: kind.what,
        figures: `others waited ${ms(wait)} (bare server ${ms(bareWait)}); the loop stood ${ms(median(stood))}, worked ${ms(median(worked))}; ${(residentMegabytes(server.pid) - before).toFixed(0)} MB more of ${before.toFixed(0)} MB`,
        target: {
          text: `at most ${MOST_MS} ms of work in a turn, and of waiting beyond that for the bare server or for nothing`,
          met: median(worked) <= MOST_MS && wait <= MOST_MS + Math.max(bareWait, idle.ms),
        },
      })
    }
  } finally {
    await sender.close()
    bare.stop()
    await server.stop()
    rmSync(file, { force: true })
  }
}
