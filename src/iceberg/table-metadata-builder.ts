/** Applies the updates of one commit, in order, to table metadata. */
import type { TableMetadata } from './table-metadata.ts'
import type { TableUpdate } from './table-update.ts'

export interface ApplyOptions {
  /** Milliseconds since 1970. */
  readonly now: number
  /** For a table that has none: a new one, or one of format version 1. */
  readonly newUuid?: string
  /** Throws for a place that the table must not name; `what` says which field holds it. */
  readonly checkLocation?: (location: string, what: string) => void
}

export interface Applied {
  readonly metadata: TableMetadata
  /** False when the result equals the base: nothing needs to be written. */
  readonly changed: boolean
  /** The updates that had an effect, in order. */
  readonly changes: readonly TableUpdate[]
}

export declare function applyUpdates(base: TableMetadata | undefined, updates: readonly TableUpdate[], options: ApplyOptions): Applied
