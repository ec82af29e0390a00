/** Builds what the use cases run on. `main.ts` gives the parts that matter; the rest are the ways of the real world. */
import { randomUUID, type KeyObject } from 'node:crypto'
import { DEFAULT_TABLE_LIMITS } from '../iceberg/table-limits.ts'
import type { Store } from '../stores/store.ts'
import type { CatalogContext } from './call.ts'
import { createCredentialCache } from './credentials.ts'
import { createFormatThreads } from './format-threads.ts'
import { createKeyedQueue } from '../changes/keyed-queue.ts'
import { createLandedRows } from './landed.ts'
import { createMetadataCache } from './metadata-cache.ts'
import { createMetricsQuota, DEFAULT_QUOTAS, type MetricsLimits } from './metrics-quota.ts'
import { createUuidV7 } from '../changes/uuid.ts'

const DEFAULT_CACHE_BYTES = 32 * 1024 * 1024

export type CatalogContextParts = {
  readonly store: Store
  readonly pageTokenKey: KeyObject
  readonly cacheBytes?: number
  readonly metricsLimits?: MetricsLimits
} & Partial<Omit<CatalogContext, 'store' | 'pageTokenKey'>>

export function createCatalogContext(parts: CatalogContextParts): CatalogContext {
  const { cacheBytes, metricsLimits, ...given } = parts
  const now = given.now ?? Date.now
  const log = given.log ?? (() => {})
  const random = given.random ?? Math.random
  const sleep = given.sleep ?? ((ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms)))
  return {
    cache: createMetadataCache({ maxBytes: cacheBytes ?? DEFAULT_CACHE_BYTES }),
    credentials: createCredentialCache({ now, log }),
    threads: createFormatThreads(),
    limits: DEFAULT_TABLE_LIMITS,
    queue: createKeyedQueue({ sleep, random }),
    landed: createLandedRows(now),
    metricsQuota: createMetricsQuota(metricsLimits ?? { quotas: DEFAULT_QUOTAS }),
    now,
    uuid: randomUUID,
    uuidV7: createUuidV7(now),
    random,
    sleep,
    log,
    taskStored: () => {},
    taskEnded: async () => {},
    ...given,
  }
}
