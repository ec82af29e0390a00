/** Where a client's catalog is and what this server can do. */
import { getConfig } from '../../catalog/config.ts'
import type { CatalogHandle } from '../../catalog/call.ts'
import { soon, type Soon } from '../../catalog/soon.ts'
import { badRequest } from '../../iceberg/errors.ts'
import { defaultCatalog } from '../../management/catalogs.ts'
import { json, type Answer } from '../answer.ts'
import type { Exchange } from '../exchange.ts'
import { parameter } from '../query.ts'
import type { Route } from '../route.ts'

function catalogOf(exchange: Exchange): Soon<CatalogHandle> {
  const inPath = (exchange.address?.parameters.length ?? 0) > 0 ? exchange.segment(0) : undefined
  const warehouse = parameter(exchange.query, 'warehouse') || undefined
  if (inPath !== undefined && warehouse !== undefined) return sameCatalog(exchange, inPath, warehouse)
  const named = inPath ?? warehouse ?? defaultCatalog(exchange.context.management, exchange.caller)
  return soon(named, (name) => exchange.catalogNamed(name))
}

/** Both must mean one catalog: a client that asks for another one would work on the wrong tables. */
async function sameCatalog(exchange: Exchange, inPath: string, warehouse: string): Promise<CatalogHandle> {
  const catalog = await exchange.catalogNamed(inPath)
  const other = await exchange.catalogNamed(warehouse)
  if (other.id === catalog.id && other.branch === catalog.branch && other.at === catalog.at) return catalog
  throw badRequest(`The URI names the catalog ${catalog.name}, the warehouse is ${other.name}; expected the same, or only one`)
}

/** What was answered about a catalog, to those whose URI names it already and to the others. */
interface Answers {
  doubled?: Answer
  plain?: Answer
}
const answers = new WeakMap<CatalogHandle, Answers>()

function answerFor({ context }: Exchange, catalog: CatalogHandle, form: keyof Answers): Answer {
  let known = answers.get(catalog)
  if (known === undefined) answers.set(catalog, (known = {}))
  return (known[form] ??= json(getConfig(catalog, { endpoints: context.endpoints, hasPrefix: form === 'plain' })))
}

export const configRoutes: readonly Route[] = [
  {
    method: 'GET',
    template: '/v1/config',
    operationId: 'getConfig',
    action: 'config.read',
    handler: (exchange) =>
      soon(catalogOf(exchange), (catalog) =>
        answerFor(exchange, catalog, exchange.address?.doubled === true ? 'doubled' : 'plain'),
      ),
  },
]
