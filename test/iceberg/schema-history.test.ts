import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { parse } from '../../src/iceberg/json.ts'
import { sameSchema, type Schema } from '../../src/iceberg/schema.ts'
import { SchemaHistory } from '../../src/iceberg/schema-history.ts'

const read = (json: string): Schema => parse(json) as unknown as Schema
const column = (id: number, name: string, type: unknown, more: object = {}): object => ({
  id,
  name,
  required: false,
  type,
  ...more,
})
const schemaOf = (id: number, ...fields: object[]): Schema => ({ type: 'struct', 'schema-id': id, fields }) as unknown as Schema

describe('schema history', () => {
  test('finds what sameSchema calls the same, and nothing else', () => {
    const one = (text: string): Schema => read(`{"type":"struct","fields":[${text}]}`)
    const base = '"id":1,"name":"a","required":false'
    const list = (element: string): string => `{"type":"list","element-id":2,"element":${element},"element-required":false}`
    const variants = [
      one(`{${base},"type":"long"}`),
      one(`{${base},"type":"int"}`),
      one(`{${base},"type":"long","doc":"d"}`),
      one(`{${base},"type":"decimal(9,2)"}`),
      one(`{${base},"type":"decimal(9, 2)"}`),
      one(`{${base},"type":${list('"int"')}}`),
      one(`{${base},"type":${list('"long"')}}`),
      one(`{${base},"type":"long","initial-default":9007199254740993}`),
      one(`{${base},"type":"long","initial-default":9007199254740992}`),
      one(`{${base},"type":"double","initial-default":1.0}`),
      one(`{${base},"type":"double","initial-default":1}`),
      one(`{${base},"type":"double","initial-default":1e0}`),
      one(`{${base},"type":"double","initial-default":1.5}`),
      one(`{${base},"type":"long","initial-default":null}`),
      one(`{"id":1,"name":"a","required":true,"type":"long"}`),
      { ...one(`{"id":1,"name":"a","required":true,"type":"long"}`), 'identifier-field-ids': [1] },
      one(''),
    ].map((schema, id) => ({ ...schema, 'schema-id': id }))
    for (const known of variants) {
      const history = new SchemaHistory([known])
      for (const other of variants) {
        const copy = structuredCloneOf(other)
        assert.equal(history.same(copy) !== undefined, sameSchema(known, copy), `${known['schema-id']} ${other['schema-id']}`)
      }
    }
    const all = new SchemaHistory(variants)
    for (const schema of variants) assert.ok(sameSchema(all.same(schema) as Schema, schema))
  })

  test('knows the newest definition of an id, the current one first', () => {
    const v0 = schemaOf(0, column(1, 'a', 'int'), column(2, 's', { type: 'struct', fields: [column(3, 'x', 'date')] }))
    const v1 = schemaOf(1, column(1, 'b', 'long'))
    const history = new SchemaHistory([v1, v0])
    assert.equal(history.definition(1)?.type, 'long')
    assert.equal(history.definition(1, v0)?.type, 'int')
    assert.equal(history.definition(3, v1)?.type, 'date')
    assert.equal(history.definition(9, v1), undefined)
    history.add(schemaOf(2, column(9, 'z', 'string')))
    assert.equal(history.definition(9)?.name, 'z')
  })

  test('a schema is compared with those alike, not with all that there are', () => {
    let looked = 0
    const counted = (id: number): Schema => {
      const fields = [column(1, `c${id}`, 'long')]
      return Object.defineProperty({ type: 'struct', 'schema-id': id } as object, 'fields', {
        get: () => ((looked += 1), fields),
      }) as Schema
    }
    const history = new SchemaHistory(Array.from({ length: 1000 }, (_, id) => counted(id)))
    looked = 0
    for (let id = 0; id < 1000; id++) history.same(schemaOf(0, column(1, `new${id}`, 'long')))
    assert.equal(looked, 0)
  })
})

const structuredCloneOf = (schema: Schema): Schema => ({ ...schema, fields: schema.fields.map((field) => ({ ...field })) })
