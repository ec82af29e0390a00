/** Credentials at the socket: headers, compression, both forms of the path, narrowed tokens, changes of the warehouse. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, test, type TestContext } from 'node:test'
import { startMinio } from '../services/minio.ts'
import { requireService } from '../services/require.ts'
import { startSts, type TestSts } from '../services/sts.ts'
import { call, raw, startTestServer, type Answer, type CallOptions, type TestServer } from './harness.ts'

const schema = { type: 'struct', 'schema-id': 0, fields: [{ id: 1, name: 'a', type: 'long', required: false }] }
const ASKING = { 'x-iceberg-access-delegation': 'vended-credentials' }
const TABLES = '/v1/s3/namespaces/ns/tables'
const SECRETS = /SECRET\d|TOKEN\d|"s3\.secret-access-key"/

after(async () => {
  const minio = await startMinio()
  if ('value' in minio) await minio.value.stop()
})

interface Bench {
  readonly server: TestServer
  readonly sts: TestSts
  readonly send: (method: string, path: string, options?: CallOptions) => Promise<Answer>
}

/** A catalog in MinIO whose credentials come from a service that counts, with the namespace `ns`. */
async function open(t: TestContext): Promise<Bench | undefined> {
  const minio = requireService(t, await startMinio())
  if (minio === undefined) return undefined
  const bucket = `vending-${randomUUID()}`
  await minio.createBucket(bucket)
  const sts = await startSts()
  t.after(() => sts.stop())
  const server = await startTestServer(t)
  const send: Bench['send'] = (method, path, options) => call(server, method, path, options)
  const storage_config = {
    type: 's3',
    bucket,
    endpoint: minio.endpoint,
    access_key_id: minio.accessKey,
    secret_access_key: minio.secretKey,
  }
  const vending_strategy = { AwsSts: { role_arn: 'arn:aws:iam::123456789012:role/lake', sts_endpoint: sts.endpoint } }
  const warehouse = await send('POST', '/api/v1/warehouses', { body: { name: 'w', storage_config, vending_strategy } })
  assert.equal(warehouse.status, 201, warehouse.text)
  assert.equal(warehouse.json.warnings, undefined)
  assert.equal((await send('POST', '/api/v1/catalogs', { body: { name: 's3', warehouse_name: 'w' } })).status, 201)
  assert.equal((await send('POST', '/v1/s3/namespaces', { body: { namespace: ['ns'] } })).status, 200)
  return { server, sts, send }
}

test('consent is a header that names vended credentials, among others or alone', async (t) => {
  const bench = await open(t)
  if (bench === undefined) return
  const { send } = bench
  const created = await send('POST', TABLES, { body: { name: 't', schema } })
  assert.equal(created.status, 200, created.text)
  for (const header of [undefined, '', 'remote-signing', 'vended', 'vended-credentials2', 'not vended-credentials', 'none']) {
    const headers: Record<string, string> = header === undefined ? {} : { 'x-iceberg-access-delegation': header }
    const { text, json } = await send('GET', `${TABLES}/t`, { headers })
    assert.doesNotMatch(text, SECRETS, header)
    assert.equal(json['storage-credentials'], undefined)
    assert.ok(json.config['s3.endpoint'])
  }
  for (const header of ['vended-credentials', 'remote-signing,vended-credentials', ' Vended-Credentials , x']) {
    const loaded = await send('GET', `${TABLES}/t`, { headers: { 'x-iceberg-access-delegation': header } })
    assert.match(loaded.json.config['s3.session-token'], /^TOKEN\d+$/, header)
    assert.equal(loaded.headers.get('cache-control'), 'private, no-store')
  }
  const { server } = bench
  const twice = await raw(
    server.port,
    `GET ${TABLES}/t HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${server.token}\r\nConnection: close\r\nX-Iceberg-Access-Delegation: remote-signing\r\nX-Iceberg-Access-Delegation: vended-credentials\r\n\r\n`,
  )
  assert.match(twice, /"s3\.session-token":"TOKEN/)
})

test('an answer is the same with and without compression, and carries all of it at once', async (t) => {
  const bench = await open(t)
  if (bench === undefined) return
  const { send, sts } = bench
  // Small, about the size from which on answers are compressed, and large.
  for (const [name, size] of [
    ['small', 1],
    ['middle', 300],
    ['large', 200_000],
  ] as const) {
    await send('POST', TABLES, { body: { name, schema, properties: { text: 'é'.repeat(size) } } })
    const get = (encoding: string) => send('GET', `${TABLES}/${name}`, { headers: { ...ASKING, 'accept-encoding': encoding } })
    const [plain, zipped, again] = [await get('identity'), await get('gzip'), await get('gzip')]
    assert.equal(zipped.headers.get('content-encoding'), size > 1 ? 'gzip' : zipped.headers.get('content-encoding'))
    assert.equal(plain.text, zipped.text)
    assert.equal(plain.text, again.text)
    assert.equal(plain.headers.get('etag'), zipped.headers.get('etag'))
    assert.ok(plain.json['storage-credentials'][0].config['s3.access-key-id'])
    const etag = zipped.headers.get('etag')!
    const known = await send('GET', `${TABLES}/${name}`, { headers: { ...ASKING, 'if-none-match': etag } })
    assert.deepEqual([known.status, known.text], [304, ''])
    assert.equal((await send('GET', `${TABLES}/${name}`, { headers: { 'if-none-match': etag } })).status, 200)
    const head = await send('HEAD', `${TABLES}/${name}`, { headers: ASKING })
    assert.deepEqual([head.status, head.text], [204, ''])
  }
  assert.equal(sts.asked.length, 3)
})

test('new credentials come from where the answer says, below either form of the URI', async (t) => {
  const bench = await open(t)
  if (bench === undefined) return
  const { send, sts } = bench
  await send('POST', '/v1/s3/namespaces', { body: { namespace: ['ns', 'a b/c'] } })
  const tables = '/v1/s3/namespaces/ns%1Fa%20b%2Fc/tables'
  const created = await send('POST', tables, { body: { name: 'ü/?', schema }, headers: ASKING })
  const { config, 'storage-credentials': credentials } = created.json
  assert.equal(config['client.refresh-credentials-enabled'], 'true')
  const { endpoints } = (await send('GET', '/v1/config?warehouse=s3')).json
  assert.ok(endpoints.includes('GET /v1/{prefix}/namespaces/{namespace}/tables/{table}/credentials'))
  for (const base of ['', '/v1/s3']) {
    const loaded = await send('GET', `${base}/${config['client.refresh-credentials-endpoint']}`)
    assert.deepEqual(loaded.json, { 'storage-credentials': credentials }, base)
    assert.equal(loaded.headers.get('cache-control'), 'private, no-store')
  }
  assert.equal((await send('GET', `${tables}/nothing/credentials`)).status, 404)
  assert.equal((await send('GET', `${tables}/x/credentials`, { token: null })).status, 401)
  assert.equal(sts.asked.length, 1)
  // A catalog without such a strategy has none to give, and says so.
  await send('POST', '/v1/lake/namespaces', { body: { namespace: ['ns'] } })
  await send('POST', '/v1/lake/namespaces/ns/tables', { body: { name: 't', schema } })
  const none = await send('GET', '/v1/lake/namespaces/ns/tables/t/credentials')
  assert.deepEqual(none.json, { 'storage-credentials': [] })
})

test('a token that is narrowed gets what it may, and nothing for what it may not', async (t) => {
  const bench = await open(t)
  if (bench === undefined) return
  const { send, sts } = bench
  for (const name of ['t', 'u']) await send('POST', TABLES, { body: { name, schema } })
  const mint = async (body: object) => (await send('POST', '/api/v1/tokens', { body })).json.token as string
  const within = [{ catalog: 's3', namespace: ['ns'], table: 't' }]
  const reader = await mint({ access: 'read', within })
  const writer = await mint({ access: 'read-write', within })
  const actions = async (token: string) => {
    const before = sts.asked.length
    const loaded = await send('GET', `${TABLES}/t`, { token, headers: ASKING })
    assert.ok(loaded.json['storage-credentials'], loaded.text)
    return sts.asked.length === before ? undefined : JSON.parse(sts.asked.at(-1)!.get('Policy')!).Statement[0].Action
  }
  assert.deepEqual(await actions(reader), ['s3:GetObject'])
  assert.ok((await actions(writer)).includes('s3:PutObject'))
  assert.equal(await actions(reader), undefined)
  const asked = sts.asked.length
  for (const path of [`${TABLES}/u`, `${TABLES}/u/credentials`, `${TABLES}/nothing/credentials`]) {
    for (const token of [reader, writer]) {
      const refused = await send('GET', path, { token, headers: ASKING })
      assert.equal(refused.status, 404, refused.text)
    }
  }
  const staging = { name: 'new', schema, 'stage-create': true }
  for (const token of [reader, writer])
    assert.equal((await send('POST', TABLES, { token, headers: ASKING, body: staging })).status, 403)
  assert.equal(sts.asked.length, asked, 'the provider was not asked for them')
  // The reader's credentials are not the writer's, though both are one user's.
  const tagOf = async (token: string) => (await send('GET', `${TABLES}/t`, { token, headers: ASKING })).headers.get('etag')!
  const foreign = { ...ASKING, 'if-none-match': await tagOf(writer) }
  assert.equal((await send('GET', `${TABLES}/t`, { token: reader, headers: foreign })).status, 200)
})

test('a warehouse that changes makes others, and one that hands its own keys out says what that means', async (t) => {
  const bench = await open(t)
  if (bench === undefined) return
  const { send, sts } = bench
  await send('POST', TABLES, { body: { name: 't', schema } })
  const load = async (headers: Record<string, string> = ASKING) => (await send('GET', `${TABLES}/t`, { headers })).json.config
  const first = await load()
  const strategy = (vending_strategy: unknown) => send('PUT', '/api/v1/warehouses/w?test=false', { body: { vending_strategy } })
  const role_arn = 'arn:aws:iam::123456789012:role/other'
  await strategy({ AwsSts: { role_arn, sts_endpoint: sts.endpoint, lifetime_seconds: '900' } })
  const second = await load()
  assert.notEqual(first['s3.session-token'], second['s3.session-token'])
  assert.deepEqual([sts.asked.at(-1)?.get('RoleArn'), sts.asked.at(-1)?.get('DurationSeconds')], [role_arn, '900'])

  const warned = await strategy({ AwsStatic: {} })
  assert.match(warned.json.warnings[0], /everybody who may read one table/)
  assert.match((await send('GET', '/api/v1/warehouses/w')).json.warnings[0], /AwsStatic/)
  const own = await load()
  assert.ok(own['s3.secret-access-key'])
  assert.equal(own['s3.session-token'], undefined)
  assert.equal(own['client.refresh-credentials-endpoint'], undefined)
  assert.equal((await load({}))['s3.secret-access-key'], undefined)
  await strategy({ AwsStatic: { always: 'true' } })
  assert.equal((await load({}))['s3.secret-access-key'], own['s3.secret-access-key'])

  await strategy({ AwsSts: { role_arn, sts_endpoint: 'http://127.0.0.1:1' } })
  const failed = await send('GET', `${TABLES}/t`, { headers: ASKING })
  assert.deepEqual([failed.status, failed.json.error.type], [503, 'ServiceUnavailableException'])
  assert.match(failed.json.error.message, /^Warehouse w can not get credentials/)
  assert.equal((await send('GET', `${TABLES}/t`)).status, 200)
  await strategy('None')
  assert.doesNotMatch((await send('GET', `${TABLES}/t`, { headers: ASKING })).text, /secret/)
})
