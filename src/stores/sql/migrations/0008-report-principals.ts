/** Migration 8: who sent a metrics report. Those of before, and of a program of before, count as of one principal without a name. */
import type { Dialect } from '../dialect.ts'

export const reportPrincipals = (dialect: Dialect): readonly string[] => [
  `alter table "metrics" add column "principal_id" ${dialect.types.text}`,
]
