import assert from 'node:assert/strict'
import { test } from 'node:test'
import Type, { type TSchema } from 'typebox'
import { firstFault, validatorOf } from '../../src/iceberg/shape-fault.ts'
import { Int64 } from '../../src/iceberg/document.ts'

const Item = Type.Object({ id: Int64, tags: Type.Optional(Type.Union([Type.Array(Type.String()), Type.Null()])) })
const Shape = Type.Object({
  name: Type.String({ minLength: 1, maxLength: 5 }),
  items: Type.Array(Item, { minItems: 1, maxItems: 3 }),
  properties: Type.Optional(Type.Record(Type.String(), Type.String())),
})
const good = { name: 'n', items: [{ id: 1 }] }

/** The fault, after making sure that there is one. */
function fault(value: unknown, schema: TSchema = Shape): string {
  assert.equal(validatorOf(schema).Check(value), false)
  const { path, message } = firstFault(schema, value)
  return `${path} ${message}`
}

test('the first fault is named by its path and by what was expected', () => {
  assert.equal(fault(null), ' must be object')
  assert.equal(fault([]), ' must be object')
  assert.equal(fault({ items: [{ id: 1 }] }), ' must have required properties name')
  assert.equal(fault({ ...good, name: 1 }), '/name must be string')
  assert.equal(fault({ ...good, name: '' }), '/name must not have fewer than 1 characters')
  assert.equal(fault({ ...good, name: 'too long' }), '/name must not have more than 5 characters')
  assert.equal(fault({ ...good, items: {} }), '/items must be array')
  assert.equal(fault({ ...good, items: [] }), '/items must not have fewer than 1 items')
  assert.equal(fault({ ...good, items: Array.from({ length: 4 }, () => ({ id: 1 })) }), '/items must not have more than 3 items')
  assert.equal(fault({ ...good, items: [{ id: 1 }, {}] }), '/items/1 must have required properties id')
  assert.equal(fault({ ...good, items: [{ id: '1' }] }), '/items/0/id must be a 64-bit integer')
  assert.equal(fault({ ...good, items: [{ id: 1, tags: ['a', 2] }] }), '/items/0/tags/1 must be string')
  assert.equal(fault({ ...good, items: [{ id: 1, tags: 7 }] }), '/items/0/tags must be array')
  assert.equal(fault({ ...good, properties: { 'a/b~c': 1 } }), '/properties/a~1b~0c must be string')
})

test('a huge document with a fault in it is explained by looking at little of it', () => {
  let looked = 0
  const items = new Proxy(Array(1_000_000).fill('a'), {
    get: (target, key, receiver) => {
      if (typeof key === 'string' && /^\d+$/.test(key)) looked += 1
      return Reflect.get(target, key, receiver) as unknown
    },
  })
  const { message } = firstFault(Type.Array(Type.String(), { maxItems: 32 }), items)
  assert.equal(message, 'must not have more than 32 items')
  assert.ok(looked < 100, `${looked} items were looked at`)
})
