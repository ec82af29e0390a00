/** What was dropped and can come back, over `/api/v1`. */
import Type from 'typebox'
import { listDropped } from '../../catalog/dropped.ts'
import { decode } from '../../catalog/shapes.ts'
import { undrop } from '../../catalog/undrop.ts'
import { json, page } from '../answer.ts'
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
      const pageSize = integerParameter(exchange.query, 'limit', 1, 1000) ?? 100
      const asked = { pageSize, pageToken: parameter(exchange.query, 'pageToken') ?? '' }
      const call = await exchange.callIn(exchange.segment(0))
      const { dropped, 'next-page-token': next } = await listDropped(exchange.context.catalog, call, asked)
      return page(dropped, next)
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
      const call = await exchange.callIn(exchange.segment(0))
      const request = { id, namespace: namespace ?? undefined, name: name ?? undefined }
      return json(await undrop(exchange.context.catalog, call, request))
    },
  },
]
