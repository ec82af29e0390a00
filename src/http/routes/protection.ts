/** Protection of tables, views, namespaces and catalogs against dropping, over `/api/v1`. */
import Type from 'typebox'
import type { CatalogCall } from '../../catalog/call.ts'
import { loadNamespaceProtection, loadProtection, protect, protectNamespace } from '../../catalog/protection.ts'
import { decode } from '../../catalog/shapes.ts'
import { loadCatalogProtection, protectCatalog } from '../../management/catalogs.ts'
import { json } from '../answer.ts'
import type { Exchange } from '../exchange.ts'
import { small } from '../request-bodies.ts'
import type { Route } from '../route.ts'

const ProtectionRequest = Type.Object({ protected: Type.Boolean() })
const CATALOG = '/api/v1/catalogs/{name}'
const NAMESPACE = `${CATALOG}/namespaces/{namespace}`

const wanted = (exchange: Exchange): boolean => decode(ProtectionRequest, exchange.json()).protected
const callOf = (exchange: Exchange): Promise<CatalogCall> => exchange.callIn(exchange.segment(0))
const identifierOf = (exchange: Exchange) => ({ namespace: exchange.namespaceAt(1), name: exchange.segment(2) })

const entryRoutes = (kind: 'table' | 'view', title: 'Table' | 'View'): readonly Route[] => [
  {
    method: 'GET',
    template: `${NAMESPACE}/${kind}s/{${kind}}/protection`,
    operationId: `load${title}Protection`,
    action: `${kind}.read`,
    handler: async (exchange) =>
      json(await loadProtection(exchange.context.catalog, await callOf(exchange), identifierOf(exchange), kind)),
  },
  {
    method: 'PUT',
    template: `${NAMESPACE}/${kind}s/{${kind}}/protection`,
    operationId: `protect${title}`,
    action: `${kind}.drop`,
    mutation: true,
    body: small,
    handler: async (exchange) =>
      json(await protect(exchange.context.catalog, await callOf(exchange), identifierOf(exchange), kind, wanted(exchange))),
  },
]

export const protectionRoutes: readonly Route[] = [
  {
    method: 'GET',
    template: `${CATALOG}/protection`,
    operationId: 'loadCatalogProtection',
    action: 'catalog.read',
    handler: async (exchange) =>
      json(await loadCatalogProtection(exchange.context.management, exchange.caller, exchange.segment(0))),
  },
  {
    method: 'PUT',
    template: `${CATALOG}/protection`,
    operationId: 'protectCatalog',
    action: 'catalog.manage',
    mutation: true,
    body: small,
    handler: async (exchange) =>
      json(await protectCatalog(exchange.context.management, exchange.changeCall, exchange.segment(0), wanted(exchange))),
  },
  {
    method: 'GET',
    template: `${NAMESPACE}/protection`,
    operationId: 'loadNamespaceProtection',
    action: 'namespace.read',
    handler: async (exchange) =>
      json(await loadNamespaceProtection(exchange.context.catalog, await callOf(exchange), exchange.namespaceAt(1))),
  },
  {
    method: 'PUT',
    template: `${NAMESPACE}/protection`,
    operationId: 'protectNamespace',
    action: 'namespace.drop',
    mutation: true,
    body: small,
    handler: async (exchange) =>
      json(await protectNamespace(exchange.context.catalog, await callOf(exchange), exchange.namespaceAt(1), wanted(exchange))),
  },
  ...entryRoutes('table', 'Table'),
  ...entryRoutes('view', 'View'),
]
