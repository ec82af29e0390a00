/**
 * Migration 6: the uuid of a table or view, which its metadata file must name. Rows of before have none until the next commit;
 * a program of before leaves the column as it is, which is right for its commits, since a uuid never changes.
 */
import type { Dialect } from '../dialect.ts'

export const entryUuids = (dialect: Dialect): readonly string[] => [
  `alter table "entries" add column "uuid" ${dialect.types.text}`,
]
