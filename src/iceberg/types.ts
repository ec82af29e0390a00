/**
 * The type grammar of the table format. A type is its JSON: a text for a primitive, an object for struct, list and map.
 * Texts are read by one linear pass, never by a regular expression that could backtrack, and two texts are one type when
 * their canonical texts are equal: `decimal(9,2)` and `decimal(9, 2)`. Spec: "Schemas and Data Types", Appendix C.
 */
import { badRequest } from './errors.ts'
import type { JsonValue } from './json.ts'
import { MAX_INT } from './long.ts'
import { describe } from './shape.ts'

export { checkDefaultValue } from './single-value.ts'

// Aliases, not interfaces: only an alias is assignable to the JSON of a document that holds it.
export type StructField = {
  readonly id: number
  readonly name: string
  readonly required: boolean
  readonly type: Type
  readonly doc?: string | null
  readonly 'initial-default'?: JsonValue
  readonly 'write-default'?: JsonValue
}

export type StructType = {
  readonly type: 'struct'
  readonly fields: readonly StructField[]
}

export type ListType = {
  readonly type: 'list'
  readonly 'element-id': number
  readonly element: Type
  readonly 'element-required': boolean
}

export type MapType = {
  readonly type: 'map'
  readonly 'key-id': number
  readonly key: Type
  readonly 'value-id': number
  readonly value: Type
  readonly 'value-required': boolean
}

export type Type = string | StructType | ListType | MapType

export type PrimitiveKind =
  | 'boolean'
  | 'int'
  | 'long'
  | 'float'
  | 'double'
  | 'date'
  | 'time'
  | 'timestamp'
  | 'timestamptz'
  | 'timestamp_ns'
  | 'timestamptz_ns'
  | 'string'
  | 'uuid'
  | 'fixed'
  | 'binary'
  | 'decimal'
  | 'variant'
  | 'geometry'
  | 'geography'
  | 'unknown'

export interface Primitive {
  readonly kind: PrimitiveKind
  /** Equal for equal types, and nothing else is: compare this. Also a valid text of the type. */
  readonly text: string
  /** Of `fixed`. */
  readonly length?: number
  /** Of `decimal`. */
  readonly precision?: number
  readonly scale?: number
  /** Of `geometry` and `geography`. */
  readonly crs?: string
  /** Of `geography`. */
  readonly algorithm?: string
}

const SIMPLE_KINDS: readonly PrimitiveKind[] = [
  'boolean',
  'int',
  'long',
  'float',
  'double',
  'date',
  'time',
  'timestamp',
  'timestamptz',
  'timestamp_ns',
  'timestamptz_ns',
  'string',
  'uuid',
  'binary',
  'variant',
  'unknown',
]
const SIMPLE: ReadonlyMap<string, Primitive> = new Map(SIMPLE_KINDS.map((kind) => [kind, { kind, text: kind }]))

const DEFAULT_CRS = 'ogc:crs84'
const DEFAULT_ALGORITHM = 'spherical'
const ALGORITHMS: ReadonlySet<string> = new Set(['spherical', 'vincenty', 'thomas', 'andoyer', 'karney'])
const MAX_PRECISION = 38
/** Long enough for any coordinate reference system by name. */
const MAX_TEXT = 1024

/** The primitive of a text, or undefined when the text is none. */
export function findPrimitive(text: string): Primitive | undefined {
  const simple = SIMPLE.get(text)
  if (simple !== undefined || text.length > MAX_TEXT) return simple
  const lower = text.toLowerCase()
  if (lower.startsWith('decimal(')) return decimal(lower)
  if (lower.startsWith('fixed[')) return fixed(lower)
  if (lower.startsWith('geometry')) return geometry(lower)
  if (lower.startsWith('geography')) return geography(lower)
  return SIMPLE.get(lower)
}

/** The primitive of a text. Throws for anything else. */
export function primitiveOf(text: string): Primitive {
  const primitive = findPrimitive(text)
  if (primitive === undefined) throw badRequest(`Invalid type: ${describe(text)} is no primitive type of the table format`)
  return primitive
}

/**
 * The text as every reader takes it: as it was sent where it is that already, otherwise as the reference implementation writes
 * it, with names in lower case. A coordinate reference system stays as it was spelled. Throws for what is no primitive.
 */
export function writtenType(text: string): string {
  const primitive = primitiveOf(text)
  if (primitive.kind === 'decimal') return text.replace(',', ', ') === primitive.text ? text : primitive.text
  if (primitive.crs === undefined || primitive.text === primitive.kind) return primitive.text
  const sent = parameters(text, primitive.kind.length) ?? ''
  if (primitive.algorithm === undefined) return `geometry(${sent})`
  const [crs = '', algorithm] = sent.split(',').map((part) => part.trim())
  // PyIceberg puts the name in quotes, which belong to it for all others, and reads no bare algorithm behind them.
  const unsaid = algorithm === undefined || (primitive.algorithm === DEFAULT_ALGORITHM && /^['"]/.test(crs))
  return unsaid ? `geography(${crs})` : `geography(${crs}, ${primitive.algorithm})`
}

/** The text between the prefix and the closing character, if the text ends with that. */
function inside(text: string, prefix: number, close: string): string | undefined {
  return text.endsWith(close) ? text.slice(prefix, -1) : undefined
}

function naturalNumber(text: string | undefined): number | undefined {
  const digits = text?.trim() ?? ''
  if (digits.length === 0 || digits.length > 10) return undefined
  let value = 0
  for (let i = 0; i < digits.length; i++) {
    const digit = digits.charCodeAt(i) - 0x30
    if (digit < 0 || digit > 9) return undefined
    value = value * 10 + digit
  }
  return value
}

function decimal(text: string): Primitive | undefined {
  const parts = inside(text, 'decimal('.length, ')')?.split(',', 3)
  if (parts?.length !== 2) return undefined
  const precision = naturalNumber(parts[0])
  const scale = naturalNumber(parts[1])
  if (precision === undefined || scale === undefined || precision > MAX_PRECISION || scale > MAX_INT) return undefined
  return { kind: 'decimal', text: `decimal(${precision}, ${scale})`, precision, scale }
}

function fixed(text: string): Primitive | undefined {
  const length = naturalNumber(inside(text, 'fixed['.length, ']'))
  if (length === undefined || length > MAX_INT) return undefined
  return { kind: 'fixed', text: `fixed[${length}]`, length }
}

/** What stands in the parentheses of a geo type: undefined for none, null when the text is malformed. */
function parameters(text: string, prefix: number): string | undefined | null {
  const rest = text.slice(prefix).trim()
  if (rest === '') return undefined
  return rest.startsWith('(') && rest.endsWith(')') ? rest.slice(1, -1).trim() : null
}

function geometry(text: string): Primitive | undefined {
  const crs = parameters(text, 'geometry'.length)
  if (crs === null || crs === '' || crs?.includes(')') === true) return undefined
  const name = crs ?? DEFAULT_CRS
  return { kind: 'geometry', text: name === DEFAULT_CRS ? 'geometry' : `geometry(${name})`, crs: name }
}

function geography(text: string): Primitive | undefined {
  const inner = parameters(text, 'geography'.length)
  if (inner === null) return undefined
  const comma = inner?.indexOf(',') ?? -1
  const crs = inner === undefined ? DEFAULT_CRS : comma < 0 ? inner : inner.slice(0, comma).trim()
  const algorithm = inner === undefined || comma < 0 ? DEFAULT_ALGORITHM : inner.slice(comma + 1).trim()
  if (crs === '' || crs.includes(')') || !ALGORITHMS.has(algorithm)) return undefined
  const plain = crs === DEFAULT_CRS && algorithm === DEFAULT_ALGORITHM
  return { kind: 'geography', text: plain ? 'geography' : `geography(${crs}, ${algorithm})`, crs, algorithm }
}

const SINCE_V3: ReadonlySet<PrimitiveKind> = new Set<PrimitiveKind>([
  'timestamp_ns',
  'timestamptz_ns',
  'variant',
  'geometry',
  'geography',
  'unknown',
])

/** The lowest format version that has this type, looking at the type alone and not at what is nested in it. */
export function minFormatVersionOf(primitive: Primitive): 1 | 3 {
  return SINCE_V3.has(primitive.kind) ? 3 : 1
}

/** The lowest format version in which a column may have this type. */
export function minFormatVersion(type: Type): 1 | 3 {
  if (typeof type === 'string') return minFormatVersionOf(primitiveOf(type))
  if (type.type === 'list') return minFormatVersion(type.element)
  if (type.type === 'map') return minFormatVersion(type.key) === 3 ? 3 : minFormatVersion(type.value)
  return type.fields.some((field) => minFormatVersion(field.type) === 3) ? 3 : 1
}

/**
 * Whether a column of one type may get the other. Of nested types only the kind is looked at: what is nested in them has
 * ids of its own and is compared by them. Spec: "Schema Evolution".
 */
export function isPromotionAllowed(from: Type, to: Type, formatVersion: number): boolean {
  const source = typeof from === 'string' ? primitiveOf(from) : undefined
  if (source?.kind === 'unknown' && formatVersion >= 3) return true
  if (source === undefined || typeof to !== 'string') return kindOf(from) === kindOf(to)
  const target = primitiveOf(to)
  if (source.text === target.text) return true
  if (source.kind === 'int') return target.kind === 'long'
  if (source.kind === 'float') return target.kind === 'double'
  if (source.kind === 'decimal') {
    return target.kind === 'decimal' && source.scale === target.scale && (source.precision ?? 0) <= (target.precision ?? 0)
  }
  if (source.kind === 'date') return formatVersion >= 3 && (target.kind === 'timestamp' || target.kind === 'timestamp_ns')
  return false
}

/** `primitive`, `struct`, `list` or `map`. */
export function kindOf(type: Type): 'primitive' | 'struct' | 'list' | 'map' {
  return typeof type === 'string' ? 'primitive' : type.type
}

/** The type in a message: nested types by their kind. */
export function displayType(type: Type): string {
  return typeof type === 'string' ? type : type.type
}
