/** Builds what the use cases run on. `main.ts` gives the parts that matter; the rest are the ways of the real world. */
import { randomUUID, type KeyObject } from 'node:crypto'
import { createChangeContext } from '../changes/context.ts'
import { createSequencer } from '../history/sequencer.ts'
import { DEFAULT_TABLE_LIMITS } from '../iceberg/table-limits.ts'
import type { Store } from '../stores/store.ts'
import type { CatalogContext } from './call.ts'
import { createCredentialCache } from './delegation/credentials.ts'
import { createFormatThreads } from './commits/format-threads.ts'
import { createLandedRows } from './commits/landed.ts'
import { createMetadataCache } from './documents/metadata-cache.ts'
import { createMetricsQuota, DEFAULT_QUOTAS, type MetricsLimits } from './metrics/metrics-quota.ts'

const DEFAULT_DROPPED_KEPT_MS = 7 * 86_400_000
const DEFAULT_CACHE_BYTES = 32 * 1024 * 1024

export type CatalogContextParts = {
  readonly store: Store
  readonly pageTokenKey: KeyObject
  readonly cacheBytes?: number
  readonly metricsLimits?: MetricsLimits
} & Partial<Omit<CatalogContext, 'store' | 'pageTokenKey'>>

export function createCatalogContext(parts: CatalogContextParts): CatalogContext {
  const { cacheBytes, metricsLimits, ...given } = parts
  const change = createChangeContext(given)
  const { store, now, log } = change
  const sequencer = given.sequencer ?? createSequencer({ store, now, log })
  return {
    ...change,
    sequencer,
    changed: () => sequencer.changed(),
    cache: createMetadataCache({ maxBytes: cacheBytes ?? DEFAULT_CACHE_BYTES }),
    credentials: createCredentialCache({ now, log }),
    threads: createFormatThreads(),
    limits: DEFAULT_TABLE_LIMITS,
    droppedKeptMs: DEFAULT_DROPPED_KEPT_MS,
    landed: createLandedRows(now),
    metricsQuota: createMetricsQuota(metricsLimits ?? { quotas: DEFAULT_QUOTAS }),
    uuid: randomUUID,
    taskEnded: async () => {},
    ...given,
  }
}
