/**
 * Puts the changes of all logs in order, some milliseconds after they were acknowledged. Batches that change different tables never
 * wait for each other, so none of them can know its place; a round takes those that have none, in the order of the numbers that the
 * database drew (`drawn` in `stores/entities.ts`), and gives them the next positions of their logs. What a round reads is one list:
 * with a change that is in it, each change on which that depends is in it too, or has its position already.
 *
 * Any process may make a round: the row of the log, replaced by compare-and-set, lets one of them win. To waste little, one process
 * at a time has a lease; a reader of the past makes a round without it.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Row } from '../stores/entities.ts'
import { StoreError } from '../stores/store.ts'
import type { Mutation, Store, Version } from '../stores/store.ts'
import { forgetful, lineOf, LogRound, type Line, type LogMemory } from './log-round.ts'
import { logOf, nameOfLog, type LogKey } from './logs.ts'

export interface SequencerParts {
  readonly store: Store
  readonly now: () => number
  readonly log: (event: string, details: Readonly<Record<string, unknown>>) => void
}

export interface Sequencer {
  /** Tells that a change has landed. */
  changed(): void
  /** Resolves when all that was acknowledged before has its position. @throws StoreError */
  settle(): Promise<void>
  /**
   * Settles the log, and sees to it that whatever comes later in it has a later time than this one, whose clock ever gives it its
   * own. Resolves to the log's row; undefined for a log without a change. @throws StoreError
   */
  settleUntil(log: LogKey, time: number): Promise<Row<'logs'> | undefined>
  /** From now on changes get their positions without being asked for. */
  start(): void
  stop(): Promise<void>
}

/** Changes of one round, and what they may do and weigh in all; the first is placed however much that is. */
const MOST_ROWS = 512
const MOST_EFFECTS = 1000
const MOST_LENGTH = 1024 * 1024
/**
 * So long changes are gathered for a round, from the beginning of the one before: a round costs as much as some thirty changes in
 * it. A reader of the past has one made at once.
 */
const GATHER_MS = 300
const LEASE_MS = 800
/** So often a process without the lease looks for changes of processes that are gone. */
const SWEEP_MS = 10_000
const MOST_LOGS = 1000
const ATTEMPTS = 40
const LEASE = 'sequencer'

export function createSequencer(parts: SequencerParts): Sequencer {
  return new Rounds(parts)
}

class Rounds implements Sequencer {
  readonly #parts: SequencerParts
  readonly #memories = new Map<string, LogMemory>()
  readonly #owner = randomUUID()
  #running: Promise<unknown> = Promise.resolve()
  /** Until then this process has the lease; until then another one has it. */
  #ownUntil = 0
  #othersUntil = 0
  /** The lease that was last seen, and since when. */
  #seen: { readonly version: Version | undefined; readonly at: number } = { version: undefined, at: 0 }
  #timer: NodeJS.Timeout | undefined
  #timerAt = Infinity
  #sweeper: NodeJS.Timeout | undefined
  #isStarted = false
  #isUnavailable = false

  constructor(parts: SequencerParts) {
    this.#parts = parts
  }

  changed(): void {
    if (this.#isStarted) this.#wakeIn(GATHER_MS)
  }

  settle(): Promise<void> {
    return this.#alone(async () => {
      while (!(await this.#round()));
    })
  }

  settleUntil(log: LogKey, time: number): Promise<Row<'logs'> | undefined> {
    const { store } = this.#parts
    return this.#alone(async () => {
      for (let attempt = 1; ; attempt++) {
        while (!(await this.#round()));
        const head = await store.get('logs', log)
        if (head === undefined || head.at > time) return head
        const { version: expected, ...row } = head
        try {
          await store.write([{ op: 'replace', entity: 'logs', row: { ...row, at: time + 1 }, expected }])
          return head
        } catch (error) {
          if (!(error instanceof StoreError) || error.kind === 'unavailable' || attempt === ATTEMPTS) throw error
        } finally {
          this.#memories.clear()
        }
      }
    })
  }

  start(): void {
    this.#isStarted = true
    this.#sweeper = setInterval(() => this.#wakeIn(0), SWEEP_MS).unref()
    this.#wakeIn(GATHER_MS)
  }

  async stop(): Promise<void> {
    if (!this.#isStarted) return
    this.#isStarted = false
    clearInterval(this.#sweeper)
    clearTimeout(this.#timer)
    // What this process has changed last; another one does it where that fails.
    await this.settle().catch(() => undefined)
  }

  #wakeIn(wait: number): void {
    const ms = Math.max(1, wait)
    const at = performance.now() + ms
    if (this.#timer !== undefined && this.#timerAt <= at) return
    clearTimeout(this.#timer)
    this.#timerAt = at
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      void this.#alone(() => this.#wake())
    }, ms)
    this.#timer.unref()
  }

  /** One after the other. */
  #alone<T>(work: () => Promise<T>): Promise<T> {
    const run = this.#running.then(work)
    this.#running = run.catch(() => undefined)
    return run
  }

  async #wake(): Promise<void> {
    try {
      const wait = await this.#turn()
      this.#isUnavailable = false
      if (wait !== undefined && this.#isStarted) this.#wakeIn(wait)
    } catch (error) {
      if (!this.#isStarted) return
      // Said once, however long it lasts.
      if (!this.#isUnavailable) this.#parts.log('sequencer-unavailable', { error: String(error) })
      this.#isUnavailable = true
      this.#wakeIn(LEASE_MS)
    }
  }

  /** @returns after how many milliseconds there is something to look after again */
  async #turn(): Promise<number | undefined> {
    const now = performance.now()
    if (now < this.#othersUntil) return this.#othersUntil - now
    if (now > this.#ownUntil - LEASE_MS / 2) {
      const lease = await this.#lease()
      if (lease === 'of another') return this.#othersUntil - performance.now()
      // It ends by itself when there is no more to do.
      if (lease === 'not needed') return now + GATHER_MS < this.#ownUntil ? GATHER_MS : undefined
    }
    if (!(await this.#round())) return 0
    // While it has the lease, this process looks for changes of others too.
    return GATHER_MS - (performance.now() - now)
  }

  /** Takes or prolongs the lease, where there is something to do. */
  async #lease(): Promise<'own' | 'of another' | 'not needed'> {
    const { store, now } = this.#parts
    const row = await store.get('settings', { name: LEASE })
    const value = row?.value as { readonly owner: string; readonly until: number } | undefined
    const [at, started] = [now(), performance.now()]
    if (row?.version !== this.#seen.version) this.#seen = { version: row?.version, at: started }
    // The time in it is by a clock that may be another's: one that was not prolonged for as long as it lasts has ended.
    const left = Math.min((value?.until ?? 0) - at, LEASE_MS - (started - this.#seen.at))
    if (value !== undefined && value.owner !== this.#owner && left > 0) {
      this.#othersUntil = started + left
      return 'of another'
    }
    if ((await this.#pending(1)).length === 0) return 'not needed'
    const next = { name: LEASE, value: { owner: this.#owner, until: at + LEASE_MS }, updated_at: at }
    try {
      await store.write([
        row === undefined
          ? { op: 'insert', entity: 'settings', row: next }
          : { op: 'replace', entity: 'settings', row: next, expected: row.version },
      ])
    } catch (error) {
      if (!(error instanceof StoreError) || error.kind !== 'conflict') throw error
      this.#othersUntil = started + LEASE_MS / 4
      return 'of another'
    }
    this.#ownUntil = started + LEASE_MS
    return 'own'
  }

  #pending(limit: number): Promise<Row<'commits'>[]> {
    return this.#parts.store.list('commits', { index: 'pending', where: { position: null }, limit })
  }

  /** The first of those that wait, with none missing that stands before another one of them. */
  async #firstPending(): Promise<Pending> {
    const rows = await this.#pending(MOST_ROWS)
    const isAll = rows.length < MOST_ROWS
    // A database that reads a list piece by piece may show a change, and not the one before it that came while it read. What it
    // shows twice in the same order lacks nothing: whatever stands before was there when the second reading began.
    if (this.#parts.store.snapshot !== undefined || rows.length === 0) return { rows, isAll }
    const again = await this.#pending(rows.length)
    const differs = rows.findIndex(({ id, version }, at) => again[at]?.id !== id || again[at].version !== version)
    return differs < 0 ? { rows, isAll } : { rows: rows.slice(0, differs), isAll: false }
  }

  /** @returns whether all that was waiting when it began has its position */
  async #round(): Promise<boolean> {
    for (let attempt = 1; ; attempt++) {
      const { rows, isAll } = await this.#firstPending()
      if (rows.length === 0) return isAll
      const some = bounded(rows)
      try {
        await this.#place(some)
        return isAll && some.length === rows.length
      } catch (error) {
        this.#memories.clear()
        if (!(error instanceof StoreError) || error.kind === 'unavailable' || attempt === ATTEMPTS) throw error
        // Another process was faster, or it is not known whether this one was: what waits now says it.
        await sleep(Math.random() * Math.min(attempt, 10) * 10)
      }
    }
  }

  async #place(lines: readonly Line[]): Promise<void> {
    const { store, now } = this.#parts
    const byLog = Map.groupBy(lines, ({ row }) => nameOfLog(row))
    await this.#recall([...byLog].map(([name, [line]]) => [name, logOf(line!.row)]))
    const rounds: LogRound[] = []
    for (const [name, own] of byLog) {
      const round = new LogRound(logOf(own[0]!.row), this.#memories.get(name)!, now())
      await round.prepare(store, own)
      for (const line of own) round.place(line)
      rounds.push(round)
    }
    const steps = rounds.map((round) => round.steps)
    const versions = await store.write(steps.flat() as Mutation[])
    let from = 0
    for (const [at, round] of rounds.entries()) {
      round.written(versions.slice(from, (from += steps[at]!.length)) as (Version | undefined)[])
    }
  }

  /** Reads the rows of those logs of which nothing is remembered. */
  async #recall(logs: readonly (readonly [name: string, key: LogKey])[]): Promise<void> {
    if (this.#memories.size > MOST_LOGS) this.#memories.clear()
    const missing = logs.filter(([name]) => !this.#memories.has(name))
    if (missing.length === 0) return
    const heads = await this.#parts.store.getMany(
      'logs',
      missing.map(([, key]) => key),
    )
    for (const [at, [name]] of missing.entries()) this.#memories.set(name, forgetful(heads[at]))
  }
}

interface Pending {
  readonly rows: readonly Row<'commits'>[]
  readonly isAll: boolean
}

/** The first of them that one batch can hold. */
function bounded(rows: readonly Row<'commits'>[]): readonly Line[] {
  const lines: Line[] = []
  let [effects, length] = [0, 0]
  for (const row of rows) {
    const line = lineOf(row)
    effects += line.effects.length
    length += line.operations.length
    if (lines.length > 0 && (effects > MOST_EFFECTS || length > MOST_LENGTH)) break
    lines.push(line)
  }
  return lines
}
