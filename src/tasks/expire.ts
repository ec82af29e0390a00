/**
 * Removes rows whose time is over: outcomes of requests with an Idempotency-Key, what was dropped and can't come back any more,
 * reports that clients sent long ago, and lines of the logs that are older than what is kept of these.
 */
import { forget } from '../catalog/dropped.ts'
import { removeRows } from '../catalog/metrics/metrics-quota.ts'
import { expireHistory } from '../history/retention.ts'
import type { Mutation, Store } from '../stores/store.ts'
import { realTimer, type Timer } from './runner.ts'

export interface ExpiryOptions {
  readonly store: Store
  readonly now: () => number
  readonly log: (event: string, details: Readonly<Record<string, unknown>>) => void
  readonly timer?: Timer
  readonly intervalMs?: number
  readonly keepMetricsMs?: number
  /** How long lines of the logs are kept; 0 for ever. */
  readonly historyKeptMs?: number
}

const BATCH = 200
/** Of what was dropped: the properties of a namespace can have a quarter of a megabyte. */
const DROPPED_BATCH = 16
const DAY_MS = 86_400_000

/** The removals of one page; none when nothing is due. Rows are removed at the version that was seen to be over. */
async function expiredIdempotency(store: Store, now: number): Promise<Mutation[]> {
  const rows = await store.list('idempotency', { index: 'by_expiry', where: {}, limit: BATCH })
  return rows
    .filter(({ expires_at }) => expires_at <= now)
    .map(({ tenant_id, idempotency_key, version }) => ({
      op: 'remove',
      entity: 'idempotency',
      key: { tenant_id, idempotency_key },
      expected: version,
    }))
}

async function droppedForGood(store: Store, now: number): Promise<Mutation[]> {
  const rows = await store.list('dropped', { index: 'by_expiry', where: {}, limit: DROPPED_BATCH })
  return rows.filter(({ kept_until }) => kept_until <= now).map(forget)
}

async function oldMetrics(store: Store, before: number): Promise<Mutation[]> {
  const rows = await store.list('metrics', { index: 'by_age', where: {}, limit: BATCH })
  return rows
    .filter(({ received_at }) => received_at < before)
    .map(({ tenant_id, catalog_id, entry_id, id, version }) => ({
      op: 'remove',
      entity: 'metrics',
      key: { tenant_id, catalog_id, entry_id, id },
      expected: version,
    }))
}

/** Removes all that is over now; returns how many rows went. */
export async function expire(options: ExpiryOptions, stopped: () => boolean = () => false): Promise<number> {
  const { store, now, keepMetricsMs = 30 * DAY_MS } = options
  let total = 0
  const kinds = [
    { batch: BATCH, due: () => expiredIdempotency(store, now()) },
    { batch: DROPPED_BATCH, due: () => droppedForGood(store, now()) },
    { batch: BATCH, due: () => oldMetrics(store, now() - keepMetricsMs) },
  ]
  for (const { batch, due } of kinds) {
    while (!stopped()) {
      const mutations = await due()
      const removed = mutations.length === 0 ? 0 : await removeRows(store, mutations)
      total += removed
      // A page that nothing could be removed from belongs to another process.
      if (mutations.length < batch || removed === 0) break
    }
  }
  const { historyKeptMs = 0 } = options
  return historyKeptMs === 0 ? total : total + (await expireHistory(store, now() - historyKeptMs, stopped))
}

export function startExpiry(options: ExpiryOptions): { stop(): Promise<void> } {
  const { timer = realTimer, intervalMs = 600_000, log } = options
  let stopped = false
  let running: Promise<void> = Promise.resolve()
  let cancel = timer(run, intervalMs / 10)
  function run(): void {
    running = expire(options, () => stopped)
      .then(
        (removed) => {
          if (removed > 0) log('rows-expired', { removed })
        },
        (error: unknown) => log('tasks-unavailable', { error: String(error) }),
      )
      .then(() => {
        if (!stopped) cancel = timer(run, intervalMs)
      })
  }
  return {
    async stop() {
      stopped = true
      cancel()
      await running
    },
  }
}
