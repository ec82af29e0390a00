/**
 * The only reader and writer of Iceberg JSON. The built-in parser rounds 64-bit ids, forgets how a number was spelled and
 * takes the last of two equal keys; this one keeps integers exact (`Long`), keeps the text of numbers that JavaScript would
 * spell otherwise (`RawNumber`), and refuses what two readers could understand differently: duplicate keys, broken UTF-8,
 * lone surrogates, a byte order mark, anything after the value. Grammar: RFC 8259.
 */
import { badRequest, IcebergError } from './errors.ts'
import { normalizeLong } from './long.ts'
import type { Long } from './long.ts'

/** A number whose text `String(Number(text))` would not give back: `1.0`, `1e3`, `-0`. */
export class RawNumber {
  readonly source: string

  constructor(source: string) {
    this.source = source
  }

  valueOf(): number {
    return Number(this.source)
  }

  toString(): string {
    return this.source
  }
}

/** Of two numbers, `number` may also be a fraction here. An integer literal beyond 64 bits is a bigint as well. */
export type JsonValue = null | boolean | string | Long | RawNumber | readonly JsonValue[] | JsonObject
export interface JsonObject {
  readonly [key: string]: JsonValue | undefined
}

export interface ParseLimits {
  /** Nesting of arrays and objects. */
  readonly maxDepth?: number
  /** Length of the input in bytes (characters, for a string). */
  readonly maxBytes?: number
  /** Values of all levels together: a small value takes ten times its text in memory. */
  readonly maxValues?: number
  /** Keys of one object: beyond some thousands each costs many times what it does in a small one. */
  readonly maxKeys?: number
}

export const MAX_DEPTH = 512
/** More digits than any number of the format needs, few enough that reading them costs nothing. */
export const MAX_NUMBER_LENGTH = 1000

const DECODER = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Reads exactly one JSON value. Throws a BadRequestException that says where and what was expected. */
export function parse(input: string | Uint8Array, limits: ParseLimits = {}): JsonValue {
  if (limits.maxBytes !== undefined && input.length > limits.maxBytes) {
    throw new IcebergError('ContentTooLargeException', `JSON of ${input.length} bytes, at most ${limits.maxBytes} are accepted`)
  }
  return new Parser(decode(input), limits).document()
}

function decode(input: string | Uint8Array): string {
  if (typeof input === 'string') {
    if (!input.isWellFormed()) throw badRequest('Invalid JSON: the text has a lone surrogate')
    return input
  }
  try {
    return DECODER.decode(input)
  } catch {
    throw badRequest('Invalid JSON: not UTF-8')
  }
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const COLON = 0x3a
const MINUS = 0x2d
const DOT = 0x2e
const ZERO = 0x30
const NINE = 0x39
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d

/** The UTF-16 codes and a zero: reading them is far cheaper than `charCodeAt` on a string that came from a decoder. */
function codesOf(text: string): Uint16Array {
  const codes = new Uint16Array(text.length + 1)
  Buffer.from(codes.buffer).write(text, 'utf16le')
  return codes
}

class Parser {
  private readonly text: string
  private readonly codes: Uint16Array
  private readonly limits: Required<Omit<ParseLimits, 'maxBytes'>>
  private position = 0
  private depth = 0
  private values = 0

  constructor(text: string, limits: ParseLimits) {
    this.text = text
    this.codes = codesOf(text)
    this.limits = { maxDepth: MAX_DEPTH, maxValues: Infinity, maxKeys: Infinity, ...limits }
  }

  document(): JsonValue {
    const value = this.value(this.next())
    this.next()
    if (this.position < this.text.length) this.fail('the end of the text')
    return value
  }

  /** The first character that is no white space, not consumed; 0 at the end. */
  private next(): number {
    const codes = this.codes
    let position = this.position
    let code = codes[position] as number
    while (code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09) code = codes[++position] as number
    this.position = position
    return code
  }

  private value(code: number): JsonValue {
    if (++this.values > this.limits.maxValues) throw badRequest(`Invalid JSON: more than ${this.limits.maxValues} values`)
    if (code === QUOTE) return this.string()
    if (code === OPEN_BRACE) return this.object()
    if (code === OPEN_BRACKET) return this.array()
    if (code === MINUS || (code >= ZERO && code <= NINE)) return this.number(code)
    if (code === 0x74) return this.literal('true', true)
    if (code === 0x66) return this.literal('false', false)
    if (code === 0x6e) return this.literal('null', null)
    return this.fail('a value')
  }

  private literal<T>(word: string, value: T): T {
    if (!this.text.startsWith(word, this.position)) this.fail(`"${word}"`)
    this.position += word.length
    return value
  }

  private enter(): void {
    this.position++
    if (++this.depth > this.limits.maxDepth)
      throw badRequest(`Invalid JSON at position ${this.position - 1}: nested deeper than ${this.limits.maxDepth} levels`)
  }

  private object(): JsonObject {
    this.enter()
    const object: Record<string, JsonValue> = {}
    let code = this.next()
    let keys = 0
    if (code !== CLOSE_BRACE) {
      for (;;) {
        if (++keys > this.limits.maxKeys) throw badRequest(`Invalid JSON: an object of more than ${this.limits.maxKeys} keys`)
        if (code !== QUOTE) this.fail('a key in double quotes')
        const start = this.position
        const key = this.string()
        // A parsed value is never undefined, so this cheap look-up rules out nearly every key; the rest are inherited names.
        if (object[key] !== undefined && Object.hasOwn(object, key)) this.duplicate(key, start)
        if (this.next() !== COLON) this.fail('":"')
        this.position++
        const value = this.value(this.next())
        if (key === '__proto__') define(object, key, value)
        else object[key] = value
        code = this.next()
        if (code === CLOSE_BRACE) break
        if (code !== COMMA) this.fail('"," or "}"')
        this.position++
        code = this.next()
      }
    }
    this.position++
    this.depth--
    return object
  }

  private array(): JsonValue[] {
    this.enter()
    const array: JsonValue[] = []
    let code = this.next()
    if (code !== CLOSE_BRACKET) {
      for (;;) {
        array.push(this.value(code))
        code = this.next()
        if (code === CLOSE_BRACKET) break
        if (code !== COMMA) this.fail('"," or "]"')
        this.position++
        code = this.next()
      }
    }
    this.position++
    this.depth--
    return array
  }

  private string(): string {
    const codes = this.codes
    const start = this.position + 1
    let end = start
    let code = codes[end] as number
    while (code !== QUOTE && code !== BACKSLASH && code >= 0x20) code = codes[++end] as number
    if (code === QUOTE) {
      this.position = end + 1
      return this.text.slice(start, end)
    }
    return this.escapedString(start, end)
  }

  private escapedString(start: number, firstStop: number): string {
    const text = this.text
    let result = ''
    let from = start
    let end = firstStop
    for (;;) {
      const code = text.charCodeAt(end)
      if (code === QUOTE) break
      if (code === BACKSLASH) {
        result += text.slice(from, end)
        this.position = end + 1
        result += this.escape()
        end = from = this.position
      } else if (code >= 0x20) {
        end++
      } else {
        this.position = end
        this.fail(end >= text.length ? 'the end of a string' : 'an escape for a control character')
      }
    }
    result += text.slice(from, end)
    if (!result.isWellFormed()) {
      this.position = start - 1
      this.fail('a string without lone surrogates')
    }
    this.position = end + 1
    return result
  }

  private escape(): string {
    const char = this.text.charAt(this.position)
    if (char === 'u') {
      const digits = this.text.slice(this.position + 1, this.position + 5)
      if (!/^[0-9a-fA-F]{4}$/.test(digits)) this.fail('four hexadecimal digits')
      this.position += 5
      return String.fromCharCode(Number.parseInt(digits, 16))
    }
    const plain = ESCAPES.get(char)
    if (plain === undefined) return this.fail('an escape')
    this.position++
    return plain
  }

  private number(first: number): Long | RawNumber {
    const codes = this.codes
    const start = this.position
    let position = start
    let code = first
    if (code === MINUS) code = codes[++position] as number
    const digits = position
    let value = 0
    while (code >= ZERO && code <= NINE) {
      value = value * 10 + (code - ZERO)
      code = codes[++position] as number
    }
    this.position = position
    const length = position - digits
    if (length === 0) this.fail('a digit')
    if (length > 1 && (codes[digits] as number) === ZERO) this.fail('a number without leading zeros')
    if (code === DOT || code === 0x65 || code === 0x45) return this.fraction(start, code)
    if (length <= 15) {
      if (first !== MINUS) return value
      return value === 0 ? new RawNumber('-0') : -value
    }
    return normalizeLong(BigInt(this.numberText(start)))
  }

  private fraction(start: number, first: number): number | RawNumber {
    let code = first
    if (code === DOT) {
      this.position++
      code = this.digits()
    }
    if (code === 0x65 || code === 0x45) {
      const sign = this.text.charCodeAt(++this.position)
      if (sign === 0x2b || sign === MINUS) this.position++
      this.digits()
    }
    const source = this.numberText(start)
    const value = Number(source)
    return String(value) === source ? value : new RawNumber(source)
  }

  /** At least one digit; answers the character after the last. */
  private digits(): number {
    const codes = this.codes
    const start = this.position
    let code = codes[this.position] as number
    while (code >= ZERO && code <= NINE) code = codes[++this.position] as number
    if (this.position === start) this.fail('a digit')
    return code
  }

  private numberText(start: number): string {
    if (this.position - start > MAX_NUMBER_LENGTH) {
      const length = this.position - start
      throw badRequest(
        `Invalid JSON at position ${start}: a number of ${length} characters, at most ${MAX_NUMBER_LENGTH} are accepted`,
      )
    }
    return this.text.slice(start, this.position)
  }

  private duplicate(key: string, position: number): never {
    const shown = key.length > 100 ? `${key.slice(0, 100).toWellFormed()}...` : key
    throw badRequest(`Invalid JSON at position ${position}: duplicate key ${JSON.stringify(shown)}`)
  }

  private fail(expected: string): never {
    const where = this.position >= this.text.length ? 'the end of the text' : `position ${this.position}`
    throw badRequest(`Invalid JSON at ${where}: expected ${expected}`)
  }
}

const ESCAPES: ReadonlyMap<string, string> = new Map(
  Object.entries({ '"': '"', '\\': '\\', '/': '/', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' }),
)

/** Assigning `__proto__` would set the prototype; a key of the document must stay a key. */
function define(object: Record<string, JsonValue>, key: string, value: JsonValue): void {
  Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true })
}

/** Compact JSON, exact: bigints as digits, `RawNumber` as it was written. Keys with the value undefined are left out. */
export function stringify(value: unknown): string {
  if (typeof value === 'string') return quote(value)
  if (typeof value === 'number') return numberText(value)
  if (value === null) return 'null'
  if (typeof value === 'object') {
    if (Array.isArray(value)) return arrayText(value)
    return value instanceof RawNumber ? value.source : objectText(value as Readonly<Record<string, unknown>>)
  }
  if (typeof value === 'boolean') return value ? 'true' : 'false'
  if (typeof value === 'bigint') return String(value)
  throw new TypeError(`Not a JSON value: ${typeof value}`)
}

function arrayText(array: readonly unknown[]): string {
  if (array.length === 0) return '[]'
  let text = '['
  let separator = ''
  for (const item of array) {
    text += separator + stringify(item)
    separator = ','
  }
  return text + ']'
}

function objectText(object: Readonly<Record<string, unknown>>): string {
  let text = '{'
  let separator = ''
  for (const key of Object.keys(object)) {
    const value = object[key]
    if (value === undefined) continue
    text += separator + quotedKey(key) + stringify(value)
    separator = ','
  }
  return text + '}'
}

function numberText(value: number): string {
  if (!Number.isFinite(value)) throw new TypeError(`Not a JSON value: ${value}`)
  return String(value)
}

// eslint-disable-next-line no-control-regex
const NEEDS_ESCAPE = /["\\\u0000-\u001f\ud800-\udfff]/

function quote(text: string): string {
  return NEEDS_ESCAPE.test(text) ? JSON.stringify(text) : `"${text}"`
}

/** Each text as JSON between `before` and `after`, with commas between. */
export function quoteEach(texts: readonly string[], before: string, after: string): string {
  if (texts.length === 0) return ''
  if (NEEDS_ESCAPE.test(texts.join(''))) return texts.map((text) => before + quote(text) + after).join(',')
  return `${before}"${texts.join(`"${after},${before}"`)}"${after}`
}

/** Metadata repeats a few dozen keys; their quoted text is kept. Bounded, because property keys are the user's. */
const KEYS = new Map<string, string>()
const MAX_KEYS = 512

/** With the colon behind it. */
export function quotedKey(key: string): string {
  const known = KEYS.get(key)
  if (known !== undefined) return known
  const text = `${quote(key)}:`
  if (KEYS.size < MAX_KEYS && key.length <= 64) KEYS.set(key, text)
  return text
}
