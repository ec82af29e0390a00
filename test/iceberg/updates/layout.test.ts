import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { BUCKETS, BY_DATA, changed, refused, table, unchanged } from '../metadata.ts'

const addSpec = (spec: object) => ({ action: 'add-spec', spec })
const setSpec = (id: number) => ({ action: 'set-default-spec', 'spec-id': id })
const removeSpecs = (...ids: number[]) => ({ action: 'remove-partition-specs', 'spec-ids': ids })
const addOrder = (order: object) => ({ action: 'add-sort-order', 'sort-order': order })
const setOrder = (id: number) => ({ action: 'set-default-sort-order', 'sort-order-id': id })
const field = (transform: string, source: number, name = 'p') => ({ fields: [{ name, transform, 'source-id': source }] })

describe('add-spec', () => {
  it('gives the next spec id and field ids behind the last one', () => {
    const after = changed(table(), [addSpec({ ...BUCKETS, 'spec-id': 77 })])
    assert.deepEqual(after['partition-specs'][1], {
      'spec-id': 1,
      fields: [{ name: 'id_bucket', transform: 'bucket[8]', 'source-id': 1, 'field-id': 1001 }],
    })
    assert.equal(after['last-partition-id'], 1001)
  })
  it('keeps the field id of the same source and transform', () => {
    const after = changed(table(), [addSpec({ fields: [...BUCKETS.fields, { name: 'd', transform: 'day', 'source-id': 3 }] })])
    assert.deepEqual(
      after['partition-specs'][1]?.fields.map((one) => one['field-id']),
      [1001, 1000],
    )
  })
  it('uses an equal spec again', () => {
    unchanged(table(), [
      addSpec({ fields: [{ name: 'ts_day', transform: 'day', 'source-id': 3, 'field-id': 1000 }] }),
      setSpec(-1),
    ])
  })
  it('needs sequential field ids in format version 1', () => {
    refused(table(1), [addSpec({ fields: [{ ...BUCKETS.fields[0], 'field-id': 1005 }] })], /1000/)
    changed(table(1), [addSpec(BUCKETS)])
  })
  const faults: [string, object, RegExp][] = [
    ['an unknown source', field('identity', 9), /source column 9/],
    ['a transform that does not take the type', field('hour', 2), /hour/],
    ['an unknown transform', field('zorder', 1), /zorder/],
    ['the name of another column', field('bucket[2]', 1, 'data'), /column of that name/],
    ['no fields', {}, /fields/],
    ['several sources', { fields: [{ name: 'p', transform: 'bucket[2]', 'source-ids': [1, 2] }] }, /one source column, got 2/],
  ]
  for (const [name, spec, message] of faults) it(`refuses ${name}`, () => refused(table(), [addSpec(spec)], message))
  it('refuses several sources in format version 3 as well: no reader of the reference knows them', () => {
    refused(table(3), [addSpec({ fields: [{ name: 'p', transform: 'bucket[2]', 'source-ids': [1, 2] }] })], /one source column/)
  })
})

describe('specs and orders', () => {
  it('are of a size that can be compared', () => {
    const fields = Array.from({ length: 101 }, (_, i) => ({ name: `p${i}`, transform: `bucket[${i + 1}]`, 'source-id': 1 }))
    refused(table(), [addSpec({ fields })], /at most 100 fields, got 101/)
    changed(table(), [addSpec({ fields: fields.slice(1) })])
    refused(table(), [addOrder({ 'order-id': 1, fields })], /at most 100 fields, got 101/)
    const many = Array.from({ length: 1000 }, (_, i) => ({ 'spec-id': i, fields: [] }))
    refused({ ...table(), 'partition-specs': many }, [addSpec(BUCKETS)], /the table has 1000/)
  })
})

describe('set-default-spec', () => {
  it('takes -1 for the last one added', () => {
    assert.equal(changed(table(), [addSpec(BUCKETS), setSpec(-1)])['default-spec-id'], 1)
  })
  it('refuses -1 when none was added', () => refused(table(), [setSpec(-1)], /no spec has been added/))
  it('refuses an unknown id (trap 2)', () => refused(table(), [setSpec(4)], /unknown spec: 4/))
  it('leaves the default as it is', () => unchanged(table(), [setSpec(0)]))
})

describe('remove-partition-specs', () => {
  const two = changed(table(), [addSpec(BUCKETS)])
  it('removes', () => assert.deepEqual(changed(two, [removeSpecs(1)])['partition-specs'], table()['partition-specs']))
  it('keeps last-partition-id', () => assert.equal(changed(two, [removeSpecs(1)])['last-partition-id'], 1001))
  it('refuses the default', () => refused(two, [removeSpecs(1, 0)], /Cannot remove the default partition spec/))
  it('ignores unknown ids', () => unchanged(two, [removeSpecs(12)]))
  it('refuses to make a removed one the default (trap 1)', () => {
    refused(two, [removeSpecs(1), setSpec(1)], /unknown spec: 1/)
    refused(table(), [addSpec(BUCKETS), removeSpecs(1), setSpec(-1)], /no spec has been added/)
  })
})

describe('add-sort-order', () => {
  it('gives ids from 1 and keeps 0 for unsorted', () => {
    const after = changed(table(), [addOrder(BY_DATA)])
    assert.deepEqual(
      after['sort-orders'].map((order) => order['order-id']),
      [0, 1],
    )
  })
  it('uses an equal order again', () => {
    const sorted = changed(table(), [addOrder(BY_DATA), setOrder(-1)])
    unchanged(sorted, [addOrder(BY_DATA), setOrder(-1)])
    unchanged(table(), [addOrder({ 'order-id': 5, fields: [] })])
  })
  it('refuses an unknown source', () => {
    refused(table(), [addOrder({ 'order-id': 1, fields: [{ ...BY_DATA.fields[0], 'source-id': 8 }] })], /source column 8/)
  })
})

describe('set-default-sort-order', () => {
  it('takes -1 for the last one added', () => {
    assert.equal(changed(table(), [addOrder(BY_DATA), setOrder(-1)])['default-sort-order-id'], 1)
  })
  it('refuses -1 when none was added', () => refused(table(), [setOrder(-1)], /no sort order has been added/))
  it('refuses an unknown id (trap 2)', () => refused(table(), [setOrder(4)], /unknown order: 4/))
})
