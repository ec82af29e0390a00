/** Where a client's catalog is and what this server can do. */
import { getConfig } from '../../catalog/config.ts'
import type { CatalogHandle } from '../../catalog/call.ts'
import { badRequest } from '../../iceberg/errors.ts'
import { defaultCatalog } from '../../management/catalogs.ts'
import { json } from '../answer.ts'
import type { Exchange } from '../exchange.ts'
import { parameter } from '../query.ts'
import type { Route } from '../route.ts'

async function catalogOf(exchange: Exchange): Promise<CatalogHandle> {
  const inPath = (exchange.address?.parameters.length ?? 0) > 0 ? exchange.segment(0) : undefined
  const warehouse = parameter(exchange.query, 'warehouse') || undefined
  const { management } = exchange.context
  const catalog = await exchange.catalogNamed(inPath ?? warehouse ?? (await defaultCatalog(management, exchange.caller)))
  if (inPath === undefined || warehouse === undefined) return catalog
  // Both must mean one catalog: a client that asks for another one would work on the wrong tables.
  const other = await exchange.catalogNamed(warehouse)
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
