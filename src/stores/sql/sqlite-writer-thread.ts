/**
 * The calling thread's end of the writer. Batches of one turn of the event loop travel in one message, as flat arrays;
 * the answers of one group come back in one message, in the order in which the batches went out.
 */
import type { Worker } from 'node:worker_threads'
import { FEW_YOUNG_OBJECTS, startThread } from '../../threads.ts'
import { StoreError } from '../store.ts'
import type { SqlValue } from './dialect.ts'
import type { BoundStatement, Expectation } from './statements.ts'

export interface WriterOptions {
  readonly path: string
  readonly busyTimeoutMs: number
}

/** A batch: for each step the id of its statement, then its parameters. */
export type FlatBatch = SqlValue[]
export type Definition = readonly [id: number, sql: string, parameters: number, expects: Expectation]

export interface WriterRequest {
  /** Statements that these batches are the first to use. */
  readonly definitions: readonly Definition[]
  readonly batches: readonly FlatBatch[]
}

/** -1: done. Other numbers: the step that failed. A failure: what befell the batch through no fault of its own. */
export type Outcome = number | { readonly kind: 'unavailable' | 'unknown'; readonly message: string }
export type WriterResponse = readonly Outcome[]

interface Pending {
  readonly steps: readonly BoundStatement[]
  readonly resolve: (failedStep: number | undefined) => void
  readonly reject: (error: StoreError) => void
}

interface RunningWorker {
  readonly thread: Worker
  /** By id: statements that the worker has been told. */
  readonly defined: boolean[]
  /** Sent, in order, and not answered. */
  sent: Pending[]
}

export class WriterThread {
  readonly #options: WriterOptions
  #worker: RunningWorker | undefined
  #waiting: Pending[] = []
  #scheduled = false
  #drained: (() => void) | undefined

  constructor(options: WriterOptions) {
    this.#options = options
    this.#worker = this.#start()
  }

  write(steps: readonly BoundStatement[]): Promise<number | undefined> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ steps, resolve, reject })
      if (this.#scheduled) return
      this.#scheduled = true
      // While the writer is at work there is time to collect what else this turn brings.
      if (this.#worker === undefined || this.#worker.sent.length === 0) queueMicrotask(this.#send)
      else setImmediate(this.#send)
    })
  }

  /** Waits for all batches, then ends the thread. */
  async close(): Promise<void> {
    if (this.#isBusy()) await new Promise<void>((resolve) => (this.#drained = resolve))
    const worker = this.#worker
    if (worker === undefined) return
    this.#worker = undefined
    worker.thread.ref()
    await new Promise<void>((resolve) => {
      worker.thread.once('exit', () => resolve())
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- threads have no origin
      worker.thread.postMessage('close')
    })
  }

  #isBusy(): boolean {
    return this.#waiting.length > 0 || (this.#worker?.sent.length ?? 0) > 0
  }

  readonly #send = (): void => {
    this.#scheduled = false
    const worker = (this.#worker ??= this.#start())
    const definitions: Definition[] = []
    const batches = this.#waiting.map(({ steps }) => flatten(steps, worker.defined, definitions))
    // A thread with nothing to do does not keep the process alive.
    if (worker.sent.length === 0) worker.thread.ref()
    for (const pending of this.#waiting) worker.sent.push(pending)
    this.#waiting = []
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- threads have no origin
    worker.thread.postMessage({ definitions, batches } satisfies WriterRequest)
  }

  #start(): RunningWorker {
    const thread = startThread<WriterResponse>(import.meta.url, 'sqlite-writer', {
      resourceLimits: FEW_YOUNG_OBJECTS,
      workerData: this.#options,
      onMessage: (response) => this.#receive(worker, response),
      onLost: (cause) => this.#lost(worker, cause),
    })
    const worker: RunningWorker = { thread, defined: [], sent: [] }
    return worker
  }

  #receive(worker: RunningWorker, response: WriterResponse): void {
    const answered = worker.sent.slice(0, response.length)
    worker.sent = worker.sent.slice(response.length)
    if (worker.sent.length === 0) worker.thread.unref()
    answered.forEach(({ resolve, reject }, i) => {
      const outcome = response[i] ?? -1
      if (typeof outcome === 'object') reject(new StoreError(outcome.kind, outcome.message))
      else resolve(outcome === -1 ? undefined : outcome)
    })
    this.#noteDrained()
  }

  /** The thread ended. What it had been sent may be committed or not; the next write starts another thread. */
  #lost(worker: RunningWorker, cause: unknown): void {
    if (this.#worker === worker) this.#worker = undefined
    const lost = worker.sent
    worker.sent = []
    for (const { reject } of lost) reject(new StoreError('unknown', 'SQLite: the writer was lost', { cause }))
    this.#noteDrained()
  }

  #noteDrained(): void {
    if (!this.#isBusy()) this.#drained?.()
  }
}

function flatten(steps: readonly BoundStatement[], defined: boolean[], definitions: Definition[]): FlatBatch {
  const flat: FlatBatch = []
  for (const { statement, parameters } of steps) {
    const { id } = statement
    if (defined[id] !== true) {
      defined[id] = true
      definitions.push([id, statement.sql, statement.parameters, statement.expects])
    }
    flat.push(id)
    for (const parameter of parameters) flat.push(parameter)
  }
  return flat
}
