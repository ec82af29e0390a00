/**
 * Migration 15: names of users are unique within a tenant, no longer over all of them. The indexes keep their names and columns, so
 * a program of before goes on reading by them; it may find another tenant's user of a name, where there is one by now.
 */
import { indexName, quote } from '../dialect.ts'
import type { Dialect } from '../dialect.ts'

export const namesByTenant = (dialect: Dialect): readonly string[] => {
  const [byTenant, byName] = [indexName('users', 'by_tenant'), indexName('users', 'by_username')].map(quote)
  const names = ['"username"', ...(dialect.indexesWholeOrder ? ['"id"'] : [])]
  // All names are unique as yet, and so they are within each tenant.
  return [
    `drop index ${byTenant}`,
    `create unique index ${byTenant} on "users" ("tenant_id"${dialect.nullOrder.index}, "username")`,
    `drop index ${byName}`,
    `create index ${byName} on "users" (${names.join(', ')})`,
  ]
}
