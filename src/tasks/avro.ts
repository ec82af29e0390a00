/**
 * Reads one string out of each record of an Avro object container file (Avro 1.11 specification), skipping the rest without
 * making objects of it. Files may be hostile: a call holds one block at a time, bounds whatever a count or a length asks
 * for, and never spends more steps than the file has bytes.
 */
import { crc32, inflateRawSync, zstdDecompressSync } from 'node:zlib'
import { parse, type JsonValue } from '../iceberg/json.ts'
import { decompressSnappy } from './snappy.ts'

export interface AvroLimits {
  /** Of one block, once decompressed. */
  readonly maxBlockBytes: number
  /** Of all blocks, once decompressed. */
  readonly maxTotalBytes: number
}

/** The file is not what it should be; trying again will not help. */
export class AvroError extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'AvroError'
  }
}

class Cursor {
  readonly bytes: Buffer
  at = 0
  /** Fields of no bytes, in records of such records, could be visited for ever; files that mean well stay far below. */
  #visits: number

  constructor(bytes: Buffer) {
    this.bytes = bytes
    this.#visits = 16 * bytes.length + 100_000
  }

  visit(fields: number): void {
    this.#visits -= fields
    if (this.#visits < 0) throw new AvroError('the schema has more fields than the file has values')
  }

  skip(length: number): void {
    if (!(length >= 0 && length <= this.bytes.length - this.at)) throw new AvroError('a length leads out of the file')
    this.at += length
  }

  /** A long as a number: exact for every length and count that can be right. */
  long(): number {
    let value = 0
    for (let scale = 1, i = 0; i < 10; scale *= 128, i += 1) {
      const byte = this.bytes[this.at]
      if (byte === undefined) throw new AvroError('the file is cut off')
      this.at += 1
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value % 2 === 0 ? value / 2 : -(value + 1) / 2
    }
    throw new AvroError('a number has too many bytes')
  }

  take(length: number): Buffer {
    const start = this.at
    this.skip(length)
    return this.bytes.subarray(start, this.at)
  }
}

/** Moves over one value; what it finds on the wanted path goes into `found`. */
type Step = (cursor: Cursor, found: string[], depth: number) => void

const MAX_DEPTH = 64
const deeper = (depth: number): number => {
  if (depth >= MAX_DEPTH) throw new AvroError(`values are nested deeper than ${MAX_DEPTH}`)
  return depth + 1
}

const PRIMITIVES: Readonly<Record<string, Step>> = {
  null: () => {},
  boolean: (cursor) => cursor.skip(1),
  int: (cursor) => void cursor.long(),
  long: (cursor) => void cursor.long(),
  float: (cursor) => cursor.skip(4),
  double: (cursor) => cursor.skip(8),
  bytes: (cursor) => cursor.skip(cursor.long()),
  string: (cursor) => cursor.skip(cursor.long()),
}

const wantedString: Step = (cursor, found) => {
  found.push(cursor.take(cursor.long()).toString())
}

/** Blocks of an array or a map. Items without bytes are counted, not visited. */
function blocks(item: Step): Step {
  return (cursor, found, depth) => {
    for (let count = cursor.long(); count !== 0; count = cursor.long()) {
      if (count < 0) {
        cursor.skip(cursor.long())
        continue
      }
      for (let i = 0; i < count; i += 1) {
        const before = cursor.at
        item(cursor, found, deeper(depth))
        if (cursor.at === before) break
      }
    }
  }
}

interface SchemaObject {
  readonly [key: string]: JsonValue | undefined
}
const isObject = (value: unknown): value is SchemaObject => typeof value === 'object' && value !== null && !Array.isArray(value)

class Compiler {
  readonly #named = new Map<string, Step>()
  found = false

  /** `path` is what is wanted below here: the names of fields, empty for the value itself; `undefined` for nothing. */
  compile(schema: JsonValue | undefined, path: readonly string[] | undefined): Step {
    if (typeof schema === 'string') return this.#named.get(schema) ?? this.#primitive(schema, path)
    if (Array.isArray(schema)) return this.#union(schema, path)
    if (!isObject(schema)) throw new AvroError('the schema is not an Avro schema')
    const { type } = schema
    if (type === 'record' || type === 'error') return this.#record(schema, path)
    if (type === 'array') return blocks(this.compile(schema['items'], undefined))
    if (type === 'map') {
      const value = this.compile(schema['values'], undefined)
      return blocks((cursor, found, depth) => {
        cursor.skip(cursor.long())
        value(cursor, found, depth)
      })
    }
    if (type === 'fixed') {
      const size = schema['size']
      if (typeof size !== 'number' || size < 0) throw new AvroError('the schema has a fixed type without a size')
      return this.#remember(schema, (cursor) => cursor.skip(size))
    }
    if (type === 'enum') return this.#remember(schema, (cursor) => void cursor.long())
    return this.compile(type, path)
  }

  #primitive(name: string, path: readonly string[] | undefined): Step {
    const step = Object.hasOwn(PRIMITIVES, name) ? PRIMITIVES[name] : undefined
    if (step === undefined) throw new AvroError(`the schema names the unknown type ${name.slice(0, 100)}`)
    if (path?.length !== 0 || name !== 'string') return step
    this.found = true
    return wantedString
  }

  #union(branches: readonly JsonValue[], path: readonly string[] | undefined): Step {
    const steps = branches.map((branch) => this.compile(branch, path))
    return (cursor, found, depth) => {
      const step = steps[cursor.long()]
      if (step === undefined) throw new AvroError('a union has no such branch')
      step(cursor, found, deeper(depth))
    }
  }

  #record(schema: SchemaObject, path: readonly string[] | undefined): Step {
    const { fields } = schema
    if (!Array.isArray(fields)) throw new AvroError('the schema has a record without fields')
    const steps: Step[] = []
    const step = this.#remember(schema, (cursor, found, depth) => {
      const below = deeper(depth)
      cursor.visit(steps.length)
      for (const field of steps) field(cursor, found, below)
    })
    for (const field of fields as readonly JsonValue[]) {
      if (!isObject(field)) throw new AvroError('the schema has a field that is none')
      steps.push(this.compile(field['type'], path !== undefined && field['name'] === path[0] ? path.slice(1) : undefined))
    }
    return step
  }

  #remember(schema: SchemaObject, step: Step): Step {
    const { name, namespace } = schema
    if (typeof name === 'string') {
      if (!this.#named.has(name)) this.#named.set(name, step)
      if (typeof namespace === 'string') this.#named.set(`${namespace}.${name}`, step)
    }
    return step
  }
}

function decompress(codec: string, block: Buffer, maxBytes: number): Buffer {
  try {
    if (codec === 'null') return block
    if (codec === 'deflate') return inflateRawSync(block, { maxOutputLength: maxBytes })
    if (codec === 'zstandard') return zstdDecompressSync(block, { maxOutputLength: maxBytes })
    if (codec === 'snappy') {
      const data = decompressSnappy(block.subarray(0, Math.max(0, block.length - 4)), maxBytes)
      if (crc32(data) !== block.readUInt32BE(block.length - 4)) throw new RangeError('wrong checksum')
      return data
    }
  } catch (error) {
    throw new AvroError(`a block of codec ${codec} is broken, or has more than ${maxBytes} bytes`, error)
  }
  throw new AvroError(`the codec ${codec.slice(0, 50)} is not supported`)
}

const MAGIC = Buffer.from('Obj\u0001')
const SYNC_BYTES = 16
const MAX_SCHEMA_BYTES = 4 * 1024 * 1024

function readHeader(cursor: Cursor, path: readonly string[]): { codec: string; step: Step; sync: Buffer } {
  if (!cursor.take(Math.min(MAGIC.length, cursor.bytes.length)).equals(MAGIC)) throw new AvroError('not an Avro file')
  const metadata = new Map<string, Buffer>()
  for (let count = cursor.long(); count !== 0; count = cursor.long()) {
    if (count < 0) cursor.long()
    for (let i = Math.abs(count); i > 0; i -= 1) metadata.set(cursor.take(cursor.long()).toString(), cursor.take(cursor.long()))
  }
  const schema = metadata.get('avro.schema')
  if (schema === undefined) throw new AvroError('the file has no schema')
  let json
  try {
    json = parse(schema, { maxBytes: MAX_SCHEMA_BYTES, maxDepth: 2 * MAX_DEPTH })
  } catch (error) {
    throw new AvroError('the schema is not JSON', error)
  }
  const compiler = new Compiler()
  const step = compiler.compile(json, path)
  if (!compiler.found) throw new AvroError(`the schema has no string at ${path.join('.')}`)
  return { codec: metadata.get('avro.codec')?.toString() ?? 'null', step, sync: cursor.take(SYNC_BYTES) }
}

const CHUNK = 1000

/**
 * The strings at `path` (the names of nested fields) of all records, in order, some at a time. Records that have none
 * there are passed over.
 * @throws AvroError
 */
export function* avroStrings(file: Buffer, path: readonly string[], limits: AvroLimits): Generator<string[]> {
  const cursor = new Cursor(file)
  const { codec, step, sync } = readHeader(cursor, path)
  let total = 0
  while (cursor.at < file.length) {
    const count = cursor.long()
    const block = decompress(codec, cursor.take(cursor.long()), limits.maxBlockBytes)
    if (!cursor.take(SYNC_BYTES).equals(sync)) throw new AvroError('a block does not end where it should')
    total += block.length
    if (block.length > limits.maxBlockBytes || total > limits.maxTotalBytes) throw new AvroError('the file has too many bytes')
    // A record with a string in it has at least one byte.
    if (count < 0 || count > block.length) throw new AvroError('a block has fewer bytes than records')
    const records = new Cursor(block)
    let found: string[] = []
    for (let i = 0; i < count; i += 1) {
      step(records, found, 0)
      if (found.length < CHUNK) continue
      yield found
      found = []
    }
    if (records.at !== block.length) throw new AvroError('a block has bytes behind its last record')
    yield found
  }
}
