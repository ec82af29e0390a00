/**
 * Several server processes on one port: a supervisor that serves nothing itself, and workers. Each worker listens itself, and
 * the system spreads connections over them: connections that a supervisor hands out hang forever when they are on their way
 * to a worker that has just been killed. A dead worker is replaced; when the supervisor dies its workers end.
 */
import cluster, { type Worker } from 'node:cluster'
import { createServer, type AddressInfo } from 'node:net'
import { portError, type App } from './app.ts'
import type { Settings } from './config.ts'
import type { Log } from './log.ts'

/** What a worker tells the supervisor once it serves. */
export type Listening = Pick<App, 'url' | 'firstStart' | 'adminFile' | 'hasAdminFile'>

export interface Supervisor {
  readonly app: Listening
  /** Lets all workers finish what is under way. */
  close(): Promise<void>
}

const [FIRST_PAUSE_MS, LONGEST_PAUSE_MS] = [100, 30_000]
/** A worker that lived so long did not die of its start. */
const SETTLED_MS = 60_000

/** The first worker could not start and has said why. */
export class WorkerFailed extends Error {
  readonly code: number
  constructor(code: number) {
    super(`The first worker ended with ${code}`)
    this.code = code
  }
}

export const isWorker = (): boolean => cluster.isWorker
export const workerId = (): number | undefined => cluster.worker?.id

export function tellListening({ url, firstStart, adminFile, hasAdminFile }: Listening): void {
  process.send?.({ url, firstStart, adminFile, hasAdminFile } satisfies Listening)
}

/**
 * The port that all workers, later ones too, are told: a free one for `PORT=0`. Workers share their port with any process of the
 * same user who wants to share it, such as a second server; so whether it is taken is found out here, by not sharing.
 */
function probePort(settings: Settings): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', (error: NodeJS.ErrnoException) => reject(portError(error, settings)))
    server.listen({ port: settings.port, host: settings.bindAddress }, () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}

/** Resolves once all workers serve. The first one starts alone: it brings the schema up to date and makes the first catalog. */
export async function supervise(settings: Settings, log: Log): Promise<Supervisor> {
  const port = await probePort(settings)
  // Where workers can't listen themselves they take connections from one socket that they share.
  cluster.schedulingPolicy = cluster.SCHED_NONE
  const state = { stopping: false }
  const fork = (): Worker => cluster.fork({ PORT: String(port) })
  const slots = [new Slot(fork, log, state)]
  const app = await slots[0]!.first
  while (slots.length < settings.workers) slots.push(new Slot(fork, log, state))
  await Promise.all(slots.map(({ first }) => first))
  return {
    app,
    close: async () => {
      state.stopping = true
      await Promise.all(slots.map((slot) => slot.stop()))
    },
  }
}

/** The place of one worker, which is filled anew when its worker dies. */
class Slot {
  /** What the first worker of this place said; rejects when it died before. */
  readonly first: Promise<Listening>
  readonly #fork: () => Worker
  readonly #log: Log
  readonly #state: { readonly stopping: boolean }
  #worker: Worker | undefined
  #failures = 0
  #pause: NodeJS.Timeout | undefined

  constructor(fork: () => Worker, log: Log, state: { readonly stopping: boolean }) {
    this.#fork = fork
    this.#log = log
    this.#state = state
    this.first = new Promise((resolve, reject) => this.#start(resolve, reject))
  }

  #start(serving: (listening: Listening) => void, failed?: (error: Error) => void): void {
    const startedAt = performance.now()
    const worker = this.#fork()
    this.#worker = worker
    let listening = false
    worker.once('message', (message: Listening) => {
      listening = true
      this.#log('worker-started', { worker: worker.id, pid: worker.process.pid })
      serving(message)
    })
    worker.once('exit', (code, signal) => {
      this.#worker = undefined
      if (failed !== undefined && !listening) return failed(new WorkerFailed(code ?? 1))
      if (this.#state.stopping) return
      this.#failures = performance.now() - startedAt > SETTLED_MS ? 0 : this.#failures + 1
      const pauseMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.max(0, this.#failures - 1))
      this.#log('worker-died', { worker: worker.id, code, signal, restartMs: pauseMs, level: 'error' })
      this.#pause = setTimeout(() => this.#start(() => {}), pauseMs)
    })
  }

  stop(): Promise<void> {
    clearTimeout(this.#pause)
    const worker = this.#worker
    if (worker === undefined) return Promise.resolve()
    const ended = new Promise<void>((resolve) => worker.once('exit', () => resolve()))
    worker.process.kill('SIGTERM')
    return ended
  }
}
