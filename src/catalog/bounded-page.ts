/** Pages of rows that can be large: they end early where their rows are, and a few rows are read in one turn. */
import { setImmediate as turn } from 'node:timers/promises'
import type { EntityName, Row } from '../stores/entities.ts'
import type { CatalogCall, CatalogContext, PageRequest } from './call.ts'
import { listPage, type Listing, type Page } from './page-token.ts'

/** Of the rows of a page, when the next one is looked at. */
const MAX_PAGE_BYTES = 2 * 1024 * 1024
/** Read at a time: a page is larger by at most so many rows. */
const READ_AT_ONCE = 4

/** `bytesOf` tells about how large a row is in the answer. A page has at least one row, where there are any. */
export async function boundedPage<E extends EntityName>(
  context: CatalogContext,
  call: CatalogCall,
  { pageToken, pageSize }: Required<PageRequest>,
  listing: Listing<E>,
  bytesOf: (row: Row<E>) => number,
): Promise<Pick<Page<Row<E>>, 'rows' | 'next'>> {
  const most = pageSize ?? Infinity
  const rows: Row<E>[] = []
  let next: string | null = pageToken ?? ''
  for (let bytes = 0; next !== null && bytes < MAX_PAGE_BYTES && (rows.length === 0 || rows.length < most);) {
    if (rows.length > 0) await turn()
    // A size that is none is refused where pages are.
    const size = Math.min(most - rows.length, READ_AT_ONCE)
    const part: Page<Row<E>> = await listPage(context, call, { pageToken: next, pageSize: size }, listing)
    for (const row of part.rows) bytes += bytesOf(row)
    rows.push(...part.rows)
    next = part.next
  }
  return { rows, next }
}
