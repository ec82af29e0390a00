/** Work whose result several callers share. The two ways to keep a promise; both forget one that was rejected. */

export interface Once<T> {
  (): Promise<T>
  /** What the work gave; undefined where it was never asked for, or failed. Begins nothing. */
  known(): Promise<T | undefined>
}

/** Does the work when it is first asked for, and keeps what it gives. Work that failed is done again for the next caller. */
export function once<T>(work: () => Promise<T>): Once<T> {
  let kept: Promise<T> | undefined
  const get = (): Promise<T> => {
    if (kept !== undefined) return kept
    const begun = started(work)
    kept = begun
    begun.catch(() => {
      if (kept === begun) kept = undefined
    })
    return begun
  }
  return Object.assign(get, { known: async () => kept?.catch(() => undefined) })
}

/** Callers that come while the work is under way get its result; the next one has it done again. */
export function shared<T>(work: () => Promise<T>): () => Promise<T> {
  let running: Promise<T> | undefined
  return () => {
    if (running !== undefined) return running
    const begun: Promise<T> = started(work).finally(() => {
      if (running === begun) running = undefined
    })
    running = begun
    return begun
  }
}

/** A promise also where the work fails before it makes one. */
const started = async <T>(work: () => Promise<T>): Promise<T> => work()
