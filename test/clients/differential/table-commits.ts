/** Random commits to a table: the requirements and updates that clients send, in right and wrong order, right and wrong. */
import {
  currentSchema,
  evolvedSchema,
  knownOrLast,
  newSchema,
  partitionSpec,
  primitives,
  sortOrder,
  type Json,
} from './columns.ts'
import type { Random } from './random.ts'

/** Stands for the table's uuid, which each side chose for itself. */
export const UUID_PLACEHOLDER = '<uuid of the table>'

export interface CommitContext {
  /** The table as the reference implementation has it. */
  readonly table: Json
  readonly location: string
  readonly now: number
  /** Counts up, so that times and names differ. */
  readonly step: number
}

export function createRequest(random: Random, name: string, location: string): Json {
  const version = random.pick([1, 2, 2, 3, 3])
  const schema = newSchema(random, version)
  return {
    name,
    location,
    schema,
    ...(random.chance(0.6) ? { 'partition-spec': partitionSpec(random, schema) } : {}),
    ...(random.chance(0.5) ? { 'write-order': sortOrder(random, schema) } : {}),
    properties: { 'format-version': String(version), ...properties(random) },
  }
}

function properties(random: Random): Record<string, string> {
  const all = {
    'write.metadata.previous-versions-max': random.pick(['1', '2', '5']),
    'commit.retry.num-retries': '1',
    owner: random.pick(['anna', 'björn', '', '"']),
    ['__proto__']: 'a key like any other',
    'write.parquet.compression-codec': random.pick(['zstd', 'gzip']),
  }
  return Object.fromEntries(random.some(Object.entries(all), 0.3))
}

export function commitRequest(random: Random, context: CommitContext): Json {
  const working: Working = {
    ...context,
    added: [],
    lastSequence: BigInt(context.table['last-sequence-number'] ?? 0),
    nextRow: BigInt(context.table['next-row-id'] ?? 0),
  }
  const updates = Array.from({ length: 1 + random.int(3) }, () => someUpdates(random, working)).flat()
  return { requirements: requirements(random, context), updates: random.chance(0.05) ? random.shuffle(updates) : updates }
}

function requirements(random: Random, { table }: CommitContext): Json[] {
  const off = (): number => (random.chance(0.04) ? 1 : 0)
  const main = table['refs']?.main?.['snapshot-id'] ?? null
  const lastPartition = table['last-partition-id']
  return random.some<Json>(
    [
      { type: 'assert-table-uuid', uuid: random.chance(0.04) ? '00000000-0000-4000-8000-000000000000' : UUID_PLACEHOLDER },
      { type: 'assert-ref-snapshot-id', ref: 'main', 'snapshot-id': off() ? 12 : main },
      { type: 'assert-ref-snapshot-id', ref: `absent`, 'snapshot-id': off() ? 12 : null },
      { type: 'assert-last-assigned-field-id', 'last-assigned-field-id': table['last-column-id'] + off() },
      { type: 'assert-current-schema-id', 'current-schema-id': table['current-schema-id'] + off() },
      { type: 'assert-last-assigned-partition-id', 'last-assigned-partition-id': lastPartition + off() },
      { type: 'assert-default-spec-id', 'default-spec-id': table['default-spec-id'] + off() },
      { type: 'assert-default-sort-order-id', 'default-sort-order-id': table['default-sort-order-id'] + off() },
      ...(random.chance(0.01) ? [{ type: 'assert-nothing' }] : []),
    ],
    0.2,
  )
}

/** What a commit has planned so far, so that its later updates can build on its earlier ones. */
interface Working extends CommitContext {
  added: Json[]
  lastSequence: bigint
  nextRow: bigint
}

const version = ({ table }: CommitContext): number => table['format-version']
const snapshotIds = (context: Working): unknown[] =>
  [...(context.table['snapshots'] ?? []), ...context.added].map((snapshot: Json) => snapshot['snapshot-id'])
const wrong = (random: Random): boolean => random.chance(0.07)

function someUpdates(random: Random, context: Working): Json[] {
  const { table } = context
  return random.weighted<Json[]>([
    [8, () => append(random, context)],
    [4, () => schemaChange(random, context)],
    [3, () => specChange(random, context)],
    [3, () => orderChange(random, context)],
    [3, () => (snapshotIds(context).length === 0 && random.chance(0.9) ? append(random, context) : [reference(random, context)])],
    [
      2,
      () => [{ action: 'remove-snapshot-ref', 'ref-name': random.pick(['main', ...Object.keys(table['refs'] ?? {}), 'absent']) }],
    ],
    [2, () => [{ action: 'remove-snapshots', 'snapshot-ids': random.some(snapshotIds(context), 0.4) }]],
    [
      3,
      () => [
        {
          action: 'set-properties',
          updates: {
            ...properties(random),
            ...(random.chance(0.02) ? { 'current-schema': '7' } : {}),
            step: String(context.step),
          },
        },
      ],
    ],
    [
      1,
      () => [
        { action: 'remove-properties', removals: random.some(['owner', 'step', 'absent', 'write.parquet.compression-codec']) },
      ],
    ],
    [
      1,
      () => [{ action: 'set-location', location: random.pick([context.location, `${context.location}/moved-${context.step}`]) }],
    ],
    [2, () => statistics(random, context)],
    [1, () => [{ action: 'assign-uuid', uuid: random.chance(0.1) ? 'ffffffff-ffff-4fff-8fff-ffffffffffff' : UUID_PLACEHOLDER }]],
    [
      1,
      () => [
        {
          action: 'upgrade-format-version',
          'format-version': random.weighted([
            [4, () => version(context)],
            [2, () => Math.min(3, version(context) + 1)],
            [1, () => random.pick([0, 1, 2, 99])],
          ]),
        },
      ],
    ],
    [
      1,
      () => [
        {
          action: 'remove-partition-specs',
          'spec-ids': removable(random, table['partition-specs'], 'spec-id', table['default-spec-id']),
        },
      ],
    ],
    [
      1,
      () => [
        {
          action: 'remove-schemas',
          'schema-ids': removable(random, unusedSchemas(context), 'schema-id', table['current-schema-id']),
        },
      ],
    ],
    [1, () => encryptionKeys(random, context)],
    [0.2, () => [random.pick<Json>([{ action: 'do-nothing' }, { action: 'add-schema' }, { action: 'set-location' }, {}])]],
  ])
}

/** Some ids that may go; sometimes the one that may not. */
function removable(random: Random, items: readonly Json[], key: string, current: number): number[] {
  const ids: number[] = items.map((item) => item[key])
  return random.some(wrong(random) ? ids : ids.filter((id) => id !== current), 0.5)
}

function unusedSchemas({ table }: Working): Json[] {
  const used = new Set((table['snapshots'] ?? []).map((snapshot: Json) => snapshot['schema-id']))
  return table['schemas'].filter((schema: Json) => !used.has(schema['schema-id']))
}

export function snapshot(random: Random, context: Working): Json {
  const { table, now, step, added } = context
  const main = added.at(-1)?.['snapshot-id'] ?? table['refs']?.main?.['snapshot-id']
  const rows = BigInt(random.int(1000))
  const made: Json = {
    'snapshot-id': wrong(random) ? random.pick([...snapshotIds(context), 7n]) : random.long(),
    ...(main === undefined ? {} : { 'parent-snapshot-id': main }),
    'timestamp-ms': now + step * 10 + added.length,
    summary: { operation: random.pick(['append', 'overwrite', 'delete', 'replace']), 'added-records': String(rows) },
    'manifest-list': `${context.location}/metadata/snap-${step}-${added.length}.avro`,
    'schema-id': table['current-schema-id'],
  }
  if (version(context) >= 2)
    made['sequence-number'] =
      main !== undefined && wrong(random) ? context.lastSequence : (context.lastSequence += 1n + BigInt(random.int(2)))
  if (version(context) >= 3) {
    const first = wrong(random) ? context.nextRow + random.pick([-1n, -1n, 5n]) : context.nextRow
    Object.assign(made, { 'first-row-id': first, 'added-rows': rows })
    if (first === context.nextRow) context.nextRow += rows
    if (random.chance(0.03)) delete made['first-row-id']
  }
  added.push(made)
  return made
}

function append(random: Random, context: Working): Json[] {
  const made = snapshot(random, context)
  const point: Json = { action: 'set-snapshot-ref', 'ref-name': 'main', type: 'branch', 'snapshot-id': made['snapshot-id'] }
  return [{ action: 'add-snapshot', snapshot: made }, ...(random.chance(0.85) ? [point] : [])]
}

function reference(random: Random, context: Working): Json {
  const known = snapshotIds(context)
  const target = wrong(random) || known.length === 0 ? 1234567 : random.pick(known)
  const kind = random.pick(['branch', 'tag'])
  const name = random.weighted([
    [1, () => 'main'],
    [3, () => `${kind}-${random.int(2)}`],
    [0.3, () => random.pick(Object.keys(context.table['refs'] ?? {}).concat('main'))],
  ])
  const retention = {
    'max-ref-age-ms': random.pick<unknown>([1, 9223372036854775807n, 86400000]),
    ...(kind === 'branch'
      ? { 'min-snapshots-to-keep': 1 + random.int(5), 'max-snapshot-age-ms': random.pick<unknown>([1, 9223372036854775807n]) }
      : {}),
    ...(random.chance(0.05) ? { 'min-snapshots-to-keep': 0 } : {}),
  }
  return {
    action: 'set-snapshot-ref',
    'ref-name': name,
    type: name === 'main' && !wrong(random) ? 'branch' : kind,
    'snapshot-id': target,
    ...Object.fromEntries(random.some(Object.entries(name === 'main' ? {} : retention))),
  }
}

function schemaChange(random: Random, context: Working): Json[] {
  const { table } = context
  const schema = evolvedSchema(random, table, version(context))
  const ids = table['schemas'].map((item: Json) => item['schema-id'])
  const last = random.chance(0.03)
    ? -1
    : knownOrLast(table['schemas'], 'schema-id', schema, [
        'id',
        'name',
        'type',
        'required',
        'doc',
        'initial-default',
        'write-default',
      ])
  return random.weighted<Json[]>([
    [
      6,
      () => [
        {
          action: 'add-schema',
          schema,
          ...(random.chance(0.05) ? { 'last-column-id': table['last-column-id'] + (wrong(random) ? -1 : 300) } : {}),
        },
        { action: 'set-current-schema', 'schema-id': last },
      ],
    ],
    [1, () => [{ action: 'add-schema', schema }]],
    [2, () => [{ action: 'set-current-schema', 'schema-id': random.pick([...ids, ...ids, ...ids, -1, 99]) }]],
  ])
}

function specChange(random: Random, context: Working): Json[] {
  const { table } = context
  const spec = partitionSpec(random, currentSchema(table), table)
  const known = random.pick<Json>(table['partition-specs'])
  const ids = table['partition-specs'].map((item: Json) => item['spec-id'])
  const last = random.chance(0.03)
    ? -1
    : knownOrLast(table['partition-specs'], 'spec-id', spec, ['source-id', 'transform', 'name'])
  return random.weighted<Json[]>([
    [
      6,
      () => [
        { action: 'add-spec', spec },
        { action: 'set-default-spec', 'spec-id': last },
      ],
    ],
    [
      2,
      () => [
        { action: 'add-spec', spec: known },
        { action: 'set-default-spec', 'spec-id': known['spec-id'] },
      ],
    ],
    [1, () => [{ action: 'add-spec', spec }]],
    [
      4,
      () => [
        { action: 'add-spec', spec: { 'spec-id': 9, fields: [] } },
        {
          action: 'set-default-spec',
          'spec-id': knownOrLast(table['partition-specs'], 'spec-id', { fields: [] }, ['source-id']),
        },
      ],
    ],
    [2, () => [{ action: 'set-default-spec', 'spec-id': random.pick([...ids, ...ids, ...ids, -1, 99]) }]],
  ])
}

function orderChange(random: Random, context: Working): Json[] {
  const { table } = context
  const order = sortOrder(random, currentSchema(table))
  const known = random.pick<Json>(table['sort-orders'])
  const ids = table['sort-orders'].map((item: Json) => item['order-id'])
  const last = random.chance(0.03)
    ? -1
    : knownOrLast(table['sort-orders'], 'order-id', order, ['source-id', 'transform', 'direction', 'null-order'])
  return random.weighted<Json[]>([
    [
      6,
      () => [
        { action: 'add-sort-order', 'sort-order': order },
        { action: 'set-default-sort-order', 'sort-order-id': last },
      ],
    ],
    [
      2,
      () => [
        { action: 'add-sort-order', 'sort-order': known },
        { action: 'set-default-sort-order', 'sort-order-id': known['order-id'] },
      ],
    ],
    [2, () => [{ action: 'set-default-sort-order', 'sort-order-id': random.pick([...ids, ...ids, ...ids, -1, 99, 0]) }]],
  ])
}

function statistics(random: Random, context: Working): Json[] {
  const ids = snapshotIds(context)
  if (ids.length === 0) return [{ action: 'remove-statistics', 'snapshot-id': 1 }]
  const id = random.pick(ids)
  const path = `${context.location}/metadata/${context.step}-${random.int(100)}.puffin`
  const size = random.long()
  const [field] = primitives(currentSchema(context.table))
  const blob = {
    type: 'apache-datasketches-theta-v1',
    'snapshot-id': id,
    'sequence-number': 1,
    fields: field === undefined ? [] : [field['id']],
    properties: { ndv: '1' },
  }
  return [
    random.pick<Json>([
      {
        action: 'set-statistics',
        'snapshot-id': id,
        statistics: {
          'snapshot-id': id,
          'statistics-path': path,
          'file-size-in-bytes': size,
          'file-footer-size-in-bytes': 42,
          'blob-metadata': [blob],
        },
      },
      {
        action: 'set-partition-statistics',
        'partition-statistics': { 'snapshot-id': id, 'statistics-path': path, 'file-size-in-bytes': size },
      },
      { action: 'remove-statistics', 'snapshot-id': id },
      { action: 'remove-partition-statistics', 'snapshot-id': id },
    ]),
  ]
}

function encryptionKeys(random: Random, context: Working): Json[] {
  // Keys belong to version 3; the reference takes them from any.
  if (version(context) < 3) return []
  const id = `key-${random.int(3)}`
  return [
    random.pick<Json>([
      {
        action: 'add-encryption-key',
        'encryption-key': {
          'key-id': id,
          'encrypted-key-metadata': 'bWV0YWRhdGE=',
          'encrypted-by-id': 'key-9',
          properties: { a: 'b' },
        },
      },
      { action: 'remove-encryption-key', 'key-id': id },
    ]),
  ]
}
