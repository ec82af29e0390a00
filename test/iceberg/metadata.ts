/** Small tables and views for the tests, and the way from a request's JSON text to a result. */
import assert from 'node:assert/strict'
import { IcebergError, type ErrorType } from '../../src/iceberg/errors.ts'
import { newTableMetadata } from '../../src/iceberg/create-table.ts'
import { parse, stringify } from '../../src/iceberg/json.ts'
import { joinParts } from '../../src/iceberg/json-parts.ts'
import type { Long } from '../../src/iceberg/long.ts'
import type { Snapshot } from '../../src/iceberg/snapshot.ts'
import { applyUpdates, type Applied, type ApplyOptions } from '../../src/iceberg/table-metadata-builder.ts'
import { parseTableMetadata, serializeTableMetadata, type TableMetadata } from '../../src/iceberg/table-metadata.ts'
import { parseTableUpdates } from '../../src/iceberg/table-update.ts'
import { serializeViewMetadata, type ViewMetadata } from '../../src/iceberg/view-metadata.ts'

export const NOW = 1_700_000_000_000
export const UUID = '9c12d441-03fe-4693-9a96-a0705ddf69c1'
export const OTHER_UUID = '11111111-03fe-4693-9a96-a0705ddf69c1'
export const LOCATION = 's3://bucket/lake/t'

export const SCHEMA = {
  type: 'struct',
  'schema-id': 0,
  fields: [
    { id: 1, name: 'id', required: true, type: 'long' },
    { id: 2, name: 'data', required: false, type: 'string' },
    { id: 3, name: 'ts', required: false, type: 'timestamp' },
  ],
} as const

/** The schema of `table`, one column wider. */
export const WIDER = {
  ...SCHEMA,
  'schema-id': 7,
  fields: [...SCHEMA.fields, { id: 4, name: 'more', required: false, type: 'int' }],
} as const

export const BUCKETS = { fields: [{ name: 'id_bucket', transform: 'bucket[8]', 'source-id': 1 }] } as const
export const BY_DATA = {
  'order-id': 9,
  fields: [{ transform: 'identity', 'source-id': 2, direction: 'asc', 'null-order': 'nulls-first' }],
} as const

/** An empty table, partitioned by day, without a sort order. */
export function table(version = 2, properties: Readonly<Record<string, string>> = {}): TableMetadata {
  return newTableMetadata({
    uuid: UUID,
    location: LOCATION,
    schema: SCHEMA,
    spec: { fields: [{ name: 'ts_day', transform: 'day', 'source-id': 3 }] },
    properties: { ...properties, 'format-version': String(version) },
    now: NOW,
  })
}

export function snapshot(id: Long, fields: Partial<Snapshot> = {}): Snapshot {
  return {
    'snapshot-id': id,
    'sequence-number': 1,
    'timestamp-ms': NOW,
    'manifest-list': `${LOCATION}/metadata/snap-${id}.avro`,
    summary: { operation: 'append' },
    'schema-id': 0,
    ...fields,
  }
}

export const addSnapshot = (one: Snapshot) => ({ action: 'add-snapshot', snapshot: one })
export const setRef = (id: Long, name = 'main', fields: object = {}) => ({
  action: 'set-snapshot-ref',
  'ref-name': name,
  type: 'branch',
  'snapshot-id': id,
  ...fields,
})

/** What the file says. */
export const tableText = (metadata: TableMetadata): string => joinParts(serializeTableMetadata(metadata)).toString()
export const viewText = (metadata: ViewMetadata): string => joinParts(serializeViewMetadata(metadata)).toString()

/** What a server does with the `updates` of a request: text, JSON, typed updates, metadata, and the text of that. */
export function run(base: TableMetadata | undefined, updates: readonly object[], options: Partial<ApplyOptions> = {}): Applied {
  const before = base === undefined ? '' : stringify(base)
  const applied = applyUpdates(base, parseTableUpdates(parse(stringify(updates))), { now: NOW + 1000, ...options })
  if (base !== undefined) assert.equal(stringify(base), before, 'the base was changed')
  const text = tableText(applied.metadata)
  assert.equal(tableText(parseTableMetadata(new TextEncoder().encode(text))), text)
  return applied
}

/** The metadata after updates that must have an effect. */
export function changed(
  base: TableMetadata | undefined,
  updates: readonly object[],
  options?: Partial<ApplyOptions>,
): TableMetadata {
  const applied = run(base, updates, options)
  assert.equal(applied.changed, true)
  return applied.metadata
}

/** Asserts that the updates are accepted and change nothing. */
export function unchanged(base: TableMetadata, updates: readonly object[]): void {
  const applied = run(base, updates)
  assert.equal(applied.changed, false)
  assert.equal(applied.metadata, base)
  assert.deepEqual(applied.changes, [])
}

/** Asserts that a call is refused. */
export function refuses(call: () => unknown, code: 400 | 409, message: RegExp, type?: ErrorType): void {
  assert.throws(call, (error: unknown) => {
    if (!(error instanceof IcebergError)) throw error
    assert.match(error.message, message)
    assert.equal(error.code, code)
    if (type !== undefined) assert.equal(error.type, type)
    return true
  })
}

/** Asserts that updates of a request are refused. */
export function refused(
  base: TableMetadata | undefined,
  updates: readonly object[],
  message: RegExp,
  code: 400 | 409 = 400,
): void {
  refuses(() => run(base, updates), code, message, code === 409 ? 'CommitFailedException' : undefined)
}
