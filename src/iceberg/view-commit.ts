/** One commit to a view. */
import type { ViewRequirement } from './table-requirement.ts'
import type { ViewMetadata } from './view-metadata.ts'
import type { ViewUpdate } from './view-update.ts'
export interface ViewCommit {
  readonly requirements: readonly ViewRequirement[]
  readonly updates: readonly ViewUpdate[]
}
export interface ViewCommitOptions {
  readonly now: number
  readonly checkLocation?: (location: string, what: string) => void
}
export interface ViewCommitted {
  readonly metadata: ViewMetadata
  readonly changed: boolean
}
export declare function commitView(base: ViewMetadata, commit: ViewCommit, options: ViewCommitOptions): ViewCommitted
