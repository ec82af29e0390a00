/**
 * What the schemas of a table or view have been, looked up instead of walked: a table can have thousands of them, and one
 * commit can add a thousand more, each to be compared with all that are there. Made for a draft when it adds its first one.
 */
import { RawNumber } from './json.ts'
import { childFields, sameSchema, schemaIndex, type Schema } from './schema.ts'
import { primitiveOf, type StructField, type Type } from './types.ts'

export class SchemaHistory {
  readonly #bySignature = new Map<number, Schema[]>()
  /** The definition of each id in the newest schema that has it. */
  readonly #newest = new Map<number, StructField>()

  constructor(schemas: Iterable<Schema>) {
    for (const schema of [...schemas].toSorted((a, b) => (a['schema-id'] ?? 0) - (b['schema-id'] ?? 0))) this.add(schema)
  }

  /** Newer than all that are there. */
  add(schema: Schema): void {
    const key = signature(schema)
    const alike = this.#bySignature.get(key)
    if (alike === undefined) this.#bySignature.set(key, [schema])
    else alike.push(schema)
    this.#note(schema)
  }

  // Walked once, not indexed: the indexes of all schemas of an old table would fill the memory.
  #note(type: Type): void {
    for (const field of childFields(type)) {
      this.#newest.set(field.id, field)
      if (typeof field.type !== 'string') this.#note(field.type)
    }
  }

  /** The schema with the same fields and identifier fields; the oldest of several. */
  same(schema: Schema): Schema | undefined {
    return this.#bySignature.get(signature(schema))?.find((known) => sameSchema(known, schema))
  }

  /** What an id means: its definition in the current schema, else in the newest that has it. */
  definition(id: number, current?: Schema): StructField | undefined {
    const field = current === undefined ? undefined : schemaIndex(current).byId.get(id)?.field
    return field ?? this.#newest.get(id)
  }
}

const SIGNATURES = new WeakMap<Schema, number>()

/** Equal for equal schemas, and hardly ever for others; remembered, as schemas are shared between versions of metadata. */
function signature(schema: Schema): number {
  const known = SIGNATURES.get(schema)
  if (known !== undefined) return known
  const hash = new TextHash()
  addFields(hash, schema.fields)
  const identifiers = [...new Set(schema['identifier-field-ids'] ?? [])].toSorted((a, b) => a - b)
  hash.add(identifiers.join())
  const value = hash.value
  SIGNATURES.set(schema, value)
  return value
}

/** What `sameSchema` compares, as text. */
function addFields(hash: TextHash, fields: readonly StructField[]): void {
  for (const field of fields) {
    const { id, name, required, type } = field
    hash.add(
      `${id} ${required} ${name}\n${field.doc ?? ''}\n${textOf(field['initial-default'])}\n${textOf(field['write-default'])}`,
    )
    if (typeof type === 'string') hash.add(primitiveOf(type).text)
    else {
      hash.add(`${type.type}{`)
      addFields(hash, childFields(type))
      hash.add('}')
    }
  }
}

function textOf(value: unknown): string {
  if (value instanceof RawNumber) return String(Number(value))
  if (typeof value === 'object' && value !== null) return '{}'
  return String(value ?? null)
}

/** 53 bits over text, by two multiplicative hashes. Two schemas that are made to collide are compared, and nothing else happens. */
class TextHash {
  #a = 0x9e3779b9
  #b = 0x85ebca6b

  add(text: string): void {
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i)
      this.#a = Math.imul(this.#a ^ code, 0x01000193)
      this.#b = Math.imul(this.#b ^ code, 0x5bd1e995) ^ (this.#b >>> 15)
    }
  }

  get value(): number {
    return (this.#a >>> 0) * 0x200000 + (this.#b >>> 11)
  }
}
