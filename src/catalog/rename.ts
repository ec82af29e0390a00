import type { CatalogCall, CatalogContext } from './call.ts'
import type { RenameTableRequest } from './shapes.ts'
export declare function renameTable(context: CatalogContext, call: CatalogCall, request: RenameTableRequest): Promise<void>
export declare function renameView(context: CatalogContext, call: CatalogCall, request: RenameTableRequest): Promise<void>
