/** Views, as the specification has them. */
import { renameView } from '../../catalog/rename.ts'
import { CommitViewRequest, CreateViewRequest, decode, RegisterViewRequest, RenameTableRequest } from '../../catalog/shapes.ts'
import { createView, dropView, listViews, loadView, registerView, replaceView, viewExists } from '../../catalog/views.ts'
import { soon } from '../../catalog/soon.ts'
import { identifiers, metadata, NO_CONTENT } from '../answer.ts'
import { isForced, pageOf } from '../query.ts'
import { creation, registration, small, viewCommit } from '../request-bodies.ts'
import type { Route } from '../route.ts'

const NAMESPACE = '/v1/{prefix}/namespaces/{namespace}'
const VIEWS = `${NAMESPACE}/views`
const VIEW = `${VIEWS}/{view}`

export const viewRoutes: readonly Route[] = [
  {
    method: 'GET',
    template: VIEWS,
    operationId: 'listViews',
    action: 'view.list',
    iceberg: true,
    handler: (exchange) =>
      soon(listViews(exchange.context.catalog, exchange.call, exchange.namespace, pageOf(exchange.query)), (listed) =>
        identifiers(exchange.namespace, listed),
      ),
  },
  {
    method: 'POST',
    template: VIEWS,
    operationId: 'createView',
    action: 'view.create',
    iceberg: true,
    mutation: true,
    body: creation('view.create'),
    handler: async (exchange) => {
      const request = await exchange.requestOf((json) => decode(CreateViewRequest, json))
      return metadata(await createView(exchange.context.catalog, exchange.call, exchange.namespace, request))
    },
  },
  {
    method: 'GET',
    template: VIEW,
    operationId: 'loadView',
    action: 'view.read',
    iceberg: true,
    handler: async (exchange) => {
      const ifNoneMatch = exchange.header('if-none-match')
      return metadata(await loadView(exchange.context.catalog, exchange.call, exchange.identifier, { ifNoneMatch }))
    },
  },
  {
    method: 'HEAD',
    template: VIEW,
    operationId: 'viewExists',
    action: 'view.read',
    iceberg: true,
    handler: async (exchange) => {
      await viewExists(exchange.context.catalog, exchange.call, exchange.identifier)
      return NO_CONTENT
    },
  },
  {
    method: 'POST',
    template: VIEW,
    operationId: 'replaceView',
    action: 'view.commit',
    iceberg: true,
    mutation: true,
    body: viewCommit,
    handler: async (exchange) => {
      const request = await exchange.requestOf((json) => decode(CommitViewRequest, json))
      return metadata(await replaceView(exchange.context.catalog, exchange.call, exchange.identifier, request))
    },
  },
  {
    method: 'DELETE',
    template: VIEW,
    operationId: 'dropView',
    action: 'view.drop',
    iceberg: true,
    mutation: true,
    handler: async (exchange) => {
      await dropView(exchange.context.catalog, exchange.call, exchange.identifier, { force: isForced(exchange) })
      return NO_CONTENT
    },
  },
  {
    method: 'POST',
    template: `${NAMESPACE}/register-view`,
    operationId: 'registerView',
    action: 'view.create',
    iceberg: true,
    mutation: true,
    body: registration('view.create'),
    handler: async (exchange) => {
      const request = decode(RegisterViewRequest, exchange.json())
      return metadata(await registerView(exchange.context.catalog, exchange.call, exchange.namespace, request))
    },
  },
  {
    method: 'POST',
    template: '/v1/{prefix}/views/rename',
    operationId: 'renameView',
    action: 'view.rename',
    iceberg: true,
    mutation: true,
    body: small,
    handler: async (exchange) => {
      await renameView(exchange.context.catalog, exchange.call, decode(RenameTableRequest, exchange.json()))
      return NO_CONTENT
    },
  },
]
