/** The hot path against the yardstick: loadTable, its cheaper relatives, and 1 MB of metadata. */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { call, createNamespace, createTable, growBySnapshots, type Target } from './fixtures.ts'
import { httpRequest } from './load.ts'
import { measure, print, times, us } from './measure.ts'

const CLIENTS = 8
const WARM_UP = 40_000
const ROUNDS = 5
const MEGABYTE = 1_000_000

/** Returns the CPU of the bare request, the unit in which commits are measured too. */
export async function benchReads(target: Target, pid: number): Promise<number> {
  await createNamespace(target, 'reads')
  const path = await createTable(target, 'reads', 'warm', 20)
  await growBySnapshots(target, path, 20_000)
  const headers = { Authorization: `Bearer ${target.token}`, 'X-Iceberg-Access-Delegation': 'vended-credentials' }
  const ours = (route: string, method = 'GET', extra: Record<string, string> = {}): Contender => ({
    pid,
    port: target.port,
    request: httpRequest(method, route, { ...headers, ...extra }),
  })
  const bytes = Buffer.from((await call(target, 'GET', path)).text)
  const bare = await startBare(bytes)
  try {
    const loads = await compare(bare, ours(path), 10_000)
    print({ what: `bare node:http, the same ${bytes.length} bytes`, figures: us(loads.base) })
    print({
      what: 'loadTable, warm',
      figures: `${us(loads.contender)}, ${times(loads.ratio)} of bare`,
      target: { text: 'at most 1.5x', met: loads.ratio <= 1.5 },
    })
    const etag = (await fetch(`${target.url}${path}`, { headers })).headers.get('etag') ?? ''
    const others: [string, Contender][] = [
      ['loadTable, snapshots=refs', ours(`${path}?snapshots=refs`)],
      ['loadTable, If-None-Match (304)', ours(path, 'GET', { 'If-None-Match': etag })],
      ['tableExists (HEAD)', ours(path, 'HEAD')],
      ['getConfig', ours('/v1/config?warehouse=lake')],
      ['loadNamespaceMetadata', ours('/v1/lake/namespaces/reads')],
      ['namespaceExists (HEAD)', ours('/v1/lake/namespaces/reads', 'HEAD')],
    ]
    for (const [what, contender] of others) {
      const { contender: cpu, ratio } = await compare(ours(path), contender, 10_000)
      // CPU is read in steps of 10 ms and drifts by some per cent between two equal runs.
      print({
        what,
        figures: `${us(cpu)}, ${times(ratio)} of loadTable`,
        target: { text: 'at most loadTable', met: ratio <= 1.05 },
      })
    }
    await benchLargeMetadata(target, ours)
    return loads.base
  } finally {
    bare.stop()
  }
}

async function benchLargeMetadata(target: Target, ours: (route: string) => Contender): Promise<void> {
  const path = await createTable(target, 'reads', 'large', 20)
  await growBySnapshots(target, path, MEGABYTE)
  const bytes = Buffer.from((await call(target, 'GET', path)).text)
  const bare = await startBare(bytes)
  const { contender, ratio } = await compare(bare, ours(path), 1_000, 1_000).finally(bare.stop)
  print({
    what: `loadTable, ${(bytes.length / MEGABYTE).toFixed(1)} MB of metadata`,
    figures: `${us(contender)}, ${times(ratio)} of bare with the same bytes`,
    target: { text: 'no parse: at most 1.5x', met: ratio <= 1.5 },
  })
}

interface Contender {
  readonly pid: number
  readonly port: number
  readonly request: Buffer
}

interface Comparison {
  /** CPU per request, the median of all rounds. */
  readonly base: number
  readonly contender: number
  /** The median of the rounds' ratios: the two are measured in turn, since the machine's speed drifts. */
  readonly ratio: number
}

async function compare(base: Contender, contender: Contender, requests: number, warmUp = WARM_UP): Promise<Comparison> {
  const one = async ({ pid, port, request }: Contender, count: number): Promise<number> =>
    (await measure(pid, { port, clients: CLIENTS, requests: count, request: () => request }, 0)).cpuMicrosecondsPerRequest
  await one(base, warmUp)
  await one(contender, warmUp)
  const rounds: { base: number; contender: number }[] = []
  for (let round = 0; round < ROUNDS; round++) {
    rounds.push({ base: await one(base, requests), contender: await one(contender, requests) })
  }
  return {
    base: median(rounds.map((round) => round.base)),
    contender: median(rounds.map((round) => round.contender)),
    ratio: median(rounds.map((round) => round.contender / round.base)),
  }
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0

async function startBare(bytes: Buffer): Promise<Contender & { stop: () => void }> {
  const folder = mkdtempSync(join(tmpdir(), 'pangolin-bench-'))
  const file = join(folder, 'body.json')
  writeFileSync(file, bytes)
  const child = spawn(process.execPath, [new URL('./bare.ts', import.meta.url).pathname, file], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const port = await firstNumber(child)
  const stop = (): void => {
    child.kill()
    rmSync(folder, { recursive: true })
  }
  return { pid: child.pid ?? 0, port, request: httpRequest('GET', '/', {}), stop }
}

function firstNumber(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the bare server ended with ${code}`)))
    child.stdout?.once('data', (chunk: Buffer) => resolve(Number(chunk.toString())))
  })
}
