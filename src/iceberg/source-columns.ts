/**
 * The source columns of a partition or sort field: one `source-id`, or several `source-ids`, which metadata of others may
 * have. Spec: "Partitioning", "Sorting", Appendix C.
 */
import { badRequest, validationFailed } from './errors.ts'
import { describe, expectArray, expectInt } from './shape.ts'
import { schemaIndex } from './schema.ts'
import type { Schema } from './schema.ts'
import { appliesTo } from './transforms.ts'
import type { Transform } from './transforms.ts'
import { displayType, primitiveOf } from './types.ts'

export type SourceColumns = {
  readonly 'source-id'?: number
  readonly 'source-ids'?: readonly number[]
}

/** The ids of the source columns, whichever way they are written. */
export function sourceIds(field: SourceColumns): readonly number[] {
  const ids = field['source-ids']
  if (ids !== undefined && ids !== null) return ids
  return field['source-id'] === undefined ? [] : [field['source-id']]
}

export function sameSources(a: SourceColumns, b: SourceColumns): boolean {
  const ids = sourceIds(a)
  const others = sourceIds(b)
  return ids.length === others.length && ids.every((id, i) => id === others[i])
}

/** The one key or the other, as the specification wants them written. */
export function sourceKeys(ids: readonly number[]): SourceColumns {
  return ids.length === 1 ? { 'source-id': ids[0] as number } : { 'source-ids': ids }
}

/** The source columns under the ids of a renumbered schema. */
export function mapSources(field: SourceColumns, idMap: ReadonlyMap<number, number>, where: string): SourceColumns {
  const ids = sourceIds(field).map((id) => {
    const mapped = idMap.get(id)
    if (mapped === undefined) throw validationFailed(`Invalid ${where}: source column ${id} is not in the schema`)
    return mapped
  })
  return sourceKeys(ids)
}

/** Checks the shape. Throws unless there is at least one source column, in exactly one of the two keys. */
export function checkSourceShape(field: Readonly<Record<string, unknown>>, where: string): void {
  const one = field['source-id'] ?? undefined
  const many = field['source-ids'] ?? undefined
  if (one !== undefined) expectInt(one, `source-id of ${where}`)
  if (many === undefined) {
    if (one === undefined) throw badRequest(`Invalid ${where}: expected source-id, got ${describe(one)}`)
    return
  }
  const ids = expectArray(many, `source-ids of ${where}`)
  for (const id of ids) expectInt(id, `source-ids of ${where}`)
  if (ids.length === 0) throw badRequest(`Invalid ${where}: source-ids is empty`)
  if (one !== undefined && (ids.length !== 1 || ids[0] !== one)) {
    throw badRequest(`Invalid ${where}: source-id and source-ids name different columns`)
  }
}

export interface SourceCheck {
  readonly field: SourceColumns
  readonly transform: Transform
  readonly schema: Schema
  /** Whether a field of a dropped column lives on as void, so that void takes any column, or none. */
  readonly voidOfAny: boolean
  /** Names the field in a message. */
  readonly where: string
}

/**
 * Throws unless a client may write this: known transform, a column that exists, of a type it takes, in structs alone. The
 * specification has `source-ids` for transforms of several columns; it defines none, and the reference reads none.
 */
export function checkSources(check: SourceCheck): void {
  const { field, transform, where } = check
  const ids = sourceIds(field)
  if (transform.kind === 'unknown') throw validationFailed(`Invalid ${where}: unknown transform ${describe(transform.text)}`)
  if (ids.length > 1) {
    throw validationFailed(`Invalid ${where}: transform ${transform.text} takes one source column, got ${ids.length}`)
  }
  if (transform.kind !== 'void' || !check.voidOfAny) for (const id of ids) checkSource(check, id)
}

function checkSource({ schema, transform, where }: SourceCheck, id: number): void {
  const source = schemaIndex(schema).byId.get(id)
  if (source === undefined) throw validationFailed(`Invalid ${where}: source column ${id} is not in the schema`)
  const { type } = source.field
  if (typeof type !== 'string') {
    throw validationFailed(`Invalid ${where}: source column ${source.path} is a ${displayType(type)}, expected a primitive type`)
  }
  if (!appliesTo(transform, primitiveOf(type))) {
    throw validationFailed(
      `Invalid ${where}: transform ${transform.text} does not take source column ${source.path} of type ${type}`,
    )
  }
  if (source.insideListOrMap) {
    throw validationFailed(`Invalid ${where}: source column ${source.path} is inside a list or map`)
  }
}
