/** The log of changes over `/api/v1`: of a catalog, by the contract's route and by the catalog's own, and of the tenant. */
import { MAIN_BRANCH } from '../../catalog/catalogs.ts'
import { listCommits, type LogPage, type LogQuery } from '../../catalog/history.ts'
import { badRequest } from '../../iceberg/errors.ts'
import { decodeNamespacePath } from '../../iceberg/identifier.ts'
import { listTenantCommits } from '../../management/log.ts'
import { page, type Answer } from '../answer.ts'
import type { Exchange } from '../exchange.ts'
import { choiceParameter, integerParameter, parameter, rawParameter, timeParameter } from '../query.ts'
import type { Route } from '../route.ts'

const pageOf = ({ commits, 'next-page-token': next, 'previous-page-token': previous }: LogPage): Answer =>
  page(commits, next, previous)

function queryOf({ query }: Exchange): LogQuery {
  const namespace = rawParameter(query, 'namespace')
  const filter = {
    // Split into levels before it is decoded, like a path.
    namespace: namespace === undefined ? undefined : decodeNamespacePath(namespace),
    table: parameter(query, 'table'),
    principal: parameter(query, 'principal'),
    action: parameter(query, 'action'),
    since: timeParameter(query, 'since'),
    until: timeParameter(query, 'until'),
  }
  if (filter.table !== undefined && namespace === undefined) throw badRequest('The query parameter table needs a namespace')
  return {
    pageToken: parameter(query, 'pageToken') ?? '',
    pageSize: integerParameter(query, 'limit', 1, 1000) ?? 100,
    order: choiceParameter(query, 'order', ['asc', 'desc']),
    filter,
  }
}

const logOf = async (exchange: Exchange, name: string): Promise<Answer> =>
  pageOf(await listCommits(exchange.context.catalog, await exchange.callIn(name), queryOf(exchange)))

export const logRoutes: readonly Route[] = [
  {
    method: 'GET',
    template: '/api/v1/branches/{name}/commits',
    operationId: 'listCommits',
    action: 'catalog.read',
    handler: async (exchange) => {
      const name = parameter(exchange.query, 'catalog')
      if (name === undefined) throw badRequest('The query parameter catalog is missing')
      return logOf(exchange, `${name}@${exchange.segment(0)}`)
    },
  },
  {
    method: 'GET',
    template: '/api/v1/catalogs/{name}/commits',
    operationId: 'listCatalogCommits',
    action: 'catalog.read',
    handler: async (exchange) => logOf(exchange, `${exchange.segment(0)}@${parameter(exchange.query, 'branch') ?? MAIN_BRANCH}`),
  },
  {
    method: 'GET',
    template: '/api/v1/commits',
    operationId: 'listTenantCommits',
    action: 'log.read',
    handler: async (exchange) => pageOf(await listTenantCommits(exchange.context.management, exchange.caller, queryOf(exchange))),
  },
]
