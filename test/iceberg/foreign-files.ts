/** Tables as files of other writers have them: right, wrong in one way, and with null where a field may be absent. */
import { parse, stringify, type JsonValue } from '../../src/iceberg/json.ts'
import { LOCATION, NOW, SCHEMA, snapshot, UUID } from './metadata.ts'

export type Json = Readonly<Record<string, unknown>>

export const FIELD = { name: 'ts_day', transform: 'day', 'source-id': 3, 'field-id': 1000 }
const SORTED = { transform: 'identity', 'source-id': 2, direction: 'asc', 'null-order': 'nulls-first' }
const NO_ORDER = { 'order-id': 0, fields: [] }
const FILE: Json = {
  'format-version': 2,
  'table-uuid': UUID,
  location: LOCATION,
  'last-sequence-number': 1,
  'last-updated-ms': NOW,
  'last-column-id': 3,
  'current-schema-id': 0,
  schemas: [SCHEMA],
  'default-spec-id': 0,
  'partition-specs': [{ 'spec-id': 0, fields: [FIELD] }],
  'last-partition-id': 1000,
  'default-sort-order-id': 0,
  'sort-orders': [NO_ORDER],
  properties: {},
  'current-snapshot-id': 1,
  refs: { main: { type: 'branch', 'snapshot-id': 1 } },
  snapshots: [snapshot(1)],
}
const V3: Json = { 'format-version': 3, 'next-row-id': 10 }
const V1: Json = { 'format-version': 1, 'last-sequence-number': undefined, snapshots: [snapshot(1, { 'sequence-number': 0 })] }
const rows = (fields: Json) => ({ ...V3, snapshots: [{ ...snapshot(1), ...fields }] })
const column = (fields: Json) => ({
  schemas: [{ ...SCHEMA, fields: [...SCHEMA.fields, { id: 4, name: 'c', required: false, ...fields }] }],
})
const nestedKey = (required: boolean) => ({
  ...SCHEMA,
  'identifier-field-ids': [5],
  fields: [
    ...SCHEMA.fields,
    { id: 4, name: 's', required, type: { type: 'struct', fields: [{ id: 5, name: 'k', required: true, type: 'int' }] } },
  ],
})
const without = (...keys: readonly string[]): Json => Object.fromEntries(keys.map((key) => [key, undefined]))
export const tableFile = (fields: Json): string => stringify({ ...FILE, ...fields } as unknown as JsonValue)

/** As the reader of Iceberg 1.11 decides, but for what is marked as ours. `differential.test.ts` asks it. */
export const TABLE_FAULTS: readonly [what: string, fields: Json, message: RegExp][] = [
  ['sort order 0 with fields', { 'sort-orders': [{ 'order-id': 0, fields: [SORTED] }] }, /sort order 0: it is reserved/],
  [
    'another sort order without fields',
    { 'sort-orders': [NO_ORDER, { 'order-id': 2, fields: [] }] },
    /sort order 2: without fields/,
  ],
  [
    'a default sort order on a missing column',
    { 'default-sort-order-id': 1, 'sort-orders': [{ 'order-id': 1, fields: [{ ...SORTED, 'source-id': 9 }] }] },
    /sort field 0 of order 1: source column 9 is not in the schema/,
  ],
  [
    'a default spec on a missing column',
    { 'partition-specs': [{ 'spec-id': 0, fields: [{ ...FIELD, 'source-id': 9 }] }] },
    /source column 9 is not in the schema/,
  ],
  [
    'a partition field named like another column',
    { 'partition-specs': [{ 'spec-id': 0, fields: [{ ...FIELD, name: 'data' }] }] },
    /column of that name/,
  ],
  [
    'a partition field of an old spec named like another column',
    {
      'partition-specs': [
        { 'spec-id': 0, fields: [] },
        { 'spec-id': 1, fields: [{ ...FIELD, name: 'data' }] },
      ],
    },
    /partition field data of spec 1/,
  ],
  [
    'a partition field of several columns',
    { 'partition-specs': [{ 'spec-id': 0, fields: [{ ...FIELD, 'source-id': undefined, 'source-ids': [1, 2] }] }] },
    /source-id is required/,
  ],
  [
    'a source in a list of one',
    { 'partition-specs': [{ 'spec-id': 0, fields: [{ ...FIELD, 'source-id': undefined, 'source-ids': [3] }] }] },
    /source-id is required/,
  ],
  [
    'a sort field of several columns',
    {
      'sort-orders': [
        { 'order-id': 0, fields: [] },
        { 'order-id': 1, fields: [{ ...SORTED, 'source-id': undefined, 'source-ids': [1, 2] }] },
      ],
    },
    /source-id is required/,
  ],
  [
    'two partition fields of one name',
    { 'partition-specs': [{ 'spec-id': 0, fields: [FIELD, { ...FIELD, 'field-id': 1001 }] }], 'last-partition-id': 1001 },
    /more than one field has the name/,
  ],
  [
    'a snapshot with neither manifest list nor manifests',
    { snapshots: [{ ...snapshot(1), 'manifest-list': undefined }] },
    /manifest-list or manifests is required/,
  ],
  [
    'the same in version 1',
    { ...V1, snapshots: [snapshot(1, { 'sequence-number': 0, 'manifest-list': undefined } as never)] },
    /manifest-list or manifests is required/,
  ],
  [
    'a sequence number above the last',
    { snapshots: [snapshot(1, { 'sequence-number': 2 })] },
    /greater than last sequence number/,
  ],
  ['a sequence number in version 1', { ...V1, snapshots: [snapshot(1)] }, /greater than last sequence number/],
  ['two snapshots of one id', { snapshots: [snapshot(1), snapshot(1)] }, /more than one snapshot/],
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
  ['two orders of one id', { 'sort-orders': [NO_ORDER, NO_ORDER] }, /more than one sort order/],
  ['an unknown current schema', { 'current-schema-id': 3 }, /current-schema-id=3/],
  ['no current schema', without('current-schema-id'), /current-schema-id/],
  ['no default spec', without('default-spec-id'), /default-spec-id/],
  ['no default order', without('default-sort-order-id'), /default-sort-order-id/],
  ['an unknown default spec', { 'default-spec-id': 3 }, /default-spec-id=3/],
  ['an unknown default order', { 'default-sort-order-id': 3 }, /default-sort-order-id=3/],
  ['no last column id', without('last-column-id'), /last-column-id/],
  ['no last partition id', without('last-partition-id'), /last-partition-id/],
  [
    'a reference without its snapshot',
    { refs: { main: { type: 'branch', 'snapshot-id': 1 }, b: { type: 'tag', 'snapshot-id': 9 } } },
    /reference b does not exist/,
  ],
  [
    'main elsewhere',
    { snapshots: [snapshot(1), snapshot(2)], refs: { main: { type: 'branch', 'snapshot-id': 2 } } },
    /does not match main/,
  ],
  ['main without a current snapshot', { 'current-snapshot-id': -1 }, /Current snapshot is not set/],
  ['a current snapshot that is not there', { 'current-snapshot-id': 9, refs: {} }, /Cannot find current snapshot 9/],
  [
    'a tag that keeps snapshots',
    { refs: { main: { type: 'branch', 'snapshot-id': 1 }, t: { type: 'tag', 'snapshot-id': 1, 'min-snapshots-to-keep': 1 } } },
    /a tag has no min-snapshots-to-keep/,
  ],
  [
    'a reference that keeps nothing',
    { refs: { main: { type: 'branch', 'snapshot-id': 1, 'max-ref-age-ms': 0 } } },
    /max-ref-age-ms must be positive/,
  ],
  ['a spec without an id', { 'partition-specs': [{ fields: [FIELD] }] }, /spec-id is required/],
  ['a location of no letters', { location: '' }, /location/],
  [
    'a transform of the future whose width is no integer of 32 bits',
    { 'partition-specs': [{ 'spec-id': 0, fields: [{ ...FIELD, transform: 'zorder[99999999999]' }] }] },
    /width of its transform/,
  ],
  [
    'a key that is not Base64',
    { ...V3, 'encryption-keys': [{ 'key-id': 'k', 'encrypted-key-metadata': 'abcde' }] },
    /encrypted-key-metadata must be Base64/,
  ],
  ['no uuid', without('table-uuid'), /table-uuid is required/],
  ['no next row id in version 3', { 'format-version': 3 }, /next-row-id/],
  ['rows without a count', rows({ 'first-row-id': 0 }), /added-rows is required/],
  [
    'a snapshot log that goes back',
    {
      'snapshot-log': [
        { 'timestamp-ms': NOW, 'snapshot-id': 1 },
        { 'timestamp-ms': NOW - 60_001, 'snapshot-id': 1 },
      ],
    },
    /sorted snapshot-log/,
  ],
  [
    'a snapshot log after the last update',
    { 'snapshot-log': [{ 'timestamp-ms': NOW + 60_001, 'snapshot-id': 1 }] },
    /Invalid update timestamp/,
  ],
  [
    'a metadata log that goes back',
    {
      'metadata-log': [
        { 'timestamp-ms': NOW, 'metadata-file': 'a' },
        { 'timestamp-ms': NOW - 60_001, 'metadata-file': 'b' },
      ],
    },
    /sorted metadata-log/,
  ],
  ['two columns of one name', column({ type: 'int', name: 'data' }), /more than one column has the name data/],
  ['two columns of one id', column({ type: 'int', id: 1 }), /same id 1/],
  ['a type that nobody knows', column({ type: 'varchar(20)' }), /varchar/],
  ['an optional key', { schemas: [{ ...SCHEMA, 'identifier-field-ids': [2] }] }, /cannot be an identifier field/],
  ['a key in an optional struct', { schemas: [nestedKey(false)], 'last-column-id': 5 }, /nested in an optional struct/],
  [
    'a missing key in a schema of the past',
    { schemas: [SCHEMA, { ...SCHEMA, 'schema-id': 1, 'identifier-field-ids': [9] }] },
    /identifier field 9 does not exist/,
  ],
  ['a default of another type', { ...V3, ...column({ type: 'int', 'initial-default': 'x' }) }, /initial-default of column c/],
  ['a whole number as default of a double', { ...V3, ...column({ type: 'double', 'write-default': 1 }) }, /readers expect 1\.0/],
  [
    'a default of a struct',
    { ...V3, ...column({ type: { type: 'struct', fields: [] }, 'initial-default': {} }) },
    /expected null for type struct/,
  ],
]

/** What the reader takes and we do not: ids that were given would be given again. */
export const OURS: readonly [what: string, fields: Json, message: RegExp][] = [
  ['a partition field id above the last', { 'last-partition-id': 999 }, /Invalid last-partition-id 999/],
  ['rows beyond the next row id', rows({ 'first-row-id': 5, 'added-rows': 6 }), /Invalid next-row-id 10/],
]

export const TABLES: readonly [what: string, fields: Json][] = [
  ['the file', {}],
  ['version 1', V1],
  [
    'version 1 as it began',
    {
      ...V1,
      ...without(
        'table-uuid',
        'schemas',
        'current-schema-id',
        'partition-specs',
        'default-spec-id',
        'last-partition-id',
        'sort-orders',
        'default-sort-order-id',
        'refs',
      ),
      schema: SCHEMA,
      'partition-spec': [{ ...FIELD, 'field-id': undefined }],
    },
  ],
  ['inline manifests', { ...V1, snapshots: [{ 'snapshot-id': 1, 'timestamp-ms': NOW, manifests: [] }] }],
  ['version 3 with rows', rows({ 'first-row-id': 4, 'added-rows': 6 })],
  [
    'a dropped source in an old spec',
    {
      'partition-specs': [
        { 'spec-id': 0, fields: [] },
        { 'spec-id': 1, fields: [{ ...FIELD, 'source-id': 9 }] },
      ],
    },
  ],
  ['a dropped source in an old order', { 'sort-orders': [NO_ORDER, { 'order-id': 1, fields: [{ ...SORTED, 'source-id': 9 }] }] }],
  ['a transform of the future', { 'partition-specs': [{ 'spec-id': 0, fields: [{ ...FIELD, transform: 'zorder' }] }] }],
  ['types in capitals', column({ type: 'Decimal(9,2)' })],
  ['a column id above the last', { 'last-column-id': 1 }],
  ['a key in a required struct', { schemas: [nestedKey(true)], 'last-column-id': 5 }],
  ['a default', { ...V3, ...column({ type: 'double', 'initial-default': parse('1.0') }) }],
  [
    'a log within a minute',
    {
      'snapshot-log': [
        { 'timestamp-ms': NOW + 60_000, 'snapshot-id': 1 },
        { 'timestamp-ms': NOW, 'snapshot-id': 1 },
      ],
    },
  ],
]

/** Fields of a file that may be null, and those that may be absent alone: each as the reader decides. */
export const TABLE_NULLS: readonly [where: string, fields: Json, taken: boolean][] = [
  ...['schemas', 'partition-specs', 'sort-orders', 'properties', 'refs', 'snapshots', 'statistics', 'partition-statistics'].map(
    (key): [string, Json, boolean] => [key, { [key]: null }, false],
  ),
  ['encryption-keys', { 'encryption-keys': null }, false],
  ['table-uuid', { 'table-uuid': null }, false],
  ['next-row-id', { ...V3, 'next-row-id': null }, false],
  ['table-uuid in version 1', { ...V1, 'table-uuid': null }, true],
  ['last-partition-id in version 1', { ...V1, 'last-partition-id': null }, true],
  ['last-partition-id', { 'last-partition-id': null }, false],
  ['current-snapshot-id', { 'current-snapshot-id': null, refs: {} }, true],
  ['snapshot-log', { 'snapshot-log': null }, true],
  ['metadata-log', { 'metadata-log': null }, true],
  ...['schema-id', 'first-row-id', 'added-rows', 'key-id'].map((key): [string, Json, boolean] => [
    `${key} of a snapshot`,
    { snapshots: [{ ...snapshot(1), [key]: null }] },
    true,
  ]),
  ...['parent-snapshot-id', 'sequence-number', 'manifest-list', 'summary', 'timestamp-ms', 'snapshot-id'].map(
    (key): [string, Json, boolean] => [`${key} of a snapshot`, { snapshots: [{ ...snapshot(1), [key]: null }] }, false],
  ),
  ...['min-snapshots-to-keep', 'max-snapshot-age-ms', 'max-ref-age-ms'].map((key): [string, Json, boolean] => [
    `${key} of a reference`,
    { refs: { main: { type: 'branch', 'snapshot-id': 1, [key]: null } } },
    true,
  ]),
  ['doc of a column', column({ type: 'int', doc: null }), true],
  ['initial-default of a column', { ...V3, ...column({ type: 'int', 'initial-default': null }) }, false],
  ['write-default of a column', { ...V3, ...column({ type: 'int', 'write-default': null }) }, false],
  ['schema-id of a schema', { schemas: [{ ...SCHEMA, 'schema-id': null }] }, true],
  ['identifier-field-ids', { schemas: [{ ...SCHEMA, 'identifier-field-ids': null }] }, true],
  ['field-id of a partition field', { 'partition-specs': [{ 'spec-id': 0, fields: [{ ...FIELD, 'field-id': null }] }] }, false],
]
