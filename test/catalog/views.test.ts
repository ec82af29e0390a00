import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createNamespace } from '../../src/catalog/namespaces.ts'
import { registerTable } from '../../src/catalog/register.ts'
import { loadTable } from '../../src/catalog/tables.ts'
import {
  createView,
  dropView,
  listViews,
  loadView,
  registerView,
  renameView,
  replaceView,
  viewExists,
} from '../../src/catalog/views.ts'
import { bodyOf, ident, newTable, open, rejects, schema, set } from './setup.ts'
import type { Fixture } from './setup.ts'

const version = (sql: string, id = 1) => ({
  'version-id': id,
  'timestamp-ms': 1,
  'schema-id': 0,
  summary: { 'engine-name': 'spark' },
  'default-namespace': ['ns'],
  representations: [{ type: 'sql', sql, dialect: 'spark' }],
})
const create = async ({ context, call }: Fixture, name: string, more: object = {}) =>
  bodyOf(
    await createView(context, call, ['ns'], {
      name,
      schema: { ...schema, 'schema-id': 0 },
      'view-version': version('select 1'),
      properties: {},
      ...more,
    }),
  )
const replaceWith = (sql: string) => [
  { action: 'add-view-version', 'view-version': version(sql, 2) },
  { action: 'set-current-view-version', 'view-version-id': -1 },
]

test('a view is created, loaded, replaced, listed, renamed and dropped', async (t) => {
  const fixture = await open(t)
  const { context, call } = fixture
  const created = await create(fixture, 'v', { properties: { a: 'b' } })
  assert.match(created['metadata-location'] as string, /\/ns\/v\/metadata\/00000-[0-9a-f-]{36}\.metadata\.json$/)
  assert.deepEqual(bodyOf(await loadView(context, call, ident('v'))), created)
  const requirements = [{ type: 'assert-view-uuid', uuid: created.metadata['view-uuid'] }]
  const replaced = bodyOf(await replaceView(context, call, ident('v'), { requirements, updates: replaceWith('select 2') }))
  assert.match(replaced['metadata-location'] as string, /\/00001-/)
  assert.equal(replaced.metadata['current-version-id'], 2)
  assert.equal(replaced.metadata.versions.length, 2)
  assert.deepEqual(bodyOf(await loadView(fixture.another().context, call, ident('v'))), replaced)
  await createNamespace(context, call, { namespace: ['o'] })
  await renameView(context, call, { source: ident('v'), destination: ident('w', 'o') })
  assert.deepEqual((await listViews(context, call, ['o'], {})).identifiers, [ident('w', 'o')])
  await assert.rejects(viewExists(context, call, ident('v')), rejects(404, /^View does not exist: ns\.v$/, 'NoSuchViewException'))
  await dropView(context, call, ident('w', 'o'))
  await assert.rejects(dropView(context, call, ident('w', 'o')), rejects(404, /View does not exist: o\.w/))
})

test('views and tables share names and are not each other', async (t) => {
  const fixture = await open(t)
  const { context, call } = fixture
  const table = await newTable(fixture, 't')
  await create(fixture, 'v')
  await assert.rejects(create(fixture, 't'), rejects(409, /^Table with same name already exists: ns\.t$/))
  await assert.rejects(create(fixture, 'v'), rejects(409, /^View already exists: ns\.v$/))
  await assert.rejects(loadView(context, call, ident('t')), rejects(404, /View does not exist: ns\.t/))
  await assert.rejects(async () => loadTable(context, call, ident('v')), rejects(404, /Table does not exist: ns\.v/))
  await assert.rejects(dropView(context, call, ident('t')), rejects(404, /View does not exist/))
  const rename = renameView(context, call, { source: ident('v'), destination: ident('t') })
  await assert.rejects(rename, rejects(409, /^Cannot rename ns\.v to ns\.t\. Table already exists$/))
  const over = registerTable(context, call, ['ns'], {
    name: 'v',
    'metadata-location': table['metadata-location'] as string,
    overwrite: true,
  })
  await assert.rejects(over, rejects(409, /^View with same name already exists: ns\.v$/))
})

test('requirements, unknown updates and no change', async (t) => {
  const fixture = await open(t)
  const { context, call, files } = fixture
  await create(fixture, 'v', { properties: { a: 'b' } })
  const replace = (updates: object[], requirements: object[] = []) =>
    replaceView(context, call, ident('v'), { requirements, updates })
  const foreign = [{ type: 'assert-view-uuid', uuid: '00000000-0000-4000-8000-000000000000' }]
  await assert.rejects(replace([set({ a: 'c' })], foreign), rejects(409, /uuid/i, 'CommitFailedException'))
  await assert.rejects(replace([{ action: 'add-snapshot', snapshot: {} }]), rejects(400, /add-snapshot/))
  await replace([set({ a: 'b' })])
  assert.equal(files().length, 1)
  const outside = replace([{ action: 'set-location', location: 'file:///etc' }])
  await assert.rejects(outside, rejects(400, /etc/))
})

test('concurrent replacements of two processes are all kept', async (t) => {
  const one = await open(t)
  const two = one.another()
  await create(one, 'v')
  const replace = (n: number) => {
    const { context, call } = n % 2 ? one : two
    return replaceView(context, call, ident('v'), { requirements: [], updates: [set({ [`k${n}`]: 'v' })] })
  }
  await Promise.all(Array.from({ length: 20 }, (_, n) => replace(n)))
  const { metadata } = bodyOf(await loadView(one.context, one.call, ident('v')))
  assert.equal(Object.keys(metadata.properties).filter((key) => key.startsWith('k')).length, 20)
})

test('a view with a location of its own, and one for its metadata', async (t) => {
  const fixture = await open(t)
  const location = `file://${fixture.folder}/extra/v`
  const path = `file://${fixture.folder}/extra/meta`
  const created = await create(fixture, 'v', { location, properties: { 'write.metadata.path': path } })
  assert.equal(created.metadata.location, location)
  assert.ok(created['metadata-location']?.startsWith(`${path}/`))
})

test('a dropped view is registered again', async (t) => {
  const fixture = await open(t)
  const { context, call } = fixture
  const created = await create(fixture, 'v')
  const file = created['metadata-location'] as string
  const register = (name: string) => registerView(context, call, ['ns'], { name, 'metadata-location': file })
  await assert.rejects(register('v'), rejects(409, /^View already exists: ns\.v$/))
  await dropView(context, call, ident('v'))
  assert.deepEqual(bodyOf(await register('v')), created)
  const asTable = registerTable(context, call, ['ns'], { name: 't', 'metadata-location': file })
  await assert.rejects(asTable, rejects(400, /./), 'a view is no table')
})
