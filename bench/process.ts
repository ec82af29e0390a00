/** What the operating system says of another process: CPU spent (all threads) and resident memory. Linux only. */
import { readFileSync } from 'node:fs'

/** Length of a clock tick of /proc, which Linux fixes at 100 per second for user space. */
const TICK_MICROSECONDS = 10_000

/** Microseconds of user and system time of the process since its start, in steps of 10 ms: measure over seconds. */
export function cpuMicroseconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * TICK_MICROSECONDS
}

export function residentMegabytes(pid: number): number {
  const line = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  return Number(line?.[1] ?? 0) / 1024
}
