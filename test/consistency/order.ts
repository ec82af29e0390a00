/** The order of a log against what clients saw: what was acknowledged before another change began stands before it. */

export interface Acknowledged {
  /** The request's id, as the log has it. */
  readonly id: string
  /** By one clock. */
  readonly startedAt: number
  readonly endedAt: number
}

/** Says which two changes stand the wrong way round, or which one is missing; undefined when all is well. */
export function misplaced(done: readonly Acknowledged[], positions: ReadonlyMap<string, number>): string | undefined {
  const placed = done.map((one) => ({ ...one, position: positions.get(one.id) }))
  const lost = placed.find(({ position }) => position === undefined)
  if (lost !== undefined) return `${lost.id} was acknowledged and is not in the log`
  const byStart = placed.toSorted((one, other) => one.startedAt - other.startedAt)
  // Of each change and those that began later, the one that stands first.
  const first = byStart.slice()
  for (let at = first.length - 2; at >= 0; at--) {
    if (first[at + 1]!.position! < first[at]!.position!) first[at] = first[at + 1]!
  }
  for (const one of byStart) {
    const next = firstAfter(byStart, one.endedAt)
    const other = first[next]
    if (other !== undefined && other.position! < one.position!) {
      return `${one.id} was acknowledged before ${other.id} began, and stands at ${one.position}, behind ${other.position}`
    }
  }
  return undefined
}

/** By binary search. */
function firstAfter(byStart: readonly Acknowledged[], time: number): number {
  let [low, high] = [0, byStart.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (byStart[middle]!.startedAt > time) high = middle
    else low = middle + 1
  }
  return low
}
