/** The own password: changed by API, and what that ends. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { call, startTestServer, type TestServer } from './harness.ts'

const change = (server: TestServer, body: object, token?: string) =>
  call(server, 'POST', '/api/v1/users/me/password', { body, ...(token !== undefined && { token }) })
const login = async (server: TestServer, password: string): Promise<{ status: number; token: string }> => {
  const { status, json } = await call(server, 'POST', '/api/v1/users/login', {
    token: null,
    body: { username: server.username, password },
  })
  return { status, token: json?.token }
}

test('a changed password ends logins with the old one, and leaves long-lived tokens', async (t) => {
  const server = await startTestServer(t, { PANGOLIN_AUTH_RATE_LIMIT: '0' })
  const { token: session } = await login(server, server.password)
  const exchanged = await fetch(`${server.url}/v1/oauth/tokens`, {
    method: 'POST',
    body: new URLSearchParams({ grant_type: 'client_credentials', client_id: server.username, client_secret: server.password }),
  })
  const { access_token: oauth } = (await exchanged.json()) as { access_token: string }
  const next = 'another password'
  assert.equal((await change(server, { current_password: server.password, new_password: next }, session)).status, 204)
  assert.equal((await login(server, server.password)).status, 401)
  const { status, token: fresh } = await login(server, next)
  assert.equal(status, 200)
  for (let i = 0; i < 200; i++) {
    if ((await call(server, 'GET', '/v1/config?warehouse=lake', { token: session })).status === 401) break
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  for (const [token, expected] of [
    [session, 401],
    [oauth, 401],
    [fresh, 200],
    [server.token, 200],
  ] as const) {
    assert.equal((await call(server, 'GET', '/v1/config?warehouse=lake', { token })).status, expected)
  }
})

test('a password is not changed without the current one, by a narrowed token, or to a weak one', async (t) => {
  const server = await startTestServer(t, { PANGOLIN_AUTH_RATE_LIMIT: '0' })
  const good = { current_password: server.password, new_password: 'another password' }
  const refused = async (body: object, status: number, message: RegExp, token?: string): Promise<void> => {
    const answer = await change(server, body, token)
    assert.equal(answer.status, status, answer.text)
    assert.match(answer.json.error.message, message)
  }
  await refused({ ...good, current_password: 'not it' }, 401, /current password is not right/)
  await refused({ ...good, new_password: 'short' }, 400, /expected 12 to 1024 characters, got 5/)
  await refused({ ...good, new_password: 'x'.repeat(1025) }, 400, /expected 12 to 1024 characters/)
  await refused({ new_password: 'another password' }, 400, /current_password/)
  await refused({ ...good, user: 'x' }, 422, /Unknown field "user"/)
  const { json: narrowed } = await call(server, 'POST', '/api/v1/tokens', { body: { access: 'read-write' } })
  await refused(good, 403, /does not allow token\.create; it allows read-write everywhere/, narrowed.token)
  assert.equal((await login(server, server.password)).status, 200)
})

test('guesses of the current password are throttled as logins are', async (t) => {
  const server = await startTestServer(t, { PANGOLIN_AUTH_RATE_LIMIT: '3' })
  const statuses: number[] = []
  for (let i = 0; i < 5; i++) {
    statuses.push((await change(server, { current_password: `guess ${i}`, new_password: 'another password' })).status)
  }
  assert.deepEqual(statuses, [401, 401, 401, 429, 429])
})
