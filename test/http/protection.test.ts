/** What is protected is not dropped, in whatever way and race, until its protection ends or an administrator forces it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { viewVersion } from '../requests.ts'
import { call, startTestServer, type Answer, type TestServer } from './harness.ts'

const schema = { type: 'struct', fields: [{ id: 1, name: 'id', type: 'long', required: false }] }
const view = {
  name: 'v',
  schema: { ...schema, 'schema-id': 0 },
  'view-version': viewVersion('default'),
  properties: {},
}
const API = '/api/v1/catalogs'
/** What is dropped at which path, and protected at which. */
const THINGS = {
  table: ['/v1/lake/namespaces/a/tables/t', `${API}/lake/namespaces/a/tables/t/protection`],
  view: ['/v1/lake/namespaces/a/views/v', `${API}/lake/namespaces/a/views/v/protection`],
  namespace: ['/v1/lake/namespaces/b%1Fc', `${API}/lake/namespaces/b%1Fc/protection`],
  catalog: [`${API}/second`, `${API}/second/protection`],
} as const

async function withThings(server: TestServer): Promise<void> {
  const post = async (path: string, body: unknown) => {
    const answer = await call(server, 'POST', path, { body })
    assert.ok(answer.status < 300, answer.text)
  }
  for (const namespace of [['a'], ['b'], ['b', 'c']]) await post('/v1/lake/namespaces', { namespace })
  await post('/v1/lake/namespaces/a/tables', { name: 't', schema })
  await post('/v1/lake/namespaces/a/views', view)
  await post(API, { name: 'second', warehouse_name: 'local' })
}

const protect = (server: TestServer, path: string, wanted: boolean, token?: string): Promise<Answer> =>
  call(server, 'PUT', path, { body: { protected: wanted }, ...(token !== undefined && { token }) })

for (const [kind, [path, protection]] of Object.entries(THINGS)) {
  test(`a ${kind} that is protected stays until that ends`, async (t) => {
    const server = await startTestServer(t)
    await withThings(server)
    assert.deepEqual((await call(server, 'GET', protection)).json, { protected: false })
    assert.deepEqual((await protect(server, protection, true)).json, { protected: true })
    assert.deepEqual((await protect(server, protection, true)).json, { protected: true })
    assert.deepEqual((await call(server, 'GET', protection)).json, { protected: true })
    const dropped = await call(server, 'DELETE', path)
    assert.equal(dropped.status, 409, dropped.text)
    assert.match(dropped.json.error.message, new RegExp(`^The ${kind} .* is protected`))
    assert.equal((await call(server, 'GET', path)).status, 200)
    assert.deepEqual((await protect(server, protection, false)).json, { protected: false })
    assert.equal((await call(server, 'DELETE', path)).status, 204)
    assert.equal((await call(server, 'GET', protection)).status, 404)
    assert.equal((await protect(server, protection, true)).status, 404)
  })

  test(`a ${kind} that is protected is dropped with force, by an administrator alone`, async (t) => {
    const server = await startTestServer(t)
    await withThings(server)
    await protect(server, protection, true)
    const narrowed = await call(server, 'POST', '/api/v1/tokens', { body: { access: 'read-write' } })
    const forced = `${path}?force=true`
    assert.equal((await call(server, 'DELETE', forced, { token: narrowed.json.token })).status, 403)
    assert.equal((await call(server, 'DELETE', forced)).status, 204)
    const log = kind === 'catalog' ? '/api/v1/commits' : `${API}/lake/commits`
    const [made] = (await call(server, 'GET', `${log}?action=protect-${kind}`)).json
    assert.match(made.message, new RegExp(`^Protect ${kind} `))
  })

  test(`protecting a ${kind} and dropping it at once: one of them comes first`, async (t) => {
    for (let round = 0; round < 8; round++) {
      const server = await startTestServer(t)
      await withThings(server)
      const [guarded, dropped] = await Promise.all([protect(server, protection, true), call(server, 'DELETE', path)])
      const ends = `${guarded.status} ${dropped.status}`
      assert.ok(['200 409', '404 204'].includes(ends), `${ends} ${guarded.text} ${dropped.text}`)
      assert.equal((await call(server, 'GET', path)).status, dropped.status === 204 ? 404 : 200)
    }
  })
}

test('a protected table keeps that under a new name, and is neither purged nor unregistered', async (t) => {
  const server = await startTestServer(t)
  await withThings(server)
  const [path, protection] = THINGS.table
  await protect(server, protection, true)
  assert.equal((await call(server, 'DELETE', `${path}?purgeRequested=true`)).status, 409)
  assert.equal((await call(server, 'POST', `${path}/unregister`, { body: {} })).status, 409)
  const rename = { source: { namespace: ['a'], name: 't' }, destination: { namespace: ['a'], name: 'u' } }
  assert.equal((await call(server, 'POST', '/v1/lake/tables/rename', { body: rename })).status, 204)
  const renamed = path.replace(/t$/, 'u')
  assert.equal((await call(server, 'DELETE', renamed)).status, 409)
  assert.equal((await call(server, 'POST', renamed, { body: { updates: [] } })).status, 200)
  // With force it goes, and comes back without a protection.
  assert.equal((await call(server, 'DELETE', `${renamed}?force=true`)).status, 204)
  const [{ id }] = (await call(server, 'GET', `${API}/lake/dropped`)).json
  assert.equal((await call(server, 'POST', `${API}/lake/undrop`, { body: { id } })).status, 200)
  assert.equal((await call(server, 'DELETE', renamed)).status, 204)
})

test('a catalog whose first namespace is protected stays, namespace and all', async (t) => {
  const server = await startTestServer(t)
  await withThings(server)
  await protect(server, `${API}/second/namespaces/default/protection`, true)
  const dropped = await call(server, 'DELETE', `${API}/second`)
  assert.equal(dropped.status, 409)
  assert.match(dropped.json.error.message, /namespace default of catalog second is protected/)
  assert.equal((await call(server, 'GET', '/v1/second/namespaces/default')).status, 200)
  assert.equal((await call(server, 'DELETE', `${API}/second?force=true`)).status, 204)
})

test('what is not asked right is refused', async (t) => {
  const server = await startTestServer(t)
  await withThings(server)
  const [path, protection] = THINGS.table
  for (const body of [{}, { protected: 'yes' }, { protected: null }, []]) {
    assert.equal((await call(server, 'PUT', protection, { body })).status, 400, JSON.stringify(body))
  }
  assert.equal((await call(server, 'DELETE', `${path}?force=perhaps`)).status, 400)
  const key = { 'idempotency-key': '017f22e2-79b0-7cc3-98c4-000000000001' }
  const first = await call(server, 'PUT', protection, { body: { protected: true }, headers: key })
  await protect(server, protection, false)
  const again = await call(server, 'PUT', protection, { body: { protected: true }, headers: key })
  assert.deepEqual([again.status, again.text], [first.status, first.text])
  assert.deepEqual((await call(server, 'GET', protection)).json, { protected: false }, 'a repetition changes nothing')
})
