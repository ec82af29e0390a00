/**
 * Two tenants in one database: what one of them names of the other's users and tokens is answered as what does not exist. There is
 * no route that makes a tenant yet, so the second one's rows are written into the store.
 */
import assert from 'node:assert/strict'
import { after, describe, test, type TestContext } from 'node:test'
import { formatApiToken, hashSecret, newApiToken } from '../../src/access/api-tokens.ts'
import { hashPassword } from '../../src/access/passwords.ts'
import { createSessionTokens } from '../../src/access/session-tokens.ts'
import { createChangeContext } from '../../src/changes/context.ts'
import { adminCommand } from '../../src/cli/admin.ts'
import { DEFAULT_TENANT } from '../../src/management/first-start.ts'
import { changePassword, resetPassword } from '../../src/management/users.ts'
import type { ManagementContext } from '../../src/management/context.ts'
import { openStore } from '../../src/stores/open.ts'
import type { Row } from '../../src/stores/entities.ts'
import type { Store } from '../../src/stores/store.ts'
import { call, startTestServer, type Answer, type TestServer } from '../http/harness.ts'
import { stopDatabases } from '../services/databases.ts'
import { insert, tenant, user } from '../stores/suite/rows.ts'
import { DATABASES } from './pairs.ts'

after(stopDatabases)

const OTHER = 'abcdef00-0000-4000-8000-000000000001'
const NOWHERE = 'abcdef00-0000-4000-8000-00000000ffff'
const SECRET = 's'.repeat(40)
const PASSWORDS = { admin: 'of the other admin', bob: 'of bob, who is one' }
const ME = '/api/v1/users/me/tokens'

interface Tenants {
  readonly server: TestServer
  readonly store: Store
  readonly url: string
  /** Of the first tenant. */
  readonly admin: Row<'users'>
  /** Of the other tenant: one with the same name, and one with a name of his own. */
  readonly twin: Row<'users'>
  readonly bob: Row<'users'>
  /** Long-lived tokens of both, and one of the other tenant that names the first one's administrator. */
  readonly tokens: Readonly<Record<'twin' | 'bob' | 'stray', string>>
}

async function twoTenants(t: TestContext, url: string): Promise<Tenants> {
  const server = await startTestServer(t, {
    DATABASE_URL: url,
    PANGOLIN_AUTH_RATE_LIMIT: '0',
    PANGOLIN_JWT_SECRET: SECRET,
  })
  const store = openStore(url)
  t.after(() => store.close())
  const [admin] = await store.list('users', { index: 'by_tenant', where: { tenant_id: DEFAULT_TENANT }, limit: 1 })
  const make = async (username: keyof typeof PASSWORDS) =>
    user({ tenant_id: OTHER, username, role: 'tenant-admin', password_hash: await hashPassword(PASSWORDS[username]) })
  const [twin, bob] = [await make('admin'), await make('bob')]
  const minted = [twin.id, bob.id, admin!.id].map((user_id) => {
    const { id, secret } = newApiToken()
    const row = { id, tenant_id: OTHER, user_id, secret_hash: hashSecret(secret), description: null, created_at: 1 }
    return { text: formatApiToken({ id, secret }), row: { ...row, expires_at: null, bounds: null } }
  })
  await store.write([
    insert('tenants', tenant({ id: OTHER })),
    insert('users', twin),
    insert('users', bob),
    ...minted.map(({ row }) => insert('tokens', row)),
  ])
  const [one, two, stray] = minted.map(({ text }) => text) as [string, string, string]
  const versions = await store.getMany('users', [{ id: twin.id }, { id: bob.id }])
  return {
    server,
    store,
    url,
    admin: admin!,
    twin: versions[0]!,
    bob: versions[1]!,
    tokens: { twin: one, bob: two, stray },
  }
}

const idIn = (token: string): string => token.split('_')[1]!
const statusOf = async (server: TestServer, token: string): Promise<number> => (await call(server, 'GET', ME, { token })).status
const login = (server: TestServer, username: string, password: string, more: object = {}): Promise<Answer> =>
  call(server, 'POST', '/api/v1/users/login', { token: null, body: { username, password, ...more } })
/** What a client can tell one answer from another by. */
const seen = ({ status, text, headers }: Answer): unknown => {
  const kept = [...headers].filter(([name]) => !['date', 'x-request-id'].includes(name))
  return [status, text, kept]
}

async function logins({ server, admin, twin, bob }: Tenants): Promise<void> {
  const wrong = seen(await login(server, 'admin', 'not the password', { 'tenant-id': DEFAULT_TENANT }))
  assert.equal((wrong as [number])[0], 401)
  const refused: [string, string, object?][] = [
    // Each of two tenants has one, and which is not said.
    ['admin', server.password],
    ['admin', PASSWORDS.admin],
    ['admin', server.password, { 'tenant-id': null }],
    ['admin', server.password, { 'tenant-id': OTHER }],
    ['admin', PASSWORDS.admin, { tenant_id: DEFAULT_TENANT }],
    ['bob', PASSWORDS.bob, { 'tenant-id': DEFAULT_TENANT }],
    ['bob', PASSWORDS.bob, { 'tenant-id': NOWHERE }],
    ['bob', PASSWORDS.bob, { 'tenant-id': 'no uuid, with \u0000' }],
    ['bob', PASSWORDS.bob, { 'tenant-id': '' }],
    ['nobody', PASSWORDS.bob],
    ['nobody', PASSWORDS.bob, { 'tenant-id': OTHER }],
  ]
  for (const [name, password, more] of refused)
    assert.deepEqual(seen(await login(server, name, password, more)), wrong, JSON.stringify([name, more]))
  const accepted: [Row<'users'>, string, object?][] = [
    [admin, server.password, { 'tenant-id': DEFAULT_TENANT }],
    [admin, server.password, { tenant_id: DEFAULT_TENANT, 'tenant-id': null }],
    [twin, PASSWORDS.admin, { 'tenant-id': OTHER }],
    [twin, PASSWORDS.admin, { tenant_id: OTHER.toUpperCase(), 'tenant-id': OTHER.toUpperCase() }],
    [bob, PASSWORDS.bob],
    [bob, PASSWORDS.bob, { 'tenant-id': OTHER }],
  ]
  for (const [who, password, more] of accepted) {
    const { status, json, text } = await login(server, who.username, password, more)
    assert.equal(status, 200, `${who.username} ${JSON.stringify(more)} ${text}`)
    assert.deepEqual([json.user.id, json.user['tenant-id']], [who.id, who.tenant_id])
    assert.equal(await statusOf(server, json.token), 200)
  }
  const both = await login(server, 'bob', PASSWORDS.bob, { 'tenant-id': OTHER, tenant_id: NOWHERE })
  assert.equal(both.status, 400, both.text)
  // By name and password elsewhere there is no tenant to say, so it takes a name that is one.
  for (const [name, password, status] of [
    ['admin', server.password, 401],
    ['admin', PASSWORDS.admin, 401],
    ['bob', PASSWORDS.bob, 200],
  ] as const) {
    const authorization = `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`
    assert.equal((await call(server, 'GET', ME, { token: null, headers: { authorization } })).status, status)
    const form = new URLSearchParams({ grant_type: 'client_credentials', client_id: name, client_secret: password })
    const granted = await call(server, 'POST', '/v1/oauth/tokens', { token: null, body: form.toString() })
    assert.equal(granted.status, status, granted.text)
  }
}

async function tokensOfOthers({ server, admin, bob, tokens }: Tenants): Promise<void> {
  const listed = async (token?: string): Promise<string[]> =>
    (await call(server, 'GET', ME, token === undefined ? {} : { token })).json.map(({ id }: { id: string }) => id)
  assert.deepEqual(await listed(), [idIn(server.token)])
  assert.deepEqual(await listed(tokens.bob), [idIn(tokens.bob)])
  // Its row names a user of another tenant: nobody's.
  assert.equal(await statusOf(server, tokens.stray), 401)
  const none = newApiToken().id
  const ways: ((id: string) => Promise<Answer>)[] = [
    (id) => call(server, 'DELETE', `/api/v1/tokens/${id}`),
    (id) => call(server, 'POST', `/api/v1/auth/revoke/${id}`),
    (id) => call(server, 'POST', '/api/v1/tokens/rotate', { body: { token_id: id } }),
  ]
  for (const way of ways) {
    const absent = await way(none)
    assert.equal(absent.status, 404, absent.text)
    for (const token of Object.values(tokens)) {
      const answer = await way(idIn(token))
      assert.equal(answer.status, 404)
      assert.equal(answer.text, absent.text.replaceAll(none, idIn(token)))
    }
  }
  assert.deepEqual([await statusOf(server, tokens.twin), await statusOf(server, tokens.bob)], [200, 200])
  // What a tenant does with its own goes on.
  const made = await call(server, 'POST', '/api/v1/tokens', { token: tokens.bob, body: { tenant_id: OTHER } })
  assert.deepEqual([made.status, made.json.user_id, made.json.tenant_id], [200, bob.id, OTHER], made.text)
  const own = await call(server, 'POST', '/api/v1/tokens/rotate', { token: made.json.token })
  assert.equal(own.status, 200, own.text)
  assert.equal((await call(server, 'DELETE', `/api/v1/tokens/${own.json.id}`, { token: tokens.bob })).status, 204)
  assert.notEqual(admin.id, bob.id)
}

async function passwords({ server, store, admin, twin, tokens }: Tenants): Promise<void> {
  const change = (current: string, token: string) =>
    call(server, 'POST', '/api/v1/users/me/password', {
      token,
      body: { current_password: current, new_password: 'the next one of the twin' },
    })
  assert.equal((await change(server.password, tokens.twin)).status, 401, 'that of another tenant’s user of the name')
  assert.equal((await change(PASSWORDS.admin, tokens.twin)).status, 204)
  assert.equal((await login(server, 'admin', 'the next one of the twin', { 'tenant-id': OTHER })).status, 200)
  assert.equal((await login(server, 'admin', server.password, { 'tenant-id': DEFAULT_TENANT })).status, 200)
  // A caller of the one tenant with the id of the other's user.
  const principal = { id: twin.id, name: 'admin', tenantId: DEFAULT_TENANT, role: 'tenant-admin' } as const
  const context = { catalog: createChangeContext({ store }) } as unknown as ManagementContext
  const body = { current_password: 'x', new_password: 'another password' }
  const refused = { code: 404, message: `User does not exist: ${twin.id}` }
  await assert.rejects(
    changePassword(context, { principal }, body, async () => true),
    refused,
  )
  await assert.rejects(resetPassword(store, { ...twin, tenant_id: DEFAULT_TENANT }, 'another password'), refused)
  const absent = { ...principal, id: 'nobody' }
  await assert.rejects(
    changePassword(context, { principal: absent }, body, async () => true),
    { ...refused, message: 'User does not exist: nobody' },
  )
  assert.equal((await store.get('users', { id: admin.id }))?.version, admin.version)
}

async function sessions({ server, admin, twin }: Tenants): Promise<void> {
  const maker = createSessionTokens(SECRET, Date.now)
  const status = async (subject: Parameters<typeof maker.issue>[0]): Promise<number> =>
    statusOf(server, (await maker.issue(subject)).token)
  // A server of before names none.
  assert.equal(await status({ userId: admin.id }), 200)
  assert.equal(await status({ userId: admin.id, tenantId: DEFAULT_TENANT }), 200)
  assert.equal(await status({ userId: admin.id, tenantId: OTHER }), 401)
  assert.equal(await status({ userId: twin.id, tenantId: DEFAULT_TENANT }), 401)
  assert.equal(await status({ userId: twin.id, tenantId: OTHER }), 200)
  const given = { id: idIn(server.token), narrowed: false }
  assert.equal(await status({ userId: admin.id, tenantId: DEFAULT_TENANT, token: given }), 200)
  assert.equal(await status({ userId: admin.id, tenantId: OTHER, token: given }), 401)
}

async function operator({ server, store, url, admin, twin }: Tenants): Promise<void> {
  const run = async (...args: string[]): Promise<{ code: number; out: string; err: string }> => {
    const said = { out: '', err: '' }
    const environment = { DATABASE_URL: url, PANGOLIN_DATA: server.dataDirectory }
    const code = await adminCommand(args, {
      environment,
      out: (text) => void (said.out += text),
      err: (text) => void (said.err += text),
    })
    return { code, ...said }
  }
  const bob = await run('reset-password', '--user', 'bob')
  const nobody = await run('reset-password', '--user', 'eve')
  assert.deepEqual([bob.code, bob.out], [1, ''])
  assert.equal(bob.err, nobody.err.replaceAll('eve', 'bob'))
  // The only user, as the other tenant's do not count.
  const made = await run('create-token')
  assert.equal(made.code, 0, made.err)
  const own = await call(server, 'GET', ME, { token: made.out.trim() })
  assert.ok(own.json.every(({ user_id }: { user_id: string }) => user_id === admin.id))
  const before = await store.get('users', { id: twin.id })
  const reset = await run('reset-password', '--user', 'admin')
  assert.equal(reset.code, 0, reset.err)
  assert.equal((await login(server, 'admin', reset.out.trim(), { 'tenant-id': DEFAULT_TENANT })).status, 200)
  assert.deepEqual(await store.get('users', { id: twin.id }), before)
}

for (const [database, urlOf] of Object.entries(DATABASES)) {
  describe(`two tenants on ${database}`, () => {
    for (const [what, check] of Object.entries({
      'log in by their own names and passwords, and learn nothing of each other by it': logins,
      'see, revoke and replace their own tokens alone': tokensOfOthers,
      'change their own passwords alone': passwords,
      'are not reached by a session that names another one': sessions,
      'are kept apart for the operator of the default one': operator,
    })) {
      test(what, async (t) => {
        const url = await urlOf(t)
        if (url !== undefined) await check(await twoTenants(t, url))
      })
    }
  })
}
