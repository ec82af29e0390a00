/** Dropped catalogs over `/api/v1`. Beside the catalogs, whose names are free: one may be called `dropped`. */
import {
  forgetDroppedCatalog,
  listDroppedCatalogs,
  loadDroppedCatalog,
  undropCatalog,
} from '../../management/dropped-catalogs.ts'
import { json, NO_CONTENT } from '../answer.ts'
import { paging } from '../query.ts'
import { small } from '../request-bodies.ts'
import type { Route } from '../route.ts'

const ALL = '/api/v1/dropped-catalogs'
const ONE = `${ALL}/{id}`

export const droppedCatalogRoutes: readonly Route[] = [
  {
    method: 'GET',
    template: ALL,
    operationId: 'listDroppedCatalogs',
    action: 'catalog.manage',
    handler: async ({ context, caller, query }) => json(await listDroppedCatalogs(context.management, caller, paging(query))),
  },
  {
    method: 'GET',
    template: ONE,
    operationId: 'loadDroppedCatalog',
    action: 'catalog.manage',
    handler: async (exchange) =>
      json(await loadDroppedCatalog(exchange.context.management, exchange.caller, exchange.segment(0))),
  },
  {
    method: 'POST',
    template: `${ONE}/undrop`,
    operationId: 'undropCatalog',
    action: 'catalog.manage',
    mutation: true,
    body: small,
    handler: async (exchange) =>
      json(await undropCatalog(exchange.context.management, exchange.changeCall, exchange.segment(0), exchange.json())),
  },
  {
    method: 'DELETE',
    template: ONE,
    operationId: 'forgetDroppedCatalog',
    action: 'catalog.manage',
    mutation: true,
    handler: async (exchange) => {
      await forgetDroppedCatalog(exchange.context.management, exchange.changeCall, exchange.segment(0))
      return NO_CONTENT
    },
  },
]
