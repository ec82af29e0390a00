/**
 * Says what is wrong with a value that a schema refused. The validator's own explanation walks everything, to the end, and
 * takes seconds over a hostile document of megabytes; this one goes straight down to the first fault.
 */
import type { TSchema } from 'typebox'
import { Compile, type Validator } from 'typebox/compile'

export interface Fault {
  /** A JSON pointer; empty for the value itself. */
  readonly path: string
  readonly message: string
}

/** What schemas of ours are made of. */
interface Parts {
  readonly type?: string
  readonly const?: unknown
  readonly anyOf?: readonly TSchema[]
  readonly required?: readonly string[]
  readonly properties?: Readonly<Record<string, TSchema>>
  readonly patternProperties?: Readonly<Record<string, TSchema>>
  readonly items?: TSchema
  readonly minItems?: number
  readonly maxItems?: number
  readonly additionalProperties?: unknown
}

const validators = new WeakMap<TSchema, Validator>()

/** The schema's validator, compiled when it is first used: a start that compiles every schema would be a slower start. */
export function validatorOf(schema: TSchema): Validator {
  let validator = validators.get(schema)
  if (validator === undefined) {
    validator = Compile(schema) as unknown as Validator
    validators.set(schema, validator)
  }
  return validator
}

/** The first fault of a value that `schema` refuses. */
export function firstFault(schema: TSchema, value: unknown, path = ''): Fault {
  const parts = schema as Parts
  const wanted = parts.anyOf?.filter((option) => (option as Parts).type !== 'null')
  if (wanted?.length === 1 && value !== null) return firstFault(wanted[0]!, value, path)
  const missing = missingFields(parts, value)
  if (missing.length > 0) return { path, message: `must have required properties ${missing.join(', ')}` }
  for (const [key, part, item] of inside(parts, value)) {
    if (!validatorOf(part).Check(item)) return firstFault(part, item, `${path}/${escaped(key)}`)
  }
  return { path, message: ownFault(parts, schema, value) }
}

const escaped = (key: string): string => key.replaceAll('~', '~0').replaceAll('/', '~1')

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** What is inside of the value, with the schema for each; nothing where the value itself is of the wrong kind or size. */
function* inside(parts: Parts, value: unknown): Generator<readonly [key: string, schema: TSchema, item: unknown]> {
  if (Array.isArray(value)) {
    const tooMany = value.length > (parts.maxItems ?? Infinity)
    if (parts.items !== undefined && !tooMany) for (const [i, item] of value.entries()) yield [String(i), parts.items, item]
    return
  }
  if (!isObject(value)) return
  for (const [key, schema] of Object.entries(parts.properties ?? {})) {
    if (Object.hasOwn(value, key)) yield [key, schema, value[key]]
  }
  const [any] = Object.values(parts.patternProperties ?? {})
  if (any !== undefined) for (const key of Object.keys(value)) yield [key, any, value[key]]
}

function missingFields(parts: Parts, value: unknown): readonly string[] {
  return isObject(value) ? (parts.required ?? []).filter((key) => !Object.hasOwn(value, key)) : []
}

/** What is wrong with the value as a whole. */
function ownFault(parts: Parts, schema: TSchema, value: unknown): string {
  if (Array.isArray(value) && parts.type === 'array') {
    if (value.length > (parts.maxItems ?? Infinity)) return `must not have more than ${parts.maxItems} items`
    if (value.length < (parts.minItems ?? 0)) return `must not have fewer than ${parts.minItems} items`
  }
  if (isObject(value) && parts.additionalProperties === false) {
    const known = Object.keys(parts.properties ?? {})
    const unknown = Object.keys(value).find((key) => !known.includes(key))
    if (unknown !== undefined) return `has the field ${unknown.slice(0, 60).toWellFormed()}, expected only ${known.join(', ')}`
  }
  const choices = (parts.anyOf ?? [schema]).map((option) => (option as Parts).const).filter((choice) => choice !== undefined)
  if (choices.length > 0 && (choices.length > 1 || parts.anyOf === undefined)) {
    return `must be ${choices.length > 1 ? 'one of ' : ''}${choices.map((choice) => `"${String(choice)}"`).join(', ')}`
  }
  // Of another kind than the schema's, or a single value: there is nothing to walk.
  const [first] = validatorOf(schema).Errors(value)
  return first?.message ?? 'is malformed'
}
