/** Changes over `/api/v1`: once under one key, refused as a whole, and never two where one has room. On each database. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { openStore } from '../../src/stores/open.ts'
import { key7 } from '../catalog/setup.ts'
import { call, type Answer, type TestServer } from '../http/harness.ts'
import { stopSharedPostgres } from '../services/postgres.ts'
import { DATABASES, pairOn } from './pairs.ts'

const SCHEMA = { type: 'struct', fields: [{ id: 1, name: 'id', type: 'long', required: false }] }
const CATALOGS = '/api/v1/catalogs'
const WAREHOUSES = '/api/v1/warehouses'

const post = (server: TestServer, path: string, body: unknown, headers = {}): Promise<Answer> =>
  call(server, 'POST', path, { body, headers })
const newCatalog = (server: TestServer, name: string, more: object = {}) =>
  post(server, CATALOGS, { name, warehouse_name: 'local', ...more })
const namesIn = async (server: TestServer, catalog: string): Promise<string[]> =>
  (await call(server, 'GET', `/v1/${catalog}/namespaces`)).json.namespaces.map((levels: string[]) => levels.join('.'))

after(() => stopSharedPostgres())

const all = <T>(count: number, work: (n: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: count }, (_, n) => work(n)))

for (const [database, urlOf] of Object.entries(DATABASES)) {
  describe(`changes on ${database}`, () => {
    test('a catalog is dropped as a whole, or not at all, beside the creation of a namespace in it', async (t) => {
      const url = await urlOf(t)
      if (url === undefined) return
      const pair = await pairOn(t, url)
      const ends = new Set<string>()
      for (let round = 0; round < 20; round++) {
        const name = `r${round}`
        assert.equal((await newCatalog(pair[0], name)).status, 201)
        const [dropped, made] = await Promise.all([
          call(pair[round % 2]!, 'DELETE', `${CATALOGS}/${name}`),
          post(pair[1], `/v1/${name}/namespaces`, { namespace: ['beside'] }),
        ])
        ends.add(`${dropped.status} ${made.status}`)
        if (dropped.status === 204) {
          assert.equal(made.status, 404, made.text)
          assert.equal((await call(pair[0], 'GET', `${CATALOGS}/${name}`)).status, 404)
          continue
        }
        assert.deepEqual([dropped.status, made.status], [409, 200], `${dropped.text} ${made.text}`)
        assert.deepEqual(await namesIn(pair[0], name), ['beside', 'default'])
      }
      t.diagnostic(`ends: ${[...ends].join(', ')}`)
    })

    test('of concurrent catalogs at one place one is made, and of those of one name', async (t) => {
      const url = await urlOf(t)
      if (url === undefined) return
      const pair = await pairOn(t, url)
      const { storage_location: root } = (await call(pair[0], 'GET', `${CATALOGS}/lake`)).json
      const place = `${root}-shared`
      const same = await all(8, (n) =>
        newCatalog(pair[n % 2]!, `c${n}`, { storage_location: n % 4 === 3 ? `${place}/in` : place }),
      )
      assert.deepEqual(same.map(({ status }) => status).toSorted(), [201, ...Array<number>(7).fill(409)])
      const named = await all(8, (n) => newCatalog(pair[n % 2]!, 'one', {}))
      assert.deepEqual(named.map(({ status }) => status).toSorted(), [201, ...Array<number>(7).fill(409)])
      assert.deepEqual(await namesIn(pair[1], 'one'), ['default'])
    })

    test('a warehouse is dropped, or a catalog is made in it', async (t) => {
      const url = await urlOf(t)
      if (url === undefined) return
      const pair = await pairOn(t, url)
      for (let round = 0; round < 10; round++) {
        const name = `w${round}`
        const storage_config = { type: 'local', path: join(pair[0].dataDirectory, 'warehouse', name) }
        assert.equal((await post(pair[0], WAREHOUSES, { name, storage_config })).status, 201)
        const [dropped, made] = await Promise.all([
          call(pair[0], 'DELETE', `${WAREHOUSES}/${name}`),
          newCatalog(pair[1], `in-${name}`, { warehouse_name: name }),
        ])
        const ends = `${dropped.status} ${made.status}`
        assert.ok(['204 400', '409 201'].includes(ends), `${ends} ${dropped.text} ${made.text}`)
      }
    })

    test('a table is protected, or dropped, and a protection that was acknowledged holds', async (t) => {
      const url = await urlOf(t)
      if (url === undefined) return
      const pair = await pairOn(t, url)
      const tables = '/v1/lake/namespaces/default/tables'
      for (let round = 0; round < 15; round++) {
        const name = `p${round}`
        assert.equal((await post(pair[0], tables, { name, schema: SCHEMA })).status, 200)
        const [guarded, dropped] = await Promise.all([
          call(pair[0], 'PUT', `${CATALOGS}/lake/namespaces/default/tables/${name}/protection`, { body: { protected: true } }),
          call(pair[1], 'DELETE', `${tables}/${name}`),
        ])
        const ends = `${guarded.status} ${dropped.status}`
        assert.ok(['200 409', '404 204'].includes(ends), `${ends} ${guarded.text} ${dropped.text}`)
        assert.equal((await call(pair[1], 'GET', `${tables}/${name}`)).status, dropped.status === 204 ? 404 : 200)
      }
    })

    test('no table lies where its catalog was before it moved', async (t) => {
      const url = await urlOf(t)
      if (url === undefined) return
      const pair = await pairOn(t, url)
      const storage_config = { type: 'local', path: join(pair[0].dataDirectory, 'warehouse', 'elsewhere') }
      assert.equal((await post(pair[0], WAREHOUSES, { name: 'elsewhere', storage_config })).status, 201)
      for (let round = 0; round < 10; round++) {
        const name = `m${round}`
        assert.equal((await newCatalog(pair[0], name)).status, 201)
        // Both servers know the catalog as it is.
        await Promise.all(pair.map((server) => call(server, 'GET', `/v1/${name}/namespaces`)))
        const [moved, made] = await Promise.all([
          call(pair[0], 'PUT', `${CATALOGS}/${name}`, { body: { warehouse_name: 'elsewhere' } }),
          post(pair[1], `/v1/${name}/namespaces/default/tables`, { name: 't', schema: SCHEMA }),
        ])
        const ends = `${moved.status} ${made.status}`
        assert.ok(['200 200', '409 200', '200 503'].includes(ends), `${ends} ${moved.text} ${made.text}`)
        if (made.status !== 200) continue
        const { storage_location: root } = (await call(pair[0], 'GET', `${CATALOGS}/${name}`)).json
        assert.ok(made.json.metadata.location.startsWith(`${root}/`), `${made.json.metadata.location} below ${root}`)
        assert.equal((await call(pair[0], 'GET', `/v1/${name}/namespaces/default/tables/t`)).status, 200)
      }
    })

    test('each change under one key happens once, and is answered alike', async (t) => {
      const url = await urlOf(t)
      if (url === undefined) return
      const pair = await pairOn(t, url)
      let keys = 0
      const twice = async (method: string, path: string, body?: unknown): Promise<Answer> => {
        const headers = { 'idempotency-key': key7((keys += 1)) }
        const options = { headers, ...(body === undefined ? {} : { body }) }
        const first = await call(pair[0], method, path, options)
        const second = await call(pair[1], method, path, {
          ...options,
          headers: { 'idempotency-key': headers['idempotency-key'].toUpperCase() },
        })
        assert.deepEqual([second.status, second.text], [first.status, first.text], `${method} ${path}`)
        if (body !== undefined) {
          const other = await call(pair[1], method, path, { headers, body: { ...body, description: 'another' } })
          assert.equal(other.status, 422, other.text)
        }
        return first
      }
      const storage_config = { type: 'local', path: join(pair[0].dataDirectory, 'warehouse', 'w') }
      assert.equal((await twice('POST', WAREHOUSES, { name: 'w', storage_config })).status, 201)
      assert.equal((await twice('PUT', `${WAREHOUSES}/w`, { table_location_layout: 'uuid' })).status, 200)
      assert.equal((await twice('POST', CATALOGS, { name: 'c', warehouse_name: 'w' })).status, 201)
      assert.equal((await twice('PUT', `${CATALOGS}/c`, { properties: { a: 'b' } })).status, 200)
      assert.equal((await twice('DELETE', `${WAREHOUSES}/w`)).status, 409, 'a refusal is one, too')
      assert.equal((await twice('DELETE', `${CATALOGS}/c`)).status, 204)
      assert.equal((await twice('POST', '/api/v1/tokens', { description: 'mine' })).status, 200)
      const tokens = async () => (await call(pair[0], 'GET', '/api/v1/users/me/tokens')).json.map(({ id }: { id: string }) => id)
      assert.equal((await tokens()).length, 2, 'one beside that of the first start')
      const minted = await twice('POST', '/api/v1/tokens', {})
      const rotated = await twice('POST', '/api/v1/tokens/rotate', { token_id: minted.json.id })
      assert.equal((await call(pair[1], 'GET', '/v1/lake/namespaces', { token: rotated.json.token })).status, 200)
      assert.equal((await twice('DELETE', `/api/v1/tokens/${rotated.json.id}`)).status, 204)
      const passwords = { current_password: pair[0].password, new_password: 'another long password' }
      assert.equal((await twice('POST', '/api/v1/users/me/password', passwords)).status, 204)
      for (const key of ['not-a-uuid', '', '017f22e2-79b0-4cc3-98c4-dc0c0c07398f']) {
        const answer = await call(pair[0], 'POST', '/api/v1/tokens', { body: {}, headers: { 'idempotency-key': key } })
        assert.equal(answer.status, 400, answer.text)
      }
      await assertNothingToGuess(url, [minted.json.token, rotated.json.token, passwords.new_password])
    })
  })
}

/** What the records of requests keep holds no secret. */
async function assertNothingToGuess(url: string, secrets: readonly string[]): Promise<void> {
  const store = openStore(url)
  try {
    for (const entity of ['idempotency', 'commits'] as const) {
      const rows = await store.list(entity, { index: 'primary', where: {}, limit: 1000 })
      assert.ok(rows.length > 5, entity)
      const text = JSON.stringify(rows)
      for (const secret of secrets) assert.ok(!text.includes(secret.slice(-20)), entity)
    }
  } finally {
    await store.close()
  }
}
