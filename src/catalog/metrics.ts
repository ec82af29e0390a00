import type { CatalogCall, CatalogContext, PageRequest, TableIdentifier } from './call.ts'
import type { ReportMetricsRequest } from './shapes.ts'
export interface MetricsReport {
  readonly id: string
  readonly 'received-at-ms': number
  readonly 'report-type': string
  /** The report's own JSON text, exactly as kept (it holds 64-bit integers). */
  readonly report: string
}
/** `text`: the request body's JSON text, which is what is kept. */
export declare function reportMetrics(
  context: CatalogContext, call: CatalogCall, identifier: TableIdentifier, request: ReportMetricsRequest, text: string,
): Promise<void>
export declare function listMetrics(
  context: CatalogContext, call: CatalogCall, identifier: TableIdentifier, page: PageRequest,
): Promise<{ readonly reports: readonly MetricsReport[]; readonly 'next-page-token': string | null }>
