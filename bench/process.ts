/** What the operating system says of another process: CPU spent (all threads) and resident memory. Linux only. */
import { readdirSync, readFileSync } from 'node:fs'

/** Length of a clock tick of /proc, which Linux fixes at 100 per second for user space. */
const TICK_MICROSECONDS = 10_000

/** Microseconds of user and system time of all threads of the process, to the nanosecond where the kernel counts those. */
export function cpuMicroseconds(pid: number): number {
  const threads = `/proc/${pid}/task`
  try {
    const ran = (thread: string): number => Number(readFileSync(`${threads}/${thread}/schedstat`, 'utf8').split(' ')[0]) / 1000
    return readdirSync(threads).reduce((total, thread) => total + ran(thread), 0)
  } catch {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return (Number(fields[11]) + Number(fields[12])) * TICK_MICROSECONDS
  }
}

export function residentMegabytes(pid: number): number {
  const line = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  return Number(line?.[1] ?? 0) / 1024
}
