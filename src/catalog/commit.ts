import type { CatalogCall, CatalogContext, MetadataAnswer, TableIdentifier } from './call.ts'
import type { CommitTableRequest } from './shapes.ts'
export declare function updateTable(
  context: CatalogContext, call: CatalogCall, identifier: TableIdentifier, request: CommitTableRequest,
): Promise<MetadataAnswer>
