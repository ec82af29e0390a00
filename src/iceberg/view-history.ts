/** What a view keeps of its past, and what a replacement must not lose. */
import { short } from './document.ts'
import { badRequest } from './errors.ts'
import { integerProperty, type Properties } from './table-properties.ts'
import type { ViewHistoryEntry } from './view-metadata.ts'
import { dialects, type ViewVersion } from './view-version.ts'

const HISTORY_SIZE = 'version.history.num-entries'
const HISTORY_SIZE_DEFAULT = 10
const DROP_DIALECT_ALLOWED = 'replace.drop-dialect.allowed'

/** Readers of a dialect would find the view gone for them; its owner has to say that this is meant. */
export function checkDialectsKept(before: ViewVersion, after: ViewVersion, properties: Properties): void {
  if (before === after) return
  const allowed = Object.hasOwn(properties, DROP_DIALECT_ALLOWED) ? properties[DROP_DIALECT_ALLOWED] : undefined
  if (allowed?.toLowerCase() === 'true') return
  const kept = new Set(dialects(after))
  if (dialects(before).every((dialect) => kept.has(dialect))) return
  throw badRequest(
    `Cannot replace view due to loss of view dialects (${DROP_DIALECT_ALLOWED}=false): ` +
      `previous dialects: ${short(dialects(before).join(', '))}; new dialects: ${short([...kept].join(', '))}`,
  )
}

/**
 * The versions to keep when there are more than the view wants: the current one first, then the newest. Those added by this
 * commit are always kept. In their own order when nothing has to go.
 */
export function keptVersions(
  versions: readonly ViewVersion[],
  current: ViewVersion,
  added: ReadonlySet<number>,
  properties: Properties,
): readonly ViewVersion[] {
  const size = integerProperty(properties, HISTORY_SIZE, HISTORY_SIZE_DEFAULT)
  const count = Math.max(size, new Set([...added, current['version-id']]).size)
  if (versions.length <= count) return versions
  const newestFirst = versions.filter((version) => version !== current).toSorted((a, b) => b['version-id'] - a['version-id'])
  return [current, ...newestFirst.slice(0, count - 1)]
}

/** Entries up to one of a version that is gone go with it: a gap would claim that another was current meanwhile. */
export function keptHistory(log: readonly ViewHistoryEntry[], versions: readonly ViewVersion[]): ViewHistoryEntry[] {
  const ids = new Set(versions.map((version) => version['version-id']))
  let kept: ViewHistoryEntry[] = []
  for (const entry of log) {
    if (ids.has(entry['version-id'])) kept.push(entry)
    else kept = []
  }
  return kept
}
