/** Migration 9: how a warehouse wants places made up for new tables; as the program does it by default where there is nothing. */
import type { Dialect } from '../dialect.ts'

export const tableLocationLayout = (dialect: Dialect): readonly string[] => [
  `alter table "warehouses" add column "table_location_layout" ${dialect.types.text}`,
]
