/** Floods from clients without a credential, and from callers who want everything: what they may take from the others. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createShares } from '../../src/access/shares.ts'
import { createTurns } from '../../src/access/turns.ts'
import { createFloods } from '../../src/http/floods.ts'
import { hold, stalledLogin, type Held } from './edge.ts'
import { call, raw, startTestServer, statusOf, type TestServer } from './harness.ts'

interface Line {
  readonly event: string
  readonly kind?: string
}
const linesOf = (server: TestServer, event: string): Line[] =>
  server.log.map((line) => JSON.parse(line) as Line).filter((line) => line.event === event)

async function until(what: () => boolean, seconds = 20): Promise<void> {
  const end = performance.now() + seconds * 1000
  while (!what() && performance.now() < end) await sleep(20)
  assert.ok(what())
}

const loads = async (server: TestServer, count: number): Promise<number[]> =>
  Promise.all(Array.from({ length: count }, async () => (await call(server, 'GET', '/v1/lake/namespaces')).status))

test('connections that announce a body and do not send it take nothing from others', async (t) => {
  const server = await startTestServer(t, { PANGOLIN_MAX_CONCURRENT_REQUESTS: '8' })
  const stalled = {
    login: stalledLogin,
    chunked: 'POST /v1/oauth/tokens HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\ng\r\n',
    expecting: 'POST /v1/oauth/tokens HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n',
    'other login': 'POST /api/v1/users/login HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n{',
    'no credential': 'POST /v1/lake/namespaces HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n{',
    'a credential': `POST /v1/lake/namespaces HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${server.token}\r\nContent-Length: 10\r\n\r\n{`,
    headers: 'GET /v1/config HTTP/1.1\r\nHost: a\r\nX-A: ',
    'nothing at all': '',
    pipelined: `${'GET /v1/config HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(20)}${stalledLogin}`,
  }
  for (const [name, bytes] of Object.entries(stalled)) {
    const held = await hold(server.port, 100, bytes)
    assert.deepEqual(new Set(await loads(server, 8)), new Set([200]), name)
    assert.equal((await call(server, 'POST', '/v1/lake/namespaces', { body: { namespace: [name] } })).status, 200)
    held.release()
  }
})

test('620 stalled logins at the usual limits: every load and commit is answered', async (t) => {
  const server = await startTestServer(t)
  const held = await hold(server.port, 620, stalledLogin)
  t.after(held.release)
  for (let round = 0; round < 20; round++) assert.deepEqual(new Set(await loads(server, 10)), new Set([200]))
  assert.ok(server.log.join('').length < 20_000, 'the log tells of floods by counts')
})

test('a body that does not get on is refused, one that does is not', async (t) => {
  const server = await startTestServer(t, { PANGOLIN_STALL_TIMEOUT_SECS: '1', PANGOLIN_REQUEST_TIMEOUT_SECS: '60' })
  const held = await hold(server.port, 30, stalledLogin)
  const head = `POST /v1/lake/namespaces HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${server.token}\r\n`
  const dribbling = await hold(server.port, 5, `${head}Transfer-Encoding: chunked\r\n\r\n`)
  const body = `{"namespace":["slow"],"properties":{"a":"${'x'.repeat(12_000)}"}}`
  const slow = await hold(server.port, 1, `${head}Content-Length: ${body.length}\r\n\r\n`)
  const dribble = setInterval(() => {
    for (const socket of dribbling.sockets) if (socket.writable) socket.write('1\r\n{\r\n')
  }, 100)
  for (let at = 0; at < body.length; at += 2000) {
    slow.sockets[0]!.write(body.slice(at, at + 2000))
    await sleep(400)
  }
  await until(() => slow.texts[0]!.includes('}'))
  assert.equal(statusOf(slow.texts[0]!), 200)
  await until(() => held.closed() === 30 && dribbling.closed() === 5)
  clearInterval(dribble)
  for (const text of [...held.texts, ...dribbling.texts]) assert.equal(statusOf(text), 408)
  assert.match(held.texts[0]!, /"error":"invalid_request"/)
  await until(() => linesOf(server, 'refused').some(({ kind }) => kind === 'slow bodies'))
  slow.release()
})

test('what has come of bodies is bounded in all and for each caller', async (t) => {
  const server = await startTestServer(t, { PANGOLIN_MAX_BODY_BYTES: '100000', PANGOLIN_MAX_UNFINISHED_BODY_BYTES: '200000' })
  const part = `POST /v1/lake/namespaces HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${server.token}\r\nContent-Length: 90000\r\n\r\n${'x'.repeat(40_000)}`
  const held = await hold(server.port, 6, part)
  await until(() => held.closed() === 3)
  assert.deepEqual(held.texts.filter((text) => text !== '').map(statusOf), [429, 429, 429])
  const tokens = await raw(server.port, stalledLogin.replace('1000', '2') + 'r', (text) => text.includes('}'))
  assert.equal(statusOf(tokens), 400, 'others have room')
  held.release()
  await sleep(100)
  assert.equal((await call(server, 'POST', '/v1/lake/namespaces', { body: { namespace: ['x'.repeat(200)] } })).status, 200)
})

test('where there is no room for a connection, an old one goes on which nobody was known', async (t) => {
  for (const name of ['PANGOLIN_MAX_CONNECTIONS', 'PANGOLIN_MAX_CONNECTIONS_PER_ADDRESS']) {
    const server = await startTestServer(t, { [name]: '50' })
    const request = `GET /v1/config HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${server.token}\r\n\r\n`
    const known = await hold(server.port, 20, request)
    await until(() => known.texts.every((text) => text.includes('}')))
    const flood = await hold(server.port, 200, stalledLogin)
    await until(() => flood.closed() >= 170)
    assert.equal(known.closed(), 0, 'callers keep their connections')
    assert.deepEqual(await loads(server, 5), [200, 200, 200, 200, 200])
    const more: Held[] = []
    while (more.length < 31) {
      const next = await hold(server.port, 1, request)
      more.push(next)
      await until(() => next.texts[0] !== '')
    }
    const refused = more.findIndex(({ texts }) => statusOf(texts[0]!) === 503)
    assert.ok(refused >= 20, 'callers displace the flood, and nobody displaces callers')
    assert.equal(known.closed(), 0)
    const create = `POST /v1/lake/namespaces HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${server.token}\r\nContent-Length: 22\r\n\r\n{"namespace":["late"]}`
    const late = await hold(server.port, 1, create)
    await until(() => late.texts[0] !== '' || late.closed() === 1)
    more.push(late)
    known.sockets[0]!.destroy()
    await sleep(200)
    const listed = await call(server, 'GET', '/v1/lake/namespaces')
    assert.ok(!listed.text.includes('late'), 'what was turned away was not carried out')
    const counted = linesOf(server, 'refused').map(({ kind }) => kind)
    assert.ok(counted.length > 0 && counted.length < 10, `${counted}`)
    for (const held of [known, flood, ...more]) held.release()
  }
})

test('headers that do not come end the connection', async (t) => {
  const server = await startTestServer(t, { PANGOLIN_HEADERS_TIMEOUT_SECS: '1' })
  const held = [await hold(server.port, 10, ''), await hold(server.port, 10, 'GET / HTTP/1.1\r\nHost: a\r\nX: ')]
  const dribble = setInterval(() => {
    for (const socket of held[1]!.sockets) if (socket.writable) socket.write('y')
  }, 100)
  await until(() => held.every(({ closed }) => closed() === 10))
  clearInterval(dribble)
})

test('no caller takes all: shares', () => {
  const take = (shares: ReturnType<typeof createShares>, holder: string): number => {
    let count = 0
    while (shares.mayTake(holder)) {
      shares.take(holder)
      count++
    }
    return count
  }
  for (const [total, most] of [
    [1, 1],
    [2, 1],
    [3, 2],
    [8, 6],
    [512, 384],
  ] as const) {
    const shares = createShares(total)
    assert.equal(take(shares, 'a'), most, `${total}`)
    const second = take(shares, 'b')
    assert.ok(total === 1 || second >= 1, 'a newcomer finds something')
    if (total > 8) assert.ok(take(shares, 'c') >= 1)
    for (let index = 0; index < most; index++) shares.giveBack('a')
    for (let index = 0; index < second; index++) shares.giveBack('b')
  }
  const shares = createShares(100)
  assert.ok(!shares.mayTake('a', 101))
  assert.ok(shares.mayTake('a', 100))
})

test('costly checks: those who wait take turns by their address', async () => {
  const turns = createTurns({ kind: 'checks', concurrent: 1, waiting: 8 })
  const order: string[] = []
  const work = (name: string) => async (): Promise<void> => {
    await sleep(1)
    order.push(name)
  }
  const flood = Array.from({ length: 20 }, (_, index) => turns.run('a', work(`a${index}`)))
  const other = turns.run('b', work('b'))
  const settled = await Promise.allSettled(flood)
  await other
  assert.equal(settled.filter(({ status }) => status === 'rejected').length, 13)
  assert.deepEqual(order.slice(0, 3), ['a0', 'a1', 'b'])
  await assert.rejects(
    turns.run('a', () => Promise.reject(new Error('failed'))),
    /failed/,
  )
  await turns.run('a', work('still'))
})

test('a flood of events is one line and then counts', async (t: TestContext) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const lines: Record<string, unknown>[] = []
  const floods = createFloods((event, details) => lines.push({ event, ...details }))
  for (let second = 0; second < 120; second++) {
    for (let index = 0; index < 1000; index++) floods.refused('busy', { index })
    t.mock.timers.tick(1000)
  }
  floods.close()
  assert.equal(
    lines.reduce((total, { count }) => total + Number(count), 0),
    120_000,
    'each is counted once',
  )
  assert.ok(lines.length <= 9, `${lines.length}`)
  t.mock.timers.tick(60_000)
  for (let index = 0; index < 1000; index++) floods.refused(`kind ${index}`, {})
  assert.ok(lines.length < 250)
})
