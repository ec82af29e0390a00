/**
 * The calling thread's end of the threads that do what takes long with metadata and large requests: parsing, checking,
 * putting together. They start when there is such work, and end when there was none for a while, which gives their memory
 * back. What waits is bounded, and callers take turns, so that the large requests of one do not keep out those of others.
 */
import { availableParallelism } from 'node:os'
import type { Worker } from 'node:worker_threads'
import { Lines } from '../../access/lines.ts'
import { createShares } from '../../access/shares.ts'
import { IcebergError, unavailable } from '../../iceberg/errors.ts'
import { startThread } from '../../threads.ts'
import { errorOf, type Failure } from './failures.ts'
import type { FormatWork, InputOf, OutputOf } from './format-work.ts'

export type FormatRequest = { readonly [W in FormatWork]: readonly [work: W, input: InputOf<W>] }[FormatWork]
export type FormatResponse = { readonly result: unknown } | { readonly failure: Failure }

export interface FormatThreads {
  /** `holder` is whom the work is for. @throws IcebergError as the work does; 429 when too much waits; 503 when a thread is lost */
  run<W extends FormatWork>(work: W, input: InputOf<W>, holder: string): Promise<OutputOf<W>>
}

interface Job {
  readonly request: FormatRequest
  readonly resolve: (result: unknown) => void
  readonly reject: (error: unknown) => void
}

interface Thread {
  readonly worker: Worker
  job: Job | undefined
  idle: NodeJS.Timeout | undefined
}

/** One is left for the thread that serves requests. */
const MAX_THREADS = Math.max(1, Math.min(4, availableParallelism() - 1))
const MAX_WAITING = 64
const IDLE_MS = 10_000
/** The largest metadata takes less than half of it. */
const HEAP_MEGABYTES = 3072

function settle(thread: Thread, response: FormatResponse): void {
  const { job } = thread
  thread.job = undefined
  if (job === undefined) return
  if ('result' in response) job.resolve(response.result)
  else job.reject(errorOf(response.failure))
}

/** False where the thread could not be given the job. */
function handOver(thread: Thread, job: Job): boolean {
  try {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- threads have no origin
    thread.worker.postMessage(job.request)
  } catch (error) {
    job.reject(error)
    return false
  }
  thread.job = job
  thread.worker.ref()
  return true
}

export function createFormatThreads(): FormatThreads {
  const threads = new Set<Thread>()
  const shares = createShares(MAX_WAITING)
  const waiting = new Lines<Job>()

  const end = (thread: Thread): void => {
    threads.delete(thread)
    void thread.worker.terminate()
  }

  const feed = (thread: Thread): void => {
    const job = waiting.next()?.item
    if (job === undefined) {
      // A thread with nothing to do does not keep the process alive.
      thread.worker.unref()
      thread.idle = setTimeout(() => end(thread), IDLE_MS).unref()
      return
    }
    clearTimeout(thread.idle)
    if (!handOver(thread, job)) feed(thread)
  }

  const start = (): void => {
    const worker = startThread<FormatResponse>(import.meta.url, 'format-thread', {
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MEGABYTES },
      onMessage: (response) => {
        settle(thread, response)
        feed(thread)
      },
      onLost: (cause) => {
        threads.delete(thread)
        clearTimeout(thread.idle)
        thread.job?.reject(unavailable('The server could not finish this; nothing was changed', { cause }))
        thread.job = undefined
        if (waiting.isEmpty) return
        begin()
      },
    })
    const thread: Thread = { worker, job: undefined, idle: undefined }
    threads.add(thread)
    feed(thread)
  }

  const begin = (): void => {
    for (const thread of threads) if (thread.job === undefined) return feed(thread)
    if (threads.size < MAX_THREADS) start()
  }

  return {
    run: <W extends FormatWork>(work: W, input: InputOf<W>, holder: string) => {
      if (!shares.mayTake(holder)) {
        const message = 'The server works on other large requests; try again'
        return Promise.reject(new IcebergError('TooManyRequestsException', message, { retryAfterSeconds: 1 }))
      }
      shares.take(holder)
      const done = new Promise((resolve, reject) => {
        const job = { request: [work, input] as unknown as FormatRequest, resolve, reject }
        waiting.add(holder, job)
        begin()
      })
      return done.finally(() => shares.giveBack(holder)) as Promise<OutputOf<W>>
    },
  }
}
