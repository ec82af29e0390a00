/** What a change needs, in whatever room it is decided: the store, and the ways of the real world. */
import type { Principal } from '../access/principal.ts'
import type { Store } from '../stores/store.ts'
import { createKeyedQueue, type KeyedQueue } from './keyed-queue.ts'
import { createUuidV7 } from './uuid.ts'

export interface ChangeContext {
  readonly store: Store
  /** Changes of one object wait for each other in here, instead of racing and losing. */
  readonly queue: KeyedQueue
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** UUID version 7: keys in time order. */
  readonly uuidV7: () => string
  /** In [0, 1): jitter. */
  readonly random: () => number
  readonly sleep: (ms: number) => Promise<void>
  readonly log: (event: string, details: Readonly<Record<string, unknown>>) => void
  /** Tells the task runner that a task was stored. */
  readonly taskStored: () => void
  /** Tells the sequencer that a change has landed. */
  readonly changed: () => void
}

export type ChangeContextParts = Pick<ChangeContext, 'store'> & Partial<ChangeContext>

/** What is not given is as in the real world; nothing is logged, and no tasks are run. */
export function createChangeContext(given: ChangeContextParts): ChangeContext {
  const now = given.now ?? Date.now
  const random = given.random ?? Math.random
  const sleep = given.sleep ?? ((ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms)))
  return {
    store: given.store,
    queue: given.queue ?? createKeyedQueue({ sleep, random }),
    now,
    uuidV7: given.uuidV7 ?? createUuidV7(now),
    random,
    sleep,
    log: given.log ?? (() => {}),
    taskStored: given.taskStored ?? (() => {}),
    changed: given.changed ?? (() => {}),
  }
}

/** A request with an Idempotency-Key; the fingerprint covers principal, method, path and body. */
export interface Idempotency {
  readonly key: string
  readonly fingerprint: string
}

/** Whose log a change goes into: that of a branch of a catalog, or the tenant's own. */
export interface LogScope {
  readonly tenantId: string
  /** Of the catalog. */
  readonly id: string
  readonly branch: string
  /** Of a catalog that is read as it was: it takes no changes. */
  readonly at?: number | undefined
}

/** For what belongs to no catalog: warehouses, tokens, users, and catalogs themselves. No catalog has an empty id. */
export const tenantLog = (tenantId: string): LogScope => ({ tenantId, id: '', branch: '' })

/** Where a request came from, for the log. */
export interface RequestOrigin {
  readonly address?: string | undefined
  readonly userAgent?: string | undefined
  readonly requestId?: string | undefined
}

export interface ChangeCall {
  readonly principal: Principal
  readonly idempotency?: Idempotency | undefined
  readonly origin?: RequestOrigin | undefined
}
