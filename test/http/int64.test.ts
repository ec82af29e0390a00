/** 64-bit integers in every place where one travels, over the whole range, from socket to socket. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import * as fc from 'fast-check'
import { parse, stringify } from '../../src/iceberg/json.ts'
import { call, startTestServer, type Answer, type TestServer } from './harness.ts'

const MAX = 2n ** 63n - 1n
const MIN = -(2n ** 63n)
/** The edges of what a double, a 32-bit and a 64-bit integer can hold come up often. */
const between = (min: bigint, max: bigint): fc.Arbitrary<bigint> => {
  const edges = [0n, 1n, -1n, 2n ** 31n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 53n + 1n, 2n ** 62n + 1n, MAX, MAX - 1n, MIN, MIN + 1n]
  const inside = edges.filter((edge) => edge >= min && edge <= max)
  return fc.oneof(fc.bigInt({ min, max }), fc.constantFrom(min, max, ...inside))
}
const natural = between(0n, MAX)
const positive = between(1n, MAX)

// oxlint-disable-next-line typescript/no-explicit-any -- documents of many shapes
type Loose = any
const exact = (answer: Answer): Loose => parse(answer.text)
const has = (actual: unknown, expected: bigint, where: string): void => assert.equal(String(actual), String(expected), where)

let names = 0
const NAMESPACE = '/v1/lake/namespaces/n'

async function send(server: TestServer, path: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer> {
  const text = stringify(body)
  const zipped = headers['content-encoding'] === 'gzip' ? gzipSync(text) : text
  const answer = await call(server, 'POST', path, { body: zipped, headers })
  assert.ok(answer.status < 300, `${path} ${text.slice(0, 2000)}: ${answer.text}`)
  return answer
}

/** A table of format version 3 whose column has the defaults, over a metadata file in the codec. */
async function newTable(
  server: TestServer,
  defaults: object,
  codec: string,
): Promise<{ path: string; location: string; name: string }> {
  const name = `t${names++}`
  const field = { id: 1, name: 'a', type: 'long', required: false, ...defaults }
  const properties = { 'format-version': '3', 'write.metadata.compression-codec': codec }
  const schema = { type: 'struct', 'schema-id': 0, fields: [field] }
  const created = exact(await send(server, `${NAMESPACE}/tables`, { name, schema, properties }))
  return { path: `${NAMESPACE}/tables/${name}`, location: created.metadata.location as string, name }
}

const Numbers = fc
  .record({
    ids: fc.uniqueArray(natural, { minLength: 2, maxLength: 2 }),
    sequence: between(2n, MAX),
    firstRow: natural,
    later: natural,
    age: positive,
    size: natural,
    footer: natural,
    blobSequence: natural,
    initial: between(MIN, MAX),
    write: between(MIN, MAX),
    unknown: between(MIN, MAX),
    report: between(MIN, MAX),
    codec: fc.constantFrom('none', 'gzip'),
    rows: natural,
  })
  .map((numbers) => ({ ...numbers, rows: numbers.rows % (MAX - numbers.firstRow + 1n) }))
type Values = typeof Numbers extends fc.Arbitrary<infer T> ? T : never

const updatesOf = (numbers: Values, location: string, now: bigint): object[] => {
  const [id, parent] = numbers.ids as [bigint, bigint]
  const snapshot = (snapshotId: bigint, fields: object): object => ({
    action: 'add-snapshot',
    snapshot: {
      'snapshot-id': snapshotId,
      'manifest-list': `${location}/metadata/${snapshotId}.avro`,
      summary: { operation: 'append' },
      'schema-id': 0,
      ...fields,
    },
  })
  const later = now + (numbers.later % (MAX - now + 1n))
  const stats = { 'snapshot-id': id, 'statistics-path': `${location}/metadata/s.puffin`, 'file-size-in-bytes': numbers.size }
  const blob = { type: 'x', 'snapshot-id': id, 'sequence-number': numbers.blobSequence, fields: [1] }
  return [
    snapshot(parent, { 'sequence-number': 1, 'timestamp-ms': later, 'first-row-id': 0, 'added-rows': 0 }),
    snapshot(id, {
      'parent-snapshot-id': parent,
      'sequence-number': numbers.sequence,
      'timestamp-ms': now,
      'first-row-id': numbers.firstRow,
      'added-rows': numbers.rows,
      'x-unknown': numbers.unknown,
    }),
    { action: 'set-snapshot-ref', 'ref-name': 'main', type: 'branch', 'snapshot-id': id, 'max-snapshot-age-ms': numbers.age },
    { action: 'set-snapshot-ref', 'ref-name': 'tag', type: 'tag', 'snapshot-id': parent, 'max-ref-age-ms': numbers.age },
    {
      action: 'set-statistics',
      statistics: { ...stats, 'file-footer-size-in-bytes': numbers.footer, 'blob-metadata': [blob] },
    },
    { action: 'set-partition-statistics', 'partition-statistics': stats },
  ]
}

function check(metadata: Loose, numbers: Values, now: bigint, where: string): void {
  const [id, parent] = numbers.ids as [bigint, bigint]
  const later = now + (numbers.later % (MAX - now + 1n))
  const snapshotOf = (wanted: bigint) => metadata.snapshots.find((one: Loose) => String(one['snapshot-id']) === String(wanted))
  const snapshot = snapshotOf(id)
  assert.ok(snapshot, `${where}: the snapshot`)
  const [stats] = metadata.statistics
  const found: [unknown, bigint][] = [
    [metadata['current-snapshot-id'], id],
    [metadata['last-sequence-number'], numbers.sequence],
    [metadata['next-row-id'], numbers.firstRow + numbers.rows],
    [snapshot['parent-snapshot-id'], parent],
    [snapshot['sequence-number'], numbers.sequence],
    [snapshot['timestamp-ms'], now],
    [snapshotOf(parent)['timestamp-ms'], later],
    [snapshot['first-row-id'], numbers.firstRow],
    [snapshot['added-rows'], numbers.rows],
    [snapshot['x-unknown'], numbers.unknown],
    [metadata['snapshot-log'].at(-1)['snapshot-id'], id],
    [metadata['snapshot-log'].at(-1)['timestamp-ms'], now],
    [metadata.refs.main['snapshot-id'], id],
    [metadata.refs.main['max-snapshot-age-ms'], numbers.age],
    [metadata.refs.tag['snapshot-id'], parent],
    [metadata.refs.tag['max-ref-age-ms'], numbers.age],
    [stats['snapshot-id'], id],
    [stats['file-size-in-bytes'], numbers.size],
    [stats['file-footer-size-in-bytes'], numbers.footer],
    [stats['blob-metadata'][0]['snapshot-id'], id],
    [stats['blob-metadata'][0]['sequence-number'], numbers.blobSequence],
    [metadata['partition-statistics'][0]['snapshot-id'], id],
    [metadata['partition-statistics'][0]['file-size-in-bytes'], numbers.size],
    [metadata.schemas[0].fields[0]['initial-default'], numbers.initial],
    [metadata.schemas[0].fields[0]['write-default'], numbers.write],
  ]
  for (const [at, [actual, expected]] of found.entries()) has(actual, expected, `${where}, value ${at}`)
}

const key = (n: number): string => `017f22e2-79b0-7cc3-98c4-${n.toString(16).padStart(12, '0')}`

async function travel(server: TestServer, numbers: Values): Promise<void> {
  const [id, parent] = numbers.ids as [bigint, bigint]
  const defaults = { 'initial-default': numbers.initial, 'write-default': numbers.write }
  const { path, location, name } = await newTable(server, defaults, numbers.codec)
  const now = BigInt(Date.now())
  const request = {
    requirements: [{ type: 'assert-ref-snapshot-id', ref: 'main', 'snapshot-id': null }],
    updates: updatesOf(numbers, location, now),
  }
  const headers = { 'content-encoding': numbers.codec === 'gzip' ? 'gzip' : 'identity', 'idempotency-key': key(names) }
  const committed = await send(server, path, request, headers)
  check(exact(committed).metadata, numbers, now, 'commit')
  assert.equal((await send(server, path, request, headers)).text, committed.text, 'the same key')
  for (const query of ['', '?snapshots=refs', '?snapshots=all'])
    check(exact(await call(server, 'GET', path + query)).metadata, numbers, now, `load${query}`)

  // An id that is off by one is another id, also where a double could not tell them apart.
  const other = id === MAX ? id - 1n : id + 1n
  const wrong = { type: 'assert-ref-snapshot-id', ref: 'main', 'snapshot-id': other }
  const refused = await call(server, 'POST', path, { body: stringify({ requirements: [wrong], updates: [] }) })
  assert.equal(refused.status, 409, refused.text)
  assert.ok(refused.text.includes(String(id)) && refused.text.includes(String(other)), refused.text)
  const right = { ...wrong, 'snapshot-id': id }
  const change = {
    identifier: { namespace: ['n'], name },
    requirements: [right],
    updates: [{ action: 'set-properties', updates: { a: 'b' } }],
  }
  await send(server, '/v1/lake/transactions/commit', { 'table-changes': [change] })

  // Out of the catalog and in again, through the file.
  const unregistered = exact(await send(server, `${path}/unregister`, {}))
  check(unregistered.metadata, numbers, now, 'unregister')
  const registered = await send(server, `${NAMESPACE}/register`, { name, 'metadata-location': unregistered['metadata-location'] })
  check(exact(registered).metadata, numbers, now, 'register')

  const report = { 'report-type': 'scan-report', 'snapshot-id': numbers.report }
  await send(server, `${path}/metrics`, report)
  const [kept] = exact(await call(server, 'GET', `/api/v1/catalogs/lake/namespaces/n/tables/${name}/metrics`)).reports
  has(kept.report['snapshot-id'], numbers.report, 'report')

  const less = [
    { action: 'remove-statistics', 'snapshot-id': id },
    // Of a snapshot that has none.
    { action: 'remove-partition-statistics', 'snapshot-id': other },
    { action: 'remove-snapshots', 'snapshot-ids': [parent] },
  ]
  const after = exact(await send(server, path, { requirements: [], updates: less })).metadata
  assert.deepEqual([after.statistics.length, after['partition-statistics'].length, after.snapshots.length], [0, 1, 1])
  assert.deepEqual(Object.keys(after.refs), ['main'])
}

test('property: tables, statistics, references, defaults, reports', async (t) => {
  // Without a cache everything is read from the file again.
  for (const bytes of ['67108864', '0']) {
    const server = await startTestServer(t, { PANGOLIN_CACHE_BYTES: bytes })
    await send(server, '/v1/lake/namespaces', { namespace: ['n'] })
    await fc.assert(
      fc.asyncProperty(Numbers, (numbers) => travel(server, numbers)),
      { numRuns: 25 },
    )
  }
})

test('property: views', async (t) => {
  const server = await startTestServer(t)
  await send(server, '/v1/lake/namespaces', { namespace: ['n'] })
  const schema = { type: 'struct', 'schema-id': 0, fields: [] }
  const property = fc.asyncProperty(natural, between(MIN, MAX), async (timestamp, unknown) => {
    const version = (id: number, sql: string) => ({
      'version-id': id,
      'schema-id': 0,
      'timestamp-ms': timestamp,
      summary: {},
      'default-namespace': ['n'],
      representations: [{ type: 'sql', sql, dialect: 'spark', 'x-unknown': unknown }],
    })
    const name = `v${names++}`
    const created = exact(
      await send(server, `${NAMESPACE}/views`, { name, schema, 'view-version': version(1, 'select 1'), properties: {} }),
    )
    const updates = [
      { action: 'add-view-version', 'view-version': version(2, 'select 2') },
      { action: 'set-current-view-version', 'view-version-id': -1 },
    ]
    await send(server, `${NAMESPACE}/views/${name}`, { updates })
    const { metadata } = exact(await call(server, 'GET', `${NAMESPACE}/views/${name}`))
    for (const document of [created.metadata, metadata]) {
      for (const one of document.versions) {
        has(one['timestamp-ms'], timestamp, 'version')
        has(one.representations[0]['x-unknown'], unknown, 'representation')
      }
      for (const entry of document['version-log']) has(entry['timestamp-ms'], timestamp, 'version-log')
    }
  })
  await fc.assert(property, { numRuns: 50 })
})
