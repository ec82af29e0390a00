import type { CatalogCall, CatalogContext, TableIdentifier } from './call.ts'
export declare function dropTable(
  context: CatalogContext, call: CatalogCall, identifier: TableIdentifier, options?: { readonly purgeRequested?: boolean },
): Promise<void>
export declare function dropView(context: CatalogContext, call: CatalogCall, identifier: TableIdentifier): Promise<void>
