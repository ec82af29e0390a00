import type { Store } from '../stores/store.ts'
import type { CatalogContext } from './call.ts'
/** What `main.ts` gives; everything else has its production default, which tests replace. */
export declare function createCatalogContext(
  parts: { readonly store: Store; readonly pageTokenKey: Uint8Array; readonly cacheBytes?: number } & Partial<CatalogContext>,
): CatalogContext
