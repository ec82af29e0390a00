import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { IcebergError } from '../../src/iceberg/errors.ts'
import { parse } from '../../src/iceberg/json.ts'
import { SchemaHistory } from '../../src/iceberg/schema-history.ts'
import { assignFreshIds, checkReusedIds, checkSchema, highestFieldId, sameSchema, schemaIndex } from '../../src/iceberg/schema.ts'
import type { Schema } from '../../src/iceberg/schema.ts'
import type { ListType, MapType, StructField, StructType, Type } from '../../src/iceberg/types.ts'

const field = (id: number, name: string, type: Type, required = false): StructField => ({ id, name, required, type })
const struct = (...fields: StructField[]): StructType => ({ type: 'struct', fields })
const list = (id: number, element: Type, required = false): ListType => ({
  type: 'list',
  'element-id': id,
  element,
  'element-required': required,
})
const map = (keyId: number, key: Type, valueId: number, value: Type): MapType => ({
  type: 'map',
  'key-id': keyId,
  key,
  'value-id': valueId,
  value,
  'value-required': false,
})
const schema = (...fields: StructField[]): Schema => ({ ...struct(...fields), 'schema-id': 0 })

const NESTED = schema(
  field(10, 'id', 'long', true),
  field(11, 'where', struct(field(20, 'lat', 'double', true), field(21, 'lon', 'double', true)), true),
  field(12, 'points', list(30, struct(field(31, 'x', 'int'), field(32, 'y', list(33, 'int'))))),
  field(13, 'tags', map(40, struct(field(41, 'k', 'string', true)), 42, map(43, 'string', 44, 'uuid'))),
)

function refused(value: unknown, version: number, message: RegExp, options = {}): void {
  assert.throws(
    () => checkSchema(value, version, options),
    (error) => error instanceof IcebergError && error.code === 400 && message.test(error.message),
    `expected ${message}`,
  )
}

describe('index', () => {
  test('paths, parents and the highest id', () => {
    const { byId, byName, highestFieldId: highest } = schemaIndex(NESTED)
    assert.equal(highest, 44)
    assert.equal(highestFieldId(schema()), 0)
    assert.equal(byId.get(31)?.path, 'points.element.x')
    assert.deepEqual(byId.get(31)?.parentIds, [12, 30])
    assert.equal(byId.get(44)?.path, 'tags.value.value')
    assert.deepEqual(byId.get(44)?.parentIds, [13, 42])
    assert.equal(byName.get('where.lat'), 20)
    assert.equal(byName.get('tags.key.k'), 41)
    const inside = [...byId].filter(([, found]) => found.insideListOrMap).map(([id]) => id)
    assert.deepEqual(inside.sort(), [30, 31, 32, 33, 40, 41, 42, 43, 44])
    assert.equal(byId.get(40)?.field.required, true)
    assert.equal(schemaIndex(NESTED), schemaIndex(NESTED))
  })
})

describe('fresh ids', () => {
  test('fields of a struct first, then what is nested, field by field', () => {
    const { schema: fresh, lastColumnId, idMap } = assignFreshIds({ ...NESTED, 'schema-id': 7, 'identifier-field-ids': [10] })
    const ids = Object.fromEntries([...schemaIndex(fresh).byId].map(([id, { path }]) => [path, id]))
    assert.deepEqual(ids, {
      id: 1,
      where: 2,
      points: 3,
      tags: 4,
      'where.lat': 5,
      'where.lon': 6,
      'points.element': 7,
      'points.element.x': 8,
      'points.element.y': 9,
      'points.element.y.element': 10,
      'tags.key': 11,
      'tags.value': 12,
      'tags.key.k': 13,
      'tags.value.key': 14,
      'tags.value.value': 15,
    })
    assert.equal(lastColumnId, 15)
    assert.equal(idMap.get(44), 15)
    assert.equal(fresh['schema-id'], 0)
    assert.deepEqual(fresh['identifier-field-ids'], [1])
    checkSchema(fresh, 2)
  })

  test('any schema: ids are 1..n, names and types stay', () => {
    fc.assert(
      fc.property(anySchema, (value) => {
        const { schema: fresh, lastColumnId, idMap } = assignFreshIds(value)
        const before = schemaIndex(value)
        const after = schemaIndex(fresh)
        assert.deepEqual(
          [...after.byId.keys()].sort((a, b) => a - b),
          Array.from({ length: lastColumnId }, (_, i) => i + 1),
        )
        assert.equal(after.highestFieldId, lastColumnId)
        for (const [id, { path }] of before.byId) assert.equal(after.byName.get(path), idMap.get(id))
        assert.ok(sameSchema(assignFreshIds(fresh).schema, fresh))
        checkSchema(fresh, 3)
      }),
    )
  })

  test('fields that are not ours survive', () => {
    const sent = { ...schema({ ...field(5, 'a', 'int'), 'x-note': 'kept' } as StructField), 'x-owner': 'me' }
    assert.deepEqual(assignFreshIds(sent).schema, {
      type: 'struct',
      'schema-id': 0,
      fields: [{ id: 1, name: 'a', required: false, type: 'int', 'x-note': 'kept' }],
      'x-owner': 'me',
    })
  })
})

let nextId = 0
const anyType = fc.letrec<{ type: Type; struct: StructType }>((tie) => ({
  type: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.constantFrom('int', 'string', 'decimal(9, 2)'),
    tie('struct'),
    tie('type').map((element) => list(0, element)),
    fc.tuple(tie('type'), tie('type')).map(([key, value]) => map(0, key, 0, value)),
  ),
  struct: fc.array(tie('type'), { maxLength: 4 }).map((types) => struct(...types.map((type, i) => field(0, `f${i}`, type)))),
}))
const anySchema = anyType.struct.map((value): Schema => {
  nextId = 100
  return renumber(value) as Schema
})
/** Distinct ids in some order of no meaning. */
function renumber(type: Type): Type {
  if (typeof type === 'string') return type
  if (type.type === 'struct') return struct(...type.fields.map((f) => field((nextId += 3), f.name, renumber(f.type))))
  if (type.type === 'list') return list((nextId += 2), renumber(type.element))
  return map((nextId += 1), renumber(type.key), (nextId += 5), renumber(type.value))
}

describe('sameSchema', () => {
  const base = schema(field(1, 'a', 'decimal(9, 2)', true), field(2, 'b', NESTED.fields[2]?.type as Type))
  test('ignores the schema id, the spelling of types and the order of identifier ids', () => {
    assert.ok(sameSchema(base, { ...base, 'schema-id': 9 }))
    assert.ok(sameSchema(base, { ...base, fields: [field(1, 'a', 'decimal(9,2)', true), base.fields[1] as StructField] }))
    assert.ok(sameSchema({ ...base, 'identifier-field-ids': [] }, base))
    assert.ok(sameSchema({ ...base, 'identifier-field-ids': [1, 2] }, { ...base, 'identifier-field-ids': [2, 1] }))
    assert.ok(sameSchema(base, parse(JSON.stringify(base)) as unknown as Schema))
  })

  const first = base.fields[0] as StructField
  const changes: Record<string, Partial<StructField>> = {
    id: { id: 3 },
    name: { name: 'A' },
    required: { required: false },
    type: { type: 'decimal(10,2)' },
    doc: { doc: 'x' },
    'initial-default': { 'initial-default': '1.00' },
    'write-default': { 'write-default': '1.00' },
  }
  for (const [what, change] of Object.entries(changes)) {
    test(`notices another ${what}`, () => {
      assert.ok(!sameSchema(base, { ...base, fields: [{ ...first, ...change }, base.fields[1] as StructField] }))
    })
  }

  test('notices nested changes, order, number and identifiers', () => {
    assert.ok(!sameSchema(base, { ...base, fields: base.fields.toReversed() }))
    assert.ok(!sameSchema(base, { ...base, fields: [first] }))
    assert.ok(!sameSchema(base, { ...base, 'identifier-field-ids': [1] }))
    assert.ok(!sameSchema(schema(field(1, 'a', list(2, 'int'))), schema(field(1, 'a', list(2, 'long')))))
    assert.ok(!sameSchema(schema(field(1, 'a', list(2, 'int'))), schema(field(1, 'a', list(2, 'int', true)))))
    assert.ok(!sameSchema(schema(field(1, 'a', 'int')), schema(field(1, 'a', list(2, 'int')))))
  })

  test('long defaults compare exactly', () => {
    const withDefault = (text: string): Schema => schema({ ...field(1, 'a', 'long'), 'initial-default': parse(text) })
    assert.ok(sameSchema(withDefault('9007199254740993'), withDefault('9007199254740993')))
    assert.ok(!sameSchema(withDefault('9007199254740993'), withDefault('9007199254740992')))
    assert.ok(sameSchema(schema({ ...field(1, 'a', 'long'), 'initial-default': null }), schema(field(1, 'a', 'long'))))
  })
})

describe('checkSchema', () => {
  test('accepts what the format allows', () => {
    checkSchema(NESTED, 1)
    checkSchema({ ...NESTED, 'identifier-field-ids': [10, 11].slice(0, 1) }, 2)
    checkSchema(schema(), 2)
    checkSchema({ type: 'struct', fields: [] }, 1)
    const v3 = schema(
      field(0, 'n', 'timestamp_ns'),
      field(1, 'v', 'variant'),
      field(2, 'g', 'geometry(srid:4326)'),
      field(3, 'u', 'unknown'),
      { ...field(4, 'd', 'long', true), 'initial-default': parse('9007199254740993'), 'write-default': 1 },
    )
    checkSchema(v3, 3)
    refused(v3, 2, /column n has type timestamp_ns, which needs format version 3, the table has 2/)
    checkSchema(v3, 2, { mode: 'read' })
  })

  const wrong: readonly [name: string, value: unknown, message: RegExp][] = [
    ['null', null, /Invalid schema: expected an object, got null/],
    ['an array', [], /expected an object, got an array/],
    ['no struct', { type: 'list', fields: [] }, /expected type "struct", got "list"/],
    ['no fields', { type: 'struct' }, /fields of schema: expected an array, got nothing/],
    ['a field that is none', { type: 'struct', fields: [7] }, /field 0 of schema: expected an object, got 7/],
    ['a name that is none', schema({ ...field(1, 'a', 'int'), name: 7 as unknown as string }), /name of field 0 of schema/],
    [
      'required missing',
      { type: 'struct', fields: [{ id: 1, name: 'a', type: 'int' }] },
      /"required" of column a: expected true or false, got nothing/,
    ],
    [
      'id as text',
      schema({ ...field(1, 'a', 'int'), id: '1' as unknown as number }),
      /id of column a: expected an integer of 32 bits, got "1"/,
    ],
    ['id beyond 32 bits', schema(field(2 ** 31, 'a', 'int')), /id of column a/],
    [
      'id as fraction',
      { type: 'struct', fields: [{ id: parse('1.0'), name: 'a', required: true, type: 'int' }] },
      /id of column a: .* got 1\.0/,
    ],
    ['type missing', { type: 'struct', fields: [{ id: 1, name: 'a', required: true }] }, /type of column a/],
    ['type null', schema(field(1, 'a', null as unknown as Type)), /type of column a/],
    ['unknown type', schema(field(1, 'a', 'varchar(20)')), /Invalid type of column a: "varchar\(20\)"/],
    [
      'unknown nested type',
      schema(field(1, 'a', { type: 'set' } as unknown as Type)),
      /expected a primitive, "struct", "list" or "map", got "set"/,
    ],
    [
      'element id missing',
      schema(field(1, 'a', { type: 'list', element: 'int', 'element-required': true } as unknown as Type)),
      /element-id of column a/,
    ],
    [
      'value flag missing',
      schema(field(1, 'a', { ...map(2, 'int', 3, 'int'), 'value-required': null } as unknown as Type)),
      /value-required of column a/,
    ],
    ['schema id as text', { ...schema(), 'schema-id': '0' }, /schema-id of schema/],
    ['duplicate id', schema(field(1, 'a', 'int'), field(1, 'b', 'int')), /columns a and b have the same id 1/],
    ['duplicate nested id', schema(field(1, 'a', list(1, 'int'))), /columns a and a\.element have the same id 1/],
    ['duplicate name', schema(field(1, 'a', 'int'), field(2, 'a', 'int')), /more than one column has the name a/],
    [
      'ambiguous dotted name',
      schema(field(1, 'a', struct(field(2, 'b', 'int'))), field(3, 'a.b', 'int')),
      /more than one column has the name a\.b/,
    ],
    ['required unknown', schema(field(1, 'a', 'unknown', true)), /column a of type unknown must be optional/],
    ['identifier that does not exist', { ...schema(), 'identifier-field-ids': [1] }, /identifier field 1 does not exist/],
    [
      'identifiers that are no list',
      { ...schema(), 'identifier-field-ids': 1 },
      /identifier-field-ids of schema: expected an array/,
    ],
    [
      'optional identifier',
      { ...schema(field(1, 'a', 'int')), 'identifier-field-ids': [1] },
      /column a cannot be an identifier field: it is not required/,
    ],
    ['double identifier', { ...schema(field(1, 'a', 'double', true)), 'identifier-field-ids': [1] }, /its type is double/],
    ['float identifier', { ...schema(field(1, 'a', 'float', true)), 'identifier-field-ids': [1] }, /its type is float/],
    [
      'struct identifier',
      { ...schema(field(1, 'a', struct(), true)), 'identifier-field-ids': [1] },
      /only columns of a primitive type/,
    ],
    [
      'identifier in a list',
      { ...schema(field(1, 'a', list(2, 'int', true), true)), 'identifier-field-ids': [2] },
      /nested in a list or map/,
    ],
    [
      'identifier in an optional struct',
      { ...schema(field(1, 'a', struct(field(2, 'b', 'int', true)))), 'identifier-field-ids': [2] },
      /nested in an optional struct/,
    ],
  ]
  for (const [name, value, message] of wrong) {
    test(`refuses ${name} in both modes`, () => {
      refused(value, 3, message)
      refused(value, 3, message, { mode: 'read' })
    })
  }

  const strictOnly: readonly [name: string, value: Schema, message: RegExp][] = [
    ['negative id', schema(field(-1, 'a', 'int')), /column a has id -1/],
    ['reserved id', schema(field(2147483447, 'a', 'int')), /column a has id 2147483447, expected one from 0 to 2147483446/],
    ['highest int', schema(field(2147483647, 'a', 'int')), /column a has id 2147483647/],
    ['empty name', schema(field(1, '', 'int')), /name of field 0 of schema is empty/],
    ['NUL in a name', schema(field(1, 'a\u0000', 'int')), /a NUL or a lone surrogate/],
    ['long name', schema(field(1, 'x'.repeat(1025), 'int')), /has 1025 characters/],
    ['long doc', schema({ ...field(1, 'a', 'int'), doc: 'x'.repeat(65_537) }), /doc of column a has 65537 characters/],
    ['decimal of no digits', schema(field(1, 'a', 'decimal(0,0)')), /precision from 1 to 38/],
    ['scale above precision', schema(field(1, 'a', 'decimal(2,3)')), /a scale up to it/],
    ['identifier named twice', { ...schema(field(1, 'a', 'int', true)), 'identifier-field-ids': [1, 1] }, /twice/],
    [
      'wrong default',
      schema({ ...field(1, 'a', 'int'), 'initial-default': 'x' }),
      /initial-default of column a: expected an integer/,
    ],
    [
      'wrong nested default',
      schema(field(1, 's', struct({ ...field(2, 'a', 'int'), 'write-default': 'x' }))),
      /write-default of column s\.a/,
    ],
  ]
  for (const [name, value, message] of strictOnly) {
    test(`refuses ${name} from a client, and reads it`, () => {
      refused(value, 3, message)
      checkSchema(value, 3, { mode: 'read' })
    })
  }

  test('defaults need format version 3', () => {
    for (const key of ['initial-default', 'write-default']) {
      refused(schema({ ...field(1, 'a', 'int'), [key]: 1 }), 2, new RegExp(`has a ${key}, which needs format version 3`))
      checkSchema(schema({ ...field(1, 'a', 'int'), [key]: null }), 1)
    }
  })

  test('identifier fields may be nested in required structs', () => {
    checkSchema({ ...schema(field(1, 'a', struct(field(2, 'b', 'int', true)), true)), 'identifier-field-ids': [2] }, 2)
  })

  test('schema bombs', () => {
    const many: Schema = { type: 'struct', fields: Array.from({ length: 100_000 }, (_, i) => field(i + 1, `c${i}`, 'int')) }
    refused(many, 2, /more than 50000 columns/)
    checkSchema(many, 2, { mode: 'read' })
    let deep: Type = 'int'
    for (let i = 0; i < 80; i++) deep = list(i + 2, deep)
    refused(schema(field(1, 'a', deep)), 2, /nests types deeper than 64 levels/)
    refused(schema(field(1, 'a', 'int'), field(2, 'b', 'int')), 2, /more than 1 columns/, { maxFields: 1 })
  })

  test('names of Object.prototype are names', () => {
    const names = ['__proto__', 'constructor', 'toString', 'hasOwnProperty']
    checkSchema(schema(...names.map((name, i) => field(i, name, 'int'))), 2)
  })
})

describe('reused ids', () => {
  const v1 = schema(field(1, 'a', 'int'), field(2, 'b', struct(field(3, 'c', 'date'))))
  const evolve = (...fields: StructField[]): Schema => ({ ...struct(...fields), 'schema-id': 1 })
  const check = (previous: Schema[], next: Schema, version: number, current?: Schema): void => {
    const history = new SchemaHistory(previous)
    checkReusedIds((id) => history.definition(id, current), next, version)
  }
  const bad = (previous: Schema[], next: Schema, version: number, message: RegExp): void =>
    assert.throws(
      () => check(previous, next, version),
      (error) => error instanceof IcebergError && error.code === 400 && message.test(error.message),
    )

  test('promotion, renaming, dropping and adding', () => {
    check([v1], evolve(field(1, 'z', 'long'), field(9, 'new', 'string')), 2)
    check([v1], evolve(field(2, 'b', struct(field(3, 'c', 'timestamp')))), 3)
    bad([v1], evolve(field(1, 'a', 'string')), 2, /column a has id 1, which was int and cannot become string/)
    bad([v1], evolve(field(2, 'b', struct(field(3, 'c', 'timestamp')))), 2, /column b\.c has id 3/)
    bad([v1], evolve(field(2, 'b', 'int')), 3, /was struct and cannot become int/)
    bad([v1], evolve(field(1, 'a', struct())), 3, /was int and cannot become struct/)
  })

  test('the newest definition counts', () => {
    const wider = evolve(field(1, 'a', 'long'))
    bad([v1, wider], schema(field(1, 'a', 'int'), field(5, 'x', 'int')), 2, /was long and cannot become int/)
    check([wider, v1], { ...evolve(field(1, 'a', 'long')), 'schema-id': 2 }, 2)
    check([v1, evolve(field(5, 'x', 'int'))], { ...evolve(field(1, 'a', 'long')), 'schema-id': 2 }, 2)
  })

  test('the current definition counts before a newer one', () => {
    const replaced = evolve(field(1, 'a', 'string'))
    const next = { ...evolve(field(1, 'a', 'long')), 'schema-id': 2 }
    check([v1, replaced], next, 2, v1)
    bad([v1, replaced], next, 2, /was string and cannot become long/)
  })

  test('the initial default stays, the write default may change', () => {
    const withDefault = schema({ ...field(1, 'a', 'int'), 'initial-default': 1, 'write-default': 1 })
    check([withDefault], evolve({ ...field(1, 'a', 'int'), 'initial-default': 1, 'write-default': 2 }), 3)
    bad(
      [withDefault],
      evolve({ ...field(1, 'a', 'int'), 'initial-default': 2 }),
      3,
      /initial-default of column a \(id 1\) cannot change/,
    )
    bad([withDefault], evolve(field(1, 'a', 'int')), 3, /cannot change/)
  })
})
