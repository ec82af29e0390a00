/** What is understood of a client's request to S3, and each trick that is not signed for anybody. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { placeOf, readRequest, type S3Place } from '../../src/storage/s3-requests.ts'
import type { SignRequest } from '../../src/storage/vending/vending.ts'

const local = { 's3.bucket': 'lake', 's3.endpoint': 'http://127.0.0.1:9000', 's3.region': 'us-east-1' }
const minio = placeOf(local, { verifiesBodies: true })
const virtual = placeOf({ 's3.bucket': 'lake', 's3.endpoint': 'https://minio.example', 's3.path-style-access': 'false' })
const aws = placeOf({ 's3.bucket': 'lake', 's3.region': 'eu-west-1' })
const china = placeOf({ 's3.bucket': 'lake', 's3.region': 'cn-north-1' })

const BASE = 'http://127.0.0.1:9000/lake'
const request = (method: string, uri: string, rest: Partial<SignRequest> = {}): SignRequest => ({
  method,
  region: 'us-east-1',
  uri,
  headers: {},
  body: undefined,
  ...rest,
})
const read = (method: string, uri: string, rest?: Partial<SignRequest>, place: S3Place = minio) =>
  readRequest(place, request(method, uri, rest))
const headers = (...pairs: readonly [string, string][]): Partial<SignRequest> => ({
  headers: Object.fromEntries(pairs.map(([name, value]) => [name, [value]])),
})
const listOf = (...keys: readonly string[]): string =>
  `<Delete>${keys.map((key) => `<Object><Key>${key}</Key></Object>`).join('')}</Delete>`

const touched = (method: string, uri: string, rest?: Partial<SignRequest>, place?: S3Place): unknown => {
  const { writes, touches } = read(method, uri, rest, place)
  return [writes ? 'writes' : 'reads', ...touches.map(({ location, isFolder }) => location + (isFolder ? '/' : ''))]
}

test('what requests of table clients do', () => {
  for (const [method, path, expected] of [
    ['GET', '/t/a', 'reads'],
    ['GET', '/t/a?partNumber=2', 'reads'],
    ['HEAD', '/t/a', 'reads'],
    ['PUT', '/t/a', 'writes'],
    ['PUT', '/t/a?partNumber=1&uploadId=u%2B1', 'writes'],
    ['PUT', '/t/a?uploadId=u&partNumber=10000', 'writes'],
    ['POST', '/t/a?uploads', 'writes'],
    ['POST', '/t/a?uploads=', 'writes'],
    ['POST', '/t/a?uploadId=u', 'writes'],
    ['GET', '/t/a?uploadId=u', 'writes'],
    ['DELETE', '/t/a', 'writes'],
    ['DELETE', '/t/a?uploadId=u', 'writes'],
  ] as const) {
    assert.deepEqual(touched(method, BASE + path), [expected, 's3://lake/t/a'], `${method} ${path}`)
  }
  for (const path of ['?list-type=2&prefix=t%2F', '/?prefix=t%2F&list-type=2&delimiter=%2F&max-keys=1&encoding-type=url']) {
    assert.deepEqual(touched('GET', BASE + path), ['reads', 's3://lake/t/'])
  }
  assert.deepEqual(touched('GET', `${BASE}?list-type=2&prefix=t%2Fda`), ['reads', 's3://lake/t/da'])
  // Partition values have escapes in them, which are characters of the key.
  assert.deepEqual(touched('GET', `${BASE}/t/p%3D1%253A0%252Fx%20y%2Bz/%C3%BC`), ['reads', 's3://lake/t/p=1%3A0%2Fx y+z/ü'])
  const body = `<?xml version="1.0" encoding="UTF-8"?>\n${listOf('t/a &amp; b', 't/&#xfc;').replace('</Delete>', '<Quiet>true</Quiet></Delete>')}`
  const deletes = read('POST', `${BASE}?delete`, { body })
  assert.deepEqual(
    deletes.touches.map(({ location }) => location),
    ['s3://lake/t/a & b', 's3://lake/t/ü'],
  )
  assert.match(deletes.canonical.payload, /^[0-9a-f]{64}$/)
  assert.deepEqual([deletes.writes, deletes.isRepeatable], [true, false])
})

test('each of the ways to name the bucket that the warehouse has, and no other', () => {
  const there = ['reads', 's3://lake/t/a']
  assert.deepEqual(touched('GET', 'http://127.0.0.1:9000/lake/t/a'), there)
  const ofVirtual = (uri: string) => touched('GET', uri, {}, virtual)
  assert.deepEqual(ofVirtual('https://lake.minio.example/t/a'), there)
  assert.deepEqual(ofVirtual('https://LAKE.minio.example:443/t/a'), there)
  const europe = { region: 'eu-west-1' }
  for (const uri of ['https://lake.s3.eu-west-1.amazonaws.com/t/a', 'https://s3.eu-west-1.amazonaws.com/lake/t/a']) {
    assert.deepEqual(touched('GET', uri, europe, aws), there)
  }
  const beijing = 'https://lake.s3.cn-north-1.amazonaws.com.cn/t/a'
  assert.deepEqual(touched('GET', beijing, { region: 'cn-north-1' }, china), there)
  for (const [place, uri, region] of [
    [minio, 'http://lake.127.0.0.1:9000/t/a'],
    [minio, 'http://127.0.0.1:9001/lake/t/a'],
    [minio, 'http://127.0.0.1/lake/t/a'],
    [minio, 'https://127.0.0.1:9000/lake/t/a'],
    [minio, 'http://2130706433:9000/lake/t/a'],
    [minio, 'http://127.0.0.1.:9000/lake/t/a'],
    [minio, 'http://127.0.0.1:9000/other/t/a'],
    [minio, 'http://127.0.0.1:9000/lake2/t/a'],
    [minio, 'http://127.0.0.1:9000//lake/t/a'],
    [minio, 'http://127.0.0.1:9000/LAKE/t/a'],
    [minio, 'http://127.0.0.1:9000/lake/t/a', 'eu-west-1'],
    [minio, 'http://127.0.0.1:9000/lake/t/a', ''],
    // To a service that knows no such host the first folder would be the bucket.
    [virtual, 'https://minio.example/lake/t/a'],
    [virtual, 'https://other.minio.example/t/a'],
    [virtual, 'https://lake.minio.example.evil.test/t/a'],
    [aws, 'https://lake.s3.us-west-2.amazonaws.com/t/a', 'eu-west-1'],
    [aws, 'https://lake.s3.amazonaws.com/t/a', 'eu-west-1'],
    [aws, 'https://lake.s3.eu-west-1.amazonaws.com/t/a', 'us-east-1'],
    [aws, 'https://lake.s3-accesspoint.eu-west-1.amazonaws.com/t/a', 'eu-west-1'],
    [aws, 'http://lake.s3.eu-west-1.amazonaws.com/t/a', 'eu-west-1'],
  ] as const) {
    assert.throws(() => touched('GET', uri, region === undefined ? {} : { region }, place), { code: 403 }, uri)
  }
})

test('addresses that two readers could read differently', () => {
  for (const path of [
    '/t/../u/a',
    '/t/./a',
    '/t/%2e%2e/u/a',
    '/t/%2E./u/a',
    '/t/%252e%252e/u/a',
    '/t/%252e%252e%252fu/a',
    '/t/..%2fu/a',
    '/t%2fa',
    '/t/a%5Cb',
    '/t/%25252e%25252e/u',
    '/t//a',
    '/t/a/',
    '/t/a%00',
    '/t/a%0d%0ax',
    '/t/%EF%BC%8E%EF%BC%8E/u',
    '/',
    '',
    `/t/${'a'.repeat(1100)}`,
  ]) {
    for (const method of ['GET', 'PUT', 'DELETE']) assert.throws(() => read(method, BASE + path), { code: 403 }, path)
  }
  for (const uri of [
    `${BASE}/t/a\\b`,
    `${BASE}/t/a#x`,
    `${BASE}/t/a b`,
    `${BASE}/t/ü`,
    `${BASE}/t/%`,
    `${BASE}/t/%zz`,
    `${BASE}/t/%ff`,
    `${BASE}/t/a?partNumber=%ff`,
    'http://user:pass@127.0.0.1:9000/lake/t/a',
    'http://evil.test\\@127.0.0.1:9000/lake/t/a',
    '//127.0.0.1:9000/lake/t/a',
    's3://lake/t/a',
    'file:///lake/t/a',
    ` ${BASE}/t/a`,
    `${BASE}/t/a\n`,
    `${BASE}/${'a'.repeat(20_000)}`,
    '',
  ]) {
    assert.throws(() => read('GET', uri), { code: 400 }, uri)
  }
})

test('what stands in a query is known, and once', () => {
  const presigned = 'X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires=604800&X-Amz-Signature=00'
  for (const name of [
    'acl',
    'policy',
    'website',
    'tagging',
    'torrent',
    'versionId=1',
    'attributes',
    'select&select-type=2',
    'restore',
    'retention',
    'legal-hold',
    'renameObject',
    'append',
    'cors',
    'lifecycle',
    'object-lock',
    'location',
    'x-id=GetObject',
    'response-content-type=text/html',
    'partNumber=x',
    'uploadId=',
    'list-type=2&prefix=t/',
    'delete',
    'ACL',
    '%61cl',
    presigned,
  ]) {
    for (const method of ['GET', 'HEAD', 'PUT', 'POST', 'DELETE']) {
      const body = listOf('t/a')
      for (const uri of [`${BASE}/t/a?${name}`, `${BASE}?${name}`]) {
        // These two are what they look like.
        if (method === 'POST' && uri === `${BASE}?delete`) continue
        if (method === 'GET' && uri === `${BASE}?list-type=2&prefix=t/`) continue
        assert.throws(() => read(method, uri, { body }), { code: 403 }, `${method} ${uri}`)
      }
    }
  }
  for (const [method, path] of [
    ['GET', '/t/a?partNumber=1&partNumber=2'],
    ['GET', '/t/a?partNumber=1&part%4Eumber=2'],
    ['PUT', '/t/a?partNumber=1'],
    ['PUT', '/t/a?uploads'],
    ['POST', '/t/a'],
    ['POST', '/t/a?uploads=1'],
    ['POST', '/t/a?uploads&uploadId=u'],
    ['DELETE', '/t/a?partNumber=1'],
    ['PATCH', '/t/a'],
    ['OPTIONS', '/t/a'],
    ['get', '/t/a'],
    ['GET', '?list-type=2'],
    ['GET', '?list-type=2&prefix='],
    ['GET', '?list-type=2&prefix=%2F'],
    ['GET', '?list-type=2&prefix=t%2F&prefix=u%2F'],
    ['GET', '?list-type=2&prefix=t%2F..%2Fu%2F'],
    ['GET', '?list-type=2&prefix=t%2F%2F'],
    ['GET', '?list-type=1&prefix=t%2F'],
    ['GET', '?prefix=t%2F'],
    ['GET', '?list-type=2&prefix=t%2F&versions'],
    ['HEAD', ''],
    ['GET', ''],
    ['PUT', ''],
    ['DELETE', ''],
    ['POST', ''],
    ['GET', '?uploads'],
  ] as const) {
    assert.throws(() => read(method, BASE + path), { code: 403 }, `${method} ${path}`)
  }
  // What a form's plus means depends on who reads it.
  assert.throws(() => read('GET', `${BASE}?list-type=2&prefix=t%2F+u`), { code: 400 })
})

test('what S3 acts on in headers is known, once, and signed', () => {
  for (const name of [
    'x-amz-copy-source',
    'x-amz-copy-source-range',
    'X-Amz-Copy-Source',
    'x-amz-acl',
    'x-amz-grant-read',
    'x-amz-grant-full-control',
    'x-amz-tagging',
    'x-amz-website-redirect-location',
    'x-amz-object-lock-mode',
    'x-amz-bypass-governance-retention',
    'x-amz-rename-source',
    'x-amz-write-offset-bytes',
    'x-amz-mfa',
    'x-amz-server-side-encryption-customer-key',
    'x-amz-new-thing',
  ]) {
    assert.throws(() => read('PUT', `${BASE}/t/a`, headers([name, 'lake/u/a'])), { code: 403 }, name)
  }
  const put = (rest: Partial<SignRequest>) => read('PUT', `${BASE}/t/a`, rest)
  assert.throws(() => put({ headers: { 'Content-MD5': ['a'], 'content-md5': ['b'] } }), { code: 403 })
  assert.throws(() => put({ headers: { 'content-md5': ['a', 'b'] } }), { code: 403 })
  assert.throws(() => put({ headers: { range: ['a'], Range: ['b'] } }), { code: 403 })
  assert.throws(() => put(headers(['x-amz-meta-a', 'b\r\nx-amz-acl: public-read'])), { code: 403 })
  assert.throws(() => put(headers(['x-amz-meta-a\nb', 'c'])), { code: 403 })
  assert.throws(() => put(headers(['host', 'evil.test'])), { code: 403 })
  const { canonical } = put(
    headers(
      ['Host', '127.0.0.1:9000'],
      ['User-Agent', 'x'],
      ['Range', 'bytes=0-1'],
      ['Content-Type', 'text/plain'],
      ['x-amz-meta-a', 'b'],
      ['x-amz-te', 'append-md5'],
      ['Authorization', 'AWS4-HMAC-SHA256 Credential=others'],
      ['X-Amz-Security-Token', 'others'],
      ['x-amz-date', '20000101T000000Z'],
    ),
  )
  assert.deepEqual(
    [...canonical.headers],
    [
      ['content-type', 'text/plain'],
      ['x-amz-meta-a', 'b'],
      ['x-amz-te', 'append-md5'],
    ],
  )
})

test('a list of what to delete is signed only for services that check it', () => {
  const remove = (place: S3Place, uri: string) => () =>
    readRequest(place, { ...request('POST', uri, { body: listOf('t/a') }), region: place.region })
  assert.throws(remove(placeOf(local), `${BASE}?delete`), { code: 403 })
  assert.throws(remove(virtual, 'https://lake.minio.example/?delete'), { code: 403 })
  for (const place of [aws, placeOf({ ...local, 's3.endpoint': 'https://s3.us-east-1.amazonaws.com' })]) {
    const host = place.pathHosts[0]!
    assert.equal(remove(place, `https://${host}/lake?delete`)().writes, true)
  }
  const evil = placeOf({ ...local, 's3.endpoint': 'https://amazonaws.com.example' })
  assert.throws(remove(evil, 'https://amazonaws.com.example/lake?delete'), { code: 403 })
})

test('a body that matters is read, and its hash is what is signed', () => {
  const remove = (body: string | undefined, sent?: string) =>
    read('POST', `${BASE}?delete`, { body, ...(sent === undefined ? {} : headers(['x-amz-content-sha256', sent])) })
  const own = remove(listOf('t/a')).canonical.payload
  assert.equal(remove(listOf('t/a'), own).canonical.payload, own)
  for (const sent of ['UNSIGNED-PAYLOAD', 'STREAMING-UNSIGNED-PAYLOAD-TRAILER', 'a'.repeat(64), '']) {
    assert.throws(() => remove(listOf('t/a'), sent), { code: 403 }, sent)
  }
  for (const body of [
    undefined,
    '',
    '<Delete></Delete>',
    `${listOf('t/a')}${listOf('u/a')}`,
    '<Delete><Object><Key>t/a</Key><VersionId>1</VersionId></Object></Delete>',
    '<Delete><Object><Key>t/a</Key><Key>u/a</Key></Object></Delete>',
    '<Delete><Object><Key>t/a<!-- --></Key></Object></Delete>',
    '<Delete><Object><Key><![CDATA[t/a]]></Key></Object></Delete>',
    '<!DOCTYPE d [<!ENTITY e "u">]><Delete><Object><Key>t/a</Key></Object></Delete>',
    '<Delete><Object><Key>t/../u/a</Key></Object></Delete>',
    '<Delete><Object><Key>t/&#46;&#46;/u</Key></Object></Delete>',
    '<x:Delete><Object><Key>t/a</Key></Object></x:Delete>',
    '<Delete xmlns="evil"><Object><Key>t/a</Key></Object></Delete>',
    `${listOf('t/a')}x`,
    '{"keys":["t/a"]}',
  ]) {
    assert.throws(() => remove(body), { code: 403 }, body)
  }
  for (const body of [
    listOf('t/&e;'),
    listOf('t/&#1114112;'),
    listOf('t/& a'),
    listOf(...Array.from({ length: 1001 }, (_, at) => `t/${at}`)),
  ]) {
    assert.throws(() => remove(body), { code: 400 }, body.slice(0, 100))
  }
  const put = (sent: string) => read('PUT', `${BASE}/t/a`, headers(['x-amz-content-sha256', sent]))
  for (const sent of ['UNSIGNED-PAYLOAD', 'STREAMING-UNSIGNED-PAYLOAD-TRAILER', 'a'.repeat(64)]) {
    assert.equal(put(sent).canonical.payload, sent)
  }
  // Its chunks carry signatures that only the keys' owner can make.
  for (const sent of ['STREAMING-AWS4-HMAC-SHA256-PAYLOAD', 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER', 'x']) {
    assert.throws(() => put(sent), { code: 403 }, sent)
  }
})
