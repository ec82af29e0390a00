/** Places beside their own location that tables name for files: whose they are, from when on, and until when. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CatalogCall } from '../../src/catalog/call.ts'
import { createNamespace } from '../../src/catalog/namespaces.ts'
import { registerTable, unregisterTable } from '../../src/catalog/register.ts'
import { renameTable } from '../../src/catalog/rename.ts'
import { createTable } from '../../src/catalog/tables.ts'
import { commitTransaction } from '../../src/catalog/transactions.ts'
import { updateTable } from '../../src/catalog/update-table.ts'
import { bodyOf, forgetPlaces, ident, placesOf, rejects, schema, set } from './setup.ts'
import { NEW, creation, overlaps, overlapsPlace, world } from './shared-bucket.ts'

test('a place belongs to a table for as long as it names it, and to several that do', async (t) => {
  const { context, calls, store } = await world(t)
  const [outer] = calls as [CatalogCall]
  const commit = (name: string, updates: object[]) => updateTable(context, outer, ident(name), { requirements: [], updates })
  const places = async (): Promise<string[]> =>
    (await placesOf(store)).map(({ location }) => location.replace('s3://bucket/wh/', ''))
  const create = (name: string, location: string) => createTable(context, outer, ['other'], { name, schema, location })
  const properties = { 'write.data.path': 's3://bucket/wh/files' }
  for (const name of ['a', 'b']) await createTable(context, outer, ['ns'], { name, schema, properties })
  assert.deepEqual(await places(), ['files', 'files'])
  // Within its own place, or around it, a table may lie.
  await commit('a', [set({ 'write.data.path': 's3://bucket/wh/alone' })])
  await commit('a', [{ action: 'set-location', location: 's3://bucket/wh/alone/a' }])
  await commit('a', [{ action: 'set-location', location: 's3://bucket/wh/alone' }])
  assert.deepEqual(await places(), ['files'], 'what lies within its own location needs no row')
  await commit('a', [{ action: 'set-location', location: 's3://bucket/wh/moved' }])
  assert.deepEqual(await places(), ['alone', 'files'])
  await renameTable(context, outer, { source: ident('a'), destination: ident('c') })
  await assert.rejects(create('x', 's3://bucket/wh/alone/x'), overlapsPlace)
  await commit('c', [{ action: 'remove-properties', removals: ['write.data.path'] }])
  await create('x', 's3://bucket/wh/alone/x')
  await unregisterTable(context, outer, ident('b'))
  assert.deepEqual(await places(), [])
  // What the server makes up may lie within: it is new, and holds nobody's files.
  await createTable(context, outer, ['ns'], {
    name: 'wide',
    schema,
    properties: { 'write.data.path': 's3://bucket/wh/shared0/other/deep' },
  })
  await createNamespace(context, outer, { namespace: ['other', 'deep'] })
  await createTable(context, outer, ['other', 'deep'], { name: 'made', schema })
})

test('of one transaction, too, no table lies where another one names a place', async (t) => {
  const { context, calls } = await world(t)
  const [outer] = calls as [CatalogCall]
  await createTable(context, outer, ['ns'], { name: 'a', schema })
  const transaction = (location: string) =>
    commitTransaction(context, outer, {
      'table-changes': [
        { identifier: ident('a'), requirements: [], updates: [set({ 'write.data.path': 's3://bucket/wh/files' })] },
        { identifier: ident('b', 'other'), ...NEW, updates: creation(location) },
      ],
    })
  for (const place of ['s3://bucket/wh/files', 's3://bucket/wh/files/b']) {
    await assert.rejects(transaction(place), rejects(400, /overlaps that of another table of the request/))
  }
  await transaction('s3://bucket/wh/files2')
})

test('a place whose table a server of before has dropped is free', async (t) => {
  const { context, calls, store } = await world(t)
  const [outer] = calls as [CatalogCall]
  const row = { tenant_id: 't1', location: 's3://bucket/wh/files', entry_id: 'gone' }
  await store.write([{ op: 'insert', entity: 'places', row }])
  await createTable(context, outer, ['ns'], { name: 'a', schema, location: 's3://bucket/wh/files/a' })
  await createTable(context, outer, ['ns'], { name: 'b', schema, properties: { 'write.data.path': 's3://bucket/wh/more' } })
  await assert.rejects(createTable(context, outer, ['ns'], { name: 'c', schema, location: 's3://bucket/wh/more' }), overlapsPlace)
})

test('registering over a table brings the places of the new metadata, and frees the others', async (t) => {
  const { context, calls, store } = await world(t)
  const [outer] = calls as [CatalogCall]
  const properties = { 'write.data.path': 's3://bucket/wh/one' }
  const { metadata } = bodyOf(await createTable(context, outer, ['ns'], { name: 'a', schema, properties }))
  const file = `${outer.catalog.root}/foreign.metadata.json`
  await outer.catalog.storage.create(
    file,
    Buffer.from(JSON.stringify({ ...metadata, properties: { 'write.metadata.path': 's3://bucket/wh/two' } })),
  )
  await registerTable(context, outer, ['ns'], { name: 'a', 'metadata-location': file, overwrite: true })
  assert.deepEqual(
    (await placesOf(store)).map(({ location }) => location),
    ['s3://bucket/wh/two'],
  )
})

test('of a table that names a place for its files and one that is created there at once exactly one wins', async (t) => {
  for (let round = 0; round < 10; round++) {
    const one = await world(t)
    const two = one.another()
    const [call] = one.calls as [CatalogCall]
    await createTable(one.context, call, ['ns'], { name: 'a', schema })
    const naming = { requirements: [], updates: [set({ 'write.data.path': 's3://bucket/wh/spot' })] }
    const results = await Promise.allSettled([
      updateTable(one.context, call, ident('a'), naming),
      createTable(two.context, call, ['other'], { name: 'b', schema, location: 's3://bucket/wh/spot/b' }),
    ])
    assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1)
  }
})

test('a table whose place for files was taken before the rule was made works on, and may leave it', async (t) => {
  const { context, calls, store } = await world(t)
  const [outer] = calls as [CatalogCall]
  const commit = (name: string, updates: object[]) => updateTable(context, outer, ident(name), { requirements: [], updates })
  await createTable(context, outer, ['ns'], { name: 'a', schema, properties: { 'write.data.path': 's3://bucket/wh/files' } })
  await forgetPlaces(store)
  await createTable(context, outer, ['ns'], { name: 'b', schema, location: 's3://bucket/wh/files/b' })
  await commit('a', [set({ other: 'property' })])
  await commit('a', [set({ 'write.data.path': 's3://bucket/wh/files' })])
  await assert.rejects(commit('a', [set({ 'write.data.path': 's3://bucket/wh/files/b/c' })]), overlaps)
  await commit('a', [{ action: 'remove-properties', removals: ['write.data.path'] }])
})
