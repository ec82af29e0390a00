import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MAX_LONG, MIN_LONG } from '../../src/iceberg/long.ts'
import { parse, stringify, type JsonObject } from '../../src/iceberg/json.ts'
import { parseTableMetadata, withoutTrailingSlash } from '../../src/iceberg/table-metadata.ts'
import { LOCATION, NOW, SCHEMA, UUID, addSnapshot, changed, refuses, setRef, snapshot, table, tableText } from './metadata.ts'

const grown = changed(table(), [addSnapshot(snapshot(1)), setRef(1)])
const written = (version: number) => parse(tableText(table(version))) as JsonObject
/** The metadata of a file with these fields replaced (undefined: removed). */
const read = (fields: object, base: object = grown) => parseTableMetadata(parse(stringify({ ...base, ...fields })))
const V1 = {
  'format-version': 1,
  location: LOCATION,
  'last-updated-ms': NOW,
  'last-column-id': 3,
  schema: { type: 'struct', fields: SCHEMA.fields },
  'partition-spec': [
    { name: 'a', transform: 'identity', 'source-id': 1 },
    { name: 'b', transform: 'identity', 'source-id': 2 },
  ],
}

describe('parseTableMetadata', () => {
  for (const version of [0, -1, 4, 5, 2 ** 31 - 1]) {
    it(`refuses format version ${version}`, () =>
      refuses(() => read({ 'format-version': version }), 400, /Unsupported format version/, 'ValidationException'))
  }
  it('refuses what is no table metadata', () => {
    for (const json of ['[]', '"x"', '1', '1.0', 'null', '{}', '{"format-version":"2"}', '{"format-version":2.0}']) {
      refuses(() => parseTableMetadata(Buffer.from(json)), 400, /Invalid table metadata/)
    }
    refuses(() => parseTableMetadata(Buffer.from('{')), 400, /Invalid JSON/)
  })
  it('fills in what version 1 may leave out', () => {
    const one = read({}, V1)
    assert.equal(one['table-uuid'], undefined)
    assert.equal(one['last-sequence-number'], 0)
    assert.deepEqual(one.schemas, [SCHEMA])
    assert.deepEqual(
      one['partition-specs'][0]?.fields.map((field) => field['field-id']),
      [1000, 1001],
    )
    assert.equal(one['last-partition-id'], 1001)
    assert.deepEqual(one['sort-orders'], [{ 'order-id': 0, fields: [] }])
    assert.deepEqual([one.refs, one.properties, one.snapshots, one['snapshot-log'], one['metadata-log']], [{}, {}, [], [], []])
  })
  it('makes a main branch of the current snapshot where there are no references', () => {
    assert.deepEqual(read({ refs: undefined }).refs, { main: { type: 'branch', 'snapshot-id': 1 } })
    assert.deepEqual(read({ refs: null }).refs, { main: { type: 'branch', 'snapshot-id': 1 } })
  })
  it('reads no current snapshot in every spelling', () => {
    for (const none of [-1, null, undefined]) {
      const metadata = read({ 'current-snapshot-id': none }, table())
      assert.equal(Object.hasOwn(metadata, 'current-snapshot-id'), false)
      assert.deepEqual(metadata.refs, {})
    }
  })
  it('takes null for absent where a field is optional', () => {
    const nulls = { 'parent-snapshot-id': null, 'schema-id': null, summary: null, 'first-row-id': null, 'key-id': null }
    const one = read({ snapshots: [{ ...snapshot(1), ...nulls }], statistics: null, 'encryption-keys': null }).snapshots[0]
    for (const key of Object.keys(nulls)) assert.equal(Object.hasOwn(one ?? {}, key), false)
  })
  it('writes the uuid and the location in one spelling', () => {
    const metadata = read({ 'table-uuid': UUID.toUpperCase(), location: `${LOCATION}/` })
    assert.equal(metadata['table-uuid'], UUID)
    assert.equal(metadata.location, LOCATION)
  })
  it('keeps unknown fields of every object', () => {
    const odd = { 'x-odd': [1, 2n ** 60n, 'ü', null, { __proto__x: 1 }] }
    const metadata = read({
      ...odd,
      snapshots: [{ ...snapshot(1), ...odd }],
      refs: { main: { type: 'branch', 'snapshot-id': 1, ...odd } },
    })
    const again = parse(tableText(metadata)) as JsonObject
    assert.deepEqual(again['x-odd'], odd['x-odd'])
    assert.match(stringify(again['snapshots']), /x-odd/)
    assert.match(stringify(again['refs']), /x-odd/)
  })
  it('keeps unknown fields called __proto__', () => {
    const text = tableText(grown).replace(/}$/, ',"__proto__":{"a":1}}')
    assert.match(tableText(parseTableMetadata(Buffer.from(text))), /"__proto__":{"a":1}}$/)
  })
})

describe('invariants of table metadata', () => {
  const entry = (ms: number | bigint) => ({ 'timestamp-ms': ms, 'snapshot-id': 1, 'metadata-file': 's3://m' })
  const cases: [string, object, RegExp][] = [
    ['a reference without its snapshot', { refs: { b: { type: 'branch', 'snapshot-id': 9 } } }, /reference b does not exist/],
    ['a current snapshot that is not there', { 'current-snapshot-id': 9, refs: {} }, /Cannot find current snapshot 9/],
    [
      'main elsewhere',
      { snapshots: [snapshot(1), snapshot(2)], refs: { main: { type: 'branch', 'snapshot-id': 2 } } },
      /does not match main/,
    ],
    ['main without a current snapshot', { 'current-snapshot-id': -1 }, /Current snapshot is not set/],
    [
      'a sequence number from the future',
      { snapshots: [snapshot(1, { 'sequence-number': 2 })] },
      /greater than last sequence number/,
    ],
    ['two snapshots of one id', { snapshots: [snapshot(1), snapshot(1)] }, /more than one snapshot has the id 1/],
    ['two schemas of one id', { schemas: [SCHEMA, SCHEMA] }, /more than one schema/],
    [
      'two specs of one id',
      {
        'partition-specs': [
          { 'spec-id': 0, fields: [] },
          { 'spec-id': 0, fields: [] },
        ],
      },
      /more than one partition spec/,
    ],
    [
      'two orders of one id',
      {
        'sort-orders': [
          { 'order-id': 0, fields: [] },
          { 'order-id': 0, fields: [] },
        ],
      },
      /more than one sort order/,
    ],
    ['an unknown current schema', { 'current-schema-id': 3 }, /current-schema-id=3/],
    ['an unknown default spec', { 'default-spec-id': 3 }, /default-spec-id=3/],
    ['an unknown default order', { 'default-sort-order-id': 3 }, /default-sort-order-id=3/],
    ['a snapshot log that goes back', { 'snapshot-log': [entry(NOW), entry(NOW - 60_001)] }, /Expected sorted snapshot-log/],
    ['a metadata log that goes back', { 'metadata-log': [entry(NOW), entry(NOW - 60_001)] }, /Expected sorted metadata-log/],
    ['an update before the last snapshot', { 'snapshot-log': [entry(NOW + 62_000)] }, /Invalid update timestamp/],
    ['an update before the last file', { 'metadata-log': [entry(MAX_LONG)] }, /Invalid update timestamp/],
    ['no uuid from version 2 on', { 'table-uuid': undefined }, /table-uuid is required/],
    ['a uuid that is none', { 'table-uuid': 'x' }, /must be a UUID/],
    ['no next row id in version 3', { 'format-version': 3 }, /next-row-id/],
    ['no location', { location: undefined }, /location/],
    ['ids outside int32', { 'last-column-id': 2 ** 31 }, /last-column-id must be a 32-bit integer/],
    ['times outside int64', { 'last-updated-ms': MAX_LONG + 1n }, /last-updated-ms must be a 64-bit integer/],
    ['a negative sequence number', { 'last-sequence-number': -1 }, /last-sequence-number/],
    ['properties that are no text', { properties: { a: 1 } }, /properties must be an object of strings/],
    ['snapshots that are no list', { snapshots: {} }, /snapshots/],
    ['a reference that is no object', { refs: { main: 1 } }, /main/],
    ['a reference of no kind', { refs: { main: { type: 'x', 'snapshot-id': 1 } } }, /branch or tag/],
  ]
  for (const [name, fields, message] of cases) it(`refuse ${name}`, () => refuses(() => read(fields), 400, message))
  it('allow for clocks that differ by a minute', () => {
    read({ 'snapshot-log': [entry(NOW + 60_000), entry(NOW)], 'last-updated-ms': NOW - 60_000 })
  })
})

describe('serializeTableMetadata', () => {
  const keys = (version: number) => Object.keys(written(version))
  const common = [
    'format-version',
    'table-uuid',
    'location',
    'last-updated-ms',
    'last-column-id',
    'current-schema-id',
    'schemas',
    'default-spec-id',
    'partition-specs',
    'last-partition-id',
    'default-sort-order-id',
    'sort-orders',
    'properties',
    'current-snapshot-id',
    'refs',
    'snapshots',
    'statistics',
    'partition-statistics',
    'snapshot-log',
    'metadata-log',
  ]
  it('writes the fields of each version', () => {
    assert.deepEqual(keys(1).toSorted(), [...common, 'schema', 'partition-spec'].toSorted())
    assert.deepEqual(keys(2).toSorted(), [...common, 'last-sequence-number'].toSorted())
    const without = common.filter((key) => key !== 'current-snapshot-id')
    assert.deepEqual(keys(3).toSorted(), [...without, 'last-sequence-number', 'next-row-id'].toSorted())
  })
  it('writes the current schema and default spec of version 1 in the singular', () => {
    const after = changed(table(1), [
      {
        action: 'add-schema',
        schema: { ...SCHEMA, fields: [...SCHEMA.fields, { id: 4, name: 'd', required: false, type: 'int' }] },
      },
      { action: 'set-current-schema', 'schema-id': -1 },
    ])
    const json = parse(tableText(after)) as JsonObject
    assert.deepEqual(json['schema'], (json['schemas'] as JsonObject[])[1])
    assert.deepEqual(json['partition-spec'], (json['partition-specs'] as JsonObject[])[0]?.['fields'])
  })
  it('spells no current snapshot as readers of the version expect', () => {
    assert.deepEqual(
      [1, 2, 3].map((version) => written(version)['current-snapshot-id']),
      [-1, -1, undefined],
    )
  })
  it('writes no sequence number of 0', () => {
    const after = changed(table(1), [addSnapshot(snapshot(1, { 'sequence-number': 0 })), setRef(1)])
    assert.doesNotMatch(tableText(after), /sequence-number/)
  })
  it('drops the singular fields where they are history', () => {
    const two = changed(read({}, { ...V1, 'table-uuid': UUID }), [{ action: 'upgrade-format-version', 'format-version': 2 }])
    assert.doesNotMatch(tableText(two), /"schema":|"partition-spec":/)
  })
  it('keeps every 64-bit integer', () => {
    const edges = { 'snapshot-id': MIN_LONG, 'timestamp-ms': MIN_LONG, 'parent-snapshot-id': MAX_LONG }
    const metadata = read({
      'last-sequence-number': MAX_LONG,
      'last-updated-ms': MAX_LONG,
      snapshots: [snapshot(1, edges), snapshot(MAX_LONG, { 'sequence-number': MAX_LONG })],
      refs: {},
      'current-snapshot-id': MAX_LONG,
      'snapshot-log': [{ 'timestamp-ms': MIN_LONG, 'snapshot-id': MAX_LONG }],
    })
    const text = tableText(metadata)
    // Seven fields, and the name of a manifest list.
    assert.equal(text.match(/9223372036854775807/g)?.length, 8)
    assert.equal(text.match(/-9223372036854775808/g)?.length, 3)
    assert.equal(tableText(parseTableMetadata(Buffer.from(text))), text)
  })
})

describe('withoutTrailingSlash', () => {
  it('keeps the root of a scheme', () => {
    const cases = [
      ['s3://b/t/', 's3://b/t'],
      ['s3://b///', 's3://b'],
      ['file:///', 'file://'],
      ['s3://', 's3://'],
      ['/', ''],
      ['a', 'a'],
    ]
    for (const [text, expected] of cases) assert.equal(withoutTrailingSlash(text as string), expected)
  })
})
