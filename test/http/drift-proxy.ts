/**
 * A reverse proxy that stands between a client suite and the server under test and checks each answer that passes against
 * the specification. The bytes pass through unchanged.
 */
import assert from 'node:assert/strict'
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { specification, type Specification } from './drift.ts'

export interface DriftProxy {
  /** Without a trailing slash. */
  readonly url: string
  /** `endpoint` to the statuses that were seen. */
  readonly seen: ReadonlyMap<string, ReadonlySet<number>>
  /** One line for each kind of problem, with the first request that showed it. */
  readonly violations: readonly string[]
  stop(): Promise<void>
}

export async function startDriftProxy(target: string, specification: Specification): Promise<DriftProxy> {
  const seen = new Map<string, Set<number>>()
  const violations = new Map<string, string>()
  const record = (method: string, path: string, status: number, headers: IncomingMessage['headers'], bytes: Buffer): void => {
    const body = (headers['content-encoding'] === 'gzip' && bytes.length > 0 ? gunzipSync(bytes) : bytes).toString()
    const flat = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]))
    const verdict = specification.check({ method, path, status, headers: flat, body })
    if (verdict === undefined) return
    const statuses = seen.get(verdict.endpoint) ?? new Set()
    seen.set(verdict.endpoint, statuses.add(status))
    for (const problem of verdict.problems) {
      const kind = `${verdict.endpoint} ${status}: ${problem.replace(/\/\d+(?=\/|\s)/g, '/*')}`
      if (!violations.has(kind)) violations.set(kind, `${kind}\n    first seen for ${path}: ${body.slice(0, 500)}`)
    }
  }
  const server = createServer((incoming, outgoing) => forward(target, incoming, outgoing, record))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    get violations() {
      return [...violations.values()]
    },
    async stop() {
      server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}

/**
 * Lets a client suite talk to the server through the proxy, and then fails the test for each answer that the specification
 * does not have. Without the specification the suite runs all the same, except under CI=true.
 */
export async function checkingDrift<T>(test: TestContext, target: string, suite: (url: string) => Promise<T>): Promise<T> {
  const available = specification()
  if ('missing' in available) {
    assert.notEqual(process.env['CI'], 'true', available.missing)
    test.diagnostic(`answers were not checked: ${available.missing}`)
    return suite(target)
  }
  const proxy = await startDriftProxy(target, available.value)
  try {
    const result = await suite(proxy.url)
    await test.test('answers as the specification says', (subtest) => {
      subtest.diagnostic(`${proxy.seen.size} operations were called`)
      assert.ok(proxy.seen.size > 0, 'no request went through the proxy')
      assert.equal(proxy.violations.length, 0, proxy.violations.join('\n'))
    })
    return result
  } finally {
    await proxy.stop()
  }
}

type Record = (method: string, path: string, status: number, headers: IncomingMessage['headers'], body: Buffer) => void

function forward(target: string, incoming: IncomingMessage, outgoing: ServerResponse, record: Record): void {
  const { method = 'GET', url = '/', headers } = incoming
  const { hostname, port, host } = new URL(target)
  const onward = request({ hostname, port, method, path: url, headers: { ...headers, host } }, (answer) => {
    const chunks: Buffer[] = []
    answer.on('data', (chunk: Buffer) => chunks.push(chunk))
    answer.on('error', () => outgoing.destroy())
    answer.on('end', () => {
      const body = Buffer.concat(chunks)
      record(method, url, answer.statusCode ?? 0, answer.headers, body)
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
      outgoing.end(body)
    })
  })
  // The client sees what it would have seen without the proxy: a broken connection.
  onward.on('error', () => outgoing.destroy())
  incoming.on('error', () => onward.destroy())
  incoming.pipe(onward)
}
