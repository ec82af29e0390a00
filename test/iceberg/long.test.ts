import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { IcebergError } from '../../src/iceberg/errors.ts'
import {
  addLong,
  compareLong,
  isInt,
  isLong,
  isSafeInt,
  MAX_LONG,
  maxLong,
  MIN_LONG,
  normalizeLong,
} from '../../src/iceberg/long.ts'
import { canonicalUuid, isUuid } from '../../src/iceberg/uuid.ts'

const int64 = fc.bigInt({ min: MIN_LONG, max: MAX_LONG })
const edges = fc.constantFrom(0n, 1n, -1n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 53n + 1n, -(2n ** 53n), MIN_LONG, MAX_LONG)
const anyLong = fc.oneof(int64, edges, fc.maxSafeInteger().map(BigInt))

test('the canonical form is a number exactly where a number is exact', () => {
  fc.assert(
    fc.property(anyLong, (value) => {
      const long = normalizeLong(value)
      assert.equal(BigInt(long), value)
      assert.equal(typeof long === 'number', Number.isSafeInteger(Number(value)))
      assert.equal(normalizeLong(long), long)
      assert.ok(isLong(long))
    }),
  )
})

test('comparison, maximum and sum agree with exact arithmetic', () => {
  fc.assert(
    fc.property(anyLong, anyLong, (a, b) => {
      const [x, y] = [normalizeLong(a), normalizeLong(b)]
      assert.equal(x === y, a === b)
      assert.equal(compareLong(x, y), a < b ? -1 : a > b ? 1 : 0)
      assert.equal(maxLong(x, y), normalizeLong(a > b ? a : b))
      const sum = a + b
      if (sum >= MIN_LONG && sum <= MAX_LONG) assert.equal(addLong(x, y), normalizeLong(sum))
      else assert.throws(() => addLong(x, y), IcebergError)
    }),
  )
})

test('what is no 64-bit integer is none', () => {
  for (const value of [2n ** 63n, -(2n ** 63n) - 1n, 1.5, 2 ** 53, 1e300, Number.NaN, Infinity, '1', null, undefined, true, {}]) {
    assert.equal(isLong(value), false, String(value))
  }
  assert.ok(isSafeInt(2 ** 53 - 1) && !isSafeInt(2 ** 53) && !isSafeInt(1n))
  assert.ok(isInt(2 ** 31 - 1) && isInt(-(2 ** 31)) && !isInt(2 ** 31) && !isInt(-(2 ** 31) - 1) && !isInt(0.5) && !isInt(1n))
})

test('a UUID is 36 characters in either case', () => {
  assert.ok(isUuid('9c12d441-03fe-4693-9a96-a0705ddf69c1'))
  assert.ok(isUuid('00000000-0000-0000-0000-000000000000'))
  assert.ok(isUuid('9C12D441-03FE-4693-9A96-A0705DDF69C1'))
  assert.equal(canonicalUuid('9C12D441-03FE-4693-9A96-A0705DDF69C1'), '9c12d441-03fe-4693-9a96-a0705ddf69c1')
  for (const text of [
    '',
    '9c12d44103fe46939a96a0705ddf69c1',
    '9c12d441-03fe-4693-9a96-a0705ddf69c1\n',
    'g'.repeat(36),
    7,
    null,
  ]) {
    assert.equal(isUuid(text), false, String(text))
  }
})
