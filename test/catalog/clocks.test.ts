/** Clients' clocks are theirs: what is asked of the time of a snapshot is that the table can be read again. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { updateTable } from '../../src/catalog/update-table.ts'
import { bodyOf, ident, newTable, open, rejects, type LoadResult } from './setup.ts'

test('a client whose clock is slow appends to a new table, and to one that has rows as far as readers allow', async (t) => {
  const fixture = await open(t)
  const { metadata } = await newTable(fixture, 't')
  const append = async (ms: number, id: number, parent?: number): Promise<LoadResult> => {
    const made = {
      'snapshot-id': id,
      ...(parent === undefined ? {} : { 'parent-snapshot-id': parent }),
      'sequence-number': id,
      'timestamp-ms': ms,
      'manifest-list': `${metadata.location}/metadata/snap-${id}.avro`,
      summary: { operation: 'append' },
      'schema-id': 0,
    }
    const main = { action: 'set-snapshot-ref', 'ref-name': 'main', type: 'branch', 'snapshot-id': id }
    const updates = [{ action: 'add-snapshot', snapshot: made }, main]
    return bodyOf(await updateTable(fixture.context, fixture.call, ident('t'), { updates }))
  }
  const slow = Date.now() - 120_000
  const appended = await append(slow, 1)
  assert.equal(appended.metadata['current-snapshot-id'], 1)
  assert.ok(appended.metadata['last-updated-ms'] >= metadata['last-updated-ms'], 'the time of the commit is our own')
  const next = await append(slow - 60_000, 2, 1)
  assert.equal(next.metadata['snapshot-log'].length, 2)
  // The reference can't read a history that goes back by more than a minute, and refuses to write one.
  await assert.rejects(append(slow - 180_000, 3, 2), rejects(400, /Expected sorted snapshot-log/))
})
