/** One measured run against one process, and the table that the bench prints. */
import { cpuMicroseconds } from './process.ts'
import { load, type LoadOptions, type LoadResult } from './load.ts'

export interface Measured extends LoadResult {
  /** Server CPU (all its threads) per answered request. */
  readonly cpuMicrosecondsPerRequest: number
}

/** Warms up with a tenth of the load, then measures. Fails on any answer that is not 2xx or 304, unless told otherwise. */
export async function measure(
  pid: number,
  options: LoadOptions,
  warmup: number = Math.ceil(options.requests / 5),
): Promise<Measured> {
  if (warmup > 0) await load({ ...options, requests: warmup })
  const before = cpuMicroseconds(pid)
  const result = await load(options)
  const spent = cpuMicroseconds(pid) - before
  if (result.firstFailure !== undefined) throw new Error(`an answer that is an error: ${result.firstFailure}`)
  return { ...result, cpuMicrosecondsPerRequest: spent / result.requests }
}

export interface Line {
  readonly what: string
  readonly figures: string
  /** What the issue asked for, and whether this run met it. */
  readonly target?: { readonly text: string; readonly met: boolean }
}

let missed = 0

/** How many printed lines missed their target. */
export const missedTargets = (): number => missed

export function print(line: Line): void {
  if (line.target?.met === false) missed++
  const verdict = line.target === undefined ? '' : `  [${line.target.met ? 'met' : 'MISSED'}: ${line.target.text}]`
  console.log(`${line.what.padEnd(44)} ${line.figures}${verdict}`)
}

export const us = (value: number): string => `${value.toFixed(1)} us CPU`
export const rate = (value: number): string => `${value.toFixed(0)}/s`
export const times = (value: number): string => `${value.toFixed(2)}x`
