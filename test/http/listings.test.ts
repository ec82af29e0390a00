/** Answers that are made while they are sent: whole, broken off, given up, not read. */
import assert from 'node:assert/strict'
import { connect, type AddressInfo } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { cutOut, listed } from '../../src/stores/pages.ts'
import { array, names } from '../../src/http/answer.ts'
import { loadSettings } from '../../src/config.ts'
import type { ServerContext } from '../../src/http/context.ts'
import type { Route } from '../../src/http/route.ts'
import { createHttpServer, type HttpServer } from '../../src/http/server.ts'
import { raw } from './harness.ts'

const PAGE = Array.from({ length: 1000 }, (_, n) => `name-${n}-${'x'.repeat(50)}`)

describe('a list that is made while it is sent', () => {
  let http: HttpServer
  let port = 0
  const logged: string[] = []
  const made = { pages: 0, ended: 0 }
  async function* pages(count: number, failsAt = -1): AsyncGenerator<readonly string[]> {
    try {
      for (let n = 0; n < count; n++) {
        if (n === failsAt) throw new Error('the store is gone')
        made.pages++
        yield PAGE
      }
    } finally {
      made.ended++
    }
  }
  const route = (template: string, list: () => AsyncGenerator<readonly string[]>): Route => ({
    method: 'GET',
    template,
    operationId: template,
    action: 'public',
    handler: async () => array(await listed(list())),
  })
  before(async () => {
    const context = {
      authenticator: { everybody: undefined },
      limits: {
        ...loadSettings({}),
        stallTimeoutSeconds: 1,
        requestTimeoutSeconds: 1,
        headersTimeoutSeconds: 1,

        maxBodyBytes: 1000,
        maxConcurrentRequests: 2,
      },
      corsAllowedOrigins: [],
      now: Date.now,
      log: (event: string) => logged.push(event),
      state: { draining: false },
    } as unknown as ServerContext
    http = createHttpServer(context, [
      route('/short', () => pages(1)),
      route('/long', () => pages(20)),
      route('/endless', () => pages(5000)),
      route('/fails', () => pages(20, 10)),
      route('/fails-at-once', () => pages(20, 1)),
      {
        ...route('/names', () => pages(2)),
        handler: async () => {
          const { items, rest } = await listed(pages(2))
          return names('identifiers', { identifiers: items, 'next-page-token': null, ...(rest && { rest }) })
        },
      },
    ])
    await new Promise<void>((resolve) => http.server.listen(0, '127.0.0.1', resolve))
    port = (http.server.address() as AddressInfo).port
  })
  after(() => http.close(100))

  const get = (path: string, headers: Readonly<Record<string, string>> = {}) =>
    fetch(`http://127.0.0.1:${port}${path}`, { headers })

  test('is whole, compressed or not; one of a page has a length', async () => {
    const short = await get('/short', { 'accept-encoding': 'identity' })
    assert.equal(Number(short.headers.get('content-length')) > 50_000, true)
    assert.deepEqual(await short.json(), PAGE)
    for (const coding of ['identity', 'gzip']) {
      const long = await get('/long', { 'accept-encoding': coding })
      assert.deepEqual([long.status, long.headers.get('content-encoding')], [200, coding === 'gzip' ? 'gzip' : null])
      assert.equal(long.headers.get('content-type'), 'application/json')
      assert.deepEqual(await long.json(), Array.from({ length: 20 }, () => PAGE).flat())
    }
    assert.deepEqual(await (await get('/names')).json(), { identifiers: [...PAGE, ...PAGE], 'next-page-token': null })
  })

  test('HEAD has no body and begins no further page', async () => {
    const before = made.pages
    const head = await raw(port, 'HEAD /long HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
    assert.match(head, /^HTTP\/1\.1 200 OK\r\n/)
    assert.ok(head.endsWith('\r\n\r\n'))
    assert.equal(made.pages, before + 2)
  })

  test('what fails before anything is sent is an error like any other', async () => {
    assert.equal((await get('/fails-at-once')).status, 500)
  })

  test('what fails in the middle can not be taken for all there is', async () => {
    for (const coding of ['identity', 'gzip']) {
      await assert.rejects(async () => (await get('/fails', { 'accept-encoding': coding })).text())
      // Also for clients that know no chunks.
      const plain = await raw(port, `GET /fails HTTP/1.0\r\nAccept-Encoding: ${coding}\r\n\r\n`)
      assert.ok(!plain.endsWith(']') && !plain.endsWith('0\r\n\r\n'), coding)
    }
    assert.ok(logged.includes('answer failed'))
    logged.length = 0
  })

  test('a client that goes away ends the work, and one that does not read has little made for it, for a while', async () => {
    const leaving = { pages: made.pages, ended: made.ended }
    await raw(port, 'GET /endless HTTP/1.1\r\nHost: a\r\n\r\n', (text) => text.length > 1_000_000)
    while (made.ended === leaving.ended) await sleep(5)
    assert.ok(made.pages - leaving.pages < 1000)

    const idle = { pages: made.pages, ended: made.ended }
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => undefined)
    socket.pause()
    socket.write('GET /endless HTTP/1.1\r\nHost: a\r\n\r\n')
    await sleep(300)
    const { pages: madeSoFar } = made
    // What the system's own buffers take, and no more.
    assert.ok(madeSoFar - idle.pages < 1000, `${madeSoFar - idle.pages} pages`)
    assert.equal((await get('/short')).status, 503, 'it counts as under way')
    while (made.ended === idle.ended) await sleep(20)
    assert.equal((await get('/short')).status, 200)
    socket.destroy()
    assert.deepEqual(
      logged.filter((event) => event === 'answer failed'),
      [],
    )
  })
})

test('an offset and a limit of a list read no further page than they need', async () => {
  let read = 0
  async function* source(): AsyncGenerator<readonly number[]> {
    for (let n = 0; n < 10; n++) {
      read++
      yield [3 * n, 3 * n + 1, 3 * n + 2]
    }
  }
  const all = async (offset: number, limit: number) => {
    const { items, rest } = await listed(cutOut(source(), { offset, limit }))
    const found = [...items]
    if (rest !== undefined) for await (const page of rest) found.push(...page)
    return found
  }
  assert.deepEqual(await all(0, 2), [0, 1])
  assert.equal(read, 1)
  assert.deepEqual(await all(2, 5), [2, 3, 4, 5, 6])
  assert.deepEqual(await all(4, 1), [4])
  assert.deepEqual(await all(29, 100), [29])
  assert.deepEqual(await all(30, 100), [])
  assert.deepEqual(await all(100, 100), [])
})
