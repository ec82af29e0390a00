/** What was dropped and can come back, over `/api/v1`. */
import Type from 'typebox'
import { dropNamespaceTree } from '../../catalog/drop-tree.ts'
import { listDropped } from '../../catalog/dropped.ts'
import { dropNamespace } from '../../catalog/namespaces.ts'
import { decode } from '../../catalog/shapes.ts'
import { undrop } from '../../catalog/undrop.ts'
import { json, NO_CONTENT, page } from '../answer.ts'
import { booleanParameter, integerParameter, isForced, parameter } from '../query.ts'
import { settings } from '../request-bodies.ts'
import type { Route } from '../route.ts'

const UndropRequest = Type.Object({
  id: Type.String(),
  namespace: Type.Optional(Type.Union([Type.Array(Type.String()), Type.Null()])),
  name: Type.Optional(Type.Union([Type.String(), Type.Null()])),
  content: Type.Optional(Type.Union([Type.Boolean(), Type.Null()])),
})

export const droppedRoutes: readonly Route[] = [
  {
    method: 'DELETE',
    template: '/api/v1/catalogs/{name}/namespaces/{namespace}',
    operationId: 'dropNamespaceTree',
    action: 'namespace.drop',
    mutation: true,
    handler: async (exchange) => {
      const call = await exchange.callIn(exchange.segment(0))
      const [namespace, options] = [exchange.namespaceAt(1), { force: isForced(exchange) }]
      const isWhole = booleanParameter(exchange.query, 'recursive') ?? false
      await (isWhole ? dropNamespaceTree : dropNamespace)(exchange.context.catalog, call, namespace, options)
      return NO_CONTENT
    },
  },
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
      const { id, namespace, name, content } = decode(UndropRequest, exchange.json())
      const call = await exchange.callIn(exchange.segment(0))
      const request = { id, namespace: namespace ?? undefined, name: name ?? undefined, content: content ?? undefined }
      return json(await undrop(exchange.context.catalog, call, request))
    },
  },
]
