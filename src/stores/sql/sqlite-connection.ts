/**
 * Connections to an SQLite file as both threads open them, and what SQLite's errors mean. The writer's thread loads this
 * file, so it imports little.
 */
import { accessSync, closeSync, constants, openSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { StoreError } from '../store.ts'
import type { StoreErrorKind } from '../store.ts'

/**
 * Kilobytes of pages that a connection keeps; the operating system's cache behind it holds the file. The file is not mapped
 * into memory: the map is given up whenever another connection has written, which costs more than reading does.
 */
const CACHE_KB = 8192

/** Result codes of SQLite. */
const ERROR = 1
const BUSY = 5
const LOCKED = 6
const FULL = 13
const TOOBIG = 18
const CONSTRAINT = 19
const MISMATCH = 20
const RANGE = 25
const IOERR_WRITE = 778
const CONSTRAINT_PRIMARYKEY = 1555
const CONSTRAINT_UNIQUE = 2067

/** The database holds hashes of passwords and sealed secrets. SQLite gives its other files the mode of the first. */
function makePrivate(path: string): void {
  try {
    closeSync(openSync(path, 'ax', 0o600))
  } catch {
    // It is there, or can't be: SQLite will say.
  }
}

export function connectSqlite(path: string, busyTimeoutMs: number): DatabaseSync {
  makePrivate(path)
  const connection = new DatabaseSync(path, { timeout: busyTimeoutMs, enableForeignKeyConstraints: false })
  try {
    enterWal(connection, busyTimeoutMs)
    connection.exec(`
      pragma synchronous = full;
      pragma fullfsync = on;
      pragma checkpoint_fullfsync = on;
      pragma journal_size_limit = ${64 * 1024 * 1024};
      pragma wal_autocheckpoint = 2000;
      pragma cache_size = -${CACHE_KB};
      pragma temp_store = memory;
    `)
  } catch (error) {
    connection.close()
    throw error
  }
  return connection
}

/** Why a file can't be opened, where the file system tells: SQLite says neither which file nor what is in the way. */
export function problemOf(path: string): string | undefined {
  const folder = dirname(path)
  const file = statSync(path, { throwIfNoEntry: false })
  if (file === undefined) {
    const above = statSync(folder, { throwIfNoEntry: false })
    if (above === undefined) return `the folder ${folder} of the database file does not exist`
    if (!above.isDirectory()) return `${folder} is no folder, so it holds no database file`
    return mayUse(folder, constants.W_OK | constants.X_OK) ? undefined : `this user may not write into ${folder}`
  }
  if (file.isDirectory()) return `${path} is a folder, and a database is a file`
  if (!mayUse(path, constants.R_OK | constants.W_OK)) return `this user may not read and write ${path}`
  return mayUse(folder, constants.W_OK | constants.X_OK)
    ? undefined
    : `this user may not write into ${folder}, where the database has files beside ${path}`
}

function mayUse(path: string, mode: number): boolean {
  try {
    accessSync(path, mode)
    return true
  } catch {
    return false
  }
}

/** The journal mode is a property of the file. Changing it needs the file alone, and SQLite does not wait for that. */
function enterWal(connection: DatabaseSync, busyTimeoutMs: number): void {
  const deadline = performance.now() + busyTimeoutMs
  for (;;) {
    try {
      const mode = connection.prepare('pragma journal_mode').get()?.['journal_mode']
      if (mode === 'wal') return
      connection.exec('pragma journal_mode = wal')
    } catch (error) {
      if (!isBusy(error) || performance.now() > deadline) throw error
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10)
    }
  }
}

/** SQLite's extended result code, when the error is one of SQLite's. */
export function errorCode(error: unknown): number | undefined {
  const code = (error as { errcode?: unknown } | undefined)?.errcode
  return typeof code === 'number' ? code : undefined
}

export function isUniqueViolation(error: unknown): boolean {
  const code = errorCode(error)
  return code === CONSTRAINT_UNIQUE || code === CONSTRAINT_PRIMARYKEY
}

export function isBusy(error: unknown): boolean {
  const code = (errorCode(error) ?? 0) & 0xff
  return code === BUSY || code === LOCKED
}

/** Whether an error of one statement concerns the whole transaction: the disk, memory, locks; not what was asked. */
export function endsTransaction(error: unknown): boolean {
  const code = errorCode(error)
  return code !== undefined && ![ERROR, TOOBIG, CONSTRAINT, MISMATCH, RANGE].includes(code & 0xff)
}

/**
 * Whether a failed `commit` surely left nothing behind. Its mark is the last thing that is written, so where writing failed
 * it is not there; where the disk failed to confirm what was written, a restart might find it.
 */
export function notCommitted(error: unknown): boolean {
  return isBusy(error) || errorCode(error) === FULL || errorCode(error) === IOERR_WRITE
}

export function sqliteError(kind: StoreErrorKind, cause: unknown): StoreError {
  return new StoreError(kind, `SQLite: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
}
