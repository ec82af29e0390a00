import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatApiToken, hashSecret, newApiToken } from '../../src/access/api-tokens.ts'
import { createAuthenticator, subjectOf } from '../../src/access/authenticate.ts'
import { createBounds, boundsJson } from '../../src/access/bounds.ts'
import { hashPassword, passwordMatches } from '../../src/access/passwords.ts'
import { createSessionTokens } from '../../src/access/session-tokens.ts'
import { createThrottle } from '../../src/access/throttle.ts'
import { IcebergError } from '../../src/iceberg/errors.ts'
import { openMemoryStore } from '../../src/stores/memory.ts'
import { faultyStore } from '../stores/faulty.ts'

const code = (expected: number) => (error: unknown) => error instanceof IcebergError && error.code === expected

async function setUp(expiresAt: number | null = null) {
  const clock = { now: Date.UTC(2030, 0, 1) }
  const now = (): number => clock.now
  const store = openMemoryStore()
  await store.migrate()
  const token = newApiToken()
  const user = {
    id: 'u1',
    tenant_id: 't1',
    username: 'ada',
    email: null,
    password_hash: await hashPassword('correct horse'),
    role: 'tenant-admin',
    active: true,
    created_at: 0,
    updated_at: 0,
  }
  const row = {
    id: token.id,
    tenant_id: 't1',
    user_id: 'u1',
    secret_hash: hashSecret(token.secret),
    description: null,
    created_at: 0,
    expires_at: expiresAt === null ? null : clock.now + expiresAt,
    bounds: null,
  }
  await store.write([
    { op: 'insert', entity: 'users', row: user },
    { op: 'insert', entity: 'tokens', row },
  ])
  const sessions = createSessionTokens('s'.repeat(32), now)
  const throttle = createThrottle({ limit: 3, windowMs: 60_000, now })
  const authenticator = createAuthenticator({ store, sessions, throttle, now })
  const ask = async (authorization: string) => authenticator.authenticate({ authorization }, '10.0.0.1')
  return { clock, store, user, token, sessions, authenticator, ask, bearer: `Bearer ${formatApiToken(token)}` }
}

test('a token is verified once, then remembered, then verified again', async () => {
  const { clock, store, authenticator, ask, bearer, token } = await setUp()
  const { id, name, tenantId, role, bounds, tokenId } = await ask(bearer)
  assert.deepEqual([id, name, tenantId, role, bounds, tokenId], ['u1', 'ada', 't1', 'tenant-admin', undefined, token.id])
  assert.ok(!(authenticator.authenticate({ authorization: bearer }, '') instanceof Promise), 'remembered')
  const [row] = await store.list('tokens', { index: 'by_user', where: { user_id: 'u1' }, limit: 1 })
  await store.write([{ op: 'remove', entity: 'tokens', key: { id: row!.id }, expected: 'any' }])
  clock.now += 1000
  await assert.rejects(ask(bearer), code(401))
})

test('what is remembered is looked at once a second, by one of all who ask', async () => {
  const { clock, store, token, user, sessions } = await setUp()
  const counted = faultyStore(store)
  const throttle = createThrottle({ limit: 3, windowMs: 60_000, now: () => clock.now })
  const authenticator = createAuthenticator({ store: counted, sessions, throttle, now: () => clock.now })
  const ask = async (authorization: string) => authenticator.authenticate({ authorization }, '10.0.0.1')
  const basic = `Basic ${Buffer.from('ada:correct horse').toString('base64')}`
  for (const header of [`Bearer ${formatApiToken(token)}`, `Bearer ${(await sessions.issue({ userId: 'u1' })).token}`, basic]) {
    await ask(header)
    const before = counted.calls.get
    clock.now += 999
    await ask(header)
    assert.equal(counted.calls.get, before)
    clock.now += 1
    const asked = [ask(header), ask(header), ask(header)]
    assert.deepEqual(new Set((await Promise.all(asked)).map(({ id }) => id)), new Set(['u1']))
    await ask(header)
    assert.equal(counted.calls.get - before, header.includes('pgl_') ? 2 : 1)
  }
  assert.equal(counted.calls.list, 1, 'no password is verified anew')
  // Renamed: still let in, under the new name.
  const row = await store.get('users', { id: 'u1' })
  await store.write([{ op: 'replace', entity: 'users', row: { ...user, username: 'eva' }, expected: row!.version }])
  clock.now += 1000
  assert.equal((await ask(`Bearer ${formatApiToken(token)}`)).name, 'eva')
  await assert.rejects(ask(basic), code(401))
})

test('a deactivated user is out within a second', async () => {
  const { clock, store, user, ask, bearer } = await setUp()
  await ask(bearer)
  const row = await store.get('users', { id: 'u1' })
  await store.write([{ op: 'replace', entity: 'users', row: { ...user, active: false }, expected: row!.version }])
  clock.now += 1000
  await assert.rejects(ask(bearer), code(401))
})

test('a clock that is set back a day neither keeps a deactivated user in nor a guesser out for that day', async () => {
  const { clock, store, user, authenticator, ask, bearer } = await setUp()
  clock.now += 86_400_000
  await ask(bearer)
  const guess = () => authenticator.login('ada', 'wrong', '127.0.0.1')
  for (;;) {
    const outcome = await guess().catch((error: unknown) => error)
    if (outcome !== undefined) {
      assert.equal((outcome as { code?: number }).code, 429)
      break
    }
  }
  const row = await store.get('users', { id: 'u1' })
  await store.write([{ op: 'replace', entity: 'users', row: { ...user, active: false }, expected: row!.version }])
  clock.now -= 86_400_000
  await assert.rejects(async () => ask(bearer), code(401))
  assert.equal(await guess(), undefined)
})

test('a token is remembered no longer than it lasts', async () => {
  const { clock, ask, bearer } = await setUp(5000)
  await ask(bearer)
  clock.now += 5000
  await assert.rejects(ask(bearer), code(401))
})

test('sessions, the other headers, and what is no credential', async () => {
  const { authenticator, sessions, ask, token } = await setUp()
  const { token: session } = await sessions.issue({ userId: 'u1' })
  assert.equal((await ask(`bearer ${session}`)).id, 'u1')
  assert.equal((await authenticator.authenticate({ 'x-api-key': formatApiToken(token) }, '')).id, 'u1')
  assert.equal((await ask(`Basic ${Buffer.from('ada:correct horse').toString('base64')}`)).id, 'u1')
  assert.throws(() => authenticator.authenticate({}, ''), code(401))
  const nobody = (await sessions.issue({ userId: 'u2' })).token
  const wrong = [
    'Bearer',
    'Bearer ',
    'Bearer None',
    `Bearer ${nobody}`,
    'Digest x',
    formatApiToken(token),
    `Bearer ${'x'.repeat(9000)}`,
  ]
  for (const header of [
    ...wrong,
    `Bearer ${formatApiToken({ ...token, secret: newApiToken().secret })}`,
    'Basic !!!',
    'Basic YWRh',
  ]) {
    await assert.rejects(ask(header), code(401), header.slice(0, 40))
  }
})

test('without authentication every credential is passed over', async () => {
  const { store, sessions } = await setUp()
  const everybody = { id: 'anonymous', name: 'anonymous', tenantId: 't1', role: 'tenant-admin' } as const
  const throttle = createThrottle({ limit: 3, windowMs: 1000, now: Date.now })
  const authenticator = createAuthenticator({ store, sessions, throttle, now: Date.now, everybody })
  assert.equal(authenticator.authenticate({ authorization: 'Bearer None' }, ''), everybody)
  assert.equal(authenticator.authenticate({}, ''), everybody)
})

test('guessing is slowed down, also many guesses at once, and success does not count', async () => {
  const { authenticator, clock } = await setUp()
  for (let i = 0; i < 5; i++) assert.ok(await authenticator.login('ada', 'correct horse', '10.0.0.1'))
  const guesses = await Promise.allSettled(
    Array.from({ length: 8 }, (_, i) => authenticator.login('ada', `wrong${i}`, '10.0.0.1')),
  )
  assert.equal(guesses.filter((guess) => guess.status === 'fulfilled' && guess.value === undefined).length, 3)
  for (const guess of guesses) if (guess.status === 'rejected') assert.equal((guess.reason as IcebergError).code, 429)
  await assert.rejects(
    authenticator.login('ada', 'correct horse', '10.0.0.1'),
    (error: IcebergError) => error.retryAfterSeconds === 60,
  )
  assert.ok(await authenticator.login('ada', 'correct horse', '10.0.0.2'), 'another address is not locked out')
  clock.now += 60_000
  assert.ok(await authenticator.login('ada', 'correct horse', '10.0.0.1'))
})

test('nobody logs in as nobody', async () => {
  const { authenticator } = await setUp()
  assert.equal(await authenticator.login('', '', '10.0.0.3'), undefined)
  assert.equal(await authenticator.login('bob', 'correct horse', '10.0.0.3'), undefined)
  assert.equal(await passwordMatches(undefined, 'x'), false)
  assert.equal(await passwordMatches(await hashPassword('x'.repeat(2000)), 'x'.repeat(2000)), false, 'too long to be a password')
})

test('a narrowed token acts within its bounds, and so does what it is exchanged for, for as long as it lasts', async () => {
  const { clock, store, token, ask, sessions, authenticator } = await setUp()
  const bounds = createBounds('read', [{ catalog: 'lake' }])
  const { id, secret } = newApiToken()
  const [row] = await store.list('tokens', { index: 'by_user', where: { user_id: 'u1' }, limit: 1 })
  const narrow = {
    ...row!,
    id,
    secret_hash: hashSecret(secret, bounds),
    bounds: boundsJson(bounds),
    expires_at: clock.now + 90_000,
  }
  await store.write([{ op: 'insert', entity: 'tokens', row: narrow }])
  assert.deepEqual((await ask(`Bearer ${formatApiToken({ id, secret })}`)).bounds, bounds)
  const verified = await authenticator.verifyToken(formatApiToken({ id, secret }))
  const session = await sessions.issue(subjectOf(verified!), verified!.expiresAt)
  assert.equal(session.seconds, 90)
  const asked = await ask(`Bearer ${session.token}`)
  assert.deepEqual([asked.bounds, asked.tokenId], [bounds, id])
  const again = await sessions.issue(subjectOf((await authenticator.verifyToken(session.token))!))
  assert.deepEqual((await ask(`Bearer ${again.token}`)).bounds, bounds, 'also when it is exchanged once more')

  const replace = async (change: object) => {
    const now = await store.get('tokens', { id })
    await store.write([{ op: 'replace', entity: 'tokens', row: { ...now!, ...change }, expected: now!.version }])
    clock.now += 1000
  }
  const all = [`Bearer ${formatApiToken({ id, secret })}`, `Bearer ${session.token}`, `Bearer ${again.token}`]
  const refused = async () => {
    for (const header of all) await assert.rejects(async () => ask(header), code(401))
  }
  await replace({ bounds: null })
  await refused()
  await replace({ bounds: boundsJson(createBounds('read-write', undefined)) })
  await assert.rejects(async () => ask(all[0]!), code(401))
  await replace({ bounds: boundsJson(bounds), user_id: 'u2' })
  await refused()
  await replace({ user_id: 'u1' })
  assert.equal((await ask(all[1]!)).id, 'u1')
  await store.write([{ op: 'remove', entity: 'tokens', key: { id }, expected: 'any' }])
  clock.now += 1000
  await refused()
  assert.equal((await ask(`Bearer ${formatApiToken(token)}`)).bounds, undefined, 'the other token is as it was')
})

test('a session of a narrowed token ends with it', async () => {
  const { clock, token, sessions, ask } = await setUp(5000)
  const session = await sessions.issue({ userId: 'u1', token: { id: token.id, narrowed: false } })
  await ask(`Bearer ${session.token}`)
  clock.now += 5000
  await assert.rejects(async () => ask(`Bearer ${session.token}`), code(401))
})

test('a session is of the user’s tenant, and a token of the user’s, also when that changes', async () => {
  const { clock, store, user, token, sessions, ask, bearer } = await setUp()
  const session = async (tenantId?: string) => `Bearer ${(await sessions.issue({ userId: 'u1', tenantId })).token}`
  const [own, ofBefore] = [await session('t1'), await session()]
  for (const header of [own, ofBefore, bearer]) assert.equal((await ask(header)).tenantId, 't1')
  await assert.rejects(ask(await session('t2')), code(401))
  const named = await sessions.issue({ userId: 'u1', tenantId: 't2', token: { id: token.id, narrowed: false } })
  await assert.rejects(ask(`Bearer ${named.token}`), code(401))
  const row = await store.get('tokens', { id: token.id })
  const [version] = await store.write([
    { op: 'replace', entity: 'tokens', row: { ...row!, tenant_id: 't2' }, expected: row!.version },
  ])
  clock.now += 1000
  await assert.rejects(async () => ask(bearer), code(401))
  const exchanged = await sessions.issue({ userId: 'u1', token: { id: token.id, narrowed: false } })
  await assert.rejects(ask(`Bearer ${exchanged.token}`), code(401))
  await store.write([{ op: 'replace', entity: 'tokens', row: { ...row!, tenant_id: null }, expected: version! }])
  await assert.rejects(ask(bearer), code(401))
  const known = await store.get('users', { id: 'u1' })
  await store.write([{ op: 'replace', entity: 'users', row: { ...user, tenant_id: 't2' }, expected: known!.version }])
  clock.now += 1000
  await assert.rejects(async () => ask(own), code(401))
  assert.equal((await ask(ofBefore)).tenantId, 't2')
})

test('a name that several tenants have takes as long to refuse as a wrong password, with and without a tenant', async () => {
  const { store, user, sessions, clock } = await setUp()
  const throttle = createThrottle({ limit: 0, windowMs: 60_000, now: () => clock.now })
  const authenticator = createAuthenticator({ store, sessions, throttle, now: () => clock.now })
  await store.write([{ op: 'insert', entity: 'users', row: { ...user, id: 'u2', tenant_id: 't2' } }])
  const fastest = async (name: string, tenantId?: string): Promise<number> => {
    const times: number[] = []
    for (let i = 0; i < 5; i++) {
      const startedAt = performance.now()
      assert.equal(await authenticator.login(name, `wrong ${i}`, '10.0.0.1', tenantId), undefined)
      times.push(performance.now() - startedAt)
    }
    return Math.min(...times)
  }
  const wrong = await fastest('ada', 't1')
  for (const [name, tenantId] of [
    ['ada', undefined],
    ['ada', 't3'],
    ['bob', undefined],
    ['bob', 't1'],
  ] as const) {
    const took = await fastest(name, tenantId)
    assert.ok(took > wrong / 2, `${name} ${tenantId}: ${took} ms, a wrong password ${wrong} ms`)
  }
})

test('guesses are counted for a name as it was given: its tenant tells nothing, and locks out no other one', async () => {
  const { authenticator, store, user } = await setUp()
  await store.write([{ op: 'insert', entity: 'users', row: { ...user, id: 'u2', tenant_id: 't2' } }])
  const guess = async (name: string, tenantId?: string) => {
    const outcome = await authenticator.login(name, 'wrong', '10.0.0.1', tenantId).catch((error: IcebergError) => error.code)
    return outcome ?? 401
  }
  for (const name of ['ada', 'nobody']) {
    const outcomes: unknown[] = []
    for (let i = 0; i < 4; i++) outcomes.push(await guess(name, i % 2 === 0 ? 'T1' : 't1'))
    assert.deepEqual(outcomes, [401, 401, 401, 429], name)
    assert.deepEqual([await guess(name), await guess(name, 't2')], [401, 401], name)
  }
  assert.equal((await authenticator.login('ada', 'correct horse', '10.0.0.1', 't2'))?.id, 'u2')
})
