/** From times to positions of a log. The time of a position is never before that of the position before it. */
import { logKeyOf, type Log } from './logs.ts'
import { firstUuidV7 } from '../changes/uuid.ts'
import type { Row } from '../stores/entities.ts'
import type { Store } from '../stores/store.ts'

/** Positions that are read at once, around the one that was guessed. */
const WINDOW = 64

/**
 * The last position whose time is not behind this one, of a log whose last change came later. Undefined when the time lies before
 * all that is kept.
 */
export async function lastUntil(
  store: Store,
  log: Log,
  time: number,
  { position: last, first_position }: Row<'logs'>,
): Promise<number | undefined> {
  const where = logKeyOf(log)
  const first = first_position + 1
  const isUntil = async (position: number): Promise<boolean> => {
    const row = await store.get('positions', { ...where, position })
    return row !== undefined && row.at <= time
  }
  // `low` is not behind the time, `high` is; both may lie outside of the log.
  let [low, high] = [first - 1, last + 1]
  // Ids begin with the time by the clock of the server that made the change.
  const [near] = await store.list('commits', {
    index: 'primary',
    where,
    after: { ...where, id: firstUuidV7(time + 1) },
    descending: true,
    limit: 1,
  })
  const from = Math.max(first, (near?.position ?? last) - WINDOW / 2)
  const after = { ...where, position: from - 1 }
  for (const { position, at } of await store.list('positions', { index: 'primary', where, after, limit: WINDOW })) {
    if (at <= time) low = Math.max(low, position)
    else high = Math.min(high, position)
  }
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2)
    if (await isUntil(middle)) low = middle
    else high = middle
  }
  return low < first ? undefined : low
}
