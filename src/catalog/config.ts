import type { CatalogCall, CatalogContext } from './call.ts'
import type { CatalogConfig } from './shapes.ts'
/** `endpoints`: "METHOD /v1/{prefix}/..." of every route that works, computed from the route table. */
export declare function getConfig(
  context: CatalogContext, call: CatalogCall, options: { readonly endpoints: readonly string[] },
): Promise<CatalogConfig>
