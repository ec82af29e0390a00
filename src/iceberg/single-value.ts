/**
 * Default values of columns in the single-value JSON encoding (spec, Appendix D). The catalog does not compute with them;
 * it refuses those with which the reference implementation could no longer read the table.
 */
import { badRequest } from './errors.ts'
import { RawNumber } from './json.ts'
import { isInt, isLong } from './long.ts'
import { describe } from './shape.ts'
import { displayType, primitiveOf } from './types.ts'
import type { Primitive, Type } from './types.ts'
import { isUuid } from './uuid.ts'

/** Throws unless `value` is null or a value of the type. `where` names the column in the message. */
export function checkDefaultValue(type: Type, value: unknown, where = 'default value'): void {
  if (value === null || value === undefined) return
  // The specification allows {} for a struct; the reference implementation reads no default of a nested type.
  const expected = typeof type === 'string' ? primitiveFault(primitiveOf(type), value) : 'null'
  if (expected === undefined) return
  throw badRequest(`Invalid ${where}: expected ${expected} for type ${displayType(type)}, got ${describe(value)}`)
}

/** What was expected, or undefined when the value is right. */
function primitiveFault(primitive: Primitive, value: unknown): string | undefined {
  switch (primitive.kind) {
    case 'boolean':
      return typeof value === 'boolean' ? undefined : 'true or false'
    case 'int':
      return isInt(value) || isMinusZero(value) ? undefined : 'an integer of 32 bits'
    case 'long':
      return isLong(value) || isMinusZero(value) ? undefined : 'an integer of 64 bits'
    case 'float':
      return isFinite(value, Math.fround) ? undefined : 'a number of 32 bits'
    case 'double':
      return isFinite(value, Number) ? undefined : 'a number of 64 bits'
    case 'variant':
    case 'geometry':
    case 'geography':
    case 'unknown':
      return 'null'
    default:
      return typeof value === 'string' ? textFault(primitive, value) : 'a string'
  }
}

const isMinusZero = (value: unknown): boolean => value instanceof RawNumber && value.source === '-0'

/** Any JSON number is one, as long as it is finite where it is stored. */
function isFinite(value: unknown, stored: (number: number) => number): boolean {
  const isNumber = typeof value === 'number' || typeof value === 'bigint' || value instanceof RawNumber
  return isNumber && Number.isFinite(stored(Number(value)))
}

function textFault(primitive: Primitive, value: string): string | undefined {
  switch (primitive.kind) {
    case 'string':
      return undefined
    case 'uuid':
      return isUuid(value) ? undefined : 'a UUID'
    case 'binary':
      return isHex(value) ? undefined : 'bytes in hexadecimal'
    case 'fixed':
      return isHex(value) && value.length === 2 * (primitive.length ?? 0) ? undefined : `${primitive.length} bytes in hexadecimal`
    case 'decimal':
      return isDecimal(value, primitive) ? undefined : `a decimal with ${primitive.scale} digits after the point`
    case 'date':
      return isDate(value) ? undefined : 'a date such as 2017-11-16'
    case 'time':
      return isTime(value, 6) ? undefined : 'a time such as 22:31:08.123456'
    default:
      return timestampFault(primitive, value)
  }
}

function isHex(text: string): boolean {
  return text.length % 2 === 0 && /^[0-9a-fA-F]*$/.test(text)
}

/** The digits behind the point, less the exponent, are the scale: `1.00`, `.01` and `100E-2` are of scale 2. */
function isDecimal(text: string, primitive: Primitive): boolean {
  const match = text.length <= 50 ? /^[+-]?(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,9}))?$/.exec(text) : null
  if (match === null) return false
  const [whole, fraction] = [match[1] ?? '', match[2] ?? '']
  if (whole.length + fraction.length === 0 || fraction.length - Number(match[3] ?? 0) !== primitive.scale) return false
  return (whole + fraction).replace(/^0+/, '').length <= (primitive.precision ?? 0)
}

/** Proleptic Gregorian days, years 0001 to 9999. */
function isDate(text: string): boolean {
  const match = /^(\d{4})-(\d{2})-(\d{2})$/.exec(text)
  if (match === null) return false
  const [year, month, day] = [Number(match[1]), Number(match[2]), Number(match[3])]
  if (year === 0 || month < 1 || month > 12 || day < 1) return false
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)
  const days = month === 2 ? (leap ? 29 : 28) : [4, 6, 9, 11].includes(month) ? 30 : 31
  return day <= days
}

function isTime(text: string, maxFraction: number): boolean {
  const match = /^(\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?$/.exec(text)
  if (match === null) return false
  if (Number(match[1]) > 23 || Number(match[2]) > 59 || Number(match[3] ?? 0) > 59) return false
  return (match[4]?.length ?? 0) <= maxFraction
}

function timestampFault(primitive: Primitive, value: string): string | undefined {
  const nanos = primitive.kind.endsWith('_ns')
  const zoned = primitive.kind.startsWith('timestamptz')
  const offset = value.endsWith('+00:00') ? 6 : value.endsWith('Z') ? 1 : 0
  const local = value.slice(0, value.length - offset)
  const right =
    zoned === offset > 0 && local.charAt(10) === 'T' && isDate(local.slice(0, 10)) && isTime(local.slice(11), nanos ? 9 : 6)
  if (right && !(nanos && beyondNanos(local))) return undefined
  return `a timestamp such as 2017-11-16T22:31:08.${nanos ? '123456789' : '123456'}${zoned ? '+00:00' : ''}`
}

/** What nanoseconds since 1970 reach in 64 bits. */
const [FIRST_NANOS, LAST_NANOS] = ['1677-09-21T00:12:43.145224193', '2262-04-11T23:47:16.854775807']
const WHOLE_MINUTE = '0000-00-00T00:00:00.000000000'

/** Whole texts of this form are in the order of their times. */
function beyondNanos(local: string): boolean {
  const whole = local + WHOLE_MINUTE.slice(local.length)
  return whole < FIRST_NANOS || whole > LAST_NANOS
}
