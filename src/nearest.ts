/** Suggests the known name that was probably meant, for messages about unknown ones. */

/** Edit distance of two short names. */
export function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i]
    for (let j = 1; j <= b.length; j += 1) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}

/** Whether two names are at most so many edits apart. Names whose lengths differ by more are not compared. */
export const isWithin = (a: string, b: string, edits: number): boolean =>
  Math.abs(a.length - b.length) <= edits && distance(a, b) <= edits

/** ` (did you mean "x"?)`, or nothing when no name is near. */
export function nearest(name: string, known: readonly string[]): string {
  if (name.length > 100) return ''
  const ranked = known
    .map((each) => ({ each, far: distance(name.toLowerCase(), each.toLowerCase()) }))
    .sort((a, b) => a.far - b.far)
  const best = ranked[0]
  return best && best.far <= Math.max(2, Math.ceil(name.length / 3)) ? ` (did you mean "${best.each}"?)` : ''
}
