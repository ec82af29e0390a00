/** The log of changes, for reading: of a catalog, or the tenant's own. It is written by `changes/`, in the batch of each change. */
import { setImmediate as turn } from 'node:timers/promises'
import { isAllowed } from '../access/decide.ts'
import type { Principal } from '../access/principal.ts'
import type { LogScope } from '../changes/context.ts'
import { firstUuidV7 } from '../changes/uuid.ts'
import { isSameNamespace, isWithinNamespace } from '../iceberg/identifier.ts'
import { stringify } from '../iceberg/json.ts'
import type { Json, Row } from '../stores/entities.ts'
import { assertMayTouchCatalog } from './authorize.ts'
import type { CatalogCall, CatalogContext, Namespace, PageRequest } from './call.ts'
import { issue, redeem } from './page-token.ts'

/** Times are milliseconds since 1970. The last five are null where they are not known, and for callers of a narrowed token. */
export interface Commit {
  readonly id: string
  /** The change before it in the same log. */
  readonly parent_id: string | null
  readonly timestamp: number
  readonly author: string
  readonly message: string
  readonly operations: Json
  readonly principal_id: string | null
  readonly token_id: string | null
  readonly address: string | null
  readonly user_agent: string | null
  readonly request_id: string | null
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
  const given = pageToken === '' ? undefined : redeem(context, call, LISTING, pageToken)
  const found = await scan(context, call.catalog, { descending: order === 'desc', filter, given, most: pageSize })
  const isSeen = isAllowed(call.principal, 'log.read', { tenantId: call.catalog.tenantId })
  const first = found.rows[0]?.row.id ?? given
  const tokenOf = (id: string | undefined): string | null => (id === undefined ? null : issue(context, call, LISTING, id))
  return {
    commits: found.rows.map(({ row, parent }) => shown(row, parent ?? null, isSeen)),
    'next-page-token': tokenOf(found.next),
    'previous-page-token': tokenOf(first),
  }
}

function shown(row: Row<'commits'>, parent_id: string | null, isSeen: boolean): Commit {
  const { id, timestamp_ms: timestamp, author, message, operations } = row
  const origin = isSeen ? ((row.origin ?? {}) as Readonly<Record<string, string>>) : {}
  const known = (key: string): string | null => origin[key] ?? null
  return {
    id,
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
  }
}

interface Scan {
  readonly descending: boolean
  readonly filter: LogFilter
  /** Where the page before ended. */
  readonly given: string | undefined
  readonly most: number
}

interface Found {
  readonly rows: readonly { readonly row: Row<'commits'>; readonly parent: string | undefined }[]
  /** The last row that was looked at, where there are more. */
  readonly next: string | undefined
}

async function scan({ store }: CatalogContext, log: LogScope, { descending, filter, given, most }: Scan): Promise<Found> {
  const where = { tenant_id: log.tenantId, catalog_id: log.id, branch: log.branch }
  const read = (after: string | undefined, limit: number, backwards: boolean): Promise<Row<'commits'>[]> =>
    store.list('commits', {
      index: 'primary',
      where,
      descending: backwards,
      limit,
      ...(after && { after: { ...where, id: after } }),
    })
  const olderThan = async (id: string): Promise<string | undefined> => (await read(id, 1, true))[0]?.id
  const [start, isBeyond] = boundsOf(filter, descending)
  const rows: { row: Row<'commits'>; parent: string | undefined }[] = []
  let position = given === undefined ? start : furthest(given, start, descending)
  let [scanned, bytes, found] = [0, 0, 0]
  const isFull = (): boolean =>
    rows.length === most || found > MAX_PAGE_BYTES || scanned >= MAX_SCANNED || bytes > MAX_SCANNED_BYTES
  let before: Row<'commits'> | undefined
  for (let part = FIRST_PART; ; part = Math.max(1, Math.min(MAX_PART, Math.floor(PART_BYTES / (bytes / scanned))))) {
    const page = await read(position, part, descending)
    for (const row of page) {
      const last = rows.at(-1)
      if (descending && last !== undefined && last.row === before) last.parent = row.id
      if (isBeyond(row.id)) return { rows, next: undefined }
      if (isFull()) return { rows, next: before?.id }
      const size = stringify(row.operations).length
      scanned += 1
      bytes += size
      if (matches(row, filter)) {
        const parent = descending ? undefined : (before?.id ?? (await olderThan(row.id)))
        rows.push({ row, parent })
        found += size
      }
      before = row
    }
    if (page.length < part) return { rows, next: undefined }
    position = page.at(-1)!.id
    await turn()
  }
}

/** Ids begin with their time, so a span of time is a span of ids: where to begin, and what lies behind its end. */
function boundsOf({ since, until }: LogFilter, descending: boolean): [start: string | undefined, (id: string) => boolean] {
  const first = since === undefined ? undefined : firstUuidV7(since)
  const last = until === undefined ? undefined : firstUuidV7(until + 1)
  if (descending) return [last, (id) => first !== undefined && id < first]
  return [first, (id) => last !== undefined && id > last]
}

const furthest = (one: string, other: string | undefined, descending: boolean): string =>
  other === undefined || (descending ? one < other : one > other) ? one : other

interface Named {
  readonly operation?: Json
  readonly namespace?: Namespace
  readonly identifier?: { readonly namespace: Namespace; readonly name: string }
  readonly destination?: { readonly namespace: Namespace; readonly name: string }
}

function matches({ author, operations, origin, timestamp_ms: at }: Row<'commits'>, filter: LogFilter): boolean {
  const { principal, since = 0, until = Infinity } = filter
  if (at < since || at > until) return false
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
