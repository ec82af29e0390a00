/** The scan accepts and refuses exactly what the parser does, for objects. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { isPlainObject } from '../../src/iceberg/document.ts'
import { badRequest } from '../../src/iceberg/errors.ts'
import { parse, stringify } from '../../src/iceberg/json.ts'
import { scanObject } from '../../src/iceberg/json-scan.ts'
import { rejects } from '../catalog/setup.ts'

const accepted = (work: () => unknown): boolean => {
  try {
    work()
    return true
  } catch (error) {
    return !rejects(400, /Invalid JSON/)(error)
  }
}
const isOneObject = (bytes: Uint8Array): void => {
  const value = parse(bytes)
  if (!isPlainObject(value)) throw badRequest('Invalid JSON: no object')
}

const CASES: readonly (readonly [text: string | Uint8Array, good: boolean])[] = [
  ['{}', true],
  [' \t\r\n{ "a" : [ ] , "b" : { } } \n', true],
  ['{"a":-0,"b":1.5e-3,"c":0,"d":9223372036854775807,"e":true,"f":null,"g":false}', true],
  ['{"a":"\\u00e9\\ud83d\\ude00\\"\\\\\\/\\b\\f\\n\\r\\t","é😀":1}', true],
  ['{"toString":1,"__proto__":2,"constructor":3}', true],
  [`${'{"a":'.repeat(511)}{}${'}'.repeat(511)}`, true],
  [`${'{"a":'.repeat(512)}{}${'}'.repeat(512)}`, false],
  [`{"a":${'['.repeat(100_000)}`, false],
  ['', false],
  ['null', false],
  ['[]', false],
  ['1', false],
  ['"{}"', false],
  ['{} {}', false],
  ['{},"storage-credentials":[]', false],
  ['{}}', false],
  ['{}\0', false],
  ['\ufeff{}', false],
  ['{}\ufeff', false],
  ['\u00a0{}', false],
  ['{"a":1', false],
  ['{"a":1,}', false],
  ['{"a"}', false],
  ['{"a":}', false],
  ['{a:1}', false],
  ["{'a':1}", false],
  ['{"a":[1,]}', false],
  ['{"a":[1 2]}', false],
  ['{"a":01}', false],
  ['{"a":-}', false],
  ['{"a":1.}', false],
  ['{"a":.5}', false],
  ['{"a":1e}', false],
  ['{"a":+1}', false],
  ['{"a":NaN}', false],
  ['{"a":tru}', false],
  ['{"a":nul', false],
  [`{"a":${'1'.repeat(1000)}}`, true],
  [`{"a":${'1'.repeat(1001)}}`, false],
  ['{"a":"\n"}', false],
  ['{"a":"\\x"}', false],
  ['{"a":"\\u12g4"}', false],
  ['{"a":"\\u12"}', false],
  ['{"a":"\\ud800"}', false],
  ['{"a":"\\udc00"}', false],
  ['{"a":"\\ud800\\u0041"}', false],
  ['{"a":"\\ud800\\ud800\\udc00"}', false],
  ['{"a":1,"a":1}', false],
  ['{"location":1,"loc\\u0061tion":2}', false],
  ['{"é":1,"\\u00e9":2}', false],
  ['{"x":[{"y":{"a":1,"b":2,"a":3}}]}', false],
  ['{"a":1,"x":{"a":1},"y":[{"a":1},{"a":1}]}', true],
  [`{${Array.from({ length: 1000 }, (_, n) => `"k${n}":1`).join(',')}}`, true],
  [`{${Array.from({ length: 1000 }, (_, n) => `"k${n % 999}":1`).join(',')}}`, false],
  // Texts of one hash: 31 * "A" + "a" is 31 * "B" + "B".
  ['{"Aa":1,"BB":2}', true],
  ['{"Aa":1,"BB":2,"Aa":3}', false],
  [Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), false],
  [Buffer.from([0x7b, 0x22, 0xed, 0xa0, 0x80, 0x22, 0x3a, 0x31, 0x7d]), false],
  [Buffer.from([0x7b, 0x22, 0xc0, 0xaf, 0x22, 0x3a, 0x31, 0x7d]), false],
  [Buffer.from('{"a":1}', 'utf16le'), false],
]

test('one object and nothing else', () => {
  for (const [text, good] of CASES) {
    const bytes = Buffer.from(text as string)
    assert.equal(
      accepted(() => scanObject(bytes, new Set())),
      good,
      bytes.toString('latin1').slice(0, 100),
    )
    assert.equal(
      accepted(() => isOneObject(bytes)),
      good,
      `the parser: ${bytes.toString('latin1').slice(0, 100)}`,
    )
  }
})

test('what the parser reads is accepted, and what it refuses is refused, when bytes are changed, lost or added', () => {
  const object = fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue(), { maxKeys: 20 })
  const byte = fc.constantFrom(...Buffer.from('{}[]":,\\u0-+.eE1 \tn\u0000\u00ff', 'latin1'))
  fc.assert(
    fc.property(object, fc.nat(), fc.nat(2), byte, fc.boolean(), (value, at, removed, added, adds) => {
      const good = Buffer.from(stringify(value))
      assert.ok(accepted(() => scanObject(good, new Set())))
      const place = at % (good.length + 1)
      const changed = Buffer.concat([good.subarray(0, place), Buffer.from(adds ? [added] : []), good.subarray(place + removed)])
      assert.equal(
        accepted(() => scanObject(changed, new Set())),
        accepted(() => isOneObject(changed)),
        changed.toString('latin1'),
      )
    }),
    { numRuns: 3000 },
  )
})

test('the wanted members are those of the document itself, however they are spelled', () => {
  const bytes = Buffer.from('{"x":{"location":"no"},"loc\\u0061tion" : "s3://b/é" ,"n": [1, {"n": 2}] ,"other":1}')
  const found = scanObject(bytes, new Set(['location', 'n', 'absent']))
  const text = (name: string) => bytes.subarray(found.get(name)?.start, found.get(name)?.end).toString()
  assert.deepEqual([...found.keys()].toSorted(), ['location', 'n'])
  assert.equal(text('location'), '"s3://b/é"')
  assert.equal(text('n'), '[1, {"n": 2}]')
})

test('what is said of a fault holds nothing of the content', () => {
  for (const text of ['{"hush":1,"hush":2}', '{"a":hush}', '{"a":1}hush', '{"hush']) {
    try {
      scanObject(Buffer.from(text), new Set())
      assert.fail(text)
    } catch (error) {
      assert.ok(!(error as Error).message.includes('hush'), (error as Error).message)
    }
  }
})
