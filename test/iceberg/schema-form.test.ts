/** Schemas as clients may send them, and as every reader finds them in a file. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { newTableMetadata } from '../../src/iceberg/create-table.ts'
import { newViewMetadata } from '../../src/iceberg/create-view.ts'
import { parse, stringify } from '../../src/iceberg/json.ts'
import { writtenSchema } from '../../src/iceberg/schema-form.ts'
import type { Schema } from '../../src/iceberg/schema.ts'
import { parseForeignTableMetadata } from '../../src/iceberg/table-metadata.ts'
import { changed, LOCATION, NOW, refuses, table, tableText, UUID, viewText } from './metadata.ts'

/** As sent, and as every reader takes it: Iceberg's parsers in Java, Python, Go and Rust. */
const TYPES: readonly [sent: string, written: string][] = [
  ['STRING', '"string"'],
  ['Int', '"int"'],
  ['Timestamptz_NS', '"timestamptz_ns"'],
  ['Variant', '"variant"'],
  ['decimal(9,2)', '"decimal(9,2)"'],
  ['decimal(9, 2)', '"decimal(9, 2)"'],
  ['decimal(9,  2)', '"decimal(9, 2)"'],
  ['decimal(09,2)', '"decimal(9, 2)"'],
  ['Decimal(9,2)', '"decimal(9, 2)"'],
  ['DECIMAL( 9 , 2 )', '"decimal(9, 2)"'],
  ['fixed[4]', '"fixed[4]"'],
  ['FIXED[ 4 ]', '"fixed[4]"'],
  ['GEOMETRY', '"geometry"'],
  ['Geometry(OGC:CRS84)', '"geometry"'],
  ['GEOMETRY( SRID:4326 )', '"geometry(SRID:4326)"'],
  ['Geography(EPSG:4326, KARNEY)', '"geography(EPSG:4326, karney)"'],
  ['geography(OGC:CRS84, Karney)', '"geography(OGC:CRS84, karney)"'],
  ['geography(EPSG:4326,karney)', '"geography(EPSG:4326, karney)"'],
  ['geography(EPSG:4326, spherical)', '"geography(EPSG:4326, spherical)"'],
  ['geography(EPSG:4326)', '"geography(EPSG:4326)"'],
  ['geometry(A,B)', '"geometry(A,B)"'],
  ["geometry('EPSG:4326')", `"geometry('EPSG:4326')"`],
  ["geography('EPSG:4326')", `"geography('EPSG:4326')"`],
  ["geography( 'EPSG:4326' , Spherical )", `"geography('EPSG:4326')"`],
  ["geography('EPSG:4326', karney)", `"geography('EPSG:4326', karney)"`],
]
const DEFAULTS: readonly [type: string, sent: string, written: string][] = [
  ['double', '1', '1.0'],
  ['double', '-0', '-0.0'],
  ['float', '9007199254740993', '9007199254740993.0'],
  ['double', '123456789012345678901234567890', '123456789012345678901234567890.0'],
  ['double', '1.50', '1.50'],
  ['double', '1e3', '1e3'],
  ['double', '0.5', '0.5'],
  ['int', '-0', '0'],
  ['int', '7', '7'],
  ['long', '9223372036854775807', '9223372036854775807'],
]
const field = (rest: string) => `{"id":1,"name":"a","required":false,${rest}}`
const schema = (...fields: readonly string[]) =>
  parse(`{"type":"struct","schema-id":0,"fields":[${fields.join()}]}`) as unknown as Schema

/** The text of the first schema, however the table came to have it. */
const ways: Readonly<Record<string, (sent: Schema) => string>> = {
  create: (sent) =>
    tableText(
      newTableMetadata({ uuid: UUID, location: LOCATION, schema: sent, properties: { 'format-version': '3' }, now: NOW }),
    ),
  commit: (sent) => tableText(changed(table(3), [{ action: 'add-schema', schema: renumbered(sent) }])),
  'a view': (sent) =>
    viewText(
      newViewMetadata({
        uuid: UUID,
        location: LOCATION,
        schema: sent,
        viewVersion: parse(
          '{"version-id":1,"timestamp-ms":1,"schema-id":0,"summary":{},"default-namespace":[],"representations":[{"type":"x"}]}',
        ),
        properties: {},
        now: NOW,
      }),
    ),
}
/** Ids of the table have a type already. */
const renumbered = (sent: Schema): Schema => ({ ...sent, fields: sent.fields.map((one) => ({ ...one, id: one.id + 100 })) })

for (const [way, make] of Object.entries(ways)) {
  describe(`what is written: ${way}`, () => {
    for (const [sent, written] of TYPES) {
      test(`${sent} is ${written}`, () => {
        assert.ok(make(schema(field(`"type":"${sent}"`))).includes(`"type":${written}`))
        const nested = `{"type":"list","element-id":2,"element-required":false,"element":"${sent}"}`
        if (way !== 'commit') assert.ok(make(schema(field(`"type":${nested}`))).includes(`"element":${written}`))
      })
    }
    for (const [type, sent, written] of DEFAULTS) {
      test(`${sent} as default of ${type} is ${written}`, () => {
        const text = make(schema(field(`"type":"${type}","initial-default":${sent},"write-default":${sent}`)))
        assert.ok(text.includes(`"initial-default":${written},"write-default":${written}}`), text)
      })
    }
    test('null is left out', () => {
      const text = make({
        ...schema(field('"type":"int","doc":null,"initial-default":null,"write-default":null,"x-note":null')),
        'identifier-field-ids': null as never,
      })
      assert.ok(text.includes('"required":false,"type":"int","x-note":null}'), text)
      assert.ok(!text.includes('identifier-field-ids'), text)
    })
  })
}

test('a registered file keeps its types until a commit writes them anew', () => {
  const file = parse(tableText(table(2)).replaceAll('"string"', '"STRING"'))
  const registered = parseForeignTableMetadata(file)
  assert.ok(tableText(changed(registered, [{ action: 'set-properties', updates: { a: 'b' } }])).includes('"type":"string"'))
})

test('what needs no change is the same object', () => {
  const made = table(2).schemas[0] as Schema
  assert.equal(writtenSchema(made), made)
  const wide = parse(stringify(made)) as unknown as Schema
  const sent = { ...wide, fields: [...wide.fields, { id: 9, name: 'z', required: false, type: 'INT' }] }
  const written = writtenSchema(sent)
  assert.equal(written.fields[0], sent.fields[0])
  assert.equal(written.fields[3]?.type, 'int')
})

test('what no reader can take is refused', () => {
  for (const rest of ['"type":"float","write-default":3.5e38', '"type":"double","write-default":"1.0"', '"type":"INTEGER"'])
    refuses(() => ways['create']!(schema(field(rest))), 400, /column a/)
})
