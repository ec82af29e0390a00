import type { CatalogCall, CatalogContext, MetadataAnswer, Namespace, PageRequest, TableIdentifier } from './call.ts'
import type { CreateTableRequest, ListTablesResponse } from './shapes.ts'

export interface LoadTableOptions {
  readonly snapshots?: 'all' | 'refs' | undefined
  /** The header as it came. */
  readonly ifNoneMatch?: string | undefined
}
export declare function listTables(
  context: CatalogContext, call: CatalogCall, namespace: Namespace, page: PageRequest,
): Promise<ListTablesResponse>
/** Also stages a creation (`stage-create`): then the answer has no ETag and nothing was stored. */
export declare function createTable(
  context: CatalogContext, call: CatalogCall, namespace: Namespace, request: CreateTableRequest,
): Promise<MetadataAnswer>
export declare function loadTable(
  context: CatalogContext, call: CatalogCall, identifier: TableIdentifier, options?: LoadTableOptions,
): Promise<MetadataAnswer>
/** Resolves when it exists, throws 404 when not. */
export declare function tableExists(context: CatalogContext, call: CatalogCall, identifier: TableIdentifier): Promise<void>
