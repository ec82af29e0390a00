/** What the protocol has of the world beside the documents. */
import type { Documents, Item } from './documents.ts'
import type { Reads } from './reads.ts'

export interface Environment {
  readonly now: () => number
  readonly sleep: (ms: number) => Promise<void>
  /** Unique among all processes; without spaces. */
  readonly newId: () => string
  /** Work that is not waited for; it may be lost. */
  readonly background: (work: Promise<void>) => void
  /** For columns that are drawn; without them such columns stay empty. */
  readonly numbers?: Numbers | undefined
}

export interface Numbers {
  /** Greater than all that were drawn before. */
  draw(): Promise<number>
  /** Changes what a pending transaction will write to some documents; false when it is not pending any more. */
  rewrite(id: string, items: ReadonlyMap<number, Item>): Promise<boolean>
}

export interface Parts {
  readonly documents: Documents
  readonly environment: Environment
  readonly reads: Reads
}

/** A batch that is older than this has been left by its process, or will be told so. */
export const LEFT_MS = 60_000
