/** The log of changes over `/api/v1`: who did what from where, in pages both ways, and only what was asked for. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseApiToken } from '../../src/access/api-tokens.ts'
import { openStore } from '../../src/stores/open.ts'
import { call, startTestServer, type Answer, type TestServer } from './harness.ts'

const LOG = '/api/v1/catalogs/lake/commits'
const schema = { type: 'struct', fields: [{ id: 1, name: 'id', type: 'long', required: false }] }
const get = (server: TestServer, query = '', path = LOG, token?: string): Promise<Answer> =>
  call(server, 'GET', `${path}${query}`, token === undefined ? {} : { token })
interface Line {
  readonly id: string
  readonly parent_id: string | null
  readonly message: string
}
const messages = ({ json }: Answer): string[] => json.map(({ message }: Line) => message)

async function makeChanges(server: TestServer): Promise<void> {
  const post = async (path: string, body: unknown) => {
    const answer = await call(server, 'POST', `/v1/lake/${path}`, { body, headers: { 'x-request-id': `r-${path}`.slice(0, 40) } })
    assert.ok(answer.status < 300, answer.text)
    await sleep(2)
  }
  await post('namespaces', { namespace: ['a'] })
  await post('namespaces', { namespace: ['a', 'b'] })
  await post('namespaces/a/tables', { name: 't', schema })
  await post('namespaces/a%1Fb/tables', { name: 't', schema })
  await post('namespaces/a/tables/t', { updates: [{ action: 'set-properties', updates: { k: 'v' } }] })
  await post('tables/rename', { source: { namespace: ['a'], name: 't' }, destination: { namespace: ['default'], name: 'u' } })
}

test('a line says which principal and token it was, and from where', async (t) => {
  const server = await startTestServer(t)
  await makeChanges(server)
  const [last] = (await get(server, '?limit=1')).json
  assert.deepEqual(
    { author: last.author, token: last.token_id, address: last.address, request: last.request_id },
    { author: server.username, token: parseApiToken(server.token)!.id, address: '127.0.0.1', request: 'r-tables/rename' },
  )
  assert.match(last.principal_id, /^[0-9a-f-]{36}$/)
  assert.equal(last.user_agent, 'node')
  const narrow = await call(server, 'POST', '/api/v1/tokens', { body: { access: 'read', within: [{ catalog: 'lake' }] } })
  const [seen] = (await get(server, '?limit=1', LOG, narrow.json.token)).json
  assert.deepEqual([seen.id, seen.author, seen.message], [last.id, last.author, last.message])
  for (const field of ['principal_id', 'token_id', 'address', 'user_agent', 'request_id']) assert.equal(seen[field], null, field)
  assert.equal((await get(server, '', '/api/v1/commits', narrow.json.token)).status, 403)
  const made = await call(server, 'POST', '/v1/lake/namespaces', { body: { namespace: ['c'] } })
  const [own] = (await get(server, '?limit=1')).json
  assert.equal(own.request_id, made.headers.get('x-request-id'), 'where the client names none, the answer does')
})

test('pages lead both ways, and each line names the one before it', async (t) => {
  const server = await startTestServer(t)
  await makeChanges(server)
  const whole = await get(server)
  const ids: string[] = whole.json.map(({ id }: Line) => id)
  assert.equal(ids.length, 7)
  assert.equal(whole.headers.get('x-next-page-token'), null)
  const parents = (answer: Answer) => answer.json.map((line: Line) => line.parent_id)
  assert.deepEqual(parents(whole), [...ids.slice(1), null])
  const upwards = await get(server, '?order=asc')
  assert.deepEqual(upwards.json, whole.json.toReversed())
  for (const limit of [1, 2, 3, 6, 7]) {
    const pages: Answer[] = []
    for (let token: string | null = ''; token !== null;) {
      pages.push(await get(server, `?limit=${limit}&pageToken=${token}`))
      token = pages.at(-1)!.headers.get('x-next-page-token')
    }
    assert.equal(pages.length, Math.ceil(7 / limit), `${limit}`)
    assert.deepEqual(
      pages.flatMap(({ json }) => json),
      whole.json,
    )
    const [first, second] = pages
    if (second === undefined) continue
    const back = second.headers.get('x-previous-page-token')!
    const before = await get(server, `?limit=${limit}&order=asc&pageToken=${back}`)
    assert.deepEqual(before.json, first!.json.toReversed())
  }
  const newest = (await get(server, '?limit=1')).headers.get('x-previous-page-token')!
  assert.deepEqual((await get(server, `?order=asc&pageToken=${newest}`)).json, [])
  await call(server, 'POST', '/v1/lake/namespaces', { body: { namespace: ['later'] } })
  assert.deepEqual(messages(await get(server, `?order=asc&pageToken=${newest}`)), ['Create namespace later'])
})

test('filters: by namespace, table, principal, action and time, also several at once', async (t) => {
  const server = await startTestServer(t)
  await makeChanges(server)
  const filtered = async (query: string) => messages(await get(server, `?order=asc&${query}`))
  const all = await filtered('')
  assert.deepEqual(all, [
    'Create namespace default',
    'Create namespace a',
    'Create namespace a.b',
    'Create table a.t',
    'Create table a.b.t',
    'Commit to table a.t',
    'Rename table a.t to default.u',
  ])
  assert.deepEqual(await filtered('namespace=a'), all.slice(1))
  assert.deepEqual(await filtered('namespace=a%1Fb'), ['Create namespace a.b', 'Create table a.b.t'])
  assert.deepEqual(await filtered('namespace=a&table=t'), [all[3], all[5], all[6]])
  assert.deepEqual(await filtered('namespace=default&table=u'), [all[6]])
  assert.deepEqual(await filtered('action=create-table'), [all[3], all[4]])
  assert.deepEqual(await filtered('action=create-table&namespace=a%1Fb'), [all[4]])
  assert.deepEqual(await filtered('action=none'), [])
  const lines = (await get(server, '?order=asc')).json
  assert.deepEqual(await filtered(`principal=${lines[1].principal_id}`), all.slice(1))
  assert.deepEqual(await filtered(`principal=${server.username}`), all.slice(1))
  // Whoever started the server.
  assert.deepEqual(await filtered('principal=operator'), all.slice(0, 1))
  assert.deepEqual(await filtered('principal=nobody'), [])
  const [from, to] = [lines[2].timestamp, lines[4].timestamp]
  assert.deepEqual(await filtered(`since=${from}&until=${to}`), all.slice(2, 5))
  assert.deepEqual(messages(await get(server, `?since=${from}&until=${to}`)), all.slice(2, 5).toReversed())
  assert.deepEqual(await filtered(`since=${encodeURIComponent(new Date(to + 1).toISOString())}`), all.slice(5))
  assert.deepEqual(await filtered('until=1999-12-31'), [])
  // What a filter passes over is a change all the same.
  const [renamed] = (await get(server, '?action=rename-table')).json
  assert.equal(renamed.parent_id, lines[5].id)
  const narrow = await get(server, '?action=create-table&limit=1')
  const next = narrow.headers.get('x-next-page-token')!
  assert.deepEqual(messages(await get(server, `?action=create-table&limit=1&pageToken=${next}`)), [all[3]])
})

test('the log of the tenant has changes of warehouses, catalogs, tokens and passwords, with before and after and no secret', async (t) => {
  const server = await startTestServer(t)
  const path = `${server.dataDirectory}/warehouse/w`
  const ask = async (method: string, route: string, body?: unknown) => {
    const answer = await call(server, method, `/api/v1/${route}`, body === undefined ? {} : { body })
    assert.ok(answer.status < 300, answer.text)
    return answer.json
  }
  await ask('POST', 'warehouses', { name: 'w', storage_config: { type: 'local', path } })
  await ask('PUT', 'warehouses/w', { table_location_layout: 'uuid' })
  await ask('POST', 'catalogs', { name: 'c', warehouse_name: 'w' })
  await ask('PUT', 'catalogs/c', { properties: { a: 'b' } })
  await ask('DELETE', 'catalogs/c')
  await ask('DELETE', 'warehouses/w')
  const keys = { access_key_id: 'AKIAEXAMPLE', secret_access_key: 'hush-hush' }
  const storage_config = {
    's3.bucket': 'bucket',
    's3.region': 'eu-west-1',
    's3.access-key-id': 'AKIAEXAMPLE',
    's3.secret-access-key': 'hush-hush',
  }
  await ask('POST', 'warehouses', { name: 's3', storage_config, vending_strategy: { AwsStatic: keys } })
  await ask('PUT', 'warehouses/s3?test=false', {
    storage_config: { 's3.access-key-id': 'AKIAEXAMPLE', 's3.secret-access-key': 'hush-again' },
  })
  const { id, token } = await ask('POST', 'tokens', { description: 'mine' })
  const { id: second, token: other } = await ask('POST', 'tokens/rotate', { token_id: id })
  await ask('DELETE', `tokens/${second}`)
  await ask('POST', 'users/me/password', { current_password: server.password, new_password: 'another long password' })
  const log = await get(server, '?order=asc', '/api/v1/commits')
  const first = log.json.findIndex(({ message }: Line) => message === 'Create warehouse w')
  const byFirstStart = ['Create user admin', 'Create warehouse local', 'Create catalog lake', 'Create tenant default']
  assert.deepEqual(messages(log).slice(0, first), byFirstStart)
  assert.deepEqual(messages(log).slice(first), [
    'Create warehouse w',
    'Update warehouse w',
    'Create catalog c',
    'Update catalog c',
    'Drop catalog c',
    'Drop warehouse w',
    'Create warehouse s3',
    'Update warehouse s3',
    `Create token ${id}`,
    `Replace token ${id} by ${second}`,
    `Revoke token ${second}`,
    `Change the password of ${server.username}`,
  ])
  const [updated] = log.json[first + 1].operations
  assert.deepEqual([updated.before.table_location_layout, updated.after.table_location_layout], ['plain', 'uuid'])
  const [changed] = log.json[first + 3].operations
  assert.deepEqual([changed.before.properties, changed.after.properties], [{}, { a: 'b' }])
  for (const secret of ['hush', token, other, 'another long password', server.password]) assert.ok(!log.text.includes(secret))
  assert.deepEqual(messages(await get(server, '?action=create-token', '/api/v1/commits')), [
    `Create token ${id}`,
    byFirstStart[0],
  ])
})

test('lines of a version that did not record it say nothing of where they came from', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'pangolin-log-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const DATABASE_URL = `sqlite:${join(folder, 'shared.db')}`
  const server = await startTestServer(t, { DATABASE_URL })
  const store = openStore(DATABASE_URL)
  t.after(() => store.close())
  const [made] = await store.list('catalogs', { index: 'primary', where: {}, limit: 1 })
  const key = { tenant_id: made!.tenant_id, catalog_id: made!.id, branch: 'main', id: '01900000-0000-7000-8000-000000000000' }
  const row = {
    ...key,
    timestamp_ms: 0,
    author: 'old',
    message: 'Old',
    operations: [{ operation: 'x' }],
    origin: null,
    position: null,
    arrival: null,
  }
  await store.write([{ op: 'insert', entity: 'commits', row }])
  // It has no position, and gets the next one; times never go back along the log.
  const [old, before] = (await get(server)).json
  assert.deepEqual([old.message, old.position, old.principal_id, old.token_id], ['Old', 2, null, null])
  assert.deepEqual([old.parent_id, old.timestamp, before.parent_id], [before.id, before.timestamp, null])
  assert.deepEqual(messages(await get(server, '?principal=old')), ['Old'])
})

test('what can not be asked of the log is refused', async (t) => {
  const server = await startTestServer(t)
  await makeChanges(server)
  const refused = async (query: string, status: number, message: RegExp, path = LOG) => {
    const answer = await get(server, query, path)
    assert.equal(answer.status, status, answer.text)
    assert.match(answer.json.error.message, message)
  }
  await refused('?order=up', 400, /order must be one of asc, desc/)
  for (const time of ['yesterday', '2026', '12:00', '2026-13-45T00:00:00Z', '-5'])
    await refused(`?since=${time}`, 400, /since must be a time/)
  await refused('?table=t', 400, /table needs a namespace/)
  await refused('?limit=0', 400, /limit must be an integer/)
  await refused('?pageToken=x', 400, /Invalid pageToken/)
  await refused('', 404, /does not exist: none/, '/api/v1/catalogs/none/commits')
  await refused('?branch=dev', 404, /does not exist/)
  const tenant = (await get(server, '?limit=1', '/api/v1/commits')).headers.get('x-next-page-token')!
  await refused(`?pageToken=${tenant}`, 400, /Invalid pageToken/)
})
