import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { addSnapshot, BUCKETS, changed, refused, SCHEMA, setRef, snapshot, table, unchanged, WIDER } from '../metadata.ts'

const addSchema = (schema: object, fields: object = {}) => ({ action: 'add-schema', schema, ...fields })
const setCurrent = (id: number) => ({ action: 'set-current-schema', 'schema-id': id })
const remove = (...ids: number[]) => ({ action: 'remove-schemas', 'schema-ids': ids })
const withColumn = (column: object) => ({ ...SCHEMA, fields: [...SCHEMA.fields, column] })
const withRows = (version = 2) =>
  changed(table(version), [addSnapshot(snapshot(1, { 'first-row-id': 0, 'added-rows': 1 })), setRef(1)])

describe('add-schema', () => {
  it('gives the next id, whatever id was sent, and raises last-column-id', () => {
    const after = changed(table(), [addSchema(WIDER)])
    assert.deepEqual(
      after.schemas.map((schema) => schema['schema-id']),
      [0, 1],
    )
    assert.equal(after['last-column-id'], 4)
    assert.equal(after['current-schema-id'], 0)
  })
  it('counts nested fields for last-column-id', () => {
    const list = {
      id: 4,
      name: 'l',
      required: false,
      type: { type: 'list', 'element-id': 9, element: 'int', 'element-required': true },
    }
    assert.equal(changed(table(), [addSchema(withColumn(list))])['last-column-id'], 9)
  })
  it('computes last-column-id itself, whatever a client says', () => {
    for (const sent of [12, null, 2])
      assert.equal(changed(table(), [addSchema(WIDER, { 'last-column-id': sent })])['last-column-id'], 4)
  })
  it('keeps last-column-id when the newest column is dropped, as Java clients ask for it', () => {
    const narrower = { ...SCHEMA, fields: SCHEMA.fields.slice(0, 1), 'schema-id': 1 }
    assert.equal(changed(table(), [addSchema(narrower, { 'last-column-id': 1 })])['last-column-id'], 3)
  })
  it('uses an equal schema again', () => {
    unchanged(table(), [addSchema({ ...SCHEMA, 'schema-id': 55 })])
    const wide = changed(table(), [addSchema(WIDER), setCurrent(-1)])
    unchanged(wide, [addSchema(WIDER), setCurrent(-1)])
    assert.equal(changed(wide, [addSchema(SCHEMA), setCurrent(-1)])['current-schema-id'], 0)
  })
  it('lets a column have the type of the current schema again, though a newer schema has another', () => {
    const four = (type: string) => withColumn({ id: 4, name: 'more', required: false, type })
    const base = changed(withRows(), [addSchema(four('int')), setCurrent(-1), addSchema(four('long'))])
    const next = { ...four('int'), fields: [...four('int').fields, { id: 8, name: 'x', required: false, type: 'int' }] }
    assert.equal(changed(base, [addSchema(next)]).schemas.length, 4)
    refused(changed(base, [setCurrent(2)]), [addSchema(next)], /was long and cannot become int/)
  })
  it('compares with schemas of the same commit, and not with those that it removed', () => {
    const both = changed(table(), [addSchema(WIDER), addSchema(WIDER), setCurrent(-1)])
    assert.equal(both.schemas.length, 2)
    assert.equal(both['current-schema-id'], 1)
    const again = changed(table(), [addSchema(WIDER), remove(1), addSchema(WIDER), setCurrent(-1)])
    assert.deepEqual([again.schemas.length, again['current-schema-id']], [2, 1])
  })
  const v3Types = ['timestamp_ns', 'timestamptz_ns', 'variant', 'geometry', 'geography', 'unknown']
  for (const type of v3Types) {
    it(`has ${type} from format version 3 on`, () => {
      const update = addSchema(withColumn({ id: 4, name: 'x', required: false, type }))
      refused(table(2), [update], /format version 3/)
      changed(table(3), [update])
    })
  }
  it('has an initial default from format version 3 on', () => {
    const update = addSchema(
      withColumn({ id: 4, name: 'x', required: true, type: 'int', 'initial-default': 5, 'write-default': 6 }),
    )
    refused(table(2), [update], /format version 3/)
    assert.equal(changed(table(3), [update]).schemas[1]?.fields[3]?.['initial-default'], 5)
  })
  const faults: [string, object, RegExp][] = [
    ['a duplicate id', { id: 2, name: 'x', required: false, type: 'int' }, /same id 2/],
    ['a duplicate name', { id: 4, name: 'data', required: false, type: 'int' }, /name data/],
    ['an unknown type', { id: 4, name: 'x', required: false, type: 'integer' }, /"integer"/],
    ['a missing type', { id: 4, name: 'x', required: false }, /column x/],
  ]
  for (const [name, column, message] of faults) {
    it(`refuses ${name}`, () => refused(table(), [addSchema(withColumn(column))], message))
  }
  it('refuses identifier fields that cannot identify', () => {
    refused(table(), [addSchema({ ...SCHEMA, 'identifier-field-ids': [2] })], /identifier/)
    refused(table(), [addSchema({ ...SCHEMA, 'identifier-field-ids': [42] })], /identifier/)
    changed(table(), [addSchema({ ...SCHEMA, 'identifier-field-ids': [1] })])
  })
  const retyped = (id: number, type: string) => ({
    ...SCHEMA,
    fields: SCHEMA.fields.map((field) => (field.id === id ? { ...field, type } : field)),
  })
  it('refuses an id with a type that its data cannot be read as', () => {
    refused(withRows(), [addSchema(retyped(1, 'string'))], /cannot become/)
    refused(withRows(), [addSchema(retyped(1, 'int'))], /cannot become/)
  })
  it('allows it for a replacement, which drops main first', () => {
    const replaced = changed(withRows(), [
      { action: 'remove-snapshot-ref', 'ref-name': 'main' },
      addSchema(retyped(2, 'int')),
      setCurrent(-1),
    ])
    assert.equal(replaced['current-schema-id'], 1)
    assert.equal(replaced['current-snapshot-id'], undefined)
  })
})

describe('set-current-schema', () => {
  it('takes -1 for the last one added, also when it was there already', () => {
    assert.equal(changed(table(), [addSchema(WIDER), setCurrent(-1)])['current-schema-id'], 1)
    unchanged(table(), [addSchema(SCHEMA), setCurrent(-1)])
  })
  it('refuses -1 when none was added', () => refused(table(), [setCurrent(-1)], /no schema has been added/))
  it('refuses an unknown id', () => refused(table(), [setCurrent(3)], /unknown schema: 3/))
  it('leaves the current one as it is', () => unchanged(table(), [setCurrent(0)]))
  it('refuses a schema that lacks the source of the default spec', () => {
    const narrow = { ...SCHEMA, fields: SCHEMA.fields.slice(0, 2) }
    refused(table(), [addSchema(narrow), setCurrent(-1)], /ts_day/)
  })
  it('refuses a schema that lacks the source of the default sort order', () => {
    const order = {
      'order-id': 1,
      fields: [{ transform: 'identity', 'source-id': 2, direction: 'asc', 'null-order': 'nulls-first' }],
    }
    const sorted = changed(table(), [
      { action: 'add-sort-order', 'sort-order': order },
      { action: 'set-default-sort-order', 'sort-order-id': -1 },
    ])
    const narrow = { ...SCHEMA, fields: [SCHEMA.fields[0], SCHEMA.fields[2]] }
    refused(sorted, [addSchema(narrow), setCurrent(-1)], /sort field/)
  })
})

describe('remove-schemas', () => {
  const two = changed(table(), [addSchema(WIDER)])
  it('removes', () => assert.deepEqual(changed(two, [remove(1)]).schemas, table().schemas))
  it('refuses the current one', () => refused(two, [remove(0)], /Cannot remove the current schema/))
  it('ignores unknown ids', () => unchanged(two, [remove(5)]))
  it('refuses to make a removed one current (trap 1)', () => {
    refused(two, [remove(1), setCurrent(1)], /unknown schema: 1/)
    refused(table(), [addSchema(WIDER), remove(1), setCurrent(-1)], /no schema has been added/)
  })
  it('refuses one that a retained snapshot was written with', () => {
    const used = changed(two, [setCurrent(1), addSnapshot(snapshot(1, { 'schema-id': 0 })), setRef(1)])
    refused(used, [remove(0)], /snapshot 1 was written with it/)
    changed(used, [remove(0), { action: 'remove-snapshots', 'snapshot-ids': [1] }])
    changed(used, [{ action: 'remove-snapshots', 'snapshot-ids': [1] }, remove(0)])
  })
  it('does not free the id of a removed schema for a spec bound to it', () => {
    const after = changed(two, [setCurrent(1), { action: 'add-spec', spec: BUCKETS }, remove(0)])
    assert.deepEqual(
      after.schemas.map((schema) => schema['schema-id']),
      [1],
    )
  })
})
