import type { CatalogCall, CatalogContext, PageRequest } from './call.ts'
import type { Json } from '../stores/entities.ts'
export interface CatalogCommit {
  readonly id: string
  readonly 'timestamp-ms': number
  readonly author: string
  readonly message: string
  readonly operations: Json
}
/** Newest first. */
export declare function listCommits(
  context: CatalogContext, call: CatalogCall, page: PageRequest,
): Promise<{ readonly commits: readonly CatalogCommit[]; readonly 'next-page-token': string | null }>
