/**
 * Opens the store that a database URL names, by its scheme. What a URL may hold of secrets never shows in a message.
 */
import { fileURLToPath } from 'node:url'
import { openMemoryStore } from './memory.ts'
import { openMongoStore } from './mongo.ts'
import type { MongoOptions } from './mongo.ts'
import { openSqliteStore } from './sql/sqlite.ts'
import type { Store } from './store.ts'

const SUPPORTED =
  'Supported are memory:, sqlite:///absolute/path, sqlite:relative/path, a path that ends in .db, and mongodb://host/database'

/** @throws TypeError for a URL that names no supported database; the message never holds what the URL may hold of secrets */
export function openStore(databaseUrl: string, options: { readonly mongo?: Omit<MongoOptions, 'url'> } = {}): Store {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(databaseUrl)?.[1]?.toLowerCase()
  if (scheme === 'memory' && /^memory:(\/\/)?$/i.test(databaseUrl)) return openMemoryStore()
  if (scheme === 'sqlite') return openSqliteStore({ path: sqlitePath(databaseUrl) })
  if (scheme === 'mongodb' || scheme === 'mongodb+srv') return openMongoStore({ ...options.mongo, url: databaseUrl })
  if (scheme === 'file') return openSqliteStore({ path: fileURLToPath(databaseUrl) })
  const isPath = scheme === undefined || /^[a-z]:[\\/]/i.test(databaseUrl)
  if (isPath && databaseUrl.endsWith('.db')) return openSqliteStore({ path: databaseUrl })
  throw new TypeError(`No database is known for ${isPath ? 'this path' : `the scheme ${scheme}:`}. ${SUPPORTED}.`)
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
