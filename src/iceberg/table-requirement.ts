/**
 * What a commit asserts about the state it was made for: read into a closed union, and checked. A requirement that does not
 * hold is 409, since the client may look again and retry; one that no state could meet here is 400.
 */
import Type, { type Static } from 'typebox'
import { Int32, Int64, isPlainObject, readShape, short } from './document.ts'
import { badRequest, commitFailed } from './errors.ts'
import type { TableMetadata } from './table-metadata.ts'
import { canonicalUuid } from './uuid.ts'
import type { ViewMetadata } from './view-metadata.ts'

const MAX_REQUIREMENTS = 10_000

const TableRequirementShapes = {
  'assert-create': Type.Object({ type: Type.Literal('assert-create') }),
  'assert-table-uuid': Type.Object({ type: Type.Literal('assert-table-uuid'), uuid: Type.String() }),
  /** Without a snapshot id the reference must not exist. */
  'assert-ref-snapshot-id': Type.Object({
    type: Type.Literal('assert-ref-snapshot-id'),
    ref: Type.String(),
    'snapshot-id': Type.Optional(Int64),
  }),
  'assert-last-assigned-field-id': Type.Object({
    type: Type.Literal('assert-last-assigned-field-id'),
    'last-assigned-field-id': Int32,
  }),
  'assert-current-schema-id': Type.Object({ type: Type.Literal('assert-current-schema-id'), 'current-schema-id': Int32 }),
  'assert-last-assigned-partition-id': Type.Object({
    type: Type.Literal('assert-last-assigned-partition-id'),
    'last-assigned-partition-id': Int32,
  }),
  'assert-default-spec-id': Type.Object({ type: Type.Literal('assert-default-spec-id'), 'default-spec-id': Int32 }),
  'assert-default-sort-order-id': Type.Object({
    type: Type.Literal('assert-default-sort-order-id'),
    'default-sort-order-id': Int32,
  }),
} as const
const ViewRequirementShapes = {
  'assert-view-uuid': Type.Object({ type: Type.Literal('assert-view-uuid'), uuid: Type.String() }),
} as const

type UnionOf<S extends Readonly<Record<string, Type.TSchema>>> = { [K in keyof S]: Readonly<Static<S[K]>> }[keyof S]
export type TableRequirement = UnionOf<typeof TableRequirementShapes>
export type ViewRequirement = UnionOf<typeof ViewRequirementShapes>

function parseRequirements<S extends Readonly<Record<string, Type.TSchema>>>(json: unknown, shapes: S): UnionOf<S>[] {
  if (!Array.isArray(json)) throw badRequest('Invalid requirements: must be an array')
  if (json.length > MAX_REQUIREMENTS)
    throw badRequest(`Invalid requirements: expected at most ${MAX_REQUIREMENTS}, got ${json.length}`)
  return json.map((item: unknown, index) => {
    const place = `requirements[${index}]`
    if (!isPlainObject(item)) throw badRequest(`Invalid ${place}: must be an object`)
    const given = item['type']
    if (typeof given !== 'string') throw badRequest(`Invalid ${place}: must have a string as type`)
    const type = given.toLowerCase()
    const shape = Object.hasOwn(shapes, type) ? shapes[type] : undefined
    if (shape === undefined) throw badRequest(`Invalid ${place}: unknown type ${short(given)}`)
    return readShape(shape, { ...item, type }, `${type} requirement (${place})`) as UnionOf<S>
  })
}

/** @throws IcebergError 400 naming the unknown type, or the field and what was expected there */
export function parseTableRequirements(json: unknown): TableRequirement[] {
  return parseRequirements(json, TableRequirementShapes)
}

export function parseViewRequirements(json: unknown): ViewRequirement[] {
  return parseRequirements(json, ViewRequirementShapes)
}

/** Whether the commit creates its table. */
export function isCreate(requirements: readonly TableRequirement[]): boolean {
  return requirements.some((requirement) => requirement.type === 'assert-create')
}

/** @throws IcebergError 409 for the first requirement that does not hold */
export function checkRequirements(requirements: readonly TableRequirement[], metadata: TableMetadata | undefined): void {
  const other = requirements.find((requirement) => requirement.type !== 'assert-create')
  if (other !== undefined && isCreate(requirements)) throw badRequest(`Invalid create requirements: ${other.type}`)
  for (const requirement of requirements) {
    if (requirement.type === 'assert-create') {
      if (metadata !== undefined) throw commitFailed('Requirement failed: table already exists')
    } else if (metadata === undefined) {
      throw commitFailed(`Requirement failed: ${requirement.type}: the table does not exist`)
    } else {
      checkRequirement(requirement, metadata)
    }
  }
}

function checkRequirement(requirement: Exclude<TableRequirement, { type: 'assert-create' }>, metadata: TableMetadata): void {
  switch (requirement.type) {
    case 'assert-table-uuid':
      return expectUuid('UUID', requirement.uuid, metadata['table-uuid'])
    case 'assert-ref-snapshot-id':
      return checkReference(requirement, metadata)
    case 'assert-last-assigned-field-id':
      return expectEqual('last assigned field id', requirement['last-assigned-field-id'], metadata['last-column-id'])
    case 'assert-current-schema-id':
      return expectEqual('current schema', requirement['current-schema-id'], metadata['current-schema-id'])
    case 'assert-last-assigned-partition-id':
      return expectEqual('last assigned partition id', requirement['last-assigned-partition-id'], metadata['last-partition-id'])
    case 'assert-default-spec-id':
      return expectEqual('default partition spec', requirement['default-spec-id'], metadata['default-spec-id'])
    case 'assert-default-sort-order-id':
      return expectEqual('default sort order', requirement['default-sort-order-id'], metadata['default-sort-order-id'])
  }
}

function expectEqual(what: string, expected: number, actual: number): void {
  if (expected !== actual) throw commitFailed(`Requirement failed: ${what} changed: expected id ${expected} != ${actual}`)
}

function expectUuid(what: string, expected: string, actual: string | undefined): void {
  if (actual === undefined || canonicalUuid(expected) !== canonicalUuid(actual)) {
    throw commitFailed(`Requirement failed: ${what} does not match: expected ${short(expected)} != ${actual ?? 'none'}`)
  }
}

function checkReference(
  requirement: Extract<TableRequirement, { type: 'assert-ref-snapshot-id' }>,
  metadata: TableMetadata,
): void {
  const name = requirement.ref
  const expected = requirement['snapshot-id']
  const ref = Object.hasOwn(metadata.refs, name) ? metadata.refs[name] : undefined
  if (ref === undefined) {
    if (expected === undefined) return
    throw commitFailed(`Requirement failed: branch or tag ${short(name)} is missing, expected ${expected}`)
  }
  if (expected === undefined) throw commitFailed(`Requirement failed: ${ref.type} ${short(name)} was created concurrently`)
  if (expected !== ref['snapshot-id']) {
    throw commitFailed(
      `Requirement failed: ${ref.type} ${short(name)} has changed: expected id ${expected} != ${ref['snapshot-id']}`,
    )
  }
}

/** @throws IcebergError 409 for the first requirement that does not hold */
export function checkViewRequirements(requirements: readonly ViewRequirement[], metadata: ViewMetadata): void {
  for (const requirement of requirements) expectUuid('view UUID', requirement.uuid, metadata['view-uuid'])
}
