/**
 * Limits of time and bounded retries for requests to object stores and token services over HTTP. A request is given up when
 * nothing came for a while or when all its attempts took too long; only what is safe to repeat may run here, a conditional
 * creation included: `createNew` knows its own object again when the first answer was lost.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { StorageError } from './storage.ts'

const ATTEMPTS = 4
const SILENCE_MS = 20_000
const TOTAL_MS = 120_000
/** A byte of a body that is sent may take this long: 1 MB/s. */
const MS_PER_BYTE = 1 / 1000
const FIRST_PAUSE_MS = 100
const PARALLEL = 16

export interface Attempt {
  /** The first has 1. */
  readonly number: number
  readonly signal: AbortSignal
  /** Something came: the clock starts again. */
  readonly alive: () => void
}

class SilenceClock {
  readonly #controller = new AbortController()
  readonly #ms: number
  #timer: NodeJS.Timeout

  constructor(ms: number) {
    this.#ms = ms
    this.#timer = this.#start()
  }

  #start(): NodeJS.Timeout {
    return setTimeout(() => this.#controller.abort(new DOMException('no answer in time', 'TimeoutError')), this.#ms)
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  readonly alive = (): void => {
    this.stop()
    this.#timer = this.#start()
  }

  stop(): void {
    clearTimeout(this.#timer)
  }
}

/** Was tried again already: by a request that another one waits for, such as that for its token. */
class GivenUp extends StorageError {}

/** Runs `request` until it succeeds or fails in a way that another attempt can't mend; `failure` names what went wrong. */
export async function withAttempts<T>(
  request: (attempt: Attempt) => Promise<T>,
  failure: (error: unknown) => StorageError,
  bodyBytes = 0,
): Promise<T> {
  const total = AbortSignal.timeout(TOTAL_MS)
  for (let number = 1; ; number += 1) {
    const clock = new SilenceClock(SILENCE_MS + bodyBytes * MS_PER_BYTE)
    try {
      return await request({ number, signal: AbortSignal.any([total, clock.signal]), alive: clock.alive })
    } catch (error) {
      const problem = error instanceof StorageError ? error : failure(error)
      if (problem.kind !== 'unavailable' || problem instanceof GivenUp) throw problem
      if (number >= ATTEMPTS || total.aborted) throw new GivenUp('unavailable', problem.message, problem.cause)
    } finally {
      clock.stop()
    }
    // A random part, so that many who were refused at once do not come back at once.
    await sleep(FIRST_PAUSE_MS * 2 ** number * (0.5 + Math.random() / 2))
  }
}

/** Carries out a conditional creation. `holds`: whether the object that is there has the bytes that were to be written. */
export async function createNew(
  put: (attempt: Attempt) => Promise<unknown>,
  failure: (error: unknown) => StorageError,
  { bodyBytes, holds }: { readonly bodyBytes: number; readonly holds: () => Promise<boolean> },
): Promise<void> {
  let attempts = 0
  try {
    await withAttempts(
      (attempt) => {
        attempts = attempt.number
        return put(attempt)
      },
      failure,
      bodyBytes,
    )
  } catch (error) {
    // An earlier attempt, whose answer was lost, may be what is there now.
    if (error instanceof StorageError && error.kind === 'exists' && attempts > 1 && (await holds())) return
    throw error
  }
}

/** Whether the object at `location` has exactly these bytes. */
export async function holdsBytes(
  store: { read(location: string, options: { readonly maxBytes: number }): Promise<Buffer> },
  location: string,
  bytes: Uint8Array,
): Promise<boolean> {
  try {
    return (await store.read(location, { maxBytes: bytes.length })).equals(bytes)
  } catch (error) {
    if (error instanceof StorageError && error.kind === 'too-large') return false
    throw error
  }
}

/** The whole of a body, chunk by chunk. @throws StorageError `too-large` */
export async function collect(
  body: AsyncIterable<Uint8Array>,
  { location, maxBytes, alive }: { readonly location: string; readonly maxBytes: number; readonly alive: () => void },
): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  let size = 0
  // Leaving the loop early ends the body, and the request with it.
  for await (const chunk of body) {
    alive()
    size += chunk.length
    if (size > maxBytes) throw new StorageError('too-large', `${location} has more than ${maxBytes} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** Does the work for each item, for some of them at once; the first failure ends it when those that run have ended. */
export async function forEachAtOnce<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const failures: unknown[] = []
  const queue = items.values()
  const lane = async (): Promise<void> => {
    for (const item of queue) {
      if (failures.length > 0) return
      await work(item).catch((error: unknown) => failures.push(error))
    }
  }
  await Promise.all(Array.from({ length: Math.min(PARALLEL, items.length) }, lane))
  if (failures.length > 0) throw failures[0]
}
