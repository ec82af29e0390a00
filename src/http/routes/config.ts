/** Where a client's catalog is and what this server can do. */
import { getConfig } from '../../catalog/config.ts'
import type { CatalogHandle } from '../../catalog/call.ts'
import { badRequest } from '../../iceberg/errors.ts'
import { listCatalogs } from '../../management/catalogs.ts'
import { json } from '../answer.ts'
import type { Exchange } from '../exchange.ts'
import { parameter } from '../query.ts'
import type { Route } from '../route.ts'

/** What a client gets that names no warehouse: the one that there is, or the one of the first start. */
async function defaultCatalog(exchange: Exchange): Promise<string> {
  const catalogs = await listCatalogs(exchange.context.management, exchange.caller, { limit: 2, offset: 0 })
  if (catalogs.length === 1) return catalogs[0]!.name
  const lake = await exchange.context.catalog.store.get('catalogs', { tenant_id: exchange.caller.tenantId, name: 'lake' })
  if (lake === undefined) throw badRequest('Name a catalog in the query parameter warehouse')
  return lake.name
}

async function catalogOf(exchange: Exchange): Promise<CatalogHandle> {
  const inPath = (exchange.address?.parameters.length ?? 0) > 0 ? exchange.segment(0) : undefined
  const warehouse = parameter(exchange.query, 'warehouse') || undefined
  const { handles } = exchange.context
  const { tenantId } = exchange.caller
  const catalog = await handles.resolve(tenantId, inPath ?? warehouse ?? (await defaultCatalog(exchange)))
  if (inPath === undefined || warehouse === undefined) return catalog
  // Both must mean one catalog: a client that asks for another one would work on the wrong tables.
  const other = await handles.resolve(tenantId, warehouse)
  if (other.id === catalog.id && other.branch === catalog.branch) return catalog
  throw badRequest(`The URI names the catalog ${catalog.name}, the warehouse is ${other.name}; expected the same, or only one`)
}

export const configRoutes: readonly Route[] = [
  {
    method: 'GET',
    template: '/v1/config',
    operationId: 'getConfig',
    action: 'config.read',
    handler: async (exchange) => {
      const { context, caller: principal } = exchange
      const catalog = await catalogOf(exchange)
      const config = await getConfig(context.catalog, { principal, catalog }, { endpoints: context.endpoints })
      if (exchange.address?.doubled !== true) return json(config)
      // The client's URI names the catalog already: a prefix would be put into its paths once more.
      const { prefix: _prefix, ...overrides } = config.overrides
      return json({ ...config, overrides })
    },
  },
]
