/**
 * Runs work under names, one at a time per name, in order of arrival. Commits to one table go through it so that the
 * clients of one process never race each other: a race lost costs a metadata file and an fsync, waiting costs nothing.
 * Other processes are met by compare-and-set alone.
 */
import { IcebergError } from '../iceberg/errors.ts'

export interface KeyedQueue {
  /** Waits for its turn under every one of `keys`, then runs. */
  run<T>(keys: readonly string[], work: () => Promise<T>): Promise<T>
}

interface Lane {
  tail: Promise<void>
  waiting: number
}

export function createKeyedQueue(options: { readonly maxWaiting?: number } = {}): KeyedQueue {
  const maxWaiting = options.maxWaiting ?? 1000
  const lanes = new Map<string, Lane>()

  return {
    run: async (keys, work) => {
      const names = [...new Set(keys)]
      const full = names.find((name) => (lanes.get(name)?.waiting ?? 0) >= maxWaiting)
      if (full !== undefined) {
        throw new IcebergError('TooManyRequestsException', `More than ${maxWaiting} requests are waiting to change one object`, {
          retryAfterSeconds: 1,
        })
      }
      // All places are taken in one synchronous step: two callers that share several names can't wait for each other.
      const { promise: done, resolve: leave } = Promise.withResolvers<void>()
      const before = names.map((name) => {
        const lane = lanes.get(name) ?? { tail: Promise.resolve(), waiting: 0 }
        const { tail } = lane
        lane.tail = tail.then(() => done)
        lane.waiting += 1
        lanes.set(name, lane)
        return tail
      })
      try {
        await Promise.all(before)
        return await work()
      } finally {
        leave()
        for (const name of names) {
          const lane = lanes.get(name)
          if (lane !== undefined && (lane.waiting -= 1) === 0) lanes.delete(name)
        }
      }
    },
  }
}
