/** Scan and commit reports: kept as clients sent them, also of unknown kinds, and read back newest first. */
import { IcebergError } from '../../iceberg/errors.ts'
import { resolveEntry } from '../authorize.ts'
import { boundedPage } from '../bounded-page.ts'
import type { CatalogCall, CatalogContext, PageRequest, TableIdentifier } from '../call.ts'
import type { ReportMetricsRequest } from '../shapes.ts'
import { StoreError } from '../../stores/store.ts'

const MAX_REPORT_BYTES = 1024 * 1024

export interface MetricsReport {
  readonly id: string
  readonly 'received-at-ms': number
  readonly 'report-type': string
  /** The report's own JSON text, exactly as it came: it holds 64-bit integers. */
  readonly report: string
}

/** `text`: the request body's JSON text, which is what is kept. */
export async function reportMetrics(
  context: CatalogContext,
  call: CatalogCall,
  identifier: TableIdentifier,
  request: ReportMetricsRequest,
  text: string,
): Promise<void> {
  const bytes = Buffer.byteLength(text)
  if (bytes > MAX_REPORT_BYTES) {
    throw new IcebergError('ContentTooLargeException', `Metrics report of ${bytes} bytes, expected at most ${MAX_REPORT_BYTES}`)
  }
  const table = await resolveEntry(context, call, identifier, 'table', 'table.metrics')
  // Clients need not know: a report that is not kept is as good as one that was kept and has gone.
  if (!context.metricsQuota.keeps || call.catalog.at !== undefined) return
  const row = {
    tenant_id: call.catalog.tenantId,
    catalog_id: call.catalog.id,
    entry_id: table.id,
    id: context.uuidV7(),
    received_at: context.now(),
    report_type: request['report-type'],
    report: text,
    principal_id: call.principal.id,
  }
  try {
    await context.metricsQuota.makeRoom(context.store, row, bytes)
    await context.store.write([{ op: 'insert', entity: 'metrics', row }])
  } catch (error) {
    if (!(error instanceof StoreError)) throw error
    // A report is a favour of the client's: losing one is no reason to fail its query.
    context.log('metrics-report-lost', { kind: error.kind })
  }
}

const DEFAULT_PAGE = 100
const MAX_PAGE = 1000

/** Newest first, always in pages. */
export async function listMetrics(
  context: CatalogContext,
  call: CatalogCall,
  identifier: TableIdentifier,
  page: PageRequest,
): Promise<{ readonly reports: readonly MetricsReport[]; readonly 'next-page-token': string | null }> {
  const table = await resolveEntry(context, call, identifier, 'table')
  const where = { tenant_id: call.catalog.tenantId, catalog_id: call.catalog.id, entry_id: table.id }
  const listing = {
    name: ['metrics', table.id],
    entity: 'metrics',
    index: 'primary',
    where,
    by: 'id',
    descending: true,
  } as const
  const size = Math.min(page.pageSize ?? DEFAULT_PAGE, MAX_PAGE)
  const asked = { pageToken: page.pageToken ?? '', pageSize: size }
  const { rows, next } = await boundedPage(context, call, asked, listing, (row) => row.report.length)
  const reports = rows.map((row) => ({
    id: row.id,
    'received-at-ms': row.received_at,
    'report-type': row.report_type,
    report: row.report,
  }))
  return { reports, 'next-page-token': next }
}
