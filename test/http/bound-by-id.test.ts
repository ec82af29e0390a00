/** A token that was narrowed to things that existed is bound to these things, not to their names. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { call, startTestServer, type Answer, type TestServer } from './harness.ts'
import { schema } from './operations.ts'

const NAMESPACES = '/v1/lake/namespaces'

interface Bench {
  readonly server: TestServer
  /** As the administrator. @throws AssertionError when it is refused */
  readonly ok: (method: string, path: string, body?: object) => Promise<Answer>
  readonly mint: (access: 'read' | 'read-write', ...within: object[]) => Promise<string>
  readonly status: (token: string, path: string, method?: string, body?: object) => Promise<number>
  readonly names: (token: string, path: string) => Promise<string[]>
}

async function open(t: TestContext): Promise<Bench> {
  const server = await startTestServer(t)
  const ok: Bench['ok'] = async (method, path, body) => {
    const answer = await call(server, method, path, body === undefined ? {} : { body })
    assert.ok(answer.status < 300, `${method} ${path}: ${answer.text}`)
    return answer
  }
  for (const name of ['a', 'b']) await ok('POST', NAMESPACES, { namespace: [name] })
  for (const name of ['t', 'u']) await ok('POST', `${NAMESPACES}/a/tables`, { name, schema })
  return {
    server,
    ok,
    mint: async (access, ...within) => (await ok('POST', '/api/v1/tokens', { access, within })).json.token,
    status: async (token, path, method = 'GET', body = undefined) =>
      (await call(server, method, path, { token, ...(body && { body }) })).status,
    names: async (token, path) => {
      const { json } = await call(server, 'GET', path, { token })
      return (json.identifiers ?? []).map(({ name }: { name: string }) => name)
    },
  }
}

const rename = ({ ok }: Bench, from: string, to: string): Promise<Answer> => {
  const named = (text: string) => ({ namespace: [text.split('.')[0]], name: text.split('.')[1] })
  return ok('POST', '/v1/lake/tables/rename', { source: named(from), destination: named(to) })
}

test('a table that is renamed stays within, wherever it goes, and what gets its old name is another one', async (t) => {
  const bench = await open(t)
  const { ok, mint, status, names } = bench
  const token = await mint('read-write', { catalog: 'lake', namespace: ['a'], table: 't' })
  assert.equal(await status(token, `${NAMESPACES}/a/tables/t`), 200)
  await rename(bench, 'a.t', 'b.moved')
  assert.equal(await status(token, `${NAMESPACES}/b/tables/moved`), 200)
  assert.equal(await status(token, `${NAMESPACES}/a/tables/t`), 404)
  await ok('POST', `${NAMESPACES}/a/tables`, { name: 't', schema })
  for (const method of ['GET', 'HEAD', 'DELETE']) assert.equal(await status(token, `${NAMESPACES}/a/tables/t`, method), 404)
  const change = { requirements: [], updates: [{ action: 'set-properties', updates: { a: 'b' } }] }
  assert.equal(await status(token, `${NAMESPACES}/a/tables/t`, 'POST', change), 404)
  assert.equal(await status(token, `${NAMESPACES}/b/tables/moved`, 'POST', change), 200)
  const refused = await call(bench.server, 'GET', `${NAMESPACES}/a/tables/t`, { token })
  assert.match(
    refused.text,
    /Table does not exist: a\.t \(.* allows read-write within lake\.a\.t, as things were called when it was made\)/,
  )
  // The way to it is the one that there is now.
  assert.deepEqual(await names(token, `${NAMESPACES}/b/tables`), ['moved'])
  assert.equal(await status(token, `${NAMESPACES}/a/tables`), 404)
  const { json } = await call(bench.server, 'GET', NAMESPACES, { token })
  assert.deepEqual(json.namespaces, [['b']])
  assert.equal(await status(token, `${NAMESPACES}/b`), 200)
  assert.equal(await status(token, `${NAMESPACES}/b`, 'DELETE'), 403)
})

test('what was dropped and comes back is within again; what was made in its place never was', async (t) => {
  const bench = await open(t)
  const { server, ok, mint, status } = bench
  const token = await mint('read', { catalog: 'lake', namespace: ['a'], table: 't' })
  const place = `${NAMESPACES}/a/tables/t`
  await ok('DELETE', place)
  assert.equal(await status(token, place), 404)
  assert.equal(await status(token, `${NAMESPACES}/a/tables`), 404, 'there is no way to what is gone')
  await ok('POST', `${NAMESPACES}/a/tables`, { name: 't', schema })
  assert.equal(await status(token, place), 404)
  const [{ id }] = (await call(server, 'GET', '/api/v1/catalogs/lake/dropped')).json
  await ok('POST', '/api/v1/catalogs/lake/undrop', { id, name: 'back' })
  assert.equal(await status(token, `${NAMESPACES}/a/tables/back`), 200)
  assert.equal(await status(token, place), 404)
})

test('a namespace and a catalog that are made anew under the name are other ones', async (t) => {
  const bench = await open(t)
  const { server, ok, mint, status } = bench
  const inA = await mint('read-write', { catalog: 'lake', namespace: ['a'] })
  const inLake = await mint('read', { catalog: 'lake' })
  const later = await mint('read', { catalog: 'lake', namespace: ['later'] }, { catalog: 'lake', namespace: ['a'], table: 'new' })
  await ok('POST', `${NAMESPACES}/a/tables`, { name: 'new', schema })
  assert.equal(await status(later, `${NAMESPACES}/a/tables/new`), 200, 'what did not exist is bound by its name')
  assert.equal(await status(inA, `${NAMESPACES}/a`), 200)
  const recursive = await call(server, 'DELETE', '/api/v1/catalogs/lake/namespaces/a?recursive=true')
  assert.equal(recursive.status, 204, recursive.text)
  await ok('POST', NAMESPACES, { namespace: ['a'] })
  for (const name of ['t', 'new']) await ok('POST', `${NAMESPACES}/a/tables`, { name, schema })
  assert.equal(await status(inA, `${NAMESPACES}/a`), 404)
  assert.equal(await status(inA, `${NAMESPACES}/a/tables/t`), 404)
  assert.equal(await status(inA, `${NAMESPACES}/a/tables`, 'POST', { name: 'x', schema }), 404)
  assert.equal(await status(later, `${NAMESPACES}/a/tables/new`), 404, 'within the namespace that there was')
  assert.equal(await status(inLake, `${NAMESPACES}/a/tables/t`), 200)
  await ok('POST', NAMESPACES, { namespace: ['later'] })
  assert.equal(await status(later, `${NAMESPACES}/later`), 200)

  await ok('PUT', '/api/v1/catalogs/lake', { name: 'sea' })
  await ok('POST', '/api/v1/catalogs', { name: 'lake', warehouse_name: 'local' })
  assert.equal(await status(inLake, NAMESPACES), 404)
  assert.equal(await status(inLake, '/v1/sea/namespaces/a/tables/t'), 200)
  assert.equal((await call(server, 'GET', '/v1/config?warehouse=sea', { token: inLake })).json.overrides.prefix, 'sea')
})

test('a namespace that comes back is within again, with what was in it, also for the token that brings it back', async (t) => {
  const bench = await open(t)
  const { server, mint, status } = bench
  const inA = await mint('read-write', { catalog: 'lake', namespace: ['a'] })
  const dropped = await call(server, 'DELETE', '/api/v1/catalogs/lake/namespaces/a?recursive=true')
  assert.equal(dropped.status, 204, dropped.text)
  const rows = (await call(server, 'GET', '/api/v1/catalogs/lake/dropped')).json
  const { id } = rows.find(({ kind }: { kind: string }) => kind === 'namespace')
  assert.equal(await status(inA, '/api/v1/catalogs/lake/undrop', 'POST', { id, name: 'other' }), 403)
  assert.equal(await status(inA, '/api/v1/catalogs/lake/undrop', 'POST', { id }), 200)
  assert.equal(await status(inA, `${NAMESPACES}/a/tables/t`), 200)
  // The same by undo, there and back.
  const undoLast = async () => {
    const [{ id: change }] = (await call(server, 'GET', '/api/v1/catalogs/lake/commits?limit=1')).json
    return status(inA, '/api/v1/catalogs/lake/undo', 'POST', { change })
  }
  assert.equal(await undoLast(), 200)
  assert.equal(await status(inA, `${NAMESPACES}/a/tables/t`), 404)
  assert.equal(await undoLast(), 200)
  assert.equal(await status(inA, `${NAMESPACES}/a/tables/t`), 200)
})

test('of the past it reads what it was bound to, under the name that it had', async (t) => {
  const bench = await open(t)
  const { server, ok, mint, status, names } = bench
  const at = async () => (await call(server, 'GET', '/api/v1/catalogs/lake/commits?limit=1')).json[0].position as number
  const before = await at()
  const [one, all] = [
    await mint('read', { catalog: 'lake', namespace: ['a'], table: 't' }),
    await mint('read', { catalog: 'lake', namespace: ['a'] }),
  ]
  await rename(bench, 'a.t', 'b.t')
  await ok('POST', `${NAMESPACES}/a/tables`, { name: 't', schema })
  const between = await at()
  const then = (position: number, path: string) => `/v1/lake@${position}/namespaces/${path}`
  assert.equal(await status(one, then(before, 'a/tables/t')), 200)
  assert.deepEqual(await names(one, then(before, 'a/tables')), ['t'])
  assert.deepEqual(await names(one, then(between, 'b/tables')), ['t'])
  assert.equal(await status(one, then(between, 'a/tables')), 404)
  assert.equal(await status(one, then(between, 'b/tables/t')), 200)
  assert.equal(await status(one, then(between, 'a/tables/t')), 404)
  assert.equal(await status(all, then(between, 'a/tables/t')), 200)
  assert.equal(await status(all, then(before, 'a/tables/t')), 404, 'it is elsewhere now')
  await ok('DELETE', '/api/v1/catalogs/lake/namespaces/a?recursive=true')
  await ok('POST', NAMESPACES, { namespace: ['a'] })
  const anew = await mint('read', { catalog: 'lake', namespace: ['a'] })
  assert.equal(await status(all, then(between, 'a/tables/u')), 200)
  assert.deepEqual((await call(server, 'GET', `/v1/lake@${between}/namespaces`, { token: all })).json.namespaces, [['a']])
  assert.deepEqual((await call(server, 'GET', `/v1/lake@${between}/namespaces`, { token: anew })).json.namespaces, [])
  assert.equal(await status(anew, then(between, 'a/tables/u')), 404, 'that was in another namespace of the name')
})
