/** What a client asks for first: where its catalog is, and what this server can do. */
import type { CatalogHandle } from './call.ts'
import { MAIN_BRANCH } from './catalogs.ts'
import { IDEMPOTENCY_KEY_LIFETIME } from '../changes/idempotency.ts'
import type { CatalogConfig } from './shapes.ts'

export interface ConfigOptions {
  /** "METHOD /v1/{prefix}/..." of every route that works, computed from the route table. */
  readonly endpoints: readonly string[]
  /** Not for a client whose URI names the catalog already: a prefix would be put into its paths once more. */
  readonly hasPrefix: boolean
}

export function getConfig({ name, branch }: CatalogHandle, { endpoints, hasPrefix }: ConfigOptions): CatalogConfig {
  // Clients paste the prefix into paths as it is, so it must already be one path segment.
  const prefix = encodeURIComponent(branch === MAIN_BRANCH ? name : `${name}@${branch}`)
  return {
    defaults: {},
    overrides: hasPrefix ? { prefix } : {},
    endpoints,
    'idempotency-key-lifetime': IDEMPOTENCY_KEY_LIFETIME,
  }
}
