/** Namespaces, as the specification has them. */
import {
  createNamespace,
  dropNamespace,
  listNamespaces,
  loadNamespaceMetadata,
  namespaceExists,
  updateProperties,
} from '../../catalog/namespaces.ts'
import { CreateNamespaceRequest, decode, UpdateNamespacePropertiesRequest } from '../../catalog/shapes.ts'
import { soon } from '../../catalog/soon.ts'
import { decodeNamespacePath } from '../../iceberg/identifier.ts'
import { json, names, NO_CONTENT } from '../answer.ts'
import { isForced, pageOf, rawParameter } from '../query.ts'
import { namespaceChange, newNamespace } from '../request-bodies.ts'
import type { Route } from '../route.ts'

const NAMESPACES = '/v1/{prefix}/namespaces'
const NAMESPACE = `${NAMESPACES}/{namespace}`

export const namespaceRoutes: readonly Route[] = [
  {
    method: 'GET',
    template: NAMESPACES,
    operationId: 'listNamespaces',
    action: 'namespace.list',
    iceberg: true,
    handler: async (exchange) => {
      // Split into levels before it is decoded, like a path.
      const parent = rawParameter(exchange.query, 'parent')
      const levels = parent === undefined || parent === '' ? undefined : decodeNamespacePath(parent)
      return names('namespaces', await listNamespaces(exchange.context.catalog, exchange.call, levels, pageOf(exchange.query)))
    },
  },
  {
    method: 'POST',
    template: NAMESPACES,
    operationId: 'createNamespace',
    action: 'namespace.create',
    iceberg: true,
    mutation: true,
    body: newNamespace,
    handler: async (exchange) => {
      const request = decode(CreateNamespaceRequest, exchange.json())
      return json(await createNamespace(exchange.context.catalog, exchange.call, request))
    },
  },
  {
    method: 'GET',
    template: NAMESPACE,
    operationId: 'loadNamespaceMetadata',
    action: 'namespace.read',
    iceberg: true,
    handler: (exchange) =>
      soon(loadNamespaceMetadata(exchange.context.catalog, exchange.call, exchange.namespace), (answer) => json(answer)),
  },
  {
    method: 'HEAD',
    template: NAMESPACE,
    operationId: 'namespaceExists',
    action: 'namespace.read',
    iceberg: true,
    handler: (exchange) => soon(namespaceExists(exchange.context.catalog, exchange.call, exchange.namespace), () => NO_CONTENT),
  },
  {
    method: 'DELETE',
    template: NAMESPACE,
    operationId: 'dropNamespace',
    action: 'namespace.drop',
    iceberg: true,
    mutation: true,
    handler: async (exchange) => {
      await dropNamespace(exchange.context.catalog, exchange.call, exchange.namespace, { force: isForced(exchange) })
      return NO_CONTENT
    },
  },
  {
    method: 'POST',
    template: `${NAMESPACE}/properties`,
    operationId: 'updateProperties',
    action: 'namespace.update',
    iceberg: true,
    mutation: true,
    body: namespaceChange,
    handler: async (exchange) => {
      const request = decode(UpdateNamespacePropertiesRequest, exchange.json())
      return json(await updateProperties(exchange.context.catalog, exchange.call, exchange.namespace, request))
    },
  },
]
