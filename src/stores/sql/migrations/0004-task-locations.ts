/**
 * Migration 4: where a deletion works. A program of before leaves the column empty, and keeps what is in it; the task claims
 * its place when a newer program begins with it.
 */
import { indexName, quote } from '../dialect.ts'
import type { Dialect } from '../dialect.ts'

export const taskLocations = (dialect: Dialect): readonly string[] => {
  const columns = [
    '"tenant_id"',
    '"kind"',
    `"location"${dialect.nullOrder.index}`,
    ...(dialect.indexesWholeOrder ? ['"id"'] : []),
  ]
  return [
    `alter table "tasks" add column "location" ${dialect.types.text}`,
    `create index ${quote(indexName('tasks', 'by_location'))} on "tasks" (${columns.join(', ')})`,
  ]
}
