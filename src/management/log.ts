/** The tenant's own log: changes of warehouses, catalogs, tokens and passwords. It outlives what it speaks of. */
import type { Principal } from '../access/principal.ts'
import { readLog, type LogPage, type LogQuery } from '../catalog/history.ts'
import { tenantLog } from '../changes/context.ts'
import type { ManagementContext } from './context.ts'

/** The route has asked whether the principal may read it. Newest first, unless asked otherwise. */
export const listTenantCommits = (context: ManagementContext, principal: Principal, query: LogQuery): Promise<LogPage> =>
  readLog(context.catalog, { principal, catalog: tenantLog(principal.tenantId) }, query)
