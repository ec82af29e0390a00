/**
 * The store over any SQL database: plans become statements, rows become objects. How statements reach the database, and
 * how a batch becomes one transaction, is the driver's; what the SQL says differently, the dialect's.
 */
import type { EntityName, Key, NewRow, Row } from '../entities.ts'
import { planBatch, planKey, planList } from '../plan.ts'
import { repeated, StoreError } from '../store.ts'
import type { ListOptions, LookUp, Mutation, Snapshot, Store } from '../store.ts'
import { columnOf, tableOf } from '../tables.ts'
import type { Value } from '../tables.ts'
import type { Dialect, SqlValue } from './dialect.ts'
import { migrateSchema } from './migrations.ts'
import type { MigrationSession } from './migrations.ts'
import { Statements } from './statements.ts'
import type { BoundStatement, Query, SqlRow, Statement } from './statements.ts'

/** A driver may answer at once or by a promise. It throws `StoreError`s `unavailable` and `unknown`, and nothing else. */
export interface SqlDriver {
  /** The first row. */
  first(statement: Statement, parameters: readonly SqlValue[]): SqlRow | undefined | Promise<SqlRow | undefined>
  /** The first row of each, in one round trip. */
  firstOfEach(
    statement: Statement,
    parameters: readonly (readonly SqlValue[])[],
  ): readonly (SqlRow | undefined)[] | Promise<readonly (SqlRow | undefined)[]>
  all(statement: Statement, parameters: readonly SqlValue[]): readonly SqlRow[] | Promise<readonly SqlRow[]>
  /**
   * Where that costs less than a read: a number that is the same only as long as no process has committed
   * anything. Undefined: it can't be told at the moment.
   */
  commitCount?(): number | undefined
  /** Carries out a batch as one durable transaction; answers the position of the step that failed, if one did. */
  write(steps: readonly BoundStatement[]): Promise<number | undefined>
  /** Reads as of one moment, where the database can. */
  snapshot?(): Promise<Pick<SqlDriver, 'all' | 'close'>>
  /** Runs migrations in a transaction that excludes all others. The dialect is that of the database that was met. */
  migrate(run: (session: MigrationSession, dialect?: Dialect) => Promise<void>): Promise<void>
  /** See `Store.prove`. */
  prove?(): Promise<void>
  close(): Promise<void>
}

export function openSqlStore(dialect: Dialect, driver: SqlDriver): Store {
  return new SqlStore(dialect, driver)
}

class SqlStore implements Store {
  readonly #dialect: Dialect
  readonly #driver: SqlDriver
  readonly #statements: Statements
  #closing: Promise<void> | undefined
  readonly snapshot: (() => Promise<Snapshot>) | undefined
  readonly prove: (() => Promise<void>) | undefined

  constructor(dialect: Dialect, driver: SqlDriver) {
    this.#dialect = dialect
    this.#driver = driver
    this.#statements = new Statements(dialect)
    if (driver.snapshot !== undefined) this.snapshot = () => this.#snapshot()
    this.prove = driver.prove?.bind(driver)
  }

  async get<E extends EntityName>(entity: E, key: Key<E>): Promise<Row<E> | undefined> {
    this.#checkOpen()
    const table = tableOf(entity)
    const values = planKey(table, key)
    const query = this.#statements.get(table)
    const answer = this.#driver.first(query.statement, this.#statements.encode(table, table.key, values))
    const row = answer instanceof Promise ? await answer : answer
    return row && this.#decode<E>(query, values, row)
  }

  lookUp<E extends EntityName>(entity: E, key: Key<E>): LookUp<E> {
    const table = tableOf(entity)
    const values = planKey(table, key)
    const query = this.#statements.get(table)
    const parameters = this.#statements.encode(table, table.key, values)
    const decode = (row: SqlRow | undefined): Row<E> | undefined => row && this.#decode<E>(query, values, row)
    const read = repeated<E>(() => {
      this.#checkOpen()
      const answer = this.#driver.first(query.statement, parameters)
      return answer instanceof Promise ? answer.then(decode) : decode(answer)
    })
    return this.#driver.commitCount === undefined ? read : this.#unlessUnchanged(read)
  }

  /** Repeats the answer as long as nothing was committed since before it was read. */
  #unlessUnchanged<E extends EntityName>(read: LookUp<E>): LookUp<E> {
    let last: Row<E> | undefined
    let countBefore: number | undefined
    return {
      get: () => {
        this.#checkOpen()
        const count = this.#driver.commitCount?.()
        if (count !== undefined && count === countBefore) return last
        const row = read.get()
        if (row instanceof Promise) return row
        countBefore = count
        return (last = row)
      },
    }
  }

  async getMany<E extends EntityName>(entity: E, keys: readonly Key<E>[]): Promise<(Row<E> | undefined)[]> {
    this.#checkOpen()
    const table = tableOf(entity)
    const values = keys.map((key) => planKey(table, key))
    const query = this.#statements.get(table)
    const parameters = values.map((key) => this.#statements.encode(table, table.key, key))
    const rows = await this.#driver.firstOfEach(query.statement, parameters)
    return rows.map((row, i) => row && this.#decode<E>(query, values[i] as Value[], row))
  }

  async list<E extends EntityName>(entity: E, options: ListOptions<E>): Promise<Row<E>[]> {
    this.#checkOpen()
    return this.#list(this.#driver, entity, options)
  }

  column<E extends EntityName, C extends keyof NewRow<E>>(
    entity: E,
    column: C,
    options: ListOptions<E>,
  ): NewRow<E>[C][] | Promise<NewRow<E>[C][]> {
    this.#checkOpen()
    const listing = planList(entity, options)
    const position = columnOf(listing.table, column as string)
    const { query, parameters } = this.#statements.list(listing, position)
    const answer = this.#driver.all(query.statement, parameters)
    const decode = (rows: readonly SqlRow[]) => this.#statements.decodeColumn(listing.table, position, rows) as NewRow<E>[C][]
    return answer instanceof Promise ? answer.then(decode) : decode(answer)
  }

  async write(mutations: readonly Mutation[]): Promise<(number | undefined)[]> {
    this.#checkOpen()
    const steps = planBatch(mutations, true)
    if (steps.length === 0) return []
    const failed = await this.#driver.write(steps.map((step) => this.#statements.step(step)))
    if (failed !== undefined) {
      const step = steps[failed]
      throw new StoreError('conflict', `${step?.op} of ${step?.table.entity} does not hold`, { step: failed })
    }
    return steps.map((step) => ('version' in step ? step.version : undefined))
  }

  async migrate(): Promise<void> {
    this.#checkOpen()
    await this.#driver.migrate((session, dialect = this.#dialect) => migrateSchema(dialect, session))
  }

  close(): Promise<void> {
    this.#closing ??= this.#driver.close()
    return this.#closing
  }

  async #list<E extends EntityName>(driver: Pick<SqlDriver, 'all'>, entity: E, options: ListOptions<E>): Promise<Row<E>[]> {
    const listing = planList(entity, options)
    const { query, parameters } = this.#statements.list(listing)
    const rows = await driver.all(query.statement, parameters)
    return rows.map((row) => this.#decode<E>(query, listing.equal, row))
  }

  async #snapshot(): Promise<Snapshot> {
    this.#checkOpen()
    const driver = await this.#driver.snapshot!()
    return { list: (entity, options) => this.#list(driver, entity, options), close: () => driver.close() }
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw new StoreError('unavailable', 'The store is closed')
  }

  #decode<E extends EntityName>(query: Query, known: readonly Value[], row: SqlRow): Row<E> {
    return this.#statements.decode(query, known, row) as unknown as Row<E>
  }
}
