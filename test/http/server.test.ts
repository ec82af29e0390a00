import assert from 'node:assert/strict'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { loadSettings } from '../../src/config.ts'
import { NO_CONTENT } from '../../src/http/answer.ts'
import type { ServerContext } from '../../src/http/context.ts'
import type { Method, Route } from '../../src/http/route.ts'
import { createHttpServer } from '../../src/http/server.ts'
import { endpoints, routes } from '../../src/http/routes/index.ts'
import { mountings } from '../../src/http/router.ts'
import { call, raw, rawRequest, startTestServer, statusOf } from './harness.ts'

const fill = (template: string): string =>
  template
    .replaceAll('{prefix}', 'lake')
    .replaceAll('{catalog}', 'lake')
    .replaceAll(/\{\w+\}/g, 'x')
const schema = { type: 'struct', 'schema-id': 0, fields: [{ id: 1, name: 'a', type: 'long', required: false }] }

test('every route but the public ones asks for a credential, in every form of its path', async (t) => {
  const server = await startTestServer(t)
  const open: string[] = []
  for (const route of routes) {
    for (const template of mountings(route.template)) {
      if (route.action === 'public') {
        open.push(`${route.method} ${template}`)
        continue
      }
      for (const token of [null, 'None', `pgl_${'a'.repeat(12)}_${'b'.repeat(48)}`]) {
        const answer = await call(server, route.method, fill(template), {
          token,
          ...(route.body === undefined ? {} : { body: '{}' }),
        })
        assert.equal(answer.status, 401, `${route.method} ${template}`)
        assert.match(answer.headers.get('www-authenticate') ?? '', /^Bearer/)
        if (route.method !== 'HEAD') assert.equal(answer.json.error.type, 'NotAuthorizedException')
      }
    }
  }
  assert.deepEqual(open.toSorted(), [
    'GET /api/v1/app-config',
    'GET /health',
    'GET /health/live',
    'GET /health/ready',
    'POST /api/v1/users/login',
    'POST /v1/oauth/tokens',
    'POST /v1/{catalog}/oauth/tokens',
    'POST /v1/{catalog}/v1/oauth/tokens',
  ])
})

/** Sent by POST because they have a body: nothing is another afterwards. */
const CHANGELESS = ['reportMetrics', 'signRequest', 'signS3Request', 'signS3RequestAnywhere', 'testNewWarehouse', 'testWarehouse']

test('every route is reached by its method and path, and every change is one', () => {
  assert.equal(new Set(routes.map(({ operationId }) => operationId)).size, routes.length)
  for (const { method, mutation, action, operationId } of routes) {
    const changes = method !== 'GET' && method !== 'HEAD'
    if (action === 'public') continue
    assert.equal(mutation === true, changes && !CHANGELESS.includes(operationId), operationId)
  }
  assert.ok(endpoints.every((endpoint) => /^(GET|HEAD|POST|DELETE) \/v1\/\{prefix\}\//.test(endpoint)))
})

test('the configuration: what it must hold, which catalog it means', async (t) => {
  const server = await startTestServer(t)
  const config = await call(server, 'GET', '/v1/config?warehouse=lake')
  assert.deepEqual(config.json.overrides, { prefix: 'lake' })
  assert.deepEqual(config.json.defaults, {})
  assert.deepEqual(config.json.endpoints, endpoints)
  assert.match(config.json['idempotency-key-lifetime'], /^PT/)
  assert.deepEqual((await call(server, 'GET', '/v1/config')).json.overrides, { prefix: 'lake' })
  assert.deepEqual((await call(server, 'GET', '/v1/config?warehouse=')).json.overrides, { prefix: 'lake' })
  assert.deepEqual((await call(server, 'GET', '/v1/config?warehouse=lake@main')).json.overrides, { prefix: 'lake' })
  for (const doubled of ['/v1/lake/v1/config', '/v1/lake/config', '/v1/lake/v1/config?warehouse=lake']) {
    assert.deepEqual((await call(server, 'GET', doubled)).json.overrides, {}, doubled)
  }
  for (const unknown of [
    '/v1/config?warehouse=sea',
    '/v1/config?warehouse=lake@dev',
    '/v1/config?warehouse=lake~dev',
    '/v1/sea/v1/config',
    '/v1/lake/v1/config?warehouse=sea',
  ]) {
    const refused = await call(server, 'GET', unknown)
    assert.deepEqual([refused.status, refused.json.error.type], [404, 'NoSuchWarehouseException'], unknown)
  }
})

test('a client that writes its URL in lower case finds its catalog, where that is no other one', async (t) => {
  const server = await startTestServer(t)
  const create = (name: string) => call(server, 'POST', '/api/v1/catalogs', { body: { name, warehouse_name: 'local' } })
  const config = async (path: string) => (await call(server, 'GET', path)).status
  assert.equal((await create('Sales')).status, 201)
  assert.equal(await config('/v1/sales/v1/config?warehouse=Sales'), 200)
  assert.equal(await config('/v1/sales/v1/namespaces'), 200)
  assert.equal(await config('/v1/SALES/v1/config'), 404)
  const two = await call(server, 'GET', '/v1/lake/v1/config?warehouse=Sales')
  assert.deepEqual([two.status, two.json.error.type], [400, 'BadRequestException'])
  assert.match(two.json.error.message, /names the catalog lake, the warehouse is Sales/)
  assert.equal((await create('SALES')).status, 201)
  assert.equal(await config('/v1/sales/v1/config'), 404, 'two that it could be')
  assert.equal((await create('sales')).status, 201)
  const own = await call(server, 'GET', '/v1/config?warehouse=sales')
  assert.deepEqual(own.json.overrides, { prefix: 'sales' })
})

test('a table through every form of the path; ETag, 304, HEAD', async (t) => {
  const server = await startTestServer(t)
  await call(server, 'POST', '/v1/lake/v1/namespaces', { body: { namespace: ['n'] } })
  await call(server, 'POST', '/v1/lake/v1/lake/namespaces/n/tables', { body: { name: 't', schema } })
  const path = '/v1/lake/namespaces/n/tables/t'
  const loaded = await call(server, 'GET', path)
  const etag = loaded.headers.get('etag')!
  assert.equal(loaded.status, 200)
  assert.ok(etag)
  for (const tag of [etag, `W/${etag}`, `"other", ${etag}`, '*', etag.replace(/"$/, '--gzip"')]) {
    const unchanged = await call(server, 'GET', path, { headers: { 'if-none-match': tag } })
    assert.deepEqual([unchanged.status, unchanged.text], [304, ''], tag)
  }
  assert.equal((await call(server, 'GET', path, { headers: { 'if-none-match': '"other"' } })).status, 200)
  const refs = await call(server, 'GET', `${path}?snapshots=refs`)
  assert.notEqual(refs.headers.get('etag'), etag)
  assert.equal((await call(server, 'GET', `${path}?snapshots=some`)).status, 400)
  assert.equal((await call(server, 'HEAD', path)).status, 204)
  const missing = await rawRequest(server, 'HEAD /v1/lake/namespaces/n/tables/u HTTP/1.1')
  assert.equal(statusOf(missing), 404)
  assert.ok(missing.endsWith('\r\n\r\n'), 'no body')
  const commit = { requirements: [], updates: [{ action: 'set-properties', updates: { k: 'v' } }] }
  const committed = await call(server, 'POST', path, { body: commit })
  assert.equal(committed.status, 200)
  assert.equal((await call(server, 'GET', path, { headers: { 'if-none-match': etag } })).status, 200)
  assert.equal((await call(server, 'GET', path)).headers.get('etag'), committed.headers.get('etag'))
})

test('compressed answers: the same document, only where it was asked', async (t) => {
  const server = await startTestServer(t)
  await call(server, 'POST', '/v1/lake/namespaces', { body: { namespace: ['n'] } })
  const properties = { comment: 'x'.repeat(5000) }
  await call(server, 'POST', '/v1/lake/namespaces/n/tables', { body: { name: 't', schema, properties } })
  const path = 'GET /v1/lake/namespaces/n/tables/t HTTP/1.1'
  const body = (answer: string): Buffer => Buffer.from(answer.slice(answer.indexOf('\r\n\r\n') + 4), 'latin1')
  const plain = await rawRequest(server, path)
  for (let round = 0; round < 2; round++) {
    const zipped = await rawRequest(server, path, ['Accept-Encoding: br;q=1, gzip, deflate'])
    assert.match(zipped, /\r\nContent-Encoding: gzip\r\n/)
    assert.match(zipped, /\r\nVary: Accept-Encoding\r\n/)
    assert.equal(gunzipSync(body(zipped)).toString('latin1'), body(plain).toString('latin1'))
  }
  for (const header of ['identity', 'gzip;q=0', 'gzip; q=0.0, br', 'deflate']) {
    assert.doesNotMatch(await rawRequest(server, path, [`Accept-Encoding: ${header}`]), /Content-Encoding/, header)
  }
  const etag = /\r\nETag: (.*)\r\n/.exec(plain)![1]!
  const unchanged = await rawRequest(server, path, ['Accept-Encoding: gzip', `If-None-Match: ${etag}`])
  assert.equal(statusOf(unchanged), 304)
})

test("request ids: the client's own where harmless, in the answer and in the log", async (t) => {
  const server = await startTestServer(t)
  const id = async (own: string): Promise<string | null> =>
    (await call(server, 'GET', '/health/live', { headers: { 'x-request-id': own } })).headers.get('x-request-id')
  assert.equal(await id('trace-1:2/3'), 'trace-1:2/3')
  assert.equal(await id('<script>'), null)
  assert.equal(await id('x'.repeat(200)), null)
  assert.equal(await id('a b'), null)
  const refused = await call(server, 'GET', '/v1/config', { token: 'none', headers: { 'x-request-id': 'a b' } })
  assert.match(refused.headers.get('x-request-id')!, /^[0-9a-f]{12}-/, 'an error has one, by which it is found in the log')
})

test('pages of other origins: refused by default, allowed by name, told apart by Vary', async (t) => {
  const strict = await startTestServer(t)
  const open = await startTestServer(t, { PANGOLIN_CORS_ALLOWED_ORIGINS: 'https://console.example, https://b.example' })
  const origin = { origin: 'https://console.example' }
  const refused = await call(strict, 'GET', '/v1/config', { headers: origin })
  assert.equal(refused.headers.get('access-control-allow-origin'), null)
  const allowed = await call(open, 'GET', '/v1/config', { headers: origin })
  assert.equal(allowed.headers.get('access-control-allow-origin'), 'https://console.example')
  assert.match(allowed.headers.get('vary') ?? '', /Origin/)
  assert.equal(allowed.headers.get('access-control-allow-credentials'), null)
  const preflight = await call(open, 'OPTIONS', '/v1/lake/namespaces', {
    token: null,
    headers: { ...origin, 'access-control-request-method': 'POST' },
  })
  assert.equal(preflight.status, 204)
  assert.match(preflight.headers.get('access-control-allow-methods') ?? '', /POST/)
  assert.match(preflight.headers.get('access-control-allow-headers') ?? '', /Idempotency-Key/)
  const other = await call(open, 'GET', '/v1/config', { headers: { origin: 'https://console.example.evil' } })
  assert.equal(other.headers.get('access-control-allow-origin'), null)
  assert.equal((await call(open, 'OPTIONS', '/nothing', { token: null })).status, 404)
})

test('without authentication: every client is let in, no page of another origin is', async (t) => {
  const server = await startTestServer(t, { PANGOLIN_NO_AUTH: 'true' })
  for (const token of [null, 'None', 'wrong']) assert.equal((await call(server, 'GET', '/v1/config', { token })).status, 200)
  assert.deepEqual((await call(server, 'GET', '/api/v1/app-config', { token: null })).json, {
    auth_enabled: false,
    base_url: server.url,
  })
  const foreign = await call(server, 'POST', '/v1/lake/namespaces', {
    token: null,
    headers: { origin: 'https://evil.example' },
    body: '{"namespace":["x"]}',
  })
  assert.equal(foreign.status, 403)
  const rebound = await rawRequest(server, 'GET /v1/lake/namespaces HTTP/1.1')
  assert.equal(statusOf(rebound), 200)
  const answer = await raw(server.port, 'GET /v1/lake/namespaces HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n')
  assert.equal(statusOf(answer), 403)
  const token = await call(server, 'POST', '/v1/oauth/tokens', {
    token: null,
    body: 'grant_type=client_credentials&client_secret=x',
  })
  assert.equal(token.status, 200)
})

test('headers that claim another tenant, another address or another host change nothing', async (t) => {
  const server = await startTestServer(t)
  const headers = {
    'X-Pangolin-Tenant': '11111111-1111-1111-1111-111111111111',
    'X-Tenant': 'x',
    'X-Forwarded-For': '1.2.3.4',
    'X-Forwarded-Host': 'evil',
    Forwarded: 'for=1.2.3.4',
  }
  const answer = await call(server, 'GET', '/api/v1/catalogs', { headers })
  assert.deepEqual(
    answer.json.map((catalog: { name: string }) => catalog.name),
    ['lake'],
  )
})

test('idempotency keys: the same answer once more, bound to the request, well formed', async (t) => {
  const server = await startTestServer(t)
  const key = '017f22e2-79b0-7cc3-98c4-dc0c0c07398f'
  const create = (name: string, idempotency: string) =>
    call(server, 'POST', '/v1/lake/namespaces', { body: { namespace: [name] }, headers: { 'Idempotency-Key': idempotency } })
  assert.equal((await create('a', key)).status, 200)
  assert.equal((await create('a', key)).status, 200, 'not 409: it is the same request')
  assert.equal((await create('a', key.toUpperCase())).status, 200)
  assert.ok([409, 422].includes((await create('b', key)).status), 'another body')
  assert.equal((await create('c', '017f22e2-79b0-4cc3-98c4-dc0c0c07398f')).status, 400, 'version 4')
  assert.equal((await create('c', 'mine')).status, 400)
  assert.deepEqual((await call(server, 'GET', '/v1/lake/namespaces')).json.namespaces, [['a'], ['default']])
})

test('too much at once is refused in a way that clients try again; no caller takes all', async (t) => {
  const limits = loadSettings({ PANGOLIN_MAX_CONCURRENT_REQUESTS: '4', PANGOLIN_REQUEST_TIMEOUT_SECS: '1' })
  const waiting: (() => void)[] = []
  const principal = (id: string) => ({ id, name: id, tenantId: 't', role: 'tenant-admin' as const })
  const lines: string[] = []
  const context = {
    limits,
    authenticator: {
      authenticate: ({ authorization = '' }) => Promise.resolve(principal(authorization.replace('Bearer ', ''))),
    },
    corsAllowedOrigins: [],
    state: { draining: false },
    log: (event: string, details: object) => lines.push(JSON.stringify({ event, ...details })),
  } as unknown as ServerContext
  const route = (method: Method, template: string): Route => ({
    method,
    template,
    operationId: template,
    action: 'table.list',
    mutation: method === 'POST',
    handler: () => new Promise((resolve) => waiting.push(() => resolve(NO_CONTENT))),
  })
  const { server, close } = createHttpServer(context, [route('GET', '/read'), route('POST', '/change')])
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => close(0))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const ask = (as: string, method = 'GET', path = '/read') =>
    fetch(`${url}${path}`, { method, headers: { authorization: `Bearer ${as}` } })
  const first = Array.from({ length: 3 }, () => ask('a'))
  while (waiting.length < 3) await new Promise((resolve) => setTimeout(resolve, 5))
  const read = await ask('a')
  assert.deepEqual([read.status, read.headers.get('retry-after')], [503, '1'])
  const change = await ask('a', 'POST', '/change')
  assert.deepEqual([change.status, change.headers.get('retry-after')], [429, '1'])
  const other = ask('b')
  while (waiting.length < 4) await new Promise((resolve) => setTimeout(resolve, 5))
  assert.equal((await ask('c')).status, 503, 'full')
  // What was answered as overdue is still under way.
  for (const answer of await Promise.all([...first, other])) assert.equal(answer.status, 503)
  assert.equal((await ask('c')).status, 503)
  for (const finish of waiting.splice(0)) finish()
  await new Promise((resolve) => setTimeout(resolve, 20))
  const again = ask('c')
  while (waiting.length < 1) await new Promise((resolve) => setTimeout(resolve, 5))
  waiting[0]!()
  assert.equal((await again).status, 204)
  assert.ok(!lines.some((line) => line.includes('stack') && line.includes('busy')), 'no stack of what was refused by design')
})
