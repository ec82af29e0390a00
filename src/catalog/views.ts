import type { CatalogCall, CatalogContext, MetadataAnswer, Namespace, PageRequest, TableIdentifier } from './call.ts'
import type { CommitViewRequest, CreateViewRequest, ListTablesResponse, RegisterViewRequest } from './shapes.ts'
export { dropView } from './drop.ts'
export { renameView } from './rename.ts'
export declare function listViews(
  context: CatalogContext, call: CatalogCall, namespace: Namespace, page: PageRequest,
): Promise<ListTablesResponse>
export declare function createView(
  context: CatalogContext, call: CatalogCall, namespace: Namespace, request: CreateViewRequest,
): Promise<MetadataAnswer>
export declare function loadView(
  context: CatalogContext, call: CatalogCall, identifier: TableIdentifier, options?: { readonly ifNoneMatch?: string | undefined },
): Promise<MetadataAnswer>
/** Resolves when it exists, throws 404 when not. */
export declare function viewExists(context: CatalogContext, call: CatalogCall, identifier: TableIdentifier): Promise<void>
export declare function replaceView(
  context: CatalogContext, call: CatalogCall, identifier: TableIdentifier, request: CommitViewRequest,
): Promise<MetadataAnswer>
export declare function registerView(
  context: CatalogContext, call: CatalogCall, namespace: Namespace, request: RegisterViewRequest,
): Promise<MetadataAnswer>
