/** Catalogs under a new name: everything stays theirs, and the old name is free. On each database. */
import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { openStore } from '../../src/stores/open.ts'
import { call, startTestServer, type Answer, type TestServer } from '../http/harness.ts'
import { stopSharedPostgres } from '../services/postgres.ts'
import { DATABASES, pairOn } from './pairs.ts'

after(() => stopSharedPostgres())

const CATALOGS = '/api/v1/catalogs'
const schema = { type: 'struct', fields: [{ id: 1, name: 'id', type: 'long', required: false }] }

const post = (server: TestServer, path: string, body: unknown): Promise<Answer> => call(server, 'POST', path, { body })
const newCatalog = (server: TestServer, name: string): Promise<Answer> =>
  post(server, CATALOGS, { name, warehouse_name: 'local' })
const rename = (server: TestServer, from: string, to: string, more: object = {}): Promise<Answer> =>
  call(server, 'PUT', `${CATALOGS}/${from}`, { body: { name: to, ...more } })
const newTable = (server: TestServer, catalog: string, name: string): Promise<Answer> =>
  post(server, `/v1/${catalog}/namespaces/default/tables`, { name, schema })

for (const [database, urlOf] of Object.entries(DATABASES)) {
  describe(`catalogs are renamed on ${database}`, () => {
    test('one of two renames to a name, and a creation of that name, are carried out', async (t) => {
      const url = await urlOf(t)
      if (url === undefined) return
      const pair = await pairOn(t, url)
      for (let round = 0; round < 8; round++) {
        const [a, b, to] = [`a${round}`, `b${round}`, `to${round}`]
        for (const name of [a, b]) assert.equal((await newCatalog(pair[0], name)).status, 201)
        const answers = await Promise.all([rename(pair[0], a, to), rename(pair[1], b, to), newCatalog(pair[0], to)])
        const statuses = answers.map(({ status }) => status)
        assert.equal(statuses.filter((status) => status < 300).length, 1, JSON.stringify(answers.map(({ text }) => text)))
        assert.ok(
          statuses.every((status) => [200, 201, 409].includes(status)),
          statuses.join(),
        )
        const two = await Promise.all([rename(pair[0], to, `${to}x`), rename(pair[1], to, `${to}y`)])
        assert.deepEqual(two.map(({ status }) => status).toSorted(), [200, 404], two.map(({ text }) => text).join())
      }
    })

    test('what is created beside a rename is in the catalog, or not at all', async (t) => {
      const url = await urlOf(t)
      if (url === undefined) return
      const pair = await pairOn(t, url)
      const ends = new Set<string>()
      for (let round = 0; round < 12; round++) {
        const [from, to] = [`f${round}`, `g${round}`]
        assert.equal((await newCatalog(pair[0], from)).status, 201)
        await Promise.all(pair.map((server) => call(server, 'GET', `/v1/${from}/namespaces`)))
        const [renamed, table, namespace] = await Promise.all([
          rename(pair[0], from, to),
          newTable(pair[1], from, 't'),
          post(pair[1], `/v1/${from}/namespaces`, { namespace: ['n'] }),
        ])
        assert.equal(renamed.status, 200, renamed.text)
        ends.add(`${table.status} ${namespace.status}`)
        assert.ok([200, 404].includes(table.status), table.text)
        assert.ok([200, 404].includes(namespace.status), namespace.text)
        assert.equal((await call(pair[0], 'GET', `/v1/${to}/namespaces/default/tables/t`)).status, table.status)
        assert.equal((await call(pair[0], 'GET', `/v1/${to}/namespaces/n`)).status, namespace.status)
      }
      t.diagnostic(`ends: ${[...ends].join(', ')}`)
    })

    test('a narrowed token goes along, whenever it is made, and says nothing of the next catalog of the name', async (t) => {
      const url = await urlOf(t)
      if (url === undefined) return
      const pair = await pairOn(t, url)
      const mint = async (catalog: string): Promise<Answer> =>
        post(pair[1], '/api/v1/tokens', { access: 'read-write', within: [{ catalog }] })
      for (let round = 0; round < 6; round++) {
        const [from, to] = [`s${round}`, `d${round}`]
        assert.equal((await newCatalog(pair[0], from)).status, 201)
        const minted = [mint(from), mint(from)]
        const [renamed, ...tokens] = await Promise.all([rename(pair[0], from, to), ...minted])
        assert.equal(renamed.status, 200, renamed.text)
        const { operations } = (await call(pair[0], 'GET', '/api/v1/commits?action=rename-catalog&limit=1')).json[0]
        assert.deepEqual([operations[0].before.name, operations[0].after.name], [from, to])
        for (const { json } of tokens) {
          // One that was made after the rename speaks of the old name, as asked.
          const [here, there] = operations[0].tokens.includes(json.id) ? [to, from] : [from, to]
          const shown = (await call(pair[0], 'GET', '/api/v1/users/me/tokens')).json.find(
            ({ id }: { id: string }) => id === json.id,
          )
          assert.deepEqual(shown.within, [{ catalog: here }])
          assert.equal((await call(pair[0], 'GET', `/v1/${there}/namespaces`, { token: json.token })).status, 404)
        }
      }
    })
  })
}

test('everything stays: id, tables, log, protections, what was dropped, where it lies', async (t) => {
  const server = await startTestServer(t)
  const before = (await call(server, 'GET', `${CATALOGS}/lake`)).json
  const table = (await newTable(server, 'lake', 't')).json
  await newTable(server, 'lake', 'gone')
  await call(server, 'DELETE', '/v1/lake/namespaces/default/tables/gone')
  await call(server, 'PUT', `${CATALOGS}/lake/protection`, { body: { protected: true } })
  const answer = await rename(server, 'lake', 'sea', { properties: { a: 'b' } })
  assert.equal(answer.status, 200, answer.text)
  assert.deepEqual(answer.json, { ...before, name: 'sea', properties: { a: 'b' } })
  assert.equal((await call(server, 'GET', `${CATALOGS}/lake`)).status, 404)
  assert.equal((await call(server, 'GET', '/v1/lake/namespaces')).status, 404)
  const found = (await call(server, 'GET', '/v1/sea/namespaces/default/tables/t')).json
  assert.equal(found['metadata-location'], table['metadata-location'])
  assert.equal((await call(server, 'GET', '/v1/config?warehouse=sea')).json.overrides.prefix, 'sea')
  assert.equal((await call(server, 'GET', '/v1/config')).status, 200, 'the only catalog needs no name')
  assert.deepEqual((await call(server, 'GET', `${CATALOGS}/sea/protection`)).json, { protected: true })
  const [{ id }] = (await call(server, 'GET', `${CATALOGS}/sea/dropped`)).json
  assert.equal((await post(server, `${CATALOGS}/sea/undrop`, { id })).status, 200)
  const log = (await call(server, 'GET', `${CATALOGS}/sea/commits?action=create-table`)).json
  assert.equal(log.length, 2)
  assert.equal((await newTable(server, 'sea', 'u')).json.metadata.location, `${before.storage_location}/default/u`)
  const there = await post(server, CATALOGS, { name: 'x', warehouse_name: 'local', storage_location: before.storage_location })
  assert.equal(there.status, 409, 'the place is still that of the other')
  assert.match(there.text, /overlaps with catalog sea/)
  const beside = await newCatalog(server, 'lake')
  assert.equal(beside.status, 201, beside.text)
  assert.match(beside.json.storage_location, new RegExp(`^${before.storage_location}-[0-9a-f]{8}$`))
  assert.deepEqual((await call(server, 'GET', '/v1/lake/namespaces/default/tables')).json.identifiers, [])
  const swapped = await rename(server, 'lake', 'sea')
  assert.equal(swapped.status, 409)
  assert.match(swapped.text, /Catalog already exists: sea/)
})

test('a name that is none is refused, and so are tokens that are narrowed', async (t) => {
  const server = await startTestServer(t)
  for (const name of ['', 'a b', '../x', 'x'.repeat(200), 'namespaces']) {
    assert.equal((await rename(server, 'lake', name)).status, 400, name)
  }
  assert.equal((await rename(server, 'none', 'sea')).status, 404)
  const { token } = (await post(server, '/api/v1/tokens', { access: 'read-write', within: [{ catalog: 'lake' }] })).json
  assert.equal((await call(server, 'PUT', `${CATALOGS}/lake`, { token, body: { name: 'sea' } })).status, 403)
  assert.equal((await rename(server, 'lake', 'lake')).status, 200, 'its own name is none that is new')
})

test('tokens follow a catalog from name to name, and rotate', async (t) => {
  const server = await startTestServer(t)
  assert.equal((await newCatalog(server, 'other')).status, 201)
  const within = [{ catalog: 'lake', namespace: ['default'] }, { catalog: 'other' }]
  const { token, id } = (await post(server, '/api/v1/tokens', { access: 'read', within })).json
  const session = await fetch(`${server.url}/v1/oauth/tokens`, {
    method: 'POST',
    body: new URLSearchParams({ grant_type: 'client_credentials', client_id: id, client_secret: token }),
  })
  const exchanged = session.ok ? ((await session.json()) as { access_token: string }).access_token : token
  const opens = async (catalog: string, by = token): Promise<number> =>
    (await call(server, 'GET', `/v1/${catalog}/namespaces/default`, { token: by })).status
  // The two swap their names by way of a third.
  for (const [from, to] of [
    ['lake', 'x'],
    ['other', 'lake'],
    ['x', 'other'],
  ] as const) {
    assert.equal((await rename(server, from, to)).status, 200)
  }
  await sleep(1100)
  const { json } = await call(server, 'GET', `${CATALOGS}`, { token })
  assert.deepEqual(
    json.map(({ name }: { name: string }) => name),
    ['lake'],
    'the one that it has as a whole',
  )
  for (const by of [token, exchanged]) {
    assert.equal(await opens('other', by), 200)
    assert.equal(await opens('lake', by), 200)
  }
  const rotated = await call(server, 'POST', '/api/v1/tokens/rotate', { token, body: {} })
  assert.deepEqual(rotated.json.within, [{ catalog: 'lake' }, { catalog: 'other', namespace: ['default'] }])
  assert.equal((await rename(server, 'other', 'lake2')).status, 200)
  assert.equal((await newCatalog(server, 'lake3')).status, 201)
  assert.equal((await rename(server, 'lake3', 'other')).status, 200)
  assert.equal(await opens('lake2', rotated.json.token), 200)
  assert.equal(await opens('other', rotated.json.token), 404)
  assert.equal(await opens('x', rotated.json.token), 404)
})

test('a catalog whose place follows from its name stays where it is', async (t) => {
  const [urlOf] = [DATABASES['sqlite']!]
  const url = (await urlOf(t))!
  const server = await startTestServer(t, { DATABASE_URL: url })
  const { storage_location: root } = (await call(server, 'GET', `${CATALOGS}/lake`)).json
  const store = openStore(url)
  const [row] = await store.list('catalogs', { index: 'primary', where: {}, limit: 1 })
  await store.write([{ op: 'replace', entity: 'catalogs', row: { ...row!, storage_location: null }, expected: row!.version }])
  await store.close()
  await sleep(1100)
  const { metadata } = (await newTable(server, 'lake', 't')).json
  assert.equal(metadata.location, `${root}/default/t`)
  assert.equal((await rename(server, 'lake', 'sea')).json.storage_location, root)
  assert.equal((await call(server, 'GET', '/v1/sea/namespaces/default/tables/t')).status, 200)
})
