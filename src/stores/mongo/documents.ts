/**
 * The few single-document operations that the protocol rests on. `driver.ts` carries them out on MongoDB; the tests explore
 * the protocol over a fake of them. Each is atomic and durable when it is answered, and no two of them are so together.
 */
import type { Content } from './codec.ts'

/**
 * A row, its place holder or its draft: without `v` there is no row (yet). `m` is the batch that holds the document
 * exclusively; `r` are those that hold it in common.
 */
export interface RowDocument extends Partial<Content> {
  readonly _id: string
  readonly m?: string
  readonly r?: readonly string[]
  /** The row that `m` makes of a draft, whose places in the indexes are those of this row already. */
  readonly d?: Pick<Content, 'v' | 'c'>
  /** Batches that this row's present version or one before it has decided, and whose drafts are not all rows yet. */
  readonly o?: readonly Sent[]
  /** Batches that were to replace this version and shall not. */
  readonly x?: readonly string[]
}

/** A batch in the outbox of the document that decided it. */
export interface Sent {
  readonly t: string
  /**
   * Its drafts. (Documents and not pairs: servers that are compatible with MongoDB may know no arrays in arrays. Versions
   * before this one wrote pairs, which are read as well.)
   */
  readonly k: readonly (DraftName | readonly [collection: string, id: string])[]
}

/** Collection and id of a draft, named as those of an `Item`. */
export type DraftName = Pick<Item, 'e' | 'k'>

export type TransactionState = 'pending' | 'committed' | 'aborted'

/** What a transaction does to one document, once it is committed. */
export interface Item {
  /** The collection. */
  readonly e: string
  /** The document's id. */
  readonly k: string
  /** Held in common, because the row is only required. */
  readonly shared: boolean
  /** The new row; `null` for none; absent when it stays as it is. */
  readonly n?: Content | null
}

/** What is known of a batch of several documents. */
export interface Decision {
  readonly _id: string
  readonly state: TransactionState
  /** When the batch was first tried: the older of two goes first. */
  readonly born: number
  readonly at: number
  readonly items: readonly Item[]
}

export interface TransactionDocument extends Decision {
  /** The collections that it writes to; none when it is finished. */
  readonly touches: readonly string[]
  /** Nothing refers to it any more. */
  readonly finished?: true
}

/** Which state a document must be in for a change; all that is given must hold. */
export interface Where {
  readonly id: string
  readonly version?: number | 'present' | 'absent'
  /** Held exclusively by this transaction, or (`null`) by none. */
  readonly mark?: string | null
  /** Held in common by this transaction among others, or (`null`) by none. */
  readonly reader?: string | null
  /** Its outbox is empty, or has room for one more. */
  readonly outbox?: 'empty' | 'room'
  /** This batch was not called off. */
  readonly allowed?: string
}

export type Change =
  | { readonly mark: string | null }
  | { readonly addReader: string }
  | { readonly removeReader: string }
  /** The row's new content, held by no batch; its outbox stays, with this batch in it if one is given. */
  | { readonly content: Content; readonly sent?: Sent }
  /** Calls a batch off that was to replace this version. */
  | { readonly forbid: string }
  /** All drafts of this batch are rows. */
  | { readonly delivered: string }

export type Operation =
  | { readonly op: 'insert'; readonly collection: string; readonly document: RowDocument }
  | { readonly op: 'update'; readonly collection: string; readonly where: Where; readonly change: Change }
  | { readonly op: 'remove'; readonly collection: string; readonly where: Where }

export interface Range {
  readonly collection: string
  /** `primary` or a secondary index. */
  readonly index: string
  readonly from: string
  /** Whether `from` itself is in the range. */
  readonly inclusive: boolean
  readonly to: string
  readonly descending: boolean
  readonly limit: number
}

/** Throws `StoreError`s: `unavailable` when nothing was done, `unknown` when a change may have been. */
export interface Documents {
  find(collection: string, id: string): Promise<RowDocument | undefined>
  /** In any order. */
  findMany(collection: string, ids: readonly string[]): Promise<RowDocument[]>
  range(range: Range): Promise<RowDocument[]>
  /**
   * Whether the document was there to change, or free to insert, for each. In any order; not atomic together. Of many that
   * set no mark nobody asks, and the answer may be true for all. When it throws, none is under way any more.
   */
  apply(operations: readonly Operation[]): Promise<boolean[]>

  findTransaction(id: string): Promise<TransactionDocument | undefined>
  /** Those that write to this collection, are committed and not finished. */
  committedTransactions(collection: string): Promise<TransactionDocument[]>
  /** Some of those that were begun before the first time and are not finished, or before the second. */
  oldTransactions(left: number, forgotten: number): Promise<TransactionDocument[]>
  insertTransaction(transaction: TransactionDocument): Promise<void>
  /** From pending to this state; false when it is not pending (any more). */
  decide(id: string, state: 'committed' | 'aborted'): Promise<boolean>
  finishTransaction(id: string): Promise<void>
  removeTransaction(id: string): Promise<void>
}
