/**
 * Partition specs: checked, and bound to a table. Binding gives a spec the id of a compatible one or the next id, and each
 * of its fields an id that means one source and transform for the life of the table, because manifests refer to partition
 * fields by it. Spec: "Partitioning", "Partition Evolution"; reference: TableMetadata.Builder, PartitionSpec.
 */
import { highest } from './document.ts'
import { validationFailed } from './errors.ts'
import { findColumn } from './schema.ts'
import type { Schema } from './schema.ts'
import { expectArray, expectInt, expectObject, expectString } from './shape.ts'
import { checkSources, checkSourceShape, mapSources, sameSources, sourceIds, sourceKeys } from './source-columns.ts'
import type { SourceColumns } from './source-columns.ts'
import { parseTransform } from './transforms.ts'

export type PartitionField = SourceColumns & {
  readonly 'field-id': number
  readonly name: string
  readonly transform: string
}

export type PartitionSpec = {
  readonly 'spec-id': number
  readonly fields: readonly PartitionField[]
}

/** As a client sends it: ids are optional and may be changed. */
export type UnboundPartitionField = SourceColumns & {
  readonly 'field-id'?: number | null
  readonly name: string
  readonly transform: string
}
export type UnboundPartitionSpec = {
  readonly 'spec-id'?: number | null
  readonly fields: readonly UnboundPartitionField[]
}

export const FIRST_PARTITION_ID = 1000
/** Far beyond any real table, low enough that checks of every field against every other stay cheap. */
const MAX_FIELDS = 1000
/** Higher ids belong to metadata columns. */
const MAX_PARTITION_ID = 2147483446
/** The `last-partition-id` of a table that never had a partition field. */
export const NO_PARTITION_ID = FIRST_PARTITION_ID - 1
export const UNPARTITIONED: PartitionSpec = { 'spec-id': 0, fields: [] }

const describeField = (name: string): string => `partition field ${name}`

/** Whether two fields have one source, transform and name, whatever their ids. */
function sameField(a: UnboundPartitionField, b: UnboundPartitionField): boolean {
  return a.name === b.name && sameSources(a, b) && sameTransform(a.transform, b.transform)
}

function sameTransform(a: string, b: string): boolean {
  return a === b || parseTransform(a).text === parseTransform(b).text
}

/** Whether two specs partition alike: same sources, transforms and names in the same order, whatever the ids. */
export function samePartitionSpec(a: UnboundPartitionSpec, b: UnboundPartitionSpec): boolean {
  return (
    a.fields.length === b.fields.length && a.fields.every((field, i) => sameField(field, b.fields[i] as UnboundPartitionField))
  )
}

/** Checks the shape of a spec that exists or is sent. Old metadata has no field ids: see `withFieldIds`. */
export function checkPartitionSpecShape(spec: unknown): asserts spec is UnboundPartitionSpec {
  const object = expectObject(spec, 'partition spec')
  if (object['spec-id'] !== undefined && object['spec-id'] !== null) expectInt(object['spec-id'], 'spec-id of partition spec')
  const names = new Set<string>()
  expectArray(object['fields'], 'fields of partition spec').forEach((item, position) => {
    const field = expectObject(item, `partition field ${position}`)
    const name = expectString(field['name'], `name of partition field ${position}`)
    if (name === '') throw validationFailed(`Invalid partition spec: the name of partition field ${position} is empty`)
    if (names.has(name)) throw validationFailed(`Invalid partition spec: more than one field has the name ${name}`)
    names.add(name)
    if (field['field-id'] !== undefined && field['field-id'] !== null)
      expectInt(field['field-id'], `field-id of ${describeField(name)}`)
    parseTransform(expectString(field['transform'], `transform of ${describeField(name)}`))
    checkSourceShape(field, describeField(name))
  })
}

/**
 * Throws unless `spec` is a spec that a client may write for a table of this schema: known transforms on columns that they
 * take, names that are no other column's, no source and transform twice.
 */
export function checkPartitionSpec(spec: unknown, schema: Schema): asserts spec is UnboundPartitionSpec {
  checkPartitionSpecShape(spec)
  if (spec.fields.length > MAX_FIELDS) {
    throw validationFailed(`Invalid partition spec: ${spec.fields.length} fields, at most ${MAX_FIELDS} are accepted`)
  }
  const seen = new Map<string, string>()
  const ids = new Map<number, string>()
  for (const field of spec.fields) {
    const where = describeField(field.name)
    const transform = parseTransform(field.transform)
    checkSources({ field, transform, schema, voidOfAny: true, where })
    const column = findColumn(schema, field.name)
    const ownColumn = column !== undefined && sourceIds(field).includes(column)
    if (column !== undefined && !(ownColumn && (transform.kind === 'identity' || transform.kind === 'void'))) {
      throw validationFailed(`Invalid ${where}: the schema has a column of that name`)
    }
    const key = `${transform.text} ${sourceIds(field).join()}`
    const twin = seen.get(key)
    if (twin !== undefined && transform.kind !== 'void') {
      throw validationFailed(`Invalid ${where}: same source and transform as partition field ${twin}`)
    }
    seen.set(key, field.name)
    const id = field['field-id']
    if (id === undefined || id === null) continue
    if (id < 0 || id > MAX_PARTITION_ID)
      throw validationFailed(`Invalid ${where}: field-id ${id}, expected one up to ${MAX_PARTITION_ID}`)
    const other = ids.get(id)
    if (other !== undefined) throw validationFailed(`Invalid ${where}: same field-id ${id} as partition field ${other}`)
    ids.set(id, field.name)
  }
}

/** Fills in the ids that early metadata of format version 1 did not write: 1000, 1001, ... */
export function withFieldIds(spec: UnboundPartitionSpec): PartitionSpec {
  const missing = spec.fields.filter((field) => (field['field-id'] ?? undefined) === undefined).length
  if (missing > 0 && missing < spec.fields.length) {
    throw validationFailed(`Invalid partition spec: ${missing} of ${spec.fields.length} fields have no field-id`)
  }
  const id = spec['spec-id'] ?? 0
  if (missing === 0) return { ...spec, 'spec-id': id } as PartitionSpec
  return { ...spec, 'spec-id': id, fields: spec.fields.map((field, i) => ({ ...field, 'field-id': FIRST_PARTITION_ID + i })) }
}

export interface BindPartitionSpec {
  /** As the client sent it. */
  readonly spec: unknown
  readonly schema: Schema
  readonly formatVersion: number
  readonly lastPartitionId: number
  /** The specs that the table has. */
  readonly specs: readonly PartitionSpec[]
}

export interface BoundPartitionSpec {
  readonly spec: PartitionSpec
  readonly lastPartitionId: number
  /** The table had a compatible spec: that is the answer. */
  readonly reused: boolean
}

/** Checks a spec that a client sends and makes it one of the table. One that the table has already is not checked again. */
export function bindPartitionSpec({
  spec,
  schema,
  formatVersion,
  lastPartitionId,
  specs,
}: BindPartitionSpec): BoundPartitionSpec {
  checkPartitionSpecShape(spec)
  const compatible = specs.find((existing) => samePartitionSpec(existing, spec))
  if (compatible !== undefined) return { spec: compatible, lastPartitionId, reused: true }
  checkPartitionSpec(spec, schema)
  const specId = specs.reduce((next, existing) => Math.max(next, existing['spec-id'] + 1), 0)
  const fields = formatVersion === 1 ? sequentialFields(spec) : evolvedFields(spec, lastPartitionId, specs)
  const last = fields.reduce((highest, field) => Math.max(highest, field['field-id']), lastPartitionId)
  return { spec: { ...spec, 'spec-id': specId, fields }, lastPartitionId: last, reused: false }
}

/** The field with its keys as the specification writes them, canonical transform included. */
function boundField(field: UnboundPartitionField, id: number): PartitionField {
  const { 'source-id': _one, 'source-ids': _many, ...rest } = field
  return { ...rest, ...sourceKeys(sourceIds(field)), 'field-id': id, transform: parseTransform(field.transform).text }
}

/** Manifests of format version 1 know partition fields by position: the ids are 1000, 1001, ... */
function sequentialFields(spec: UnboundPartitionSpec): PartitionField[] {
  return spec.fields.map((field, i) => {
    const id = FIRST_PARTITION_ID + i
    const sent = field['field-id'] ?? id
    if (sent !== id) {
      throw validationFailed(
        `Invalid ${describeField(field.name)}: field-id ${sent}, expected ${id}: format version 1 needs sequential ids from 1000`,
      )
    }
    return boundField(field, id)
  })
}

/** A source and transform keep their id; anything new gets the id sent if it is new as well, else the next one. */
function evolvedFields(spec: UnboundPartitionSpec, lastPartitionId: number, specs: readonly PartitionSpec[]): PartitionField[] {
  const existing = idsByMeaning(specs)
  // Metadata of others may count too low.
  const last = highest([...existing.values()].flat(), Math.max(lastPartitionId, NO_PARTITION_ID))
  const taken = new Set<number>()
  const ids = spec.fields.map((field) => {
    const known = existing.get(meaning(field)) ?? []
    const id = existingId(field, known) ?? field['field-id'] ?? undefined
    const usable = id !== undefined && !taken.has(id) && (id > last || known.includes(id))
    if (usable) taken.add(id)
    return usable ? id : undefined
  })
  let next = highest(taken, last)
  return spec.fields.map((field, i) => boundField(field, ids[i] ?? ++next))
}

/** Equal for fields of one source and transform. */
function meaning(field: UnboundPartitionField): string {
  return `${sourceIds(field).join()} ${parseTransform(field.transform).text}`
}

/** An index, because comparing each field with each would let one request with many of both occupy the server. */
function idsByMeaning(specs: readonly PartitionSpec[]): ReadonlyMap<string, readonly number[]> {
  const index = new Map<string, number[]>()
  for (const field of specs.flatMap((known) => known.fields)) {
    const key = meaning(field)
    const ids = index.get(key)
    if (ids === undefined) index.set(key, [field['field-id']])
    else ids.push(field['field-id'])
  }
  return index
}

/** The id that the source and transform have had: the one sent if it is among them, else the highest. */
function existingId(field: UnboundPartitionField, known: readonly number[]): number | undefined {
  const sent = field['field-id'] ?? undefined
  if (sent !== undefined && known.includes(sent)) return sent
  return known.length === 0 ? undefined : known.reduce((highest, id) => Math.max(highest, id))
}

export interface FreshPartitionSpec {
  /** As the client sent it; nothing means unpartitioned. */
  readonly spec: unknown
  /** With its new ids. */
  readonly schema: Schema
  /** From the ids that the spec uses to those of `schema`. */
  readonly idMap: ReadonlyMap<number, number>
  readonly formatVersion: number
}

/** The first spec of a new table: id 0, field ids from 1000, sources by their new ids. */
export function freshPartitionSpec({ spec, schema, idMap, formatVersion }: FreshPartitionSpec): BoundPartitionSpec {
  if (spec === undefined || spec === null) return { spec: UNPARTITIONED, lastPartitionId: NO_PARTITION_ID, reused: false }
  checkPartitionSpecShape(spec)
  const fields = spec.fields.map((field) => {
    const { 'field-id': _id, 'source-id': _one, 'source-ids': _many, ...rest } = field
    return { ...rest, ...mapSources(field, idMap, describeField(field.name)) }
  })
  return bindPartitionSpec({ spec: { ...spec, fields }, schema, formatVersion, lastPartitionId: NO_PARTITION_ID, specs: [] })
}
