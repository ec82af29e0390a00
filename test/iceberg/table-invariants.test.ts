import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { normalizeLong } from '../../src/iceberg/long.ts'
import { CLOCK_TOLERANCE_MS, isBefore } from '../../src/iceberg/table-invariants.ts'

describe('isBefore', () => {
  it('is exact over all of int64, of numbers and bigints alike', () => {
    const near = fc.bigInt({ min: -2n, max: 2n }).map((offset) => offset - BigInt(CLOCK_TOLERANCE_MS))
    const any = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
    const safe = fc.maxSafeInteger().map(BigInt)
    fc.assert(
      fc.property(fc.oneof(any, safe), fc.oneof(any, safe, near), fc.boolean(), (earlier, other, isOffset) => {
        const later = isOffset ? earlier + other : other
        assert.equal(isBefore(normalizeLong(later), normalizeLong(earlier)), later - earlier < -BigInt(CLOCK_TOLERANCE_MS))
      }),
      { numRuns: 2000 },
    )
  })
})
