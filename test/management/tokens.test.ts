/** Long-lived tokens over HTTP: made, shown once, listed, replaced, revoked; what a narrowed one is worth at the door. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { hashSecret, parseApiToken } from '../../src/access/api-tokens.ts'
import { startApp } from '../../src/app.ts'
import { loadSettings } from '../../src/config.ts'
import { createChangeContext } from '../../src/changes/context.ts'
import { createLog } from '../../src/log.ts'
import { listTokens, mintToken, rotateToken } from '../../src/management/tokens.ts'
import type { ManagementContext } from '../../src/management/context.ts'
import { openMemoryStore } from '../../src/stores/memory.ts'
import { StoreError, type Mutation, type Store } from '../../src/stores/store.ts'
import { call, startTestServer, type Answer, type TestServer } from '../http/harness.ts'

const mint = async (server: TestServer, body: object, token?: string): Promise<Answer> =>
  call(server, 'POST', '/api/v1/tokens', { body, ...(token === undefined ? {} : { token }) })
const list = async (server: TestServer, token?: string): Promise<Answer> =>
  call(server, 'GET', '/api/v1/users/me/tokens', token === undefined ? {} : { token })
const works = async (server: TestServer, token: string): Promise<number> =>
  (await call(server, 'GET', '/v1/lake/namespaces', { token })).status

/** Refused for good: at the latest a second after its revocation. */
async function refusedSoon(server: TestServer, token: string): Promise<void> {
  await sleep(1050)
  assert.equal(await works(server, token), 401)
}

describe('tokens', () => {
  test('one is shown once, and listed without its secret', async (t) => {
    const server = await startTestServer(t)
    const made = await mint(server, { description: 'reports', access: 'read', within: [{ catalog: 'lake', namespace: ['a'] }] })
    assert.equal(made.status, 200, made.text)
    assert.equal(made.headers.get('cache-control'), 'no-store')
    const { token, expires_at: expiresAt, tenant_id: tenantId } = made.json
    assert.match(token, /^pgl_/)
    const life = Date.parse(expiresAt) - Date.now()
    assert.ok(life > 23.9 * 3_600_000 && life <= 24 * 3_600_000, `${life}`)
    const listed = await list(server)
    assert.equal(listed.headers.get('cache-control'), 'no-store')
    const { secret, id } = parseApiToken(token)!
    for (const text of [secret, hashSecret(secret), token]) assert.ok(!listed.text.includes(text))
    const found = listed.json.find((one: { id: string }) => one.id === id)
    assert.deepEqual(
      [found.tenant_id, found.username, found.description, found.access, found.within, found.is_valid],
      [tenantId, server.username, 'reports', 'read', [{ catalog: 'lake', namespace: ['a'] }], true],
    )
    assert.equal(listed.json.length, 2, 'beside that of the first start')
    assert.ok(!server.log.join('').includes(secret))
    const pages = await Promise.all(
      [0, 1, 2].map((offset) => call(server, 'GET', `/api/v1/users/me/tokens?limit=1&offset=${offset}`)),
    )
    assert.deepEqual(
      pages.map(({ json }) => json.map((one: { id: string }) => one.id)),
      [[listed.json[0].id], [listed.json[1].id], []],
    )
  })

  test('as the SDK asks for it', async (t) => {
    const server = await startTestServer(t)
    const made = await mint(server, { tenant_id: null, username: server.username, roles: ['tenant-admin'], expires_in_hours: 1 })
    assert.equal(made.status, 200, made.text)
    const { token } = made.json
    assert.equal((await call(server, 'GET', '/api/v1/warehouses', { token })).status, 200, 'all that the user may')
    assert.deepEqual([made.json.access, made.json.within], [null, null])
    assert.equal((await call(server, 'POST', `/api/v1/auth/revoke/${made.json.id}`)).status, 200)
    await refusedSoon(server, token)
  })

  test('its life may be spelled as a whole number or a fraction', async (t) => {
    const server = await startTestServer(t)
    for (const hours of ['24', '24.0', '2.4e1', '0.5']) {
      const made = await call(server, 'POST', '/api/v1/tokens', { body: `{"expires_in_hours": ${hours}}` })
      assert.equal(made.status, 200, made.text)
      const { created_at: from, expires_at: until } = made.json
      assert.equal(Date.parse(until) - Date.parse(from), Number(hours) * 3_600_000, hours)
    }
    const huge = await call(server, 'POST', '/api/v1/tokens', { body: '{"expires_in_hours": 1e400}' })
    assert.equal(huge.status, 400, huge.text)
  })

  test('what can not be meant is refused, and makes nothing', async (t) => {
    const server = await startTestServer(t)
    const refused: [object, number][] = [
      [{ tenant_id: 'another' }, 403],
      [{ username: 'somebody' }, 403],
      [{ roles: ['Root'] }, 400],
      [{ roles: ['tenant-user'] }, 400],
      [{ user_id: 'another' }, 422],
      [{ role: 'root' }, 422],
      [{ secret_hash: 'x' }, 422],
      [{ bounds: null }, 422],
      [{ access: 'write' }, 400],
      [{ access: null }, 400],
      [{ access: 'read', within: null }, 400],
      [{ within: [] }, 400],
      [{ within: [{}] }, 400],
      [{ within: [{ catalog: 'lake', table: 't' }] }, 400],
      [{ within: [{ catalog: 'lake', namespace: [] }] }, 400],
      [{ within: [{ catalog: 'lake', namespace: 'a' }] }, 400],
      [{ within: [{ catalog: 'lake@dev' }] }, 400],
      [{ within: [{ catalog: '*' }] }, 400],
      [{ within: [{ catalog: 'lake', namespace: ['a\u001fb'] }] }, 400],
      [{ within: [{ catalog: 'lake', namespace: ['..'] }] }, 400],
      [{ within: [{ catalog: 'lake', namepsace: ['a'] }] }, 400],
      [{ within: Array.from({ length: 101 }, () => ({ catalog: 'lake' })) }, 400],
      [{ expires_in_hours: 0 }, 400],
      [{ expires_in_hours: -1 }, 400],
      [{ expires_in_hours: 1e9 }, 400],
      [{ expires_in_hours: 'never' }, 400],
      [{ description: 'x'.repeat(300) }, 400],
    ]
    for (const [body, status] of refused) {
      const answer = await mint(server, body)
      assert.equal(answer.status, status, `${JSON.stringify(body)} ${answer.text}`)
    }
    assert.equal((await list(server)).json.length, 1)
    const misspelled = await mint(server, { within: [{ catalog: 'lake', namepsace: ['a'] }] })
    assert.match(misspelled.text, /within\/0 has the field namepsace, expected only catalog, namespace, table/)
  })

  test('a narrowed one manages nothing, sees and ends only itself', async (t) => {
    const server = await startTestServer(t)
    const { token, id } = (await mint(server, { access: 'read-write', within: [{ catalog: 'lake' }] })).json
    const other = (await mint(server, { access: 'read' })).json
    assert.equal((await mint(server, { access: 'read', within: [{ catalog: 'lake' }] }, token)).status, 403)
    assert.deepEqual(
      (await list(server, token)).json.map((one: { id: string }) => one.id),
      [id],
    )
    for (const stranger of [other.id, 'no-such-token']) {
      const answers = [
        await call(server, 'DELETE', `/api/v1/tokens/${stranger}`, { token }),
        await call(server, 'POST', `/api/v1/auth/revoke/${stranger}`, { token }),
        await call(server, 'POST', '/api/v1/tokens/rotate', { token, body: { token_id: stranger } }),
      ]
      assert.deepEqual(
        answers.map(({ status }) => status),
        [403, 403, 403],
      )
      assert.equal(new Set(answers.map(({ json }) => json.error.message)).size, 1)
    }
    const rotated = await call(server, 'POST', '/api/v1/tokens/rotate', { token })
    assert.equal(rotated.status, 200, rotated.text)
    const found = (await list(server, rotated.json.token)).json
    assert.deepEqual(
      found.map((one: { within: unknown }) => one.within),
      [[{ catalog: 'lake' }]],
    )
    assert.equal(found[0].expires_at, rotated.json.expires_at)
    await refusedSoon(server, token)
    const ended = await call(server, 'POST', '/api/v1/auth/revoke', { token: rotated.json.token })
    assert.equal(ended.status, 200, ended.text)
    await refusedSoon(server, rotated.json.token)
    assert.equal((await call(server, 'DELETE', `/api/v1/tokens/${id}`)).status, 404)
    assert.equal((await call(server, 'DELETE', `/api/v1/tokens/${other.id}`)).status, 204)
  })

  test('a login has no long-lived token behind it to revoke', async (t) => {
    const server = await startTestServer(t)
    const body = { username: server.username, password: server.password }
    const { token } = (await call(server, 'POST', '/api/v1/users/login', { token: null, body })).json
    assert.equal((await call(server, 'POST', '/api/v1/auth/revoke', { token })).status, 400)
    assert.equal((await call(server, 'POST', '/api/v1/tokens/rotate', { token })).status, 400)
    assert.equal((await mint(server, { access: 'read' }, token)).status, 200)
  })

  test('what a narrowed one is exchanged for is as narrow, lasts no longer and ends with it', async (t) => {
    const server = await startTestServer(t)
    const { token, id } = (await mint(server, { within: [{ catalog: 'lake' }], expires_in_hours: 0.05 })).json
    const [, tokenId = '', secret = ''] = (token as string).split('_')
    const grant = async (form: Record<string, string>): Promise<Answer> =>
      call(server, 'POST', '/v1/oauth/tokens', { token: null, body: new URLSearchParams(form).toString() })
    const exchange = {
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    }
    const client = { grant_type: 'client_credentials', scope: 'PRINCIPAL_ROLE:ALL' }
    const first = await grant({ ...exchange, subject_token: token })
    const ways = [
      first,
      await grant({ ...exchange, subject_token: first.json.access_token, scope: 'catalog' }),
      await grant({ ...client, client_id: tokenId, client_secret: secret }),
      await grant({ ...client, client_secret: token }),
      await grant({ ...client, client_id: server.username, client_secret: token }),
    ]
    for (const way of ways) {
      assert.equal(way.status, 200, way.text)
      assert.ok(way.json.expires_in > 0 && way.json.expires_in <= 180, way.text)
      const session: string = way.json.access_token
      assert.equal((await mint(server, {}, session)).status, 403)
      assert.equal((await call(server, 'GET', '/api/v1/warehouses', { token: session })).status, 403)
      assert.deepEqual(
        (await list(server, session)).json.map((one: { id: string }) => one.id),
        [id],
      )
    }
    assert.equal((await call(server, 'DELETE', `/api/v1/tokens/${id}`)).status, 204)
    await sleep(1050)
    for (const { json } of ways) assert.equal(await works(server, json.access_token), 401)
    assert.equal((await grant({ ...exchange, subject_token: ways[1]!.json.access_token })).status, 401)
  })

  test('two servers on one database: made at one, good and narrow at the other, and over there a second after its end here', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'pangolin-two-'))
    const DATABASE_URL = `sqlite:${join(folder, 'shared.db')}`
    const one = await startTestServer(t, { DATABASE_URL })
    const settings = loadSettings({
      PORT: '0',
      PANGOLIN_DATA: one.dataDirectory,
      DATABASE_URL,
      PANGOLIN_SHUTDOWN_GRACE_SECS: '1',
    })
    const app = await startApp(settings, createLog({ format: 'json', level: 'error', write: () => {} }))
    t.after(async () => {
      await app.close()
      rmSync(folder, { recursive: true })
    })
    const two: TestServer = { ...one, app, url: app.url, port: Number(new URL(app.url).port) }
    const { token, id } = (await mint(one, { access: 'read', within: [{ catalog: 'lake' }] })).json
    const form = { grant_type: 'client_credentials', client_secret: token }
    const granted = await call(two, 'POST', '/v1/oauth/tokens', { token: null, body: new URLSearchParams(form).toString() })
    const session: string = granted.json.access_token
    for (const server of [one, two]) {
      for (const credential of [token, session]) {
        assert.equal(await works(server, credential), 200)
        assert.equal((await call(server, 'GET', '/api/v1/warehouses', { token: credential })).status, 403)
      }
    }
    assert.equal((await call(one, 'DELETE', `/api/v1/tokens/${id}`)).status, 204)
    await sleep(1050)
    for (const server of [one, two]) for (const credential of [token, session]) assert.equal(await works(server, credential), 401)
  })

  test('without authentication there is nobody to make one for', async (t) => {
    const server = await startTestServer(t, { PANGOLIN_NO_AUTH: 'true' })
    const answer = await mint(server, { access: 'read' })
    assert.equal(answer.status, 400, answer.text)
  })

  test('what was over long ago is forgotten when another one is made', async () => {
    const clock = { now: Date.UTC(2030, 0, 1) }
    const store = openMemoryStore()
    const user = { id: 'u1', tenant_id: 't1', username: 'ada', email: null, password_hash: null, role: 'tenant-admin' }
    await store.write([{ op: 'insert', entity: 'users', row: { ...user, active: true, created_at: 0, updated_at: 0 } }])
    const logged: string[] = []
    const context = {
      catalog: createChangeContext({ store, now: () => clock.now, log: (event) => void logged.push(event) }),
    } as unknown as ManagementContext
    const principal = { id: 'u1', name: 'ada', tenantId: 't1', role: 'tenant-admin' } as const
    const ids = async () => (await listTokens(context, principal, { limit: 100, offset: 0 })).items.map(({ id }) => id)
    const old = await mintToken(context, { principal }, { expires_in_hours: 1 })
    clock.now += 1
    const long = await mintToken(context, { principal }, { expires_in_hours: 8000 })
    clock.now += 30 * 86_400_000
    const second = await mintToken(context, { principal }, {})
    assert.deepEqual(await ids(), [old.id, long.id, second.id])
    clock.now += 7_200_000
    const third = await mintToken(context, { principal }, {})
    assert.deepEqual(await ids(), [long.id, second.id, third.id])
    assert.deepEqual(logged, [])
    // With the one that is made, in one change and one line of the log.
    const lines = await store.list('commits', { index: 'primary', where: { tenant_id: 't1' }, limit: 9 })
    const told = lines.map(({ message, operations }) => [
      message,
      (operations as { operation: string }[]).map((one) => one.operation),
    ])
    assert.deepEqual(told.at(-1), [`Create token ${third.id}, and forget 1 that was over`, ['create-token', 'forget-token']])
    const [, forgotten] = lines.at(-1)!.operations as unknown as { before: { id: string }; after: null }[]
    assert.deepEqual([forgotten!.before.id, forgotten!.after], [old.id, null])
    assert.deepEqual(
      told.slice(0, -1),
      [old, long, second].map(({ id }) => [`Create token ${id}`, ['create-token']]),
    )
  })

  test('of what was over long ago a hundred are forgotten at once, and none of another tenant', async () => {
    const clock = { now: Date.UTC(2030, 0, 1) }
    const store = openMemoryStore()
    const user = { id: 'u1', tenant_id: 't1', username: 'ada', email: null, password_hash: null, role: 'tenant-admin' }
    const token = { user_id: 'u1', secret_hash: 'ab', description: null, expires_at: 2, bounds: null }
    const insert = (row: { id: string; tenant_id: string; created_at: number }): Mutation => ({
      op: 'insert',
      entity: 'tokens',
      row: { ...token, ...row },
    })
    await store.write([
      { op: 'insert', entity: 'users', row: { ...user, active: true, created_at: 0, updated_at: 0 } },
      // Its row names a user of this tenant, whose it is not.
      insert({ id: 'stray', tenant_id: 't2', created_at: 0 }),
      ...Array.from({ length: 130 }, (_, n) => insert({ id: `old${n}`, tenant_id: 't1', created_at: n + 1 })),
    ])
    const context = { catalog: createChangeContext({ store, now: () => clock.now }) } as unknown as ManagementContext
    const principal = { id: 'u1', name: 'ada', tenantId: 't1', role: 'tenant-admin' } as const
    const count = async () => (await store.list('tokens', { index: 'primary', where: {}, limit: 200 })).length
    const counts: number[] = []
    for (let n = 0; n < 3; n++) {
      await mintToken(context, { principal }, {})
      counts.push(await count())
    }
    // A page has the stray one, too.
    assert.deepEqual(counts, [131 - 99 + 1, 3, 4])
    assert.ok((await store.get('tokens', { id: 'stray' })) !== undefined)
  })

  test('two that make one at once forget what was over once, and both get theirs', async () => {
    const store = openMemoryStore()
    const user = { id: 'u1', tenant_id: 't1', username: 'ada', email: null, password_hash: null, role: 'tenant-admin' }
    const old = { id: 'old', tenant_id: 't1', user_id: 'u1', secret_hash: 'ab', description: null, created_at: 1, expires_at: 2 }
    await store.write([
      { op: 'insert', entity: 'users', row: { ...user, active: true, created_at: 0, updated_at: 0 } },
      { op: 'insert', entity: 'tokens', row: { ...old, bounds: null } },
    ])
    const principal = { id: 'u1', name: 'ada', tenantId: 't1', role: 'tenant-admin' } as const
    const contexts = [0, 1, 2].map(() => ({ catalog: createChangeContext({ store }) }) as unknown as ManagementContext)
    const made = await Promise.all(contexts.map((context) => mintToken(context, { principal }, {})))
    const rows = await store.list('tokens', { index: 'primary', where: {}, limit: 9 })
    assert.deepEqual(rows.map(({ id }) => id).toSorted(), made.map(({ id }) => id).toSorted())
    const lines = await store.list('commits', { index: 'primary', where: {}, limit: 9 })
    assert.equal(lines.filter(({ message }) => message.includes('forget 1')).length, 1)
  })

  test('the store fails at the write, or never says how it ended', async () => {
    const store = openMemoryStore()
    const user = { id: 'u1', tenant_id: 't1', username: 'ada', email: null, password_hash: null, role: 'tenant-admin' }
    const row = { ...user, active: true, created_at: 0, updated_at: 0 }
    await store.write([{ op: 'insert', entity: 'users', row }])
    let fault: ((mutations: readonly Mutation[]) => Promise<never>) | undefined
    const write: typeof store.write = (mutations) => (fault === undefined ? store.write(mutations) : fault(mutations))
    const context = {
      catalog: createChangeContext({ store: Object.assign(Object.create(store) as Store, { write }), sleep: async () => {} }),
    } as unknown as ManagementContext
    const principal = { id: 'u1', name: 'ada', tenantId: 't1', role: 'tenant-admin' } as const
    const tokens = async () => store.list('tokens', { index: 'by_user', where: { user_id: 'u1' }, limit: 10 })
    const { id } = await mintToken(context, { principal }, {})
    fault = () => Promise.reject(new StoreError('unavailable', 'gone'))
    await assert.rejects(mintToken(context, { principal }, {}), { code: 503 })
    await assert.rejects(rotateToken(context, { principal }, { token_id: id }), { code: 503 })
    assert.deepEqual(
      (await tokens()).map((one) => one.id),
      [id],
    )
    // It landed, and nobody said so: the new token is shown all the same, since the old one is gone.
    fault = async (mutations) => {
      await store.write(mutations)
      throw new StoreError('unknown', 'the connection broke')
    }
    const rotated = await rotateToken(context, { principal }, { token_id: id })
    assert.deepEqual(
      (await tokens()).map((one) => one.id),
      [rotated.id],
    )
    fault = () => Promise.reject(new StoreError('unknown', 'the connection broke'))
    await assert.rejects(rotateToken(context, { principal }, { token_id: rotated.id }), { type: 'CommitStateUnknownException' })
    assert.deepEqual(
      (await tokens()).map((one) => one.id),
      [rotated.id],
    )
    // Somebody else was faster.
    fault = async (mutations) => {
      await store.write([{ op: 'remove', entity: 'tokens', key: { id: rotated.id }, expected: 'any' }])
      return store.write(mutations) as Promise<never>
    }
    await assert.rejects(rotateToken(context, { principal }, { token_id: rotated.id }), { code: 404 })
  })
})
