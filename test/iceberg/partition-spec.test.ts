import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { IcebergError } from '../../src/iceberg/errors.ts'
import {
  bindPartitionSpec,
  checkPartitionSpec,
  checkPartitionSpecShape,
  freshPartitionSpec,
  NO_PARTITION_ID,
  samePartitionSpec,
  UNPARTITIONED,
  withFieldIds,
} from '../../src/iceberg/partition-spec.ts'
import type { PartitionField, PartitionSpec, UnboundPartitionField } from '../../src/iceberg/partition-spec.ts'
import { assignFreshIds } from '../../src/iceberg/schema.ts'
import type { Schema } from '../../src/iceberg/schema.ts'

const SCHEMA: Schema = {
  type: 'struct',
  fields: [
    { id: 1, name: 'id', required: true, type: 'long' },
    { id: 2, name: 'ts', required: false, type: 'timestamp' },
    { id: 3, name: 'data', required: false, type: 'string' },
    {
      id: 4,
      name: 'where',
      required: false,
      type: { type: 'struct', fields: [{ id: 5, name: 'zip', required: false, type: 'string' }] },
    },
    {
      id: 6,
      name: 'tags',
      required: false,
      type: { type: 'list', 'element-id': 7, element: 'string', 'element-required': true },
    },
    { id: 8, name: 'v', required: false, type: 'variant' },
    { id: 9, name: 'f', required: false, type: 'double' },
  ],
}

const unbound = (sourceId: number, transform: string, name: string, fieldId?: number): UnboundPartitionField => ({
  'source-id': sourceId,
  transform,
  name,
  ...(fieldId === undefined ? {} : { 'field-id': fieldId }),
})
const bound = (sourceId: number, transform: string, name: string, fieldId: number): PartitionField =>
  unbound(sourceId, transform, name, fieldId) as PartitionField
const spec = (id: number, ...fields: PartitionField[]): PartitionSpec => ({ 'spec-id': id, fields })

function bind(fields: unknown[], options: { specs?: PartitionSpec[]; last?: number; version?: number } = {}) {
  const { specs = [UNPARTITIONED], last = NO_PARTITION_ID, version = 2 } = options
  return bindPartitionSpec({ spec: { fields }, schema: SCHEMA, formatVersion: version, lastPartitionId: last, specs })
}

function refused(act: () => unknown, message: RegExp): void {
  assert.throws(
    act,
    (error) => error instanceof IcebergError && error.code === 400 && message.test(error.message),
    String(message),
  )
}

describe('binding', () => {
  test('new fields are numbered after the last', () => {
    const result = bind([unbound(2, 'day', 'ts_day'), unbound(1, 'bucket[16]', 'id_bucket')])
    assert.deepEqual(result, {
      spec: spec(1, bound(2, 'day', 'ts_day', 1000), bound(1, 'bucket[16]', 'id_bucket', 1001)),
      lastPartitionId: 1001,
      reused: false,
    })
  })

  test('a compatible spec is reused, whatever ids are sent', () => {
    const existing = [UNPARTITIONED, spec(3, bound(2, 'day', 'ts_day', 1000))]
    const result = bind([unbound(2, 'DAY', 'ts_day', 1999)], { specs: existing, last: 1000 })
    assert.deepEqual(result, { spec: existing[1], lastPartitionId: 1000, reused: true })
    assert.deepEqual(bind([], { specs: existing, last: 1000 }), { spec: UNPARTITIONED, lastPartitionId: 1000, reused: true })
  })

  test('the same source and transform keep their id in another spec', () => {
    const specs = [spec(0, bound(2, 'day', 'ts_day', 1000)), spec(4, bound(1, 'bucket[8]', 'b', 1001))]
    const result = bind([unbound(1, 'bucket[8]', 'renamed', 5000), unbound(2, 'hour', 'ts_hour'), unbound(2, 'day', 'd')], {
      specs,
      last: 1001,
    })
    assert.deepEqual(
      result.spec,
      spec(5, bound(1, 'bucket[8]', 'renamed', 1001), bound(2, 'hour', 'ts_hour', 1002), bound(2, 'day', 'd', 1000)),
    )
    assert.equal(result.lastPartitionId, 1002)
  })

  test('an id that is sent is kept when it is new, and replaced when it means something else', () => {
    const specs = [spec(0, bound(2, 'day', 'ts_day', 1000))]
    assert.deepEqual(
      bind([unbound(3, 'identity', 'data', 1007)], { specs, last: 1000 }).spec,
      spec(1, bound(3, 'identity', 'data', 1007)),
    )
    assert.equal(bind([unbound(3, 'identity', 'data', 1007)], { specs, last: 1000 }).lastPartitionId, 1007)
    assert.deepEqual(
      bind([unbound(3, 'identity', 'data', 1000)], { specs, last: 1000 }).spec,
      spec(1, bound(3, 'identity', 'data', 1001)),
    )
    const mixed = bind([unbound(3, 'identity', 'data', 1001), unbound(1, 'identity', 'id')], { specs, last: 1000 })
    assert.deepEqual(mixed.spec, spec(1, bound(3, 'identity', 'data', 1001), bound(1, 'identity', 'id', 1002)))
  })

  test('of several ids of one source and transform, the one sent, else the highest', () => {
    const specs = [
      spec(0, bound(2, 'day', 'a', 1000)),
      spec(1, bound(1, 'identity', 'id', 1001)),
      spec(2, bound(2, 'day', 'b', 1002)),
    ]
    assert.equal(bind([unbound(2, 'day', 'c', 1000)], { specs, last: 1002 }).spec.fields[0]?.['field-id'], 1000)
    assert.equal(bind([unbound(2, 'day', 'c')], { specs, last: 1002 }).spec.fields[0]?.['field-id'], 1002)
  })

  test('no two fields of a spec get one id', () => {
    const specs = [spec(0, bound(3, 'void', 'x', 1000))]
    const { fields } = bind([unbound(3, 'void', 'y'), unbound(3, 'void', 'z')], { specs, last: 1000 }).spec
    assert.deepEqual(
      fields.map((field) => field['field-id']),
      [1000, 1001],
    )
  })

  test('format version 1 numbers by position', () => {
    const specs = [spec(0, bound(2, 'day', 'ts_day', 1000))]
    const sequential = [unbound(1, 'identity', 'id'), unbound(2, 'day', 'ts_day')]
    assert.deepEqual(
      bind(sequential, { specs, last: 1000, version: 1 }).spec,
      spec(1, bound(1, 'identity', 'id', 1000), bound(2, 'day', 'ts_day', 1001)),
    )
    refused(
      () => bind([unbound(1, 'identity', 'id', 1001)], { specs, last: 1000, version: 1 }),
      /field-id 1001, expected 1000: format version 1 needs sequential/,
    )
  })

  test('a transform is written canonically, unknown fields survive', () => {
    const field = { ...unbound(3, 'Truncate[04]', 'd'), 'x-note': 'kept' }
    assert.deepEqual(bind([field]).spec.fields, [
      { 'source-id': 3, transform: 'truncate[4]', name: 'd', 'x-note': 'kept', 'field-id': 1000 },
    ])
  })

  test('a field has one source column, in either spelling: no transform takes several, and no reader of the reference', () => {
    const field = { 'source-ids': [1, 3], transform: 'bucket[4]', name: 'b' }
    for (const transform of ['bucket[4]', 'identity', 'void'])
      refused(() => bind([{ ...field, transform }], { version: 3 }), /takes one source column, got 2/)
    assert.deepEqual(bind([{ ...field, 'source-ids': [1] }]).spec.fields, [bound(1, 'bucket[4]', 'b', 1000)])
  })
})

describe('checks of what a client writes', () => {
  const cases: readonly [name: string, field: unknown, message: RegExp][] = [
    ['a missing source', unbound(99, 'identity', 'x'), /partition field x: source column 99 is not in the schema/],
    ['a struct source', unbound(4, 'identity', 'x'), /source column where is a struct, expected a primitive type/],
    ['a list element', unbound(7, 'identity', 'x'), /source column tags\.element is inside a list or map/],
    ['a transform that does not fit', unbound(1, 'day', 'x'), /transform day does not take source column id of type long/],
    ['bucket of double', unbound(9, 'bucket[2]', 'x'), /does not take source column f of type double/],
    ['identity of variant', unbound(8, 'identity', 'x'), /does not take source column v of type variant/],
    ['an unknown transform', unbound(1, 'zorder', 'x'), /unknown transform "zorder"/],
    ['bucket of none', unbound(1, 'bucket[0]', 'x'), /the width must be from 1/],
    ['the name of another column', unbound(1, 'identity', 'data'), /partition field data: the schema has a column of that name/],
    [
      'the own name for another transform',
      unbound(1, 'bucket[2]', 'id'),
      /partition field id: the schema has a column of that name/,
    ],
    ['an empty name', unbound(1, 'identity', ''), /name of partition field 0 is empty/],
    ['no name', { 'source-id': 1, transform: 'identity' }, /name of partition field 0: expected a string, got nothing/],
    ['no transform', { 'source-id': 1, name: 'x' }, /transform of partition field x/],
    ['no source', { name: 'x', transform: 'identity' }, /partition field x: expected source-id/],
    [
      'a source as text',
      { name: 'x', transform: 'identity', 'source-id': '1' },
      /source-id of partition field x: expected an integer/,
    ],
    [
      'sources that contradict',
      { name: 'x', transform: 'identity', 'source-id': 1, 'source-ids': [3] },
      /name different columns/,
    ],
    ['no sources', { name: 'x', transform: 'identity', 'source-ids': [] }, /source-ids is empty/],
    ['a field id as text', { ...unbound(1, 'identity', 'x'), 'field-id': 'a' }, /field-id of partition field x/],
    ['a reserved field id', unbound(1, 'identity', 'x', 2147483647), /field-id 2147483647, expected one up to 2147483446/],
    ['no object', 7, /partition field 0: expected an object, got 7/],
  ]
  for (const [name, field, message] of cases) test(`refuses ${name}`, () => refused(() => bind([field]), message))

  test('refuses two fields of one name, one source and transform, or one id', () => {
    refused(() => bind([unbound(1, 'identity', 'x'), unbound(3, 'identity', 'x')]), /more than one field has the name x/)
    refused(
      () => bind([unbound(1, 'identity', 'x'), unbound(1, 'identity', 'y')]),
      /same source and transform as partition field x/,
    )
    refused(
      () => bind([unbound(1, 'identity', 'x', 1000), unbound(3, 'identity', 'y', 1000)]),
      /same field-id 1000 as partition field x/,
    )
    refused(
      () => bind(Array.from({ length: 1001 }, (_, i) => unbound(1, `bucket[${i + 1}]`, `b${i}`))),
      /1001 fields, at most 1000/,
    )
  })

  test('accepts identity and void under the name of their column, sources in structs, void of anything', () => {
    checkPartitionSpec(
      { fields: [unbound(1, 'identity', 'id'), unbound(5, 'truncate[2]', 'zip'), unbound(3, 'void', 'data')] },
      SCHEMA,
    )
    checkPartitionSpec({ fields: [unbound(99, 'void', 'gone'), unbound(4, 'void', 'where')] }, SCHEMA)
  })

  test('refuses what is no spec', () => {
    for (const value of [null, [], 7, { fields: 7 }, { fields: [], 'spec-id': 'x' }])
      refused(() => checkPartitionSpec(value, SCHEMA), /partition spec/)
  })
})

test('an existing spec is read with transforms of the future and without field ids', () => {
  const old = { 'spec-id': 3, fields: [unbound(1, 'zorder', 'a'), { 'source-ids': [1, 2], transform: 'hilbert[3]', name: 'b' }] }
  checkPartitionSpecShape(old)
  assert.deepEqual(
    withFieldIds(old).fields.map((field) => field['field-id']),
    [1000, 1001],
  )
  assert.deepEqual(withFieldIds({ fields: [] }), UNPARTITIONED)
  refused(
    () => withFieldIds({ fields: [unbound(1, 'identity', 'a', 1000), unbound(2, 'day', 'b')] }),
    /1 of 2 fields have no field-id/,
  )
})

test('samePartitionSpec ignores ids and the spelling of transforms, nothing else', () => {
  const base = spec(0, bound(2, 'day', 'd', 1000), bound(1, 'bucket[4]', 'b', 1001))
  assert.ok(samePartitionSpec(base, spec(9, bound(2, 'Day', 'd', 1), bound(1, 'bucket[04]', 'b', 2))))
  assert.ok(!samePartitionSpec(base, spec(0, ...base.fields.toReversed())))
  assert.ok(!samePartitionSpec(base, spec(0, base.fields[0] as PartitionField)))
  assert.ok(!samePartitionSpec(base, spec(0, bound(2, 'day', 'x', 1000), base.fields[1] as PartitionField)))
  assert.ok(!samePartitionSpec(base, spec(0, bound(3, 'day', 'd', 1000), base.fields[1] as PartitionField)))
  assert.ok(!samePartitionSpec(base, spec(0, bound(2, 'hour', 'd', 1000), base.fields[1] as PartitionField)))
})

test('the spec of a new table follows its columns to their new ids', () => {
  const { schema, idMap } = assignFreshIds({
    type: 'struct',
    fields: [
      {
        id: 77,
        name: 'a',
        required: true,
        type: { type: 'struct', fields: [{ id: 78, name: 'b', required: true, type: 'date' }] },
      },
      { id: 42, name: 'c', required: true, type: 'int' },
    ],
  })
  const sent = { 'spec-id': 8, fields: [unbound(78, 'month', 'm', 2000), unbound(42, 'identity', 'c', 1500)] }
  assert.deepEqual(freshPartitionSpec({ spec: sent, schema, idMap, formatVersion: 2 }), {
    spec: spec(0, bound(3, 'month', 'm', 1000), bound(2, 'identity', 'c', 1001)),
    lastPartitionId: 1001,
    reused: false,
  })
  assert.deepEqual(freshPartitionSpec({ spec: null, schema, idMap, formatVersion: 1 }), {
    spec: UNPARTITIONED,
    lastPartitionId: 999,
    reused: false,
  })
  assert.deepEqual(freshPartitionSpec({ spec: { fields: [] }, schema, idMap, formatVersion: 1 }).spec, UNPARTITIONED)
  refused(
    () => freshPartitionSpec({ spec: { fields: [unbound(1, 'identity', 'x')] }, schema, idMap, formatVersion: 2 }),
    /source column 1 is not in the schema/,
  )
})
