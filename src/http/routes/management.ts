/** `/api/v1`: the wire contract of Pangolin's management API, as far as it is built. */
import { listMetrics, type MetricsReport } from '../../catalog/metrics/metrics.ts'
import { stringify } from '../../iceberg/json.ts'
import { createCatalog, listCatalogs, loadCatalog } from '../../management/catalogs.ts'
import { dropCatalog } from '../../management/drop-catalog.ts'
import { catalogSummary } from '../../management/summary.ts'
import { updateCatalog } from '../../management/update-catalog.ts'
import { testNewWarehouse, testWarehouse, trialOf } from '../../management/warehouse-test.ts'
import {
  createWarehouse,
  dropWarehouse,
  listWarehouses,
  loadWarehouse,
  updateWarehouse,
  type WarehouseTrial,
} from '../../management/warehouses.ts'
import { array, json, jsonText, NO_CONTENT } from '../answer.ts'
import type { Exchange } from '../exchange.ts'
import { booleanParameter, isForced, pageOf, paging } from '../query.ts'
import { settings } from '../request-bodies.ts'
import type { Route } from '../route.ts'

/** Settings are tried before they are saved, unless the caller says `?test=false`. */
const trialFor = ({ query, context, caller }: Exchange): WarehouseTrial | undefined =>
  booleanParameter(query, 'test') === false ? undefined : trialOf(context.management, caller)

const WAREHOUSES = '/api/v1/warehouses'
const WAREHOUSE = `${WAREHOUSES}/{name}`
const warehouseRoutes: readonly Route[] = [
  {
    method: 'GET',
    template: WAREHOUSES,
    operationId: 'listWarehouses',
    action: 'warehouse.read',
    handler: async (exchange) =>
      array(await listWarehouses(exchange.context.management, exchange.caller, paging(exchange.query))),
  },
  {
    method: 'POST',
    template: WAREHOUSES,
    operationId: 'createWarehouse',
    action: 'warehouse.manage',
    mutation: true,
    body: settings,
    handler: async (exchange) => {
      const { changeCall, context } = exchange
      return json(await createWarehouse(context.management, changeCall, exchange.json(), trialFor(exchange)), 201)
    },
  },
  {
    method: 'GET',
    template: WAREHOUSE,
    operationId: 'loadWarehouse',
    action: 'warehouse.read',
    handler: async (exchange) => json(await loadWarehouse(exchange.context.management, exchange.caller, exchange.segment(0))),
  },
  {
    method: 'PUT',
    template: WAREHOUSE,
    operationId: 'updateWarehouse',
    action: 'warehouse.manage',
    mutation: true,
    body: settings,
    handler: async (exchange) =>
      json(
        await updateWarehouse(
          exchange.context.management,
          exchange.changeCall,
          exchange.segment(0),
          exchange.json(),
          trialFor(exchange),
        ),
      ),
  },
  {
    method: 'DELETE',
    template: WAREHOUSE,
    operationId: 'dropWarehouse',
    action: 'warehouse.manage',
    mutation: true,
    handler: async (exchange) => {
      await dropWarehouse(exchange.context.management, exchange.changeCall, exchange.segment(0))
      return NO_CONTENT
    },
  },
  {
    method: 'POST',
    template: `${WAREHOUSES}/test`,
    operationId: 'testNewWarehouse',
    action: 'warehouse.manage',
    body: settings,
    maybeName: true,
    handler: async (exchange) => json(await testNewWarehouse(exchange.context.management, exchange.caller, exchange.json())),
  },
  {
    method: 'POST',
    template: `${WAREHOUSE}/test`,
    operationId: 'testWarehouse',
    action: 'warehouse.manage',
    handler: async (exchange) => json(await testWarehouse(exchange.context.management, exchange.caller, exchange.segment(0))),
  },
]

const CATALOGS = '/api/v1/catalogs'
const CATALOG = `${CATALOGS}/{name}`
const catalogRoutes: readonly Route[] = [
  {
    method: 'GET',
    template: CATALOGS,
    operationId: 'listCatalogs',
    action: 'catalog.list',
    handler: async (exchange) => array(await listCatalogs(exchange.context.management, exchange.caller, paging(exchange.query))),
  },
  {
    method: 'POST',
    template: CATALOGS,
    operationId: 'createCatalog',
    action: 'catalog.manage',
    mutation: true,
    body: settings,
    handler: async (exchange) =>
      json(await createCatalog(exchange.context.management, exchange.changeCall, exchange.json()), 201),
  },
  {
    method: 'GET',
    template: CATALOG,
    operationId: 'loadCatalog',
    action: 'catalog.read',
    handler: async (exchange) => json(await loadCatalog(exchange.context.management, exchange.caller, exchange.segment(0))),
  },
  {
    method: 'PUT',
    template: CATALOG,
    operationId: 'updateCatalog',
    action: 'catalog.manage',
    mutation: true,
    body: settings,
    handler: async (exchange) =>
      json(await updateCatalog(exchange.context.management, exchange.changeCall, exchange.segment(0), exchange.json())),
  },
  {
    method: 'DELETE',
    template: CATALOG,
    operationId: 'dropCatalog',
    action: 'catalog.manage',
    mutation: true,
    handler: async (exchange) => {
      const recursive = booleanParameter(exchange.query, 'recursive')
      const options = { force: isForced(exchange), recursive }
      await dropCatalog(exchange.context.management, exchange.changeCall, exchange.segment(0), options)
      return NO_CONTENT
    },
  },
  {
    method: 'GET',
    template: `${CATALOG}/summary`,
    operationId: 'catalogSummary',
    action: 'catalog.read',
    handler: async (exchange) => json(await catalogSummary(exchange.context.management, exchange.caller, exchange.segment(0))),
  },
]

/** The report goes out as it came in: it was read then, and to read it again would take long where it is large. */
const reportText = ({ report, ...head }: MetricsReport): string => `${stringify(head).slice(0, -1)},"report":${report}}`

const metricsRoutes: readonly Route[] = [
  {
    method: 'GET',
    template: `${CATALOG}/namespaces/{namespace}/tables/{table}/metrics`,
    operationId: 'listMetrics',
    action: 'table.read',
    handler: async (exchange) => {
      const call = await exchange.callIn(exchange.segment(0))
      const identifier = { namespace: exchange.namespaceAt(1), name: exchange.segment(2) }
      const page = await listMetrics(exchange.context.catalog, call, identifier, pageOf(exchange.query))
      const next = stringify(page['next-page-token'])
      return jsonText(`{"reports":[${page.reports.map(reportText).join()}],"next-page-token":${next}}`)
    },
  },
]

export const managementRoutes: readonly Route[] = [...warehouseRoutes, ...catalogRoutes, ...metricsRoutes]
