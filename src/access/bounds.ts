/**
 * What a long-lived token was narrowed to when it was made: reading only, and only within some catalogs, namespaces or
 * tables. Bounds speak of names, as requests do, so that whether something lies within them is known without looking it up:
 * a table that is renamed out of them is out of reach, and what is created in its place is within. A catalog that is renamed
 * takes its bounds along: who may use it is not decided by what it is called, and what gets its old name is another one.
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
export const AccessShape = Type.Union([Type.Literal('read'), Type.Literal('read-write')])
/** `renamed`: what catalogs are called now that `within` names, where that is not as it was. A program that does not know it accepts no such token. */
const Renamed = Type.Optional(Type.Record(Type.String(), Type.String()))
const BoundsShape = Type.Object(
  { access: AccessShape, within: Type.Optional(WithinShape), renamed: Renamed },
  { additionalProperties: false },
)

export type Bound = Static<typeof BoundShape>
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
  const { length } = bounds.text
  if (length > MAX_TEXT) throw badRequest(`Invalid within: ${length} characters, expected at most ${MAX_TEXT}`)
  return { ...bounds, made: bounds.text }
}

function inOrder(access: Access, within: readonly Bound[] | undefined): Omit<Bounds, 'made'> {
  if (within === undefined) return { access, within, text: `${access} everywhere` }
  const byText = new Map(within.map(normalized).map((bound) => [stringify(bound as JsonValue), bound]))
  const ordered = [...byText].toSorted(([left], [right]) => (left < right ? -1 : 1))
  return { access, within: ordered.map(([, bound]) => bound), text: `${access} [${ordered.map(([one]) => one).join()}]` }
}

function normalized({ catalog, namespace, table }: Bound): Bound {
  if (namespace !== undefined) checkNamespace(namespace)
  if (table === undefined) return { catalog, ...(namespace && { namespace }) }
  checkName(table, 'Table name')
  if (namespace === undefined) throw badRequest(`Invalid within: the table ${table} needs its namespace beside it`)
  return { catalog, namespace, table }
}

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
