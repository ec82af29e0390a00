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
  const expected = typeof type === 'string' ? primitiveFault(primitiveOf(type), value) : nestedFault(type, value)
  if (expected === undefined) return
  throw badRequest(`Invalid ${where}: expected ${expected} for type ${displayType(type)}, got ${describe(value)}`)
}

/** A struct may default to `{}`, whose fields then take their own defaults; lists and maps default to null alone. */
function nestedFault(type: Exclude<Type, string>, value: unknown): string | undefined {
  if (type.type !== 'struct') return 'null'
  const empty =
    typeof value === 'object' &&
    !Array.isArray(value) &&
    !(value instanceof RawNumber) &&
    Object.keys(value as object).length === 0
  return empty ? undefined : 'null or {}'
}

/** What was expected, or undefined when the value is right. */
function primitiveFault(primitive: Primitive, value: unknown): string | undefined {
  switch (primitive.kind) {
    case 'boolean':
      return typeof value === 'boolean' ? undefined : 'true or false'
    case 'int':
      return isInt(value) ? undefined : 'an integer of 32 bits'
    case 'long':
      return isLong(value) ? undefined : 'an integer of 64 bits'
    case 'float':
    case 'double':
      // The reference implementation does not read an integer literal here.
      return isFraction(value) ? undefined : 'a number with a fraction or an exponent'
    case 'variant':
    case 'geometry':
    case 'geography':
    case 'unknown':
      return 'null'
    default:
      return typeof value === 'string' ? textFault(primitive, value) : 'a string'
  }
}

function isFraction(value: unknown): boolean {
  if (value instanceof RawNumber) return value.source !== '-0' && Number.isFinite(Number(value.source))
  return typeof value === 'number' && !Number.isSafeInteger(value)
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

function isDecimal(text: string, primitive: Primitive): boolean {
  const match = text.length <= 50 ? /^[+-]?(\d+)(?:\.(\d+))?$/.exec(text) : null
  if (match === null) return false
  const whole = (match[1] ?? '').replace(/^0+/, '')
  const fraction = match[2] ?? ''
  if (fraction.length !== primitive.scale) return false
  return whole.length === 0 || whole.length + fraction.length <= (primitive.precision ?? 0)
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
  if (right && !(nanos && beyondNanos(local.slice(0, 4)))) return undefined
  return `a timestamp such as 2017-11-16T22:31:08.${nanos ? '123456789' : '123456'}${zoned ? '+00:00' : ''}`
}

/** Nanoseconds of 64 bits end within 1677 and 2262; those two years are left out for simplicity's sake. */
function beyondNanos(year: string): boolean {
  return Number(year) <= 1677 || Number(year) >= 2262
}
