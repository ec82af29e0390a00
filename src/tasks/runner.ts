/**
 * Runs the rows of the `tasks` entity. Any number of processes may: a task is taken by compare-and-set and belongs to its
 * owner for the time of a lease, which is renewed while it runs and taken over when its owner died. Attempts are counted when
 * a task is taken, so that one which kills its process ends too. Handlers must be able to start again at any point.
 */
import { NEVER } from '../catalog/background.ts'
import type { Location } from '../iceberg/location.ts'
import type { Json, NewRow, Row } from '../stores/entities.ts'
import { pagesOf } from '../stores/pages.ts'
import { StoreError, type Mutation, type Store } from '../stores/store.ts'

export interface TaskContext {
  /** Aborted when the runner stops or another process took the task over: stop soon, by throwing. */
  readonly signal: AbortSignal
}

/** Resolves when the work is done. Throwing tries again later, save for `TaskRefused`. */
export type TaskHandler = (task: Row<'tasks'>, context: TaskContext) => Promise<void>

/** Trying again can't help: the task is kept, with the message, and not run any more. */
export class TaskRefused extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'TaskRefused'
  }
}

/** Calls back once, some time later, unless cancelled by calling what it returns. */
export type Timer = (callback: () => void, ms: number) => () => void

export interface RunnerOptions {
  readonly store: Store
  readonly handlers: { readonly [kind: string]: TaskHandler }
  /** Where a task of a kind deletes: the place that it claims as its `location` before it begins. */
  readonly claims?: { readonly [kind: string]: (payload: Json) => Location }
  readonly now: () => number
  readonly log: (event: string, details: Readonly<Record<string, unknown>>) => void
  /** Names this process among all that ever ran. */
  readonly owner: string
  readonly timer?: Timer
  readonly leaseMs?: number
  readonly pollMs?: number
  readonly maxAttempts?: number
  readonly concurrency?: number
}

export interface Runner {
  /** A task was stored: look now. */
  stored(): void
  /**
   * Resolves when the task has ended or was put off, whichever process had it, and after `ms` at the latest; at once where
   * no slot of this process is going to be free. Never rejects.
   */
  ended(id: string, ms: number): Promise<void>
  /** Takes no more tasks, tells the running ones to stop, and waits for them. */
  stop(): Promise<void>
}

const PAGE = 64
const MAX_BACKOFF_MS = 3_600_000
/** Others change the tenant's row too. The next look tries again. */
const CLAIM_TRIES = 10

export const realTimer: Timer = (callback, ms) => {
  const timeout = setTimeout(callback, ms)
  timeout.unref()
  return () => clearTimeout(timeout)
}

const messageOf = (error: unknown): string =>
  (error instanceof Error ? `${error.name}: ${error.message}` : String(error)).slice(0, 1000)

function rowOf(task: Row<'tasks'>, changes: Partial<NewRow<'tasks'>>): NewRow<'tasks'> {
  const { version: _, ...row } = task
  return { ...row, ...changes }
}

/** Nothing instead of an error: what is wrong with a payload, its handler says. */
function allowing<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}

interface Running {
  readonly run: Promise<void>
  readonly since: number
}

/** Of growing length, `ms` in all. */
function* pauses(ms: number): Generator<number> {
  let rest = ms
  for (let pause = 25; rest > 0; pause *= 2) {
    yield Math.min(pause, rest)
    rest -= pause
  }
}

type Replace = (task: Row<'tasks'>, changes: Partial<NewRow<'tasks'>>) => Promise<Row<'tasks'> | undefined>

class TaskRunner implements Runner {
  readonly #options: Required<RunnerOptions>
  readonly #stopping = new AbortController()
  readonly #running = new Map<string, Running>()
  readonly #awaited = new Map<string, Set<() => void>>()
  #cancelPoll: () => void = () => {}
  #look: Promise<void> | undefined
  #again = false

  constructor(options: RunnerOptions) {
    this.#options = { timer: realTimer, leaseMs: 60_000, pollMs: 10_000, maxAttempts: 10, concurrency: 2, claims: {}, ...options }
    this.stored()
  }

  stored(): void {
    if (this.#stopping.signal.aborted) return
    this.#again = true
    this.#look ??= this.#lookRepeatedly().finally(() => {
      this.#look = undefined
      // Told while the last look was ending.
      if (this.#again) this.stored()
    })
  }

  async ended(id: string, ms: number): Promise<void> {
    const { now } = this.#options
    const start = now()
    const isStuck = ({ since }: Running): boolean => start - since > ms
    if (this.#running.size >= this.#options.concurrency && [...this.#running.values()].every(isStuck)) return
    for (const pause of pauses(ms)) {
      if (this.#stopping.signal.aborted || (await this.#isEndedWithin(id, pause)) || now() - start >= ms) return
      // Another process may have been faster.
      if (await this.#isNotToBeRun(id)) return
    }
  }

  /** Whether a run of the task ends in this process within so many milliseconds. */
  #isEndedWithin(id: string, ms: number): Promise<boolean> {
    return new Promise((resolve) => {
      const waiting = this.#awaited.get(id) ?? new Set()
      this.#awaited.set(id, waiting)
      const settle = (ended: boolean): void => {
        cancel()
        waiting.delete(end)
        if (waiting.size === 0) this.#awaited.delete(id)
        resolve(ended)
      }
      const end = (): void => settle(true)
      const cancel = this.#options.timer(() => settle(false), ms)
      waiting.add(end)
    })
  }

  async #isNotToBeRun(id: string): Promise<boolean> {
    try {
      const task = await this.#options.store.get('tasks', { id })
      return task === undefined || (task.owner === null && task.due_at > this.#options.now())
    } catch {
      return true
    }
  }

  #tellEnded(id: string): void {
    for (const end of this.#awaited.get(id) ?? []) end()
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error('The server stops'))
    this.#cancelPoll()
    for (const id of this.#awaited.keys()) this.#tellEnded(id)
    await this.#look
    await Promise.all([...this.#running.values()].map(({ run }) => run))
  }

  async #lookRepeatedly(): Promise<void> {
    while (this.#again && !this.#stopping.signal.aborted) {
      this.#again = false
      this.#cancelPoll()
      let next = this.#options.now() + this.#options.pollMs
      try {
        next = Math.min(next, await this.#takeDue())
      } catch (error) {
        this.#options.log('tasks-unavailable', { error: messageOf(error) })
      }
      if (this.#stopping.signal.aborted) return
      // Clocks may jump: never wait longer than a poll, never spin.
      const wait = Math.min(Math.max(next - this.#options.now(), 10), this.#options.pollMs)
      this.#cancelPoll = this.#options.timer(() => this.stored(), wait)
    }
  }

  /** Takes what is due while there is room; returns when the next one will be. */
  async #takeDue(): Promise<number> {
    for await (const page of pagesOf(this.#options.store, 'tasks', { index: 'by_due', where: {}, pageRows: PAGE })) {
      for (const task of page) {
        if (task.due_at > this.#options.now()) return task.due_at
        // A newer version of the program may know the kind.
        if (!Object.hasOwn(this.#options.handlers, task.kind) || this.#running.has(task.id)) continue
        if (this.#stopping.signal.aborted || this.#running.size >= this.#options.concurrency) return Infinity
        await this.#take(task)
      }
    }
    return Infinity
  }

  async #take(task: Row<'tasks'>): Promise<void> {
    const { now, leaseMs, maxAttempts, owner, log } = this.#options
    if (task.attempts >= maxAttempts) {
      await this.#replace(task, { due_at: NEVER, owner: null, last_error: task.last_error ?? 'its process died each time' })
      log('task-given-up', { kind: task.kind, id: task.id, error: task.last_error })
      return
    }
    const changes = { owner, due_at: now() + leaseMs, attempts: task.attempts + 1 }
    const taken =
      task.attempts === 0 || task.location === null ? await this.#claim(task, changes) : await this.#replace(task, changes)
    if (taken === undefined) return
    const run = this.#run(taken).finally(() => {
      this.#running.delete(task.id)
      this.#tellEnded(task.id)
      this.stored()
    })
    this.#running.set(task.id, { run, since: now() })
  }

  /**
   * Takes a task with its place for the first time: whatever is about to take that place and has not seen the task requires
   * the tenant's row as it was, and fails. (A task that a program of before has stored does not name its place yet.)
   */
  async #claim(task: Row<'tasks'>, changes: Partial<NewRow<'tasks'>>): Promise<Row<'tasks'> | undefined> {
    const { store, claims } = this.#options
    const placeOf = Object.hasOwn(claims, task.kind) ? claims[task.kind] : undefined
    const location = placeOf && allowing(() => placeOf(task.payload))
    if (location === undefined) return this.#replace(task, changes)
    for (let tries = 1; tries <= CLAIM_TRIES; tries += 1) {
      const [tenant, same] = await Promise.all([
        store.get('tenants', { id: task.tenant_id }),
        store.get('tasks', { id: task.id }),
      ])
      if (same?.version !== task.version) return undefined
      const ground: Mutation[] =
        tenant === undefined ? [] : [{ op: 'replace', entity: 'tenants', row: tenant, expected: tenant.version }]
      const taken = await this.#replace(task, { ...changes, location }, ground)
      if (taken !== undefined) return taken
    }
    return undefined
  }

  /** The row as written, or `undefined` when another process changed it first. */
  async #replace(
    task: Row<'tasks'>,
    changes: Partial<NewRow<'tasks'>>,
    before: readonly Mutation[] = [],
  ): Promise<Row<'tasks'> | undefined> {
    const row = rowOf(task, changes)
    const replaced: Mutation = { op: 'replace', entity: 'tasks', row, expected: task.version }
    try {
      const version = (await this.#options.store.write([...before, replaced])).at(-1)
      return version === undefined ? undefined : { ...row, version }
    } catch (error) {
      if (error instanceof StoreError && error.kind === 'conflict') return undefined
      throw error
    }
  }

  async #run(taken: Row<'tasks'>): Promise<void> {
    const { log, handlers } = this.#options
    const lease = new Lease(taken, this.#options, (task, changes) => this.#replace(task, changes))
    let error: unknown
    try {
      await handlers[taken.kind]?.(taken, { signal: AbortSignal.any([this.#stopping.signal, lease.lost]) })
    } catch (thrown) {
      error = thrown ?? new Error('failed')
    }
    const task = await lease.end()
    try {
      if (lease.lost.aborted) log('task-lost', { kind: task.kind, id: task.id })
      else if (error === undefined) await this.#finish(task)
      else await this.#fail(task, error)
    } catch (problem) {
      // The lease runs out, and the task is done again: handlers are ready for that.
      log('tasks-unavailable', { kind: task.kind, id: task.id, error: messageOf(problem) })
    }
  }

  async #finish(task: Row<'tasks'>): Promise<void> {
    try {
      await this.#options.store.write([{ op: 'remove', entity: 'tasks', key: { id: task.id }, expected: task.version }])
    } catch (error) {
      if (!(error instanceof StoreError && error.kind === 'conflict')) throw error
    }
    this.#options.log('task-done', { kind: task.kind, id: task.id, attempts: task.attempts })
  }

  async #fail(task: Row<'tasks'>, error: unknown): Promise<void> {
    const { now, log, maxAttempts } = this.#options
    if (this.#stopping.signal.aborted && !(error instanceof TaskRefused)) {
      // Being told to stop is not the task's failure.
      await this.#replace(task, { owner: null, due_at: now(), attempts: task.attempts - 1 })
      return
    }
    const last = error instanceof TaskRefused || task.attempts >= maxAttempts
    const due_at = last ? NEVER : now() + Math.min(1000 * 4 ** (task.attempts - 1), MAX_BACKOFF_MS)
    await this.#replace(task, { owner: null, due_at, last_error: messageOf(error) })
    log(last ? 'task-given-up' : 'task-failed', {
      kind: task.kind,
      id: task.id,
      attempts: task.attempts,
      error: messageOf(error),
    })
  }
}

/** Keeps a task ours while it runs. */
class Lease {
  #task: Row<'tasks'>
  readonly #options: Required<RunnerOptions>
  readonly #replace: Replace
  readonly #lost = new AbortController()
  #cancel: () => void = () => {}
  #renewal: Promise<void> = Promise.resolve()
  #ended = false

  constructor(task: Row<'tasks'>, options: Required<RunnerOptions>, replace: Replace) {
    this.#task = task
    this.#options = options
    this.#replace = replace
    this.#schedule()
  }

  get lost(): AbortSignal {
    return this.#lost.signal
  }

  #schedule(): void {
    this.#cancel = this.#options.timer(() => {
      this.#renewal = this.#renew()
    }, this.#options.leaseMs / 3)
  }

  async #renew(): Promise<void> {
    try {
      const renewed = await this.#replace(this.#task, { due_at: this.#options.now() + this.#options.leaseMs })
      if (renewed === undefined) return this.#lost.abort(new Error('Another process took the task over'))
      this.#task = renewed
    } catch (error) {
      this.#options.log('tasks-unavailable', { id: this.#task.id, error: messageOf(error) })
      // Still ours until the lease runs out; afterwards another process may be at work.
      if (this.#options.now() >= this.#task.due_at) return this.#lost.abort(new Error('The lease ran out'))
    }
    if (!this.#ended) this.#schedule()
  }

  /** Stops renewing; the row as it was written last. */
  async end(): Promise<Row<'tasks'>> {
    this.#ended = true
    this.#cancel()
    await this.#renewal
    return this.#task
  }
}

export function startRunner(options: RunnerOptions): Runner {
  return new TaskRunner(options)
}
