import type { CatalogCall, CatalogContext } from './call.ts'
import type { CommitTransactionRequest } from './shapes.ts'
export declare function commitTransaction(context: CatalogContext, call: CatalogCall, request: CommitTransactionRequest): Promise<void>
