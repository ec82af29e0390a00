/**
 * Looks a store over and explains what does not fit together. Reads only, page by page, while servers may be at work: what
 * looks wrong is looked at once more at the end, so that a change in the middle of it is not taken for damage.
 */
import type { EntityName, Key, Row } from '../stores/entities.ts'
import { pagesOf } from '../stores/pages.ts'
import type { Store } from '../stores/store.ts'
import { checkFiles } from './check-files.ts'
import type { StorageOf } from './check-files.ts'
import { historyDifferences } from './check-history.ts'
import { unfinishedFilling } from './fill.ts'
import { displayKey, entityNames, FILLING, isFilling, itemOf, rowsOf } from './rows.ts'
import type { Progress } from './rows.ts'

export interface Finding {
  /** A `warning` does no harm yet. */
  readonly severity: 'error' | 'warning'
  /** For programs. */
  readonly code: string
  readonly entity: EntityName
  /** The row's key, for people. */
  readonly row: string
  /** What is wrong, and what follows from it or helps. */
  readonly message: string
}

export interface CheckOptions {
  readonly store: Store
  readonly now: () => number
  /** Opens the storage of a warehouse, to look at the metadata files too. */
  readonly storageOf?: StorageOf
  readonly progress?: Progress
}

export interface CheckReport {
  readonly rows: { readonly [entity: string]: number }
  /** Metadata files that were read. */
  readonly files: number
  /** How often each code was found. */
  readonly counts: { readonly [code: string]: number }
  /** At most a hundred of a code. */
  readonly findings: readonly Finding[]
}

const PAGE = 500
const MAX_OF_A_CODE = 100
const GRACE_MS = 3_600_000
const NEVER = Number.MAX_SAFE_INTEGER
const SEPARATOR = '\u001f'

type Doubt = Omit<Finding, 'entity' | 'row'>
export type Report = (finding: Finding) => void

export const findingOf = <E extends EntityName>(entity: E, row: Row<E>, doubt: Doubt): Finding => {
  const { version: _, ...rest } = row
  return { ...doubt, entity, row: displayKey(itemOf(entity, rest as never)) }
}

const error = (code: string, message: string): Doubt => ({ severity: 'error', code, message })
const warning = (code: string, message: string): Doubt => ({ severity: 'warning', code, message })

/** Another row that a row needs. */
interface Need<T extends EntityName = EntityName> {
  readonly entity: T
  readonly key: Key<T>
  /** What the row must say beside its key. */
  readonly with: Partial<Row<T>>
  readonly otherwise: Doubt
}
const need = <T extends EntityName>(entity: T, key: Key<T>, otherwise: Doubt, also: Partial<Row<T>> = {}): Need =>
  ({ entity, key, with: also, otherwise }) as unknown as Need

const tenantOf = (tenant_id: string | null): Need[] =>
  tenant_id === null
    ? []
    : [
        need(
          'tenants',
          { id: tenant_id },
          error('missing-tenant', `Its tenant ${tenant_id} does not exist: nobody can reach it.`),
        ),
      ]

function namespaceAt(row: Row<'entries'> | Row<'namespaces'>, path: string, otherwise: Doubt): Need {
  const levels = path.split(SEPARATOR)
  const { tenant_id, catalog_id, branch } = row
  const key = { tenant_id, catalog_id, branch, parent: levels.slice(0, -1).join(SEPARATOR), name: levels.at(-1) ?? '' }
  return need('namespaces', key, otherwise)
}

const branchOf = ({ tenant_id, catalog_id, branch }: Row<'entries'> | Row<'namespaces'>): Need =>
  need(
    'branches',
    { tenant_id, catalog_id, name: branch },
    error('missing-branch', `Its catalog ${catalog_id} has no branch ${branch}: nobody can reach it.`),
  )

const dotted = (path: string): string => path.replaceAll(SEPARATOR, '.')

/** Which rows must exist for each row. */
const NEEDS: { readonly [E in EntityName]?: (row: Row<E>) => readonly Need[] } = {
  users: (row) => tenantOf(row.tenant_id),
  tokens: (row) => [
    ...tenantOf(row.tenant_id),
    need(
      'users',
      { id: row.user_id },
      error('orphan-token', `Its user ${row.user_id} does not exist in its tenant: no request is accepted with it.`),
      { tenant_id: row.tenant_id },
    ),
  ],
  warehouses: (row) => tenantOf(row.tenant_id),
  catalogs: (row) => [
    ...tenantOf(row.tenant_id),
    ...(row.warehouse_name === null
      ? []
      : [
          need(
            'warehouses',
            { tenant_id: row.tenant_id, name: row.warehouse_name },
            error('missing-warehouse', `Its warehouse ${row.warehouse_name} does not exist: none of its tables can be loaded.`),
          ),
        ]),
    need(
      'branches',
      { tenant_id: row.tenant_id, catalog_id: row.id, name: 'main' },
      error('missing-branch', 'It has no branch main: no namespace can be created in it.'),
    ),
  ],
  namespaces: (row) => [
    branchOf(row),
    ...(row.parent === ''
      ? []
      : [
          namespaceAt(
            row,
            row.parent,
            error('missing-parent', `Its parent ${dotted(row.parent)} does not exist: no listing shows it.`),
          ),
        ]),
  ],
  entries: (row) => [
    branchOf(row),
    namespaceAt(
      row,
      row.namespace,
      error('missing-namespace', `Its namespace ${dotted(row.namespace)} does not exist: no listing shows it.`),
    ),
  ],
}

/** The task of a catalog that was dropped and whose content is still there, out of reach on purpose. */
const REMOVE_CATALOG = 'remove-catalog'

async function droppedCatalogs(store: Store): Promise<string[]> {
  const found: string[] = []
  for await (const page of filledPages(store, 'tasks')) {
    for (const { kind, tenant_id, payload } of page) {
      const { catalog } = payload as { readonly catalog?: { readonly id?: string } }
      if (kind === REMOVE_CATALOG) found.push(`${tenant_id}/${catalog?.id}`)
    }
  }
  return found
}

/** What a row says of itself. */
function doubtsOf(entity: EntityName, row: Row<EntityName>, now: number, catalogs: ReadonlySet<string>): Doubt[] {
  const { tenant_id, catalog_id } = row as { readonly tenant_id?: string; readonly catalog_id?: string }
  if (entity === 'branches' || entity === 'namespaces' || entity === 'entries') {
    return catalogs.has(`${tenant_id}/${catalog_id}`)
      ? []
      : [error('missing-catalog', `Its catalog ${catalog_id} does not exist: nobody can reach it.`)]
  }
  if (entity === 'tasks') {
    const task = row as Row<'tasks'>
    if (task.due_at === NEVER) {
      const why = `${task.kind} after ${task.attempts} attempts: ${task.last_error ?? 'no reason is known'}`
      return [
        warning(
          'task-given-up',
          `Background work was given up, ${why}. What it has not removed stays, and nothing can take its place: see \`pangolin store deletions\`.`,
        ),
      ]
    }
    if (task.due_at < now - GRACE_MS) {
      return [warning('task-overdue', `The task ${task.kind} should have run more than an hour ago. Is a server running?`)]
    }
  }
  if (entity === 'idempotency' && (row as Row<'idempotency'>).expires_at < now - GRACE_MS) {
    return [warning('expired-record', 'It expired more than an hour ago and is still there. Is a server running?')]
  }
  return []
}

async function* filledPages<E extends EntityName>(store: Store, entity: E): AsyncGenerator<Row<E>[]> {
  let page: Row<E>[] = []
  for await (const item of rowsOf(store, entity)) {
    if (isFilling(item)) continue
    page.push({ ...item.row, version: item.version } as unknown as Row<E>)
    if (page.length < PAGE) continue
    yield page
    page = []
  }
  if (page.length > 0) yield page
}

const nameOf = ({ entity, key, with: also }: Need): string => `${entity} ${JSON.stringify([key, also])}`

const meets = (row: object | undefined, also: object): boolean =>
  row !== undefined && Object.entries(also).every(([column, value]) => (row as Record<string, unknown>)[column] === value)

/** The needs of a page that nothing meets; each needed row is asked for once. */
async function unmet(store: Store, needs: readonly Need[]): Promise<ReadonlySet<string>> {
  const missing = new Set<string>()
  for (const entity of entityNames) {
    const wanted = [...new Map(needs.filter((one) => one.entity === entity).map((one) => [nameOf(one), one])).values()]
    if (wanted.length === 0) continue
    const rows = await store.getMany(
      entity,
      wanted.map(({ key }) => key as Key<typeof entity>),
    )
    wanted.forEach((one, at) => meets(rows[at], one.with) || missing.add(nameOf(one)))
  }
  return missing
}

interface CatalogIds {
  readonly known: ReadonlySet<string>
  readonly dropped: ReadonlySet<string>
}

async function checkRows(options: CheckOptions, entity: EntityName, catalogs: CatalogIds, report: Report): Promise<number> {
  const { store, now, progress } = options
  const needsOf = NEEDS[entity] as ((row: Row<EntityName>) => readonly Need[]) | undefined
  let rows = 0
  for await (const page of filledPages(store, entity)) {
    const isDropped = (row: Row<EntityName>): boolean => {
      const { tenant_id, catalog_id } = row as { readonly tenant_id?: string; readonly catalog_id?: string }
      return catalogs.dropped.has(`${tenant_id}/${catalog_id}`)
    }
    // Its branch went with the catalog, and the rest goes row by row.
    const needs = page.map((row) => (isDropped(row) ? [] : (needsOf?.(row) ?? [])))
    const missing = await unmet(store, needs.flat())
    page.forEach((row, at) => {
      const own = doubtsOf(entity, row, now(), catalogs.known)
      const others = (needs[at] ?? []).filter((one) => missing.has(nameOf(one))).map(({ otherwise }) => otherwise)
      // Below a missing catalog everything is missing: the first reason says it all.
      for (const doubt of own.length > 0 ? own : others) report(findingOf(entity, row, doubt))
    })
    rows += page.length
    progress?.('check', entity, rows)
  }
  return rows
}

/** Two living tables or views at one place would delete each other's files. (Databases plan pages within one tenant well.) */
async function checkLocations(store: Store, tenant_id: string, report: Report): Promise<void> {
  let last: Row<'entries'> | undefined
  for await (const page of pagesOf(store, 'entries', { index: 'by_location', where: { tenant_id } })) {
    for (const row of page) {
      if (row.deleted) continue
      if (last !== undefined && last.location === row.location && last.id !== row.id) {
        const other = findingOf('entries', last, error('', '')).row
        report(findingOf('entries', row, error('duplicate-location', `It lies at ${row.location}, and so does ${other}.`)))
      }
      last = row
    }
  }
}

/** The past of catalogs that are there, up to now. */
async function checkHistories(store: Store, catalogs: ReadonlySet<string>, report: Report): Promise<void> {
  for await (const page of pagesOf(store, 'logs', { index: 'primary', where: {} })) {
    for (const { tenant_id, catalog_id, branch } of page) {
      if (!catalogs.has(`${tenant_id}/${catalog_id}`)) continue
      for await (const { head, state, what } of historyDifferences(store, { tenant_id, catalog_id, branch })) {
        const doubt = warning(
          'history-differs',
          `At the end of its catalog's history, ${what}. What was before is told as the log says.`,
        )
        if (head === undefined) report(findingOf('states', state!, doubt))
        else if ('metadata_location' in head) report(findingOf('entries', head, doubt))
        else report(findingOf('namespaces', head, doubt))
      }
    }
  }
}

async function look(options: CheckOptions): Promise<CheckReport> {
  const { store, storageOf, progress } = options
  const findings: Finding[] = []
  const counts = new Map<string, number>()
  const report: Report = (finding) => {
    const count = (counts.get(finding.code) ?? 0) + 1
    counts.set(finding.code, count)
    if (count <= MAX_OF_A_CODE) findings.push(finding)
  }
  const unfinished = await unfinishedFilling(store)
  if (unfinished !== undefined) {
    const message = `The store is an unfinished copy of ${unfinished}. Run the command that made it once more.`
    report({ ...error('unfinished-copy', message), entity: 'tasks', row: FILLING })
  }
  const catalogs = new Map<string, Row<'catalogs'>>()
  for await (const page of filledPages(store, 'catalogs')) {
    for (const row of page) catalogs.set(`${row.tenant_id}/${row.id}`, row)
  }
  const dropped = new Set(await droppedCatalogs(store))
  const ids = { known: new Set([...catalogs.keys(), ...dropped]), dropped }
  const rows: [EntityName, number][] = []
  for (const entity of entityNames) rows.push([entity, await checkRows(options, entity, ids, report)])
  for (const tenant of new Set([...catalogs.values()].map(({ tenant_id }) => tenant_id)))
    await checkLocations(store, tenant, report)
  await checkHistories(store, new Set(catalogs.keys()), report)
  const files = storageOf === undefined ? 0 : await checkFiles({ store, storageOf, catalogs, report, progress })
  return { rows: Object.fromEntries(rows), files, counts: Object.fromEntries(counts), findings }
}

const identity = (finding: Finding): string => JSON.stringify([finding.code, finding.entity, finding.row])

/** A second look follows where the first one found errors: what is found both times was no change under way. */
export async function checkStore(options: CheckOptions): Promise<CheckReport> {
  const first = await look(options)
  if (!first.findings.some(({ severity }) => severity === 'error')) return first
  const known = new Set(first.findings.map(identity))
  const second = await look(options)
  // Beyond the hundred, findings were not remembered: so many were hardly all under way.
  const isKnown = (finding: Finding): boolean => (first.counts[finding.code] ?? 0) > MAX_OF_A_CODE || known.has(identity(finding))
  const findings = second.findings.filter(isKnown)
  const gone = (code: string): number => second.findings.filter((finding) => finding.code === code && !isKnown(finding)).length
  const counts = Object.entries(second.counts).map(([code, count]) => [code, count - gone(code)] as const)
  return { ...second, findings, counts: Object.fromEntries(counts.filter(([, count]) => count > 0)) }
}
