/**
 * Whether bytes are one JSON object and nothing else, found out without making values of them: for documents that are passed
 * on as they are. What `json.ts` refuses is refused here, and what it reads is accepted. Grammar: RFC 8259.
 */
import { isUtf8 } from 'node:buffer'
import { badRequest } from './errors.ts'
import { MAX_DEPTH, MAX_NUMBER_LENGTH, parse } from './json.ts'

/** Where a value stands, in bytes: `end` is behind it. */
export interface Span {
  readonly start: number
  readonly end: number
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const COLON = 0x3a
const MINUS = 0x2d
const PLUS = 0x2b
const DOT = 0x2e
const ZERO = 0x30
const NINE = 0x39
const LOWER_U = 0x75
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const LITERALS: ReadonlyMap<number, Uint8Array> = new Map(
  ['true', 'false', 'null'].map((word) => [word.charCodeAt(0), Buffer.from(word)]),
)
const ESCAPED = new Set([...'"\\/bfnrt'].map((char) => char.charCodeAt(0)))
/** Up to so many keys of an object each is compared with each. */
const FEW_KEYS = 16

/**
 * Where the object's members of the wanted names have their values.
 * @throws IcebergError 400 that says where and what was expected, and nothing of the content
 */
export function scanObject(bytes: Uint8Array, wanted: ReadonlySet<string>): ReadonlyMap<string, Span> {
  if (!isUtf8(bytes)) throw badRequest('Invalid JSON: not UTF-8')
  return new Scanner(bytes, wanted).document()
}

class Scanner {
  readonly #bytes: Uint8Array
  readonly #wanted: ReadonlySet<string>
  readonly #found = new Map<string, Span>()
  #position = 0
  #depth = 0
  /** Of the keys of all objects that are open: hashes of their text, and where they start. */
  readonly #hashes: number[] = []
  readonly #starts: number[] = []

  constructor(bytes: Uint8Array, wanted: ReadonlySet<string>) {
    this.#bytes = bytes
    this.#wanted = wanted
  }

  document(): ReadonlyMap<string, Span> {
    if (this.#next() !== OPEN_BRACE) this.#fail('an object')
    this.#object()
    this.#next()
    if (this.#position < this.#bytes.length) this.#fail('the end of the text')
    return this.#found
  }

  /** The first byte that is no white space, not consumed; 0 at the end. */
  #next(): number {
    const bytes = this.#bytes
    let position = this.#position
    let code = 0x20
    while (code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09) {
      code = position < bytes.length ? (bytes[position] as number) : 0
      position++
    }
    this.#position = position - 1
    return code
  }

  #value(code: number): void {
    if (code === QUOTE) this.#string()
    else if (code === OPEN_BRACE) this.#object()
    else if (code === OPEN_BRACKET) this.#array()
    else if (code === MINUS || (code >= ZERO && code <= NINE)) this.#number(code)
    else this.#literal(code)
  }

  #literal(code: number): void {
    const word = LITERALS.get(code)
    if (word === undefined) return this.#fail('a value')
    for (let at = 0; at < word.length; at++) if (this.#bytes[this.#position + at] !== word[at]) this.#fail('a value')
    this.#position += word.length
  }

  #enter(): void {
    this.#position++
    if (++this.#depth > MAX_DEPTH) this.#fail(`at most ${MAX_DEPTH} levels`)
  }

  #object(): void {
    this.#enter()
    const base = this.#hashes.length
    let code = this.#next()
    if (code !== CLOSE_BRACE) {
      for (;;) {
        if (code !== QUOTE) this.#fail('a key in double quotes')
        const start = this.#position
        this.#starts.push(start)
        this.#hashes.push(this.#key())
        const name = this.#depth === 1 ? this.#nameAt(start) : undefined
        if (this.#next() !== COLON) this.#fail('":"')
        this.#position++
        code = this.#next()
        const from = this.#position
        this.#value(code)
        if (name !== undefined) this.#found.set(name, { start: from, end: this.#position })
        code = this.#next()
        if (code === CLOSE_BRACE) break
        if (code !== COMMA) this.#fail('"," or "}"')
        this.#position++
        code = this.#next()
      }
    }
    this.#position++
    this.#depth--
    if (this.#hashes.length - base > 1) this.#checkKeys(base)
    this.#hashes.length = base
    this.#starts.length = base
  }

  #array(): void {
    this.#enter()
    let code = this.#next()
    if (code !== CLOSE_BRACKET) {
      for (;;) {
        this.#value(code)
        code = this.#next()
        if (code === CLOSE_BRACKET) break
        if (code !== COMMA) this.#fail('"," or "]"')
        this.#position++
        code = this.#next()
      }
    }
    this.#position++
    this.#depth--
  }

  /** The name of a member of the document itself, where it is wanted. */
  #nameAt(start: number): string | undefined {
    const name = this.#textOf(start, this.#position)
    return this.#wanted.has(name) ? name : undefined
  }

  #textOf(start: number, end: number): string {
    return parse(this.#bytes.subarray(start, end)) as string
  }

  /** Moves behind a string; answers a hash of its text. */
  #key(): number {
    const bytes = this.#bytes
    const start = this.#position
    let end = start + 1
    let hash = 0
    let code = bytes[end] as number
    while (code !== QUOTE && code !== BACKSLASH && code >= 0x20) {
      hash = (Math.imul(hash, 31) + code) | 0
      code = bytes[++end] as number
    }
    if (code === QUOTE) {
      this.#position = end + 1
      return hash
    }
    this.#string()
    hash = 0
    for (const byte of Buffer.from(this.#textOf(start, this.#position))) hash = (Math.imul(hash, 31) + byte) | 0
    return hash
  }

  #string(): void {
    const bytes = this.#bytes
    let end = this.#position + 1
    for (;;) {
      let code = bytes[end] as number
      while (code !== QUOTE && code !== BACKSLASH && code >= 0x20) code = bytes[++end] as number
      this.#position = end
      if (code === QUOTE) break
      if (code !== BACKSLASH) this.#fail('the end of a string, or an escape for a control character')
      this.#escape()
      end = this.#position
    }
    this.#position = end + 1
  }

  #escape(): void {
    const code = this.#bytes[this.#position + 1] as number
    if (code !== LOWER_U) {
      if (!ESCAPED.has(code)) this.#fail('an escape')
      this.#position += 2
      return
    }
    const unit = this.#unit()
    if (unit < 0xd800 || unit > 0xdfff) return
    const low = unit < 0xdc00 && this.#bytes[this.#position] === BACKSLASH ? this.#unit() : 0
    if (low < 0xdc00 || low > 0xdfff) this.#fail('a string without lone surrogates')
  }

  /** The number in an escape of a UTF-16 unit, which it moves behind. */
  #unit(): number {
    const digits = Buffer.from(this.#bytes.subarray(this.#position, this.#position + 6)).toString('latin1')
    if (!/^\\u[0-9a-fA-F]{4}$/.test(digits)) this.#fail('\\u and four hexadecimal digits')
    this.#position += 6
    return Number.parseInt(digits.slice(2), 16)
  }

  #number(first: number): void {
    const bytes = this.#bytes
    const start = this.#position
    if (first === MINUS) this.#position++
    const zero = bytes[this.#position] === ZERO
    const length = this.#digits()
    if (zero && length > 1) this.#fail('a number without leading zeros')
    if (bytes[this.#position] === DOT) {
      this.#position++
      this.#digits()
    }
    const code = bytes[this.#position]
    if (code === 0x65 || code === 0x45) {
      const sign = bytes[++this.#position]
      if (sign === PLUS || sign === MINUS) this.#position++
      this.#digits()
    }
    if (this.#position - start > MAX_NUMBER_LENGTH) this.#fail(`a number of at most ${MAX_NUMBER_LENGTH} characters`)
  }

  /** At least one; how many there were. */
  #digits(): number {
    const bytes = this.#bytes
    const start = this.#position
    let position = start
    let code = bytes[position] as number
    while (code >= ZERO && code <= NINE) code = bytes[++position] as number
    this.#position = position
    if (position === start) this.#fail('a digit')
    return position - start
  }

  /** The keys of the object whose first is at `base`. Equal hashes are no proof: then the texts are compared, once for all. */
  #checkKeys(base: number): void {
    const count = this.#hashes.length - base
    if (!(count <= FEW_KEYS ? hasEqualOfFew(this.#hashes, base) : hasEqual(this.#hashes.slice(base)))) return
    const [position, texts] = [this.#position, new Set<string>()]
    for (const start of this.#starts.slice(base)) {
      this.#position = start
      this.#string()
      texts.add(this.#textOf(start, this.#position))
    }
    this.#position = position
    if (texts.size < count) this.#fail('keys that differ in the object that ends here')
  }

  #fail(expected: string): never {
    const { length } = this.#bytes
    const where = this.#position >= length ? 'the end of the text' : `byte ${this.#position}`
    throw badRequest(`Invalid JSON at ${where}: expected ${expected}`)
  }
}

function hasEqualOfFew(hashes: readonly number[], base: number): boolean {
  for (let at = base + 1; at < hashes.length; at++) {
    for (let before = base; before < at; before++) if (hashes[at] === hashes[before]) return true
  }
  return false
}

function hasEqual(hashes: readonly number[]): boolean {
  const sorted = Int32Array.from(hashes).sort()
  for (let at = 1; at < sorted.length; at++) if (sorted[at] === sorted[at - 1]) return true
  return false
}
