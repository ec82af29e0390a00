/** Brings two answers to a form in which only what must be equal is left, and says where they differ. */
import { RawNumber } from '../../../src/iceberg/json.ts'
import type { Json } from './columns.ts'

/** What one side made of a request. */
export interface Outcome {
  readonly status: number
  readonly message: string
  /** When it was accepted. */
  readonly metadata?: Json
}

export type Class = 'accepted' | 'bad request' | 'conflict' | 'not found' | 'failed'

export function classOf({ status }: Outcome): Class {
  if (status < 300) return 'accepted'
  if (status === 409) return 'conflict'
  if (status === 404) return 'not found'
  return status < 500 ? 'bad request' : 'failed'
}

/** Written by one side as an empty collection and left out by the other: both mean none. */
const EMPTY_IS_ABSENT = [
  'snapshots',
  'refs',
  'statistics',
  'partition-statistics',
  'snapshot-log',
  'metadata-log',
  'encryption-keys',
]

export function comparableTable(table: Json): Json {
  const uuid: string = table['table-uuid']
  const result: Json = { ...table, 'table-uuid': typeof uuid, 'last-updated-ms': typeof table['last-updated-ms'] }
  for (const key of EMPTY_IS_ABSENT) {
    if (result[key] === null || (result[key] !== undefined && Object.keys(result[key]).length === 0)) delete result[key]
  }
  // No snapshot is written as null, as -1, or not at all.
  if (result['current-snapshot-id'] === null || Number(result['current-snapshot-id']) === -1) delete result['current-snapshot-id']
  const times = new Map(
    (table['snapshots'] ?? []).map((snapshot: Json) => [String(snapshot['snapshot-id']), String(snapshot['timestamp-ms'])]),
  )
  if (result['snapshot-log'] !== undefined) {
    // The time of a roll-back is each server's own; that of a new snapshot is the snapshot's.
    result['snapshot-log'] = result['snapshot-log'].map((entry: Json) => ({
      'snapshot-id': entry['snapshot-id'],
      when: times.get(String(entry['snapshot-id'])) === String(entry['timestamp-ms']) ? 'at the snapshot' : 'at the commit',
    }))
  }
  delete result['metadata-log']
  result['schemas'] = result['schemas'].map(withoutEmptyKeys)
  if (result['schema'] !== undefined) result['schema'] = withoutEmptyKeys(result['schema'])
  for (const key of ['statistics', 'partition-statistics']) result[key] = bySnapshot(result[key])
  return result
}

function withoutEmptyKeys(schema: Json): Json {
  const { 'identifier-field-ids': keys, ...rest } = schema
  return keys === undefined || keys === null || keys.length === 0 ? rest : { ...rest, 'identifier-field-ids': keys }
}

/** A list that is kept by snapshot id has no order of its own. */
function bySnapshot(list: Json[] | undefined): Json[] | undefined {
  return list?.toSorted((a, b) => (String(a['snapshot-id']) < String(b['snapshot-id']) ? -1 : 1))
}

/** Paths at which the values differ; integers compare exactly. */
export function differences(expected: unknown, actual: unknown, path = ''): string[] {
  if (isContainer(expected) && isContainer(actual) && Array.isArray(expected) === Array.isArray(actual)) {
    const keys = new Set([...Object.keys(expected), ...Object.keys(actual)])
    return [...keys].flatMap((key) => {
      const [a, b] = [own(expected, key), own(actual, key)]
      return differences(a, b, `${path}/${key}`)
    })
  }
  return expected === actual || (expected instanceof RawNumber && String(expected) === String(actual))
    ? []
    : [`${path}: reference ${show(expected)}, ours ${show(actual)}`]
}

const own = (container: Json, key: string): unknown => (Object.hasOwn(container, key) ? container[key] : undefined)
const isContainer = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !(value instanceof RawNumber)
const show = (value: unknown): string =>
  JSON.stringify(value, (_, item: unknown) => (typeof item === 'bigint' ? `${item}n` : item)) ?? 'nothing'

export function comparableView(view: Json): Json {
  return {
    ...view,
    'view-uuid': typeof view['view-uuid'],
    schemas: view['schemas'].map(withoutEmptyKeys),
    // The reference server makes the first version itself: the time and the summary are its own.
    versions: view['versions'].map((version: Json) => ({
      ...version,
      'timestamp-ms': typeof version['timestamp-ms'],
      summary: version['version-id'] === 1 ? {} : version['summary'],
    })),
    'version-log': view['version-log'].map((entry: Json) => ({ ...entry, 'timestamp-ms': typeof entry['timestamp-ms'] })),
    properties: view['properties'] ?? {},
  }
}
