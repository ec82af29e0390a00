/**
 * Checks of the shape of parsed JSON, with messages that name the place, what was expected and what was found. Content is
 * quoted only when short, so that a hostile document cannot fill a log.
 */
import { badRequest } from './errors.ts'
import { isInt } from './long.ts'
import { RawNumber } from './json.ts'

/** What a value is, for a message. */
export function describe(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'an array'
  if (value instanceof RawNumber) return short(value.source)
  if (typeof value === 'string') return JSON.stringify(short(value))
  if (typeof value === 'object') return 'an object'
  return short(String(value))
}

function short(text: string): string {
  return text.length > 100 ? `${text.slice(0, 100).toWellFormed()}...` : text
}

function wrong(where: string, expected: string, value: unknown): never {
  throw badRequest(`Invalid ${where}: expected ${expected}, got ${describe(value)}`)
}

export function expectObject(value: unknown, where: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof RawNumber) {
    wrong(where, 'an object', value)
  }
  return value as Readonly<Record<string, unknown>>
}

export function expectArray(value: unknown, where: string): readonly unknown[] {
  if (!Array.isArray(value)) wrong(where, 'an array', value)
  return value
}

export function expectString(value: unknown, where: string): string {
  if (typeof value !== 'string') wrong(where, 'a string', value)
  return value
}

export function expectBoolean(value: unknown, where: string): boolean {
  if (typeof value !== 'boolean') wrong(where, 'true or false', value)
  return value
}

/** An integer of 32 bits, as ids of fields, schemas, specs and orders are. */
export function expectInt(value: unknown, where: string): number {
  if (!isInt(value)) wrong(where, 'an integer of 32 bits', value)
  return value
}
