/**
 * Shapes of Iceberg JSON as TypeBox schemas: what JSON Schema can't say (64-bit integers kept exact, numbers kept as text)
 * is said here once. A `null` where a field is optional means that it is absent, as the reference implementation reads it.
 */
import Type, { type Static, type TSchema } from 'typebox'
import { badRequest, type IcebergError } from './errors.ts'
import { RawNumber } from './json.ts'
import { isInt, isLong, type Long } from './long.ts'
import { firstFault, validatorOf } from './shape-fault.ts'

/** A value that JSON Schema has no word for. */
function refined<T>(check: (value: unknown) => boolean, message: string) {
  return Type.Refine(Type.Unsafe<T>({}), check, () => message)
}

export const Int64 = refined<Long>(isLong, 'must be a 64-bit integer')
export const Int32 = refined<number>(isInt, 'must be a 32-bit integer')
export const NaturalInt64 = refined<Long>((value) => isLong(value) && value >= 0, 'must be a 64-bit integer of at least 0')
export const StringMap = refined<Readonly<Record<string, string>>>(
  (value) => isPlainObject(value) && Object.values(value).every((item) => typeof item === 'string'),
  'must be an object of strings',
)
/** An object whose content is judged elsewhere. */
export const AnyObject = refined<Readonly<Record<string, unknown>>>((value) => isPlainObject(value), 'must be an object')

/** Numbers kept as text are objects too; a document's objects are not. */
export function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof RawNumber)
}

interface ObjectSchema {
  readonly type?: string
  readonly required?: readonly string[]
  readonly properties?: Readonly<Record<string, ObjectSchema>>
  readonly items?: ObjectSchema
}

/** The same value without those optional fields that are `null`; unchanged parts are shared. */
function withoutNulls(schema: ObjectSchema, value: unknown): unknown {
  if (schema.type === 'array' && schema.items !== undefined && Array.isArray(value)) {
    const items = schema.items
    let changed = false
    const result = value.map((item: unknown) => {
      const next = withoutNulls(items, item)
      changed ||= next !== item
      return next
    })
    return changed ? result : value
  }
  if (schema.type !== 'object' || schema.properties === undefined || !isPlainObject(value)) return value
  const replaced = new Map<string, unknown>()
  for (const [key, property] of Object.entries(schema.properties)) {
    if (!Object.hasOwn(value, key)) continue
    const old = value[key]
    const next = old === null && schema.required?.includes(key) !== true ? undefined : withoutNulls(property, old)
    if (next !== old) replaced.set(key, next)
  }
  if (replaced.size === 0) return value
  const entries = Object.entries(value).map(([key, old]) => [key, replaced.has(key) ? replaced.get(key) : old] as const)
  return Object.fromEntries(entries.filter(([, item]) => item !== undefined))
}

/**
 * The value, typed, without optional nulls.
 * @throws IcebergError made by `fail`, naming the path and what was expected there
 */
export function readShape<T extends TSchema>(
  schema: T,
  value: unknown,
  what: string,
  fail: (message: string) => IcebergError = badRequest,
): Static<T> {
  const candidate = withoutNulls(schema as ObjectSchema, value)
  if (validatorOf(schema).Check(candidate)) return candidate as Static<T>
  const { path, message } = firstFault(schema, candidate)
  throw fail(`Invalid ${what}:${path === '' ? '' : ` ${short(path)}`} ${short(message)}`)
}

/** Deep equality of JSON values, the exact kind: `1` and `1.0` differ, integers compare by value. */
export function sameJson(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (a instanceof RawNumber || b instanceof RawNumber) {
    return a instanceof RawNumber && b instanceof RawNumber && a.source === b.source
  }
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((item, index) => sameJson(item, b[index]))
  if (!isPlainObject(a) || !isPlainObject(b)) return false
  let surplus = 0
  for (const key of Object.keys(a)) {
    const value = a[key]
    if (value === undefined) continue
    if (!Object.hasOwn(b, key) || !sameJson(value, b[key])) return false
    surplus++
  }
  for (const key of Object.keys(b)) if (b[key] !== undefined) surplus--
  return surplus === 0
}

/** A client's text in a message: bounded. */
export function short(text: string): string {
  return (text.length > 200 ? `${text.slice(0, 200)}...` : text).toWellFormed()
}

/** The greatest of the numbers, but at least `floor`. (`Math.max(...)` has a limit on its arguments.) */
export function highest(numbers: Iterable<number>, floor: number): number {
  let result = floor
  for (const number of numbers) if (number > result) result = number
  return result
}
