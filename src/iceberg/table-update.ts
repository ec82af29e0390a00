/**
 * The changes that a commit may ask of a table or a view: one schema per action, read into one closed union. Schemas,
 * partition specs and sort orders pass as objects here; who applies them judges them against the table.
 */
import Type, { type Static, type TSchema } from 'typebox'
import { AnyObject, Int32, Int64, isPlainObject, readShape, short, StringMap } from './document.ts'
import { EncryptedKeyShape } from './encryption-key.ts'
import { badRequest } from './errors.ts'
import { SnapshotReferenceShape, SnapshotShape } from './snapshot.ts'
import { PartitionStatisticsFileShape, StatisticsFileShape } from './statistics.ts'
import { ViewVersionShape } from './view-version.ts'

const MAX_UPDATES = 10_000
/** Actions that look at all that is there: many of them in one request would occupy the server. */
const MAX_OF_ACTION: ReadonlyMap<string, number> = new Map([
  ['add-schema', 1000],
  ['remove-schemas', 100],
  ['add-spec', 100],
  ['add-sort-order', 100],
  ['add-view-version', 100],
])
const MAX_IDS = 100_000

const action = <A extends string>(name: A) => Type.Literal(name)
const ids = <T extends TSchema>(item: T) => Type.Array(item, { maxItems: MAX_IDS })

export const UpdateShapes = {
  'assign-uuid': Type.Object({ action: action('assign-uuid'), uuid: Type.String() }),
  'upgrade-format-version': Type.Object({ action: action('upgrade-format-version'), 'format-version': Int32 }),
  'add-schema': Type.Object({
    action: action('add-schema'),
    schema: AnyObject,
    'last-column-id': Type.Optional(Int32),
  }),
  'set-current-schema': Type.Object({ action: action('set-current-schema'), 'schema-id': Int32 }),
  'add-spec': Type.Object({ action: action('add-spec'), spec: AnyObject }),
  'set-default-spec': Type.Object({ action: action('set-default-spec'), 'spec-id': Int32 }),
  'add-sort-order': Type.Object({ action: action('add-sort-order'), 'sort-order': AnyObject }),
  'set-default-sort-order': Type.Object({ action: action('set-default-sort-order'), 'sort-order-id': Int32 }),
  'add-snapshot': Type.Object({ action: action('add-snapshot'), snapshot: SnapshotShape }),
  'set-snapshot-ref': Type.Object({
    action: action('set-snapshot-ref'),
    'ref-name': Type.String(),
    ...SnapshotReferenceShape.properties,
  }),
  'remove-snapshots': Type.Object({ action: action('remove-snapshots'), 'snapshot-ids': ids(Int64) }),
  'remove-snapshot-ref': Type.Object({ action: action('remove-snapshot-ref'), 'ref-name': Type.String() }),
  'set-location': Type.Object({ action: action('set-location'), location: Type.String() }),
  'set-properties': Type.Object({ action: action('set-properties'), updates: StringMap }),
  'remove-properties': Type.Object({ action: action('remove-properties'), removals: Type.Array(Type.String()) }),
  'add-view-version': Type.Object({ action: action('add-view-version'), 'view-version': ViewVersionShape }),
  'set-current-view-version': Type.Object({ action: action('set-current-view-version'), 'view-version-id': Int32 }),
  'set-statistics': Type.Object({
    action: action('set-statistics'),
    'snapshot-id': Type.Optional(Int64),
    statistics: StatisticsFileShape,
  }),
  'remove-statistics': Type.Object({ action: action('remove-statistics'), 'snapshot-id': Int64 }),
  'set-partition-statistics': Type.Object({
    action: action('set-partition-statistics'),
    'partition-statistics': PartitionStatisticsFileShape,
  }),
  'remove-partition-statistics': Type.Object({ action: action('remove-partition-statistics'), 'snapshot-id': Int64 }),
  'remove-partition-specs': Type.Object({ action: action('remove-partition-specs'), 'spec-ids': ids(Int32) }),
  'remove-schemas': Type.Object({ action: action('remove-schemas'), 'schema-ids': ids(Int32) }),
  'add-encryption-key': Type.Object({ action: action('add-encryption-key'), 'encryption-key': EncryptedKeyShape }),
  'remove-encryption-key': Type.Object({ action: action('remove-encryption-key'), 'key-id': Type.String() }),
} as const

export type UpdateAction = keyof typeof UpdateShapes
/** The update of one action. */
export type UpdateOf<A extends UpdateAction> = Readonly<Static<(typeof UpdateShapes)[A]>>
export type AnyUpdate = { [A in UpdateAction]: UpdateOf<A> }[UpdateAction]
export type TableUpdate = AnyUpdate

/** Spellings of the first clients, still sent by some. */
const LEGACY_KEYS: ReadonlyMap<string, readonly [legacy: string, current: string]> = new Map([
  ['set-properties', ['updated', 'updates']],
  ['remove-properties', ['removed', 'removals']],
])

function isAction(text: string): text is UpdateAction {
  return Object.hasOwn(UpdateShapes, text)
}

function readUpdate(json: unknown, place: string): AnyUpdate {
  if (!isPlainObject(json)) throw badRequest(`Invalid ${place}: must be an object`)
  const given = json['action']
  if (typeof given !== 'string') throw badRequest(`Invalid ${place}: must have a string as action`)
  const name = given.toLowerCase()
  if (!isAction(name)) throw badRequest(`Invalid ${place}: unknown action ${short(given)}`)
  const [legacy, current] = LEGACY_KEYS.get(name) ?? []
  const rename = legacy !== undefined && current !== undefined && !Object.hasOwn(json, current) && Object.hasOwn(json, legacy)
  const update = { ...json, action: name, ...(rename ? { [current]: json[legacy] } : {}) }
  return readShape(UpdateShapes[name], update, `${name} update (${place})`) as AnyUpdate
}

/** @throws IcebergError 400 naming the unknown action, or the field and what was expected there */
export function parseUpdates(json: unknown): AnyUpdate[] {
  if (!Array.isArray(json)) throw badRequest('Invalid updates: must be an array')
  if (json.length > MAX_UPDATES) throw badRequest(`Invalid updates: expected at most ${MAX_UPDATES}, got ${json.length}`)
  const counts = new Map<string, number>()
  return json.map((json: unknown, index) => {
    const update = readUpdate(json, `updates[${index}]`)
    const count = (counts.get(update.action) ?? 0) + 1
    const limit = MAX_OF_ACTION.get(update.action) ?? MAX_UPDATES
    if (count > limit) throw badRequest(`Invalid updates: expected at most ${limit} of action ${update.action}`)
    counts.set(update.action, count)
    return update
  })
}

/** @throws IcebergError 400, also for the actions that only views have */
export function parseTableUpdates(json: unknown): TableUpdate[] {
  return parseUpdates(json)
}
