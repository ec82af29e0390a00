/** Requests that the server signs, sent to a real MinIO by somebody without keys; and what is not signed for whom. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { startMinio } from '../services/minio.ts'
import { digest, openSigning, schema, TABLES, type Sent } from './signing-bench.ts'

const ASKING = { 'x-iceberg-access-delegation': 'remote-signing' }
const LEGACY = '/v1/aws/s3/sign'

after(async () => {
  const minio = await startMinio()
  if ('value' in minio) await minio.value.stop()
})

test('clients that ask are told where requests are signed, and get no keys', async (t) => {
  const bench = await openSigning(t)
  if (bench === undefined) return
  const { send } = bench
  const plain = await send('GET', `${TABLES}/t`)
  const known = await send('GET', `${TABLES}/t`, { headers: ASKING })
  const expected = {
    ...plain.json.config,
    's3.remote-signing-enabled': 'true',
    's3.signer': 'S3V4RestSigner',
    's3.signer.endpoint': 'v1/s3/aws/s3/sign',
    'signer.endpoint': 'v1/s3/namespaces/ns/tables/t/sign',
  }
  assert.deepEqual(known.json.config, expected)
  assert.deepEqual(known.json['remote-signing-config'], { properties: {}, headers: {} })
  assert.equal(known.json['storage-credentials'], undefined)
  assert.equal(known.headers.get('cache-control'), 'private, no-store')
  assert.notEqual(known.headers.get('etag'), plain.headers.get('etag'))
  const again = (etag: string, headers: object = ASKING) =>
    send('GET', `${TABLES}/t`, { headers: { ...headers, 'if-none-match': etag } })
  assert.equal((await again(known.headers.get('etag')!)).status, 304)
  assert.equal((await again(plain.headers.get('etag')!)).status, 200)
  assert.equal((await again(known.headers.get('etag')!, {})).status, 200)
  const created = await send('POST', TABLES, { body: { name: 'ü/?', schema }, headers: ASKING })
  assert.equal(created.json.config['signer.endpoint'], 'v1/s3/namespaces/ns/tables/%C3%BC%2F%3F/sign')
  const body = { requirements: [], updates: [{ action: 'set-properties', updates: { a: 'b' } }] }
  const committed = await send('POST', `${TABLES}/t`, { body, headers: ASKING })
  assert.deepEqual(committed.json.config, expected)
  // The name is a part of where: a table that has another name is another answer.
  const source = { namespace: ['ns'], name: 't' }
  const before = await send('GET', `${TABLES}/t`, { headers: ASKING })
  await send('POST', '/v1/s3/tables/rename', { body: { source, destination: { ...source, name: 'x' } } })
  const headers = { ...ASKING, 'if-none-match': before.headers.get('etag')! }
  assert.equal(
    (await send('GET', `${TABLES}/x`, { headers })).json.config['signer.endpoint'],
    'v1/s3/namespaces/ns/tables/x/sign',
  )
  for (const text of [plain, known, created, committed].map((answer) => answer.text))
    assert.doesNotMatch(text, /pangolin-test|secret/)
  const { endpoints } = (await send('GET', '/v1/config?warehouse=s3')).json
  assert.ok(endpoints.includes('POST /v1/{prefix}/namespaces/{namespace}/tables/{table}/sign'))
  // Who asks for credentials gets none here, and who asks for neither nothing.
  const other = await send('GET', `${TABLES}/t2`, { headers: { 'x-iceberg-access-delegation': 'vended-credentials' } })
  assert.equal(other.json.config['s3.signer'], undefined)
})

test('credentials are preferred where a warehouse has both and the client asks for both', async (t) => {
  const role = { role_arn: 'arn:aws:iam::123456789012:role/lake', remote_signing: 'true' }
  const bench = await openSigning(t, { AwsSts: role })
  if (bench === undefined) return
  const load = async (header: string) =>
    (await bench.send('GET', `${TABLES}/t`, { headers: { 'x-iceberg-access-delegation': header } })).json.config
  for (const header of ['vended-credentials', 'remote-signing, vended-credentials']) {
    const config = await load(header)
    assert.ok(config['s3.session-token'])
    assert.equal(config['s3.signer'], undefined)
  }
  const config = await load('Remote-Signing')
  assert.equal(config['s3.session-token'], undefined)
  assert.equal(config['s3.signer'], 'S3V4RestSigner')
})

test('what is signed works: write, read, parts, list, delete', async (t) => {
  const bench = await openSigning(t, { AwsSigning: { bulk_deletes: 'true' } })
  if (bench === undefined) return
  const { ask, base } = bench
  // Names with characters that are escaped, and escapes that are a part of the name.
  for (const name of ['a.parquet', 'p%3D1/b%20c%2Bd.parquet', 'q%3D1%253A0%252Fx/%C3%BC!%27()*.parquet']) {
    const uri = `${base}/lake/ns/t/data/${name}`
    const put = await ask({
      method: 'PUT',
      uri,
      body: 'hello',
      headers: { 'content-type': 'text/plain', 'x-amz-meta-a': 'b  c' },
    })
    assert.equal(put.status, 200, put.text)
    const got = await ask({ method: 'GET', uri, headers: { range: 'bytes=1-3' } })
    assert.deepEqual([got.status, got.text], [206, 'ell'])
    assert.equal((await ask({ method: 'HEAD', uri })).headers.get('content-length'), '5')
  }
  const uri = `${base}/lake/ns/t/data/parts`
  const started = await ask({ method: 'POST', uri: `${uri}?uploads` })
  const id = encodeURIComponent(/<UploadId>(.*)<\/UploadId>/.exec(started.text)![1]!)
  const part = await ask({ method: 'PUT', uri: `${uri}?partNumber=1&uploadId=${id}`, body: 'part' })
  const list = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${part.headers.get('etag')}</ETag></Part></CompleteMultipartUpload>`
  const done = await ask({ method: 'POST', uri: `${uri}?uploadId=${id}`, body: list })
  assert.equal(done.status, 200, done.text)
  assert.equal((await ask({ method: 'GET', uri })).text, 'part')
  const listing = () => ask({ method: 'GET', uri: `${base}?list-type=2&prefix=lake%2Fns%2Ft%2Fdata%2F&max-keys=100` })
  assert.equal((await listing()).text.match(/<Key>/g)?.length, 4)
  const keys = ['a.parquet', 'p=1/b c+d.parquet'].map((name) => `<Object><Key>lake/ns/t/data/${name}</Key></Object>`)
  const body = `<Delete>${keys.join('')}</Delete>`
  const deleted = await ask({ method: 'POST', uri: `${base}/?delete`, body, headers: digest(body) })
  assert.deepEqual([deleted.status, deleted.text.match(/<Deleted>/g)?.length], [200, 2], deleted.text)
  assert.equal((await ask({ method: 'DELETE', uri })).status, 204)
  assert.equal((await listing()).text.match(/<Key>/g)?.length, 1)
})

test('a signature is for what was asked and nothing else', async (t) => {
  const bench = await openSigning(t)
  if (bench === undefined) return
  const { sign, base } = bench
  const uri = `${base}/lake/ns/t/a`
  const { json } = await sign({ method: 'PUT', uri })
  const headers = Object.fromEntries(
    Object.entries(json.headers as Record<string, string[]>).map(([name, [value]]) => [name, value!]),
  )
  const refused = async (method: string, at: string, extra: object = {}) => {
    const response = await fetch(at, { method, headers: { ...headers, ...extra }, ...(method === 'PUT' ? { body: 'x' } : {}) })
    assert.ok(response.status >= 400, `${method} ${at} ${response.status}`)
  }
  await refused('GET', uri)
  await refused('DELETE', uri)
  await refused('PUT', `${base}/lake/ns/t2/a`)
  await refused('PUT', `${uri}?tagging`)
  await refused('PUT', uri, { 'x-amz-date': '20240101T000000Z' })
  await refused('PUT', uri, { 'x-amz-content-sha256': 'a'.repeat(64) })
  assert.equal((await bench.ask({ method: 'GET', uri })).status, 404)
  assert.equal((await fetch(json.uri, { method: 'PUT', headers, body: 'x' })).status, 200)
})

test('a list of what to delete is not signed for a service that does not check it, unless the warehouse says so', async (t) => {
  const bench = await openSigning(t)
  if (bench === undefined) return
  const { send, sign, base, bucket } = bench
  const body = '<Delete><Object><Key>lake/ns/t/a</Key></Object></Delete>'
  const request = { method: 'POST', uri: `${base}?delete`, body, headers: digest(body) }
  const refused = await sign(request)
  assert.equal(refused.status, 403)
  assert.match(refused.json.error.message, /not known to check their list/)
  const vending_strategy = { AwsSigning: { bulk_deletes: 'true' } }
  const changed = await send('PUT', '/api/v1/warehouses/w', { body: { vending_strategy } })
  assert.match(changed.json.warnings[0], /MinIO does not/)
  const { json } = await sign(request)
  // What the warning says. Where this fails, MinIO has learnt it: the documentation should say so.
  await bench.ask({ method: 'PUT', uri: `${base}/lake/ns/t/b`, body: 'x' })
  const headers = Object.entries(json.headers as Record<string, string[]>).map(([name, [value]]) => [name, value!])
  const other = body.replace('/a<', '/b<')
  const sent = await fetch(json.uri, {
    method: 'POST',
    headers: { ...request.headers, ...Object.fromEntries(headers) },
    body: other,
  })
  assert.match(await sent.text(), /<Deleted><Key>lake\/ns\/t\/b/, bucket)
  assert.equal(
    (await send('PUT', '/api/v1/warehouses/w', { body: { vending_strategy: { AwsSigning: { bulk_deletes: 'x' } } } })).status,
    400,
  )
})

test('the answer says whether it may be kept, and holds nothing of what was sent', async (t) => {
  const bench = await openSigning(t)
  if (bench === undefined) return
  const { sign, base } = bench
  const uri = `${base}/lake/ns/t/a`
  const own = { authorization: 'AWS4 somebody', 'x-amz-security-token': 'somebody', cookie: 'somebody', 'x-other': 'somebody' }
  for (const [method, control] of [
    ['GET', 'private'],
    ['HEAD', 'private'],
    ['PUT', 'no-cache'],
    ['DELETE', 'no-cache'],
  ] as const) {
    const answer = await sign({ method, uri, headers: own })
    assert.equal(answer.status, 200, answer.text)
    assert.equal(answer.headers.get('cache-control'), control)
    assert.doesNotMatch(answer.text, /somebody|pangolin-test-secret/)
    assert.deepEqual(Object.keys(answer.json), ['uri', 'headers'])
    assert.deepEqual(Object.keys(answer.json.headers), ['authorization', 'x-amz-content-sha256', 'x-amz-date'])
  }
})

test('nothing is signed outside of the table', async (t) => {
  const bench = await openSigning(t, { AwsSigning: { bulk_deletes: 'true' } })
  if (bench === undefined) return
  const { sign, base, server } = bench
  const port = new URL(base).host
  const listing = (prefix: string) => ({ method: 'GET', uri: `${base}?list-type=2&prefix=${encodeURIComponent(prefix)}` })
  const outside = [
    '/lake/ns/t2/a',
    '/lake/ns/t2',
    '/lake/ns/t',
    '/lake/ns/a',
    '/lake/a',
    '/a',
    '/lake/ns/t/../t2/a',
    '/lake/ns/t/%2e%2e/t2/a',
    '/lake/ns/t/%252e%252e/t2/a',
    '/lake/ns/t%2Fa',
    '/lake/ns/t//a',
    '/lake/ns/t/..%5ct2/a',
    '/lake/ns/t%252F..%252Ft2/a',
  ].flatMap((path) => ['GET', 'HEAD', 'PUT', 'DELETE'].map((method) => ({ method, uri: base + path })))
  const remove = (keys: readonly string[]) => ({
    method: 'POST',
    uri: `${base}?delete`,
    body: `<Delete>${keys.map((key) => `<Object><Key>${key}</Key></Object>`).join('')}</Delete>`,
  })
  const tricks: Sent[] = [
    ...outside,
    listing(''),
    listing('/'),
    listing('lake/ns/t'),
    listing('lake/ns/'),
    listing('lake/ns/t2/'),
    listing('lake/ns/t/../t2/'),
    listing('l'),
    { method: 'GET', uri: `${base}?list-type=2` },
    remove(['lake/ns/t2/a']),
    remove(['lake/ns/t/a', 'lake/ns/t2/a']),
    remove(['lake/ns/t']),
    remove([]),
    { ...remove(['lake/ns/t/a']), headers: { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' } },
    { method: 'POST', uri: `${base}?delete` },
    { method: 'PUT', uri: `${base}/lake/ns/t/a`, headers: { 'X-Amz-Copy-Source': 'x/lake/ns/t2/a' } },
    { method: 'PUT', uri: `${base}/lake/ns/t/a`, headers: { 'x-amz-acl': 'public-read' } },
    { method: 'PUT', uri: `${base}/lake/ns/t/a?acl` },
    { method: 'GET', uri: `${base}/lake/ns/t/a?X-Amz-Expires=604800` },
    { method: 'GET', uri: `http://127.0.0.1:1/${base.split('/').at(-1)}/lake/ns/t/a` },
    { method: 'GET', uri: `http://${port}/other/lake/ns/t/a` },
    { method: 'GET', uri: `http://${base.split('/').at(-1)}.${port}/lake/ns/t/a` },
    // The catalog alone writes these.
    ...['PUT', 'DELETE'].map((method) => ({ method, uri: `${base}/lake/ns/t/metadata/00001-x.metadata.json` })),
    { method: 'PUT', uri: `${base}/lake/ns/t/metadata/00001-x.gz.metadata.json` },
    { method: 'PUT', uri: `${base}/lake/ns/t/metadata/v1.metadata.json.gz` },
    { method: 'POST', uri: `${base}/lake/ns/t/metadata/00001-x.metadata.json?uploads` },
    remove(['lake/ns/t/metadata/00001-x.metadata.json']),
  ]
  for (const trick of tricks) {
    for (const at of [`${TABLES}/t/sign`, LEGACY]) {
      // Without a table in the path what lies in the other table is that one's.
      if (
        at === LEGACY &&
        (trick.uri.includes('/ns/t2/') || trick.uri.includes('t2%2F') || trick.body?.includes('<Key>lake/ns/t2'))
      )
        continue
      const answer = await sign(trick, at)
      assert.equal(answer.status, 403, `${at} ${JSON.stringify(trick)} ${answer.text}`)
      assert.doesNotMatch(answer.text, /Signature/)
    }
  }
  assert.equal((await sign({ method: 'GET', uri: `${base}/lake/ns/t/metadata/00001-x.metadata.json` })).status, 200)
  assert.doesNotMatch(server.log.join(''), /Signature=/)
})

test('to whom what is signed', async (t) => {
  const bench = await openSigning(t, { AwsSigning: { bulk_deletes: 'true' } })
  if (bench === undefined) return
  const { send, sign, base } = bench
  const mint = async (body: object) => (await send('POST', '/api/v1/tokens', { body })).json.token as string
  const within = [{ catalog: 's3', namespace: ['ns'], table: 't' }]
  const [reader, mine, elsewhere] = [
    await mint({ access: 'read', within }),
    await mint({ access: 'read-write', within }),
    await mint({ access: 'read-write', within: [{ catalog: 'lake' }] }),
  ]
  const [get, put] = ['GET', 'PUT'].map((method) => ({ method, uri: `${base}/lake/ns/t/a` }))
  const [get2, put2] = ['GET', 'PUT'].map((method) => ({ method, uri: `${base}/lake/ns/t2/a` }))
  const remove = { method: 'POST', uri: `${base}?delete`, body: '<Delete><Object><Key>lake/ns/t/a</Key></Object></Delete>' }
  for (const at of [undefined, LEGACY, '/v1/s3/v1/aws/s3/sign', '/v1/s3/aws/s3/sign', '/v1/s3/v1/s3/aws/s3/sign']) {
    const statuses = async (token: string, ...sent: readonly (Sent | undefined)[]) => {
      const all = []
      for (const one of sent) all.push((await sign(one!, at, token)).status)
      return all.join(' ')
    }
    const none = at?.startsWith('/v1/s3') ? 404 : at === undefined ? 404 : 403
    assert.equal(await statuses(reader, get, put, remove, get2, put2), '200 403 403 403 403', at)
    assert.equal(await statuses(mine, get, put, remove, get2, put2), '200 200 200 403 403', at)
    assert.equal(await statuses(elsewhere, get, put), `${none} ${none}`, at)
    assert.equal(await statuses('pgl_nothing', get), '401', at)
  }
  // Whether there is a table at a place is not told.
  const refusals = await Promise.all(
    [get2!, { method: 'GET', uri: `${base}/lake/ns/never/a` }].map((sent) => sign(sent, LEGACY, mine)),
  )
  assert.equal(refusals[0]!.text, refusals[1]!.text)
  assert.equal((await sign(get!, `${TABLES}/never/sign`)).status, 403)
  assert.equal((await sign(get!, `${TABLES}/never/sign`, await mint({ access: 'read' }))).status, 404)
  assert.equal((await sign(get!, `${TABLES}/never/sign`, mine)).status, 404)
})

// Iceberg's Java client asks where the table is not named, also for files of a replacement that moves a table.
test('for whatever table: places where the caller may create one', async (t) => {
  const bench = await openSigning(t)
  if (bench === undefined) return
  const { send, sign, base } = bench
  const mint = async (body: object) => (await send('POST', '/api/v1/tokens', { body })).json.token as string
  const narrowed = (...within: object[]) => mint({ access: 'read-write', within })
  const at = '/v1/s3/aws/s3/sign'
  const statuses = async (path: string, token?: string) => {
    const sent = ['GET', 'PUT'].map((method) => sign({ method, uri: `${base}/${path}` }, at, token))
    return (await Promise.all(sent)).map(({ status }) => status).join(' ')
  }
  const free = 'lake/ns/fresh/data/a'
  assert.equal(await statuses(free), '200 200')
  assert.equal(await statuses('lake/ns/fresh/metadata/00000-x.metadata.json'), '403 403')
  // The folder of a namespace is no table's.
  assert.equal(await statuses('lake/ns/a'), '403 403')
  assert.equal(await statuses(free, await mint({ access: 'read' })), '403 403')
  assert.equal(await statuses(free, await narrowed({ catalog: 's3' })), '200 200')
  const ours = await narrowed({ catalog: 's3', namespace: ['never'] }, { catalog: 's3', namespace: ['ns'] })
  assert.equal(await statuses(free, ours), '200 200')
  assert.equal(await statuses('lake/other/fresh/data/a', ours), '403 403')
  assert.equal(await statuses(free, await narrowed({ catalog: 's3', namespace: ['ns'], table: 't' })), '403 403')
})

test('the table at a place is the one that is there now', async (t) => {
  const bench = await openSigning(t)
  if (bench === undefined) return
  const { send, sign, base, bucket } = bench
  const within = [{ catalog: 's3', namespace: ['ns'], table: 't' }]
  const { token } = (await send('POST', '/api/v1/tokens', { body: { access: 'read-write', within } })).json
  const status = async () => (await sign({ method: 'PUT', uri: `${base}/lake/ns/t/a` }, '/v1/s3/aws/s3/sign', token)).status
  const name = (source: string, destination: string) => ({
    source: { namespace: ['ns'], name: source },
    destination: { namespace: ['ns'], name: destination },
  })
  assert.equal(await status(), 200)
  assert.equal(await status(), 200)
  await send('POST', '/v1/s3/tables/rename', { body: name('t', 'renamed') })
  assert.equal(await status(), 200, 'the token is bound to the table, not to its name')
  // Another one of the name, that lies elsewhere.
  await send('POST', TABLES, { body: { name: 't', schema, location: `s3://${bucket}/lake/ns/elsewhere` } })
  assert.equal(await status(), 200)
  const other = { method: 'PUT', uri: `${base}/lake/ns/elsewhere/a` }
  assert.equal((await sign(other, '/v1/s3/aws/s3/sign', token)).status, 403)
  await send('DELETE', `${TABLES}/t`)
  await send('POST', '/v1/s3/tables/rename', { body: name('renamed', 't') })
  assert.equal(await status(), 200)
  await send('DELETE', `${TABLES}/t`)
  assert.equal(await status(), 403)
})

test('what is no request is answered as such, and a warehouse that does not sign says so', async (t) => {
  const bench = await openSigning(t)
  if (bench === undefined) return
  const { send, region, base } = bench
  const good = { method: 'GET', region, uri: `${base}/lake/ns/t/a`, headers: {} }
  const at = `${TABLES}/t/sign`
  assert.equal((await send('POST', at, { body: { ...good, provider: 's3', properties: { a: 'b' }, body: null } })).status, 200)
  for (const wrong of [
    { provider: 'gcs' },
    { headers: { a: 'b' } },
    { headers: null },
    { uri: 1 },
    { uri: 'x' },
    { method: undefined },
  ]) {
    assert.equal((await send('POST', at, { body: { ...good, ...wrong } })).status, 400, JSON.stringify(wrong))
  }
  await send('POST', '/v1/lake/namespaces', { body: { namespace: ['ns'] } })
  await send('POST', '/v1/lake/namespaces/ns/tables', { body: { name: 't', schema } })
  assert.equal((await send('POST', '/v1/lake/namespaces/ns/tables/t/sign', { body: good })).status, 400)
  const { json } = await send('GET', '/v1/lake/namespaces/ns/tables/t', { headers: ASKING })
  assert.equal(json.config?.['s3.signer'], undefined)
})

test('other places of a table are signed for it, as long as nobody else lies there; a place that the warehouse lost is not', async (t) => {
  const bench = await openSigning(t)
  if (bench === undefined) return
  const { send, sign, base, bucket } = bench
  const properties = { 'write.data.path': `s3://${bucket}/lake/data/shared` }
  assert.equal((await send('POST', TABLES, { body: { name: 'u', schema, properties } })).status, 200)
  const uri = `${base}/lake/data/shared/a`
  const at = `${TABLES}/u/sign`
  assert.equal((await sign({ method: 'PUT', uri }, at)).status, 200)
  // A place that it may be moved to.
  assert.equal((await sign({ method: 'PUT', uri: `${base}/lake/data/shared2/a` }, at)).status, 200)
  const within = [{ catalog: 's3', namespace: ['ns'], table: 'u' }]
  const { token } = (await send('POST', '/api/v1/tokens', { body: { access: 'read-write', within } })).json
  assert.equal((await sign({ method: 'PUT', uri }, at, token)).status, 403)
  assert.equal((await sign({ method: 'PUT', uri: `${base}/lake/data/shared2/a` }, at, token)).status, 403)
  // The catalog moves: what it had before is not its any more.
  const moved = await send('PUT', '/api/v1/warehouses/w?test=false', {
    body: { storage_config: { type: 's3', bucket, endpoint: new URL(base).origin, prefix: 'elsewhere' } },
  })
  if (moved.status === 200) {
    assert.equal((await sign({ method: 'GET', uri: `${base}/lake/ns/t/a` })).status, 403, moved.text)
  }
})
