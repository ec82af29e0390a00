/**
 * Names: of namespaces, tables and views, in JSON, in URLs and in storage keys. Any character may be part of a name but
 * those that would make two names look like one somewhere: control characters and lone surrogates. Wildcards and quotes
 * are names like any other; who writes them into a policy or a path encodes them there.
 */
import { badRequest } from './errors.ts'
import { describe, expectArray, expectObject, expectString } from './shape.ts'

export interface TableIdentifier {
  readonly namespace: readonly string[]
  readonly name: string
}

export const MAX_NAME_LENGTH = 256
export const MAX_LEVELS = 32
/** Joins the levels of a namespace in a storage key: no name can hold it. */
export const LEVEL_SEPARATOR = '\u001f'
const ENCODED_SEPARATOR = '%1F'

// eslint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u001f\u007f]/

/** Throws unless the text can name something. `what` is the noun of the message: Table name, Namespace level. */
export function checkName(value: unknown, what: string): asserts value is string {
  const name = expectString(value, what.toLowerCase())
  if (name === '') throw badRequest(`${what} must not be empty`)
  if (name.length > MAX_NAME_LENGTH)
    throw badRequest(`${what} has ${name.length} characters, at most ${MAX_NAME_LENGTH} are accepted`)
  if (name === '.' || name === '..') throw badRequest(`${what} must not be ${describe(name)}`)
  if (CONTROL.test(name)) throw badRequest(`${what} ${describe(name)} has a control character`)
  if (!name.isWellFormed()) throw badRequest(`${what} has a lone surrogate`)
}

/** Throws unless the value is a namespace of at least one level. */
export function checkNamespace(value: unknown): asserts value is string[] {
  const levels = expectArray(value, 'namespace')
  if (levels.length === 0) throw badRequest('Namespace must have at least one level')
  if (levels.length > MAX_LEVELS) throw badRequest(`Namespace has ${levels.length} levels, at most ${MAX_LEVELS} are accepted`)
  for (const level of levels) checkName(level, 'Namespace level')
}

/** Throws unless the value is the identifier of a table or view. */
export function checkIdentifier(value: unknown, what = 'Table'): asserts value is TableIdentifier {
  const identifier = expectObject(value, `${what.toLowerCase()} identifier`)
  checkNamespace(identifier['namespace'])
  checkName(identifier['name'], `${what} name`)
}

/** The storage key of a namespace. Keys of its descendants begin with it and the separator. */
export function namespaceKey(namespace: readonly string[]): string {
  return namespace.join(LEVEL_SEPARATOR)
}

/** The namespace of a storage key. */
export function namespaceOfKey(key: string): string[] {
  return key === '' ? [] : key.split(LEVEL_SEPARATOR)
}

/** Decodes one raw segment of a URL path as form encoding does, because clients encode so: `+` is a space. */
/** Whether a namespace is the other one or lies in it; all lie in the one without levels, the root. */
export const isWithinNamespace = (levels: readonly string[], outer: readonly string[]): boolean =>
  levels.length >= outer.length && outer.every((level, at) => level === levels[at])

export const isSameNamespace = (left: readonly string[], right: readonly string[]): boolean =>
  left.length === right.length && isWithinNamespace(left, right)

export function decodePathSegment(raw: string): string {
  // Most names need no decoding, and every request has some: 20 times cheaper.
  if (!raw.includes('%') && !raw.includes('+')) return raw
  try {
    return decodeURIComponent(raw.replaceAll('+', ' '))
  } catch {
    throw badRequest(`Invalid percent-encoding in ${describe(raw)}`)
  }
}

/** Encodes a name as one segment of a URL path. */
export function encodePathSegment(name: string): string {
  return encodeURIComponent(name)
}

/**
 * Reads a namespace from a raw segment of a URL path. `%1F` separates levels wherever it occurs; a segment without it is
 * split at the separator that the server advertised (in its encoded spelling, such as `%2E`). Levels are decoded after the
 * split, so that an encoded separator is part of a name. The levels are checked.
 */
export function decodeNamespacePath(raw: string, separator: string = ENCODED_SEPARATOR): string[] {
  const levels = splitLevels(raw, separator).map(decodePathSegment)
  checkNamespace(levels)
  return levels
}

function splitLevels(raw: string, separator: string): string[] {
  if (separator === ENCODED_SEPARATOR && !raw.includes('%')) return [raw]
  const standard = raw.split(/%1f/i)
  if (standard.length > 1 || separator === '') return standard
  return normalizeEscapes(raw).split(normalizeEscapes(separator))
}

/** Escapes may be spelled in either case: `%2e` is `%2E`. */
function normalizeEscapes(text: string): string {
  return text.replace(/%[0-9a-f]{2}/gi, (escape) => escape.toUpperCase())
}

/** The inverse of `decodeNamespacePath`. */
export function encodeNamespacePath(namespace: readonly string[]): string {
  return namespace.map(encodePathSegment).join(ENCODED_SEPARATOR)
}
