/**
 * What a long-lived token was narrowed to when it was made: reading only, and only within some catalogs, namespaces or
 * tables. Bounds speak of names, as requests do, so that whether something lies within them is known without looking it up:
 * a table that is renamed out of them is out of reach, and what is created in its place is within.
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
const BoundsShape = Type.Object({ access: AccessShape, within: Type.Optional(WithinShape) }, { additionalProperties: false })

export type Bound = Static<typeof BoundShape>
export type Access = Static<typeof AccessShape>

export interface Bounds {
  readonly access: Access
  /** Absent: in all catalogs. */
  readonly within: readonly Bound[] | undefined
  /** The same for the same bounds, however they were written. */
  readonly text: string
}

/** @throws IcebergError 400 for a name that nothing can have */
export function createBounds(access: Access, within: readonly Bound[] | undefined): Bounds {
  if (within === undefined) return { access, within, text: `${access} everywhere` }
  const byText = new Map(within.map(normalized).map((bound) => [stringify(bound as JsonValue), bound]))
  const ordered = [...byText].toSorted(([left], [right]) => (left < right ? -1 : 1))
  const text = `${access} [${ordered.map(([one]) => one).join()}]`
  if (text.length > MAX_TEXT) throw badRequest(`Invalid within: ${text.length} characters, expected at most ${MAX_TEXT}`)
  return { access, within: ordered.map(([, bound]) => bound), text }
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
  const { access, within } = json as Static<typeof BoundsShape>
  try {
    return createBounds(access, within)
  } catch (error) {
    if (error instanceof IcebergError) return undefined
    throw error
  }
}

/** For a row. */
export const boundsJson = ({ access, within }: Bounds): Json => ({ access, ...(within && { within }) }) as Json
