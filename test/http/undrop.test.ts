/** What was dropped, over `/api/v1`: listed in pages, for those who may see it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { call, startTestServer, type Answer, type TestServer } from './harness.ts'

const DROPPED = '/api/v1/catalogs/lake/dropped'
const UNDROP = '/api/v1/catalogs/lake/undrop'
const schema = { type: 'struct', fields: [] }
const undrop = (server: TestServer, body: unknown, token?: string): Promise<Answer> =>
  call(server, 'POST', UNDROP, { body, ...(token !== undefined && { token }) })

async function dropTables(server: TestServer, ...names: string[]): Promise<void> {
  for (const name of names) {
    const path = '/v1/lake/namespaces/default/tables'
    assert.equal((await call(server, 'POST', path, { body: { name, schema } })).status, 200)
    assert.equal((await call(server, 'DELETE', `${path}/${name}`)).status, 204)
  }
}

test('in pages, newest first', async (t) => {
  const server = await startTestServer(t)
  await dropTables(server, 'a', 'b', 'c')
  const names: string[] = []
  for (let token: string | null = ''; token !== null;) {
    const page = await call(server, 'GET', `${DROPPED}?limit=2&pageToken=${token}`)
    assert.equal(page.status, 200, page.text)
    names.push(...page.json.map(({ name }: { name: string }) => name))
    token = page.headers.get('x-next-page-token')
  }
  assert.deepEqual(names, ['c', 'b', 'a'])
})

test('who sees a part of the catalog gets back what is in it, and learns nothing of the rest', async (t) => {
  const server = await startTestServer(t)
  await dropTables(server, 'a', 'b')
  const [b, a] = (await call(server, 'GET', DROPPED)).json
  const mint = async (body: object): Promise<string> => (await call(server, 'POST', '/api/v1/tokens', { body })).json.token
  const narrow = await mint({ access: 'read-write', within: [{ catalog: 'lake', namespace: ['default'], table: 'a' }] })
  const reader = await mint({ access: 'read' })
  assert.equal((await call(server, 'GET', DROPPED, { token: narrow })).status, 403)
  assert.equal((await call(server, 'GET', DROPPED, { token: reader })).status, 200)
  assert.equal((await undrop(server, { id: a.id }, reader)).status, 403)
  const hidden = await undrop(server, { id: b.id }, narrow)
  const absent = await undrop(server, { id: a.id.replaceAll(/[0-9]/g, '1') }, narrow)
  assert.deepEqual(
    [hidden.status, hidden.text.replaceAll(b.id, '')],
    [absent.status, absent.text.replaceAll(/id [^"]*"/g, 'id "')],
  )
  assert.equal((await undrop(server, { id: a.id, name: 'c' }, narrow)).status, 403, 'nor under a name that is not its own')
  const back = await undrop(server, { id: a.id }, narrow)
  assert.equal(back.status, 200, back.text)
  assert.equal((await call(server, 'GET', '/v1/lake/namespaces/default/tables/a', { token: narrow })).status, 200)
})

test('what is not asked right is refused', async (t) => {
  const server = await startTestServer(t)
  await dropTables(server, 'a')
  const [{ id }] = (await call(server, 'GET', DROPPED)).json
  for (const [body, status] of [
    [{}, 400],
    [{ id: 5 }, 400],
    [{ id: 'none' }, 404],
    [{ id: 'x'.repeat(10_000) }, 404],
    [{ id: '\ud800' }, 400],
    [{ id, namespace: 'default' }, 400],
    [{ id, namespace: [] }, 400],
    [{ id, namespace: ['none'] }, 409],
    [{ id, name: '' }, 400],
    [{ id, name: 'a\u0000' }, 400],
  ] as const) {
    const answer = await undrop(server, body)
    assert.equal(answer.status, status, `${JSON.stringify(body).slice(0, 100)}: ${answer.text}`)
  }
  assert.equal((await call(server, 'POST', '/api/v1/catalogs/none/undrop', { body: { id } })).status, 404)
  assert.equal((await undrop(server, { id, namespace: null, name: null })).status, 200)
})

test('a setting says how long, and 0 drops for good', async (t) => {
  const server = await startTestServer(t, { PANGOLIN_DROPPED_KEPT_HOURS: '0' })
  await dropTables(server, 'a')
  assert.deepEqual((await call(server, 'GET', DROPPED)).json, [])
  const other = await startTestServer(t, { PANGOLIN_DROPPED_KEPT_HOURS: '2' })
  await dropTables(other, 'a')
  const [{ dropped_at: from, kept_until: until }] = (await call(other, 'GET', DROPPED)).json
  assert.equal(until - from, 7_200_000)
})

test('a warehouse says how long a purge waits, and it is undone until then', async (t) => {
  const server = await startTestServer(t)
  const warehouse = (body: object) => call(server, 'PUT', '/api/v1/warehouses/local', { body })
  for (const wrong of [-1, 1.5, '24', 1e9])
    assert.equal((await warehouse({ purge_delay_hours: wrong })).status, 400, String(wrong))
  assert.equal((await call(server, 'GET', '/api/v1/warehouses/local')).json.purge_delay_hours, 0)
  const changed = (await warehouse({ purge_delay_hours: 24 })).json
  assert.deepEqual([changed.purge_delay_hours, changed.changed], [24, ['purge_delay_hours']])
  assert.equal((await warehouse({ table_location_layout: 'plain' })).json.purge_delay_hours, 24, 'and it stays')
  const path = '/v1/lake/namespaces/default/tables'
  assert.equal((await call(server, 'POST', path, { body: { name: 'a', schema } })).status, 200)
  const since = Date.now()
  assert.equal((await call(server, 'DELETE', `${path}/a?purgeRequested=true`)).status, 204)
  assert.ok(Date.now() - since < 900, 'nothing is waited for')
  const [{ id, purge, dropped_at: from, kept_until: until }] = (await call(server, 'GET', DROPPED)).json
  assert.deepEqual([purge, until - from], [true, 86_400_000])
  assert.equal((await undrop(server, { id })).status, 200)
  assert.equal((await call(server, 'GET', `${path}/a`)).status, 200)
  assert.equal((await warehouse({ purge_delay_hours: null })).json.purge_delay_hours, 0)
  assert.equal((await call(server, 'DELETE', `${path}/a?purgeRequested=true`)).status, 204)
  assert.deepEqual((await call(server, 'GET', DROPPED)).json, [])
  const storage_config = { type: 'local', path: `${server.dataDirectory}/warehouse/w` }
  const made = await call(server, 'POST', '/api/v1/warehouses', { body: { name: 'w', storage_config, purge_delay_hours: 2 } })
  assert.deepEqual([made.status, made.json.purge_delay_hours], [201, 2])
})
