/**
 * Everything in which two SQL databases differ, as far as the stores care. The engine, the statements and the migrations
 * ask a dialect and never which database it is; what has no member here must be the same everywhere.
 * The same everywhere: `"quoted"` identifiers, `insert ... on conflict do nothing`, row values in comparisons.
 */
import type { ScalarType, Value } from '../tables.ts'

/** What travels to and from the database. */
export type SqlValue = string | number | boolean | null

export interface Dialect {
  readonly name: string
  /**
   * Column types. The one of text must compare by code point and hold U+0000 (by way of `encode` if need be); `integer` and
   * `version` hold all safe integers; `json` keeps the JSON text character by character.
   */
  readonly types: Readonly<Record<ScalarType | 'version', string>>
  /**
   * Whether the primary key is added when all other indexes are there. PostgreSQL's planner, as long as it knows nothing of a
   * table's rows, takes the newest of the indexes that seem equally good, and keeps to that plan while the table grows.
   */
  readonly addsKeyLast: boolean
  /** Behind the closing bracket of `create table`: how rows are clustered by their key. */
  readonly tableSuffix: string
  /** Behind a column of `create index`, and of `order by` in both directions, so that `null` comes first when ascending. */
  readonly nullOrder: { readonly index: string; readonly ascending: string; readonly descending: string }
  /**
   * Whether an index that is not unique has the key's columns behind its own, so that it holds its whole order. Otherwise rows
   * that are equal by its own columns, of which there are few, are sorted when they are read.
   */
  readonly indexesWholeOrder: boolean
  /** The parameter at a position, counted from 1. Statements use each parameter once, in order. */
  placeholder(position: number): string
  /** The most rows of a `select`, given by a parameter. */
  limit(parameter: string): string
  /** The table of a `from`, with a hint for the index where the planner can't be trusted to take it by itself. */
  source(table: string, index: string): string
  /** The number of a row that is inserted, for a `drawn` column. */
  drawn(table: string, column: string): string
  /** Adds such a column; rows that are there stay without a number, those of programs that do not know it get one where that can be. */
  addDrawn(table: string, column: string): readonly string[]
  /** Behind a `select` of `require`: keeps the row as it is until the transaction ends. */
  readonly shareLock: string
  /**
   * Whether transactions run side by side, so that the absence of a row lasts only if its key is taken: by a row that is
   * inserted and removed again.
   */
  readonly takesAbsentKeys: boolean
  /**
   * A step's statement in the form in which it fails, rather than answers something, when its expectation does not hold. `rows`:
   * how many it must write, if not one.
   */
  expecting(expects: 'written' | 'found' | 'absent', sql: string, rows?: string): string
  /** Types of arrays, of which `unnest` makes rows, where one statement for many rows is worth it. */
  readonly arrays?: Readonly<Record<ScalarType | 'version', string>>
  /** How values other than `null` go in and come out, for the types that don't travel as they are. */
  readonly encode: Partial<Readonly<Record<ScalarType, (value: Value) => SqlValue>>>
  readonly decode: Partial<Readonly<Record<ScalarType | 'version', (value: SqlValue) => Value>>>
  /** Whether the database refused a statement because of a unique index (`replace`; inserts just write no row). */
  isUniqueViolation(error: unknown): boolean
}

export const quote = (identifier: string): string => `"${identifier}"`

/** Where a database numbers rows by a sequence. */
export const drawnSequence = (table: string, column: string): string => `${table}_${column}`

/** Index names live in one name space with tables in most databases. */
export const indexName = (table: string, index: string): string => `${table}_${index}`
