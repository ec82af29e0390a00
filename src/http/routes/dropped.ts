/** What was dropped and can come back, over `/api/v1`. */
import Type from 'typebox'
import { listDropped } from '../../catalog/dropped.ts'
import { decode } from '../../catalog/shapes.ts'
import { undrop } from '../../catalog/undrop.ts'
import { json } from '../answer.ts'
import { integerParameter, parameter } from '../query.ts'
import { settings } from '../request-bodies.ts'
import type { Route } from '../route.ts'

const UndropRequest = Type.Object({
  id: Type.String(),
  namespace: Type.Optional(Type.Union([Type.Array(Type.String()), Type.Null()])),
  name: Type.Optional(Type.Union([Type.String(), Type.Null()])),
})

export const droppedRoutes: readonly Route[] = [
  {
    method: 'GET',
    template: '/api/v1/catalogs/{name}/dropped',
    operationId: 'listDropped',
    action: 'catalog.read',
    handler: async (exchange) => {
      const call = { principal: exchange.caller, catalog: await exchange.catalogNamed(exchange.segment(0)) }
      const pageSize = integerParameter(exchange.query, 'limit', 1, 1000) ?? 100
      const page = { pageSize, pageToken: parameter(exchange.query, 'pageToken') ?? '' }
      const { dropped, 'next-page-token': next } = await listDropped(exchange.context.catalog, call, page)
      return json(dropped, 200, next === null ? [] : ['X-Next-Page-Token', next])
    },
  },
  {
    method: 'POST',
    template: '/api/v1/catalogs/{name}/undrop',
    operationId: 'undrop',
    action: 'table.create',
    mutation: true,
    body: settings,
    handler: async (exchange) => {
      const { id, namespace, name } = decode(UndropRequest, exchange.json())
      const call = { ...exchange.changeCall, catalog: await exchange.catalogNamed(exchange.segment(0)) }
      const request = { id, namespace: namespace ?? undefined, name: name ?? undefined }
      return json(await undrop(exchange.context.catalog, call, request))
    },
  },
]
