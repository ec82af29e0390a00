/**
 * Migration 5: where a namespace was told to lie, by location. A property `location` that was stored before was not checked
 * and had no effect; it stays so until it is set again.
 */
import { indexName, quote } from '../dialect.ts'
import type { Dialect } from '../dialect.ts'

const KEY = ['"catalog_id"', '"branch"', '"parent"', '"name"']

export const namespaceLocations = (dialect: Dialect): readonly string[] => {
  const columns = ['"tenant_id"', `"location"${dialect.nullOrder.index}`, ...(dialect.indexesWholeOrder ? KEY : [])]
  return [
    `alter table "namespaces" add column "location" ${dialect.types.text}`,
    `create index ${quote(indexName('namespaces', 'by_location'))} on "namespaces" (${columns.join(', ')})`,
  ]
}
