/**
 * Migration 2: what a token is narrowed to. A program of before knows nothing of the column and leaves it empty, which is
 * right for the tokens that it makes; those that are narrowed it can't verify, since their hash covers their bounds.
 */
import type { Dialect } from '../dialect.ts'

export const tokenBounds = (dialect: Dialect): readonly string[] => [
  `alter table "tokens" add column "bounds" ${dialect.types.json}`,
]
