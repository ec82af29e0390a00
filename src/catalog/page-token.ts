/**
 * Page tokens: where a listing goes on, authenticated. A token names the last key seen and is bound to tenant, catalog,
 * branch, listing and the bounds of who asked, so that it can't be forged, nor carried from one listing or one narrowed
 * token to another. It stays good when rows come and go, since it is a position and not an offset.
 */
import { createHmac, timingSafeEqual, type KeyObject } from 'node:crypto'
import { setImmediate as turn } from 'node:timers/promises'
import type { Principal } from '../access/principal.ts'
import type { LogScope } from '../changes/context.ts'
import type { Kind } from '../history/effects.ts'
import { badRequest } from '../iceberg/errors.ts'
import type { EntityName, IndexName, Key, NewRow, Row } from '../stores/entities.ts'
import { listed, pagesBy } from '../stores/pages.ts'
import { listColumn, type ListOptions } from '../stores/store.ts'
import type { CatalogCall, CatalogContext, PageRequest } from './call.ts'
import { behindName, isPast, pastNames, pastNamesAmong, type PastHandle, type PastListing } from './past.ts'
import { soon, type Soon } from './soon.ts'

const MAC_BYTES = 16
const MOST_REMEMBERED = 256
const MAX_TOKEN_LENGTH = 2048
const DEFAULT_PAGE_SIZE = 1000
const MAX_PAGE_SIZE = 10_000
/** A page of the usual size, and the row that says whether there is a next one. */
const MOST_AT_ONCE = DEFAULT_PAGE_SIZE + 1

/** The principal that asks, and the catalog or log that it asks for. */
export interface TokenScope {
  readonly principal: Pick<Principal, 'bounds'>
  readonly catalog: LogScope
}

function mac(context: CatalogContext, call: TokenScope, listing: readonly string[], last: string): Buffer {
  const { tenantId, id, branch } = call.catalog
  const { bounds } = call.principal
  // JSON keeps the parts apart: no two lists of parts have the same text.
  const scope = JSON.stringify([tenantId, id, branch, ...listing, ...(bounds === undefined ? [] : [{ bounds: bounds.text }])])
  const text = `${scope}\0${last}`
  const known = macs.get(context.pageTokenKey)?.get(text)
  if (known !== undefined) return known
  const made = createHmac('sha256', context.pageTokenKey).update(text).digest().subarray(0, MAC_BYTES)
  remember(context.pageTokenKey, text, made)
  return made
}

/** The last codes that were made, since the token of one page is soon asked for with the next one. */
const macs = new WeakMap<KeyObject, Map<string, Buffer>>()

function remember(key: KeyObject, text: string, made: Buffer): void {
  let known = macs.get(key)
  if (known === undefined) macs.set(key, (known = new Map()))
  if (known.size >= MOST_REMEMBERED) known.delete(known.keys().next().value!)
  // No slice of a longer buffer: that would be kept too.
  known.set(text, Buffer.from(made))
}

/** The token of a position. */
export function issue(context: CatalogContext, call: TokenScope, listing: readonly string[], last: string): string {
  return Buffer.concat([mac(context, call, listing, last), Buffer.from(last)]).toString('base64url')
}

/** The position that a token names. @throws IcebergError 400 for one that was not issued for this listing */
export function redeem(context: CatalogContext, call: TokenScope, listing: readonly string[], token: string): string {
  const bytes = token.length <= MAX_TOKEN_LENGTH ? Buffer.from(token, 'base64url') : Buffer.alloc(0)
  const last = bytes.toString('utf8', MAC_BYTES)
  const genuine =
    bytes.length > MAC_BYTES &&
    bytes.toString('base64url') === token &&
    timingSafeEqual(bytes.subarray(0, MAC_BYTES), mac(context, call, listing, last))
  if (!genuine) throw badRequest('Invalid pageToken: expected the next-page-token of the page before, from the same listing')
  return last
}

/** Size of a page, where one was asked for. */
function pageLimit(page: PageRequest): number {
  const size = page.pageSize ?? DEFAULT_PAGE_SIZE
  if (!Number.isSafeInteger(size) || size < 1) throw badRequest('Invalid pageSize: expected an integer of at least 1')
  return Math.min(size, MAX_PAGE_SIZE)
}

export interface Listing<E extends EntityName> {
  /** Names the listing and what it is restricted to. */
  readonly name: readonly string[]
  readonly entity: E
  readonly index: IndexName<E>
  readonly where: Partial<Row<E>>
  /** The column of text that follows those of `where` in the index, and tells the rows apart. */
  readonly by: string & keyof Row<E>
  readonly descending?: boolean
  /** Rows of these names only, where not all may be seen. `where` and the name then hold the key. */
  readonly among?: readonly string[] | undefined
}

export interface Page<R> {
  readonly rows: readonly R[]
  /** The rows behind them, where everything was asked for and is more than one page. */
  readonly rest?: AsyncGenerator<readonly R[]> | undefined
  readonly next: string | null
}

/** How a listing is read: the things behind a position, and the position of a thing. */
interface Reading<T> {
  readonly read: (after: string | undefined, limit: number) => Soon<T[]>
  readonly positionOf: (thing: T) => string
}

/** One page, or everything when no token was sent at all: the specification's rule for clients that know no pages. */
export function listPage<E extends EntityName>(
  context: CatalogContext,
  call: CatalogCall,
  page: PageRequest,
  listing: Listing<E>,
): Soon<Page<Row<E>>> {
  const { entity, by, among } = listing
  return paged(context, call, page, listing, {
    read: (after, limit) =>
      among === undefined
        ? context.store.list(entity, optionsOf(listing, after, limit))
        : rowsAmong(context, listing, among, after, limit),
    positionOf: (row) => row[by] as string,
  })
}

interface NameListing<E extends EntityName> extends Listing<E> {
  /** What is listed. */
  readonly kind: Kind
}

/** The same of what was there at the position at which the catalog is read. A page may be shorter than asked for, or empty. */
function listPastNames<E extends EntityName>(
  context: CatalogContext,
  call: CatalogCall & { readonly catalog: PastHandle },
  page: PageRequest,
  listing: NameListing<E>,
): Soon<Page<string>> {
  const { catalog } = call
  const { kind, among, where, name } = listing
  const { namespace, parent = namespace } = where as { readonly namespace?: string; readonly parent?: string }
  const place = { kind, parent: parent ?? '', call }
  const named = [...name, `at ${catalog.at}`]
  if (among !== undefined) {
    const read = async (after: string | undefined, limit: number): Promise<string[]> =>
      (await pastNamesAmong(context, catalog, place, namesBehind(among, after))).slice(0, limit)
    return paged(context, call, page, { ...listing, name: named }, { read, positionOf: (one) => one })
  }
  if (page.pageToken !== undefined) return pastPage(context, { ...place, catalog }, page, named)
  const read = async (after: string | undefined, limit: number): Promise<string[]> => {
    const behind = after === undefined ? undefined : behindName(after)
    return [...(await pastNames(context, catalog, place, behind, { limit, isAll: true })).names]
  }
  return everything({ read, positionOf: (one) => one }, false)
}

async function pastPage(
  context: CatalogContext,
  { catalog, ...place }: PastListing & { readonly catalog: PastHandle },
  page: PageRequest,
  named: readonly string[],
): Promise<Page<string>> {
  const { call } = place
  const limit = pageLimit(page)
  const behind = page.pageToken ? redeem(context, call, named, page.pageToken) : undefined
  const { names, position } = await pastNames(context, catalog, place, behind, { limit: limit + 1 })
  const rows = names.slice(0, limit)
  // One name more than asked for says whether there is a next page.
  const last = names.length > limit ? behindName(rows.at(-1)!) : position
  return { rows, next: last === undefined ? null : issue(context, call, named, last) }
}

/** The same of the column `by` alone, which costs a fraction of whole rows. */
export function listNames<E extends EntityName>(
  context: CatalogContext,
  call: CatalogCall,
  page: PageRequest,
  listing: NameListing<E>,
): Soon<Page<string>> {
  const { entity, by, among } = listing
  if (isPast(call.catalog)) return listPastNames(context, { ...call, catalog: call.catalog }, page, listing)
  return paged(context, call, page, listing, {
    read: (after, limit) =>
      among === undefined
        ? (listColumn(context.store, entity, by as keyof NewRow<E>, optionsOf(listing, after, limit)) as Soon<string[]>)
        : rowsAmong(context, listing, among, after, limit).then((rows) => rows.map((row) => row[by] as string)),
    positionOf: (name) => name,
  })
}

function paged<E extends EntityName, T>(
  context: CatalogContext,
  call: CatalogCall,
  page: PageRequest,
  { name, among }: Listing<E>,
  reading: Reading<T>,
): Soon<Page<T>> {
  const limit = pageLimit(page)
  if (page.pageToken === undefined) return everything(reading, among !== undefined)
  const after = page.pageToken === '' ? undefined : redeem(context, call, name, page.pageToken)
  // One row more than asked for says whether there is a next page.
  const most = limit + 1
  return soon(most <= MOST_AT_ONCE ? reading.read(after, most) : readParts(reading, after, most), (rows) => {
    if (rows.length <= limit) return { rows, next: null }
    rows.pop()
    return { rows, next: issue(context, call, name, reading.positionOf(rows.at(-1)!)) }
  })
}

async function everything<T>({ read, positionOf }: Reading<T>, isOfFew: boolean): Promise<Page<T>> {
  const { items, rest } = await listed(
    pagesBy<T>(async (last, most) => read(last && positionOf(last), isOfFew ? MAX_PAGE_SIZE : most)),
  )
  return { rows: items, rest, next: null }
}

/** More than a store reads in some milliseconds is read in parts, with turns of the event loop between. */
async function readParts<T>({ read, positionOf }: Reading<T>, after: string | undefined, limit: number): Promise<T[]> {
  const things: T[] = []
  for (let position = after; ;) {
    const asked = Math.min(limit - things.length, MOST_AT_ONCE)
    const part = await read(position, asked)
    for (const thing of part) things.push(thing)
    const last = part.at(-1)
    if (last === undefined || part.length < asked || things.length === limit) return things
    position = positionOf(last)
    await turn()
  }
}

function optionsOf<E extends EntityName>(
  { index, where, by, descending = false }: Listing<E>,
  after: string | undefined,
  limit: number,
): ListOptions<E> {
  const options = { index, where, descending, limit }
  return after === undefined ? options : { ...options, after: { ...where, [by]: after } as Partial<Row<E>> }
}

/** In one round trip: bounds have few names. */
async function rowsAmong<E extends EntityName>(
  context: CatalogContext,
  { entity, where, by }: Listing<E>,
  names: readonly string[],
  after: string | undefined,
  limit: number,
): Promise<Row<E>[]> {
  const behind = namesBehind(names, after)
  const rows = await context.store.getMany(
    entity,
    behind.map((name) => ({ ...where, [by]: name }) as unknown as Key<E>),
  )
  const wanted = Object.entries(where) as [keyof Row<E>, unknown][]
  const found = rows.filter((row) => row !== undefined && wanted.every(([column, value]) => row[column] === value))
  return (found as Row<E>[]).slice(0, limit)
}

const namesBehind = (names: readonly string[], after: string | undefined): string[] =>
  names.filter((name) => after === undefined || byCodePoint(name, after) > 0).toSorted(byCodePoint)

/** The order of stores: that of UTF-8 bytes. */
const byCodePoint = (left: string, right: string): number => Buffer.compare(Buffer.from(left), Buffer.from(right))
