import assert from 'node:assert/strict'
import { test } from 'node:test'
import { call, startTestServer, type TestServer } from './harness.ts'

const token = (
  server: TestServer,
  form: Readonly<Record<string, string>>,
  headers: Readonly<Record<string, string>> = {},
  path = '/v1/oauth/tokens',
) =>
  call(server, 'POST', path, {
    token: null,
    body: new URLSearchParams(form).toString(),
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
  })
const basic = (id: string, secret: string) => ({ authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}` })

test('client credentials, in every way that clients send them', async (t) => {
  const server = await startTestServer(t)
  const grant_type = 'client_credentials'
  const [, id = '', secret = ''] = server.token.split('_')
  const ways: [Record<string, string>, Record<string, string>?, string?][] = [
    [{ grant_type, client_id: server.username, client_secret: server.password, scope: 'catalog' }],
    [{ grant_type, client_id: id, client_secret: secret, scope: 'PRINCIPAL_ROLE:ALL' }],
    [{ grant_type, client_id: 'anything', client_secret: server.token }],
    [{ grant_type, client_secret: server.token }],
    [{ grant_type }, basic(server.username, server.password)],
    [{ grant_type, client_id: server.username, client_secret: server.password }, {}, '/v1/lake/v1/oauth/tokens'],
    [{ grant_type, client_id: server.username, client_secret: server.password }, {}, '/v1/lake/oauth/tokens'],
  ]
  for (const [form, headers, path] of ways) {
    const granted = await token(server, form, headers, path)
    assert.equal(granted.status, 200, JSON.stringify(form))
    assert.equal(granted.json.token_type, 'bearer')
    assert.equal(granted.json.expires_in, 3600)
    assert.equal(granted.json.scope, form['scope'])
    assert.equal(granted.headers.get('cache-control'), 'no-store')
    assert.equal((await call(server, 'GET', '/v1/config', { token: granted.json.access_token as string })).status, 200)
  }
})

test('a token is exchanged for a new one', async (t) => {
  const server = await startTestServer(t)
  const exchange = {
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
  }
  const first = await token(server, { ...exchange, subject_token: server.token })
  const second = await token(server, { ...exchange, subject_token: first.json.access_token as string })
  assert.equal(second.status, 200)
  assert.equal(second.json.issued_token_type, exchange.subject_token_type)
  assert.equal((await call(server, 'GET', '/v1/config', { token: second.json.access_token as string })).status, 200)
  const forged = await token(server, { ...exchange, subject_token: `${first.json.access_token as string}x` })
  assert.deepEqual([forged.status, forged.json.error], [401, 'invalid_grant'])
})

test('a client that slept through the end of its token renews it with its credentials', async (t) => {
  // What the Java client sends then: an exchange of the expired token, with its credentials in the header.
  const server = await startTestServer(t)
  const [header, payload, signature] = (
    await token(server, { grant_type: 'client_credentials', client_id: server.username, client_secret: server.password })
  ).json.access_token.split('.')
  const expired = { ...JSON.parse(Buffer.from(payload, 'base64url').toString()), exp: 1 }
  const form = {
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    subject_token: `${header}.${Buffer.from(JSON.stringify(expired)).toString('base64url')}.${signature}`,
    subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    scope: 'catalog',
  }
  const renewed = await token(server, form, basic(server.username, server.password))
  assert.equal(renewed.status, 200, renewed.text)
  assert.equal((await call(server, 'GET', '/v1/config', { token: renewed.json.access_token as string })).status, 200)
  const wrong = await token(server, form, basic(server.username, 'wrong'))
  assert.deepEqual([wrong.status, wrong.json.error], [401, 'invalid_client'])
  const none = await token(server, form)
  assert.deepEqual([none.status, none.json.error], [401, 'invalid_grant'])
})

test('refusals have the bodies of RFC 6749', async (t) => {
  const server = await startTestServer(t)
  const refused = async (form: Record<string, string>, status: number, error: string, headers = {}): Promise<void> => {
    const answer = await token(server, form, headers)
    assert.deepEqual([answer.status, answer.json?.error], [status, error], answer.text)
    assert.equal(typeof answer.json.error_description, 'string')
    assert.ok(!answer.text.includes('hush'))
  }
  await refused({}, 400, 'invalid_request')
  await refused({ grant_type: 'password' }, 400, 'unsupported_grant_type')
  await refused({ grant_type: 'client_credentials' }, 400, 'invalid_request')
  await refused({ grant_type: 'client_credentials', client_id: 'admin', client_secret: 'hush' }, 401, 'invalid_client')
  await refused({ grant_type: 'client_credentials', client_secret: 'pgl_hush' }, 401, 'invalid_client')
  await refused({ grant_type: 'client_credentials' }, 401, 'invalid_client', basic('admin', 'hush'))
  await refused({ grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange' }, 400, 'invalid_request')
  const repeated = await call(server, 'POST', '/v1/oauth/tokens', { token: null, body: 'grant_type=a&grant_type=b' })
  assert.deepEqual([repeated.status, repeated.json.error], [400, 'invalid_request'])
})

test('guessing at either door is slowed down', async (t) => {
  const server = await startTestServer(t, { PANGOLIN_AUTH_RATE_LIMIT: '2' })
  const guess = { grant_type: 'client_credentials', client_id: server.username, client_secret: 'wrong' }
  assert.equal((await token(server, guess)).status, 401)
  const login = (password: string) =>
    call(server, 'POST', '/api/v1/users/login', { token: null, body: { username: server.username, password } })
  assert.equal((await login('wrong')).status, 401)
  const throttled = await login(server.password)
  assert.equal(throttled.status, 429)
  assert.ok(Number(throttled.headers.get('retry-after')) > 0)
  assert.equal((await token(server, guess)).status, 429)
  assert.equal((await call(server, 'GET', '/v1/config')).status, 200, 'a token still works')
})

test('who has shown no credential may send little', async (t) => {
  const server = await startTestServer(t)
  const long = 'x'.repeat(70_000)
  const login = await call(server, 'POST', '/api/v1/users/login', { token: null, body: { username: long, password: 'p' } })
  assert.equal(login.status, 413, login.text)
  const form = await call(server, 'POST', '/v1/oauth/tokens', { token: null, body: `grant_type=${long}` })
  assert.equal(form.status, 413, form.text)
  assert.equal(form.json.error, 'invalid_request')
  const mine = await call(server, 'POST', '/v1/lake/namespaces', { body: { namespace: ['a'], properties: { long } } })
  assert.equal(mine.status, 200, mine.text)
})

test('one client may fetch many tokens at once', async (t) => {
  // Trino fetches one for each of its sessions; pods of one job start together.
  const server = await startTestServer(t, { PANGOLIN_AUTH_RATE_LIMIT: '2' })
  const form = { grant_type: 'client_credentials', client_id: server.username, client_secret: server.password }
  const answers = await Promise.all(Array.from({ length: 12 }, () => token(server, form)))
  assert.deepEqual(new Set(answers.map((answer) => answer.status)), new Set([200]))
  assert.equal(new Set(answers.map((answer) => answer.json.access_token)).size, 12)
  const guesses = await Promise.all(Array.from({ length: 12 }, (_, i) => token(server, { ...form, client_secret: `wrong${i}` })))
  assert.equal(guesses.filter((answer) => answer.status === 401).length, 2)
  assert.equal(guesses.filter((answer) => answer.status === 429).length, 10)
})

test('login as the SDK does it', async (t) => {
  const server = await startTestServer(t)
  const body = { username: server.username, password: server.password, 'tenant-id': null }
  const answer = await call(server, 'POST', '/api/v1/users/login', { token: null, body })
  assert.equal(answer.status, 200, answer.text)
  assert.equal(answer.json.user.username, server.username)
  assert.equal(answer.json.user.role, 'tenant-admin')
  assert.ok(Date.parse(answer.json['expires-at']) > Date.now())
  assert.equal((await call(server, 'GET', '/api/v1/catalogs', { token: answer.json.token as string })).status, 200)
  assert.ok(!JSON.stringify(answer.json).includes('argon2'))
})
