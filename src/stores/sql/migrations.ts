/**
 * The schema's numbered migrations. Each is frozen once it is released: what it creates is spelled out in its own file and
 * does not follow `entities.ts`; a test holds that all of them together create what `entities.ts` declares.
 * Servers of the version before are running meanwhile, so a migration only adds: tables, indexes, columns that may be null or
 * have a default. What a unique index held apart may be let together: a server of before has never written it.
 * A database remembers the migrations it has seen, and one that has seen more than this program knows is refused: an older
 * program would not keep what a newer one relies on.
 */
import type { EntityDeclaration } from '../entities.ts'
import { StoreError } from '../store.ts'
import { compileTable } from '../tables.ts'
import { indexName, quote } from './dialect.ts'
import type { Dialect, SqlValue } from './dialect.ts'
import { initial } from './migrations/0001-initial.ts'
import { tokenBounds } from './migrations/0002-token-bounds.ts'
import { places } from './migrations/0003-places.ts'
import { taskLocations } from './migrations/0004-task-locations.ts'
import { namespaceLocations } from './migrations/0005-namespace-locations.ts'
import { entryUuids } from './migrations/0006-entry-uuids.ts'
import { settings } from './migrations/0007-settings.ts'
import { reportPrincipals } from './migrations/0008-report-principals.ts'
import { tableLocationLayout } from './migrations/0009-table-location-layout.ts'
import { commitOrigins } from './migrations/0010-commit-origins.ts'
import { dropped } from './migrations/0011-dropped.ts'
import { history } from './migrations/0013-history.ts'
import { protections } from './migrations/0012-protections.ts'
import { purgeDelay } from './migrations/0014-purge-delay.ts'
import { namesByTenant } from './migrations/0015-names-by-tenant.ts'

/** The connection that holds the migration lock. */
export interface MigrationSession {
  execute(sql: string): Promise<void> | void
  rows(sql: string): Promise<readonly (readonly SqlValue[])[]> | readonly (readonly SqlValue[])[]
}

export interface Migration {
  /** Numbers are consecutive from 1. */
  readonly number: number
  readonly name: string
  readonly statements: (dialect: Dialect) => readonly string[]
}

export const migrations: readonly Migration[] = [
  { number: 1, name: 'initial', statements: (dialect) => createAll(dialect, initial) },
  { number: 2, name: 'token-bounds', statements: tokenBounds },
  { number: 3, name: 'places', statements: (dialect) => createAll(dialect, places) },
  { number: 4, name: 'task-locations', statements: taskLocations },
  { number: 5, name: 'namespace-locations', statements: namespaceLocations },
  { number: 6, name: 'entry-uuids', statements: entryUuids },
  { number: 7, name: 'settings', statements: (dialect) => createAll(dialect, settings) },
  { number: 8, name: 'report-principals', statements: reportPrincipals },
  { number: 9, name: 'table-location-layout', statements: tableLocationLayout },
  { number: 10, name: 'commit-origins', statements: commitOrigins },
  { number: 11, name: 'dropped', statements: (dialect) => createAll(dialect, dropped) },
  { number: 12, name: 'protections', statements: (dialect) => createAll(dialect, protections) },
  { number: 13, name: 'history', statements: history },
  { number: 14, name: 'purge-delay', statements: purgeDelay },
  { number: 15, name: 'names-by-tenant', statements: namesByTenant },
]

/** Brings a database up to date. The caller holds a lock and a transaction around it. */
export async function migrateSchema(dialect: Dialect, session: MigrationSession, known = migrations): Promise<void> {
  const { integer, text } = dialect.types
  await session.execute(
    `create table if not exists "schema_migrations" ("number" ${integer} not null primary key, "name" ${text} not null)`,
  )
  const done = Number((await session.rows('select coalesce(max("number"), 0) from "schema_migrations"'))[0]?.[0] ?? 0)
  if (done > known.length) {
    const message =
      `The database has schema version ${done}; this program knows versions up to ${known.length}. ` +
      'Start a newer version of the program, or use another database.'
    throw new StoreError('unavailable', message)
  }
  for (const migration of known.slice(done)) {
    for (const sql of migration.statements(dialect)) await session.execute(sql)
    await session.execute(`insert into "schema_migrations" ("number", "name") values (${migration.number}, '${migration.name}')`)
  }
}

type Declarations = { readonly [entity: string]: EntityDeclaration }

export function createAll(dialect: Dialect, declarations: Declarations): string[] {
  return Object.entries(declarations).flatMap(([entity, declaration]) => createEntity(dialect, entity, declaration))
}

/** A table with its indexes; rows also have a version. */
export function createEntity(dialect: Dialect, entity: string, declaration: EntityDeclaration): string[] {
  const table = compileTable(entity, declaration)
  const nameOf = (position: number): string => quote(table.columns[position]?.name ?? '')
  const columns = table.columns.map(
    ({ name, type, nullable }) => `${quote(name)} ${dialect.types[type]}${nullable ? '' : ' not null'}`,
  )
  columns.push(`"version" ${dialect.types.version} not null`)
  const key = `primary key (${table.key.map(nameOf).join(', ')})`
  if (!dialect.addsKeyLast) columns.push(key)
  const create = `create table ${quote(entity)} (${columns.join(', ')})${dialect.tableSuffix}`
  const indexes = table.indexes.slice(1).map(({ name, columns: declared, order, unique }) => {
    // A unique index is unique by its declared columns.
    const names = (unique || !dialect.indexesWholeOrder ? declared : order).map((position) => {
      return nameOf(position) + (table.columns[position]?.nullable ? dialect.nullOrder.index : '')
    })
    const kind = unique ? 'unique index' : 'index'
    return `create ${kind} ${quote(indexName(entity, name))} on ${quote(entity)} (${names.join(', ')})`
  })
  return [create, ...indexes, ...(dialect.addsKeyLast ? [`alter table ${quote(entity)} add ${key}`] : [])]
}
