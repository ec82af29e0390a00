/** What a client asks for first: where its catalog is, and what this server can do. */
import type { CatalogCall, CatalogContext } from './call.ts'
import { MAIN_BRANCH } from './catalogs.ts'
import { IDEMPOTENCY_KEY_LIFETIME } from './idempotency.ts'
import type { CatalogConfig } from './shapes.ts'

/** `endpoints`: "METHOD /v1/{prefix}/..." of every route that works, computed from the route table. */
export async function getConfig(
  _context: CatalogContext,
  call: CatalogCall,
  options: { readonly endpoints: readonly string[] },
): Promise<CatalogConfig> {
  const { name, branch } = call.catalog
  // Clients paste the prefix into paths as it is, so it must already be one path segment.
  const prefix = encodeURIComponent(branch === MAIN_BRANCH ? name : `${name}@${branch}`)
  return {
    defaults: {},
    overrides: { prefix },
    endpoints: options.endpoints,
    'idempotency-key-lifetime': IDEMPOTENCY_KEY_LIFETIME,
  }
}
