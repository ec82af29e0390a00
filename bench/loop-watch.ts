/**
 * Loaded by a measured server before its own code (`--import`): how long its event loop stood still. At each SIGUSR2 it
 * writes to the file that the environment names what was longest since the signal before.
 */
import { renameSync, writeFileSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { isMainThread } from 'node:worker_threads'

export const LOOP_FILE = 'BENCH_LOOP_FILE'

export interface LoopFigures {
  /** Counts the read-outs. */
  readonly number: number
  /** By the clock: what the machine gave to others is in it. */
  readonly stoodMs: number
  /** The CPU that the loop's own thread spent between two ticks of a millisecond: what it would take on a machine of its own. */
  readonly workedMs: number
}

const file = process.env[LOOP_FILE]
if (isMainThread && file !== undefined) watch(file)

function watch(to: string): void {
  const delays = monitorEventLoopDelay({ resolution: 1 })
  delays.enable()
  const spent = (): number => {
    const { user, system } = process.threadCpuUsage()
    return (user + system) / 1000
  }
  let number = 0
  let before = spent()
  let longest = 0
  const tick = (): void => {
    const now = spent()
    longest = Math.max(longest, now - before)
    before = now
  }
  setInterval(tick, 1).unref()
  process.on('SIGUSR2', () => {
    tick()
    const figures: LoopFigures = { number: ++number, stoodMs: delays.max / 1e6, workedMs: longest }
    writeFileSync(`${to}.new`, JSON.stringify(figures))
    renameSync(`${to}.new`, to)
    delays.reset()
    longest = 0
    before = spent()
  })
}
