/**
 * What a long-lived token was narrowed to when it was made: reading only, and only within some catalogs, namespaces or
 * tables. A request names them; the token is bound to what had these names then, by its id. So a table that is renamed stays
 * within, wherever it goes, and what gets its old name is another one. What did not exist yet is bound by its name.
 */
import Type, { type Static } from 'typebox'
import { badRequest, IcebergError } from '../iceberg/errors.ts'
import { checkName, checkNamespace } from '../iceberg/identifier.ts'
import { stringify, type JsonValue } from '../iceberg/json.ts'
import { validatorOf } from '../iceberg/shape-fault.ts'
import type { Json } from '../stores/entities.ts'

const MAX_BOUNDS = 100
/** Of all names together: they are read with the token, again and again. */
const MAX_TEXT = 32 * 1024

export const BoundShape = Type.Object(
  {
    catalog: Type.String({ minLength: 1, maxLength: 128 }),
    /** With everything below it. */
    namespace: Type.Optional(Type.Array(Type.String(), { minItems: 1, maxItems: 32 })),
    /** Or a view of this name. */
    table: Type.Optional(Type.String()),
  },
  { additionalProperties: false },
)
export const WithinShape = Type.Array(BoundShape, { minItems: 1, maxItems: MAX_BOUNDS })
const optionalId = Type.Optional(Type.String())
/** `ids`: of what had the names when the token was made. */
const StoredBoundShape = Type.Object(
  {
    ...BoundShape.properties,
    ids: Type.Optional(
      Type.Object({ catalog: optionalId, namespace: optionalId, table: optionalId }, { additionalProperties: false }),
    ),
  },
  { additionalProperties: false },
)
const StoredWithinShape = Type.Array(StoredBoundShape, { minItems: 1, maxItems: MAX_BOUNDS })
export const AccessShape = Type.Union([Type.Literal('read'), Type.Literal('read-write')])
/** `renamed`: what catalogs are called now that `within` names, where that is not as it was. A program that does not know it accepts no such token. */
const Renamed = Type.Optional(Type.Record(Type.String(), Type.String()))
const BoundsShape = Type.Object(
  { access: AccessShape, within: Type.Optional(StoredWithinShape), renamed: Renamed },
  { additionalProperties: false },
)

export type NamedBound = Static<typeof BoundShape>
export type Bound = Static<typeof StoredBoundShape>
export type Access = Static<typeof AccessShape>

export interface Bounds {
  readonly access: Access
  /** Absent: in all catalogs. */
  readonly within: readonly Bound[] | undefined
  /** The same for the same bounds, however they were written. */
  readonly text: string
  /** The same of what the token was made with, also where its catalogs have other names by now. */
  readonly made: string
}

/** @throws IcebergError 400 for a name that nothing can have */
export function createBounds(access: Access, within: readonly Bound[] | undefined): Bounds {
  const bounds = inOrder(access, within)
  const { length } = inOrder(access, within?.map(named)).text
  if (length > MAX_TEXT) throw badRequest(`Invalid within: ${length} characters, expected at most ${MAX_TEXT}`)
  return { ...bounds, made: bounds.text }
}

function inOrder(access: Access, within: readonly Bound[] | undefined): Omit<Bounds, 'made'> {
  if (within === undefined) return { access, within, text: `${access} everywhere` }
  const byText = new Map(within.map(normalized).map((bound) => [stringify(bound as JsonValue), bound]))
  const ordered = [...byText].toSorted(([left], [right]) => (left < right ? -1 : 1))
  return { access, within: ordered.map(([, bound]) => bound), text: `${access} [${ordered.map(([one]) => one).join()}]` }
}

function normalized(bound: Bound): Bound {
  const { namespace, table, ids } = bound
  if (namespace !== undefined) checkNamespace(namespace)
  if (table !== undefined) checkName(table, 'Table name')
  if (table !== undefined && namespace === undefined)
    throw badRequest(`Invalid within: the table ${table} needs its namespace beside it`)
  return { ...named(bound), ...(ids && { ids: inFixedOrder(ids) }) }
}

/** Databases keep the keys of JSON in an order of their own. */
const inFixedOrder = ({ catalog, namespace, table }: NonNullable<Bound['ids']>): NonNullable<Bound['ids']> => ({
  ...(catalog !== undefined && { catalog }),
  ...(namespace !== undefined && { namespace }),
  ...(table !== undefined && { table }),
})

/** As a request names it. */
export const named = ({ catalog, namespace, table }: Bound): NamedBound => ({
  catalog,
  ...(namespace && { namespace }),
  ...(table !== undefined && { table }),
})

/** Of a row. What we would not have written there is no bounds to act within: `undefined`. */
export function readBounds(json: unknown): Bounds | undefined {
  if (!validatorOf(BoundsShape).Check(json)) return undefined
  const { access, within, renamed } = json as Static<typeof BoundsShape>
  try {
    const bounds = createBounds(access, within)
    if (renamed === undefined) return bounds
    const now = bounds.within?.map((bound) => ({ ...bound, catalog: nameNow(renamed, bound.catalog) }))
    return { ...inOrder(access, now), made: bounds.made }
  } catch (error) {
    if (error instanceof IcebergError) return undefined
    throw error
  }
}

const nameNow = (renamed: Readonly<Record<string, string>>, name: string): string =>
  Object.hasOwn(renamed, name) ? renamed[name]! : name

/** What becomes of the bounds of a row when a catalog is renamed; undefined where they do not name it. */
export function withRenamedCatalog(json: Json, from: string, to: string): Json | undefined {
  if (!validatorOf(BoundsShape).Check(json)) return undefined
  const { access, within, renamed = {} } = json as Static<typeof BoundsShape>
  const given = [...new Set(within?.map(({ catalog }) => catalog))]
  if (within === undefined || !given.some((name) => nameNow(renamed, name) === from)) return undefined
  const names = given.map((name) => [name, nameNow(renamed, name) === from ? to : nameNow(renamed, name)] as const)
  const changed = names.filter(([name, now]) => name !== now)
  return { access, within, ...(changed.length > 0 && { renamed: Object.fromEntries(changed) }) } as Json
}

/** For a row. */
export const boundsJson = ({ access, within }: Bounds): Json => ({ access, ...(within && { within }) }) as Json
