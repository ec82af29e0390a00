/** Keys of logs. A branch of a catalog has a log, and so has the tenant: in its key, catalog and branch are empty. */
import type { Key } from '../stores/entities.ts'

export type LogKey = Key<'logs'>

export interface Log {
  readonly tenantId: string
  /** Of the catalog. */
  readonly id: string
  readonly branch: string
}

export const logKeyOf = ({ tenantId, id, branch }: Log): LogKey => ({ tenant_id: tenantId, catalog_id: id, branch })

/** The log of a row that has its key among its columns. */
export const logOf = ({ tenant_id, catalog_id, branch }: LogKey): LogKey => ({ tenant_id, catalog_id, branch })

/** Tells logs apart. */
export const nameOfLog = ({ tenant_id, catalog_id, branch }: LogKey): string => `${tenant_id}\n${catalog_id}\n${branch}`
