/**
 * Whole lists, page by page: one query for all rows would stop the event loop for as long as it takes, and hold all of them
 * in memory. Between two pages others get their turn, and a page is read when the one before was taken.
 */
import { setImmediate as turn } from 'node:timers/promises'
import type { EntityName, IndexName, Row } from './entities.ts'
import type { Store } from './store.ts'

const PAGE_ROWS = 1000

export interface Wanted<E extends EntityName> {
  readonly index: IndexName<E>
  readonly where: Partial<Row<E>>
  readonly descending?: boolean
  readonly after?: Partial<Row<E>>
  /** Fewer than usual where rows are large, or most of a page would be read in vain. */
  readonly pageRows?: number
}

/** All rows in the order of the index. They are not of one moment: rows that come and go meanwhile may be among them. */
export function pagesOf<E extends EntityName>(store: Store, entity: E, wanted: Wanted<E>): AsyncGenerator<Row<E>[]> {
  const { index, where, descending = false, pageRows } = wanted
  return pagesBy<Row<E>>((last, limit) => {
    const after = last ?? wanted.after
    return store.list(entity, { index, where, descending, limit, ...(after && { after }) })
  }, pageRows)
}

/** What `read` answers behind the last of what it answered before, until it answers less than the limit. */
export async function* pagesBy<T>(
  read: (last: T | undefined, limit: number) => Promise<T[]>,
  pageRows = PAGE_ROWS,
): AsyncGenerator<T[]> {
  for (let last: T | undefined; ;) {
    const page = await read(last, pageRows)
    if (page.length > 0) yield page
    if (page.length < pageRows) return
    last = page.at(-1)
    await turn()
  }
}

/** The items of each page that `of` makes of it. */
export async function* mapped<T, U>(
  pages: AsyncIterable<readonly T[]>,
  of: (page: readonly T[]) => readonly U[],
): AsyncGenerator<readonly U[]> {
  for await (const page of pages) yield of(page)
}

/** `limit` items from the one at `offset` on. Pages behind them are not read. */
export async function* cutOut<T>(
  pages: AsyncIterable<readonly T[]>,
  { offset, limit }: { readonly offset: number; readonly limit: number },
): AsyncGenerator<readonly T[]> {
  let [before, left] = [offset, limit]
  for await (const page of pages) {
    const part = page.slice(before, before + left)
    before = Math.max(0, before - page.length)
    left -= part.length
    if (part.length > 0) yield part
    if (left === 0) return
  }
}

/** A list that is short enough to be at hand, or its beginning and what leads to the rest. */
export interface Listed<T> {
  readonly items: readonly T[]
  readonly rest?: AsyncGenerator<readonly T[]>
}

/** Reads as far as it takes to know whether there is a second page: so refusals come before anything is answered. */
export async function listed<T>(pages: AsyncGenerator<readonly T[]>): Promise<Listed<T>> {
  const first = await pages.next()
  if (first.done === true) return { items: [] }
  const second = await pages.next()
  return second.done === true ? { items: first.value } : { items: first.value, rest: following(second.value, pages) }
}

async function* following<T>(page: readonly T[], pages: AsyncGenerator<readonly T[]>): AsyncGenerator<readonly T[]> {
  try {
    yield page
    yield* pages
  } finally {
    // Also where the list is given up before its end.
    await pages.return(undefined)
  }
}
