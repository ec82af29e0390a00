/**
 * Opens the store that a database URL names, by its scheme. What a URL may hold of secrets never shows in a message.
 */
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openMemoryStore } from './memory.ts'
import { openMongoStore } from './mongo.ts'
import type { MongoOptions } from './mongo.ts'
import { openPostgresStore } from './sql/postgres.ts'
import { sslModeWarning } from './sql/postgres-connection.ts'
import { openSqliteStore } from './sql/sqlite.ts'
import type { Store } from './store.ts'

const SUPPORTED =
  'Supported are memory:, sqlite:///absolute/path, sqlite:relative/path, a path that ends in .db, ' +
  'postgres://host/database and mongodb://host/database'

/** Settings of databases that are servers. */
export interface ConnectionSettings {
  readonly maxConnections?: number
  readonly minConnections?: number
  readonly connectTimeoutMs?: number
  /** What the URL of a MongoDB may leave open. */
  readonly mongo?: Omit<MongoOptions, 'url'>
}

/** @throws TypeError for a URL that names no supported database; the message never holds what the URL may hold of secrets */
export function openStore(databaseUrl: string, { mongo, ...settings }: ConnectionSettings = {}): Store {
  const file = databaseFile(databaseUrl)
  if (file !== undefined) return openSqliteStore({ path: file })
  if (/^memory:(\/\/)?$/i.test(databaseUrl)) return openMemoryStore()
  const scheme = schemeOf(databaseUrl)
  if (scheme === 'postgres' || scheme === 'postgresql') return openPostgresStore({ ...settings, url: databaseUrl })
  if (scheme === 'mongodb' || scheme === 'mongodb+srv') return openMongoStore({ ...mongo, url: databaseUrl })
  throw new TypeError(`No database is known for ${scheme === undefined ? 'this path' : `the scheme ${scheme}:`}. ${SUPPORTED}.`)
}

/** Lower-case; none for paths, those with a Windows drive included. */
function schemeOf(databaseUrl: string): string | undefined {
  const isDrive = /^[a-z]:[\\/]/i.test(databaseUrl)
  return isDrive ? undefined : /^([a-z][a-z0-9+.-]*):/i.exec(databaseUrl)?.[1]?.toLowerCase()
}

/** The file of an embedded database; nothing for the others. @throws TypeError when there should be one and is none */
export function databaseFile(databaseUrl: string): string | undefined {
  const scheme = schemeOf(databaseUrl)
  if (scheme === 'sqlite') return sqlitePath(databaseUrl)
  if (scheme === 'file') return fileURLToPath(databaseUrl)
  return scheme === undefined && databaseUrl.endsWith('.db') ? databaseUrl : undefined
}

/** Names a database for people, the same each time: without user, password and parameters. */
export function databaseName(databaseUrl: string): string {
  const file = databaseFile(databaseUrl)
  if (file !== undefined) return `sqlite:${resolve(file)}`
  return databaseUrl.replace(/[?#].*$/s, '').replace(/^([a-z0-9+.-]+:\/\/).*@/is, '$1')
}

/** `sqlite:a/b.db`, `sqlite://a/b.db` (relative), `sqlite:///a/b.db` (absolute); percent-encoded where a URL needs it. */
function sqlitePath(databaseUrl: string): string {
  const rest = databaseUrl.slice('sqlite:'.length).replace(/^\/\//, '')
  const [path = '', query] = rest.split('?', 2)
  // What other programs write to have the file made; it always is.
  if (query !== undefined && query !== 'mode=rwc') throw new TypeError(`Unknown parameters in the sqlite: URL. ${SUPPORTED}.`)
  try {
    const decoded = decodeURIComponent(path)
    if (decoded !== '' && decoded !== ':memory:') return decoded
  } catch {
    // Falls through to the one message.
  }
  throw new TypeError(`The sqlite: URL names no file. ${SUPPORTED}.`)
}

/** What a person should know of a URL that is accepted; undefined where there is nothing. */
export function databaseWarning(databaseUrl: string): string | undefined {
  return /^postgres(ql)?:/i.test(databaseUrl) ? sslModeWarning(databaseUrl) : undefined
}
