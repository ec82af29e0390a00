/** What no client of good will sends: on real sockets, where an HTTP library would have refused to send it. */
import assert from 'node:assert/strict'
import { connect, type AddressInfo } from 'node:net'
import { test } from 'node:test'
import { deflateSync, gzipSync } from 'node:zlib'
import { NO_CONTENT } from '../../src/http/answer.ts'
import { loadSettings } from '../../src/config.ts'
import type { ServerContext } from '../../src/http/context.ts'
import type { Route } from '../../src/http/route.ts'
import { createHttpServer } from '../../src/http/server.ts'
import { call, raw, rawRequest, startTestServer, statusOf, type Answer, type TestServer } from './harness.ts'

const post = (server: TestServer, body: string | Buffer, headers: Readonly<Record<string, string>> = {}) =>
  call(server, 'POST', '/v1/lake/namespaces', { body, headers })

const isError = (json: Answer['json'], status: number): void => {
  assert.equal(json?.error?.code, status)
  assert.equal(typeof json.error.message, 'string')
  assert.equal(typeof json.error.type, 'string')
  assert.equal(json.error.stack, undefined)
}

test('paths: splitting, decoding, what is no path', async (t) => {
  const server = await startTestServer(t)
  const wanted: Record<string, number> = {
    '/v1/lake/namespaces/%': 400,
    '/v1/lake/namespaces/%zz': 400,
    '/v1/lake/namespaces/%C3%28': 400,
    '/v1/lake/namespaces/a%00b': 400,
    '/v1/lake/namespaces/%1F': 400,
    '/v1/lake/namespaces/a%1F%1Fb': 400,
    '/v1/lake/namespaces/a%2Fb': 404,
    '/v1/lake/namespaces/a%1fb': 404,
    '/v1/%zz/namespaces': 400,
    '/v1/lake%40dev/namespaces': 404,
    '/v1/lake%40main/namespaces': 200,
    '/v1/lake~main/namespaces': 200,
    '/v1/lake/namespaces/': 404,
    '/v1//namespaces': 404,
    '/v1/lake/../lake/namespaces': 404,
    '/v1/lake/%6eamespaces': 404,
    '/v1/lake/namespaces;x': 404,
    '/V1/config': 404,
    '/v1/lake/namespaces?pageSize=1&pageSize=2': 400,
    '/v1/lake/namespaces?pageSize=-1': 400,
    '/v1/lake/namespaces?pageSize[]=3': 200,
    '/v1/lake/namespaces?pageToken=forged': 400,
    '/v1/lake/namespaces?parent=%zz': 400,
    '/v1/config?warehouse=__proto__': 404,
    '/v1/constructor/namespaces': 404,
    '/api/v1/catalogs/__proto__': 404,
    '/api/v1/warehouses/constructor': 404,
  }
  for (const [path, status] of Object.entries(wanted)) {
    const answer = await rawRequest(server, `GET ${path} HTTP/1.1`)
    assert.equal(statusOf(answer), status, `${path}: ${answer}`)
  }
})

test('plus is a space, as Java encodes it, and %2B is a plus', async (t) => {
  const server = await startTestServer(t)
  assert.equal((await post(server, JSON.stringify({ namespace: ['a b'] }))).status, 200)
  assert.equal((await post(server, JSON.stringify({ namespace: ['a b', 'c+d/e%'] }))).status, 200)
  assert.equal(statusOf(await rawRequest(server, 'GET /v1/lake/namespaces/a+b HTTP/1.1')), 200)
  assert.equal(statusOf(await rawRequest(server, 'GET /v1/lake/namespaces/a%20b%1Fc%2Bd%2fe%25 HTTP/1.1')), 200)
  assert.equal(statusOf(await rawRequest(server, 'GET /v1/lake/namespaces/a%2Bb HTTP/1.1')), 404)
  const listed = await call(server, 'GET', '/v1/lake/namespaces?parent=a+b')
  assert.deepEqual(listed.json.namespaces, [['a b', 'c+d/e%']])
})

test('methods: only those of the route, and no others by any header', async (t) => {
  const server = await startTestServer(t)
  const wrong = await call(server, 'PUT', '/v1/lake/namespaces')
  assert.equal(wrong.status, 405)
  assert.equal(wrong.headers.get('allow'), 'GET, HEAD, OPTIONS, POST')
  isError(wrong.json, 405)
  const spoofed = await call(server, 'GET', '/v1/lake/namespaces', {
    headers: { 'X-HTTP-Method-Override': 'DELETE', 'X-Original-URL': '/x' },
  })
  assert.equal(spoofed.status, 200)
  assert.equal(statusOf(await rawRequest(server, 'get /v1/config HTTP/1.1')), 400)
  assert.equal(statusOf(await rawRequest(server, 'TRACE /v1/config HTTP/1.1')), 405)
})

test('what is no HTTP gets an answer in the shape of the others', async (t) => {
  const server = await startTestServer(t)
  const broken = [
    'GARBAGE\r\n\r\n',
    'GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n',
    'POST /v1/lake/namespaces HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    'POST /v1/lake/namespaces HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n',
    'GET / HTTP/1.1\r\nHost: a\r\nX: \x01\r\n\r\n',
    'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n',
    'GET /v1/config HTTP/1.1\r\n\r\n',
  ]
  for (const bytes of broken) {
    const answer = await raw(server.port, bytes, (text) => text.includes('\r\n\r\n'))
    // Who asks is known before the body is looked at.
    assert.ok([400, 401, 404].includes(statusOf(answer)), `${JSON.stringify(bytes)}: ${answer}`)
  }
  const large = await raw(server.port, `GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(100_000)}\r\n\r\n`, (text) =>
    text.includes('}'),
  )
  assert.equal(statusOf(large), 431)
  assert.match(large, /"code":431/)
})

test('bodies: sizes, encodings, bombs', async (t) => {
  const server = await startTestServer(t, { PANGOLIN_MAX_BODY_BYTES: '20000' })
  const body = (name: string): string => JSON.stringify({ namespace: [name], properties: {} })
  assert.equal((await post(server, gzipSync(body('zipped')), { 'content-encoding': 'gzip' })).status, 200)
  assert.equal((await post(server, deflateSync(body('deflated')), { 'content-encoding': 'Deflate' })).status, 200)
  assert.equal((await post(server, body('plain'), { 'content-encoding': 'identity', 'content-type': 'text/plain' })).status, 200)
  for (const encoding of ['br', 'zstd', 'gzip, gzip', 'gzip;q=1', 'chunked']) {
    const refused = await post(server, gzipSync(body('x')), { 'content-encoding': encoding })
    assert.equal(refused.status, 415, encoding)
    isError(refused.json, 415)
  }
  isError((await post(server, 'not gzip', { 'content-encoding': 'gzip' })).json, 400)
  isError((await post(server, gzipSync(body('cut')).subarray(0, 20), { 'content-encoding': 'gzip' })).json, 400)
  isError((await post(server, gzipSync(Buffer.alloc(50_000_000)), { 'content-encoding': 'gzip' })).json, 413)
  isError((await post(server, 'x'.repeat(20_001))).json, 413)
  const chunked = `POST /v1/lake/namespaces HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${server.token}\r\nTransfer-Encoding: chunked\r\n\r\n`
  const endless = await raw(server.port, `${chunked}${`3e8\r\n${'y'.repeat(1000)}\r\n`.repeat(30)}`, (text) => text.includes('}'))
  assert.equal(statusOf(endless), 413)
  const expecting = await raw(
    server.port,
    `POST /v1/lake/namespaces HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${server.token}\r\nContent-Length: 999999\r\nExpect: 100-continue\r\n\r\n`,
    (text) => text.includes('}'),
  )
  assert.equal(statusOf(expecting), 413, 'refused before it is sent')
  assert.deepEqual((await call(server, 'GET', '/v1/lake/namespaces')).json.namespaces, [
    ['default'],
    ['deflated'],
    ['plain'],
    ['zipped'],
  ])
})

test('a client that waits to be told to go on is told', async (t) => {
  const server = await startTestServer(t)
  const body = '{"namespace":["waited"]}'
  const head = `POST /v1/lake/namespaces HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${server.token}\r\nContent-Length: ${body.length}\r\nExpect: 100-continue\r\n\r\n`
  const answer = await raw(server.port, `${head}${body}`, (text) => text.includes('}'))
  assert.match(answer, /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK/)
})

test('JSON: what is none, what is ambiguous, what is too deep', async (t) => {
  const server = await startTestServer(t)
  const bodies = [
    '',
    '{',
    '{"namespace":["a"]} x',
    '{"namespace":["a"],"namespace":["b"]}',
    '[]',
    'null',
    '"a"',
    '7',
    'NaN',
    "{'namespace':['a']}",
    '\uFEFF{"namespace":["a"]}',
    '{"namespace":["a\\ud800"]}',
    '{"namespace":[]}',
    '{"namespace":[""]}',
    '{"namespace":["a\\u001fb"]}',
    '{"namespace":"a"}',
    '{"namespace":["a"],"properties":{"k":1}}',
    '{"namespace":[null]}',
    `{"namespace":["${'n'.repeat(300)}"]}`,
    `{"namespace":${JSON.stringify(Array(40).fill('n'))}}`,
    `${'['.repeat(100_000)}`,
    `{"a":`.repeat(100_000),
    `{"namespace":["a"],"x":${'['.repeat(5000)}${']'.repeat(5000)}}`,
  ]
  for (const body of bodies) {
    const answer = await post(server, body)
    assert.equal(answer.status, 400, body.slice(0, 80))
    isError(answer.json, 400)
  }
  const keys = Array.from({ length: 100_001 }, (_, n) => `"k${n}":"v"`).join(',')
  isError((await post(server, `{"namespace":["a"],"properties":{${keys}}}`)).json, 400)
  isError((await post(server, `{"namespace":["a"],"x":[${'1,'.repeat(1_000_000)}1]}`)).json, 400)
  isError((await post(server, Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]))).json, 400)
  assert.deepEqual((await call(server, 'GET', '/v1/lake/namespaces')).json.namespaces, [['default']])
})

test('more than anybody sends in one request is refused, and says how much would be accepted', async (t) => {
  const server = await startTestServer(t)
  await post(server, '{"namespace":["n"]}')
  await call(server, 'POST', '/v1/lake/namespaces/n/tables', { body: { name: 't', schema: { type: 'struct', fields: [] } } })
  const update = { action: 'set-properties', updates: { a: 'b' } }
  const many = <T>(count: number, item: T): T[] => Array.from({ length: count }, () => item)
  const table = '/v1/lake/namespaces/n/tables/t'
  const transaction = '/v1/lake/transactions/commit'
  const change = { identifier: { namespace: ['n'], name: 't' }, requirements: [], updates: [] }
  const floods: [string, unknown, RegExp][] = [
    [table, { requirements: [], updates: many(50_000, update) }, /\/updates must not have more than 10000 items/],
    [table, { requirements: many(50_000, { type: 'assert-create' }), updates: [] }, /requirements must not have more than/],
    [table, { requirements: [], updates: many(1001, { action: 'add-schema', schema: {} }) }, /expected at most 1000|Invalid/],
    [transaction, { 'table-changes': many(100_000, change) }, /table-changes must not have more than 1000 items/],
    [transaction, { 'table-changes': many(2, change) }, /in table-changes twice/],
    ['/v1/lake/namespaces/n/properties', { removals: many(50_000, 'a') }, /removals must not have more than 10000 items/],
  ]
  for (const [path, body, message] of floods) {
    const answer = await call(server, 'POST', path, { body })
    assert.equal(answer.status, 400, answer.text)
    assert.match(answer.json.error.message, message)
  }
  assert.equal((await call(server, 'GET', table)).json.metadata.properties.a, undefined)
})

test('names that mean something to JavaScript are names', async (t) => {
  const server = await startTestServer(t)
  for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
    const body = `{"namespace":["${name}"],"properties":{"__proto__":"p","constructor":"c"}}`
    assert.equal((await post(server, body)).status, 200, name)
    const loaded = await call(server, 'GET', `/v1/lake/namespaces/${name}`)
    assert.match(loaded.text, /"__proto__":"p"/)
    assert.match(loaded.text, /"constructor":"c"/)
    assert.equal((await call(server, 'HEAD', `/v1/lake/namespaces/${name}/tables/${name}`)).status, 404)
  }
  assert.equal(({} as Record<string, unknown>)['p'], undefined)
})

test('slow senders are cut off', async (t) => {
  const server = await startTestServer(t, { PANGOLIN_REQUEST_TIMEOUT_SECS: '1' })
  const headers = await raw(server.port, 'GET /v1/config HTTP/1.1\r\nHost: a\r\n', (text) => text.includes('}'))
  assert.equal(statusOf(headers), 408)
  const head = `POST /v1/lake/namespaces HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${server.token}\r\nContent-Length: 100\r\n\r\n`
  const body = await raw(server.port, `${head}{"name`, (text) => text.includes('}'))
  assert.equal(statusOf(body), 408)
  assert.match(body, /RequestTimeoutException/)
})

test('64-bit integers are exact from socket to socket', async (t) => {
  const server = await startTestServer(t)
  await post(server, '{"namespace":["n"]}')
  const fields = '[{"id":1,"name":"a","type":"long","required":false}]'
  const created = await call(server, 'POST', '/v1/lake/namespaces/n/tables', {
    body: `{"name":"t","schema":{"type":"struct","schema-id":0,"fields":${fields}},"properties":{"format-version":"2"}}`,
  })
  assert.equal(created.status, 200, created.text)
  const { location } = created.json.metadata as { location: string }
  const ids = ['9223372036854775807', '9007199254740993', '1']
  for (const [index, id] of ids.entries()) {
    const snapshot =
      `{"snapshot-id":${id},"sequence-number":${index + 1},"timestamp-ms":${Date.now()},"schema-id":0,` +
      `"manifest-list":"${location}/metadata/${id}.avro","summary":{"operation":"append"}}`
    const updates = `[{"action":"add-snapshot","snapshot":${snapshot}},{"action":"set-snapshot-ref","ref-name":"r${index}","type":"tag","snapshot-id":${id},"max-ref-age-ms":9223372036854775807}]`
    const committed = await call(server, 'POST', '/v1/lake/namespaces/n/tables/t', {
      body: `{"requirements":[],"updates":${updates}}`,
    })
    assert.equal(committed.status, 200, committed.text)
    assert.match(committed.text, new RegExp(`"snapshot-id":${id}[,}]`))
  }
  const loaded = await rawRequest(server, 'GET /v1/lake/namespaces/n/tables/t HTTP/1.1')
  for (const id of ids) assert.match(loaded, new RegExp(`"snapshot-id":${id}[,}]`), id)
  assert.match(loaded, /"max-ref-age-ms":9223372036854775807/)
  const report =
    '{"report-type":"scan-report","table-name":"t","snapshot-id":9223372036854775807,"filter":true,"schema-id":0,"projected-field-ids":[],"projected-field-names":[],"metrics":{}}'
  assert.equal((await call(server, 'POST', '/v1/lake/namespaces/n/tables/t/metrics', { body: report })).status, 204)
  const kept = await call(server, 'GET', '/api/v1/catalogs/lake/namespaces/n/tables/t/metrics')
  assert.match(kept.text, /"snapshot-id":9223372036854775807/)
  for (const wrong of ['1e19', '9223372036854775808', '"123"', '1.5', '-1', 'null']) {
    const updates = `[{"action":"set-snapshot-ref","ref-name":"x","type":"tag","snapshot-id":${wrong}}]`
    const refused = await call(server, 'POST', '/v1/lake/namespaces/n/tables/t', {
      body: `{"requirements":[],"updates":${updates}}`,
    })
    assert.equal(refused.status, 400, `${wrong}: ${refused.text}`)
  }
})

test('a client that breaks off during a commit: all of it or nothing, and the server lives', async (t) => {
  const server = await startTestServer(t)
  await post(server, '{"namespace":["n"]}')
  await call(server, 'POST', '/v1/lake/namespaces/n/tables', {
    body: { name: 't', schema: { type: 'struct', 'schema-id': 0, fields: [] } },
  })
  const body = (value: number): string =>
    `{"requirements":[],"updates":[{"action":"set-properties","updates":{"a":"${value}","b":"${value}"}}]}`
  for (let value = 0; value < 20; value++) {
    const text = body(value)
    const head = `POST /v1/lake/namespaces/n/tables/t HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${server.token}\r\nContent-Length: ${text.length}\r\n\r\n`
    await new Promise<void>((resolve) => {
      const socket = connect(server.port, '127.0.0.1', () =>
        socket.write(value % 2 === 0 ? `${head}${text}` : `${head}${text.slice(0, -1)}`),
      )
      socket.on('error', () => undefined)
      socket.on('close', () => resolve())
      setTimeout(() => socket.destroy(), value % 7)
    })
  }
  const { properties } = (await call(server, 'GET', '/v1/lake/namespaces/n/tables/t')).json.metadata as {
    properties: Record<string, string>
  }
  assert.equal(properties['a'], properties['b'])
  assert.ok(properties['a'] === undefined || Number(properties['a']) % 2 === 0, 'a body that was cut off was never carried out')
  assert.ok(!server.log.some((line) => line.includes('request failed')), server.log.join(''))
})

test('pipelined requests are answered in their order', async (t) => {
  const server = await startTestServer(t)
  const get = (path: string, close = ''): string =>
    `GET ${path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${server.token}\r\n${close}\r\n`
  const answer = await raw(
    server.port,
    get('/v1/lake/namespaces') + get('/nothing') + get('/health/live', 'Connection: close\r\n'),
  )
  assert.deepEqual(
    [...answer.matchAll(/HTTP\/1\.1 (\d+)/g)].map((match) => match[1]),
    ['200', '404', '200'],
  )
})

test('forged page tokens', async (t) => {
  const server = await startTestServer(t)
  for (const name of ['a', 'b', 'c']) await post(server, JSON.stringify({ namespace: [name] }))
  const first = await call(server, 'GET', '/v1/lake/namespaces?pageToken=&pageSize=1')
  const token = first.json['next-page-token'] as string
  assert.equal(typeof token, 'string')
  const second = await call(server, 'GET', `/v1/lake/namespaces?pageToken=${encodeURIComponent(token)}&pageSize=1`)
  assert.deepEqual(second.json.namespaces, [['b']])
  const turned = token.slice(0, -2) + (token.endsWith('A') ? 'B' : 'A') + token.at(-1)
  for (const forged of [turned, `${token}x`, token.slice(1), 'AAAA', '%00', 'x'.repeat(9000)]) {
    assert.equal(
      (await call(server, 'GET', `/v1/lake/namespaces?pageToken=${encodeURIComponent(forged)}`)).status,
      400,
      forged.slice(0, 40),
    )
  }
  const elsewhere = await call(server, 'GET', `/v1/lake/namespaces/a/tables?pageToken=${encodeURIComponent(token)}`)
  assert.equal(elsewhere.status, 400, 'a token of another listing')
})

test('an error in the midst of answering ends that connection and nothing else', async (t) => {
  let failures = 0
  const context = {
    limits: loadSettings({}),
    authenticator: {},
    corsAllowedOrigins: [],
    state: { draining: false },
    log: () => {
      if (failures++ === 0) throw new Error('the log is full')
    },
  } as unknown as ServerContext
  const route = (template: string, handler: Route['handler']): Route => ({
    method: 'GET',
    template,
    operationId: template,
    action: 'public',
    handler,
  })
  const broken = route('/broken', () => Promise.reject(new Error('a bug')))
  const { server, close } = createHttpServer(context, [broken, route('/fine', () => Promise.resolve(NO_CONTENT))])
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => close(0))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  await assert.rejects(fetch(`${url}/broken`))
  assert.equal(failures, 2)
  assert.equal((await fetch(`${url}/fine`)).status, 204)
  const again = await fetch(`${url}/broken`)
  assert.equal(again.status, 500)
  isError(await again.json(), 500)
})
