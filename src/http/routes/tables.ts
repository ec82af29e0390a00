/** Tables, transactions and metrics, as the specification has them. */
import { updateTable } from '../../catalog/update-table.ts'
import { dropTable } from '../../catalog/drop.ts'
import { reportMetrics } from '../../catalog/metrics/metrics.ts'
import { registerTable, unregisterTable } from '../../catalog/register.ts'
import { renameTable } from '../../catalog/rename.ts'
import {
  CommitTableRequest,
  CommitTransactionRequest,
  CreateTableRequest,
  decode,
  RegisterTableRequest,
  RenameTableRequest,
  ReportMetricsRequest,
} from '../../catalog/shapes.ts'
import { soon } from '../../catalog/soon.ts'
import { createTable, listTables, loadTable, tableExists } from '../../catalog/tables.ts'
import { commitTransaction } from '../../catalog/transactions.ts'
import { loadCredentials } from '../../catalog/delegation/vending.ts'
import { identifiers, json, metadata, NO_CONTENT } from '../answer.ts'
import { booleanParameter, choiceParameter, isForced, pageOf } from '../query.ts'
import { creation, registration, report, small, smallFor, tableCommit, transaction } from '../request-bodies.ts'
import type { Route } from '../route.ts'

const NAMESPACE = '/v1/{prefix}/namespaces/{namespace}'
const TABLES = `${NAMESPACE}/tables`
const TABLE = `${TABLES}/{table}`

const reads: readonly Route[] = [
  {
    method: 'GET',
    template: TABLES,
    operationId: 'listTables',
    action: 'table.list',
    iceberg: true,
    handler: (exchange) =>
      soon(listTables(exchange.context.catalog, exchange.call, exchange.namespace, pageOf(exchange.query)), (listed) =>
        identifiers(exchange.namespace, listed),
      ),
  },
  {
    method: 'GET',
    template: TABLE,
    operationId: 'loadTable',
    action: 'table.read',
    iceberg: true,
    handler: (exchange) => {
      const snapshots = exchange.query === '' ? undefined : choiceParameter(exchange.query, 'snapshots', ['all', 'refs'])
      const ifNoneMatch = exchange.header('if-none-match')
      return soon(loadTable(exchange.context.catalog, exchange.call, exchange.identifier, { snapshots, ifNoneMatch }), metadata)
    },
  },
  {
    method: 'HEAD',
    template: TABLE,
    operationId: 'tableExists',
    action: 'table.read',
    iceberg: true,
    handler: (exchange) => soon(tableExists(exchange.context.catalog, exchange.call, exchange.identifier), () => NO_CONTENT),
  },
]

const credentials: Route = {
  method: 'GET',
  template: `${TABLE}/credentials`,
  operationId: 'loadCredentials',
  action: 'table.read',
  iceberg: true,
  handler: async (exchange) => {
    const loaded = await loadCredentials(exchange.context.catalog, exchange.call, exchange.identifier)
    return json(loaded, 200, ['Cache-Control', 'private, no-store'])
  },
}

const writes: readonly Route[] = [
  {
    method: 'POST',
    template: TABLES,
    operationId: 'createTable',
    action: 'table.create',
    iceberg: true,
    mutation: true,
    body: creation('table.create'),
    handler: async (exchange) => {
      const request = await exchange.requestOf((json) => decode(CreateTableRequest, json))
      return metadata(await createTable(exchange.context.catalog, exchange.call, exchange.namespace, request))
    },
  },
  {
    method: 'POST',
    template: `${NAMESPACE}/register`,
    operationId: 'registerTable',
    action: 'table.create',
    iceberg: true,
    mutation: true,
    body: registration('table.create'),
    handler: async (exchange) => {
      const request = decode(RegisterTableRequest, exchange.json())
      return metadata(await registerTable(exchange.context.catalog, exchange.call, exchange.namespace, request))
    },
  },
  {
    method: 'POST',
    template: TABLE,
    operationId: 'updateTable',
    action: 'table.commit',
    iceberg: true,
    mutation: true,
    body: tableCommit,
    handler: async (exchange) => {
      const request = await exchange.requestOf((json) => decode(CommitTableRequest, json))
      return metadata(await updateTable(exchange.context.catalog, exchange.call, exchange.identifier, request))
    },
  },
  {
    method: 'DELETE',
    template: TABLE,
    operationId: 'dropTable',
    action: 'table.drop',
    iceberg: true,
    mutation: true,
    handler: async (exchange) => {
      const purgeRequested = booleanParameter(exchange.query, 'purgeRequested') ?? false
      await dropTable(exchange.context.catalog, exchange.call, exchange.identifier, { purgeRequested, force: isForced(exchange) })
      return NO_CONTENT
    },
  },
  {
    method: 'POST',
    template: `${TABLE}/unregister`,
    operationId: 'unregisterTable',
    action: 'table.drop',
    iceberg: true,
    mutation: true,
    body: smallFor('table.drop'),
    handler: async (exchange) => metadata(await unregisterTable(exchange.context.catalog, exchange.call, exchange.identifier)),
  },
  {
    method: 'POST',
    template: `${TABLE}/metrics`,
    operationId: 'reportMetrics',
    action: 'table.metrics',
    iceberg: true,
    body: report,
    handler: async (exchange) => {
      const request = decode(ReportMetricsRequest, exchange.json())
      await reportMetrics(exchange.context.catalog, exchange.call, exchange.identifier, request, exchange.body.toString('utf8'))
      return NO_CONTENT
    },
  },
  {
    method: 'POST',
    template: '/v1/{prefix}/tables/rename',
    operationId: 'renameTable',
    action: 'table.rename',
    iceberg: true,
    mutation: true,
    body: small,
    handler: async (exchange) => {
      await renameTable(exchange.context.catalog, exchange.call, decode(RenameTableRequest, exchange.json()))
      return NO_CONTENT
    },
  },
  {
    method: 'POST',
    template: '/v1/{prefix}/transactions/commit',
    operationId: 'commitTransaction',
    action: 'table.commit',
    iceberg: true,
    mutation: true,
    body: transaction,
    handler: async (exchange) => {
      const request = await exchange.requestOf((json) => decode(CommitTransactionRequest, json))
      await commitTransaction(exchange.context.catalog, exchange.call, request)
      return NO_CONTENT
    },
  },
]

export const tableRoutes: readonly Route[] = [...reads, credentials, ...writes]
