/**
 * Slows down guessing: so many failed attempts per window, counted for an account together with an address, and more
 * generously for the address alone. An attempt counts when it begins, so that a hundred at once are a hundred.
 */
import { refusal } from '../iceberg/errors.ts'

export interface ThrottleOptions {
  /** Failed attempts per window and account; 0 switches the throttle off. */
  readonly limit: number
  readonly windowMs: number
  readonly now: () => number
}

export interface Throttle {
  /** Runs an attempt. It counts unless it succeeds. @throws IcebergError 429 when there were too many */
  attempt(account: string, address: string, work: () => Promise<boolean>): Promise<boolean>
}

interface Count {
  attempts: number
  readonly until: number
}

/** How the log calls attempts that are refused. */
export const FAILED_LOGINS = 'failed logins'

const ADDRESS_FACTOR = 10
const MAX_COUNTS = 50_000

export function createThrottle(options: ThrottleOptions): Throttle {
  const counts = new Map<string, Count>()

  const current = (key: string): Count => {
    const known = counts.get(key)
    // A clock that was set back must not make a window longer.
    if (known !== undefined && known.until > options.now() && known.until - options.windowMs <= options.now()) return known
    counts.delete(key)
    // Oldest first: a flood of addresses forgets other addresses, not the whole table at once.
    if (counts.size >= MAX_COUNTS) counts.delete(counts.keys().next().value!)
    const fresh = { attempts: 0, until: options.now() + options.windowMs }
    counts.set(key, fresh)
    return fresh
  }

  return {
    attempt: async (account, address, work) => {
      if (options.limit === 0) return work()
      const own = [current(`${address}\0${account.slice(0, 300)}`), current(address)] as const
      const refusing = own.find((count, index) => count.attempts >= options.limit * (index === 0 ? 1 : ADDRESS_FACTOR))
      if (refusing !== undefined) {
        const retryAfterSeconds = Math.ceil((refusing.until - options.now()) / 1000)
        const message = 'Too many failed attempts; try again later'
        throw refusal(FAILED_LOGINS, 'TooManyRequestsException', message, { retryAfterSeconds })
      }
      for (const count of own) count.attempts++
      const succeeded = await work()
      if (succeeded) for (const count of own) count.attempts--
      return succeeded
    },
  }
}
