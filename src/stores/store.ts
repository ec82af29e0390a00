/**
 * The store contract: rows of declared entities, read one by one or in index order, and changed by atomic batches of
 * compare-and-set mutations. A store knows how to keep rows, never what a table is. Every engine passes the one suite in
 * `test/stores/suite`.
 *
 * A batch is data, not a callback: it holds no lock while a program computes, it can be shipped to a writer thread, grouped
 * with others under one fsync, sent to a database in one round trip, or carried out by single-document writes.
 */
import type { EntityName, IndexName, Key, NewRow, Row } from './entities.ts'

/**
 * Opaque, drawn anew (53 random bits) each time a row is written, also when a removed row is inserted again: equal versions
 * mean the very same write, so a compare-and-set has no ABA.
 */
export type Version = number

/** One step of a batch. All steps are checked and carried out in order, or none is. */
export type Mutation<E extends EntityName = EntityName> = E extends EntityName
  ?
      | { readonly op: 'insert'; readonly entity: E; readonly row: NewRow<E> }
      /**
       * Replaces the row with the key of `row`, if its version is `expected`. A `version` in `row` is passed over. `changed`: all
       * other columns are as they were in that version, so that an engine need not write them.
       */
      | {
          readonly op: 'replace'
          readonly entity: E
          readonly row: NewRow<E>
          readonly expected: Version
          readonly changed?: readonly (keyof NewRow<E>)[]
        }
      /** Removes a row that exists, at this version or at all (`any`). */
      | { readonly op: 'remove'; readonly entity: E; readonly key: Key<E>; readonly expected: Version | 'any' }
      /** Holds until the batch is committed: the row is at this version, exists at all (`any`), or does not (`none`). */
      | { readonly op: 'require'; readonly entity: E; readonly key: Key<E>; readonly expected: Version | 'any' | 'none' }
      /**
       * No row has these leading values in this index. To make it hold against concurrent inserts, the batch that inserts
       * must `require` a row that this batch removes or replaces (a namespace, for its tables), in an earlier step.
       */
      | { readonly op: 'requireEmpty'; readonly entity: E; readonly index: IndexName<E>; readonly where: Partial<Row<E>> }
  : never

export interface ListOptions<E extends EntityName> {
  /** `primary` is the key. */
  readonly index: IndexName<E>
  /** Equality on a leading part of the index's columns (all others are refused). */
  readonly where: Partial<Row<E>>
  /**
   * Start behind this row, which need not exist: values of all the index's columns and of the key's columns that it lacks.
   * Those of `where` may be left out; other columns are passed over, so that the last row of a page can be given.
   */
  readonly after?: Partial<Row<E>>
  readonly descending?: boolean
  readonly limit: number
}

/** A look-up that is made again and again: its key is checked once. */
export interface LookUp<E extends EntityName> {
  /**
   * What `Store.get` resolves to, and as fresh; without a promise where the answer is at hand. A row that has not changed is
   * the very same object as before.
   */
  get(): Row<E> | undefined | Promise<Row<E> | undefined>
}

export interface Store {
  /** A read sees every write that was acknowledged, by any process, before the read began. */
  get<E extends EntityName>(entity: E, key: Key<E>): Promise<Row<E> | undefined>
  /** Where an engine can repeat a `get` for less; `lookUpIn` is for callers. */
  readonly lookUp?: (<E extends EntityName>(entity: E, key: Key<E>) => LookUp<E>) | undefined
  /** In the order of the keys; one round trip. */
  getMany<E extends EntityName>(entity: E, keys: readonly Key<E>[]): Promise<(Row<E> | undefined)[]>
  /** Rows in index order (text by code point, `null` first, then by key). Pages of one listing are not one snapshot. */
  list<E extends EntityName>(entity: E, options: ListOptions<E>): Promise<Row<E>[]>
  /**
   * Where an engine can read one column of a listing for less, and without a promise where it answers at once; `listColumn`
   * is for callers.
   */
  readonly column?:
    | (<E extends EntityName, C extends keyof NewRow<E>>(
        entity: E,
        column: C,
        options: ListOptions<E>,
      ) => NewRow<E>[C][] | Promise<NewRow<E>[C][]>)
    | undefined
  /**
   * Carries out a batch: atomic, isolated, and durable (on disk, by majority) before it resolves. Resolves to the new
   * version of each step's row (`undefined` for steps that write none).
   * @throws StoreError `conflict` when a step's expectation does not hold or a unique index is violated; nothing changed
   * @throws StoreError `unavailable` nothing changed; `unknown` the connection broke after the batch was sent: read back
   */
  write(mutations: readonly Mutation[]): Promise<(Version | undefined)[]>
  /** What was acknowledged so far, as of one moment, however long it is read. Absent where an engine has no such thing. */
  readonly snapshot?: (() => Promise<Snapshot>) | undefined
  /**
   * Brings the schema up to date. Refuses a schema newer than this program, and a server that `prove` refuses: that is asked
   * when the database first meets it. Safe when several processes start at once.
   */
  migrate(): Promise<void>
  /**
   * Lets concurrent changes race on rows of their own (see `proof.ts`). Absent where this program is the database.
   * @throws StoreError `unavailable` when two of them win
   */
  readonly prove?: (() => Promise<void>) | undefined
  /** Waits for what is under way. The store can't be used afterwards. */
  close(): Promise<void>
}

/** Hold it no longer than needed: databases keep what has been replaced since. */
export interface Snapshot extends Pick<Store, 'list'> {
  close(): Promise<void>
}

/** A look-up in any store. */
export function lookUpIn<E extends EntityName>(store: Store, entity: E, key: Key<E>): LookUp<E> {
  return store.lookUp?.(entity, key) ?? repeated(() => store.get(entity, key))
}

/** One column of what `list` resolves to, in any store. */
export function listColumn<E extends EntityName, C extends keyof NewRow<E>>(
  store: Store,
  entity: E,
  column: C,
  options: ListOptions<E>,
): NewRow<E>[C][] | Promise<NewRow<E>[C][]> {
  if (store.column !== undefined) return store.column(entity, column, options)
  return store.list(entity, options).then((rows: readonly NewRow<E>[]) => rows.map((row) => row[column]))
}

/** A look-up by a read that makes a new object each time. */
export function repeated<E extends EntityName>(read: LookUp<E>['get']): LookUp<E> {
  let last: Row<E> | undefined
  const same = (row: Row<E> | undefined): Row<E> | undefined => (last = row?.version === last?.version ? last : row)
  return {
    get: () => {
      const row = read()
      return row instanceof Promise ? row.then(same) : same(row)
    },
  }
}

export type StoreErrorKind = 'conflict' | 'unavailable' | 'unknown'

/**
 * What an engine throws, and nothing else. (Violated contracts, such as an undeclared column, are `TypeError`s: bugs. So is
 * text with a lone surrogate, in rows and in keys: it has no code points. U+0000 is text like any other.)
 */
export class StoreError extends Error {
  readonly kind: StoreErrorKind
  /** For a conflict: the position in the batch of the first step that failed. */
  readonly step: number | undefined
  constructor(kind: StoreErrorKind, message: string, options: { cause?: unknown; step?: number } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'StoreError'
    this.kind = kind
    this.step = options.step
  }
}
