/** Catalogs dropped with all that is in them, and back. On each database. */
import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { checkStore } from '../../src/operations/check.ts'
import { openStore } from '../../src/stores/open.ts'
import { call, startTestServer, type Answer, type TestServer } from '../http/harness.ts'
import { stopSharedPostgres } from '../services/postgres.ts'
import { DATABASES, pairOn } from './pairs.ts'

after(() => stopSharedPostgres())

const CATALOGS = '/api/v1/catalogs'
const DROPPED = '/api/v1/dropped-catalogs'
const schema = { type: 'struct', fields: [{ id: 1, name: 'id', type: 'long', required: false }] }

const post = (server: TestServer, path: string, body: unknown): Promise<Answer> => call(server, 'POST', path, { body })
const newCatalog = (server: TestServer, name: string, more: object = {}): Promise<Answer> =>
  post(server, CATALOGS, { name, warehouse_name: 'local', ...more })
const newTable = (server: TestServer, catalog: string, name: string): Promise<Answer> =>
  post(server, `/v1/${catalog}/namespaces/default/tables`, { name, schema })
const commit = (server: TestServer, catalog: string, name: string, value: string): Promise<Answer> =>
  post(server, `/v1/${catalog}/namespaces/default/tables/${name}`, {
    requirements: [],
    updates: [{ action: 'set-properties', updates: { value } }],
  })
const drop = (server: TestServer, name: string, query = '?recursive=true'): Promise<Answer> =>
  call(server, 'DELETE', `${CATALOGS}/${name}${query}`)
const listed = async (server: TestServer) => (await call(server, 'GET', DROPPED)).json
const undrop = (server: TestServer, id: string, body: object = {}): Promise<Answer> =>
  post(server, `${DROPPED}/${id}/undrop`, body)

async function removed(server: TestServer, id: string): Promise<void> {
  for (let tries = 0; (await call(server, 'GET', `${DROPPED}/${id}`)).status !== 404; tries++) {
    assert.ok(tries < 200, 'it is removed in ten seconds')
    await sleep(50)
  }
}

for (const [database, urlOf] of Object.entries(DATABASES)) {
  describe(`catalogs are dropped with all that is in them on ${database}`, () => {
    test('a commit that is acknowledged is there when the catalog comes back', async (t) => {
      const url = await urlOf(t)
      if (url === undefined) return
      const pair = await pairOn(t, url)
      const ends = new Set<string>()
      for (let round = 0; round < 10; round++) {
        const name = `r${round}`
        assert.equal((await newCatalog(pair[0], name)).status, 201)
        for (const table of ['t', 'u']) assert.equal((await newTable(pair[0], name, table)).status, 200)
        await Promise.all(pair.map((server) => call(server, 'GET', `/v1/${name}/namespaces`)))
        const [gone, committed, made, beside, guarded] = await Promise.all([
          drop(pair[0], name),
          commit(pair[1], name, 't', 'x'),
          newTable(pair[1], name, 'v'),
          post(pair[1], `/v1/${name}/namespaces`, { namespace: ['n'] }),
          call(pair[1], 'PUT', `${CATALOGS}/${name}/namespaces/default/tables/u/protection`, { body: { protected: true } }),
        ])
        ends.add([gone, committed, made, beside, guarded].map(({ status }) => status).join(' '))
        if (gone.status === 409) {
          assert.match(gone.text, /The table default.u in catalog r\d+ is protected/)
          assert.equal(guarded.status, 200)
          continue
        }
        assert.equal(gone.status, 204, gone.text)
        for (const { status, text } of [committed, made, beside]) assert.ok([200, 404].includes(status), text)
        assert.equal(guarded.status, 404, guarded.text)
        assert.equal((await call(pair[0], 'GET', `/v1/${name}/namespaces`)).status, 404)
        const [{ id }] = await listed(pair[0])
        assert.equal((await undrop(pair[round % 2]!, id)).status, 200)
        const table = (await call(pair[0], 'GET', `/v1/${name}/namespaces/default/tables/t`)).json
        assert.equal(table.metadata.properties.value, committed.status === 200 ? 'x' : undefined)
        assert.equal((await call(pair[0], 'GET', `/v1/${name}/namespaces/default/tables/v`)).status, made.status)
        assert.equal((await call(pair[0], 'GET', `/v1/${name}/namespaces/n`)).status, beside.status)
      }
      t.diagnostic(`ends: ${[...ends].join(', ')}`)
    })

    test('of bringing back and removing the one comes to pass, and of two names one', async (t) => {
      const url = await urlOf(t)
      if (url === undefined) return
      const pair = await pairOn(t, url)
      for (let round = 0; round < 8; round++) {
        const name = `r${round}`
        assert.equal((await newCatalog(pair[0], name)).status, 201)
        assert.equal((await newTable(pair[0], name, 't')).status, 200)
        assert.equal((await drop(pair[0], name)).status, 204)
        const [{ id, storage_location }] = await listed(pair[0])
        const [back, other, forgotten, beside] = await Promise.all([
          undrop(pair[0], id),
          undrop(pair[1], id, { name: `${name}-other` }),
          call(pair[1], 'DELETE', `${DROPPED}/${id}`),
          newCatalog(pair[1], `${name}-beside`, { storage_location }),
        ])
        const good = [back, other].filter(({ status }) => status === 200)
        assert.ok(good.length <= 1)
        for (const { status, text } of [back, other]) assert.ok([200, 404, 409].includes(status), text)
        assert.ok([204, 404].includes(forgotten.status), forgotten.text)
        // Once the removal is over the place is free.
        assert.ok(beside.status === 409 || (beside.status === 201 && good.length === 0), beside.text)
        await removed(pair[0], id)
        const where = good[0]?.json.name ?? name
        const table = await call(pair[0], 'GET', `/v1/${where}/namespaces/default/tables/t`)
        assert.equal(table.status, good.length === 1 ? 200 : 404)
      }
    })

    test('nothing is left of what can not come back, and the store fits together all the while', async (t) => {
      const url = await urlOf(t)
      if (url === undefined) return
      const [server] = await pairOn(t, url)
      const store = openStore(url)
      t.after(() => store.close())
      assert.equal((await newCatalog(server, 'big')).status, 201)
      const rows = async () => {
        const names = ['entries', 'namespaces', 'branches', 'protections', 'places', 'tasks'] as const
        return Promise.all(
          names.map(async (name) => (await store.list(name, { index: 'primary', where: {}, limit: 1000 })).length),
        )
      }
      for (let n = 0; n < 60; n++) await newTable(server, 'big', `t${n}`)
      for (const namespace of [['a'], ['a', 'b'], ['a', 'b', 'c'], ['ab']])
        await post(server, '/v1/big/namespaces', { namespace })
      const guard = `${CATALOGS}/big/namespaces/a%1Fb/protection`
      assert.equal((await call(server, 'PUT', guard, { body: { protected: true } })).status, 200)
      const refused = await drop(server, 'big')
      assert.deepEqual([refused.status, /The namespace a.b in catalog big is protected/.test(refused.text)], [409, true])
      assert.equal((await drop(server, 'big', '')).status, 409)
      assert.equal((await drop(server, 'big', '?recursive=true&force=true')).status, 204)
      const [{ id }] = await listed(server)
      assert.deepEqual((await checkStore({ store, now: Date.now })).findings, [])
      assert.equal((await call(server, 'DELETE', `${DROPPED}/${id}`)).status, 204)
      assert.deepEqual((await checkStore({ store, now: Date.now })).findings, [])
      assert.ok([404, 409].includes((await undrop(server, id)).status))
      await removed(server, id)
      assert.deepEqual(await rows(), [0, 1, 1, 0, 0, 0], 'the namespace and the branch of the first catalog')
      const [last] = (await call(server, 'GET', '/api/v1/commits?limit=1')).json
      assert.equal(last.operations[0].operation, 'remove-catalog')
      const lines = (await store.list('commits', { index: 'primary', where: {}, limit: 1000 })).flatMap(
        ({ operations }) => operations as { operation: string; identifier?: { name: string }; namespace?: string[] }[],
      )
      const dropped = lines.filter(({ operation }) => operation === 'drop-table').map(({ identifier }) => identifier?.name)
      assert.equal(new Set(dropped).size, 60)
      const namespaces = lines
        .filter(({ operation }) => operation === 'drop-namespace')
        .map(({ namespace }) => namespace?.join('.'))
      assert.deepEqual(namespaces.toSorted(), ['a', 'a.b', 'a.b.c', 'ab', 'default'])
      assert.ok(namespaces.indexOf('a.b.c') < namespaces.indexOf('a.b') && namespaces.indexOf('a.b') < namespaces.indexOf('a'))
    })
  })
}

test('all that was in it comes back: under another name, where it lay', async (t) => {
  const server = await startTestServer(t)
  const made = (await newCatalog(server, 'sea', { properties: { a: 'b' } })).json
  const table = (await newTable(server, 'sea', 't')).json
  await newTable(server, 'sea', 'gone')
  await call(server, 'DELETE', '/v1/sea/namespaces/default/tables/gone')
  assert.equal((await drop(server, 'sea')).status, 204)
  assert.equal((await call(server, 'GET', `${CATALOGS}/sea`)).status, 404)
  const [shown] = await listed(server)
  const { id } = shown
  assert.deepEqual([shown.name, shown.catalog_id, shown.state, shown.dropped_by], ['sea', made.id, 'kept', server.username])
  assert.deepEqual((await call(server, 'GET', `${DROPPED}/${id}`)).json.left, { tables: 1, views: 0, namespaces: 1 })

  // Its place is held, and what takes it learns of no table's name.
  const there = await newCatalog(server, 'x', { storage_location: made.storage_location })
  assert.equal(there.status, 409)
  assert.match(there.text, /overlaps with the dropped catalog sea at .*, which can come back until .*dropped-catalogs/)
  const again = await newCatalog(server, 'sea')
  assert.equal(again.status, 201, 'its name is free')
  assert.notEqual(again.json.storage_location, made.storage_location)
  const { location } = table.metadata
  const body = { name: 'same', schema, location }
  const taken = await post(server, '/v1/sea/namespaces/default/tables', body)
  assert.deepEqual([taken.status, taken.text.includes('default.t')], [400, false], taken.text)
  const registered = await post(server, '/v1/sea/namespaces/default/register', {
    name: 'same',
    'metadata-location': table['metadata-location'],
  })
  assert.equal(registered.status, 400, registered.text)

  const clash = await undrop(server, id)
  assert.deepEqual([clash.status, /already exists: sea/.test(clash.text)], [409, true], clash.text)
  assert.equal((await undrop(server, id, { name: 'a b' })).status, 400)
  assert.equal((await undrop(server, id, { title: 'x' })).status, 422)
  const back = await undrop(server, id, { name: 'ocean' })
  assert.equal(back.status, 200, back.text)
  assert.deepEqual(back.json, { ...made, name: 'ocean' })
  const found = (await call(server, 'GET', '/v1/ocean/namespaces/default/tables/t')).json
  assert.equal(found['metadata-location'], table['metadata-location'])
  const [gone] = (await call(server, 'GET', `${CATALOGS}/ocean/dropped`)).json
  assert.equal((await post(server, `${CATALOGS}/ocean/undrop`, { id: gone.id })).status, 200, 'and what was dropped before')
  assert.equal((await commit(server, 'ocean', 't', 'x')).status, 200)
  assert.equal((await newTable(server, 'ocean', 'u')).status, 200)
  assert.deepEqual(await listed(server), [])
  assert.equal((await undrop(server, id)).status, 404)
  const operations = (await call(server, 'GET', '/api/v1/commits')).json.map(
    (line: { operations: { operation: string }[] }) => line.operations[0]!.operation,
  )
  assert.deepEqual(operations.slice(0, 3), ['undrop-catalog', 'create-catalog', 'drop-catalog'])
})

test('an empty catalog comes back too, and keeps no place meanwhile', async (t) => {
  const server = await startTestServer(t)
  const made = (await newCatalog(server, 'sea')).json
  assert.equal((await drop(server, 'sea', '')).status, 204)
  const again = (await newCatalog(server, 'sea')).json
  assert.equal(again.storage_location, made.storage_location)
  const [{ id }] = await listed(server)
  const refused = await undrop(server, id, { name: 'ocean' })
  assert.deepEqual([refused.status, /overlaps with catalog sea/.test(refused.text)], [409, true])
  assert.equal((await drop(server, 'sea', '')).status, 204)
  assert.equal((await undrop(server, id)).status, 200)
  assert.deepEqual((await call(server, 'GET', '/v1/sea/namespaces')).json.namespaces, [['default']])
})

test('where nothing is kept the removal begins at once', async (t) => {
  const server = await startTestServer(t, { PANGOLIN_DROPPED_KEPT_HOURS: '0' })
  const { storage_location } = (await newCatalog(server, 'sea')).json
  assert.equal((await drop(server, 'sea', '')).status, 204)
  assert.deepEqual(await listed(server), [])
  await newCatalog(server, 'sea')
  await newTable(server, 'sea', 't')
  assert.equal((await drop(server, 'sea')).status, 204)
  for (const { id } of await listed(server)) {
    assert.ok([404, 409].includes((await undrop(server, id)).status))
    await removed(server, id)
  }
  const again = await newCatalog(server, 'sea', { storage_location })
  assert.equal(again.status, 201, again.text)
  const { json } = await newTable(server, 'sea', 't')
  assert.match(json.metadata.location, /default\/t-[0-9a-f]{8}$/, 'the files of the one before are still there')
})

test('protected catalogs refuse, narrowed tokens are refused, and what is gone is absent', async (t) => {
  const server = await startTestServer(t)
  await newCatalog(server, 'sea')
  assert.equal((await call(server, 'PUT', `${CATALOGS}/sea/protection`, { body: { protected: true } })).status, 200)
  assert.equal((await drop(server, 'sea')).status, 409)
  const { token } = (await post(server, '/api/v1/tokens', { access: 'read-write', within: [{ catalog: 'sea' }] })).json
  assert.equal((await call(server, 'DELETE', `${CATALOGS}/sea?recursive=true`, { token })).status, 403)
  assert.equal((await drop(server, 'sea', '?recursive=true&force=true')).status, 204)
  const [{ id }] = await listed(server)
  for (const [method, path] of [
    ['GET', ''],
    ['DELETE', ''],
    ['POST', '/undrop'],
  ] as const) {
    const options = method === 'POST' ? { body: {} } : {}
    assert.equal((await call(server, method, `${DROPPED}/${id}${path}`, { token, ...options })).status, 403)
    assert.equal((await call(server, method, `${DROPPED}/none${path}`, options)).status, 404)
  }
  assert.equal((await drop(server, 'none')).status, 404)
  assert.equal((await call(server, 'DELETE', '/api/v1/warehouses/local')).status, 409, 'the first catalog is in it')
  assert.equal((await drop(server, 'lake')).status, 204)
  assert.equal((await call(server, 'DELETE', '/api/v1/warehouses/local')).status, 204)
  const stranded = await undrop(server, id)
  assert.deepEqual([stranded.status, /Warehouse does not exist: local/.test(stranded.text)], [409, true], stranded.text)
})
