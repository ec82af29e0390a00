/**
 * The list of checks as a test of a warehouse fills it: each is carried out within what is left of the time, and one that
 * needs another is skipped when that one did not pass.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { lastAdvice } from './advice.ts'
import { faultOf, type Doing, type Fault } from './fault.ts'

export interface Check {
  readonly name: string
  readonly status: 'passed' | 'failed' | 'skipped'
  readonly message: string
  /** What to do; null where there is nothing to do. */
  readonly fix: string | null
}

export interface Step {
  readonly name: string
  readonly doing: Doing
  readonly as: 'server' | 'client'
  /** What a failure is told as, such as "Can't write s3://…". */
  readonly what: string
  /** What is told when it passes. */
  readonly passed: string
  readonly needs?: readonly string[]
}

/** The store did what it should not, or not what it should. */
export class Finding extends Error {
  readonly fix: string
  constructor(message: string, fix: string) {
    super(message)
    this.fix = fix
  }
}

export interface Limits {
  readonly stepMs: number
  readonly totalMs: number
  /** For removing what was written, before the answer. */
  readonly sweepMs: number
}

const LATE = Symbol('late')

/** @returns whether it ended in time; failures are the caller's. */
export async function endsWithin(work: Promise<unknown>, ms: number): Promise<boolean> {
  const timer = new AbortController()
  const late = sleep(ms, LATE, { signal: timer.signal }).catch(() => LATE)
  try {
    return (await Promise.race([work, late])) !== LATE
  } finally {
    timer.abort()
  }
}

export class Checks {
  readonly list: Check[] = []
  readonly limits: Limits
  readonly #endAt: number
  readonly #advise: (fault: Fault) => string | undefined
  /** Also what was given up may still have an effect, later. */
  readonly #running = new Set<Promise<unknown>>()

  constructor(limits: Limits, advise: (fault: Fault) => string | undefined) {
    this.limits = limits
    this.#advise = advise
    this.#endAt = performance.now() + limits.totalMs
  }

  add(name: string, status: Check['status'], message: string, fix: string | null = null): void {
    this.list.push({ name, status, message, fix })
  }

  hasPassed(name: string): boolean {
    return this.list.some((check) => check.name === name && check.status === 'passed')
  }

  /** @returns what the work resolved to, where it passed */
  async run<T>(step: Step, work: () => Promise<T>): Promise<T | undefined> {
    const { name, needs = [] } = step
    const missing = needs.find((other) => !this.hasPassed(other))
    if (missing !== undefined) return void this.add(name, 'skipped', `It needs ${missing}, which did not pass`)
    const left = Math.min(this.limits.stepMs, this.#endAt - performance.now())
    if (left <= 0) return void this.add(name, 'skipped', `The time of the test, ${this.limits.totalMs / 1000} seconds, was over`)
    const working = (async () => work())()
    this.#running.add(working)
    const settled = (): void => void this.#running.delete(working)
    working.then(settled, settled)
    try {
      if (await endsWithin(working, left)) {
        const value = await working
        this.add(name, 'passed', step.passed)
        return value
      }
      this.#fail(step, {
        ...faultOf(undefined, step),
        kind: 'late',
        message: `${step.what}: no answer in ${Math.ceil(left / 1000)} seconds`,
      })
    } catch (error) {
      if (error instanceof Finding) this.add(name, 'failed', error.message, error.fix)
      else this.#fail(step, faultOf(error, step))
    }
    return undefined
  }

  #fail({ name }: Step, fault: Fault): void {
    this.add(name, 'failed', fault.message, this.#advise(fault) ?? lastAdvice(fault))
  }

  /** Resolves when nothing that was begun can have an effect any more. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#running)
  }
}
