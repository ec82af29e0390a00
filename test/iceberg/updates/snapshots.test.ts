import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MAX_LONG } from '../../../src/iceberg/long.ts'
import type { TableMetadata } from '../../../src/iceberg/table-metadata.ts'
import { addSnapshot, changed, LOCATION, NOW, refused, run, setRef, snapshot, table, unchanged } from '../metadata.ts'

const remove = (...ids: (number | bigint)[]) => ({ action: 'remove-snapshots', 'snapshot-ids': ids })
const log = (metadata: TableMetadata) => metadata['snapshot-log'].map((entry) => [entry['snapshot-id'], entry['timestamp-ms']])
const lineage = (first: number | bigint, added: number | bigint) => ({ 'first-row-id': first, 'added-rows': added })
const child = (id: number, parent: number, number: number, fields = {}) =>
  snapshot(id, { 'parent-snapshot-id': parent, 'sequence-number': number, ...fields })

/** Snapshots 1 and 2, of which 2 is current. */
const grown = changed(changed(table(), [addSnapshot(snapshot(1)), setRef(1)]), [addSnapshot(child(2, 1, 2)), setRef(2)])

describe('add-snapshot', () => {
  it('raises the last sequence number and does not make it current', () => {
    const after = changed(table(), [addSnapshot(snapshot(7, { 'sequence-number': 5 }))])
    assert.equal(after['last-sequence-number'], 5)
    assert.equal(after['current-snapshot-id'], undefined)
    assert.deepEqual(after['snapshot-log'], [])
  })
  it('refuses an id that exists', () => refused(grown, [addSnapshot(child(2, 1, 3))], /already exists for id: 2/))
  it('answers a stale sequence number with 409', () => {
    refused(grown, [addSnapshot(child(3, 2, 2))], /sequence number 2 older than last sequence number 2/, 409)
  })
  it('does not let a snapshot without a parent lower the last sequence number (trap 3)', () => {
    assert.equal(changed(grown, [addSnapshot(snapshot(3, { 'sequence-number': 1 }))])['last-sequence-number'], 2)
  })
  it('has no sequence numbers in format version 1', () => {
    refused(table(1), [addSnapshot(snapshot(1))], /must be 0 in v1/)
    const after = changed(table(1), [addSnapshot(snapshot(1, { 'sequence-number': 0 })), setRef(1)])
    assert.equal(after['last-sequence-number'], 0)
  })
  it('takes inline manifests in format version 1 alone', () => {
    const { 'manifest-list': _list, ...inline } = snapshot(1, { 'sequence-number': 0, manifests: ['s3://bucket/m.avro'] })
    changed(table(1), [{ action: 'add-snapshot', snapshot: inline }])
    refused(
      table(2),
      [{ action: 'add-snapshot', snapshot: { ...inline, 'manifest-list': 's3://b/m' } }],
      /manifests are not allowed in v2/,
    )
  })
  const faults: [string, object, RegExp][] = [
    ['a negative id', { 'snapshot-id': -1 }, /id -1/],
    ['an id outside int64', { 'snapshot-id': MAX_LONG + 1n }, /snapshot-id must be a 64-bit integer/],
    ['an id that is a text', { 'snapshot-id': '1' }, /snapshot-id must be a 64-bit integer/],
    ['an unknown schema', { 'schema-id': 4 }, /unknown schema-id 4/],
    ['an unknown key', { 'key-id': 'k' }, /unknown key-id k/],
    ['no summary', { summary: undefined }, /summary is required/],
    ['a summary without operation', { summary: { 'added-records': '1' } }, /no operation/],
    ['a summary of numbers', { summary: { operation: 'append', n: 1 } }, /summary must be an object of strings/],
    ['no manifest list', { 'manifest-list': undefined }, /manifest-list is required/],
    ['rows without a count', { 'first-row-id': 0 }, /added-rows is required with first-row-id/],
    ['no timestamp', { 'timestamp-ms': undefined }, /timestamp-ms/],
  ]
  for (const [name, fields, message] of faults) {
    it(`refuses ${name}`, () => refused(table(), [{ action: 'add-snapshot', snapshot: { ...snapshot(1), ...fields } }], message))
  }
  it("leaves clients' clocks to them, as long as the history can be read again", () => {
    for (const minutes of [1, 2, 600]) {
      const slow = changed(table(), [addSnapshot(snapshot(1, { 'timestamp-ms': NOW - minutes * 60_000 })), setRef(1)])
      assert.deepEqual(log(slow), [[1, NOW - minutes * 60_000]])
      assert.equal(slow['last-updated-ms'], NOW + 1000)
    }
    // The reference reads no snapshot log whose times go back by more than a minute.
    refused(
      grown,
      [addSnapshot(child(3, 2, 3, { 'timestamp-ms': NOW - 60_001 })), setRef(3)],
      /Expected sorted snapshot-log entries/,
    )
    changed(grown, [addSnapshot(child(3, 2, 3, { 'timestamp-ms': NOW - 60_000 })), setRef(3)])
    changed(grown, [addSnapshot(child(3, 2, 3, { 'timestamp-ms': NOW - 600_000 })), setRef(3, 'branch')])
  })
  it('needs a schema, a spec and an order before it', () => {
    refused(undefined, [addSnapshot(snapshot(1))], /before a schema is added/)
  })
  it('asks whether the manifest list may be there', () => {
    const seen: string[] = []
    run(table(), [addSnapshot(snapshot(1))], { checkLocation: (location, what) => void seen.push(`${what}: ${location}`) })
    assert.deepEqual(seen, [`manifest-list of snapshot 1: ${LOCATION}/metadata/snap-1.avro`])
  })
  it('keeps fields that are not known here', () => {
    const one = { ...snapshot(1), 'x-new': { a: [1n, 2] } }
    assert.deepEqual(changed(table(), [{ action: 'add-snapshot', snapshot: one }]).snapshots[0]?.['x-new'], { a: [1, 2] })
  })
})

describe('row lineage', () => {
  it('needs a first row id and a count', () => {
    refused(table(3), [addSnapshot(snapshot(1))], /first-row-id is null/)
    refused(table(3), [addSnapshot(snapshot(1, { 'first-row-id': 0 }))], /added-rows is null/)
  })
  it('counts rows', () => {
    const after = changed(table(3), [addSnapshot(snapshot(1, lineage(0, 10)))])
    assert.equal(after['next-row-id'], 10)
    assert.equal(changed(after, [addSnapshot(child(2, 1, 2, lineage(10, 5)))])['next-row-id'], 15)
  })
  it('answers a stale first row id with 409', () => {
    const after = changed(table(3), [addSnapshot(snapshot(1, lineage(0, 10)))])
    refused(after, [addSnapshot(child(2, 1, 2, lineage(9, 1)))], /first-row-id is behind table next-row-id: 9 < 10/, 409)
  })
  it('does not hand out the rows behind a gap twice (trap 4)', () => {
    assert.equal(changed(table(3), [addSnapshot(snapshot(1, lineage(100, 10)))])['next-row-id'], 110)
  })
  it('refuses more rows than there are ids', () => {
    refused(table(3), [addSnapshot(snapshot(1, lineage(MAX_LONG, 1)))], /overflow/)
    assert.equal(changed(table(3), [addSnapshot(snapshot(1, lineage(MAX_LONG - 5n, 5)))])['next-row-id'], MAX_LONG)
  })
  it('starts with an upgrade, which leaves old snapshots as they are', () => {
    const after = changed(grown, [{ action: 'upgrade-format-version', 'format-version': 3 }])
    assert.equal(after['next-row-id'], 0)
    assert.equal(after.snapshots, grown.snapshots)
  })
})

describe('remove-snapshots', () => {
  it('drops what hangs on a snapshot, and the history up to it', () => {
    const file = { 'snapshot-id': 1, 'statistics-path': 's3://b/s', 'file-size-in-bytes': 1 }
    const base = changed(grown, [
      setRef(1, 'old', { type: 'tag' }),
      { action: 'set-partition-statistics', 'partition-statistics': file },
    ])
    const after = changed(base, [remove(1, 99)])
    assert.deepEqual(
      after.snapshots.map((one) => one['snapshot-id']),
      [2],
    )
    assert.deepEqual(Object.keys(after.refs), ['main'])
    assert.deepEqual(after['partition-statistics'], [])
    assert.deepEqual(log(after), [[2, NOW]])
  })
  it('takes main with the current snapshot', () => {
    const after = changed(grown, [remove(2)])
    assert.equal(after['current-snapshot-id'], undefined)
    assert.deepEqual(after.refs, {})
    assert.deepEqual(log(after), [])
  })
  it('takes references along before the next update of the same commit sees them', () => {
    const named = changed(grown, [setRef(1, 'old'), setRef(2, 'new')])
    const { refs } = changed(named, [remove(1), setRef(2, 'old')])
    assert.deepEqual(refs['old'], { type: 'branch', 'snapshot-id': 2 })
    const back = changed(named, [remove(1), addSnapshot(snapshot(1, { 'sequence-number': 9 }))])
    assert.deepEqual(
      Object.keys(back.refs).toSorted(),
      Object.keys(named.refs)
        .filter((name) => name !== 'old')
        .toSorted(),
    )
    const gone = changed(named, [remove(1), { action: 'remove-snapshot-ref', 'ref-name': 'old' }])
    assert.ok(!Object.hasOwn(gone.refs, 'old'))
  })
  it('ignores unknown ids', () => unchanged(grown, [remove(5)]))
  it('copes with a history that is empty (trap 5)', () => {
    const { 'snapshot-log': _log, ...rest } = grown
    assert.deepEqual(log(changed({ ...rest, 'snapshot-log': [] } as TableMetadata, [remove(1)])), [])
  })
})

describe('snapshot log', () => {
  it('forgets snapshots that the same commit replaced', () => {
    const after = changed(grown, [addSnapshot(child(3, 2, 3)), setRef(3), addSnapshot(child(4, 3, 4)), setRef(4)])
    assert.deepEqual(
      log(after).map(([id]) => id),
      [1, 2, 4],
    )
  })
  it('notes a way back at the time of the commit', () => {
    assert.deepEqual(log(changed(grown, [setRef(1)])), [
      [1, NOW],
      [2, NOW],
      [1, NOW + 1000],
    ])
  })
  it('keeps its entries when main goes', () => {
    const after = changed(grown, [{ action: 'remove-snapshot-ref', 'ref-name': 'main' }])
    assert.deepEqual(
      log(after).map(([id]) => id),
      [1, 2],
    )
    assert.equal(after['current-snapshot-id'], undefined)
  })
  it('does not let a snapshot of the far future become current', () => {
    refused(table(), [addSnapshot(snapshot(1, { 'timestamp-ms': NOW + 62_000 })), setRef(1)], /Invalid update timestamp/)
  })
})
