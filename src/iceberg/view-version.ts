/** One version of a view: its queries and how they resolve names. */
import Type, { type Static } from 'typebox'
import { Int32, Int64, readShape, short, StringMap } from './document.ts'
import { badRequest, illegalArgument, type IcebergError } from './errors.ts'

export const ViewRepresentationShape = Type.Object({ type: Type.String() })
/** What a representation of type `sql` must have. */
const SqlShape = Type.Object({ sql: Type.String(), dialect: Type.String({ minLength: 1 }) })

export const ViewVersionShape = Type.Object({
  'version-id': Int32,
  'timestamp-ms': Int64,
  'schema-id': Int32,
  summary: StringMap,
  representations: Type.Array(ViewRepresentationShape, { maxItems: 1000 }),
  'default-catalog': Type.Optional(Type.String()),
  'default-namespace': Type.Array(Type.String()),
})

/** Kinds that we do not know are kept as they are. */
export interface ViewRepresentation extends Readonly<Static<typeof ViewRepresentationShape>> {
  readonly [field: string]: unknown
}

export interface ViewVersion extends Readonly<Static<typeof ViewVersionShape>> {
  readonly representations: ViewRepresentation[]
  readonly [unknownField: string]: unknown
}

/** The reference reads the name in either case. */
const isSql = ({ type }: ViewRepresentation): boolean => type.toLowerCase() === 'sql'

/** The dialects of the version's queries, in lower case and in order. */
export function dialects(version: ViewVersion): string[] {
  return version.representations.filter(isSql).map((one) => String(one['dialect']).toLowerCase())
}

/** Throws unless each query is whole. Two queries of one dialect are read where they exist already. */
export function checkRepresentations(version: ViewVersion, fail: (message: string) => IcebergError = badRequest): void {
  for (const representation of version.representations) {
    if (isSql(representation))
      readShape(SqlShape, representation, `representation of view version ${version['version-id']}`, fail)
  }
}

/** A view without any query could be asked nothing. */
export function checkNotEmpty(version: ViewVersion, fail: (message: string) => IcebergError = badRequest): void {
  if (version.representations.length > 0) return
  throw fail(`Invalid view version ${version['version-id']}: expected at least one representation`)
}

/** Throws unless a client may write the version. */
export function checkViewVersion(version: ViewVersion): void {
  checkNotEmpty(version)
  checkRepresentations(version)
  const seen = new Set<string>()
  for (const dialect of dialects(version)) {
    if (seen.has(dialect))
      throw illegalArgument(`Invalid view version: Cannot add multiple queries for dialect ${short(dialect)}`)
    seen.add(dialect)
  }
}
