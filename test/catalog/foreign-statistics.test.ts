/** Statistics files may lie anywhere: they are recorded, and nothing is given or taken for them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { placesFor, targetOf } from '../../src/catalog/places/target.ts'
import { loadTable } from '../../src/catalog/tables.ts'
import { updateTable } from '../../src/catalog/update-table.ts'
import { bodyOf, ident, newTable, open } from './setup.ts'

test('a statistics file of anywhere is recorded and answered, and opens no place', async (t) => {
  const fixture = await open(t)
  const { context, call } = fixture
  const { metadata } = await newTable(fixture, 't')
  const other = await newTable(fixture, 'other')
  const snapshot = {
    'snapshot-id': 1,
    'sequence-number': 1,
    'timestamp-ms': Date.now(),
    'manifest-list': `${metadata.location}/metadata/s.avro`,
    summary: { operation: 'append' },
    'schema-id': 0,
  }
  await updateTable(context, call, ident('t'), { requirements: [], updates: [{ action: 'add-snapshot', snapshot }] })
  for (const path of [
    's3://warehouse/x.stats',
    'file:///etc/passwd',
    `${other.metadata.location}/metadata/s.puffin`,
    `${metadata.location}/../other/s.puffin`,
    'stats',
  ]) {
    const file = { 'snapshot-id': 1, 'statistics-path': path, 'file-size-in-bytes': 10 }
    const full = { ...file, 'file-footer-size-in-bytes': 2, 'blob-metadata': [] }
    const updates = [
      { action: 'set-statistics', statistics: full },
      { action: 'set-partition-statistics', 'partition-statistics': file },
    ]
    await updateTable(context, call, ident('t'), { requirements: [], updates })
    const loaded = bodyOf(await loadTable(context, call, ident('t'))).metadata
    assert.deepEqual([loaded.statistics, loaded['partition-statistics']], [[full], [file]])
    const target = targetOf(call, ident('t'), loaded, undefined)
    assert.deepEqual(await placesFor(context, call, target), [metadata.location])
  }
})
