import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { IcebergError } from '../../src/iceberg/errors.ts'
import { parse } from '../../src/iceberg/json.ts'
import { appliesTo, parseTransform } from '../../src/iceberg/transforms.ts'
import { checkDefaultValue, findPrimitive, isPromotionAllowed, minFormatVersion, primitiveOf } from '../../src/iceberg/types.ts'
import type { Type } from '../../src/iceberg/types.ts'

const SIMPLE = ['boolean', 'int', 'long', 'float', 'double', 'date', 'time', 'timestamp', 'timestamptz', 'timestamp_ns']
const ALL = [
  ...SIMPLE,
  'timestamptz_ns',
  'string',
  'uuid',
  'fixed[16]',
  'binary',
  'decimal(9, 2)',
  'variant',
  'geometry',
  'geography',
  'unknown',
]

describe('type texts', () => {
  const canonical: readonly [text: string, canonical: string][] = [
    ...ALL.map((text): [string, string] => [text, text]),
    ['decimal(9,2)', 'decimal(9, 2)'],
    ['decimal( 9 , 2 )', 'decimal(9, 2)'],
    ['DECIMAL(38,38)', 'decimal(38, 38)'],
    ['decimal(09,02)', 'decimal(9, 2)'],
    ['fixed[ 4 ]', 'fixed[4]'],
    ['String', 'string'],
    ['geometry(OGC:CRS84)', 'geometry'],
    ['geometry(ogc:crs84)', 'geometry'],
    ['geometry(srid:4326)', 'geometry(srid:4326)'],
    ['geometry (EPSG:3857)', 'geometry(epsg:3857)'],
    ['geography(OGC:CRS84)', 'geography'],
    ['geography(OGC:CRS84, spherical)', 'geography'],
    ['geography(srid:4269, KARNEY)', 'geography(srid:4269, karney)'],
    ['geography(srid:4269,karney)', 'geography(srid:4269, karney)'],
  ]
  for (const [text, expected] of canonical) {
    test(`${text} is ${expected}`, () => {
      assert.equal(primitiveOf(text).text, expected)
      assert.equal(primitiveOf(expected).text, expected)
    })
  }

  const none = [
    '',
    'integer',
    'bigint',
    'struct',
    'list',
    'map',
    ' int',
    'int ',
    'decimal',
    'decimal()',
    'decimal(9)',
    'decimal(9,2,1)',
  ]
  none.push(
    'decimal(39,0)',
    'decimal(-1,0)',
    'decimal(9,-2)',
    'decimal(9.0,2)',
    'decimal(9,2',
    'decimal (9,2)',
    'decimal(99999999999,0)',
  )
  none.push(
    'fixed',
    'fixed[]',
    'fixed[-1]',
    'fixed[1.5]',
    'fixed[2147483648]',
    'fixed(16)',
    'fixed[16',
    'fixed[1]]',
    'fixed[0x10]',
  )
  none.push(
    'geometry()',
    'geometry(a',
    'geometry(a)b)',
    'geometrya',
    'geography()',
    'geography(,karney)',
    'geography(a,flat)',
    'geography(a,karney,b)',
  )
  none.push('constructor', '__proto__', 'toString', 'timestamp_ms', 'decimal(９,2)')
  for (const text of none) {
    test(`${JSON.stringify(text)} is no type`, () => {
      assert.equal(findPrimitive(text), undefined)
      assert.throws(
        () => primitiveOf(text),
        (error) => error instanceof IcebergError && error.code === 400,
      )
    })
  }

  test('a hostile text costs no more than a linear pass', () => {
    const size = 2_000_000
    for (const text of [
      `decimal(${' '.repeat(size)}`,
      `fixed[${'0'.repeat(size)}]`,
      `geometry${' '.repeat(size)}(`,
      `geography(${','.repeat(size)})`,
    ]) {
      assert.equal(findPrimitive(text), undefined)
      assert.equal(parseTransform(text).kind, 'unknown')
    }
    assert.equal(findPrimitive(`geometry(${'x'.repeat(2000)})`), undefined)
  })

  test('no text crashes the parser, and a canonical text is stable', () => {
    const pieces = fc.array(
      fc.constantFrom('decimal', 'fixed', 'geometry', 'geography', '(', ')', '[', ']', ',', ' ', '9', '38', 'x', '-'),
      { maxLength: 9 },
    )
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          pieces.map((list) => list.join('')),
        ),
        (text) => {
          const primitive = findPrimitive(text)
          if (primitive !== undefined) assert.deepEqual(findPrimitive(primitive.text), primitive)
        },
      ),
    )
  })

  test('format versions', () => {
    const v3 = new Set(['timestamp_ns', 'timestamptz_ns', 'variant', 'geometry', 'geography', 'unknown'])
    for (const text of ALL) assert.equal(minFormatVersion(text), v3.has(text) ? 3 : 1, text)
    const list: Type = { type: 'list', 'element-id': 1, element: 'variant', 'element-required': false }
    const map: Type = { type: 'map', 'key-id': 1, key: 'string', 'value-id': 2, value: list, 'value-required': true }
    assert.equal(minFormatVersion({ type: 'struct', fields: [{ id: 3, name: 'm', required: true, type: map }] }), 3)
    assert.equal(minFormatVersion({ ...list, element: 'int' }), 1)
  })
})

test('promotions are those of the specification and no others', () => {
  const allowed = new Map<string, number>()
  const allow = (from: string, to: string, since: number): unknown => allowed.set(`${from} ${to}`, since)
  for (const type of ALL) allow(type, type, 1)
  for (const type of ALL) if (type !== 'unknown') allow('unknown', type, 3)
  allow('int', 'long', 1)
  allow('float', 'double', 1)
  allow('date', 'timestamp', 3)
  allow('date', 'timestamp_ns', 3)
  for (const from of ALL) {
    for (const to of ALL) {
      for (const version of [1, 2, 3]) {
        const since = allowed.get(`${from} ${to}`)
        assert.equal(
          isPromotionAllowed(from, to, version),
          since !== undefined && version >= since,
          `${from} to ${to} in v${version}`,
        )
      }
    }
  }
  assert.ok(isPromotionAllowed('decimal(9,2)', 'decimal(18, 2)', 1))
  assert.ok(!isPromotionAllowed('decimal(18,2)', 'decimal(9,2)', 3))
  assert.ok(!isPromotionAllowed('decimal(9,2)', 'decimal(18,3)', 3))
  assert.ok(!isPromotionAllowed('fixed[4]', 'fixed[8]', 3))
  assert.ok(!isPromotionAllowed('int', { type: 'struct', fields: [] }, 3))
  assert.ok(isPromotionAllowed('unknown', { type: 'struct', fields: [] }, 3))
  assert.ok(
    !isPromotionAllowed(
      { type: 'struct', fields: [] },
      { type: 'list', 'element-id': 1, element: 'int', 'element-required': true },
      3,
    ),
  )
})

describe('default values', () => {
  const good: readonly [type: string, json: string][] = [
    ['boolean', 'false'],
    ['int', '2147483647'],
    ['int', '-2147483648'],
    ['long', '9223372036854775807'],
    ['float', '1.0'],
    ['double', '1e3'],
    ['double', '0.5'],
    ['double', '1'],
    ['double', '-0'],
    ['double', '123456789012345678901234567890'],
    ['float', '9223372036854775807'],
    ['int', '-0'],
    ['decimal(9,2)', '"100E-2"'],
    ['decimal(9,2)', '"+.01"'],
    ['timestamp_ns', '"1677-09-21T00:12:43.145224193"'],
    ['timestamp_ns', '"2262-04-11T23:47:16.854775807"'],
    ['decimal(9,2)', '"14.20"'],
    ['decimal(9,2)', '"-1234567.89"'],
    ['decimal(2,2)', '"0.99"'],
    ['decimal(5,0)', '"99999"'],
    ['date', '"2024-02-29"'],
    ['time', '"22:31:08.123456"'],
    ['time', '"22:31"'],
    ['timestamp', '"2017-11-16T22:31:08.123456"'],
    ['timestamptz', '"2017-11-16T22:31:08.123456+00:00"'],
    ['timestamp_ns', '"2017-11-16T22:31:08.123456789"'],
    ['timestamptz_ns', '"2017-11-16T22:31:08+00:00"'],
    ['string', '""'],
    ['uuid', '"f79c3e09-677c-4bbd-a479-3f349cb785e7"'],
    ['fixed[4]', '"000102fF"'],
    ['binary', '""'],
    ['binary', '"00ff"'],
    ...ALL.map((type): [string, string] => [type, 'null']),
  ]
  for (const [type, json] of good) test(`${json} is a ${type}`, () => checkDefaultValue(type, parse(json)))

  const bad: readonly [type: string, json: string][] = [
    ['boolean', '1'],
    ['boolean', '"true"'],
    ['int', '2147483648'],
    ['int', '1.0'],
    ['int', '"1"'],
    ['long', '9223372036854775808'],
    ['long', '1e3'],
    ['float', '3.5e38'],
    ['float', 'true'],
    ['double', '"NaN"'],
    ['double', '"1.0"'],
    ['double', '1e999'],
    ['decimal(9,2)', '14.20'],
    ['decimal(9,2)', '"14.2"'],
    ['decimal(9,2)', '"12345678.90"'],
    ['decimal(9,2)', '"1e2"'],
    ['date', '"2023-02-29"'],
    ['date', '"2024-13-01"'],
    ['date', '19000'],
    ['time', '"24:00:00"'],
    ['time', '"12:00:00.1234567"'],
    ['timestamp', '"2017-11-16T22:31:08+00:00"'],
    ['timestamp', '"2017-11-16 22:31:08"'],
    ['timestamp', '"2017-11-16T22:31:08.1234567"'],
    ['timestamptz', '"2017-11-16T22:31:08"'],
    ['timestamptz', '"2017-11-16T22:31:08+01:00"'],
    ['timestamp_ns', '"2300-01-01T00:00:00"'],
    ['timestamp_ns', '"1677-09-21T00:12"'],
    ['timestamp_ns', '"2262-04-11T23:47:16.854775808"'],
    ['string', '7'],
    ['uuid', '"f79c3e09677c4bbda4793f349cb785e7"'],
    ['fixed[4]', '"0001"'],
    ['fixed[1]', '"zz"'],
    ['binary', '"0"'],
    ['variant', '{}'],
    ['geometry', '"POINT (30 10)"'],
    ['geography', '"POINT (30 10)"'],
    ['unknown', '0'],
  ]
  for (const [type, json] of bad) {
    test(`${json} is no ${type}`, () => {
      assert.throws(
        () => checkDefaultValue(type, parse(json), 'initial-default of column c'),
        (error) =>
          error instanceof IcebergError && error.code === 400 && /initial-default of column c: expected/.test(error.message),
      )
    })
  }

  test('of nested types only null: the reference reads no other', () => {
    const struct: Type = { type: 'struct', fields: [] }
    const list: Type = { type: 'list', 'element-id': 1, element: 'int', 'element-required': true }
    checkDefaultValue(struct, null)
    checkDefaultValue(list, null)
    for (const [type, json] of [
      [struct, '{}'],
      [struct, '{"1":1}'],
      [struct, '[]'],
      [list, '[]'],
      [list, '{}'],
    ] as const) {
      assert.throws(() => checkDefaultValue(type, parse(json)), IcebergError)
    }
  })
})

describe('transforms', () => {
  test('texts', () => {
    for (const text of ['identity', 'year', 'month', 'day', 'hour', 'void'])
      assert.deepEqual(parseTransform(text), { kind: text, text })
    assert.deepEqual(parseTransform('bucket[16]'), { kind: 'bucket', text: 'bucket[16]', width: 16 })
    assert.deepEqual(parseTransform('TRUNCATE[007]'), { kind: 'truncate', text: 'truncate[7]', width: 7 })
    assert.equal(parseTransform('Identity').text, 'identity')
    for (const text of [
      '',
      'bucket',
      'bucket[]',
      'bucket[-1]',
      'bucket[1',
      'bucket[1.5]',
      'bucket(16)',
      'years',
      'zorder',
      '__proto__',
    ]) {
      assert.deepEqual(parseTransform(text), { kind: 'unknown', text })
    }
    for (const text of ['bucket[0]', 'truncate[0]', 'bucket[2147483648]', `bucket[${'9'.repeat(50)}]`]) {
      assert.throws(
        () => parseTransform(text),
        (error) => error instanceof IcebergError && /width/.test(error.message),
        text,
      )
    }
  })

  test('each applies to the types of the specification', () => {
    const dates = ['date', 'timestamp', 'timestamptz', 'timestamp_ns', 'timestamptz_ns']
    const truncated = ['int', 'long', 'decimal(9, 2)', 'string', 'binary']
    const takes: Record<string, readonly string[]> = {
      identity: ALL.filter((type) => !['variant', 'geometry', 'geography'].includes(type)),
      'bucket[4]': [...truncated, ...dates, 'time', 'uuid', 'fixed[16]'],
      'truncate[4]': truncated,
      year: dates,
      month: dates,
      day: dates,
      hour: dates.slice(1),
      void: ALL,
      zorder: [],
    }
    for (const [text, types] of Object.entries(takes)) {
      for (const type of ALL)
        assert.equal(appliesTo(parseTransform(text), primitiveOf(type)), types.includes(type), `${text} of ${type}`)
    }
  })
})
