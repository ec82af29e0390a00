/** Optimistic attempts: what lost a race starts over, until it is decided or too many others were faster. */
import { IcebergError } from '../iceberg/errors.ts'
import type { ChangeContext } from './context.ts'

const MAX_TRIES = 100
const MAX_RACING_MS = 20_000
const MAX_PAUSE_MS = 50

/** Tries again while `attempt` answers `undefined`, which says that it lost a race; bounded, with growing random pauses. */
export async function untilDecided<T>(
  context: Pick<ChangeContext, 'now' | 'sleep' | 'random'>,
  what: string,
  attempt: () => Promise<T | undefined>,
): Promise<T> {
  const deadline = context.now() + MAX_RACING_MS
  for (let tries = 1; tries <= MAX_TRIES; tries += 1) {
    const decided = await attempt()
    if (decided !== undefined) return decided
    if (context.now() > deadline) break
    // Short: an attempt that waits long starts behind all others, and loses again.
    await context.sleep(context.random() * Math.min(MAX_PAUSE_MS, tries))
  }
  // Not a 409: no requirement failed, and every client may send the same request again.
  throw new IcebergError('TooManyRequestsException', `Too many concurrent changes of ${what}; nothing was changed`, {
    retryAfterSeconds: 1,
  })
}
