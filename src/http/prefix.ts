/**
 * From the segments of a path to the catalog they name. A path may name it twice (`/v1/lake/v1/lake/...`), when a client
 * whose URI already names the catalog puts the prefix in as well: both must mean the same one.
 */
import { noSuchWarehouse } from '../iceberg/errors.ts'
import type { Exchange } from './exchange.ts'
import type { Route } from './route.ts'

const PREFIXED = '/v1/{prefix}/'
const countParameters = (template: string): number => template.split('{').length - 1
const counts = new WeakMap<Route, number>()

/** Sets the catalog of the exchange and takes its segments away. A promise only where the store must be asked. */
export function bindCatalog(exchange: Exchange, route: Route): Promise<void> | undefined {
  let expected = counts.get(route)
  if (expected === undefined) counts.set(route, (expected = countParameters(route.template)))
  const prefixed = route.template.startsWith(PREFIXED)
  const { parameters } = exchange
  const surplus = parameters.length - expected
  exchange.doubled = surplus > 0 || (prefixed && isDoubled(exchange.path))
  if (!prefixed) return undefined
  const name = exchange.segment(surplus)
  if (surplus > 0 && exchange.segment(0) !== name) throw noSuchWarehouse(name)
  exchange.parameters = parameters.slice(surplus + 1)
  const found = exchange.context.handles.resolve(exchange.caller.tenantId, name)
  if (!(found instanceof Promise)) {
    exchange.catalog = found
    return undefined
  }
  return found.then((catalog) => {
    exchange.catalog = catalog
  })
}

/** `/v1/{catalog}/v1/...` with the catalog once. */
function isDoubled(path: string): boolean {
  const slash = path.indexOf('/', 4)
  return path.startsWith('v1/', slash + 1)
}
