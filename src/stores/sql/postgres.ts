/**
 * The PostgreSQL engine: the SQL engine over connections to a server. A batch is one transaction and one round trip: all its
 * statements are sent at once, each written so that it fails when its expectation does not hold, and the commit behind a
 * failed statement is passed over by the server. Reads that meet share a round trip.
 * Transactions are READ COMMITTED: rows' versions and the locks of `require` keep batches apart, so that nothing is ever
 * tried again but what met a deadlock.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { isUnprovenAllowed } from '../proof.ts'
import { StoreError } from '../store.ts'
import type { Store } from '../store.ts'
import { drawnSequence, quote } from './dialect.ts'
import type { Dialect, SqlValue } from './dialect.ts'
import { openSqlStore } from './engine.ts'
import type { SqlDriver } from './engine.ts'
import type { MigrationSession } from './migrations.ts'
import { connect, isStale, itemOf, unavailable } from './postgres-connection.ts'
import type { Connection, Item, Outcome, ServerError } from './postgres-connection.ts'
import { Pool } from './postgres-pool.ts'
import { proveOnce, provePostgres } from './postgres-proof.ts'
import { oneByOne, together } from './postgres-items.ts'
import { PostgresReader } from './postgres-reader.ts'
import { snapshotOf } from './postgres-snapshot.ts'
import type { BoundStatement, SqlRow, Statement } from './statements.ts'

/** Stands in the error of a statement whose expectation does not hold. Database administrators see it in their log. */
const UNEXPECTED = 'pangolin: a row is not as this change expects it'

export const postgresDialect: Dialect = {
  name: 'postgres',
  types: { text: 'text collate "C"', integer: 'bigint', boolean: 'boolean', json: 'text', version: 'bigint' },
  addsKeyLast: true,
  tableSuffix: '',
  nullOrder: { index: ' nulls first', ascending: ' nulls first', descending: ' nulls last' },
  // An entry of an index has room for 2704 bytes: for a location or for a namespace and a name, but not for both.
  indexesWholeOrder: false,
  placeholder: (position) => `$${position}`,
  limit: (parameter) => `limit ${parameter}`,
  source: (table) => `"${table}"`,
  // Behind the steps before it, and so behind the locks for which these waited.
  drawn: (table, column) => `nextval('${drawnSequence(table, column)}')`,
  addDrawn: (table, column) => {
    const sequence = quote(drawnSequence(table, column))
    return [
      `create sequence ${sequence}`,
      `alter table ${quote(table)} add column ${quote(column)} bigint`,
      `alter table ${quote(table)} alter column ${quote(column)} set default nextval('${sequence}')`,
    ]
  },
  // A lock on the key alone would let a `replace` pass, which has to wait as a `remove` does.
  shareLock: ' for share',
  takesAbsentKeys: true,
  expecting: (expects, sql, rows = '1') => {
    const step = expects === 'written' ? `${sql} returning 1` : sql
    const wanted = expects === 'absent' ? '0' : rows
    // The count keeps the planner from working out the failing branch beforehand.
    const outcome = `case when count(*) = ${wanted} then 1 else cast('${UNEXPECTED}: ' || count(*) as integer) end`
    return `with step as (${step}) select ${outcome} from step`
  },
  arrays: { text: 'text[]', integer: 'bigint[]', boolean: 'boolean[]', json: 'text[]', version: 'bigint[]' },
  encode: { text: (value) => encodeText(value as string) },
  decode: {
    text: (value) => decodeText(value as string),
    integer: (value) => Number(value),
    boolean: (value) => value === 't',
    version: (value) => Number(value),
  },
  isUniqueViolation: (error) => (error as ServerError).code === '23505',
}

/** U+0000 can't be stored. It and U+0001 become two characters that sort as they do, below all others. */
function encodeText(text: string): string {
  if (!text.includes('\u0000') && !text.includes('\u0001')) return text
  return text.replaceAll('\u0001', '\u0001\u0002').replaceAll('\u0000', '\u0001\u0001')
}

function decodeText(text: string): string {
  if (!text.includes('\u0001')) return text
  return text.replaceAll('\u0001\u0001', '\u0000').replaceAll('\u0001\u0002', '\u0001')
}

export interface PostgresOptions {
  /** `postgres://` or `postgresql://`, as libpq takes it, with one host. */
  readonly url: string
  readonly maxConnections?: number
  readonly minConnections?: number
  readonly connectTimeoutMs?: number
  readonly statementTimeoutMs?: number
}

/** Connects when it is first used. @throws TypeError for a URL that can't be used; the message holds nothing of it */
export function openPostgresStore(options: PostgresOptions): Store {
  if (!/^postgres(ql)?:\/\//i.test(options.url) || !URL.canParse(options.url)) {
    throw new TypeError('The PostgreSQL URL can not be read; expected is postgres://user:password@host:5432/database')
  }
  return openSqlStore(postgresDialect, new PostgresDriver(options))
}

const COMMIT: Item = { name: 'commit', sql: 'commit', parameters: [] }
const ROLLBACK: Item = { name: 'rollback', sql: 'rollback', parameters: [] }

/** A batch that met a deadlock is sent again, with a pause that grows. */
const ATTEMPTS = 8
const PAUSE_MS = 5
const MIGRATION_WAIT_MS = 60_000

class PostgresDriver implements SqlDriver {
  readonly #connect: () => Promise<Connection>
  readonly #pool: Pool
  readonly #reader: PostgresReader
  /** Batches under way: also those that pause before another attempt, and have no connection. */
  #writes = 0

  constructor(options: PostgresOptions) {
    const { url, maxConnections: max = 10, minConnections: min = 2 } = options
    const { connectTimeoutMs = 10_000, statementTimeoutMs = 10_000 } = options
    const sharing = { isNoticed: false }
    this.#connect = () => connect({ url, connectTimeoutMs, statementTimeoutMs, sharing })
    this.#pool = new Pool({
      connect: this.#connect,
      max,
      min,
      waitMs: connectTimeoutMs,
    })
    this.#reader = new PostgresReader(this.#pool, max)
  }

  async first(statement: Statement, parameters: readonly SqlValue[]): Promise<SqlRow | undefined> {
    return (await this.#reader.read(itemOf(statement, parameters)))[0]
  }

  async firstOfEach(
    statement: Statement,
    parameters: readonly (readonly SqlValue[])[],
  ): Promise<readonly (SqlRow | undefined)[]> {
    const items = parameters.map((values) => itemOf(statement, values))
    return (await this.#reader.readTogether(items)).map((rows) => rows[0])
  }

  all(statement: Statement, parameters: readonly SqlValue[]): Promise<readonly SqlRow[]> {
    return this.#reader.read(itemOf(statement, parameters))
  }

  async write(steps: readonly BoundStatement[]): Promise<number | undefined> {
    let batch = together(steps)
    this.#writes++
    try {
      for (let attempt = 1; ; attempt++) {
        const result = await this.#attempt([...batch.items, COMMIT])
        if (result === 'committed') return undefined
        if (typeof result === 'number') {
          const step = batch.stepOf[result]
          if (step !== undefined) return step
          batch = oneByOne(steps)
          continue
        }
        if (attempt >= ATTEMPTS) throw result
        await sleep(PAUSE_MS * attempt * (1 + Math.random()))
      }
    } finally {
      this.#writes--
    }
  }

  /** The item whose expectation did not hold, or the error that remains if the batch is not worth another attempt. */
  async #attempt(items: readonly Item[]): Promise<'committed' | number | StoreError> {
    const connection = await this.#pool.acquire('write')
    const outcome = await connection.run([...connection.opening, ...items])
    this.#giveBack(connection, outcome)
    const at = outcome.replies.length - connection.opening.length
    // Told by the server, whatever became of the connection behind that.
    if (at === items.length && outcome.replies.at(-1)?.tag === 'COMMIT') return 'committed'
    if (outcome.kind === 'done') throw unavailable('the transaction was rolled back')
    if (outcome.kind === 'lost') {
      const message = `the connection broke: ${outcome.message}`
      if (!outcome.isSent) return unavailable(message)
      throw new StoreError('unknown', `PostgreSQL: ${message}`)
    }
    const { error } = outcome
    const failure = unavailable(`${error.message} (${error.code})`)
    if (isDeadlock(error) || isStale(error)) return failure
    // An error of the commit itself may come when it is done, as from waiting for a standby.
    if (at >= items.length - 1) throw new StoreError('unknown', failure.message)
    if (at >= 0 && (isUnexpected(error) || postgresDialect.isUniqueViolation(error))) return at
    throw failure
  }

  #giveBack(connection: Connection, outcome: Outcome): void {
    if (outcome.kind === 'done') this.#pool.release(connection)
    else if (outcome.kind === 'lost' || isStale(outcome.error)) this.#pool.discard(connection)
    else {
      // It is not waited for: the server has let go of the batch and its locks when it reported the error.
      void connection.run([ROLLBACK]).then(({ kind }) => {
        if (kind === 'done') this.#pool.release(connection)
        else this.#pool.discard(connection)
      })
    }
  }

  /**
   * Processes that start at once wait for each other by a row of a table of its own: locks on rows are what all databases
   * of this protocol have.
   */
  async migrate(run: (session: MigrationSession, dialect: Dialect) => Promise<void>): Promise<void> {
    const connection = await this.#pool.acquire('write')
    const session: MigrationSession = {
      execute: async (sql) => void (await connection.simple(sql)),
      rows: (sql) => connection.simple(sql),
    }
    const types = { ...postgresDialect.types, text: connection.variant.text }
    try {
      await madeMeanwhile(() => makeLock(session))
      if (!isUnprovenAllowed()) await madeMeanwhile(() => proveOnce(session, this.#connect))
      await unlessDeadlocked(session, async () => {
        for (const { sql } of connection.opening) await session.execute(sql)
        await session.execute(`set local statement_timeout = ${MIGRATION_WAIT_MS}`)
        await session.execute('select 1 from "schema_lock" where "id" = 1 for update')
        await run(session, { ...postgresDialect, types })
        await session.execute('commit')
      })
      this.#pool.release(connection)
    } catch (error) {
      // Closing rolls back what was not committed.
      this.#pool.discard(connection)
      if (error instanceof StoreError || error instanceof TypeError) throw error
      const { code, message } = error as Partial<ServerError>
      throw unavailable(`the schema could not be brought up to date: ${message} (${code ?? 'no answer'})`)
    }
  }

  snapshot(): ReturnType<NonNullable<SqlDriver['snapshot']>> {
    return snapshotOf(this.#connect)
  }

  prove(): Promise<void> {
    return provePostgres(this.#connect)
  }

  async close(): Promise<void> {
    while (this.#writes > 0 || this.#reader.isBusy) await sleep(PAUSE_MS)
    await this.#pool.close()
  }
}

async function makeLock(session: MigrationSession): Promise<void> {
  await session.execute('create table if not exists "schema_lock" ("id" bigint not null primary key)')
  await session.execute('insert into "schema_lock" ("id") values (1) on conflict do nothing')
}

/** `if not exists` does not wait for another process that makes the table at the same moment, but fails: then it is there. */
async function madeMeanwhile(make: () => Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await make()
    } catch (error) {
      const { code = '' } = error as Partial<ServerError>
      if (attempt === ATTEMPTS || !(MADE_MEANWHILE.has(code) || isDeadlock({ code }))) throw error
      await sleep(PAUSE_MS * attempt * (1 + Math.random()))
    }
  }
}

/** Servers of before go on meanwhile, and take locks in an order of their own. What met a deadlock is begun anew as a whole. */
async function unlessDeadlocked(session: MigrationSession, migrate: () => Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await migrate()
    } catch (error) {
      const { code = '' } = error as Partial<ServerError>
      if (attempt === ATTEMPTS || !isDeadlock({ code })) throw error
      await session.execute('rollback')
      await sleep(PAUSE_MS * attempt * (1 + Math.random()))
    }
  }
}

/** Of a unique index of the system's own tables, or of the table itself. */
const MADE_MEANWHILE = new Set(['23505', '42P07', '42710'])

/** Deadlocks, and what databases without them report in their place. The transaction is surely rolled back. */
const isDeadlock = ({ code }: Pick<ServerError, 'code'>): boolean => code === '40P01' || code === '40001'

const isUnexpected = ({ code, message }: ServerError): boolean => code === '22P02' && message.includes(UNEXPECTED)
