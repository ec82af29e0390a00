/** The hot path against the yardstick: loadTable, its cheaper relatives, and 1 MB of metadata. */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { call, createNamespace, createTable, growBySnapshots, type Target } from './fixtures.ts'
import { httpRequest } from './load.ts'
import { measure, print, rate, times, us, type Measured } from './measure.ts'

const CLIENTS = 8

/** Returns the CPU of the bare request, the unit in which commits are measured too. */
export async function benchReads(target: Target, pid: number): Promise<number> {
  await createNamespace(target, 'reads')
  const path = await createTable(target, 'reads', 'warm', 20)
  await growBySnapshots(target, path, 20_000)
  const headers = { Authorization: `Bearer ${target.token}`, 'X-Iceberg-Access-Delegation': 'vended-credentials' }
  const get = (route: string, method = 'GET', extra: Record<string, string> = {}): Promise<Measured> =>
    measure(pid, { port: target.port, clients: CLIENTS, requests: 40_000, request: fixed(httpRequest(method, route, { ...headers, ...extra })) })
  const bytes = Buffer.from((await call(target, 'GET', path)).text)

  const bare = await benchBare(bytes, 40_000)
  print({ what: `bare node:http, the same ${bytes.length} bytes`, figures: `${us(bare.cpuMicrosecondsPerRequest)}, ${rate(bare.perSecond)}` })
  const warm = await get(path)
  const ratio = warm.cpuMicrosecondsPerRequest / bare.cpuMicrosecondsPerRequest
  print({
    what: 'loadTable, warm', figures: `${us(warm.cpuMicrosecondsPerRequest)}, ${rate(warm.perSecond)}, ${times(ratio)} of bare`,
    target: { text: 'at most 1.5x', met: ratio <= 1.5 },
  })
  const etag = (await fetch(`${target.url}${path}`, { headers })).headers.get('etag') ?? ''
  const others: [string, Measured][] = [
    ['loadTable, snapshots=refs', await get(`${path}?snapshots=refs`)],
    ['loadTable, If-None-Match (304)', await get(path, 'GET', { 'If-None-Match': etag })],
    ['tableExists (HEAD)', await get(path, 'HEAD')],
    ['getConfig', await get('/v1/config?warehouse=lake')],
    ['loadNamespaceMetadata', await get('/v1/lake/namespaces/reads')],
    ['namespaceExists (HEAD)', await get('/v1/lake/namespaces/reads', 'HEAD')],
  ]
  for (const [what, measured] of others) {
    const share = measured.cpuMicrosecondsPerRequest / warm.cpuMicrosecondsPerRequest
    print({
      what, figures: `${us(measured.cpuMicrosecondsPerRequest)}, ${times(share)} of loadTable`,
      // CPU is read in steps of 10 ms and drifts by some per cent between two equal runs.
      target: { text: 'at most loadTable', met: share <= 1.05 },
    })
  }
  await benchLargeMetadata(target, pid, headers)
  return bare.cpuMicrosecondsPerRequest
}

async function benchLargeMetadata(target: Target, pid: number, headers: Readonly<Record<string, string>>): Promise<void> {
  const path = await createTable(target, 'reads', 'large', 20)
  await growBySnapshots(target, path, 1_000_000)
  const bytes = Buffer.from((await call(target, 'GET', path)).text)
  const bare = await benchBare(bytes, 2_000)
  const large = await measure(pid, { port: target.port, clients: CLIENTS, requests: 2_000, request: fixed(httpRequest('GET', path, headers)) })
  const ratio = large.cpuMicrosecondsPerRequest / bare.cpuMicrosecondsPerRequest
  print({
    what: `loadTable, ${(bytes.length / 1e6).toFixed(1)} MB of metadata`,
    figures: `${us(large.cpuMicrosecondsPerRequest)}, ${times(ratio)} of bare with the same bytes`,
    target: { text: 'no parse: at most 1.5x', met: ratio <= 1.5 },
  })
}

const fixed = (request: Buffer) => (): Buffer => request

async function benchBare(bytes: Buffer, requests: number): Promise<Measured> {
  const file = join(mkdtempSync(join(tmpdir(), 'pangolin-bench-')), 'body.json')
  writeFileSync(file, bytes)
  const child = spawn(process.execPath, [new URL('./bare.ts', import.meta.url).pathname, file], { stdio: ['ignore', 'pipe', 'inherit'] })
  try {
    const port = await firstNumber(child)
    return await measure(child.pid ?? 0, { port, clients: CLIENTS, requests, request: fixed(httpRequest('GET', '/', {})) })
  } finally {
    child.kill()
  }
}

function firstNumber(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the bare server ended with ${code}`)))
    child.stdout?.once('data', (chunk: Buffer) => resolve(Number(chunk.toString())))
  })
}
