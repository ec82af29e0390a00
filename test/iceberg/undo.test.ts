/** Commits taken back: the state of before, and nothing that may only grow goes back. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { IcebergError } from '../../src/iceberg/errors.ts'
import { parse, stringify } from '../../src/iceberg/json.ts'
import { commitTable } from '../../src/iceberg/table-commit.ts'
import { DEFAULT_TABLE_LIMITS } from '../../src/iceberg/table-limits.ts'
import { parseForeignTableMetadata, parseTableMetadata, type TableMetadata } from '../../src/iceberg/table-metadata.ts'
import { parseTableUpdates } from '../../src/iceberg/table-update.ts'
import { undoTable, type UndoOptions } from '../../src/iceberg/undo-table.ts'
import { undoView } from '../../src/iceberg/undo-view.ts'
import { commitView } from '../../src/iceberg/view-commit.ts'
import { parseViewMetadata, type ViewMetadata } from '../../src/iceberg/view-metadata.ts'
import { parseViewUpdates } from '../../src/iceberg/view-update.ts'
import { newViewMetadata } from '../../src/iceberg/create-view.ts'
import {
  BUCKETS,
  BY_DATA,
  LOCATION,
  NOW,
  OTHER_UUID,
  SCHEMA,
  UUID,
  WIDER,
  addSnapshot,
  refuses,
  setRef,
  snapshot,
  table,
  tableText,
  viewText,
} from './metadata.ts'

let clock = NOW
const file = (n: number): string => `${LOCATION}/metadata/${n}.metadata.json`

interface Committed {
  readonly before: TableMetadata
  readonly current: TableMetadata
}

/** A commit to a table whose metadata is in the file of its length of log. */
function commit(before: TableMetadata, updates: readonly object[]): Committed {
  const parsed = parseTableUpdates(parse(stringify(updates)))
  const options = { now: (clock += 1000), previousMetadataLocation: file(before['metadata-log'].length) }
  return { before, current: commitTable(before, { requirements: [], updates: parsed }, options).metadata }
}

function undo({ before, current }: Committed, options: Partial<UndoOptions> = {}) {
  const texts = [tableText(before), tableText(current)]
  const length = current['metadata-log'].length
  const given = { now: (clock += 1000), currentFile: file(length), beforeFile: file(length - 1) }
  const undone = undoTable(current, before, { ...given, ...options })
  assert.deepEqual([tableText(before), tableText(current)], texts, 'what was given was changed')
  const text = tableText(undone.metadata)
  // Also what is asked of a file of another writer.
  assert.deepEqual(parseForeignTableMetadata(parse(Buffer.from(text))), undone.metadata)
  assert.equal(tableText(parseTableMetadata(Buffer.from(text))), text)
  return undone
}

const append = (id: number, number: number, more: object = {}) => [
  addSnapshot(
    snapshot(id, {
      'sequence-number': number,
      'timestamp-ms': clock + 1000,
      'first-row-id': id * 10 - 10,
      'added-rows': 10,
      ...more,
    }),
  ),
  setRef(id),
]

for (const version of [1, 2, 3]) {
  const one = (n: number): number => (version === 1 ? 0 : n)
  describe(`a commit to a table of format version ${version}`, () => {
    it('that appended goes away, and the next one counts on', () => {
      const first = commit(table(version), append(1, one(1)))
      const second = commit(first.current, append(2, one(2), { 'parent-snapshot-id': 1 }))
      const { metadata, fields, restoredFiles } = undo(second)
      assert.deepEqual(metadata.snapshots, first.current.snapshots)
      assert.deepEqual([metadata.refs, metadata['current-snapshot-id']], [first.current.refs, 1])
      assert.equal(metadata['last-sequence-number'], one(2))
      if (version === 3) assert.equal(metadata['next-row-id'], second.current['next-row-id'])
      assert.deepEqual(fields, ['current-snapshot-id', 'refs', 'snapshots'])
      assert.deepEqual(restoredFiles, [])
      assert.deepEqual(
        metadata['metadata-log'].map((entry) => entry['metadata-file']),
        [0, 1, 2].map(file),
      )
      // What was current before is in doubt behind a snapshot that is gone.
      assert.deepEqual(metadata['snapshot-log'], [{ 'timestamp-ms': metadata['last-updated-ms'], 'snapshot-id': 1 }])
      if (version > 1) {
        const stale = append(3, 2, { 'parent-snapshot-id': 1 })
        refuses(() => commit(metadata, stale), 409, /older than last sequence number 2/)
      }
      const { current } = commit(metadata, append(3, one(3), { 'parent-snapshot-id': 1 }))
      assert.equal(current['last-sequence-number'], one(3))
      assert.deepEqual(
        current['snapshot-log'].map((entry) => entry['snapshot-id']),
        [1, 3],
      )
    })

    it('that was the first append leaves an empty table', () => {
      const { metadata } = undo(commit(table(version), append(1, one(1))))
      assert.equal(metadata['current-snapshot-id'], undefined)
      assert.deepEqual([metadata.snapshots, metadata['snapshot-log'], metadata.refs], [[], [], {}])
      commit(metadata, append(2, one(2)))
    })

    it('is made again by undoing its undo, with the whole history', () => {
      const first = commit(table(version), append(1, one(1)))
      const second = commit(first.current, append(2, one(2), { 'parent-snapshot-id': 1 }))
      const undone = undo(second).metadata
      const again = undo({ before: second.current, current: undone })
      assert.deepEqual(again.metadata.snapshots, second.current.snapshots)
      assert.deepEqual(again.restoredFiles, [`${LOCATION}/metadata/snap-2.avro`])
      assert.deepEqual(
        again.metadata['snapshot-log'].map((entry) => entry['snapshot-id']),
        [1, 2, 1, 2],
      )
      assert.equal(again.metadata['metadata-log'].length, 4)
    })

    it('that changed schema, layout, properties and place gives no id to anything else', () => {
      const { before, current } = commit(table(version, { keep: 'me' }), [
        { action: 'add-schema', schema: WIDER },
        { action: 'set-current-schema', 'schema-id': -1 },
        { action: 'add-spec', spec: { fields: [{ name: 'more', transform: 'identity', 'source-id': 4 }] } },
        { action: 'set-default-spec', 'spec-id': -1 },
        { action: 'add-sort-order', 'sort-order': BY_DATA },
        { action: 'set-default-sort-order', 'sort-order-id': -1 },
        { action: 'set-properties', updates: { a: 'b', keep: 'not' } },
        { action: 'set-location', location: 's3://bucket/moved' },
      ])
      const { metadata } = undo({ before, current })
      for (const key of ['current-schema-id', 'default-spec-id', 'default-sort-order-id', 'location'] as const)
        assert.equal(metadata[key], before[key], key)
      assert.deepEqual(metadata.properties, before.properties)
      for (const key of ['last-column-id', 'last-partition-id', 'table-uuid'] as const) assert.equal(metadata[key], current[key])
      for (const key of ['schemas', 'partition-specs', 'sort-orders'] as const) assert.deepEqual(metadata[key], current[key])
      const other = { ...SCHEMA, fields: [...SCHEMA.fields, { id: 5, name: 'other', required: false, type: 'int' }] }
      const next = commit(metadata, [
        { action: 'add-schema', schema: other },
        { action: 'add-spec', spec: BUCKETS },
      ]).current
      assert.deepEqual(
        next.schemas.map((schema) => schema['schema-id']),
        [0, 1, 2],
      )
      assert.deepEqual(
        next['partition-specs'].map((spec) => spec['spec-id']),
        [0, 1, 2],
      )
    })

    it('that removed a snapshot says which files must be there', () => {
      const first = commit(table(version), append(1, one(1)))
      const second = commit(first.current, append(2, one(2), { 'parent-snapshot-id': 1 }))
      const statistics = {
        'snapshot-id': 1,
        'statistics-path': `${LOCATION}/metadata/1.stats`,
        'file-size-in-bytes': 1,
        'file-footer-size-in-bytes': 1,
        'blob-metadata': [],
      }
      const third = commit(second.current, [{ action: 'set-statistics', statistics }])
      const expired = commit(third.current, [{ action: 'remove-snapshots', 'snapshot-ids': [1] }])
      assert.equal(expired.current['snapshot-log'].length, 1)
      const { metadata, restoredFiles, restoredManifests } = undo(expired)
      assert.deepEqual(restoredFiles, [`${LOCATION}/metadata/snap-1.avro`, `${LOCATION}/metadata/1.stats`])
      assert.deepEqual(restoredManifests, [`${LOCATION}/metadata/snap-1.avro`])
      assert.deepEqual(metadata.snapshots, third.current.snapshots)
      assert.deepEqual(metadata.statistics, third.current.statistics)
      assert.deepEqual(metadata['snapshot-log'], third.current['snapshot-log'])
    })
  })
}

describe('what is refused', () => {
  it('a higher format version', () => {
    for (const [from, to] of [
      [1, 2],
      [2, 3],
    ] as const) {
      const made = commit(table(from), [{ action: 'upgrade-format-version', 'format-version': to }])
      refuses(() => undo(made), 409, new RegExp(`raised the format version from ${from} to ${to}, which never goes down`))
    }
  })

  it('an id that was given anew, a key for encryption, more than the table may hold', () => {
    const wider = commit(table(), [{ action: 'add-schema', schema: WIDER }]).current
    const other = { ...SCHEMA, fields: [...SCHEMA.fields, { id: 5, name: 'other', required: false, type: 'int' }] }
    const reused = commit(wider, [
      { action: 'remove-schemas', 'schema-ids': [1] },
      { action: 'add-schema', schema: other },
    ])
    refuses(() => undo(reused), 409, /gave the id 1 to another schema/)
    const keyed = commit(table(3), [{ action: 'set-properties', updates: { 'encryption.key-id': 'k' } }])
    refuses(() => undo(keyed), 409, /set the property encryption\.key-id/)
    const fewer = commit(table(2, { a: '1', b: '2' }), [{ action: 'remove-properties', removals: ['a'] }])
    refuses(() => undo(fewer, { limits: { ...DEFAULT_TABLE_LIMITS, properties: 2 } }), 400, /PANGOLIN_MAX_TABLE_PROPERTIES/)
  })

  it('a schema in which another column has the name of a partition field', () => {
    const named = { id: 4, name: 'p', required: false, type: 'int' }
    const first = commit(table(), [
      { action: 'add-schema', schema: { ...SCHEMA, fields: [...SCHEMA.fields, named] } },
      { action: 'set-current-schema', 'schema-id': -1 },
    ])
    const dropped = commit(first.current, [
      { action: 'set-current-schema', 'schema-id': 0 },
      { action: 'add-spec', spec: { fields: [{ name: 'p', transform: 'bucket[4]', 'source-id': 1 }] } },
    ])
    refuses(() => undo(dropped), 400, /the schema has a column of that name/)
  })
})

describe('a file that was registered over a table', () => {
  it('of another table goes as a whole', () => {
    const { current: before } = commit(table(2, { mine: 'yes' }), append(1, 1))
    const other = commit(table(3), [...append(7, 9), setRef(7, 'b')]).current
    const { metadata } = undo({ before, current: { ...other, 'table-uuid': OTHER_UUID } }, { beforeFile: 's3://b/before' })
    const { 'last-updated-ms': updated, 'metadata-log': log, ...state } = metadata
    const { 'last-updated-ms': _, 'metadata-log': logBefore, ...stateBefore } = before
    assert.deepEqual(state, stateBefore)
    assert.ok(updated > before['last-updated-ms'])
    assert.deepEqual(log, [...logBefore, { 'timestamp-ms': before['last-updated-ms'], 'metadata-file': 's3://b/before' }])
  })

  it('of an earlier time of the table takes nothing from what came later', () => {
    const first = commit(table(3), append(1, 1))
    const second = commit(first.current, append(2, 2, { 'parent-snapshot-id': 1 }))
    const { metadata } = undo({ before: second.current, current: first.current })
    assert.deepEqual(metadata.snapshots, second.current.snapshots)
    assert.deepEqual(metadata['snapshot-log'], second.current['snapshot-log'])
    assert.deepEqual([metadata['last-sequence-number'], metadata['next-row-id']], [2, 20])
  })
})

const UPDATE: fc.Arbitrary<object> = fc.oneof(
  fc.constantFrom(
    { action: 'add-schema', schema: WIDER },
    { action: 'set-current-schema', 'schema-id': -1 },
    { action: 'set-current-schema', 'schema-id': 0 },
    { action: 'remove-schemas', 'schema-ids': [1] },
    { action: 'add-spec', spec: BUCKETS },
    { action: 'set-default-spec', 'spec-id': 1 },
    { action: 'set-default-spec', 'spec-id': 0 },
    { action: 'set-properties', updates: { a: 'b' } },
    { action: 'remove-properties', removals: ['a'] },
    { action: 'remove-snapshot-ref', 'ref-name': 'main' },
  ),
  fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 9 })).map(([id, n]) => append(id, n)[0]!),
  fc.tuple(fc.integer({ min: 1, max: 4 }), fc.constantFrom('main', 'b')).map(([id, name]) => setRef(id, name)),
  fc.integer({ min: 1, max: 4 }).map((id) => ({ action: 'remove-snapshots', 'snapshot-ids': [id] })),
)

it('any commit is undone, and that undone, with the state of before and of it', () => {
  let undone = 0
  const attempt = <T>(call: () => T): T | undefined => {
    try {
      return call()
    } catch (error) {
      if (error instanceof IcebergError && error.code < 500) return undefined
      throw error
    }
  }
  const STATE = [
    'location',
    'current-schema-id',
    'default-spec-id',
    'default-sort-order-id',
    'properties',
    'current-snapshot-id',
    'refs',
    'snapshots',
    'statistics',
  ] as const
  const GROWING = ['last-sequence-number', 'last-updated-ms', 'last-column-id', 'last-partition-id', 'next-row-id'] as const
  const goesOn = (from: TableMetadata, to: TableMetadata, state: TableMetadata): void => {
    for (const key of STATE) assert.deepEqual(to[key], state[key], key)
    for (const key of GROWING) assert.ok((to[key] ?? 0) >= (from[key] ?? 0), key)
    for (const key of ['schemas', 'partition-specs', 'sort-orders'] as const)
      for (const item of from[key]) assert.ok(to[key].some((one) => stringify(one) === stringify(item)))
    assert.equal(to['metadata-log'].length, from['metadata-log'].length + 1)
    const last = to['snapshot-log'].at(-1)
    if (last !== undefined && to['current-snapshot-id'] !== undefined)
      assert.equal(last['snapshot-id'], to['current-snapshot-id'])
  }
  const property = fc.property(
    fc.integer({ min: 2, max: 3 }),
    fc.array(fc.array(UPDATE, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 12 }),
    (version, commits) => {
      let base = table(version)
      for (const updates of commits) {
        const made = attempt(() => commit(base, updates))
        if (made === undefined || made.current === base) continue
        const back = attempt(() => undo(made))
        base = made.current
        if (back === undefined) continue
        undone++
        goesOn(made.current, back.metadata, made.before)
        const again = undo({ before: made.current, current: back.metadata })
        goesOn(back.metadata, again.metadata, made.current)
        base = again.metadata
      }
    },
  )
  fc.assert(property, { numRuns: Number(process.env['FAST_CHECK_RUNS'] ?? 300) })
  assert.ok(undone > 300, `only ${undone} were undone: the property says little`)
})

describe('a commit to a view', () => {
  const sql = (text: string, dialect = 'spark') => ({
    'version-id': 1,
    'timestamp-ms': NOW,
    'schema-id': 0,
    summary: {},
    representations: [{ type: 'sql', sql: text, dialect }],
    'default-namespace': ['a'],
  })
  const view = (): ViewMetadata =>
    newViewMetadata({
      uuid: UUID,
      location: LOCATION,
      schema: SCHEMA as never,
      viewVersion: sql('select 1') as never,
      properties: { a: '1' },
      now: NOW,
    })
  const replace = (base: ViewMetadata, updates: readonly object[]): ViewMetadata => {
    const commit = { requirements: [], updates: parseViewUpdates(parse(stringify(updates))) }
    return commitView(base, commit, { now: (clock += 1000) }).metadata
  }
  const version = (text: string, id: number) => [
    { action: 'add-view-version', 'view-version': { ...sql(text), 'version-id': id, 'timestamp-ms': clock } },
    { action: 'set-current-view-version', 'view-version-id': -1 },
  ]
  const undone = (current: ViewMetadata, before: ViewMetadata): ViewMetadata => {
    const { metadata } = undoView(current, before, { now: (clock += 1000) })
    const text = viewText(metadata)
    assert.equal(viewText(parseViewMetadata(Buffer.from(text))), text)
    return metadata
  }

  it('that replaced its query and properties goes back to the version of before', () => {
    const before = view()
    const current = replace(before, [...version('select 2', 2), { action: 'set-properties', updates: { a: '2', b: '3' } }])
    const back = undone(current, before)
    assert.equal(back['current-version-id'], 1)
    assert.deepEqual(back.properties, { a: '1' })
    assert.deepEqual(
      back['version-log'].map((entry) => entry['version-id']),
      [1, 2, 1],
    )
    const next = replace(back, version('select 3', 3))
    assert.equal(next['current-version-id'], 3, 'the id of the version that went is not given again')
    const again = undone(back, current)
    assert.deepEqual([again['current-version-id'], again.properties], [2, { a: '2', b: '3' }])
  })

  it('whose version of before fell off the history', () => {
    const before = replace(view(), [{ action: 'set-properties', updates: { 'version.history.num-entries': '1' } }])
    const current = replace(before, version('select 2', 2))
    assert.deepEqual(
      current.versions.map((one) => one['version-id']),
      [2],
    )
    const back = undone(current, before)
    assert.deepEqual([back['current-version-id'], back.versions.length, back['version-log'].length], [1, 1, 1])
  })

  it('of another view is not undone', () => {
    refuses(() => undone({ ...view(), 'view-uuid': OTHER_UUID }, view()), 409, /of another view/)
  })
})
