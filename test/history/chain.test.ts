/** What a hash covers is text: it must stay the text that earlier versions hashed, which were the writer of Iceberg's JSON. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { textOf } from '../../src/history/chain.ts'
import { stringify } from '../../src/iceberg/json.ts'
import type { Json } from '../../src/stores/entities.ts'

test('the text of plain JSON is that of the versions before', () => {
  const samples: Json[] = [
    -0,
    1e21,
    5e-324,
    2 ** 53,
    '\u2028\u007f\u0000"\\/',
    '😀\uffff',
    JSON.parse('{"__proto__":1,"2":0,"1":{}}'),
  ]
  for (const value of samples) assert.equal(textOf(value), stringify(value))
  // As a database returns it.
  const plain = fc.jsonValue({ stringUnit: 'binary' }).map((value) => JSON.parse(JSON.stringify(value)) as Json)
  fc.assert(
    fc.property(plain, (value) => assert.equal(textOf(value), stringify(value))),
    { numRuns: 500 },
  )
})
