/** Changes that are undone over `/api/v1`: by those who may do what that comes to, who learn nothing of what is not theirs. */
import assert from 'node:assert/strict'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { call, startTestServer, type Answer, type TestServer } from './harness.ts'

const LOG = '/api/v1/catalogs/lake/commits'
const UNDO = '/api/v1/catalogs/lake/undo'
const TABLES = '/v1/lake/namespaces/default/tables'
const schema = { type: 'struct', fields: [{ id: 1, name: 'id', type: 'long', required: false }] }

interface Options {
  readonly token?: string
  readonly headers?: Readonly<Record<string, string>>
}
const undo = (server: TestServer, body: unknown, options: Options = {}): Promise<Answer> =>
  call(server, 'POST', UNDO, { body, ...options })

/** Makes a change, and answers its id. */
async function change(server: TestServer, method: string, path: string, body?: unknown): Promise<string> {
  const answer = await call(server, method, path, body === undefined ? {} : { body })
  assert.ok(answer.status < 300, answer.text)
  return (await call(server, 'GET', `${LOG}?limit=1`)).json[0].id
}
const create = (server: TestServer, name: string): Promise<string> => change(server, 'POST', TABLES, { name, schema })
const set = (server: TestServer, name: string, value: string): Promise<string> =>
  change(server, 'POST', `${TABLES}/${name}`, { updates: [{ action: 'set-properties', updates: { k: value } }] })
const value = async (server: TestServer, name: string): Promise<string | undefined> =>
  (await call(server, 'GET', `${TABLES}/${name}`)).json.metadata.properties.k
const mint = async (server: TestServer, body: object): Promise<string> =>
  (await call(server, 'POST', '/api/v1/tokens', { body })).json.token

test('a commit is undone, told before by a dry run, and the log says so', async (t) => {
  const server = await startTestServer(t)
  await create(server, 'a')
  const id = await set(server, 'a', '1')
  const told = await undo(server, { change: id, dry_run: true })
  assert.equal(told.status, 200, told.text)
  assert.equal(await value(server, 'a'), '1')
  const done = await undo(server, { change: id })
  assert.equal(done.status, 200, done.text)
  assert.equal(await value(server, 'a'), undefined)
  const [line] = (await call(server, 'GET', `${LOG}?limit=1`)).json
  assert.deepEqual([line.message, line.operations], [done.json.message, done.json.operations])
  assert.deepEqual(
    { ...done.json, operations: [] },
    { id, dry_run: false, message: `Undo ${id}: Commit to table default.a`, operations: [] },
  )
  const [operation] = done.json.operations
  assert.deepEqual([operation.operation, operation.undoes, operation.fields], ['update-table', id, ['properties']])
  assert.deepEqual(told.json.operations, [{ ...operation, 'metadata-location': null }])
  const again = await undo(server, { change: id })
  assert.deepEqual(
    [again.status, again.json.error.message],
    [409, `Change ${id} was undone already by ${line.id}: ${line.message}`],
  )
  assert.equal((await undo(server, { change: line.id })).status, 200)
  assert.equal(await value(server, 'a'), '1')
})

test('a request that is repeated with its key undoes once', async (t) => {
  const server = await startTestServer(t)
  await create(server, 'a')
  const id = await set(server, 'a', '1')
  const headers = { 'idempotency-key': '017f22e2-79b0-7cc3-98c4-dc0c0c073991' }
  assert.equal((await undo(server, { change: id, dry_run: true }, { headers })).status, 200)
  const first = await undo(server, { change: id }, { headers })
  const second = await undo(server, { change: id }, { headers })
  assert.deepEqual([first.status, second.status, second.text], [200, 200, first.text])
  assert.equal((await undo(server, { change: id })).status, 409)
})

test('who sees a part of the catalog undoes changes of that, and learns nothing of the rest', async (t) => {
  const server = await startTestServer(t)
  const made = { a: await create(server, 'a'), b: await create(server, 'b') }
  const narrow = await mint(server, { access: 'read-write', within: [{ catalog: 'lake', namespace: ['default'], table: 'a' }] })
  const reader = await mint(server, { access: 'read' })
  const whole = await mint(server, { access: 'read-write', within: [{ catalog: 'lake' }] })
  const elsewhere = await mint(server, { access: 'read-write', within: [{ catalog: 'other' }] })
  assert.equal((await undo(server, { change: made.a }, { token: reader })).status, 403)
  assert.equal((await undo(server, { change: made.a }, { token: elsewhere })).status, 404)
  const absent = made.b.replace(/^.{8}/, '00000000')
  for (const dry_run of [true, false]) {
    const [hidden, none] = [
      await undo(server, { change: made.b, dry_run }, { token: narrow }),
      await undo(server, { change: absent, dry_run }, { token: narrow }),
    ]
    assert.deepEqual([hidden.status, none.status], [404, 404])
    assert.equal(hidden.text.replaceAll(made.b, 'X'), none.text.replaceAll(absent, 'X'))
  }
  // A rename to a name that is not its own, and a transaction of which a part is not.
  const both = [
    { identifier: { namespace: ['default'], name: 'a' }, updates: [{ action: 'set-properties', updates: { k: 'x' } }] },
    { identifier: { namespace: ['default'], name: 'b' }, updates: [{ action: 'set-properties', updates: { k: 'x' } }] },
  ]
  const transaction = await change(server, 'POST', '/v1/lake/transactions/commit', { 'table-changes': both })
  assert.equal((await undo(server, { change: transaction }, { token: narrow })).status, 404)
  const own = await set(server, 'a', 'y')
  const ended = await undo(server, { change: own }, { token: narrow })
  assert.equal(ended.status, 200, ended.text)
  const second = await set(server, 'a', 'z')
  const names = { source: { namespace: ['default'], name: 'a' }, destination: { namespace: ['default'], name: 'secret' } }
  const rename = await change(server, 'POST', '/v1/lake/tables/rename', names)
  const refused = await undo(server, { change: second }, { token: narrow })
  assert.equal(refused.status, 409)
  assert.equal(
    refused.json.error.message,
    `Change ${second} can't be undone: Table default.a was changed since by ${rename}`,
    'what was done is for those who read the log',
  )
  assert.equal((await undo(server, { change: rename }, { token: narrow })).status, 404)
  const named = await undo(server, { change: second }, { token: whole })
  assert.match(named.json.error.message, /Rename table default\.a to default\.secret$/)
  assert.equal((await undo(server, { change: rename }, { token: whole })).status, 200)
  assert.equal((await undo(server, { change: second }, { token: whole })).status, 200)
})

test('a narrowed token takes nothing back to a place that it may not choose', async (t) => {
  const server = await startTestServer(t)
  await create(server, 'a')
  const { location } = (await call(server, 'GET', `${TABLES}/a`)).json.metadata
  const place = { 'write.data.path': `${location.slice(0, location.lastIndexOf('/'))}/beside` }
  await change(server, 'POST', `${TABLES}/a`, { updates: [{ action: 'set-properties', updates: place }] })
  const removed = await change(server, 'POST', `${TABLES}/a`, {
    updates: [{ action: 'remove-properties', removals: ['write.data.path'] }],
  })
  const narrow = await mint(server, { access: 'read-write', within: [{ catalog: 'lake', namespace: ['default'], table: 'a' }] })
  assert.equal((await undo(server, { change: removed }, { token: narrow })).status, 403)
  assert.equal((await undo(server, { change: removed })).status, 200)
})

test('nor does one that writes to the files of its table get at those of another', async (t) => {
  const server = await startTestServer(t)
  await create(server, 'a')
  await create(server, 'b')
  const { 'metadata-location': file, metadata } = (await call(server, 'GET', `${TABLES}/a`)).json
  const id = await set(server, 'a', '1')
  const snapshot = { 'snapshot-id': 1, 'sequence-number': 0, 'timestamp-ms': 1, summary: { operation: 'append' } }
  const list = `${metadata.location.replace(/a$/, 'b')}/metadata/snap.avro`
  const path = fileURLToPath(file)
  const forged = { ...metadata, snapshots: [{ ...snapshot, 'manifest-list': list }] }
  rmSync(path)
  writeFileSync(path, JSON.stringify(forged))
  mkdirSync(dirname(fileURLToPath(list)), { recursive: true })
  writeFileSync(fileURLToPath(list), 'secret')
  const narrow = await mint(server, { access: 'read-write', within: [{ catalog: 'lake', namespace: ['default'], table: 'a' }] })
  const refused = await undo(server, { change: id }, { token: narrow })
  assert.equal(refused.status, 403, refused.text)
})

test('what is not asked right is refused', async (t) => {
  const server = await startTestServer(t)
  const id = await create(server, 'a')
  for (const [body, status] of [
    [{}, 400],
    [{ change: 5 }, 400],
    [{ change: id, dry_run: 'yes' }, 400],
    [{ change: 'none' }, 404],
    [{ change: '' }, 404],
    [{ change: 'x'.repeat(10_000) }, 404],
    [{ change: '\ud800' }, 400],
    [[], 400],
  ] as const) {
    const answer = await undo(server, body)
    assert.equal(answer.status, status, `${JSON.stringify(body).slice(0, 100)}: ${answer.text}`)
  }
  assert.equal((await call(server, 'POST', '/api/v1/catalogs/none/undo', { body: { change: id } })).status, 404)
  const other = { name: 'second', warehouse_name: 'local' }
  assert.equal((await call(server, 'POST', '/api/v1/catalogs', { body: other })).status, 201)
  assert.equal((await call(server, 'POST', '/api/v1/catalogs/second/undo', { body: { change: id } })).status, 404)
  const [tenant] = (await call(server, 'GET', '/api/v1/commits?limit=1')).json
  assert.equal((await undo(server, { change: tenant.id })).status, 404, 'the log of the tenant is another one')
  assert.equal((await undo(server, { change: id, dry_run: null })).status, 200)
  const [first] = (await call(server, 'GET', '/api/v1/catalogs/second/commits')).json
  assert.equal((await call(server, 'POST', '/api/v1/catalogs/second/undo', { body: { change: first.id } })).status, 200)
})
