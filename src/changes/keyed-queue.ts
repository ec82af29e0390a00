/**
 * Runs work under names, one at a time per name, in order of arrival. Commits to one table go through it so that the
 * clients of one process never race each other: a race lost costs a metadata file and an fsync, waiting costs nothing.
 *
 * Other processes are met by compare-and-set alone, and there the one that has just won starts first and wins again. So a
 * lane in constant use takes a breath now and then, long enough for another process's attempt.
 */
import { IcebergError } from '../iceberg/errors.ts'

export interface KeyedQueue {
  /** Waits for its turn under every one of `keys`, then runs. */
  run<T>(keys: readonly string[], work: () => Promise<T>): Promise<T>
}

export interface QueueOptions {
  /** Waits under one name; more are refused. */
  readonly maxWaiting?: number
  /** Runs without a breath. */
  readonly streak?: number
  readonly sleep?: (ms: number) => Promise<void>
  /** In [0, 1). */
  readonly random?: () => number
}

interface Lane {
  tail: Promise<void>
  waiting: number
  served: number
  /** How long the run before took. */
  lastMs: number
}

const MAX_BREATH_MS = 100
const realSleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

export function createKeyedQueue(options: QueueOptions = {}): KeyedQueue {
  const { maxWaiting = 1000, streak = 8, sleep = realSleep, random = Math.random } = options
  const lanes = new Map<string, Lane>()

  const enter = (name: string, done: Promise<void>): { readonly lane: Lane; readonly before: Promise<void> } => {
    const lane = lanes.get(name) ?? { tail: Promise.resolve(), waiting: 0, served: 0, lastMs: 0 }
    const before = lane.tail
    lane.tail = before.then(() => done)
    lane.waiting += 1
    lanes.set(name, lane)
    return { lane, before }
  }

  const breathe = async (lane: Lane): Promise<void> => {
    if (lane.served > 0 && lane.served % streak === 0) await sleep(Math.min(MAX_BREATH_MS, random() * 2 * lane.lastMs))
  }

  return {
    run: async (keys, work) => {
      const names = [...new Set(keys)]
      if (names.some((name) => (lanes.get(name)?.waiting ?? 0) >= maxWaiting)) {
        throw new IcebergError('TooManyRequestsException', `More than ${maxWaiting} requests are waiting to change one object`, {
          retryAfterSeconds: 1,
        })
      }
      // All places are taken in one synchronous step: two callers that share several names can't wait for each other.
      const { promise: done, resolve: leave } = Promise.withResolvers<void>()
      const places = names.map((name) => enter(name, done))
      let startedAt = 0
      try {
        await Promise.all(places.map(({ before }) => before))
        await Promise.all(places.map(({ lane }) => breathe(lane)))
        startedAt = performance.now()
        return await work()
      } finally {
        const lastMs = performance.now() - startedAt
        leave()
        places.forEach(({ lane }, at) => {
          lane.served += 1
          lane.lastMs = lastMs
          if ((lane.waiting -= 1) === 0) lanes.delete(names[at] as string)
        })
      }
    },
  }
}
