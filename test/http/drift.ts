/**
 * Does an answer say what the specification says it must? The schemas are compiled from the specification's own yaml, so
 * that our types and the specification cannot drift apart unnoticed. Where the yaml contradicts itself or the reference
 * implementation, the correction is named in here, with its reason.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import formats from 'ajv-formats'
import { parse } from 'yaml'
import type { Availability } from '../services/require.ts'

const SHARED = process.env['PANGOLIN_SHARED'] || join(import.meta.dirname, '..', '..', '..', 'shared')
const FILE = join(SHARED, 'openapi', 'rest-catalog-open-api.yaml')

export interface Answer {
  readonly method: string
  /** With or without a query; percent-encoded as it was sent. */
  readonly path: string
  readonly status: number
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly body: string
}

export interface Verdict {
  readonly operationId: string
  /** As `endpoints` of the configuration spells it: `GET /v1/{prefix}/namespaces`. */
  readonly endpoint: string
  /** What the answer has wrong; empty when it conforms. */
  readonly problems: readonly string[]
}

export interface Specification {
  /** `endpoint` to operationId. */
  readonly operations: ReadonlyMap<string, string>
  /** `undefined` when the request is not for an operation of the specification. */
  check(answer: Answer): Verdict | undefined
}

// oxlint-disable-next-line no-explicit-any -- documents of any shape are the subject here
type Json = { [key: string]: any }

interface Operation {
  readonly method: string
  readonly endpoint: string
  readonly operationId: string
  readonly pattern: RegExp
  readonly responses: Json
}

/** Statuses of HTTP itself and of Idempotency-Key, which any operation may answer; their body is the usual error. */
const GENERAL_STATUSES = new Set([405, 408, 409, 413, 415, 422, 429, 431])
/** Fields that more than the specification's answer has. A commit answers what a load does, as the reference does. */
const MORE_FIELDS: Readonly<Record<string, readonly string[]>> = { updateTable: ['config'] }
const ERROR_SCHEMA = '#/components/schemas/IcebergErrorResponse'

export function specification(): Availability<Specification> {
  if (!existsSync(FILE)) return { missing: 'the Iceberg REST specification is not at hand (PANGOLIN_SHARED names its folder)' }
  const document = corrected(parse(readFileSync(FILE, 'utf8')) as Json)
  const ajv = new Ajv2020({ strict: false, allErrors: true, validateSchema: false, discriminator: false })
  formats.default(ajv)
  ajv.addSchema(document, 'specification')
  const operations = listOperations(document)
  const validator = (pointer: string): ValidateFunction => {
    const validate = ajv.getSchema(`specification${pointer}`)
    if (validate === undefined) throw new Error(`the specification has no ${pointer}`)
    return validate
  }
  return {
    value: {
      operations: new Map(operations.map(({ endpoint, operationId }) => [endpoint, operationId])),
      check(answer) {
        const path = answer.path.split('?')[0]!
        const operation = operations.find(({ method, pattern }) => method === answer.method && pattern.test(path))
        if (operation === undefined) return undefined
        const { endpoint, operationId } = operation
        return { endpoint, operationId, problems: problems(document, operation, answer, validator) }
      },
    },
  }
}

function listOperations(document: Json): Operation[] {
  return Object.entries(document['paths'] as Json).flatMap(([template, item]) =>
    Object.entries(item as Json)
      .filter(([, operation]) => operation.operationId !== undefined)
      .map(([verb, operation]) => {
        const method = verb.toUpperCase()
        // The prefix is the server's to give or not; a client's URI may also end in /v1/{catalog} already.
        const path = template.replace('/v1/{prefix}/', '/v1/(?:[^/]+/(?:v1/)?)?').replace(/\{[^}]+\}/g, '[^/]+')
        const pattern = new RegExp(`^(?:/v1/[^/]+(?=/v1/(?:config|oauth)))?${path}$`)
        return {
          method,
          endpoint: `${method} ${template}`,
          operationId: operation.operationId,
          pattern,
          responses: operation.responses,
        }
      }),
  )
}

function problems(
  document: Json,
  operation: Operation,
  answer: Answer,
  validator: (pointer: string) => ValidateFunction,
): string[] {
  const { status, body } = answer
  const declared = operation.responses[status] ?? (status >= 500 ? operation.responses['5XX'] : undefined)
  if (declared === undefined && !GENERAL_STATUSES.has(status)) return [`status ${status} is not one of ${operation.operationId}`]
  const bodiless = answer.method === 'HEAD' || status === 204 || status === 304
  if (bodiless) return body === '' ? [] : [`a body where none may be (${body.length} characters)`]
  const response: Json = declared?.$ref === undefined ? declared : resolve(document, declared.$ref)
  const schema: Json = response?.['content']?.['application/json']?.schema ?? { $ref: ERROR_SCHEMA }
  if (!/^application\/json\b/.test(answer.headers['content-type'] ?? ''))
    return [`content type ${answer.headers['content-type']}`]
  let value: unknown
  try {
    // Rounded 64-bit integers are integers still, which is all that a schema asks.
    value = JSON.parse(body)
  } catch (error) {
    return [`the body is no JSON: ${String(error)}`]
  }
  const validate = validator(schema['$ref'])
  if (!validate(value))
    return (validate.errors ?? []).map((error) => `${error.instancePath} ${error.message} ${JSON.stringify(error.params)}`)
  return undeclared(document, schema, value, MORE_FIELDS[operation.operationId])
}

/** Schemas allow any other field. Ours has none at the top of an answer that the specification does not name. */
function undeclared(document: Json, schema: Json, value: unknown, more: readonly string[] = []): string[] {
  const known = new Set<string>(more)
  const collect = (node: Json): boolean => {
    if (node['$ref'] !== undefined) return collect(resolve(document, node['$ref']))
    for (const name of Object.keys(node['properties'] ?? {})) known.add(name)
    const parts: Json[] = [...(node['allOf'] ?? []), ...(node['oneOf'] ?? []), ...(node['anyOf'] ?? [])]
    return parts.map(collect).every(Boolean) && node['additionalProperties'] === undefined
  }
  if (!collect(schema) || typeof value !== 'object' || value === null || Array.isArray(value)) return []
  return Object.keys(value)
    .filter((name) => !known.has(name))
    .map((name) => `the field ${name} is not in the specification`)
}

function resolve(document: Json, reference: string): Json {
  const steps = reference.replace(/^#\//, '').split('/')
  return steps.reduce((node, step) => node[step.replaceAll('~1', '/').replaceAll('~0', '~')], document)
}

function corrected(document: Json): Json {
  // `nullable` is OpenAPI 3.0; the document calls itself 3.1, where only the type list says it.
  const withNull = (node: unknown): unknown => {
    if (Array.isArray(node)) return node.map(withNull)
    if (typeof node !== 'object' || node === null) return node
    const copy: Json = Object.fromEntries(Object.entries(node).map(([key, value]) => [key, withNull(value)]))
    return copy['nullable'] === true && typeof copy['type'] === 'string' ? { ...copy, type: [copy['type'], 'null'] } : copy
  }
  const result = withNull(document) as Json
  const schemas = result['components']['schemas']
  // "variant" is a primitive type, which is any string, and the variant type; 12 is an int, a long and a float: that exactly
  // one alternative matches can't hold.
  for (const name of ['Type', 'PrimitiveTypeValue']) {
    const { oneOf, ...rest } = schemas[name]
    schemas[name] = { ...rest, anyOf: oneOf }
  }
  // Some answers of views declare the bare model; their own examples, and the reference implementation, send the response.
  for (const item of Object.values(result['paths'] as Json)) {
    for (const operation of Object.values(item as Json)) {
      for (const response of Object.values((operation.responses ?? {}) as Json)) {
        const content = response.content?.['application/json']
        if (content?.schema?.$ref === '#/components/schemas/ErrorModel') content.schema = { $ref: ERROR_SCHEMA }
      }
    }
  }
  return result
}
