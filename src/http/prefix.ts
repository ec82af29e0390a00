/**
 * From the segments of a path to the catalog they name. A path may name it twice (`/v1/lake/v1/lake/...`), when a client
 * whose URI already names the catalog puts the prefix in as well: both must mean the same one.
 */
import { soon, type Soon } from '../catalog/soon.ts'
import { noSuchWarehouse, readOnlyPast } from '../iceberg/errors.ts'
import { decodePathSegment } from '../iceberg/identifier.ts'
import type { Exchange } from './exchange.ts'
import type { Address, Match } from './router.ts'

const PREFIXED = '/v1/{prefix}/'
const countParameters = (template: string): number => template.split('{').length - 1

/** Sets the catalog of the exchange and takes its segments away. A promise only where the store must be asked. */
export function bindCatalog(exchange: Exchange, match: Match): Soon<void> {
  const address = (match.address ??= addressOf(match, exchange.path))
  exchange.address = address
  if (address.catalogName === undefined) return undefined
  return soon(exchange.catalogNamed(address.catalogName), (catalog) => {
    if (match.route.mutation === true && catalog.at !== undefined) throw readOnlyPast(catalog.at)
    exchange.catalog = catalog
  })
}

/** @throws IcebergError 400 for what can't be decoded, 404 where a path names two catalogs */
function addressOf({ route, parameters }: Match, path: string): Address {
  const surplus = parameters.length - countParameters(route.template)
  if (!route.template.startsWith(PREFIXED)) return { catalogName: undefined, doubled: surplus > 0, parameters }
  const catalogName = decodePathSegment(parameters[surplus] ?? '')
  if (surplus > 0 && decodePathSegment(parameters[0] ?? '') !== catalogName) throw noSuchWarehouse(catalogName)
  return { catalogName, doubled: surplus > 0 || isDoubled(path), parameters: parameters.slice(surplus + 1) }
}

/** `/v1/{catalog}/v1/...` with the catalog once. */
function isDoubled(path: string): boolean {
  const slash = path.indexOf('/', 4)
  return path.startsWith('v1/', slash + 1)
}
