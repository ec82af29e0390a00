import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Long } from '../../src/iceberg/long.ts'
import { commitTable, type CommitOptions } from '../../src/iceberg/table-commit.ts'
import type { TableMetadata } from '../../src/iceberg/table-metadata.ts'
import { checkRequirements, parseTableRequirements, parseViewRequirements } from '../../src/iceberg/table-requirement.ts'
import { parseTableUpdates } from '../../src/iceberg/table-update.ts'
import { addSnapshot, changed, NOW, OTHER_UUID, refuses, setRef, snapshot, table, UUID } from './metadata.ts'

const base = changed(table(), [addSnapshot(snapshot(1)), setRef(1), setRef(1, 'v1', { type: 'tag' })])
const BIG: Long = 9_007_199_254_740_993n
const check = (requirements: readonly object[], metadata: TableMetadata | undefined = base) =>
  checkRequirements(parseTableRequirements(requirements), metadata)

describe('requirements', () => {
  const ref = (name: string, id: Long | null) => ({ type: 'assert-ref-snapshot-id', ref: name, 'snapshot-id': id })
  const cases: [name: string, holds: object, fails: object, message: RegExp][] = [
    [
      'assert-table-uuid',
      { uuid: UUID.toUpperCase() },
      { uuid: OTHER_UUID },
      new RegExp(`UUID does not match: expected ${OTHER_UUID} != ${UUID}`),
    ],
    [
      'assert-last-assigned-field-id',
      { 'last-assigned-field-id': 3 },
      { 'last-assigned-field-id': 2 },
      /field id changed: expected id 2 != 3/,
    ],
    [
      'assert-current-schema-id',
      { 'current-schema-id': 0 },
      { 'current-schema-id': 1 },
      /current schema changed: expected id 1 != 0/,
    ],
    [
      'assert-last-assigned-partition-id',
      { 'last-assigned-partition-id': 1000 },
      { 'last-assigned-partition-id': 999 },
      /999 != 1000/,
    ],
    [
      'assert-default-spec-id',
      { 'default-spec-id': 0 },
      { 'default-spec-id': 4 },
      /default partition spec changed: expected id 4 != 0/,
    ],
    [
      'assert-default-sort-order-id',
      { 'default-sort-order-id': 0 },
      { 'default-sort-order-id': 1 },
      /default sort order changed: expected id 1 != 0/,
    ],
    ['assert-ref-snapshot-id', ref('main', 1), ref('main', 2), /Requirement failed: branch main has changed: expected id 2 != 1/],
    ['assert-ref-snapshot-id', ref('none', null), ref('v1', null), /tag v1 was created concurrently/],
    ['assert-ref-snapshot-id', ref('v1', 1), ref('none', BIG), /branch or tag none is missing, expected 9007199254740993/],
    ['assert-ref-snapshot-id', { ref: 'absent' }, ref('toString', 1), /toString is missing/],
  ]
  for (const [type, holds, fails, message] of cases) {
    it(`${type}: ${message.source}`, () => {
      check([{ ...holds, type }])
      check([{ ...holds, type: type.toUpperCase() }])
      refuses(() => check([{ ...fails, type }]), 409, message, 'CommitFailedException')
      refuses(
        () => commitTable(base, { requirements: parseTableRequirements([{ ...fails, type }]), updates: [] }, { now: NOW }),
        409,
        message,
      )
    })
  }
  it('compare ids exactly', () => {
    const exact = changed(table(), [addSnapshot(snapshot(BIG)), setRef(BIG)])
    check([ref('main', BIG)], exact)
    refuses(() => check([ref('main', BIG - 1n)], exact), 409, /expected id 9007199254740992 != 9007199254740993/)
  })
  it('assert-create wants no table, and no company', () => {
    checkRequirements(parseTableRequirements([{ type: 'assert-create' }]), undefined)
    refuses(() => check([{ type: 'assert-create' }]), 409, /table already exists/, 'CommitFailedException')
    refuses(() => check([{ type: 'assert-create' }, ref('main', null)]), 400, /Invalid create requirements/)
    refuses(() => checkRequirements(parseTableRequirements([ref('main', null)]), undefined), 409, /does not exist/)
  })
  it('refuse unknown types and malformed fields with 400', () => {
    const faults: [unknown, RegExp][] = [
      [[{ type: 'assert-nothing' }], /requirements\[0\]: unknown type assert-nothing/],
      [[{ type: 'assert-view-uuid', uuid: UUID }], /unknown type assert-view-uuid/],
      [[{ type: 'constructor' }], /unknown type constructor/],
      [[{}], /string as type/],
      [[null], /must be an object/],
      [{}, /must be an array/],
      [[{ type: 'assert-table-uuid' }], /uuid/],
      [[{ type: 'assert-table-uuid', uuid: 1 }], /uuid/],
      [[{ type: 'assert-ref-snapshot-id', ref: 'main', 'snapshot-id': '1' }], /snapshot-id/],
      [[{ type: 'assert-ref-snapshot-id', 'snapshot-id': 1 }], /ref/],
      [[{ type: 'assert-default-spec-id', 'default-spec-id': 2 ** 31 }], /32-bit/],
      [Array.from({ length: 10_001 }, () => ({ type: 'assert-create' })), /at most 10000/],
    ]
    for (const [json, message] of faults) refuses(() => parseTableRequirements(json), 400, message)
    assert.deepEqual(parseViewRequirements([{ type: 'assert-view-uuid', uuid: UUID }]), [
      { type: 'assert-view-uuid', uuid: UUID },
    ])
    refuses(() => parseViewRequirements([{ type: 'assert-create' }]), 400, /unknown type/)
  })
})

const commit = (metadata: TableMetadata | undefined, updates: readonly object[], options: Partial<CommitOptions> = {}) =>
  commitTable(metadata, { requirements: [], updates: parseTableUpdates(updates) }, { now: NOW + 1, ...options })
const touch = (i: number) => [{ action: 'set-properties', updates: { n: String(i) } }]

describe('commitTable', () => {
  it('checks requirements before updates', () => {
    const requirements = parseTableRequirements([{ type: 'assert-default-spec-id', 'default-spec-id': 9 }])
    const updates = parseTableUpdates([{ action: 'upgrade-format-version', 'format-version': 1 }])
    refuses(() => commitTable(base, { requirements, updates }, { now: NOW }), 409, /default partition spec/)
  })
  it('refuses to create by accident', () => refuses(() => commit(undefined, []), 400, /assert-create/))
  it('answers the base when nothing changed', () => {
    const done = commit(base, [{ action: 'upgrade-format-version', 'format-version': 2 }], {
      previousMetadataLocation: 's3://m/0',
    })
    assert.equal(done.metadata, base)
    assert.equal(done.changed, false)
    assert.deepEqual(done.removedMetadataLocations, [])
  })
  const grow = (count: number, properties: Record<string, string>) => {
    let metadata = table(2, properties)
    const removed: string[] = []
    for (let i = 0; i < count; i++) {
      const done = commit(metadata, touch(i), { previousMetadataLocation: `s3://m/${i}`, now: NOW + i + 1 })
      metadata = done.metadata
      removed.push(...done.removedMetadataLocations)
    }
    return { metadata, removed }
  }
  it('logs the files before, with the time of each', () => {
    assert.deepEqual(grow(2, {}).metadata['metadata-log'], [
      { 'timestamp-ms': NOW, 'metadata-file': 's3://m/0' },
      { 'timestamp-ms': NOW + 1, 'metadata-file': 's3://m/1' },
    ])
  })
  it('keeps 100 of them, and says which fell off', () => {
    const { metadata, removed } = grow(103, {})
    assert.equal(metadata['metadata-log'].length, 100)
    assert.deepEqual(removed, ['s3://m/0', 's3://m/1', 's3://m/2'])
  })
  it('keeps as many as the table wants, at least one', () => {
    for (const [wanted, kept] of [
      ['3', 3],
      ['1', 1],
      ['0', 1],
      ['-5', 1],
    ] as const) {
      const { metadata, removed } = grow(5, { 'write.metadata.previous-versions-max': wanted })
      assert.equal(metadata['metadata-log'].length, kept)
      assert.equal(metadata['metadata-log'].at(-1)?.['metadata-file'], 's3://m/4')
      assert.equal(removed.length, 5 - kept)
    }
  })
  it('heeds a limit set by the same commit', () => {
    const { metadata } = grow(5, {})
    const done = commit(metadata, [{ action: 'set-properties', updates: { 'write.metadata.previous-versions-max': '2' } }], {
      previousMetadataLocation: 's3://m/5',
    })
    assert.deepEqual(
      done.metadata['metadata-log'].map((entry) => entry['metadata-file']),
      ['s3://m/4', 's3://m/5'],
    )
    assert.deepEqual(done.removedMetadataLocations, ['s3://m/0', 's3://m/1', 's3://m/2', 's3://m/3'])
  })
  it('falls back to 100 where somebody else wrote a limit that is none', () => {
    const odd = { ...base, properties: { 'write.metadata.previous-versions-max': 'x' } }
    assert.equal(commit(odd, touch(1), { previousMetadataLocation: 's3://m/0' }).metadata['metadata-log'].length, 1)
  })
})
