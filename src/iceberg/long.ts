/**
 * 64-bit integers. An integer that JavaScript holds exactly is a `number`, any other is a `bigint`, and nothing else is
 * canonical: so `===` compares exactly and `<` works on the mix. Arithmetic goes through here alone, because `+` on the
 * two kinds throws and on two numbers may round.
 */
import { validationFailed } from './errors.ts'

export type Long = number | bigint

export const MIN_LONG = -(2n ** 63n)
export const MAX_LONG = 2n ** 63n - 1n
export const MAX_INT = 2 ** 31 - 1

/** An integer within int64. Floating-point numbers beyond the safe range are not: their literal was not an integer. */
export function isLong(value: unknown): value is Long {
  if (typeof value === 'number') return Number.isSafeInteger(value)
  return typeof value === 'bigint' && value >= MIN_LONG && value <= MAX_LONG
}

/** An integer that a `number` holds exactly. */
export function isSafeInt(value: unknown): value is number {
  return Number.isSafeInteger(value)
}

/** An integer within int32, as field, schema, spec and order ids are. */
export function isInt(value: unknown): value is number {
  return typeof value === 'number' && (value | 0) === value
}

/** The canonical form. */
export function normalizeLong(value: Long): Long {
  if (typeof value === 'number') return value
  return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value
}

/** The exact sum, canonical. A sum outside int64 is refused: no field of the format can hold it. */
export function addLong(a: Long, b: Long): Long {
  if (typeof a === 'number' && typeof b === 'number') {
    const sum = a + b
    if (Number.isSafeInteger(sum)) return sum
  }
  const sum = BigInt(a) + BigInt(b)
  if (sum < MIN_LONG || sum > MAX_LONG) throw validationFailed(`Integer overflow: ${a} + ${b} does not fit in 64 bits`)
  return normalizeLong(sum)
}

export function compareLong(a: Long, b: Long): -1 | 0 | 1 {
  return a < b ? -1 : a > b ? 1 : 0
}

export function maxLong(a: Long, b: Long): Long {
  return a < b ? b : a
}
