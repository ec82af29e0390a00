/**
 * The rows that this process's own commits left behind. The next commit to the same entry begins with that row instead of
 * asking the store for it: whether it still is the current one, the compare-and-set of the commit decides. So the row is good
 * for a proposal only. A refusal, or an answer without a change, takes the store's word.
 */
import type { Entry } from '../entries.ts'

export interface LandedRows {
  /** What the commit to this lane that landed last left there, if that was just now. */
  get(lane: string): Entry | undefined
  put(lane: string, row: Entry): void
  /** Another process commits to it too: a proposal on an old row costs a metadata file, so the store is asked for a while. */
  missed(lane: string): void
}

/** Longer ago, others are as likely to have been there since, and the look-up is a small part of what such a client waits. */
const FRESH_MS = 1000
const MISSED_MS = 1000
const MAX_ROWS = 2000

export function createLandedRows(now: () => number): LandedRows {
  const lanes = new Map<string, { readonly row: Entry | undefined; readonly at: number; readonly missedAt: number }>()
  const set = (lane: string, row: Entry | undefined, missedAt: number): void => {
    // Last in the order in which they are forgotten.
    lanes.delete(lane)
    lanes.set(lane, { row, at: now(), missedAt })
    if (lanes.size <= MAX_ROWS) return
    const [oldest] = lanes.keys()
    lanes.delete(oldest as string)
  }
  const isRecent = (at: number, ms: number): boolean => Math.abs(now() - at) < ms
  return {
    get: (lane) => {
      const known = lanes.get(lane)
      if (known === undefined || isRecent(known.missedAt, MISSED_MS) || !isRecent(known.at, FRESH_MS)) return undefined
      return known.row
    },
    put: (lane, row) => set(lane, row, lanes.get(lane)?.missedAt ?? -Infinity),
    missed: (lane) => set(lane, undefined, now()),
  }
}
