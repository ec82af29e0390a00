/** Clients that read their answers slowly, or not at all. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { connect, type NetConnectOpts } from 'node:net'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { residentMegabytes } from '../../bench/process.ts'
import { startServer } from '../clients/server.ts'
import { hold } from './edge.ts'
import { call, raw, startTestServer, statusOf, type TestServer } from './harness.ts'

const MEGABYTE = 1024 * 1024
const REQUEST = { body: { namespace: ['n'] } }

type Asked = Pick<TestServer, 'url' | 'token' | 'port'>
const get = (server: Asked, name: string): string =>
  `GET /v1/lake/namespaces/n/tables/${name} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${server.token}\r\n\r\n`

/** A table whose metadata has so many MB. Returns how long the answer to a load is. */
async function largeTable(server: Asked, name: string, megabytes: number): Promise<number> {
  const at = server as TestServer
  await call(at, 'POST', '/v1/lake/namespaces', REQUEST)
  const schema = { type: 'struct', fields: [] }
  assert.equal((await call(at, 'POST', '/v1/lake/namespaces/n/tables', { body: { name, schema } })).status, 200)
  const path = `/v1/lake/namespaces/n/tables/${name}`
  for (let index = 0; index < megabytes / 4; index++) {
    const updates = Object.fromEntries(Array.from({ length: 64 }, (_, at) => [`p${index}-${at}`, 'x'.repeat(65_536)]))
    const commit = await call(at, 'POST', path, { body: { requirements: [], updates: [{ action: 'set-properties', updates }] } })
    assert.equal(commit.status, 200, commit.text.slice(0, 500))
  }
  return (await call(at, 'GET', path)).text.length
}

async function until(what: () => boolean, seconds = 30): Promise<void> {
  const end = performance.now() + seconds * 1000
  while (!what() && performance.now() < end) await sleep(20)
  assert.ok(what())
}

test('many who do not read one large document share its bytes, and are cut off', async (t) => {
  if (!existsSync('/proc/self/status')) return t.skip('memory of other processes is read from /proc')
  const env = { PANGOLIN_CACHE_BYTES: String(2 * MEGABYTE), PANGOLIN_STALL_TIMEOUT_SECS: '3' }
  const process = await startServer({ database: 'memory', env })
  t.after(() => process.stop())
  const server = { url: process.url, token: process.adminToken, port: Number(new URL(process.url).port) }
  await largeTable(server, 't', 16)
  const first = await hold(server.port, 1, get(server, 't'), { reads: false })
  await sleep(500)
  const before = residentMegabytes(process.pid)
  // Not all at once: those that come later are to share, too.
  const held = [first]
  for (let round = 0; round < 9; round++) {
    held.push(await hold(server.port, 4, get(server, 't'), { reads: false }))
    await sleep(50)
  }
  await sleep(500)
  const after = residentMegabytes(process.pid)
  assert.ok(after - before < 100, `${after - before} MB for 36 readers of 16 MB`)
  // A paused socket hears of its end when it is read on.
  await sleep(6000)
  for (const { sockets } of held) for (const socket of sockets) socket.resume()
  await until(() => held.every(({ closed, sockets }) => closed() === sockets.length))
  const bytes = held.flatMap(({ sockets }) => sockets.map((socket) => socket.bytesRead))
  assert.ok(
    bytes.every((count) => count < 16_000_000),
    'none was given all of it',
  )
  assert.match(process.log, /"kind":"slow readers"/)
})

test('a slow reader who gets on reads to the end', async (t) => {
  const server = await startTestServer(t, { PANGOLIN_STALL_TIMEOUT_SECS: '1' })
  const length = await largeTable(server, 't', 12)
  const stalled = await hold(server.port, 1, get(server, 't'), { reads: false })
  const read = (bytesAtOnce: number, pauseMs: number, seconds: number) =>
    new Promise<{ count: number; isClosed: boolean }>((resolve) => {
      let count = 0
      let isClosed = false
      const options = { port: server.port, host: '127.0.0.1', highWaterMark: bytesAtOnce } as NetConnectOpts
      const socket = connect(options, () => socket.write(get(server, 't')))
      const end = setTimeout(() => {
        resolve({ count, isClosed })
        socket.destroy()
      }, seconds * 1000)
      socket.on('data', (chunk: Buffer) => {
        count += chunk.length
        if (count >= length) {
          clearTimeout(end)
          resolve({ count, isClosed })
          return void socket.destroy()
        }
        socket.pause()
        setTimeout(() => socket.resume(), pauseMs)
      })
      socket.on('close', () => (isClosed = true))
    })
  const [whole, slow] = await Promise.all([read(262_144, 20, 60), read(16_384, 200, 8)])
  assert.ok(whole.count >= length, 'to the end')
  assert.equal(slow.isClosed, false, 'as long as it likes, while it gets on')
  assert.ok(slow.count > 100_000)
  stalled.sockets[0]!.resume()
  await until(() => stalled.closed() === 1)
})

test('what waits to be written is bounded: more of it is refused, what others read already is not', async (t) => {
  const limits = { PANGOLIN_MAX_UNSENT_BYTES: String(20 * MEGABYTE), PANGOLIN_CACHE_BYTES: String(2 * MEGABYTE) }
  const server = await startTestServer(t, { ...limits, PANGOLIN_STALL_TIMEOUT_SECS: '20' })
  await largeTable(server, 'one', 12)
  await largeTable(server, 'two', 12)
  const held = await hold(server.port, 3, get(server, 'one'), { reads: false })
  await sleep(300)
  const refused = await raw(server.port, get(server, 'two'), (text) => text.includes('}}'))
  assert.equal(statusOf(refused), 503, refused.slice(0, 200))
  assert.match(refused, /\r\nRetry-After: 1\r\n/)
  assert.equal((await call(server, 'GET', '/v1/lake/namespaces/n/tables/one')).status, 200, 'shared')
  assert.equal((await call(server, 'GET', '/v1/lake/namespaces/n/tables')).status, 200, 'small')
  const commit = { requirements: [], updates: [{ action: 'set-properties', updates: { a: 'b' } }] }
  assert.equal(
    (await call(server, 'POST', '/v1/lake/namespaces/n/tables/two', { body: commit })).status,
    200,
    'a change is answered',
  )
  held.release()
  await sleep(300)
  for (let round = 0; round < 3; round++)
    assert.equal((await call(server, 'GET', '/v1/lake/namespaces/n/tables/two')).status, 200)
  const pipelined = await hold(server.port, 2, get(server, 'one').repeat(4), { reads: false })
  await sleep(300)
  pipelined.release()
  await sleep(300)
  assert.equal(
    (await call(server, 'GET', '/v1/lake/namespaces/n/tables/two')).status,
    200,
    'answers behind others are given back',
  )
})
