/** Changes of a warehouse: what is given replaces, null removes, the rest stays; tested before it is saved. On MinIO. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, test, type TestContext } from 'node:test'
import { startMinio, type Minio } from '../services/minio.ts'
import { requireService } from '../services/require.ts'
import { call, startTestServer, type Answer, type TestServer } from './harness.ts'

after(async () => {
  const minio = await startMinio()
  if ('value' in minio) await minio.value.stop()
})

const LAKE = '/api/v1/warehouses/lake-house'

interface Bench {
  readonly server: TestServer
  readonly minio: Minio
  readonly bucket: string
  readonly config: Readonly<Record<string, string>>
}

/** The S3 recipe of docs/warehouses.md: keys and an endpoint, and nothing about vending. */
async function bench(t: TestContext): Promise<Bench | undefined> {
  const minio = requireService(t, await startMinio())
  if (minio === undefined) return undefined
  const bucket = `update-${randomUUID().slice(0, 8)}`
  await minio.createBucket(bucket)
  const server = await startTestServer(t)
  const config = {
    's3.bucket': bucket,
    's3.prefix': 'tables',
    's3.region': minio.region,
    's3.endpoint': minio.endpoint,
    's3.path-style-access': 'true',
    's3.access-key-id': minio.accessKey,
    's3.secret-access-key': minio.secretKey,
  }
  return { server, minio, bucket, config }
}

const create = (server: TestServer, body: object): Promise<Answer> => call(server, 'POST', '/api/v1/warehouses', { body })
const put = (server: TestServer, body: object, query = ''): Promise<Answer> => call(server, 'PUT', `${LAKE}${query}`, { body })
const isOk = async (server: TestServer): Promise<boolean> => (await call(server, 'POST', `${LAKE}/test`)).json.ok

test('a warehouse whose service has a token service vends by default, and says so', async (t) => {
  const use = await bench(t)
  if (use === undefined) return
  const { server, config } = use
  const made = await create(server, { name: 'lake-house', storage_config: config })
  assert.equal(made.status, 201, made.text)
  assert.ok(made.json.vending_strategy.AwsSts.role_arn, made.text)
  assert.equal(made.json.warnings, undefined)
  // Said to be none, it is none, and the answer says what clients get.
  const none = await create(server, { name: 'bare', storage_config: config, vending_strategy: null })
  assert.equal(none.json.vending_strategy, null)
  assert.match(none.json.warnings[0], /clients get no credentials/)
  const untested = await call(server, 'POST', '/api/v1/warehouses?test=false', {
    body: { name: 'untested', storage_config: config },
  })
  assert.equal(untested.json.vending_strategy, null)
  assert.match(untested.json.warnings[0], /clients get no credentials/)
  const broken = { ...config, 's3.secret-access-key': 'not-the-secret' }
  const saved = await create(server, { name: 'broken', storage_config: broken })
  assert.deepEqual([saved.status, saved.json.vending_strategy], [201, null], 'what can not be tried is saved as it was said')
})

test('a change merges, says what it changed, and is tested before it is saved', async (t) => {
  const use = await bench(t)
  if (use === undefined) return
  const { server, minio, bucket, config } = use
  await create(server, { name: 'lake-house', storage_config: config })
  const other = `${bucket}-b`
  await minio.createBucket(other)

  const moved = await put(server, { storage_config: { 's3.bucket': other } })
  assert.equal(moved.status, 200, moved.text)
  const { 's3.secret-access-key': _, ...open } = config
  assert.deepEqual(moved.json.storage_config, { ...open, 's3.bucket': other })
  assert.deepEqual(moved.json.changed, ['storage_config.s3.bucket'])
  assert.ok(await isOk(server), 'the secret stayed')

  const removed = await put(server, { storage_config: { 's3.prefix': null, 's3.path-style-access': true } })
  assert.equal(removed.status, 200, removed.text)
  assert.deepEqual(removed.json.changed, ['storage_config.s3.prefix'])
  assert.equal(removed.json.storage_config['s3.prefix'], undefined)
  assert.deepEqual((await put(server, {})).json.changed, [])
  assert.deepEqual((await put(server, { vending_strategy: { AwsSts: { lifetime_seconds: 3600 } } })).json.changed, [
    'vending_strategy.lifetime_seconds',
  ])
  const shown = (await call(server, 'GET', LAKE)).json.vending_strategy
  assert.deepEqual(Object.keys(shown.AwsSts).sort(), ['lifetime_seconds', 'role_arn'])
  const forgot = await put(server, { vending_strategy: { AwsSts: { lifetime_seconds: null } } })
  assert.deepEqual(forgot.json.changed, ['vending_strategy.lifetime_seconds'])

  const missing = { storage_config: { 's3.bucket': `${bucket}-missing` } }
  const refused = await put(server, missing)
  assert.equal(refused.status, 400, refused.text)
  assert.match(refused.json.error.message, /lake-house is not changed, since its test failed .*server\.write: .*test=false/)
  assert.equal((await call(server, 'GET', LAKE)).json.storage_config['s3.bucket'], other)
  const forced = await put(server, missing, '?test=false')
  assert.deepEqual([forced.status, forced.json.changed], [200, ['storage_config.s3.bucket']])
})

test('a secret stays only with the id and the endpoint that it was given for', async (t) => {
  const use = await bench(t)
  if (use === undefined) return
  const { server, config } = use
  await create(server, { name: 'lake-house', storage_config: config })
  const elsewhere = 'http://127.0.0.1:9'
  const moved = await put(server, { storage_config: { 's3.endpoint': elsewhere } }, '?test=false')
  assert.equal(moved.status, 200, moved.text)
  assert.deepEqual([...moved.json.changed].sort(), [
    'storage_config.s3.access-key-id',
    'storage_config.s3.endpoint',
    'storage_config.s3.secret-access-key',
  ])
  const back = await put(server, { storage_config: { 's3.endpoint': config['s3.endpoint'] } }, '?test=false')
  assert.equal(back.status, 200)
  assert.ok(!(await isOk(server)), 'it did not come back by itself')
  const id = await put(server, { storage_config: { 's3.access-key-id': 'another' } }, '?test=false')
  assert.equal(id.status, 400)
  assert.match(id.json.error.message, /must be given together/)
})

test('values that are numbers or truths are taken as their text, and unknown keys are named', async (t) => {
  const server = await startTestServer(t)
  const base = { name: 'w', storage_config: { 's3.bucket': 'bucket', 's3.path-style-access': true } }
  const made = await create(server, {
    ...base,
    vending_strategy: { AwsSts: { role_arn: 'arn:aws:iam::1:role/r', lifetime_seconds: 3600 } },
  })
  assert.equal(made.status, 201, made.text)
  assert.equal(made.json.storage_config['s3.path-style-access'], 'true')
  assert.equal(made.json.vending_strategy.AwsSts.lifetime_seconds, '3600')
  for (const [storage_config, message] of [
    [{ 's3.buckt': 'b' }, /Unknown key "s3\.buckt" in storage_config \(did you mean "s3\.bucket"\?\)/],
    [{ colour: 'red' }, /storage_config must have a type, one of file, s3/],
    [{ 's3.bucket': { a: 1 } }, /storage_config/],
    [{ 's3.bucket': ['b'] }, /storage_config/],
  ] as const) {
    const answer = await create(server, { name: 'x', storage_config })
    assert.equal(answer.status, 400)
    assert.match(answer.json.error.message, message)
  }
})
