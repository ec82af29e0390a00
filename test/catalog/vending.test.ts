/** Which credentials go with which answer: places, access, consent, ETags, and when the provider is asked at all. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { createBounds } from '../../src/access/bounds.ts'
import type { CatalogCall, CatalogHandle } from '../../src/catalog/call.ts'
import { updateTable } from '../../src/catalog/update-table.ts'
import { dropTable } from '../../src/catalog/drop.ts'
import { registerTable } from '../../src/catalog/register.ts'
import { renameTable } from '../../src/catalog/rename.ts'
import { createTable, loadTable } from '../../src/catalog/tables.ts'
import { loadCredentials } from '../../src/catalog/delegation/vending.ts'
import { canonicalLocation } from '../../src/iceberg/location.ts'
import { VendingError, type Vended, type VendScope } from '../../src/storage/vending/vending.ts'
import { bodyOf, forgetPlaces, ident, key7, open, rejects, schema, set, withKey, type Fixture } from './setup.ts'

interface Vending extends Fixture {
  readonly asked: VendScope[]
  readonly clock: { now: number }
  /** Throws, or answers later, where a test wants that. */
  readonly provider: { before: () => Promise<void> }
}

/** A catalog whose warehouse has a provider that counts. The call asks for credentials. */
async function openVending(
  t: TestContext,
  settings: { readonly always?: boolean; readonly static?: boolean } = {},
): Promise<Vending> {
  const clock = { now: 1_700_000_000_000 }
  const fixture = await open(t, { now: () => clock.now })
  const asked: VendScope[] = []
  const provider = { before: async () => {} }
  const vend = async (scope: VendScope): Promise<Vended> => {
    const number = asked.push(scope)
    await provider.before()
    const { prefixes, lifetimeSeconds } = scope
    const expiresAtMs = settings.static ? undefined : clock.now + lifetimeSeconds * 1000
    return { credentials: prefixes.map((prefix, at) => ({ prefix, config: { secret: `s${number}-${at}` } })), expiresAtMs }
  }
  const catalog: CatalogHandle = {
    ...fixture.catalog,
    vending: {
      id: 'v1',
      warehouseName: 'w',
      always: settings.always ?? false,
      refreshKeys: { endpoint: 'refresh', enabled: 'refresh-enabled' },
      vendor: { lifetime: { seconds: 3600, leastSeconds: 900 }, vend, close: async () => {} },
    },
  }
  return { ...fixture, catalog, call: { ...fixture.call, catalog, asksForCredentials: true }, asked, clock, provider }
}

const create = async ({ context, call }: Fixture, name: string, rest: object = {}) =>
  bodyOf(await createTable(context, call, ['ns'], { name, schema, ...rest }))
const load = async ({ context, call }: Fixture, name: string, changed: Partial<CatalogCall> = {}) =>
  bodyOf(await loadTable(context, { ...call, ...changed }, ident(name)))
const change = ({ context, call }: Fixture, name: string, properties: Record<string, string>) =>
  updateTable(context, call, ident(name), { requirements: [], updates: [set(properties)] })

test('whoever asks gets credentials for the files of the table: longest prefix, and in config for older clients', async (t) => {
  const fixture = await openVending(t)
  const created = await create(fixture, 't')
  const { location } = created.metadata
  assert.deepEqual(fixture.asked, [
    {
      prefixes: [location],
      access: 'read-write',
      principal: { id: 'u1', name: 'ada', tenantId: 't1' },
      lifetimeSeconds: 3600,
    },
  ])
  const config = {
    'client.region': 'eu-west-1',
    secret: 's1-0',
    refresh: 'v1/lake/namespaces/ns/tables/t/credentials',
    'refresh-enabled': 'true',
  }
  const expected = [{ prefix: location, config }]
  assert.deepEqual(created['storage-credentials'], expected)
  assert.deepEqual(created.config, config)
  const loaded = await load(fixture, 't')
  assert.deepEqual(loaded, created)
  const committed = bodyOf(await change(fixture, 't', { a: 'b' }))
  assert.deepEqual(committed.config, config)
  assert.equal(committed['storage-credentials'], undefined, 'the specification has no such field there')
  assert.deepEqual(await loadCredentials(fixture.context, fixture.call, ident('t')), { 'storage-credentials': expected })
  assert.equal(fixture.asked.length, 1, 'one call to the provider for all of that')
})

test('nobody gets credentials who did not ask, unless the warehouse hands its keys to all', async (t) => {
  const fixture = await openVending(t)
  await create(fixture, 't')
  for (const asksForCredentials of [undefined, false]) {
    const loaded = await load(fixture, 't', { asksForCredentials } as Partial<CatalogCall>)
    assert.deepEqual(loaded.config, { 'client.region': 'eu-west-1' })
    assert.equal(loaded['storage-credentials'], undefined)
  }
  const always = await openVending(t, { always: true, static: true })
  await create(always, 't')
  const loaded = await load(always, 't', { asksForCredentials: false })
  assert.deepEqual(loaded.config, { 'client.region': 'eu-west-1', secret: 's1-0' }, 'without an end nothing is refreshed')
})

test('an ETag names the credentials too: of principals, ways of asking, and lives', async (t) => {
  const fixture = await openVending(t)
  const { context, call, clock } = fixture
  await create(fixture, 't')
  const get = (changed: Partial<CatalogCall>, ifNoneMatch?: string) =>
    loadTable(context, { ...call, ...changed }, ident('t'), { ifNoneMatch })
  const other = { principal: { ...call.principal, id: 'u2' } }
  const { etag: plain } = await get({ asksForCredentials: false })
  const { etag: own } = await get({})
  const { etag: others } = await get(other)
  assert.equal(new Set([plain, own, others]).size, 3)
  for (const [changed, etag, status] of [
    [{}, own, 304],
    [{}, `W/${own}`, 304],
    [{}, `${own!.slice(0, -1)}--gzip"`, 304],
    [{}, plain, 200],
    [{}, others, 200],
    [other, own, 200],
    [{ asksForCredentials: false }, own, 200],
    [{ asksForCredentials: false }, plain, 304],
  ] as const) {
    assert.equal((await get(changed, etag)).status, status, `${JSON.stringify(changed)} ${etag}`)
  }
  // No client is told that what it holds is good when that is about to end.
  clock.now += 0.85 * 3600_000
  const renewed = await get({}, own)
  assert.equal(renewed.status, 200)
  assert.notEqual(renewed.etag, own)
  const refs = await loadTable(context, call, ident('t'), { snapshots: 'refs' })
  assert.notEqual(refs.etag, renewed.etag)
})

test('a staged creation gets credentials for its place after that was judged, and never for a place that is not its own', async (t) => {
  const fixture = await openVending(t)
  const { catalog, folder, asked } = fixture
  const { location: taken } = (await create(fixture, 'other')).metadata
  asked.length = 0
  const stage = (rest: object) => create(fixture, 'staged', { 'stage-create': true, ...rest })
  for (const location of [
    taken,
    `${taken}/`,
    `${taken}/below`,
    taken.slice(0, taken.lastIndexOf('/')),
    catalog.root,
    `file://${folder}`,
    `file://${folder}/lake2/t`,
    'file:///etc',
    's3://another-bucket/t',
    `${catalog.root}/../x`,
    `${catalog.root}/%2e%2e/x`,
    `${catalog.root}/*`,
    `${catalog.root}/n?`,
    `${catalog.root}/\${aws:username}`,
  ]) {
    await assert.rejects(stage({ location }), rejects(400, /./), location)
  }
  const outside = `file://${folder}/elsewhere`
  for (const key of ['write.data.path', 'write.metadata.path', 'write.object-storage.path', 'write.folder-storage.path'])
    await assert.rejects(stage({ properties: { [key]: outside } }), rejects(400, /./), key)
  assert.equal(asked.length, 0)

  const staged = await stage({})
  assert.deepEqual(
    staged['storage-credentials']?.map(({ prefix }) => prefix),
    [staged.metadata.location],
  )
  assert.deepEqual(asked[0]?.prefixes, [staged.metadata.location])
})

test('a staged creation that is repeated gets credentials only while its place is free', async (t) => {
  const fixture = await openVending(t)
  const location = `${fixture.catalog.root}/chosen`
  const staged = { name: 's', schema, 'stage-create': true, location }
  const call = withKey(fixture.call, key7(1))
  const first = bodyOf(await createTable(fixture.context, call, ['ns'], staged))
  assert.ok(first['storage-credentials'])
  await create(fixture, 'faster', { location })
  const again = bodyOf(await createTable(fixture.context, call, ['ns'], staged))
  assert.equal(again['storage-credentials'], undefined)
  assert.deepEqual(again.metadata, first.metadata)
})

test('other places that the table names are opened where nobody else is, and not where they reach others', async (t) => {
  const fixture = await openVending(t)
  const { asked, folder, clock } = fixture
  const { location: neighbour } = (await create(fixture, 'neighbour')).metadata
  const own = `file://${folder}/extra/t-data`
  const { location } = (await create(fixture, 't', { properties: { 'write.data.path': own } })).metadata
  assert.deepEqual(asked.at(-1)?.prefixes, [location, own])

  const opened = async (properties: Record<string, string>) => {
    await change(fixture, 't', properties)
    const { prefixes } = asked.at(-1)!
    clock.now += 3600_000
    return prefixes
  }
  clock.now += 3600_000
  for (const place of [location, `${location}/data`])
    assert.deepEqual(await opened({ 'write.data.path': place }), [location], place)
  for (const taken of [neighbour, `${neighbour}/data`, neighbour.slice(0, neighbour.lastIndexOf('/'))]) {
    await assert.rejects(opened({ 'write.data.path': taken }), rejects(400, /overlaps/), taken)
  }
  // Somebody settles there, inside or around, after the place was named by a version that did not refuse it.
  for (const [n, settled] of ['', '/inside', '/..'].entries()) {
    const place = `file://${folder}/extra/named${n}/files`
    await change(fixture, 't', { 'write.data.path': place })
    await forgetPlaces(fixture.store)
    await create(fixture, `settled${n}`, { location: settled === '/..' ? `file://${folder}/extra/named${n}` : place + settled })
    clock.now += 3600_000
    assert.deepEqual(await opened({ n: String(n) }), [location], place)
  }
  assert.deepEqual(await opened({ 'write.data.path': `${own}/`, 'write.metadata.path': `${own}/m` }), [location, own])
  const two = { 'write.data.path': own, 'write.object-storage.path': `${own}2` }
  assert.deepEqual(await opened(two), [location, own, `${own}2`])
  // Somebody settles there: from the next credentials on it is closed.
  await forgetPlaces(fixture.store)
  await create(fixture, 'settler', { location: `${own}/settled` })
  assert.deepEqual(await opened({ ...two, changed: 'too' }), [location, `${own}2`])
})

test('a narrowed token opens no place that tables may share, but in a namespace or catalog of its own', async (t) => {
  const fixture = await openVending(t)
  const { call, catalog, folder } = fixture
  const shared = `file://${folder}/extra/shared`
  const within = `${catalog.root}/ns/files`
  const properties = { 'write.data.path': shared, 'write.object-storage.path': within }
  const { location } = (await create(fixture, 't', { properties })).metadata
  const opened = async (access: 'read' | 'read-write', ...parts: object[]) => {
    const bounds = createBounds(
      access,
      parts.map((part) => ({ catalog: 'lake', ...part })),
    )
    const principal = { ...call.principal, id: `u${fixture.asked.length}`, bounds }
    const { 'storage-credentials': found } = await load(fixture, 't', { principal })
    assert.equal(fixture.asked.at(-1)?.access, access)
    return found?.map(({ prefix }) => prefix)
  }
  assert.deepEqual(
    (await load(fixture, 't'))['storage-credentials']?.map(({ prefix }) => prefix),
    [location, shared, within],
  )
  assert.deepEqual(await opened('read', { namespace: ['ns'], table: 't' }), [location])
  assert.deepEqual(await opened('read-write', { namespace: ['ns'], table: 't' }, { namespace: ['n'] }), [location])
  assert.deepEqual(await opened('read', { namespace: ['ns'] }), [location, within])
  assert.deepEqual(await opened('read-write', {}), [location, within])
})

test('what no longer lies in the warehouse is not opened', async (t) => {
  const fixture = await openVending(t)
  const { context, catalog, folder, asked } = fixture
  const extra = `file://${folder}/extra/t`
  const { location } = (await create(fixture, 't', { location: extra })).metadata
  await create(fixture, 'd', { properties: { 'write.data.path': `file://${folder}/extra/d` } })
  assert.equal(location, extra)
  asked.length = 0
  const shrunk = { ...catalog, allowedRoots: [], vending: { ...catalog.vending!, id: 'v2' } }
  const call = { ...fixture.call, catalog: shrunk }
  const loaded = bodyOf(await loadTable(context, call, ident('t')))
  assert.equal(loaded['storage-credentials'], undefined)
  assert.deepEqual(loaded.config, { 'client.region': 'eu-west-1' })
  await assert.rejects(loadCredentials(context, call, ident('t')), rejects(403, /outside of its warehouse/))
  assert.equal(asked.length, 0)
  const other = bodyOf(await loadTable(context, call, ident('d')))
  assert.deepEqual(asked[0]?.prefixes, [other.metadata.location])
})

test('clients are told the place as they spelled it', async (t) => {
  const fixture = await openVending(t)
  const spelled = `file:${fixture.folder}/extra/spelled`
  const created = await create(fixture, 't', { location: spelled })
  assert.equal(created['storage-credentials']?.[0]?.prefix, spelled)
  assert.deepEqual(fixture.asked[0]?.prefixes, [canonicalLocation(spelled)])
})

test('a table that is renamed, dropped or registered anew gets the credentials of what it is now', async (t) => {
  const fixture = await openVending(t)
  const { context, call, asked } = fixture
  const created = await create(fixture, 't')
  const plain = { ...call, asksForCredentials: false }
  await renameTable(context, plain, { source: ident('t'), destination: ident('a b/c') })
  const moved = await load(fixture, 'a b/c')
  assert.match(moved.config!['refresh'] ?? '', /tables\/a%20b%2Fc\/credentials$/)
  await assert.rejects(loadCredentials(context, call, ident('t')), rejects(404, /./))
  await dropTable(context, plain, ident('a b/c'), { purgeRequested: false })
  await assert.rejects(load(fixture, 'a b/c'), rejects(404, /./))
  const file = created['metadata-location']!
  const registered = bodyOf(await registerTable(context, call, ['ns'], { name: 'r', 'metadata-location': file }))
  assert.equal(registered['storage-credentials']?.[0]?.prefix, created.metadata.location)
  assert.equal(asked.length, 1, 'the same place, the same principal')
})

test('a provider that fails: a load says so, a change that landed is answered without credentials', async (t) => {
  const fixture = await openVending(t)
  const { context, call, provider, logged } = fixture
  provider.before = async () => {
    throw new VendingError('unavailable', 'the role arn:x: Timeout')
  }
  const created = await create(fixture, 't')
  assert.equal(created['storage-credentials'], undefined)
  assert.deepEqual(created.config, { 'client.region': 'eu-west-1' })
  assert.equal(bodyOf(await change(fixture, 't', { a: 'b' })).metadata.properties.a, 'b')
  assert.ok(logged.some(({ event }) => event === 'credentials-left-out'))
  await assert.rejects(load(fixture, 't'), rejects(503, /Warehouse w/))
  await assert.rejects(loadCredentials(context, call, ident('t')), rejects(503, /Warehouse w/))
  await assert.rejects(create(fixture, 's', { 'stage-create': true }), rejects(503, /Warehouse w/))
  await load(fixture, 't', { asksForCredentials: false })
  provider.before = async () => {}
  assert.ok((await load(fixture, 't'))['storage-credentials'])
})

test('a change that landed is answered in time, however long the provider takes', async (t) => {
  const fixture = await openVending(t)
  const { provider, logged } = fixture
  let release = (): void => {}
  provider.before = () => new Promise((resolve) => (release = resolve))
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const creating = create(fixture, 't')
  while (fixture.asked.length === 0) await new Promise(setImmediate)
  t.mock.timers.tick(3_001)
  const created = await creating
  assert.equal(created['storage-credentials'], undefined)
  assert.deepEqual(logged.at(-1)?.details, { table: 'ns.t', reason: 'the provider takes too long' })
  const loading = load(fixture, 't')
  release()
  // What the change did not wait for is there for the next.
  assert.ok((await loading)['storage-credentials'])
  assert.equal(fixture.asked.length, 1)
})

test('sixteen clients that load a thousand tables make at most a thousand calls, and others are answered meanwhile', async (t) => {
  const fixture = await openVending(t)
  const names = Array.from({ length: 1000 }, (_, at) => `t${at}`)
  const plain = { ...fixture, call: { ...fixture.call, asksForCredentials: false } }
  for (let at = 0; at < names.length; at += 50) await Promise.all(names.slice(at, at + 50).map((name) => create(plain, name)))
  const held: (() => void)[] = []
  fixture.provider.before = () => new Promise((resolve) => void held.push(resolve))
  const clients = Array.from({ length: 16 }, async (_, client) => {
    const seen = new Set<string>()
    for (let at = 0; at < names.length; at++) {
      const loaded = await load(fixture, names[(at + client * 61) % names.length]!)
      seen.add(loaded['storage-credentials']![0]!.config['secret']!)
    }
    return seen.size
  })
  const state = { done: false }
  const all = Promise.all(clients).finally(() => (state.done = true))
  while (!state.done) {
    await load(plain, 't0')
    for (const release of held.splice(0)) release()
    await new Promise(setImmediate)
  }
  assert.deepEqual(new Set(await all), new Set([1000]))
  assert.equal(fixture.asked.length, 1000)
})
