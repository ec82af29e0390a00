/**
 * Databases that speak PostgreSQL's protocol and are something else: all in which they are treated differently. Nothing here
 * says that they have been tried; `docs/postgresql.md` says what has.
 */

export interface PostgresVariant {
  /** Whether `server_version_num` tells what the database can do. */
  readonly checksVersion: boolean
  /** A column type for text that compares by UTF-8 bytes. */
  readonly text: string
}

const POSTGRES: PostgresVariant = { checksVersion: true, text: 'text collate "C"' }
/** Its text compares by bytes as it is, and a collated one is a type of its own that parameters don't have. */
const COCKROACH: PostgresVariant = { ...POSTGRES, checksVersion: false, text: 'text' }
/** Reports the version of PostgreSQL whose query layer it has. */
const YUGABYTE: PostgresVariant = { ...POSTGRES, checksVersion: false }

/** By what `select version()` answers. */
export function variantOf(version: string): PostgresVariant {
  if (version.startsWith('CockroachDB')) return COCKROACH
  return /-YB-/.test(version) ? YUGABYTE : POSTGRES
}
