import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parse } from '../../src/iceberg/json.ts'
import { parseTableUpdates, UpdateShapes } from '../../src/iceberg/table-update.ts'
import { parseViewUpdates } from '../../src/iceberg/view-update.ts'
import { refuses } from './metadata.ts'

const BIG = 9_007_199_254_740_993n
const statistics = {
  'snapshot-id': BIG,
  'statistics-path': 's3://b/s',
  'file-size-in-bytes': BIG,
  'file-footer-size-in-bytes': BIG,
  'blob-metadata': [{ type: 't', 'snapshot-id': BIG, 'sequence-number': BIG, fields: [1], properties: { a: 'b' } }],
}
const viewVersion = {
  'version-id': 1,
  'timestamp-ms': BIG,
  'schema-id': -1,
  summary: {},
  'default-namespace': ['a'],
  representations: [{ type: 'sql', sql: 'select 1', dialect: 'spark' }],
}
/** One well-formed update per action. */
const EXAMPLES: readonly Readonly<Record<string, unknown>>[] = [
  { action: 'assign-uuid', uuid: 'u' },
  { action: 'upgrade-format-version', 'format-version': 2 },
  { action: 'add-schema', schema: {} },
  { action: 'set-current-schema', 'schema-id': -1 },
  { action: 'add-spec', spec: {} },
  { action: 'set-default-spec', 'spec-id': -1 },
  { action: 'add-sort-order', 'sort-order': {} },
  { action: 'set-default-sort-order', 'sort-order-id': -1 },
  { action: 'add-snapshot', snapshot: { 'snapshot-id': BIG, 'timestamp-ms': BIG } },
  { action: 'set-snapshot-ref', 'ref-name': 'main', type: 'branch', 'snapshot-id': BIG },
  { action: 'remove-snapshots', 'snapshot-ids': [BIG, 1] },
  { action: 'remove-snapshot-ref', 'ref-name': 'main' },
  { action: 'set-location', location: 's3://b/t' },
  { action: 'set-properties', updates: { a: 'b' } },
  { action: 'remove-properties', removals: ['a'] },
  { action: 'add-view-version', 'view-version': viewVersion },
  { action: 'set-current-view-version', 'view-version-id': -1 },
  { action: 'set-statistics', statistics },
  { action: 'remove-statistics', 'snapshot-id': BIG },
  { action: 'set-partition-statistics', 'partition-statistics': statistics },
  { action: 'remove-partition-statistics', 'snapshot-id': BIG },
  { action: 'remove-partition-specs', 'spec-ids': [1] },
  { action: 'remove-schemas', 'schema-ids': [1] },
  { action: 'add-encryption-key', 'encryption-key': { 'key-id': 'k', 'encrypted-key-metadata': 'a2V5' } },
  { action: 'remove-encryption-key', 'key-id': 'k' },
]
const FOR_VIEWS = [
  'assign-uuid',
  'upgrade-format-version',
  'add-schema',
  'set-location',
  'set-properties',
  'remove-properties',
  'add-view-version',
  'set-current-view-version',
]

describe('parseTableUpdates', () => {
  it('knows all 25 actions', () => {
    assert.equal(EXAMPLES.length, 25)
    assert.deepEqual(EXAMPLES.map((example) => example['action']).toSorted(), Object.keys(UpdateShapes).toSorted())
    assert.deepEqual(parseTableUpdates(EXAMPLES), EXAMPLES)
  })
  for (const example of EXAMPLES) {
    const action = String(example['action'])
    const fields = Object.keys(example).filter((key) => key !== 'action')
    for (const field of fields) {
      it(`${action} needs ${field}, of its type`, () => {
        const { [field]: _dropped, ...rest } = example
        for (const update of [rest, { ...rest, [field]: null }, { ...rest, [field]: true }]) {
          refuses(() => parseTableUpdates([update]), 400, new RegExp(field), 'BadRequestException')
        }
      })
    }
    it(`${action} ${FOR_VIEWS.includes(action) ? 'may' : 'must not'} change a view`, () => {
      if (FOR_VIEWS.includes(action)) assert.deepEqual(parseViewUpdates([example]), [example])
      else refuses(() => parseViewUpdates([example]), 400, /Cannot apply update/)
    })
  }
  it('refuses an unknown action by its name', () => {
    refuses(() => parseTableUpdates([{ action: 'drop-everything' }]), 400, /updates\[0\]: unknown action drop-everything/)
    refuses(() => parseTableUpdates([{ action: '__proto__' }]), 400, /unknown action __proto__/)
    refuses(() => parseTableUpdates([{ action: 'toString' }]), 400, /unknown action toString/)
  })
  it('refuses what is no list of objects with an action', () => {
    for (const json of [null, {}, 'x', 1, [null], [[]], [{}], [{ action: 1 }], ['assign-uuid']])
      refuses(() => parseTableUpdates(json), 400, /Invalid/)
  })
  it('refuses more than 10 000', () => {
    refuses(() => parseTableUpdates(Array.from({ length: 10_001 }, () => EXAMPLES[0])), 400, /at most 10000/)
  })
  it('refuses many updates of a kind that costs much', () => {
    for (const [action, limit] of [
      ['add-schema', 1000],
      ['add-spec', 100],
      ['add-sort-order', 100],
      ['add-view-version', 100],
    ] as const) {
      const one = EXAMPLES.find((example) => example['action'] === action)
      parseTableUpdates(Array.from({ length: limit }, () => one))
      refuses(
        () => parseTableUpdates(Array.from({ length: limit + 1 }, () => one)),
        400,
        new RegExp(`at most ${limit} of action ${action}`),
      )
    }
  })
  it('keeps integers exact and refuses what is none', () => {
    const text = (id: string) => `[{"action":"remove-snapshots","snapshot-ids":[${id}]}]`
    const ids = (id: string) => (parseTableUpdates(parse(text(id)))[0] as { 'snapshot-ids': unknown })['snapshot-ids']
    assert.deepEqual(ids('9223372036854775807'), [9_223_372_036_854_775_807n])
    assert.deepEqual(ids('-9223372036854775808'), [-9_223_372_036_854_775_808n])
    assert.deepEqual(ids('5'), [5])
    for (const id of ['9223372036854775808', '-9223372036854775809', '1e19', '1.0', '1e3', '-0', '1.5', '"1"', 'null', 'true']) {
      refuses(() => ids(id), 400, /snapshot-ids\/0 must be a 64-bit integer/)
    }
  })
  it('refuses 64 bits where 32 are meant', () => {
    for (const id of [2 ** 31, -(2 ** 31) - 1, BIG])
      refuses(() => parseTableUpdates([{ action: 'set-current-schema', 'schema-id': id }]), 400, /32-bit/)
  })
  it('does not take a number kept as text for an object', () => {
    refuses(() => parseTableUpdates(parse('[{"action":"set-properties","updates":1.0}]')), 400, /object of strings/)
    refuses(() => parseTableUpdates(parse('[{"action":"add-schema","schema":1.0}]')), 400, /must be an object/)
  })
  it('bounds what it repeats of a request', () => {
    refuses(() => parseTableUpdates([{ action: 'x'.repeat(10_000) }]), 400, /^.{0,300}$/)
  })
})
