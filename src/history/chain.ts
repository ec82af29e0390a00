/**
 * The chain of a log: each position's hash covers what the change's row says and the hash of the position before, so that a row
 * that was altered, removed or put in between later shows (`verify.ts`).
 */
import { hash } from 'node:crypto'
import { stringify } from '../iceberg/json.ts'
import type { JsonValue } from '../iceberg/json.ts'
import type { NewRow } from '../stores/entities.ts'

/** Of a log of which nothing was removed. */
export const FIRST_HASH = ''

export interface Place {
  /** Counted from 1. */
  readonly position: number
  /** Milliseconds since 1970. */
  readonly at: number
}

/** SHA-256 in base64url. */
export function hashOf(before: string, row: NewRow<'commits'>, { position, at }: Place): string {
  const { tenant_id, catalog_id, branch, id, timestamp_ms, author, message, operations, origin } = row
  const covered: JsonValue = [
    before,
    tenant_id,
    catalog_id,
    branch,
    position,
    at,
    id,
    timestamp_ms,
    author,
    message,
    operations,
    origin,
  ]
  return hash('sha256', stringify(covered), 'base64url')
}
