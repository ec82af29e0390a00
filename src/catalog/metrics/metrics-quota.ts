/**
 * How much of clients' reports is kept: by table, by principal and by tenant, in bytes and in number, the oldest out first.
 * Each process counts what it has written since it last looked, and looks again before that is more than a part of a quota;
 * its first report makes it look. So what is stored is at most a quota and that part of it for each process.
 */
import type { Key, Row } from '../../stores/entities.ts'
import { pagesOf } from '../../stores/pages.ts'
import { StoreError, type Mutation, type Store } from '../../stores/store.ts'

type Scope = 'table' | 'principal' | 'tenant'
export interface Quota {
  readonly bytes: number
  readonly reports: number
}
export type Quotas = Readonly<Record<Scope, Quota>>
export interface MetricsLimits {
  /** Undefined where no reports are kept at all. */
  readonly quotas: Quotas | undefined
}
const MEGABYTE = 1024 * 1024
export const DEFAULT_QUOTAS: Quotas = {
  table: { bytes: 8 * MEGABYTE, reports: 1_000 },
  principal: { bytes: 16 * MEGABYTE, reports: 10_000 },
  tenant: { bytes: 64 * MEGABYTE, reports: 50_000 },
}

/** What may come on top of a quota before it is looked after again. */
const SLACK = 1 / 4
/** Of a row beside its text, with its part of the indexes. */
const ROW_BYTES = 400
/** Reports can be large: few are held at a time. */
const PAGE = 20
const BATCH = 200

type Report = Pick<Row<'metrics'>, 'tenant_id' | 'catalog_id' | 'entry_id' | 'principal_id'>
const SCOPES: readonly Scope[] = ['table', 'principal', 'tenant']

function scopeKey(scope: Scope, { tenant_id, catalog_id, entry_id, principal_id }: Report): string {
  if (scope === 'tenant') return `tenant\n${tenant_id}`
  return scope === 'table' ? `table\n${tenant_id}\n${catalog_id}\n${entry_id}` : `principal\n${tenant_id}\n${principal_id ?? ''}`
}

/** Removes rows that others may remove as well; how many this call removed. */
export async function removeRows(store: Store, mutations: readonly Mutation[]): Promise<number> {
  try {
    await store.write(mutations)
    return mutations.length
  } catch (error) {
    if (!(error instanceof StoreError && error.kind === 'conflict')) throw error
    // Another process removed some of them, or wrote them anew.
    if (mutations.length === 1) return 0
    let removed = 0
    for (const mutation of mutations) removed += await removeRows(store, [mutation])
    return removed
  }
}

interface Known extends Report {
  readonly id: string
  readonly bytes: number
}

async function knownReports(store: Store, where: Partial<Row<'metrics'>>): Promise<Known[]> {
  const found: Known[] = []
  for await (const rows of pagesOf(store, 'metrics', { index: 'primary', where, pageRows: PAGE })) {
    for (const { tenant_id, catalog_id, entry_id, id, principal_id, report } of rows) {
      found.push({ tenant_id, catalog_id, entry_id, id, principal_id, bytes: ROW_BYTES + Buffer.byteLength(report) })
    }
  }
  return found
}

/** Those that are beyond a quota, when newer ones come first. Ids are in the order of time. */
function surplus(reports: readonly Known[], quotas: Readonly<Record<Scope, Quota>>, scopes: readonly Scope[]): Known[] {
  const used = new Map<string, { bytes: number; reports: number }>()
  return reports
    .toSorted((a, b) => (a.id < b.id ? 1 : -1))
    .filter((report) => {
      const totals = scopes.map((scope) => {
        const key = scopeKey(scope, report)
        const total = used.get(key) ?? { bytes: 0, reports: 0 }
        used.set(key, total)
        return { total, quota: quotas[scope] }
      })
      for (const { total } of totals) {
        total.bytes += report.bytes
        total.reports += 1
      }
      return totals.some(({ total, quota }) => total.bytes > quota.bytes || total.reports > quota.reports)
    })
}

/** Brings what is stored back within the quotas. @throws StoreError */
async function trim(store: Store, of: Report, scope: Scope, quotas: Readonly<Record<Scope, Quota>>): Promise<void> {
  const { tenant_id, catalog_id, entry_id } = of
  const where = scope === 'table' ? { tenant_id, catalog_id, entry_id } : { tenant_id }
  const doomed = surplus(await knownReports(store, where), quotas, scope === 'table' ? ['table'] : SCOPES)
  for (let from = 0; from < doomed.length; from += BATCH) {
    const some = doomed.slice(from, from + BATCH).map(({ tenant_id: tenant, catalog_id: catalog, entry_id: entry, id }) => {
      const key: Key<'metrics'> = { tenant_id: tenant, catalog_id: catalog, entry_id: entry, id }
      return { op: 'remove', entity: 'metrics', key, expected: 'any' } as const
    })
    await removeRows(store, some)
  }
}

export interface MetricsQuota {
  readonly keeps: boolean
  /** Resolves when there is room for the report. @throws StoreError when that can't be found out */
  makeRoom(store: Store, report: Report, textBytes: number): Promise<void>
}

export function createMetricsQuota({ quotas }: MetricsLimits): MetricsQuota {
  /** What was written since a scope was looked after; a scope without an entry has not been, in this process. */
  const written = new Map<string, { bytes: number; reports: number }>()
  const trimming = new Map<string, Promise<void>>()
  if (quotas === undefined) return { keeps: false, makeRoom: () => Promise.reject(new TypeError('no reports are kept')) }

  const isDue = (scope: Scope, report: Report, bytes: number): boolean => {
    const total = written.get(scopeKey(scope, report))
    // A table or principal that is new here is covered by the look at its tenant.
    if (total === undefined) return scope === 'tenant'
    const { [scope]: quota } = quotas
    return total.bytes + bytes > quota.bytes * SLACK || total.reports + 1 > Math.max(1, quota.reports * SLACK)
  }
  const count = (report: Report, bytes: number): void => {
    for (const scope of SCOPES) {
      const key = scopeKey(scope, report)
      const total = written.get(key) ?? { bytes: 0, reports: 0 }
      written.set(key, { bytes: total.bytes + bytes, reports: total.reports + 1 })
    }
  }
  const lookAfter = async (store: Store, report: Report, scope: Scope): Promise<void> => {
    await trim(store, report, scope, quotas)
    const { tenant_id } = report
    for (const key of written.keys()) {
      const isCovered = scope === 'table' ? key === scopeKey('table', report) : key.split('\n', 2)[1] === tenant_id
      if (isCovered) written.delete(key)
    }
    if (scope !== 'table') written.set(scopeKey('tenant', report), { bytes: 0, reports: 0 })
  }
  return {
    keeps: true,
    makeRoom: async (store, report, textBytes) => {
      const bytes = ROW_BYTES + textBytes
      const { tenant_id } = report
      for (let underWay = trimming.get(tenant_id); underWay !== undefined; underWay = trimming.get(tenant_id)) await underWay
      const due = SCOPES.findLast((scope) => isDue(scope, report, bytes))
      if (due !== undefined) {
        const looking = lookAfter(store, report, due)
        const settled = looking.then(
          () => undefined,
          () => undefined,
        )
        trimming.set(tenant_id, settled)
        await looking.finally(() => trimming.delete(tenant_id))
      }
      count(report, bytes)
    },
  }
}
