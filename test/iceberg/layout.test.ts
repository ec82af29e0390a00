/** Every partition spec and sort order of a table, not the default alone, must suit its current schema, whichever way led there. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createFromUpdates, newTableMetadata } from '../../src/iceberg/create-table.ts'
import { checkLayout, type Layout } from '../../src/iceberg/layout.ts'
import { parse, stringify } from '../../src/iceberg/json.ts'
import { commitTable } from '../../src/iceberg/table-commit.ts'
import { parseForeignTableMetadata, type TableMetadata } from '../../src/iceberg/table-metadata.ts'
import { parseTableUpdates } from '../../src/iceberg/table-update.ts'
import type { Schema } from '../../src/iceberg/schema.ts'
import type { Type } from '../../src/iceberg/types.ts'
import { changed, LOCATION, NOW, refused, refuses, snapshot, addSnapshot, setRef, UUID } from './metadata.ts'

type Column = readonly [id: number, name: string, type: Type]
type Field = readonly [source: number, transform: string, name: string]

const schema = (...columns: readonly Column[]): Schema => ({
  type: 'struct',
  'schema-id': 0,
  fields: columns.map(([id, name, type]) => ({ id, name, required: false, type })),
})
const ID: Column = [1, 'id', 'int']
const TS: Column = [2, 'ts', 'timestamp']
const spec = (...fields: readonly Field[]) => ({
  fields: fields.map(([source, transform, name]) => ({ 'source-id': source, transform, name })),
})
const order = (id: number, ...fields: readonly (readonly [source: number, transform: string])[]) => ({
  'order-id': id,
  fields: fields.map(([source, transform]) => ({
    'source-id': source,
    transform,
    direction: 'asc' as const,
    'null-order': 'nulls-first' as const,
  })),
})
const addSchema = (...columns: readonly Column[]) => ({ action: 'add-schema', schema: schema(...columns) })
const setSchema = (id: number) => ({ action: 'set-current-schema', 'schema-id': id })
const addSpec = (...fields: readonly Field[]) => ({ action: 'add-spec', spec: spec(...fields) })
const setSpec = (id: number) => ({ action: 'set-default-spec', 'spec-id': id })
const addOrder = (made: object) => ({ action: 'add-sort-order', 'sort-order': made })
const setOrder = (id: number) => ({ action: 'set-default-sort-order', 'sort-order-id': id })

const create = (version: number, fields: object) =>
  newTableMetadata({
    uuid: UUID,
    location: LOCATION,
    schema: schema(ID, TS),
    properties: { 'format-version': String(version) },
    now: NOW,
    ...fields,
  })

/** By day once, and no longer: spec 0 is `day(ts)` named `ts_day`, the default is spec 1. */
const formerlyByDay = (version: number): TableMetadata =>
  changed(create(version, { spec: spec([2, 'day', 'ts_day']) }), [addSpec(), setSpec(-1)])

for (const version of [1, 2, 3]) {
  describe(`a spec that is no longer the default, in format version ${version}`, () => {
    const table = formerlyByDay(version)
    const taken = /partition field ts_day of spec 0: the schema has a column of that name/

    it('refuses a new column of the name of its field', () => {
      refused(table, [addSchema(ID, TS, [3, 'ts_day', 'int']), setSchema(-1)], taken)
    })
    it('refuses another column that is renamed to it, and takes its own source', () => {
      refused(table, [addSchema([1, 'ts_day', 'int'], TS), setSchema(-1)], taken)
      changed(table, [addSchema(ID, [2, 'ts_day', 'timestamp']), setSchema(-1)])
    })
    it('refuses a schema that comes back', () => {
      const first = create(version, { schema: schema(ID, TS, [3, 'ts_day', 'int']) })
      const narrowed = changed(first, [addSchema(ID, TS), setSchema(-1), addSpec([2, 'day', 'ts_day']), setSpec(-1)])
      refused(narrowed, [setSchema(0)], /partition field ts_day of spec 1/)
      refused(changed(narrowed, [addSpec(), setSpec(-1)]), [setSchema(0)], /partition field ts_day of spec/)
    })
    it('refuses both in one commit, whichever comes first', () => {
      const plain = create(version, {})
      refused(plain, [addSpec([2, 'day', 'ts_day']), addSchema(ID, TS, [3, 'ts_day', 'int']), setSchema(-1)], /ts_day/)
      refused(plain, [addSchema(ID, TS, [3, 'ts_day', 'int']), setSchema(-1), addSpec([2, 'day', 'ts_day'])], /ts_day/)
    })
    it('takes a schema that is not made current, until it is', () => {
      const added = changed(table, [addSchema(ID, TS, [3, 'ts_day', 'int'])])
      refused(added, [setSchema(1)], taken)
      changed(added, [{ action: 'remove-partition-specs', 'spec-ids': [0] }, setSchema(1)])
    })
    it('refuses another type of the source that its transform does not take', () => {
      for (const type of ['long', 'string', 'boolean'])
        refused(table, [addSchema(ID, [2, 'ts', type]), setSchema(-1)], /of spec 0: transform day does not take source column ts/)
      for (const type of ['date', 'timestamptz']) changed(table, [addSchema(ID, [2, 'ts', type]), setSchema(-1)])
      refused(table, [addSchema(ID, [2, 'ts', { type: 'struct', fields: [] }]), setSchema(-1)], /transform day does not take/)
    })
    it('outlives its source, unless it is the default', () => {
      changed(table, [addSchema(ID), setSchema(-1)])
      refused(table, [addSchema(ID), setSchema(-1), setSpec(0)], /source column 2 is not in the schema/)
      // Its name is free again then: the reader of Iceberg 1.11 has nothing to mix it up with.
      changed(table, [addSchema(ID, [3, 'ts_day', 'int']), setSchema(-1)])
    })
    it('is refused by a replacement of the table as by any commit', () => {
      const withRows = changed(table, [
        addSnapshot(snapshot(1, { 'sequence-number': version === 1 ? 0 : 1, 'first-row-id': 0, 'added-rows': 1 })),
        setRef(1),
      ])
      refused(
        withRows,
        [
          { action: 'remove-snapshot-ref', 'ref-name': 'main' },
          addSchema([1, 'id', 'int'], [3, 'ts_day', 'date']),
          setSchema(-1),
          addSpec([3, 'identity', 'ts_day']),
          setSpec(-1),
          addSchema([1, 'id', 'int'], [2, 'ts', 'long'], [3, 'day', 'date']),
          setSchema(-1),
        ],
        /transform day does not take|column of that name/,
      )
    })
  })

  describe(`the other ways to a table, in format version ${version}`, () => {
    it('a creation', () => {
      refuses(() => create(version, { spec: spec([2, 'day', 'id']) }), 400, /column of that name/)
      refuses(() => create(version, { spec: spec([1, 'day', 'd']) }), 400, /does not take/)
      refuses(() => create(version, { order: order(1, [1, 'hour']) }), 400, /does not take/)
      create(version, { spec: spec([1, 'identity', 'id'], [2, 'void', 'ts']) })
    })
    it('the commit that ends a staged creation', () => {
      const staged = (...updates: readonly object[]) =>
        createFromUpdates(
          parseTableUpdates(
            parse(
              stringify([
                { action: 'assign-uuid', uuid: UUID },
                { action: 'upgrade-format-version', 'format-version': version },
                { action: 'set-location', location: LOCATION },
                ...updates,
              ]),
            ),
          ),
          { now: NOW },
        )
      const whole = (...later: readonly object[]) =>
        staged(
          addSchema(ID, TS),
          setSchema(-1),
          addSpec([2, 'day', 'd']),
          setSpec(-1),
          addOrder(order(0)),
          setOrder(-1),
          ...later,
        )
      assert.equal(whole()['format-version'], version)
      refuses(() => whole(addSchema(ID, TS, [3, 'd', 'int']), setSchema(-1)), 400, /partition field d of spec 0/)
      refuses(
        () => whole(addSpec(), setSpec(-1), addSchema(ID, [2, 'ts', 'long']), setSchema(-1)),
        400,
        /partition field d of spec 0: transform day/,
      )
    })
    it('a registration', () => {
      const file = formerlyByDay(version)
      const registered = (fields: object) => parseForeignTableMetadata(parse(stringify({ ...file, ...fields })))
      registered({})
      const wide = { schemas: [{ ...schema(ID, TS, [3, 'ts_day', 'int']), 'schema-id': 0 }], 'last-column-id': 3 }
      refuses(() => registered(wide), 400, /ts_day of spec 0/)
      refuses(() => registered({ schemas: [schema(ID, [2, 'ts', 'long'])] }), 400, /transform day does not take/)
      registered({ schemas: [schema(ID)] })
      refuses(() => registered({ schemas: [schema(ID)], 'default-spec-id': 0 }), 400, /source column 2 is not in the schema/)
    })
  })
}

it('a table that an earlier release let break takes the commit that mends it, and those that have nothing to do with it', () => {
  const table = formerlyByDay(2)
  const broken: TableMetadata = { ...table, schemas: [schema(ID, TS, [3, 'ts_day', 'int'])], 'last-column-id': 3 }
  const commit = (...updates: readonly object[]) =>
    commitTable(broken, { requirements: [], updates: parseTableUpdates(parse(stringify(updates))) }, { now: NOW }).metadata
  assert.equal(commit({ action: 'set-properties', updates: { a: 'b' } }).properties['a'], 'b')
  assert.equal(commit({ action: 'remove-partition-specs', 'spec-ids': [0] })['partition-specs'].length, 1)
  assert.equal(commit(addSchema(ID, TS, [3, 'day_of_ts', 'int']), setSchema(-1))['current-schema-id'], 1)
  assert.throws(() => commit(addSchema(ID, TS, [3, 'ts_day', 'long']), setSchema(-1)), /ts_day of spec 0/)
})

describe('what readers can bind', () => {
  const nested: Type = { type: 'struct', fields: [{ id: 5, name: 'x', required: false, type: 'int' }] }
  const list: Type = { type: 'list', 'element-id': 6, element: nested, 'element-required': false }
  const map: Type = { type: 'map', 'key-id': 7, key: 'string', 'value-id': 8, value: nested, 'value-required': false }
  const v3 = (type: Type) => schema(ID, TS, [3, 'c', type])
  const kept = (...fields: readonly Field[]): Layout => ({
    'default-spec-id': 1,
    'partition-specs': [
      { 'spec-id': 0, fields: spec(...fields).fields.map((field, i) => ({ ...field, 'field-id': 1000 + i })) },
      { 'spec-id': 1, fields: [] },
    ],
    'default-sort-order-id': 0,
    'sort-orders': [order(0)],
  })
  const inUse = (...fields: readonly Field[]): Layout => ({ ...kept(...fields), 'default-spec-id': 0 })
  const sorted = (id: number, made: ReturnType<typeof order>): Layout => ({
    ...kept(),
    'default-sort-order-id': id,
    'sort-orders': made['order-id'] === 0 ? [made] : [order(0), made],
  })
  /** As the reader of Iceberg 1.11 decides; `differential.test.ts` asks it. */
  const cases: readonly [what: string, layout: Layout, schema: Schema, fault?: RegExp][] = [
    ['bucket under the name of its own column', inUse([1, 'bucket[2]', 'id']), schema(ID)],
    ['identity of a list', kept([3, 'identity', 'p']), v3(list)],
    ['identity of a list, in use', inUse([3, 'identity', 'p']), v3(list), /is a list, expected a primitive/],
    ['bucket of a struct', kept([3, 'bucket[2]', 'p']), v3(nested), /does not take source column c of type struct/],
    ['a source in a list', kept([5, 'identity', 'p']), v3(list)],
    ['a source in a list, in use', inUse([5, 'identity', 'p']), v3(list), /inside a list or map/],
    ['the short name of a column in a list', kept([1, 'bucket[2]', 'c.x']), v3(list), /column of that name/],
    ['the short name of a column in a map', kept([1, 'bucket[2]', 'c.x']), v3(map), /column of that name/],
    ['the full name of a column in a list', kept([1, 'bucket[2]', 'c.element.x']), v3(list), /column of that name/],
    ['the name of a key', kept([1, 'bucket[2]', 'c.key']), v3(map), /column of that name/],
    ['identity of unknown', inUse([3, 'identity', 'p']), v3('unknown')],
    ['bucket of unknown', kept([3, 'bucket[2]', 'p']), v3('unknown'), /does not take/],
    ['identity of variant', kept([3, 'identity', 'p']), v3('variant'), /does not take/],
    ['hour of a date', kept([3, 'hour', 'p']), v3('date'), /does not take/],
    ['bucket of a double', kept([3, 'bucket[2]', 'p']), v3('double'), /does not take/],
    ['truncate of a uuid', kept([3, 'truncate[2]', 'p']), v3('uuid'), /does not take/],
    ['void of a struct, in use', inUse([3, 'void', 'p']), v3(nested)],
    ['void of a dropped column, in use', inUse([9, 'void', 'p']), schema(ID)],
    ['identity of a dropped column', kept([9, 'identity', 'id']), schema(ID)],
    ['identity of a dropped column, in use', inUse([9, 'identity', 'p']), schema(ID), /column 9 is not in the schema/],
    ['a transform of the future, in use', inUse([1, 'zorder', 'p']), schema(ID)],
    ['a transform of the future and a dropped column, in use', inUse([9, 'zorder', 'p']), schema(ID), /column 9/],
    ['an order by a dropped column', sorted(0, order(1, [9, 'identity'])), schema(ID)],
    ['an order by a dropped column, in use', sorted(1, order(1, [9, 'identity'])), schema(ID), /column 9 is not in the schema/],
    ['an order by void of a dropped column, in use', sorted(1, order(1, [9, 'void'])), schema(ID), /column 9/],
    ['an order by a list, in use', sorted(1, order(1, [3, 'void'])), v3(list), /is a list/],
    ['an order by an element, in use', sorted(1, order(1, [5, 'identity'])), v3(list)],
    ['an order by day of long', sorted(0, order(1, [1, 'day'])), schema(ID)],
    ['an order by day of long, in use', sorted(1, order(1, [1, 'day'])), schema(ID), /does not take/],
    ['an order by a transform of the future, in use', sorted(1, order(1, [1, 'zorder'])), schema(ID)],
    ['order 0 with fields', sorted(0, order(0, [1, 'identity'])), schema(ID), /reserved for unsorted/],
    ['another order without fields', sorted(0, order(2)), schema(ID), /must have the id 0/],
  ]
  for (const [what, layout, current, fault] of cases) {
    if (fault === undefined) it(`takes ${what}`, () => checkLayout(layout, current))
    else it(`refuses ${what}`, () => refuses(() => checkLayout(layout, current), 400, fault))
  }
})
