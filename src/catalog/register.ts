import type { CatalogCall, CatalogContext, MetadataAnswer, Namespace, TableIdentifier } from './call.ts'
import type { RegisterTableRequest } from './shapes.ts'
export declare function registerTable(
  context: CatalogContext, call: CatalogCall, namespace: Namespace, request: RegisterTableRequest,
): Promise<MetadataAnswer>
/** The body is an UnregisterTableResult. */
export declare function unregisterTable(context: CatalogContext, call: CatalogCall, identifier: TableIdentifier): Promise<MetadataAnswer>
