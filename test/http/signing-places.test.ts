/** Requests that are signed for places at which no table lies yet: of one that is staged, and of one that is about to move. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { startMinio } from '../services/minio.ts'
import { openSigning, schema, TABLES } from './signing-bench.ts'

const ASKING = { 'x-iceberg-access-delegation': 'remote-signing' }

after(async () => {
  const minio = await startMinio()
  if ('value' in minio) await minio.value.stop()
})

test('files of a table that is staged are signed for whoever may create it, where nobody lies', async (t) => {
  const bench = await openSigning(t)
  if (bench === undefined) return
  const { send, sign, base, bucket } = bench
  const staged = async (rest: object, token?: string) => {
    const body = { name: 'new', schema, 'stage-create': true, ...rest }
    return (await send('POST', TABLES, { body, headers: ASKING, ...(token === undefined ? {} : { token }) })).json
  }
  const { metadata, config } = await staged({})
  const at = `${TABLES}/new/sign`
  assert.deepEqual([config['signer.endpoint'], config['s3.signer.endpoint']], [at.slice(1), at.slice(1)])
  const uri = metadata.location.replace(`s3://${bucket}`, base)
  const put = (where: string, token?: string) => sign({ method: 'PUT', uri: where }, at, token)
  assert.equal((await put(`${uri}/data/a`)).status, 200)
  const listing = { method: 'GET', uri: `${base}?list-type=2&prefix=${encodeURIComponent(`${uri.slice(base.length + 1)}/`)}` }
  assert.equal((await sign(listing, at)).status, 200)
  for (const path of ['/lake/ns/t/data/a', '/lake/ns/t', '/lake/ns', '/a'])
    assert.equal((await put(base + path)).status, 403, path)
  // Elsewhere in the warehouse, where a creation may choose its place, too.
  assert.equal((await put(`${base}/lake2/ns/a`)).status, 200)
  assert.equal((await put(`${uri}/metadata/00000-a.metadata.json`)).status, 403)
  const all = { method: 'GET', uri: `${base}?list-type=2&prefix=lake%2F` }
  assert.equal((await sign(all, at)).status, 403)
  const mint = async (body: object) => (await send('POST', '/api/v1/tokens', { body })).json.token as string
  assert.equal((await put(`${uri}/data/a`, await mint({ access: 'read' }))).status, 403)
  assert.equal((await sign({ method: 'GET', uri: `${uri}/a` }, at, await mint({ access: 'read' }))).status, 404)
  const one = await mint({ access: 'read-write', within: [{ catalog: 's3', namespace: ['ns'], table: 'new' }] })
  assert.equal((await put(`${uri}/data/a`, one)).status, 403)
  await send('POST', '/v1/s3/namespaces', { body: { namespace: ['other'] } })
  const whole = await mint({ access: 'read-write', within: [{ catalog: 's3', namespace: ['ns'] }] })
  assert.equal((await put(`${uri}/data/a`, whole)).status, 200)
  assert.equal((await put(`${base}/lake/other/a`, whole)).status, 403)
  assert.equal((await sign({ method: 'PUT', uri: `${uri}/a` }, '/v1/s3/namespaces/none/tables/new/sign')).status, 404)
})

test('files of a table that is about to move are signed for whoever may create it, where nobody lies', async (t) => {
  const bench = await openSigning(t)
  if (bench === undefined) return
  const { send, sign, ask, base, bucket } = bench
  const place = `${base}/lake/moved/new`
  const status = async (method: string, uri: string, token?: string, at?: string) =>
    (await sign({ method, uri }, at, token)).status
  assert.equal((await ask({ method: 'PUT', uri: `${place}/metadata/m0.avro`, body: 'x' })).status, 200)
  assert.equal((await ask({ method: 'GET', uri: `${place}/metadata/m0.avro` })).text, 'x')
  const list = (prefix: string) => `${base}?list-type=2&prefix=${encodeURIComponent(prefix)}`
  assert.equal(await status('GET', list('lake/moved/new/')), 200)

  // Not the catalog, not where a namespace lies or what is around it, nothing of others, no metadata, no other spelling.
  for (const namespace of [['empty'], ['empty', 'ü in']]) {
    assert.equal((await send('POST', '/v1/s3/namespaces', { body: { namespace } })).status, 200)
  }
  const told = { namespace: ['told'], properties: { location: `s3://${bucket}/lake/far/told` } }
  assert.equal((await send('POST', '/v1/s3/namespaces', { body: told })).status, 200)
  const named = { name: 'named', schema, properties: { 'write.data.path': `s3://${bucket}/lake/data/of` } }
  assert.equal((await send('POST', TABLES, { body: named })).status, 200)
  const refused = [
    '/x',
    '/lake',
    '/lake/x',
    '/lake/ns',
    '/lake/ns/x',
    '/lake/ns/t2/a',
    '/lake/ns/t2',
    '/lake/empty/x',
    '/lake/empty/%25C3%25BC%2520in/x',
    '/lake/far/x',
    '/lake/far/told/x',
    '/lake/data/of/x',
    '/lake/data/x',
    '/lake/data/of/deep/x',
    '/lake/moved/new/metadata/00001-a.metadata.json',
    '/lake/moved/../ns/t2/a',
    '/lake/moved/%2e%2e/ns/t2/a',
    '/lake/moved/%252e%252e/ns/t2/a',
    '/lake/moved//x',
  ]
  for (const path of refused) assert.ok([400, 403].includes(await status('PUT', base + path)), path)
  assert.equal(await status('PUT', `${base}/lake2/a/b`), 200)
  const folders = ['', 'lake', 'lake/', 'lake/empty/', 'lake/far/', 'lake/far/told/', 'lake/data/', 'lake/ns/']
  for (const prefix of folders) assert.equal(await status('GET', list(prefix)), 403, prefix)

  const mint = async (body: object) => (await send('POST', '/api/v1/tokens', { body })).json.token as string
  const reader = await mint({ access: 'read' })
  for (const method of ['GET', 'PUT', 'DELETE']) assert.equal(await status(method, `${place}/data/a`, reader), 403)
  const bound = (part: object) => mint({ access: 'read-write', within: [{ catalog: 's3', ...part }] })
  const [one, whole] = [await bound({ namespace: ['ns'], table: 't' }), await bound({ namespace: ['ns'] })]
  for (const token of [one, whole]) {
    assert.equal(await status('PUT', `${place}/data/a`, token), 403)
    assert.equal(await status('PUT', `${base}/lake2/a/b`, token), 403)
  }
  assert.equal(await status('PUT', `${base}/lake/ns/t-new/data/a`, one), 403)
  assert.equal(await status('PUT', `${base}/lake/ns/t-new/data/a`, whole), 200)
  assert.equal(await status('PUT', `${base}/lake/ns/t/data/a`, one), 200)

  // It is somebody's from the moment that it is taken.
  const taken = { name: 'taken', schema, location: `s3://${bucket}/lake/moved/new` }
  assert.equal((await send('POST', TABLES, { body: taken })).status, 200)
  for (const method of ['GET', 'PUT', 'DELETE']) assert.equal(await status(method, `${place}/data/a`), 403)
  const never = `${TABLES}/never/sign`
  assert.equal(await status('PUT', `${base}/lake/moved/b/c`, undefined, never), 200)
  const updates = [{ action: 'set-location', location: `s3://${bucket}/lake/moved/b` }]
  assert.equal((await send('POST', `${TABLES}/t`, { body: { requirements: [], updates } })).status, 200)
  assert.equal(await status('PUT', `${base}/lake/moved/b/c`), 200)
  assert.equal(await status('PUT', `${base}/lake/moved/b/c`, undefined, never), 403)
})
