/** What the protocol has of the world beside the documents. */
import type { Documents } from './documents.ts'
import type { Reads } from './reads.ts'

export interface Environment {
  readonly now: () => number
  readonly sleep: (ms: number) => Promise<void>
  /** Unique among all processes; without spaces. */
  readonly newId: () => string
  /** Work that is not waited for; it may be lost. */
  readonly background: (work: Promise<void>) => void
}

export interface Parts {
  readonly documents: Documents
  readonly environment: Environment
  readonly reads: Reads
}

/** A batch that is older than this has been left by its process, or will be told so. */
export const LEFT_MS = 60_000
