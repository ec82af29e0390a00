/**
 * Reads of PostgreSQL. Those of one turn of the event loop, and those that come while others are under way, travel together:
 * many clients at once cost few round trips and few connections. A read whose connection broke is sent once more.
 */
import { isStale, unavailable } from './postgres-connection.ts'
import type { Item, ServerError } from './postgres-connection.ts'
import type { Pool } from './postgres-pool.ts'
import type { SqlRow } from './statements.ts'

interface Pending {
  readonly item: Item
  readonly resolve: (rows: readonly SqlRow[]) => void
  readonly reject: (error: Error) => void
  /** Whether it failed before. */
  readonly isAgain: boolean
}

/** Groups under way at a time: while the server works on one, the other is read or written here. */
const GROUPS = 2
const GROUP_SIZE = 100

export class PostgresReader {
  readonly #pool: Pool
  readonly #maxGroups: number
  #waiting: Pending[] = []
  #groups = 0
  #carryingOut = 0
  #isScheduled = false

  constructor(pool: Pool, maxConnections: number) {
    this.#pool = pool
    this.#maxGroups = Math.min(GROUPS, maxConnections)
  }

  /** Whether a read waits for an answer. */
  get isBusy(): boolean {
    return this.#waiting.length > 0 || this.#carryingOut > 0
  }

  read(item: Item): Promise<readonly SqlRow[]> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject, isAgain: false })
      this.#schedule()
    })
  }

  /** In one round trip, whatever else is under way. */
  readTogether(items: readonly Item[]): Promise<(readonly SqlRow[])[]> {
    if (items.length === 0) return Promise.resolve([])
    const group: Pending[] = []
    const answers = items.map(
      (item) =>
        new Promise<readonly SqlRow[]>((resolve, reject) => {
          group.push({ item, resolve, reject, isAgain: false })
        }),
    )
    void this.#carryOut(group)
    return Promise.all(answers)
  }

  #schedule(): void {
    if (this.#isScheduled || this.#groups >= this.#maxGroups) return
    this.#isScheduled = true
    // When all that came in together has been looked at.
    setImmediate(() => {
      this.#isScheduled = false
      while (this.#waiting.length > 0 && this.#groups < this.#maxGroups) void this.#runGroup()
    })
  }

  async #runGroup(): Promise<void> {
    const group = this.#waiting.splice(0, GROUP_SIZE)
    this.#groups++
    await this.#carryOut(group)
    this.#groups--
    if (this.#waiting.length > 0) this.#schedule()
  }

  /** Never rejects: each read is told by itself. */
  async #carryOut(group: readonly Pending[]): Promise<void> {
    this.#carryingOut++
    try {
      const connection = this.#pool.take() ?? (await this.#pool.acquire('read'))
      const outcome = await connection.run(group.map(({ item }) => item))
      outcome.replies.forEach(({ rows }, i) => group[i]?.resolve(rows))
      if (outcome.kind === 'done') {
        this.#pool.release(connection)
        return
      }
      const unanswered = group.slice(outcome.replies.length)
      if (outcome.kind === 'lost' || isWorthAnother(outcome.error)) {
        this.#pool.discard(connection)
        this.#pool.closeIdle()
        const message = outcome.kind === 'lost' ? `the connection broke: ${outcome.message}` : outcome.error.message
        await this.#again(unanswered, message)
      } else {
        this.#pool.release(connection)
        // Those behind the one that failed were not looked at.
        const [failed, ...others] = unanswered
        failed?.reject(unavailable(`${outcome.error.message} (${outcome.error.code})`))
        if (others.length > 0) await this.#carryOut(others)
      }
    } catch (error) {
      for (const { reject } of group) reject(error as Error)
    } finally {
      this.#carryingOut--
    }
  }

  async #again(group: readonly Pending[], message: string): Promise<void> {
    const again: Pending[] = []
    for (const pending of group) {
      if (pending.isAgain) pending.reject(unavailable(message))
      else again.push({ ...pending, isAgain: true })
    }
    if (again.length > 0) await this.#carryOut(again)
  }
}

/** The server ends the connection or is about to, or what is prepared on it does not fit: another connection may do. */
const isWorthAnother = (error: ServerError): boolean => isStale(error) || /^(08|57P)/.test(error.code)
