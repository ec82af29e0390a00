/** What a client asks for first: where its catalog is, and what this server can do. */
import type { CatalogHandle } from './call.ts'
import { prefixOf } from './places/target.ts'
import { IDEMPOTENCY_KEY_LIFETIME } from '../changes/idempotency.ts'
import type { CatalogConfig } from './shapes.ts'

export interface ConfigOptions {
  /** "METHOD /v1/{prefix}/..." of every route that works, computed from the route table. */
  readonly endpoints: readonly string[]
  /** Not for a client whose URI names the catalog already: a prefix would be put into its paths once more. */
  readonly hasPrefix: boolean
}

export function getConfig(catalog: CatalogHandle, { endpoints, hasPrefix }: ConfigOptions): CatalogConfig {
  return {
    defaults: {},
    overrides: hasPrefix ? { prefix: prefixOf(catalog) } : {},
    endpoints,
    'idempotency-key-lifetime': IDEMPOTENCY_KEY_LIFETIME,
  }
}
