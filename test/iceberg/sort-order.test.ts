import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { IcebergError } from '../../src/iceberg/errors.ts'
import { assignFreshIds } from '../../src/iceberg/schema.ts'
import type { Schema } from '../../src/iceberg/schema.ts'
import {
  bindSortOrder,
  checkSortOrder,
  checkSortOrderShape,
  freshSortOrder,
  sameSortOrder,
  UNSORTED,
} from '../../src/iceberg/sort-order.ts'
import type { SortField, SortOrder } from '../../src/iceberg/sort-order.ts'

const SCHEMA: Schema = {
  type: 'struct',
  fields: [
    { id: 1, name: 'id', required: true, type: 'long' },
    { id: 2, name: 'ts', required: false, type: 'timestamptz' },
    {
      id: 3,
      name: 'm',
      required: false,
      type: { type: 'map', 'key-id': 4, key: 'string', 'value-id': 5, value: 'int', 'value-required': true },
    },
    { id: 6, name: 'g', required: false, type: 'geometry' },
  ],
}

const asc = (sourceId: number, transform = 'identity'): SortField => ({
  transform,
  'source-id': sourceId,
  direction: 'asc',
  'null-order': 'nulls-first',
})
const order = (id: number, ...fields: SortField[]): SortOrder => ({ 'order-id': id, fields })
const bind = (sent: unknown, orders: SortOrder[] = [UNSORTED]) => bindSortOrder({ order: sent, schema: SCHEMA, orders })

function refused(act: () => unknown, message: RegExp): void {
  assert.throws(
    act,
    (error) => error instanceof IcebergError && error.code === 400 && message.test(error.message),
    String(message),
  )
}

describe('binding', () => {
  test('gives the next id, at least 1, whatever id is sent', () => {
    assert.deepEqual(bind({ 'order-id': 77, fields: [asc(1)] }), { order: order(1, asc(1)), reused: false })
    assert.deepEqual(bind({ fields: [asc(1)] }, []), { order: order(1, asc(1)), reused: false })
    assert.deepEqual(
      bind({ 'order-id': 0, fields: [asc(2, 'day')] }, [UNSORTED, order(5, asc(1))]).order,
      order(6, asc(2, 'day')),
    )
  })

  test('0 is unsorted, always', () => {
    assert.deepEqual(bind({ 'order-id': 3, fields: [] }), { order: UNSORTED, reused: true })
    assert.deepEqual(bind({ fields: [] }, [order(5, asc(1))]), { order: UNSORTED, reused: false })
  })

  test('the same order is reused', () => {
    const existing = [UNSORTED, order(4, asc(1), { ...asc(2, 'bucket[4]'), direction: 'desc' })]
    const sent = {
      'order-id': 9,
      fields: [
        { ...asc(1), direction: 'ASC' },
        { ...asc(2, 'Bucket[04]'), direction: 'desc', 'null-order': 'NULLS-FIRST' },
      ],
    }
    assert.deepEqual(bind(sent, existing), { order: existing[1], reused: true })
  })

  test('is written canonically, unknown fields survive', () => {
    const sent = { fields: [{ ...asc(1, 'Truncate[3]'), direction: 'DESC', 'null-order': 'Nulls-Last', 'x-note': 1 }] }
    assert.deepEqual(bind(sent).order.fields, [
      { transform: 'truncate[3]', 'source-id': 1, direction: 'desc', 'null-order': 'nulls-last', 'x-note': 1 },
    ])
  })

  test('a field has one source column, in either spelling', () => {
    const { 'source-id': _one, ...rest } = asc(1, 'bucket[2]')
    assert.deepEqual(bind({ fields: [{ ...rest, 'source-ids': [1] }] }, []).order.fields, [asc(1, 'bucket[2]')])
    refused(() => bind({ fields: [{ ...rest, 'source-ids': [1, 2] }] }, []), /takes one source column, got 2/)
  })
})

describe('checks', () => {
  const cases: readonly [name: string, field: unknown, message: RegExp][] = [
    ['a missing source', asc(99), /sort field 0: source column 99 is not in the schema/],
    ['a map', asc(3), /source column m is a map/],
    ['void of a map', asc(3, 'void'), /source column m is a map/],
    ['void of nothing', asc(99, 'void'), /source column 99 is not in the schema/],
    ['a map value', asc(5), /source column m\.value is inside a list or map/],
    ['a transform that does not fit', asc(1, 'hour'), /transform hour does not take source column id of type long/],
    ['a geometry', asc(6), /does not take source column g of type geometry/],
    ['an unknown transform', asc(1, 'zorder'), /unknown transform "zorder"/],
    ['another direction', { ...asc(1), direction: 'up' }, /direction of sort field 0: expected "asc" or "desc", got "up"/],
    ['no direction', { ...asc(1), direction: undefined }, /direction of sort field 0: expected a string, got nothing/],
    ['another null order', { ...asc(1), 'null-order': 'first' }, /null-order of sort field 0/],
    ['no transform', { ...asc(1), transform: null }, /transform of sort field 0/],
    ['no source', { ...asc(1), 'source-id': undefined }, /expected source-id/],
    ['no object', 'id', /sort field 0: expected an object, got "id"/],
  ]
  for (const [name, field, message] of cases) test(`refuses ${name}`, () => refused(() => bind({ fields: [field] }), message))

  test('refuses what is no order', () => {
    for (const value of [null, [], { fields: {} }, { 'order-id': 1.5, fields: [] }])
      refused(() => checkSortOrder(value, SCHEMA), /sort order/)
    refused(() => bind({ fields: Array.from({ length: 1001 }, () => asc(1)) }), /1001 fields, at most 1000/)
  })

  test('an existing order is read with transforms of the future', () => {
    checkSortOrderShape(order(3, asc(99, 'zorder'), { ...asc(1), direction: 'DESC' as 'desc' }))
  })
})

test('sameSortOrder compares all but the id', () => {
  assert.ok(sameSortOrder(order(1, asc(1), asc(2)), order(2, asc(1), asc(2))))
  for (const other of [
    [asc(2), asc(1)],
    [asc(1)],
    [asc(1), asc(2, 'day')],
    [asc(1), { ...asc(2), direction: 'desc' as const }],
    [asc(1), { ...asc(2), 'null-order': 'nulls-last' as const }],
  ]) {
    assert.ok(!sameSortOrder(order(1, asc(1), asc(2)), order(1, ...other)))
  }
})

test('the order of a new table follows its columns to their new ids', () => {
  const { schema, idMap } = assignFreshIds({
    type: 'struct',
    fields: [
      { id: 9, name: 'x', required: true, type: 'int' },
      { id: 4, name: 'y', required: true, type: 'int' },
    ],
  })
  const fresh = (sent: unknown): SortOrder => freshSortOrder({ order: sent, schema, idMap })
  assert.deepEqual(fresh({ 'order-id': 6, fields: [asc(4), asc(9, 'bucket[2]')] }), order(1, asc(2), asc(1, 'bucket[2]')))
  assert.deepEqual(fresh({ 'order-id': 0, fields: [] }), UNSORTED)
  assert.deepEqual(fresh(undefined), UNSORTED)
  refused(() => fresh({ fields: [asc(1)] }), /source column 1 is not in the schema/)
})
