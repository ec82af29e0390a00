/**
 * Connections that wait to be used, up to a limit. They are made when they are needed, given back, and left when they broke
 * or were not needed for a while. Writers, which may wait for each other's locks, never take the last one from readers.
 */
import { unavailable } from './postgres-connection.ts'
import type { Connection } from './postgres-connection.ts'

export interface PoolOptions {
  readonly connect: () => Promise<Connection>
  readonly max: number
  /** So many stay, once they were made, however long they are not needed. */
  readonly min: number
  /** How long a caller waits for a connection. */
  readonly waitMs: number
}

export type Purpose = 'read' | 'write'

interface Waiter {
  readonly purpose: Purpose
  readonly resolve: (connection: Connection) => void
  readonly reject: (error: Error) => void
  readonly timer: NodeJS.Timeout
}

const IDLE_MS = 60_000

export class Pool {
  readonly #options: PoolOptions
  readonly #maxWriters: number
  /** The one used last is last, and the next to be used. */
  readonly #idle: { readonly connection: Connection; readonly since: number }[] = []
  readonly #out = new Map<Connection, Purpose>()
  #connecting = 0
  #writers = 0
  #waiters: Waiter[] = []
  #reaper: NodeJS.Timeout | undefined
  #drained: (() => void) | undefined

  constructor(options: PoolOptions) {
    this.#options = options
    this.#maxWriters = Math.max(1, options.max - 1)
  }

  /** A connection for a reader, if one is there. */
  take(): Connection | undefined {
    const connection = this.#waiters.length === 0 ? this.#idle.pop()?.connection : undefined
    if (connection === undefined) return undefined
    this.#out.set(connection, 'read')
    connection.wake()
    return connection
  }

  /** @throws StoreError `unavailable` */
  acquire(purpose: Purpose): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#giveUp(waiter), this.#options.waitMs)
      const waiter: Waiter = { purpose, resolve, reject, timer }
      this.#waiters.push(waiter)
      this.#serve()
    })
  }

  release(connection: Connection): void {
    if (!this.#takeBack(connection)) return
    if (!connection.isLost) {
      connection.rest()
      this.#idle.push({ connection, since: performance.now() })
      this.#reaper ??= setInterval(() => this.#reap(), IDLE_MS / 4).unref()
    }
    this.#serve()
  }

  /** Gives back a connection that is not to be used again. */
  discard(connection: Connection): void {
    connection.close()
    this.#takeBack(connection)
    this.#serve()
  }

  /** Where one connection broke, others may have, unnoticed so far. */
  closeIdle(): void {
    for (const { connection } of this.#idle.splice(0)) connection.close()
  }

  /** Waits for all that was acquired. */
  async close(): Promise<void> {
    if (this.#isBusy()) await new Promise<void>((resolve) => (this.#drained = resolve))
    clearInterval(this.#reaper)
    this.closeIdle()
  }

  #isBusy(): boolean {
    return this.#out.size > 0 || this.#connecting > 0 || this.#waiters.length > 0
  }

  #takeBack(connection: Connection): boolean {
    const purpose = this.#out.get(connection)
    if (purpose === 'write') this.#writers--
    return this.#out.delete(connection)
  }

  /** Gives connections to those who wait, in their order, and makes as many as are missing. */
  #serve(): void {
    let missing = 0
    let writers = this.#writers
    const waiting: Waiter[] = []
    for (const waiter of this.#waiters) {
      const isWriter = waiter.purpose === 'write'
      const isAllowed = !isWriter || writers < this.#maxWriters
      if (isWriter && isAllowed) writers++
      const connection = isAllowed ? this.#idle.pop()?.connection : undefined
      if (connection !== undefined) {
        this.#hand(connection, waiter)
      } else {
        waiting.push(waiter)
        if (isAllowed) missing++
      }
    }
    this.#waiters = waiting
    while (this.#connecting < missing && this.#connecting + this.#out.size + this.#idle.length < this.#options.max)
      this.#connect()
    if (!this.#isBusy()) this.#drained?.()
  }

  #hand(connection: Connection, { purpose, resolve, timer }: Waiter): void {
    clearTimeout(timer)
    this.#out.set(connection, purpose)
    if (purpose === 'write') this.#writers++
    connection.wake()
    resolve(connection)
  }

  #connect(): void {
    this.#connecting++
    this.#options.connect().then(
      (connection) => {
        this.#connecting--
        connection.onLost = () => this.#lose(connection)
        if (!connection.isLost) this.#idle.push({ connection, since: performance.now() })
        this.#serve()
        // Its request may have given up in the end.
        if (!this.#out.has(connection)) connection.rest()
      },
      (error: Error) => {
        this.#connecting--
        const waiter = this.#waiters.shift()
        clearTimeout(waiter?.timer)
        waiter?.reject(error)
        this.#serve()
      },
    )
  }

  #lose(connection: Connection): void {
    const at = this.#idle.findIndex((idle) => idle.connection === connection)
    if (at !== -1) this.#idle.splice(at, 1)
  }

  #giveUp(waiter: Waiter): void {
    this.#waiters = this.#waiters.filter((other) => other !== waiter)
    waiter.reject(unavailable(`no connection became free within ${this.#options.waitMs / 1000} s`))
    this.#serve()
  }

  #reap(): void {
    const before = performance.now() - IDLE_MS
    while (this.#out.size + this.#idle.length > this.#options.min && (this.#idle[0]?.since ?? Infinity) < before) {
      this.#idle.shift()?.connection.close()
    }
  }
}
