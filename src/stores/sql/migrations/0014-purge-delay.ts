/** Migration 14: how long a warehouse waits before it purges a dropped table; not at all where there is nothing. */
import type { Dialect } from '../dialect.ts'

export const purgeDelay = (dialect: Dialect): readonly string[] => [
  `alter table "warehouses" add column "purge_delay_hours" ${dialect.types.integer}`,
]
