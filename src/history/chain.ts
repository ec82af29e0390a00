/**
 * The chain of a log: each position's hash covers what the change's row says and the hash of the position before, so that a row
 * that was altered, removed or put in between later shows (`verify.ts`).
 */
import { hash } from 'node:crypto'
import type { Json, NewRow } from '../stores/entities.ts'

/** Of a log of which nothing was removed. */
export const FIRST_HASH = ''

export interface Place {
  /** Counted from 1. */
  readonly position: number
  /** Milliseconds since 1970. */
  readonly at: number
}

/** What is hashed of plain JSON, whose numbers are doubles: the language's own text is the shortest way to it. */
export const textOf = (value: Json): string => JSON.stringify(value)

/** SHA-256 in base64url. `operations` is the JSON text of the row's, where it is at hand. */
export function hashOf(
  before: string,
  row: NewRow<'commits'>,
  { position, at }: Place,
  operations: string = textOf(row.operations),
): string {
  const { tenant_id, catalog_id, branch, id, timestamp_ms, author, message, origin } = row
  const first = textOf([before, tenant_id, catalog_id, branch, position, at, id, timestamp_ms, author, message])
  // One array of all that is covered.
  return hash('sha256', `${first.slice(0, -1)},${operations},${textOf(origin)}]`, 'base64url')
}
