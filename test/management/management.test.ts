import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { call, startTestServer, type TestServer } from '../http/harness.ts'

const create = (server: TestServer, what: 'warehouses' | 'catalogs', body: unknown) =>
  call(server, 'POST', `/api/v1/${what}`, { body })
const s3 = (name: string, more: Readonly<Record<string, unknown>> = {}) => ({
  name,
  storage_config: {
    's3.bucket': `bucket-${name}`,
    's3.region': 'eu-west-1',
    's3.access-key-id': 'AKIAEXAMPLE',
    's3.secret-access-key': 'hush-hush',
    's3.endpoint': 'http://127.0.0.1:9',
  },
  vending_strategy: { AwsStatic: { access_key_id: 'AKIAEXAMPLE', secret_access_key: 'hush-hush' } },
  ...more,
})

test('warehouses as the SDK makes them: kept, changed, listed, dropped; secrets never come back', async (t) => {
  const server = await startTestServer(t)
  const made = await create(server, 'warehouses', s3('blue'))
  assert.equal(made.status, 201, made.text)
  assert.equal(made.json.name, 'blue')
  assert.equal(made.json.storage_config['s3.bucket'], 'bucket-blue')
  const plain = await create(server, 'warehouses', {
    name: 'green',
    storage_config: { 's3.bucket': 'bucket-green', 's3.region': 'us-east-1' },
    vending_strategy: { AwsStatic: {} },
  })
  assert.equal(plain.status, 201, plain.text)
  assert.equal((await create(server, 'warehouses', s3('blue'))).status, 409)
  const listed = await call(server, 'GET', '/api/v1/warehouses')
  assert.deepEqual(
    listed.json.map((row: { name: string }) => row.name),
    ['blue', 'green', 'local'],
  )
  const paged = await call(server, 'GET', '/api/v1/warehouses?limit=1&offset=1')
  assert.deepEqual(
    paged.json.map((row: { name: string }) => row.name),
    ['green'],
  )
  const config = { 's3.bucket': 'bucket-blue', 's3.region': 'eu-west-2' }
  const half = await call(server, 'PUT', '/api/v1/warehouses/blue?test=false', { body: { storage_config: config } })
  assert.equal(half.status, 200, half.text)
  assert.equal(half.json.storage_config['s3.access-key-id'], 'AKIAEXAMPLE', 'a credential that is not mentioned stays whole')
  const foreign = await call(server, 'PUT', '/api/v1/warehouses/blue?test=false', {
    body: { storage_config: { ...config, 's3.access-key-id': 'AKIAANOTHER' } },
  })
  assert.equal(foreign.status, 400, 'never the secret of one credential with the id of another')
  const changed = await call(server, 'PUT', '/api/v1/warehouses/blue?test=false', {
    body: { storage_config: { ...config, 's3.access-key-id': 'AKIAEXAMPLE' } },
  })
  assert.equal(changed.status, 200, changed.text)
  const loaded = await call(server, 'GET', '/api/v1/warehouses/blue')
  assert.equal(loaded.json.storage_config['s3.region'], 'eu-west-2')
  for (const answer of [made, listed, changed, loaded]) assert.ok(!answer.text.includes('hush'), answer.text)
  assert.ok(!server.log.join('').includes('hush'))
  assert.equal((await call(server, 'DELETE', '/api/v1/warehouses/blue')).status, 204)
  assert.equal((await call(server, 'DELETE', '/api/v1/warehouses/blue')).status, 404)
  assert.equal((await call(server, 'GET', '/api/v1/warehouses/blue')).json.error.type, 'NoSuchWarehouseException')
})

test('the layout of locations: set, changed, forgotten, obeyed by what is created from then on', async (t) => {
  const server = await startTestServer(t)
  const table = async (name: string) => {
    const schema = { type: 'struct', fields: [] }
    const { json } = await call(server, 'POST', '/v1/lake/namespaces/default/tables', { body: { name, schema } })
    return (json.metadata.location as string).split('/').at(-1)!
  }
  const layout = async (table_location_layout: unknown) =>
    (await call(server, 'PUT', '/api/v1/warehouses/local', { body: { table_location_layout } })).json.table_location_layout
  assert.equal((await call(server, 'GET', '/api/v1/warehouses/local')).json.table_location_layout, 'plain')
  assert.equal(await table('a'), 'a')
  assert.equal(await layout('suffix'), 'suffix')
  assert.match(await table('b'), /^b-[0-9a-f]{8}$/)
  assert.equal((await call(server, 'PUT', '/api/v1/warehouses/local', { body: {} })).json.table_location_layout, 'suffix')
  assert.equal(await layout('uuid'), 'uuid')
  assert.match(await table('c'), /^c-[0-9a-f]{8}-[0-9a-f-]{27}$/)
  assert.equal(await layout(null), 'plain')
  assert.equal(await table('d'), 'd')
  for (const wrong of ['Plain', 'x', '', 1, {}]) {
    const answer = await call(server, 'PUT', '/api/v1/warehouses/local', { body: { table_location_layout: wrong } })
    assert.equal(answer.status, 400, answer.text)
    assert.match(answer.text, /table_location_layout/)
    assert.equal((await create(server, 'warehouses', { ...s3('w'), table_location_layout: wrong })).status, 400)
  }
  const made = await create(server, 'warehouses', { ...s3('w'), table_location_layout: 'uuid' })
  assert.equal(made.json.table_location_layout, 'uuid')
})

test('secrets are sealed in the database and survive a change that does not mention them', async (t) => {
  const server = await startTestServer(t, { DATABASE_URL: '' })
  await create(server, 'warehouses', s3('blue'))
  await call(server, 'PUT', '/api/v1/warehouses/blue?test=false', {
    body: { storage_config: { 's3.bucket': 'bucket-blue', 's3.region': 'eu-west-2', 's3.access-key-id': 'AKIAEXAMPLE' } },
  })
  assert.equal((await create(server, 'warehouses', { ...s3('bare'), vending_strategy: 'None' })).status, 201)
  for (const file of ['pangolin.db', 'pangolin.db-wal']) {
    const path = join(server.dataDirectory, file)
    if (existsSync(path)) assert.ok(!readFileSync(path).includes('hush-hush'), file)
  }
  // Opening the catalog's handle needs the sealed secret: it is there, and whole.
  assert.equal((await create(server, 'catalogs', { name: 'sales', warehouse_name: 'blue', catalog_type: 'Local' })).status, 201)
  await call(server, 'POST', '/v1/sales/namespaces', { body: { namespace: ['n'] } })
  assert.equal((await call(server, 'GET', '/v1/sales/namespaces/n')).status, 200)
})

test('a warehouse that can not be one', async (t) => {
  const server = await startTestServer(t)
  const refused: [unknown, number, RegExp][] = [
    [{ name: 'x' }, 400, /storage_config/],
    [{ storage_config: {} }, 400, /name/],
    [s3('a/b'), 400, /letters, digits/],
    [s3('..'), 400, /letters, digits/],
    [s3('x', { tenant_id: 't', role: 'root' }), 422, /Unknown field "tenant_id"/],
    [s3('x', { storage_config: { type: 'azure', container: 'c' } }), 400, /azure/],
    [s3('x', { storage_config: { 's3.bukket': 'b' } }), 400, /storage_config/],
    [s3('x', { storage_config: { 's3.bucket': [7] } }), 400, /storage_config/],
    [s3('x', { vending_strategy: { GcpStatic: {} } }), 400, /vending_strategy/],
    [{ name: 'x', storage_config: { type: 'local', path: '/etc' } }, 400, /must lie below/],
    [
      { name: 'x', storage_config: { type: 'local', path: `${server.dataDirectory}/warehouse/../keys` } },
      400,
      /Invalid location/,
    ],
    [[], 400, /JSON object/],
  ]
  for (const [body, status, message] of refused) {
    const answer = await create(server, 'warehouses', body)
    assert.equal(answer.status, status, `${JSON.stringify(body)}: ${answer.text}`)
    assert.match(answer.json.error.message, message)
    assert.ok(!answer.text.includes('hush'))
  }
  const local = { name: 'mine', storage_config: { type: 'local', path: join(server.dataDirectory, 'warehouse', 'mine') } }
  assert.equal((await create(server, 'warehouses', local)).status, 201)
})

test('catalogs: made, used, changed, and not dropped while in use', async (t) => {
  const server = await startTestServer(t)
  const made = await create(server, 'catalogs', { name: 'sales', warehouse_name: 'local', catalog_type: 'Local' })
  assert.equal(made.status, 201, made.text)
  assert.ok(made.json.storage_location.endsWith('/warehouse/sales'), made.text)
  assert.equal((await create(server, 'catalogs', { name: 'sales', warehouse_name: 'local' })).status, 409)
  assert.deepEqual((await call(server, 'GET', '/v1/sales/namespaces')).json.namespaces, [['default']])
  const summary = await call(server, 'GET', '/api/v1/catalogs/sales/summary')
  assert.deepEqual([summary.json.table_count, summary.json.namespace_count, summary.json.branch_count], [0, 1, 1])
  const updated = await call(server, 'PUT', '/api/v1/catalogs/sales', { body: { properties: { owner: 'ada' } } })
  assert.deepEqual(updated.json.properties, { owner: 'ada' })
  assert.equal(updated.json.id, made.json.id)

  const schema = { type: 'struct', 'schema-id': 0, fields: [] }
  assert.equal((await call(server, 'POST', '/v1/sales/namespaces/default/tables', { body: { name: 't', schema } })).status, 200)
  for (const path of ['/api/v1/catalogs/sales', '/api/v1/warehouses/local']) {
    const refused = await call(server, 'DELETE', path)
    assert.deepEqual([refused.status, refused.json.error.type], [409, 'ConflictException'], path)
    assert.match(refused.json.error.message, /in use/)
  }
  assert.equal((await call(server, 'DELETE', '/v1/sales/namespaces/default/tables/t')).status, 204)
  await call(server, 'POST', '/v1/sales/namespaces', { body: { namespace: ['other'] } })
  assert.equal((await call(server, 'DELETE', '/api/v1/catalogs/sales')).status, 409, 'namespaces beside the first one')
  assert.equal((await call(server, 'GET', '/v1/sales/namespaces/default')).status, 200, 'a refused drop changes nothing')
  assert.equal((await call(server, 'DELETE', '/v1/sales/namespaces/other')).status, 204)
  assert.equal((await call(server, 'DELETE', '/api/v1/catalogs/sales')).status, 204)
  assert.equal((await call(server, 'GET', '/v1/sales/namespaces')).status, 404)
  assert.equal((await call(server, 'GET', '/api/v1/catalogs/sales')).status, 404)
})

test('a catalog that can not be one', async (t) => {
  const server = await startTestServer(t)
  const refused: [unknown, number, RegExp][] = [
    [{ name: 'x' }, 400, /warehouse_name/],
    [{ name: 'x', warehouse_name: 'nowhere' }, 400, /nowhere/],
    [{ name: 'config', warehouse_name: 'local' }, 400, /reserved/],
    [{ name: 'V1', warehouse_name: 'local' }, 400, /reserved/],
    [{ name: 'a@b', warehouse_name: 'local' }, 400, /letters, digits/],
    [{ name: '', warehouse_name: 'local' }, 400, /letters, digits/],
    [{ name: 'x', warehouse_name: 'local', catalog_type: 'Federated' }, 406, /not supported/],
    [{ name: 'x', warehouse_name: 'local', catalog_type: 'Nessie' }, 400, /catalog_type/],
    [{ name: 'x', warehouse_name: 'local', storage_location: 'file:///etc' }, 400, /not below/],
    [{ name: 'x', warehouse_name: 'local', storage_location: 's3://other/x' }, 400, /not below/],
    [
      { name: 'x', warehouse_name: 'local', storage_location: `file://${server.dataDirectory}/warehouse/lake/in` },
      409,
      /overlaps with catalog lake/,
    ],
    [{ name: 'x', warehouse_name: 'local', owner: 'me' }, 422, /Unknown field "owner"/],
    [{ name: 'x', warehouse_name: 'local', properties: { a: 1 } }, 400, /properties/],
  ]
  for (const [body, status, message] of refused) {
    const answer = await create(server, 'catalogs', body)
    assert.equal(answer.status, status, `${JSON.stringify(body)}: ${answer.text}`)
    assert.match(answer.json.error.message, message)
  }
  const stranded = await call(server, 'PUT', '/api/v1/warehouses/local', {
    body: { storage_config: { type: 'local', path: join(server.dataDirectory, 'warehouse', 'deep') } },
  })
  assert.equal(stranded.status, 409, stranded.text)
})

test('names at once: one of many equal creations wins', async (t) => {
  const server = await startTestServer(t)
  const answers = await Promise.all(
    Array.from({ length: 8 }, () => create(server, 'catalogs', { name: 'one', warehouse_name: 'local' })),
  )
  assert.deepEqual(answers.map(({ status }) => status).toSorted(), [201, 409, 409, 409, 409, 409, 409, 409])
})

test('the log of a catalog: every change, newest first, in pages', async (t) => {
  const server = await startTestServer(t)
  for (const name of ['a', 'b']) await call(server, 'POST', '/v1/lake/namespaces', { body: { namespace: [name] } })
  const log = await call(server, 'GET', '/api/v1/branches/main/commits?catalog=lake')
  assert.equal(log.json.length, 3, log.text)
  assert.equal(log.json[0].parent_id, log.json[1].id)
  assert.deepEqual(
    log.json.map(({ message }: { message: string }) => message),
    ['b', 'a', 'default'].map((name) => `Create namespace ${name}`),
  )
  assert.equal(log.json[2].parent_id, null)
  assert.equal(log.json[0].author, server.username)
  const first = await call(server, 'GET', '/api/v1/branches/main/commits?catalog=lake&limit=2')
  assert.equal(first.json.length, 2)
  const next = encodeURIComponent(first.headers.get('x-next-page-token')!)
  const second = await call(server, 'GET', `/api/v1/branches/main/commits?catalog=lake&limit=2&pageToken=${next}`)
  assert.deepEqual(
    [...first.json, ...second.json].map(({ id }: { id: string }) => id),
    log.json.map(({ id }: { id: string }) => id),
  )
  assert.equal((await call(server, 'GET', '/api/v1/branches/main/commits')).status, 400)
  assert.equal((await call(server, 'GET', '/api/v1/branches/dev/commits?catalog=lake')).status, 404)
})
