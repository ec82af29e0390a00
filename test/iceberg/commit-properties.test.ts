/** What must hold of any sequence of updates, sensible or hostile. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { IcebergError } from '../../src/iceberg/errors.ts'
import { parse, stringify } from '../../src/iceberg/json.ts'
import { MAX_LONG, MIN_LONG, normalizeLong, type Long } from '../../src/iceberg/long.ts'
import { commitTable } from '../../src/iceberg/table-commit.ts'
import { applyUpdates } from '../../src/iceberg/table-metadata-builder.ts'
import { parseTableMetadata, type TableMetadata } from '../../src/iceberg/table-metadata.ts'
import { parseTableRequirements } from '../../src/iceberg/table-requirement.ts'
import { parseTableUpdates } from '../../src/iceberg/table-update.ts'
import { parseViewMetadata } from '../../src/iceberg/view-metadata.ts'
import { commitView } from '../../src/iceberg/view-commit.ts'
import { parseViewUpdates } from '../../src/iceberg/view-update.ts'
import { newViewMetadata } from '../../src/iceberg/create-view.ts'
import {
  BUCKETS,
  BY_DATA,
  LOCATION,
  NOW,
  SCHEMA,
  UUID,
  WIDER,
  addSnapshot,
  changed,
  setRef,
  snapshot,
  table,
  tableText,
} from './metadata.ts'

const long = fc.bigInt({ min: MIN_LONG, max: MAX_LONG }).map(normalizeLong)
const natural = fc.bigInt({ min: 0n, max: MAX_LONG }).map(normalizeLong)
const runs = Number(process.env['FAST_CHECK_RUNS'] ?? 300)

/** Runs what may be refused. Anything but an IcebergError is a bug. */
function attempt<T>(call: () => T): T | undefined {
  try {
    return call()
  } catch (error) {
    if (error instanceof IcebergError && error.code < 500) return undefined
    throw error
  }
}

describe('64-bit integers', () => {
  it('travel exactly through updates, requirements, metadata and its text', () => {
    const property = fc.property(
      natural,
      natural,
      long,
      natural,
      natural,
      fc.bigInt({ min: 1n, max: MAX_LONG }),
      (id, number, parent, first, size, age) => {
        fc.pre(BigInt(first) + 1n <= MAX_LONG)
        const one = snapshot(id, {
          'sequence-number': number === 0 ? 1 : number,
          ...(number === 0 ? {} : { 'parent-snapshot-id': parent }),
          'first-row-id': first,
          'added-rows': 1,
        })
        const file = { 'snapshot-id': id, 'statistics-path': 's3://b/s', 'file-size-in-bytes': size }
        const updates = [
          addSnapshot(one),
          setRef(id, 'main', { 'max-ref-age-ms': age, 'max-snapshot-age-ms': age }),
          { action: 'set-partition-statistics', 'partition-statistics': file },
        ]
        const metadata = changed(table(3), updates)
        const again = parseTableMetadata(Buffer.from(tableText(metadata)))
        assert.deepEqual(again, metadata)
        assert.equal(again['current-snapshot-id'], id)
        assert.equal(again['last-sequence-number'], one['sequence-number'])
        assert.equal(again.snapshots[0]?.['parent-snapshot-id'], one['parent-snapshot-id'])
        assert.equal(again['next-row-id'], normalizeLong(BigInt(first) + 1n))
        assert.equal(again.refs['main']?.['max-ref-age-ms'], normalizeLong(age))
        assert.equal(again['partition-statistics'][0]?.['file-size-in-bytes'], size)
        const holds = parseTableRequirements(
          parse(stringify([{ type: 'assert-ref-snapshot-id', ref: 'main', 'snapshot-id': id }])),
        )
        commitTable(again, { requirements: holds, updates: [] }, { now: NOW })
        const other: Long = normalizeLong(BigInt(id) ^ 1n)
        const fails = parseTableRequirements(
          parse(stringify([{ type: 'assert-ref-snapshot-id', ref: 'main', 'snapshot-id': other }])),
        )
        assert.equal(
          attempt(() => commitTable(again, { requirements: fails, updates: [] }, { now: NOW })),
          undefined,
        )
      },
    )
    fc.assert(property, { numRuns: runs })
  })
})

const small = fc.integer({ min: -1, max: 5 })
const names = fc.constantFrom('main', 'b', 'v', '__proto__')
const columns = fc.uniqueArray(fc.integer({ min: 1, max: 6 }), { maxLength: 6 }).map((ids) => ({
  type: 'struct',
  fields: ids.map((id) => SCHEMA.fields[id - 1] ?? { id, name: `c${id}`, required: false, type: 'int' }),
}))
/** Updates over few ids, so that they often meet each other. */
const sensible: fc.Arbitrary<object> = fc.oneof(
  fc.record({ action: fc.constant('add-schema'), schema: fc.oneof(columns, fc.constant(WIDER), fc.constant(SCHEMA)) }),
  fc.record({ action: fc.constant('set-current-schema'), 'schema-id': small }),
  fc.record({ action: fc.constant('remove-schemas'), 'schema-ids': fc.array(small, { maxLength: 2 }) }),
  fc.record({
    action: fc.constant('add-spec'),
    spec: fc.constantFrom(BUCKETS, { fields: [] }, { fields: [{ name: 'd', transform: 'identity', 'source-id': 2 }] }),
  }),
  fc.record({ action: fc.constant('set-default-spec'), 'spec-id': small }),
  fc.record({ action: fc.constant('remove-partition-specs'), 'spec-ids': fc.array(small, { maxLength: 2 }) }),
  fc.record({ action: fc.constant('add-sort-order'), 'sort-order': fc.constantFrom(BY_DATA, { 'order-id': 0, fields: [] }) }),
  fc.record({ action: fc.constant('set-default-sort-order'), 'sort-order-id': small }),
  fc
    .tuple(small, small, fc.integer({ min: 0, max: 20 }), fc.integer({ min: -2, max: 2 }), fc.integer({ min: 0, max: 60 }))
    .map(([id, parent, number, time, first]) =>
      addSnapshot(
        snapshot(id, {
          'sequence-number': number,
          'timestamp-ms': NOW + time * 40_000,
          'first-row-id': first,
          'added-rows': 3,
          ...(parent < 0 ? {} : { 'parent-snapshot-id': parent }),
        }),
      ),
    ),
  fc.tuple(small, names).map(([id, name]) => setRef(id, name)),
  fc.record({ action: fc.constant('remove-snapshot-ref'), 'ref-name': names }),
  fc.record({ action: fc.constant('remove-snapshots'), 'snapshot-ids': fc.array(small, { maxLength: 3 }) }),
  fc.record({ action: fc.constant('set-properties'), updates: fc.dictionary(names, fc.constantFrom('a', 'b'), { maxKeys: 2 }) }),
  fc.record({ action: fc.constant('remove-properties'), removals: fc.array(names, { maxLength: 2 }) }),
  fc.record({ action: fc.constant('upgrade-format-version'), 'format-version': fc.integer({ min: 1, max: 4 }) }),
  fc.record({ action: fc.constant('set-location'), location: fc.constantFrom(LOCATION, 's3://bucket/moved') }),
)

describe('random commits', () => {
  it('leave metadata whose invariants hold, or nothing', () => {
    let landed = 0
    const property = fc.property(
      fc.integer({ min: 1, max: 3 }),
      fc.array(fc.array(sensible, { minLength: 1, maxLength: 3 }), { maxLength: 25 }),
      (version, commits) => {
        let base = table(version)
        commits.forEach((updates, i) => {
          const before = tableText(base)
          const commit = { requirements: [], updates: parseTableUpdates(parse(stringify(updates))) }
          const done = attempt(() => commitTable(base, commit, { now: NOW + i * 1000, previousMetadataLocation: `s3://m/${i}` }))
          assert.equal(tableText(base), before)
          if (done === undefined) return
          const after = tableText(done.metadata)
          // Reading checks every invariant again.
          assert.deepEqual(parseTableMetadata(Buffer.from(after)), done.metadata)
          assert.equal(done.changed, after !== before)
          if (!done.changed) return
          assertProgress(base, done.metadata)
          base = done.metadata
          landed++
        })
      },
    )
    fc.assert(property, { numRuns: runs })
    assert.ok(landed > runs, `only ${landed} commits landed: the property says little`)
  })
})

function assertProgress(before: TableMetadata, after: TableMetadata): void {
  for (const key of [
    'format-version',
    'last-sequence-number',
    'last-updated-ms',
    'last-column-id',
    'last-partition-id',
  ] as const) {
    assert.ok(after[key] >= before[key], `${key} went back`)
  }
  assert.ok((after['next-row-id'] ?? 0) >= (before['next-row-id'] ?? 0), 'next-row-id went back')
  assert.equal(after['table-uuid'], before['table-uuid'])
  assert.equal(after['metadata-log'].length, before['metadata-log'].length + 1)
}

/** Values that break careless code. */
const hostile: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    true,
    '',
    'x',
    0,
    -1,
    1e308,
    2 ** 31,
    MAX_LONG,
    MIN_LONG,
    MAX_LONG + 1n,
    10n ** 40n,
    [],
    {},
    [[]],
    [null],
  ),
  fc.constantFrom<unknown>(
    '__proto__',
    'constructor',
    'decimal(',
    'fixed[999999999999]',
    'struct',
    'bucket[0]',
    '\u0000',
    '￿'.repeat(3),
  ),
  fc.jsonValue({ maxDepth: 3 }),
)

type Path = readonly (string | number)[]

/** Every place of a value. */
function places(value: unknown, path: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [path]
  return [
    path,
    ...Object.entries(value).flatMap(([key, item]) => places(item, [...path, Array.isArray(value) ? Number(key) : key])),
  ]
}

/** The value with another value, or none, at one place. */
function replaced(value: unknown, path: Path, by: unknown): unknown {
  const [first, ...rest] = path
  if (first === undefined) return by
  if (Array.isArray(value))
    return value.map((item: unknown, i) => (i === first ? replaced(item, rest, by) : item)).filter((item) => item !== undefined)
  return Object.fromEntries(
    Object.entries(value as object)
      .map(([key, item]) => [key, key === first ? replaced(item, rest, by) : (item as unknown)] as const)
      .filter(([, item]) => item !== undefined),
  )
}

/** A document with a few places replaced by hostile values. */
const mutated = (document: unknown): fc.Arbitrary<unknown> =>
  fc.array(fc.tuple(fc.nat(), fc.option(hostile, { nil: undefined })), { minLength: 1, maxLength: 3 }).map(
    (changes) =>
      changes.reduce<unknown>((current, [n, by]) => {
        const all = places(current)
        return replaced(current, all[n % all.length] as Path, by)
      }, document) ?? null,
  )

const rows = { 'first-row-id': 0, 'added-rows': 1 }
const UPDATES = [
  {
    action: 'add-schema',
    schema: {
      ...WIDER,
      fields: [
        ...WIDER.fields,
        {
          id: 5,
          name: 'm',
          required: false,
          type: {
            type: 'map',
            'key-id': 6,
            key: 'string',
            'value-id': 7,
            value: { type: 'list', 'element-id': 8, element: 'decimal(9, 2)', 'element-required': true },
            'value-required': false,
          },
        },
      ],
    },
  },
  { action: 'set-current-schema', 'schema-id': -1 },
  { action: 'add-spec', spec: BUCKETS },
  { action: 'set-default-spec', 'spec-id': -1 },
  { action: 'add-sort-order', 'sort-order': BY_DATA },
  { action: 'set-default-sort-order', 'sort-order-id': -1 },
  { action: 'add-encryption-key', 'encryption-key': { 'key-id': 'k', 'encrypted-key-metadata': 'a2V5', properties: { a: 'b' } } },
  addSnapshot(snapshot(5, { ...rows, 'key-id': 'k' })),
  setRef(5, 'main', { 'min-snapshots-to-keep': 1 }),
  {
    action: 'set-statistics',
    statistics: {
      'snapshot-id': 5,
      'statistics-path': 's',
      'file-size-in-bytes': 1,
      'file-footer-size-in-bytes': 1,
      'blob-metadata': [{ type: 't', 'snapshot-id': 5, 'sequence-number': 1, fields: [1] }],
    },
  },
  { action: 'set-properties', updates: { a: 'b', 'commit.retry.num-retries': '3' } },
  { action: 'remove-properties', removals: ['a'] },
  { action: 'set-location', location: 's3://bucket/other' },
]
const json = (value: unknown): unknown => parse(stringify(value))

describe('hostile input', () => {
  it('as updates is refused or applied, never a fault', () => {
    assert.equal(applyUpdates(table(3), parseTableUpdates(json(UPDATES)), { now: NOW }).changed, true)
    fc.assert(
      fc.property(mutated(UPDATES), (updates) => {
        const done = attempt(() => applyUpdates(table(3), parseTableUpdates(json(updates)), { now: NOW }))
        if (done !== undefined) assert.deepEqual(parseTableMetadata(Buffer.from(tableText(done.metadata))), done.metadata)
      }),
      { numRuns: runs * 5 },
    )
  })
  it('as a new table is refused or made, never a fault', () => {
    const updates = [{ action: 'upgrade-format-version', 'format-version': 3 }, ...UPDATES]
    fc.assert(
      fc.property(mutated(updates), (one) => {
        attempt(() => applyUpdates(undefined, parseTableUpdates(json(one)), { now: NOW, newUuid: UUID }))
      }),
      { numRuns: runs },
    )
  })
  it('as a metadata file is refused or read, and then read alike', () => {
    const file = json(parse(tableText(applyUpdates(table(3), parseTableUpdates(json(UPDATES)), { now: NOW }).metadata)))
    fc.assert(
      fc.property(mutated(file), (one) => {
        const metadata = attempt(() => parseTableMetadata(json(one)))
        if (metadata === undefined) return
        const text = tableText(metadata)
        assert.equal(tableText(parseTableMetadata(Buffer.from(text))), text)
      }),
      { numRuns: runs * 5 },
    )
  })
  it('as requirements is refused or checked, never a fault', () => {
    const requirements = [
      { type: 'assert-table-uuid', uuid: UUID },
      { type: 'assert-ref-snapshot-id', ref: 'main', 'snapshot-id': null },
      { type: 'assert-current-schema-id', 'current-schema-id': 0 },
    ]
    fc.assert(
      fc.property(mutated(requirements), (one) => {
        attempt(() => commitTable(table(), { requirements: parseTableRequirements(json(one)), updates: [] }, { now: NOW }))
      }),
      { numRuns: runs },
    )
  })
  it('as a view is refused or applied, never a fault', () => {
    const viewVersion = {
      'version-id': 1,
      'timestamp-ms': NOW,
      'schema-id': -1,
      summary: {},
      'default-namespace': [],
      representations: [{ type: 'sql', sql: 's', dialect: 'd' }],
    }
    const base = newViewMetadata({ uuid: UUID, location: LOCATION, schema: SCHEMA, viewVersion, properties: {}, now: NOW })
    const next = { ...viewVersion, representations: [{ type: 'sql', sql: 't', dialect: 'd' }] }
    const updates = [
      { action: 'add-schema', schema: WIDER },
      { action: 'add-view-version', 'view-version': next },
      { action: 'set-current-view-version', 'view-version-id': -1 },
      { action: 'set-properties', updates: { 'version.history.num-entries': '1' } },
    ]
    fc.assert(
      fc.property(mutated(updates), mutated(base), (one, file) => {
        attempt(() => commitView(base, { requirements: [], updates: parseViewUpdates(json(one)) }, { now: NOW }))
        attempt(() => parseViewMetadata(json(file)))
        attempt(() =>
          newViewMetadata({
            uuid: UUID,
            location: LOCATION,
            schema: SCHEMA,
            viewVersion: (one as object[])?.[1],
            properties: {},
            now: NOW,
          }),
        )
      }),
      { numRuns: runs * 2 },
    )
  })
})
