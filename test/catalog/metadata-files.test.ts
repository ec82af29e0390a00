import assert from 'node:assert/strict'
import { test } from 'node:test'
import { stage } from '../../src/catalog/commits/commit.ts'
import { updateTable } from '../../src/catalog/update-table.ts'
import { createMetadataCache } from '../../src/catalog/documents/metadata-cache.ts'
import { registerTable } from '../../src/catalog/register.ts'
import { loadTable } from '../../src/catalog/tables.ts'
import type { TableMetadata } from '../../src/iceberg/table-metadata.ts'
import { StorageError } from '../../src/storage/storage.ts'
import { bodyOf, ident, newTable, open, rejects, set } from './setup.ts'

test('metadata that could not be read again is not written', async (t) => {
  const fixture = await open(t)
  const most = 128 * 1024 * 1024
  const { catalog } = fixture
  const context = { ...fixture.context, limits: { ...fixture.context.limits, bytes: most } }
  const { metadata } = await newTable(fixture, 't')
  const staged = (json: string) =>
    stage(context, catalog, { identifier: ident('t'), kind: 'table', row: undefined }, metadata as TableMetadata, () => [json])
  assert.equal(staged('x'.repeat(most)).document.json.length, most)
  assert.throws(() => staged('x'.repeat(most + 1)), rejects(400, /ns\.t would be larger than 134217728 bytes/))
  assert.throws(() => staged('é'.repeat(most / 2 + 1)), rejects(400, /would be larger/))
})

test('a storage that fails after the change has landed does not turn success into an error', async (t) => {
  const fixture = await open(t, { cache: createMetadataCache({ maxBytes: 0 }) })
  const { context, call } = fixture
  await newTable(fixture, 't')
  let landed = false
  fixture.hooks.write = async (mutations, next) => {
    const versions = await next(mutations)
    landed = true
    return versions
  }
  fixture.hooks.read = () => {
    if (landed) throw new StorageError('unavailable', 'away')
  }
  const committed = await updateTable(context, call, ident('t'), { requirements: [], updates: [set({ a: '1' })] })
  assert.equal(bodyOf(committed).metadata.properties.a, '1')
  landed = false
  assert.match((await newTable(fixture, 'u')).metadata.location, /\/u$/)
  landed = false
  const file = bodyOf(await loadTable(context, call, ident('t')))['metadata-location'] as string
  const registered = await registerTable(context, call, ['ns'], { name: 't', 'metadata-location': file, overwrite: true })
  assert.equal(bodyOf(registered)['metadata-location'], file)
})
