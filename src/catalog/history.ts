/**
 * The log of changes, for reading: of a catalog, or the tenant's own, in the order of its positions. It is written by `changes/`, in
 * the batch of each change, and put in order by `history/`.
 */
import { setImmediate as turn } from 'node:timers/promises'
import { isAllowed } from '../access/decide.ts'
import type { Principal } from '../access/principal.ts'
import type { LogScope } from '../changes/context.ts'
import { isSameNamespace, isWithinNamespace } from '../iceberg/identifier.ts'
import { stringify } from '../iceberg/json.ts'
import { logKeyOf } from '../history/logs.ts'
import { lastUntil } from '../history/times.ts'
import type { Json, Row } from '../stores/entities.ts'
import type { Store } from '../stores/store.ts'
import { assertMayTouchCatalog } from './authorize.ts'
import type { CatalogCall, CatalogContext, Namespace, PageRequest } from './call.ts'
import { issue, redeem } from './page-token.ts'

/** Times are milliseconds since 1970. The last five are null where they are not known, and for callers of a narrowed token. */
export interface Commit {
  readonly id: string
  /** Its place in the log, counted from 1. */
  readonly position: number
  /** The change before it in the same log; null for the first that is kept. */
  readonly parent_id: string | null
  /** Never before that of the change before it. */
  readonly timestamp: number
  readonly author: string
  readonly message: string
  readonly operations: Json
  readonly principal_id: string | null
  readonly token_id: string | null
  readonly address: string | null
  readonly user_agent: string | null
  readonly request_id: string | null
  /** Covers the line and the hash of the line before. */
  readonly hash: string
}

/** All of what is given must hold. */
export interface LogFilter {
  /** And the namespaces in it. */
  readonly namespace?: Namespace | undefined
  /** The name of a table or view in the namespace. */
  readonly table?: string | undefined
  /** The name or the id of a user. */
  readonly principal?: string | undefined
  /** The `operation` of an operation. */
  readonly action?: string | undefined
  /** First and last millisecond. */
  readonly since?: number | undefined
  readonly until?: number | undefined
}

export interface LogQuery extends PageRequest {
  readonly order?: 'asc' | 'desc' | undefined
  /** Where the first page begins: behind this position. */
  readonly behind?: number | undefined
  readonly filter?: LogFilter | undefined
}

export interface LogPage {
  readonly commits: readonly Commit[]
  /** Leads further in the same order; null at the end. */
  readonly 'next-page-token': string | null
  /** Leads back, in the other order. */
  readonly 'previous-page-token': string | null
}

const DEFAULT_PAGE = 100
/** Of the changes on a page, after which it ends: those of transactions have a line for each table. */
const MAX_PAGE_BYTES = 2 * 1024 * 1024
/** Looked at for one page; where few match, it ends early. */
const MAX_SCANNED = 10_000
const MAX_SCANNED_BYTES = 16 * 1024 * 1024
/** Read in one turn. */
const PART_BYTES = 128 * 1024
const MAX_PART = 32
const FIRST_PART = 4
const LISTING = ['commits']

/** Newest first, unless asked otherwise. */
export function listCommits(context: CatalogContext, call: CatalogCall, query: LogQuery): Promise<LogPage> {
  assertMayTouchCatalog(call, 'catalog.read')
  return readLog(context, call, query)
}

interface LogCall {
  readonly principal: Principal
  readonly catalog: LogScope
}

/** For who may read it. @throws IcebergError 400 for a token of another listing */
export async function readLog(context: CatalogContext, call: LogCall, query: LogQuery): Promise<LogPage> {
  const { order = 'desc', filter = {}, pageToken = '', pageSize = DEFAULT_PAGE } = query
  const given = pageToken === '' ? query.behind : await positionOfToken(context, call, redeem(context, call, LISTING, pageToken))
  // A client finds its own change in the log, however soon it looks.
  await context.sequencer.settle()
  const found = await scan(context, call.catalog, { descending: order === 'desc', filter, given, most: pageSize })
  const isSeen = isAllowed(call.principal, 'log.read', { tenantId: call.catalog.tenantId })
  const first = found.lines[0]?.place.position ?? given
  const tokenOf = (position: number | undefined): string | null =>
    position === undefined ? null : issue(context, call, LISTING, String(position))
  return {
    commits: found.lines.map((line) => shown(line, found.parents.get(line.place.position - 1) ?? null, isSeen)),
    'next-page-token': tokenOf(found.next),
    'previous-page-token': tokenOf(first),
  }
}

/** Tokens of versions before name the id of a change. */
async function positionOfToken({ store }: CatalogContext, { catalog }: LogCall, last: string): Promise<number> {
  if (/^\d+$/.test(last)) return Number(last)
  return (await store.get('commits', { ...logKeyOf(catalog), id: last }))?.position ?? 0
}

interface Line {
  readonly place: Row<'positions'>
  readonly row: Row<'commits'>
}

function shown({ place, row }: Line, parent_id: string | null, isSeen: boolean): Commit {
  const { id, author, message, operations } = row
  const { position, at: timestamp, hash } = place
  const origin = isSeen ? ((row.origin ?? {}) as Readonly<Record<string, string>>) : {}
  const known = (key: string): string | null => origin[key] ?? null
  return {
    id,
    position,
    parent_id,
    timestamp,
    author,
    message,
    operations,
    principal_id: known('principal_id'),
    token_id: known('token_id'),
    address: known('address'),
    user_agent: known('user_agent'),
    request_id: known('request_id'),
    hash,
  }
}

interface Scan {
  readonly descending: boolean
  readonly filter: LogFilter
  /** Where the page before ended. */
  readonly given: number | undefined
  readonly most: number
}

interface Found {
  readonly lines: readonly Line[]
  /** Ids of changes by position, as far as they were met: those before the lines among them. */
  readonly parents: ReadonlyMap<number, string>
  /** The last position that was looked at, where there are more. */
  readonly next: number | undefined
}

async function scan(context: CatalogContext, log: LogScope, { descending, filter, given, most }: Scan): Promise<Found> {
  const { store } = context
  const { since = 0, until = Infinity } = filter
  const lines: Line[] = []
  const parents = new Map<number, string>()
  let position = furthest(given, await startOf(context, log, filter, descending), descending)
  let [scanned, bytes, found] = [0, 0, 0]
  const isFull = (): boolean =>
    lines.length === most || found > MAX_PAGE_BYTES || scanned >= MAX_SCANNED || bytes > MAX_SCANNED_BYTES
  const end = async (next: number | undefined): Promise<Found> => {
    await addParents(store, log, lines, parents)
    return { lines, parents, next }
  }
  for (let part = FIRST_PART; ; part = Math.max(1, Math.min(MAX_PART, Math.floor(PART_BYTES / (bytes / scanned))))) {
    const page = await readLines(store, log, { descending, position, limit: part })
    for (const { place, row } of page) {
      parents.set(place.position, place.commit_id)
      if (place.at < since || place.at > until) return end(undefined)
      if (isFull()) return end(position)
      position = place.position
      // Removed since the place was read.
      if (row === undefined) continue
      const size = stringify(row.operations).length
      scanned += 1
      bytes += size
      if (!matches(row, filter)) continue
      lines.push({ place, row })
      found += size
    }
    if (page.length < part) return end(undefined)
    await turn()
  }
}

interface PartOf {
  readonly descending: boolean
  /** Behind which it begins. */
  readonly position: number | undefined
  readonly limit: number
}

async function readLines(
  store: Store,
  log: LogScope,
  { descending, position, limit }: PartOf,
): Promise<{ readonly place: Row<'positions'>; readonly row: Row<'commits'> | undefined }[]> {
  const where = logKeyOf(log)
  const after = position === undefined ? {} : { after: { ...where, position } }
  const places = await store.list('positions', { index: 'primary', where, descending, limit, ...after })
  const keys = places.map(({ commit_id: id }) => ({ ...where, id }))
  const rows = await store.getMany('commits', keys)
  return places.map((place, at) => ({ place, row: rows[at] }))
}

/** Of the lines whose change before was not met on the way. */
async function addParents(store: Store, log: LogScope, lines: readonly Line[], parents: Map<number, string>): Promise<void> {
  const missing = lines.map(({ place }) => place.position - 1).filter((position) => position > 0 && !parents.has(position))
  const keys = missing.map((position) => ({ ...logKeyOf(log), position }))
  for (const place of await store.getMany('positions', keys)) {
    if (place !== undefined) parents.set(place.position, place.commit_id)
  }
}

/** Behind which position the span of time begins. */
async function startOf(
  { store }: CatalogContext,
  log: LogScope,
  { since, until }: LogFilter,
  descending: boolean,
): Promise<number | undefined> {
  const time = descending ? until : since === undefined ? undefined : since - 1
  if (time === undefined) return undefined
  const head = await store.get('logs', logKeyOf(log))
  if (head === undefined) return undefined
  const last = head.at <= time ? head.position : ((await lastUntil(store, log, time, head)) ?? head.first_position)
  return descending ? last + 1 : last
}

const furthest = (one: number | undefined, other: number | undefined, descending: boolean): number | undefined => {
  if (one === undefined || other === undefined) return one ?? other
  return descending ? Math.min(one, other) : Math.max(one, other)
}

interface Named {
  readonly operation?: Json
  readonly namespace?: Namespace
  readonly identifier?: { readonly namespace: Namespace; readonly name: string }
  readonly destination?: { readonly namespace: Namespace; readonly name: string }
}

function matches({ author, operations, origin }: Row<'commits'>, filter: LogFilter): boolean {
  const { principal } = filter
  const id = (origin as { readonly principal_id?: string } | null)?.principal_id
  if (principal !== undefined && principal !== author && principal !== id) return false
  return (operations as readonly Named[]).some((one) => isOf(one, filter))
}

function isOf({ operation, namespace: own, identifier, destination }: Named, { namespace, table, action }: LogFilter): boolean {
  if (action !== undefined && operation !== action) return false
  if (namespace === undefined) return true
  const names = [identifier, destination].filter((one) => one !== undefined)
  if (table !== undefined) return names.some((one) => one.name === table && isSameNamespace(one.namespace, namespace))
  return [own, ...names.map((one) => one.namespace)].some(
    (levels) => levels !== undefined && isWithinNamespace(levels, namespace),
  )
}
