/**
 * The SQLite engine: the SQL engine over one database file. Reads run on the calling thread, which costs microseconds;
 * writes go to one thread that groups them (`sqlite-writer.ts`), since each commit waits for the disk. Several processes may
 * use the file at once: SQLite's locks serialise their transactions, and rows' versions tell who was first.
 */
import { resolve } from 'node:path'
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { StoreError } from '../store.ts'
import type { Store } from '../store.ts'
import type { Dialect, SqlValue } from './dialect.ts'
import { openSqlStore } from './engine.ts'
import type { SqlDriver } from './engine.ts'
import type { MigrationSession } from './migrations.ts'
import { connectSqlite, errorCode, isBusy, isUniqueViolation, problemOf, sqliteError } from './sqlite-connection.ts'
import { CommitCounter } from './sqlite-commit-counter.ts'
import { WriterThread } from './sqlite-writer-thread.ts'
import type { SqlRow, Statement } from './statements.ts'

export const sqliteDialect: Dialect = {
  name: 'sqlite',
  // Text compares by its UTF-8 bytes (collation BINARY, the default), which is by code point.
  types: { text: 'text', integer: 'integer', boolean: 'integer', json: 'text', version: 'integer' },
  addsKeyLast: false,
  tableSuffix: ' without rowid, strict',
  // Null is the smallest value by itself.
  nullOrder: { index: '', ascending: '', descending: '' },
  indexesWholeOrder: true,
  placeholder: () => '?',
  // Of a bare parameter the planner wants to know the value: whenever it is bound, the statement would be prepared anew.
  limit: (parameter) => `limit cast(${parameter} as integer)`,
  // Without statistics the planner may prefer another index and sort. `not indexed` leaves the key of such a table in use.
  source: (table, index) => `"${table}" ${index === 'primary' ? 'not indexed' : `indexed by "${table}_${index}"`}`,
  // Of the rows that wait to be put in order: the numbers of the others are not asked for.
  drawn: (table, column) =>
    `(select coalesce(max("${column}"), 0) + 1 from "${table}" indexed by "${table}_pending" where "position" is null)`,
  addDrawn: (table, column) => [`alter table "${table}" add column "${column}" integer`],
  // The writer has the whole database to itself.
  shareLock: '',
  takesAbsentKeys: false,
  // The driver looks at the answer.
  expecting: (_expects, sql) => sql,
  encode: { boolean: (value) => (value === true ? 1 : 0) },
  decode: { boolean: (value) => value === 1 },
  isUniqueViolation,
}

const MIGRATION_WAIT_MS = 60_000
/** A read waits only where another process recovers or leaves the file, and nothing else of this process runs meanwhile. */
const READ_WAIT_MS = 5000

/** How often at most an own commit is looked for in the counter: doing so costs as much as two look-ups. */
const CHECK_MS = 20

export interface SqliteOptions {
  /** Of the database file, which is made when it is missing; its folder must exist. */
  readonly path: string
  /** How long a write waits for other processes before it fails as unavailable. */
  readonly busyTimeoutMs?: number
}

/** @throws StoreError `unavailable` when the file can't be opened or is no database */
export function openSqliteStore({ path, busyTimeoutMs = 10_000 }: SqliteOptions): Store {
  if (path === '' || path === ':memory:') throw new TypeError('The SQLite store needs a file; without one, use memory:')
  return openSqlStore(sqliteDialect, new SqliteDriver(resolve(path), busyTimeoutMs))
}

class SqliteDriver implements SqlDriver {
  readonly #path: string
  readonly #busyTimeoutMs: number
  readonly #reader: DatabaseSync
  /** Prepared statements of the reader, by statement id. */
  readonly #prepared: StatementSync[] = []
  readonly #writer: WriterThread
  readonly #commits: CommitCounter
  #checkedAt = -Infinity

  constructor(path: string, busyTimeoutMs: number) {
    this.#path = path
    this.#busyTimeoutMs = busyTimeoutMs
    this.#reader = connect(path, busyTimeoutMs)
    this.#reader.exec(`pragma busy_timeout = ${Math.min(busyTimeoutMs, READ_WAIT_MS)}`)
    this.#reader.exec('pragma query_only = on')
    this.#writer = new WriterThread({ path, busyTimeoutMs })
    this.#commits = new CommitCounter(path)
  }

  first(statement: Statement, parameters: readonly SqlValue[]): SqlRow | undefined {
    return reading(() => this.#prepare(statement).get(...(parameters as Bindable[])) as unknown as SqlRow | undefined)
  }

  firstOfEach(statement: Statement, parameters: readonly (readonly SqlValue[])[]): (SqlRow | undefined)[] {
    return parameters.map((values) => this.first(statement, values))
  }

  all(statement: Statement, parameters: readonly SqlValue[]): SqlRow[] {
    return reading(() => this.#prepare(statement).all(...(parameters as Bindable[])) as unknown as SqlRow[])
  }

  commitCount(): number | undefined {
    return this.#commits.read()
  }

  async write(steps: Parameters<SqlDriver['write']>[0]): Promise<number | undefined> {
    const now = performance.now()
    if (now - this.#checkedAt < CHECK_MS) return this.#writer.write(steps)
    this.#checkedAt = now
    const before = this.#commits.read()
    const failed = await this.#writer.write(steps)
    if (failed === undefined && steps.some(({ statement }) => statement.expects === 'written')) this.#commits.mustDiffer(before)
    return failed
  }

  /** A read transaction on a connection of its own. The log grows for as long as it lasts, and writers don't wait for it. */
  async snapshot(): ReturnType<NonNullable<SqlDriver['snapshot']>> {
    const connection = connect(this.#path, this.#busyTimeoutMs)
    const prepared = new Map<number, StatementSync>()
    try {
      connection.exec('pragma query_only = on; begin')
      // The transaction is of the moment of its first read.
      reading(() => connection.prepare('select count(*) from sqlite_schema').get())
    } catch (error) {
      connection.close()
      throw error
    }
    return {
      all: ({ id, sql }, parameters) =>
        reading(() => {
          const statement = prepared.get(id) ?? connection.prepare(sql)
          statement.setReturnArrays(true)
          prepared.set(id, statement)
          return statement.all(...(parameters as Bindable[])) as unknown as SqlRow[]
        }),
      // Ends the transaction too.
      close: async () => connection.close(),
    }
  }

  /** On a connection of its own, with `synchronous = full` like the writer's. */
  async migrate(run: (session: MigrationSession) => Promise<void>): Promise<void> {
    const connection = connect(this.#path, this.#busyTimeoutMs)
    const session: MigrationSession = {
      execute: (sql) => connection.exec(sql),
      rows: (sql) =>
        connection
          .prepare(sql)
          .all()
          .map((row) => Object.values(row) as SqlValue[]),
    }
    try {
      await lockForMigration(connection)
      await run(session)
      connection.exec('commit')
    } catch (error) {
      if (error instanceof StoreError || errorCode(error) === undefined) throw error
      throw sqliteError('unavailable', error)
    } finally {
      // Closing rolls back what was not committed.
      connection.close()
    }
  }

  async close(): Promise<void> {
    await this.#writer.close()
    this.#reader.close()
  }

  #prepare(statement: Statement): StatementSync {
    let prepared = this.#prepared[statement.id]
    if (prepared === undefined) {
      prepared = this.#reader.prepare(statement.sql)
      prepared.setReturnArrays(true)
      this.#prepared[statement.id] = prepared
    }
    return prepared
  }
}

/**
 * Another process may be at a long migration. The thread is not blocked while that lasts, because the other may be a store
 * of this very thread.
 */
async function lockForMigration(connection: DatabaseSync): Promise<void> {
  connection.exec('pragma busy_timeout = 0')
  const deadline = performance.now() + MIGRATION_WAIT_MS
  for (;;) {
    try {
      connection.exec('begin immediate')
      return
    } catch (error) {
      if (!isBusy(error) || performance.now() > deadline) throw error
      await sleep(20)
    }
  }
}

type Bindable = string | number | null

function connect(path: string, busyTimeoutMs: number): DatabaseSync {
  try {
    return connectSqlite(path, busyTimeoutMs)
  } catch (error) {
    const why = problemOf(path)
    throw why === undefined ? sqliteError('unavailable', error) : new StoreError('unavailable', why, { cause: error })
  }
}

function reading<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw sqliteError('unavailable', error)
  }
}
