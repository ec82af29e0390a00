/** Files of what was: credentials and signatures below a moment open them to be read, while they are of that table alone. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { rmSync } from 'node:fs'
import { after, test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { startMinio } from '../services/minio.ts'
import { requireService } from '../services/require.ts'
import { startSts, type TestSts } from '../services/sts.ts'
import { call, startTestServer, type Answer, type CallOptions } from './harness.ts'
import { OPERATIONS } from './operations.ts'
import { open as openPast } from './past.ts'
import { openSigning, schema } from './signing-bench.ts'

const VENDED = { 'x-iceberg-access-delegation': 'vended-credentials' }
const SIGNED = { 'x-iceberg-access-delegation': 'remote-signing' }
const SECRETS = /SECRET\d|TOKEN\d/

after(async () => {
  const minio = await startMinio()
  if ('value' in minio) await minio.value.stop()
})

type Send = (method: string, path: string, options?: CallOptions) => Promise<Answer>

/** Of the catalog `s3`. */
const headOf = async (send: Send): Promise<number> => (await send('GET', '/api/v1/catalogs/s3/commits?limit=1')).json[0].position
const at = (position: number, rest: string): string => `/v1/s3@${position}/namespaces/ns/tables/${rest}`

/** A catalog in MinIO whose credentials come from a service that remembers what it was asked. */
async function openVending(t: TestContext): Promise<{ readonly send: Send; readonly sts: TestSts } | undefined> {
  const minio = requireService(t, await startMinio())
  if (minio === undefined) return undefined
  const bucket = `past-${randomUUID()}`
  await minio.createBucket(bucket)
  const sts = await startSts()
  t.after(() => sts.stop())
  const server = await startTestServer(t)
  const send: Send = (method, path, options) => call(server, method, path, options)
  const { endpoint, accessKey: access_key_id, secretKey: secret_access_key } = minio
  const storage_config = { type: 's3', bucket, endpoint, access_key_id, secret_access_key }
  const vending_strategy = { AwsSts: { role_arn: 'arn:aws:iam::123456789012:role/lake', sts_endpoint: sts.endpoint } }
  for (const [path, body] of [
    ['/api/v1/warehouses', { name: 'w', storage_config, vending_strategy }],
    ['/api/v1/catalogs', { name: 's3', warehouse_name: 'w' }],
    ['/v1/s3/namespaces', { namespace: ['ns'] }],
  ] as const) {
    const answer = await send('POST', path, { body })
    assert.ok(answer.status < 300, answer.text)
  }
  return { send, sts }
}

/** Drops the table, and registers its last file under another name: its place is then that one's. */
async function takeOver(send: Send, name: string, file: string): Promise<void> {
  assert.equal((await send('DELETE', `/v1/s3/namespaces/ns/tables/${name}`)).status, 204)
  const body = { name: `${name}-new`, 'metadata-location': file }
  const registered = await send('POST', '/v1/s3/namespaces/ns/register', { body })
  assert.equal(registered.status, 200, registered.text)
}

test('credentials below a moment are for reading alone, and end with the table that has the place', async (t) => {
  const bench = await openVending(t)
  if (bench === undefined) return
  const { send, sts } = bench
  const made = await send('POST', '/v1/s3/namespaces/ns/tables', { body: { name: 't', schema }, headers: VENDED })
  const location = made.json.metadata.location.replace('s3://', '')
  const policy = () => JSON.parse(sts.asked.at(-1)!.get('Policy')!).Statement as { Action: string[]; Resource: string[] }[]
  assert.ok(policy()[0]!.Action.includes('s3:PutObject'))
  const position = await headOf(send)
  const body = { requirements: [], updates: [{ action: 'set-properties', updates: { a: 'b' } }] }
  await send('POST', '/v1/s3/namespaces/ns/tables/t', { body })
  const then = await send('GET', at(position, 't'), { headers: VENDED })
  assert.equal(then.json['metadata-location'], made.json['metadata-location'])
  assert.match(then.json.config['s3.session-token'], /^TOKEN\d+$/)
  assert.equal(then.headers.get('cache-control'), 'private, no-store')
  for (const { Action, Resource } of policy()) {
    assert.deepEqual(
      [Action].flat().filter((action) => /Put|Delete|Abort/.test(action)),
      [],
    )
    assert.ok(
      [Resource].flat().every((one) => one.includes(location) || !one.includes('/')),
      String(Resource),
    )
  }
  // New ones come from the same moment.
  const refresh = then.json.config['client.refresh-credentials-endpoint']
  assert.equal(refresh, `v1/s3%40${position}/namespaces/ns/tables/t/credentials`)
  for (const base of ['', `/v1/s3@${position}`]) {
    assert.deepEqual((await send('GET', `${base}/${refresh}`)).json['storage-credentials'], then.json['storage-credentials'])
  }
  assert.notEqual(
    then.json.config['s3.session-token'],
    (await send('GET', '/v1/s3/namespaces/ns/tables/t', { headers: VENDED })).json.config['s3.session-token'],
  )
  const known = { ...VENDED, 'if-none-match': then.headers.get('etag')! }
  assert.equal((await send('GET', at(position, 't'), { headers: known })).status, 304)
  // Of a table that was renamed since, and of one that was dropped and can come back, it is still the own place.
  const source = { namespace: ['ns'], name: 't' }
  await send('POST', '/v1/s3/tables/rename', { body: { source, destination: { ...source, name: 'u' } } })
  assert.match((await send('GET', at(position, 't'), { headers: VENDED })).text, SECRETS)
  assert.equal((await send('DELETE', '/v1/s3/namespaces/ns/tables/u')).status, 204)
  assert.match((await send('GET', at(position, 't'), { headers: VENDED })).text, SECRETS)
  assert.equal((await send('GET', at(position, 't/credentials'))).status, 200)
})

test('where another table lies at the place today, its credentials are refused and left out of the load', async (t) => {
  const bench = await openVending(t)
  if (bench === undefined) return
  const { send, sts } = bench
  const made = await send('POST', '/v1/s3/namespaces/ns/tables', { body: { name: 't', schema } })
  const position = await headOf(send)
  // Made before the place was taken, and kept in memory.
  const before = await send('GET', at(position, 't'), { headers: VENDED })
  assert.match(before.text, SECRETS)
  await takeOver(send, 't', made.json['metadata-location'])
  const asked = sts.asked.length
  const loaded = await send('GET', at(position, 't'), { headers: VENDED })
  assert.equal(loaded.status, 200)
  assert.equal(loaded.json['metadata-location'], made.json['metadata-location'])
  assert.doesNotMatch(loaded.text, SECRETS)
  assert.equal(loaded.json['storage-credentials'], undefined)
  // What a client has of before is not confirmed.
  const known = { ...VENDED, 'if-none-match': before.headers.get('etag')! }
  assert.equal((await send('GET', at(position, 't'), { headers: known })).status, 200)
  const refused = await send('GET', at(position, 't/credentials'))
  assert.deepEqual([refused.status, refused.json.error.type], [403, 'ForbiddenException'])
  assert.match(refused.json.error.message, /^The place of ns\.t is another table's today$/)
  assert.equal(sts.asked.length, asked, 'the provider was not asked')
  assert.match((await send('GET', '/v1/s3/namespaces/ns/tables/t-new', { headers: VENDED })).text, SECRETS)
  assert.match((await send('GET', at(await headOf(send), 't-new'), { headers: VENDED })).text, SECRETS)
})

test('requests to read are signed below a moment, requests to write are not', async (t) => {
  const bench = await openSigning(t)
  if (bench === undefined) return
  const { send, sign, ask, base } = bench
  const path = `${base}/lake/ns/t/data/a.parquet`
  const written = await ask({ method: 'PUT', uri: path, body: 'rows' })
  assert.equal(written.status, 200, written.text)
  const position = await headOf(send)
  const signAt = (request: Parameters<typeof sign>[0], rest = 'namespaces/ns/tables/t/sign') =>
    sign(request, `/v1/s3@${position}/${rest}`)
  const drop = await send('DELETE', '/v1/s3/namespaces/ns/tables/t')
  assert.equal(drop.status, 204)
  const { config } = (await send('GET', at(position, 't'), { headers: SIGNED })).json
  const own = `v1/s3%40${position}/namespaces/ns/tables/t/sign`
  assert.deepEqual([config['s3.signer.endpoint'], config['signer.endpoint']], [own, own])
  const signed = await sign({ method: 'GET', uri: path }, `/${own}`)
  assert.equal(signed.status, 200, signed.text)
  const headers = Object.entries(signed.json.headers as Record<string, string[]>).map(([name, values]) => [name, values.join()])
  const read = await fetch(signed.json.uri, { headers: Object.fromEntries(headers) })
  assert.deepEqual([read.status, await read.text()], [200, 'rows'])
  for (const [method, uri] of [
    ['PUT', path],
    ['PUT', `${base}/lake/ns/t/data/new.parquet`],
    ['PUT', `${base}/lake/ns/t/metadata/x.metadata.json`],
    ['PUT', `${base}/lake/ns/free/data/new.parquet`],
    ['DELETE', path],
    ['POST', `${path}?uploads`],
  ] as const) {
    // Also where clients ask that do not say for which table, and for tables that never were.
    for (const rest of [
      'namespaces/ns/tables/t/sign',
      'namespaces/ns/tables/t2/sign',
      'namespaces/ns/tables/never/sign',
      'aws/s3/sign',
    ]) {
      const refused = await signAt({ method, uri }, rest)
      assert.equal(refused.status, 403, `${method} ${uri} ${rest}: ${refused.text}`)
    }
  }
  for (const uri of [`${base}/lake/ns/t2/data/a.parquet`, `${base}/elsewhere`]) {
    assert.equal((await signAt({ method: 'GET', uri })).status, 403, uri)
  }
  assert.equal((await signAt({ method: 'GET', uri: path }, 'namespaces/ns/tables/never/sign')).status, 404)
  assert.equal((await signAt({ method: 'GET', uri: path }, 'aws/s3/sign')).status, 403)
  assert.equal((await sign({ method: 'GET', uri: path }, `/v1/s3@1/namespaces/ns/tables/t/sign`)).status, 404)
})

test('where another table lies at the place today, nothing is signed below a moment', async (t) => {
  const bench = await openSigning(t)
  if (bench === undefined) return
  const { send, sign, base } = bench
  const made = await send('GET', '/v1/s3/namespaces/ns/tables/t')
  const position = await headOf(send)
  const get = { method: 'GET', uri: `${base}/lake/ns/t/data/a.parquet` }
  assert.equal((await sign(get, at(position, 't/sign'))).status, 200)
  await takeOver(send, 't', made.json['metadata-location'])
  const refused = await sign(get, at(position, 't/sign'))
  assert.equal(refused.status, 403, refused.text)
  const loaded = await send('GET', at(position, 't'), { headers: SIGNED })
  assert.deepEqual([loaded.status, loaded.json.config['s3.signer']], [200, undefined])
  assert.equal((await sign(get, '/v1/s3/namespaces/ns/tables/t-new/sign')).status, 200)
})

test('what was purged is not answered from memory', async (t) => {
  const bench = await openVending(t)
  if (bench === undefined) return
  const { send } = bench
  await send('POST', '/v1/s3/namespaces/ns/tables', { body: { name: 't', schema } })
  const position = await headOf(send)
  const etag = (await send('GET', at(position, 't'))).headers.get('etag')!
  const [source, destination] = ['t', 'last'].map((name) => ({ namespace: ['ns'], name }))
  assert.equal((await send('POST', '/v1/s3/tables/rename', { body: { source, destination } })).status, 204)
  assert.equal((await send('DELETE', '/v1/s3/namespaces/ns/tables/last?purgeRequested=true')).status, 204)
  const [{ id }] = (await send('GET', '/api/v1/catalogs/s3/commits?limit=1')).json
  // Its name is another's by then.
  await send('POST', '/v1/s3/namespaces/ns/tables', { body: { name: 't', schema } })
  // It is asked once a second whether a file is still there.
  await sleep(1100)
  for (const path of ['t', 't?snapshots=refs', 't/credentials']) {
    for (const headers of [{}, VENDED, { 'if-none-match': etag }]) {
      const gone = await send('GET', at(position, path), { headers })
      assert.deepEqual([gone.status, gone.json.error.type], [404, 'NoSuchTableException'], path)
      assert.match(gone.json.error.message, new RegExp(`its metadata file s3://.* is gone; it was purged by change ${id} at `))
    }
  }
  assert.equal((await send('HEAD', at(position, 't'))).status, 404)
  assert.equal((await send('HEAD', '/v1/s3/namespaces/ns/tables/t')).status, 204)
})

test('a metadata file that was cleaned up since is named, and what is kept is still read', async (t) => {
  const { ok, send, head } = await openPast(t)
  await ok('POST', '/v1/lake/namespaces', { namespace: ['ns'] })
  const properties = { 'write.metadata.delete-after-commit.enabled': 'true', 'write.metadata.previous-versions-max': '1' }
  const { json } = await ok('POST', '/v1/lake/namespaces/ns/tables', { name: 't', schema, properties })
  const first = await head()
  for (const n of ['1', '2', '3']) {
    const updates = [{ action: 'set-properties', updates: { n } }]
    await ok('POST', '/v1/lake/namespaces/ns/tables/t', { requirements: [], updates })
  }
  // Files are removed behind the answer.
  const load = (position: number) => send('GET', `/v1/lake@${position}/namespaces/ns/tables/t`)
  for (let waited = 0; (await load(first)).status === 200 && waited < 5000; waited += 50) await sleep(50)
  const gone = await load(first)
  assert.deepEqual([gone.status, gone.json.error.type], [404, 'NoSuchTableException'])
  const file = json['metadata-location']
  const why = 'it was removed since, by the clean-up of the table or by another program'
  assert.equal(
    gone.json.error.message,
    `Table ns.t can not be read at position ${first}: its metadata file ${file} is gone; ${why}`,
  )
  assert.equal((await send('HEAD', `/v1/lake@${first}/namespaces/ns/tables/t`)).status, 404)
  assert.equal((await send('HEAD', `/v1/lake@${first + 3}/namespaces/ns/tables/t`)).status, 204)
  for (const back of [0, 1]) {
    const { metadata } = (await ok('GET', `/v1/lake@${first + 3 - back}/namespaces/ns/tables/t`)).json
    assert.equal(metadata.properties.n, String(3 - back))
  }
  // Of the catalog as it is no file is asked for.
  const body = OPERATIONS['createView']!.body!({ catalog: 'lake', namespace: ['ns'], name: 'v' })
  const view = await ok('POST', '/v1/lake/namespaces/ns/views', body)
  const last = await head()
  const table = await ok('GET', '/v1/lake/namespaces/ns/tables/t')
  for (const [path, { json: made }] of [
    ['tables/t', table],
    ['views/v', view],
  ] as const) {
    const both = async (prefix: string) =>
      Promise.all(['GET', 'HEAD'].map(async (method) => (await send(method, `/v1/${prefix}/namespaces/ns/${path}`)).status))
    assert.deepEqual(await both(`lake@${last}`), [200, 204])
    rmSync(new URL(made['metadata-location']))
    await sleep(10)
    assert.deepEqual(await both(`lake@${last}`), [404, 404])
    assert.deepEqual((await both('lake'))[1], 204)
  }
})
