import type { NewRow, Row } from '../stores/entities.ts'
import type { Mutation } from '../stores/store.ts'
/** The steps that store a catalog and its branch `main`. A name that is taken is a conflict at step 0. */
export declare function createCatalogRow(row: NewRow<'catalogs'>): Mutation[]
/** The steps that remove a catalog of which nothing is left but empty branches. Conflict: it is in use, or was changed. */
export declare function dropCatalogRow(row: Row<'catalogs'>): Mutation[]
