/** Migration 10: by whom and from where a change was asked for. Those of before, and of a program of before, do not say. */
import type { Dialect } from '../dialect.ts'

export const commitOrigins = (dialect: Dialect): readonly string[] => [
  `alter table "commits" add column "origin" ${dialect.types.json}`,
]
