import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createFromUpdates, newTableMetadata, type NewTable } from '../../src/iceberg/create-table.ts'
import { parse, stringify } from '../../src/iceberg/json.ts'
import { parseTableMetadata } from '../../src/iceberg/table-metadata.ts'
import { parseTableUpdates } from '../../src/iceberg/table-update.ts'
import {
  BUCKETS,
  BY_DATA,
  LOCATION,
  NOW,
  OTHER_UUID,
  SCHEMA,
  UUID,
  WIDER,
  addSnapshot,
  refuses,
  setRef,
  snapshot,
  table,
  tableText,
} from './metadata.ts'

const create = (fields: Partial<NewTable> = {}) =>
  newTableMetadata({ uuid: UUID, location: LOCATION, schema: SCHEMA, properties: {}, now: NOW, ...fields })

describe('newTableMetadata', () => {
  it('makes version 2 with the default properties', () => {
    assert.deepEqual(create(), {
      'format-version': 2,
      'table-uuid': UUID,
      location: LOCATION,
      'last-sequence-number': 0,
      'last-updated-ms': NOW,
      'last-column-id': 3,
      'current-schema-id': 0,
      schemas: [SCHEMA],
      'default-spec-id': 0,
      'partition-specs': [{ 'spec-id': 0, fields: [] }],
      'last-partition-id': 999,
      'default-sort-order-id': 0,
      'sort-orders': [{ 'order-id': 0, fields: [] }],
      properties: { 'write.parquet.compression-codec': 'zstd' },
      refs: {},
      snapshots: [],
      statistics: [],
      'partition-statistics': [],
      'snapshot-log': [],
      'metadata-log': [],
    })
  })
  it('numbers columns, partition fields and the sort order anew', () => {
    const schema = {
      type: 'struct',
      'schema-id': 12,
      'identifier-field-ids': [44],
      fields: [
        { id: 44, name: 'a', required: true, type: 'long' },
        {
          id: 9,
          name: 'b',
          required: false,
          type: { type: 'list', 'element-id': 3, element: 'string', 'element-required': false },
        },
        { id: 0, name: 'c', required: false, type: 'string' },
      ],
    }
    const spec = { 'spec-id': 5, fields: [{ name: 'p', transform: 'bucket[2]', 'source-id': 44, 'field-id': 7 }] }
    const order = { 'order-id': 8, fields: [{ ...BY_DATA.fields[0], 'source-id': 0 }] }
    const made = create({ schema, spec, order })
    assert.deepEqual(
      made.schemas[0]?.fields.map((field) => field.id),
      [1, 2, 3],
    )
    assert.deepEqual(made.schemas[0]?.['identifier-field-ids'], [1])
    assert.equal(made.schemas[0]?.['schema-id'], 0)
    assert.equal(made['last-column-id'], 4)
    assert.deepEqual(made['partition-specs'], [
      { 'spec-id': 0, fields: [{ name: 'p', transform: 'bucket[2]', 'source-id': 1, 'field-id': 1000 }] },
    ])
    assert.equal(made['last-partition-id'], 1000)
    assert.deepEqual(made['sort-orders'], [{ 'order-id': 1, fields: [{ ...BY_DATA.fields[0], 'source-id': 3 }] }])
    assert.equal(made['default-sort-order-id'], 1)
  })
  it('takes the format version from the properties, and keeps no reserved ones', () => {
    const made = create({
      properties: { 'format-version': '3', uuid: 'x', owner: 'me', 'write.parquet.compression-codec': 'gzip' },
    })
    assert.equal(made['format-version'], 3)
    assert.equal(made['next-row-id'], 0)
    assert.deepEqual(made.properties, { 'write.parquet.compression-codec': 'gzip', owner: 'me' })
  })
  for (const version of ['0', '4', 'two', '', '1e0', '99999999999999999999']) {
    it(`refuses format version "${version}"`, () => {
      refuses(() => create({ properties: { 'format-version': version } }), 400, /Unsupported format version/)
    })
  }
  const faults: [string, Partial<NewTable>, RegExp][] = [
    ['no location', { location: '' }, /location/],
    ['a uuid that is none', { uuid: 'x' }, /uuid/],
    ['no schema', { schema: null }, /schema/],
    ['a schema that is text', { schema: 'struct' }, /schema/],
    [
      'a type of version 3',
      { schema: { type: 'struct', fields: [{ id: 1, name: 'v', required: false, type: 'variant' }] } },
      /format version 3/,
    ],
    [
      'a partition source that is not there',
      { spec: { fields: [{ name: 'p', transform: 'void', 'source-id': 9 }] } },
      /source column 9/,
    ],
    [
      'a sort source that is not there',
      { order: { 'order-id': 1, fields: [{ ...BY_DATA.fields[0], 'source-id': 9 }] } },
      /source column 9/,
    ],
    ['encryption before version 3', { properties: { 'encryption.key-id': 'k' } }, /need format version 3/],
    ['metrics of no column', { properties: { 'write.metadata.metrics.column.nope': 'full' } }, /column nope/],
    ['retries that are no number', { properties: { 'commit.retry.num-retries': 'x' } }, /expected an integer/],
    ['a secret', { properties: { 'client-secret': 'x' } }, /secrets/],
  ]
  for (const [name, fields, message] of faults) it(`refuses ${name}`, () => refuses(() => create(fields), 400, message))
  it('asks whether its places are allowed', () => {
    const seen: string[] = []
    create({ properties: { 'write.metadata.path': 's3://m' }, checkLocation: (location) => void seen.push(location) })
    assert.deepEqual(seen, [LOCATION, 's3://m'])
  })
  it('is read back as it was', () => {
    for (const version of [1, 2, 3]) {
      const made = table(version)
      assert.deepEqual(parseTableMetadata(Buffer.from(tableText(made))), made)
    }
  })
})

/** What clients send at the end of a staged creation. */
const staged = (version = 2): object[] => [
  { action: 'assign-uuid', uuid: UUID.toUpperCase() },
  { action: 'upgrade-format-version', 'format-version': version },
  { action: 'add-schema', schema: WIDER, 'last-column-id': 4 },
  { action: 'set-current-schema', 'schema-id': -1 },
  { action: 'add-spec', spec: BUCKETS },
  { action: 'set-default-spec', 'spec-id': -1 },
  { action: 'add-sort-order', 'sort-order': BY_DATA },
  { action: 'set-default-sort-order', 'sort-order-id': -1 },
  { action: 'set-location', location: LOCATION },
  { action: 'set-properties', updates: { owner: 'me' } },
]
const fromUpdates = (updates: readonly object[]) =>
  createFromUpdates(parseTableUpdates(parse(stringify(updates))), { now: NOW, newUuid: OTHER_UUID })

describe('createFromUpdates', () => {
  it('keeps the uuid and the ids of the staged table', () => {
    for (const version of [1, 2, 3]) {
      const made = fromUpdates(staged(version))
      assert.equal(made['format-version'], version)
      assert.equal(made['table-uuid'], UUID)
      assert.equal(made['current-schema-id'], 0)
      assert.equal(made['last-column-id'], 4)
      assert.equal(made['default-spec-id'], 0)
      assert.equal(made['last-partition-id'], 1000)
      assert.equal(made['default-sort-order-id'], 1)
      assert.equal(made['next-row-id'], version === 3 ? 0 : undefined)
      assert.deepEqual(made.properties, { owner: 'me' })
      assert.equal(tableText(parseTableMetadata(Buffer.from(tableText(made)))), tableText(made))
    }
  })
  it('may bring its first rows', () => {
    const made = fromUpdates([...staged(), addSnapshot(snapshot(5)), setRef(5)])
    assert.equal(made['current-snapshot-id'], 5)
    assert.deepEqual(made['snapshot-log'], [{ 'snapshot-id': 5, 'timestamp-ms': NOW }])
  })
  it('gets a uuid when it brings none', () => assert.equal(fromUpdates(staged().slice(1))['table-uuid'], OTHER_UUID))
  it('is of version 2 when it does not say', () => {
    assert.equal(fromUpdates(staged().filter((update) => !('format-version' in update)))['format-version'], 2)
  })
  const lacking: [string, string, RegExp][] = [
    ['a schema', 'add-schema', /no schema has been added/],
    ['a spec', 'add-spec', /no spec has been added/],
    ['a sort order', 'add-sort-order', /no sort order has been added/],
    ['a location', 'set-location', /without a location/],
  ]
  for (const [name, action, message] of lacking) {
    it(`needs ${name}`, () => {
      refuses(() => fromUpdates(staged().filter((update) => (update as { action: string }).action !== action)), 400, message)
    })
  }
  it('needs anything at all', () => refuses(() => fromUpdates([]), 400, /no current schema/))
  it('refuses version 4', () => refuses(() => fromUpdates(staged(4)), 400, /Unsupported format version: v4/))
})
