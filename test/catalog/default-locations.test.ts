/** Where tables and views go whose creators name no place: at their names, as long as nothing is and nothing was there. */
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import type { CatalogHandle } from '../../src/catalog/call.ts'
import { dropTable, dropView } from '../../src/catalog/drop.ts'
import { createNamespace, updateProperties } from '../../src/catalog/namespaces.ts'
import { registerTable, unregisterTable } from '../../src/catalog/register.ts'
import { renameTable } from '../../src/catalog/rename.ts'
import { createTable } from '../../src/catalog/tables.ts'
import { updateTable } from '../../src/catalog/update-table.ts'
import { createView } from '../../src/catalog/views.ts'
import { StorageError, type ObjectStore } from '../../src/storage/storage.ts'
import { VIEW_VERSION, bodyOf, ident, open, rejects, schema, type Fixture } from './setup.ts'
import { NEW, creation } from './shared-bucket.ts'

const table = async ({ context, call }: Fixture, name: string, namespace = ['ns'], more: object = {}) =>
  bodyOf(await createTable(context, call, namespace, { name, schema, ...more })).metadata.location as string
const view = async ({ context, call }: Fixture, name: string, namespace = ['ns']) =>
  bodyOf(await createView(context, call, namespace, { name, schema, 'view-version': VIEW_VERSION })).metadata.location as string
const suffixed = (location: string, plain: string) => assert.match(location.replace(plain, ''), /^-[0-9a-f]{8}$/, location)
const withCatalog = (fixture: Fixture, catalog: Partial<CatalogHandle>): Fixture => ({
  ...fixture,
  call: { ...fixture.call, catalog: { ...fixture.call.catalog, ...catalog } },
})
const withStorage = (fixture: Fixture, storage: Partial<ObjectStore>): Fixture =>
  withCatalog(fixture, { storage: { ...fixture.call.catalog.storage, ...storage } })

describe('a new table or view', () => {
  test('lies at its name below its namespace, whichever way it is created', async (t) => {
    const fixture = await open(t)
    const { context, call, catalog } = fixture
    const at = (name: string) => `${catalog.root}/ns/${name}`
    assert.equal(await table(fixture, 't'), at('t'))
    assert.equal(await view(fixture, 'v'), at('v'))
    const updates = creation('').slice(0, -1)
    const committed = bodyOf(await updateTable(context, call, ident('c'), { ...NEW, updates }))
    assert.equal(committed.metadata.location, at('c'))
    await createNamespace(context, call, { namespace: ['ns', 'in'], properties: { location: `${catalog.root}/apart` } })
    assert.equal(await table(fixture, 't', ['ns', 'in']), `${catalog.root}/apart/t`)
  })

  test('never finds the files of one before: dropped, unregistered, renamed, moved, purged and not done yet', async (t) => {
    const fixture = await open(t)
    const { context, call, catalog, store } = fixture
    const at = (name: string) => `${catalog.root}/ns/${name}`
    for (const name of ['dropped', 'unregistered', 'renamed', 'purged', 'moved']) await table(fixture, name)
    await view(fixture, 'view')
    await dropTable(context, call, ident('dropped'))
    await dropView(context, call, ident('view'))
    const left = bodyOf(await unregisterTable(context, call, ident('unregistered')))
    await renameTable(context, call, { source: ident('renamed'), destination: ident('other') })
    await dropTable(context, call, ident('purged'), { purgeRequested: true })
    const location = `file://${fixture.folder}/extra/moved`
    await updateTable(context, call, ident('moved'), { requirements: [], updates: [{ action: 'set-location', location }] })
    await renameTable(context, call, { source: ident('moved'), destination: ident('moved2') })
    for (const name of ['dropped', 'unregistered', 'renamed', 'purged', 'moved']) suffixed(await table(fixture, name), at(name))
    suffixed(await view(fixture, 'view'), at('view'))
    await registerTable(context, call, ['ns'], { name: 'back', 'metadata-location': left['metadata-location']! })

    // What is purged, files and all, leaves its place.
    await dropTable(context, call, ident('purged'), { purgeRequested: true })
    for (const { id } of await store.list('tasks', { index: 'primary', where: {}, limit: 9 })) {
      await store.write([{ op: 'remove', entity: 'tasks', key: { id }, expected: 'any' }])
    }
    for await (const file of catalog.storage.list(`${at('purged')}/`)) await catalog.storage.delete([file.location])
    assert.equal(await table(fixture, 'purged'), at('purged'))
  })

  test('takes no place that something else has: files, a table, its files, a namespace', async (t) => {
    const fixture = await open(t)
    const { context, call, catalog, folder } = fixture
    const at = (name: string) => `${catalog.root}/ns/${name}`
    const disk = (name: string) => `${folder}/lake/ns/${name}`
    mkdirSync(disk('files/deep'), { recursive: true })
    writeFileSync(disk('files/deep/x.parquet'), '')
    mkdirSync(disk('empty/deep'), { recursive: true })
    writeFileSync(disk('file'), 'x')
    await table(fixture, 'other', ['ns'], { location: at('taken/deep/down') })
    await table(fixture, 'naming', ['ns'], { properties: { 'write.data.path': at('data/deep') } })
    for (const namespace of [['ns', 'child'], ['z']]) await createNamespace(context, call, { namespace })
    await updateProperties(context, call, ['z'], { updates: { location: at('told/z') } })
    for (const name of ['files', 'file', 'taken', 'data', 'child', 'told']) suffixed(await table(fixture, name), at(name))
    assert.equal(await table(fixture, 'empty'), at('empty'))
    assert.equal(await table(fixture, 'fil'), at('fil'))
    assert.equal(await table(fixture, 't', ['ns', 'child']), at('child/t'))
    assert.equal(await table(fixture, 't', ['z']), at('told/z/t'))
  })

  test('goes elsewhere when its namespace has come to lie in a table', async (t) => {
    const fixture = await open(t)
    const { context, call, catalog, folder } = fixture
    const outer = await table(fixture, 'child')
    await createNamespace(context, call, { namespace: ['ns', 'child'] })
    await createNamespace(context, call, { namespace: ['z'], properties: { location: `file://${folder}/extra/a/z` } })
    await table(fixture, 'around', ['ns'], { location: `file://${folder}/extra/a` })
    for (const namespace of [['ns', 'child'], ['z']]) {
      const [one, two] = [await table(fixture, 'a', namespace), await view(fixture, 'b', namespace)]
      for (const location of [one, two]) {
        assert.match(location.replace(`${catalog.root}/`, ''), /^[0-9a-f]{8}-[0-9a-f-]{27}$/)
        assert.equal(location.startsWith(`${outer}/`), false)
      }
    }
  })

  test('is the name when its creation is staged, which the first commit takes', async (t) => {
    const fixture = await open(t)
    const { context, call, catalog } = fixture
    const plain = `${catalog.root}/ns/t`
    const staged = async () =>
      bodyOf(await createTable(context, call, ['ns'], { name: 't', schema, 'stage-create': true })).metadata
    const commit = (one: { location: string; 'table-uuid': string }, name = 't') => {
      const updates = [{ action: 'assign-uuid', uuid: one['table-uuid'] }, ...creation(one.location)]
      return updateTable(context, call, ident(name), { ...NEW, updates })
    }
    const [one, two] = [await staged(), await staged()]
    assert.deepEqual([one.location, two.location], [plain, plain])
    assert.notEqual(one['table-uuid'], two['table-uuid'])
    const { metadata } = bodyOf(await commit(two))
    assert.equal(metadata.location, plain)
    await assert.rejects(commit(one), rejects(409, /already exists/i))
    await assert.rejects(commit(one, 'other'), rejects(400, /overlaps the location of another table/))
    // What is there keeps the next one away, in whatever way it is made.
    await dropTable(context, call, ident('t'))
    suffixed((await staged()).location, plain)
    suffixed(await table(fixture, 't'), plain)
  })

  test('has an ending where the storage does not list', async (t) => {
    const fixture = await open(t)
    for (const kind of ['forbidden', 'unavailable', 'invalid'] as const) {
      const blind = withStorage(fixture, {
        // oxlint-disable-next-line require-yield
        list: async function* () {
          throw new StorageError(kind, 'AccessDenied')
        },
      })
      suffixed(await table(blind, kind), `${fixture.catalog.root}/ns/${kind}`)
    }
  })

  test('is not stopped by the folders that object stores keep as empty objects, and asks for few names', async (t) => {
    const fixture = await open(t)
    const asked: unknown[] = []
    const listing = (objects: readonly { path: string; sizeBytes: number }[]) =>
      withStorage(fixture, {
        list: async function* (prefix, options) {
          asked.push(options)
          for (const { path, sizeBytes } of objects) yield { location: `${prefix}${path}`, sizeBytes }
        },
      })
    const folders = ['', 'data/', 'metadata/'].map((path) => ({ path, sizeBytes: 0 }))
    const at = (name: string) => `${fixture.catalog.root}/ns/${name}`
    assert.equal(await table(listing(folders), 'a'), at('a'))
    suffixed(await table(listing([...folders, { path: 'data/x', sizeBytes: 0 }]), 'b'), at('b'))
    suffixed(await table(listing([{ path: 'odd/', sizeBytes: 3 }]), 'c'), at('c'))
    assert.deepEqual(asked, [{ pageSize: 4 }, { pageSize: 4 }, { pageSize: 4 }])
  })

  test('lies as the layout of its warehouse says, which asks the storage nothing', async (t) => {
    const fixture = await open(t)
    const storage = {
      ...fixture.catalog.storage,
      list: () => {
        throw new Error('listed')
      },
    }
    const { location } = bodyOf(
      await createTable(fixture.context, withCatalog(fixture, { tableLayout: 'uuid', storage }).call, ['ns'], {
        name: 'u',
        schema,
      }),
    ).metadata
    assert.match(location, /\/lake\/ns\/u-[0-9a-f]{8}-[0-9a-f-]{27}$/)
    suffixed(await table(withCatalog(fixture, { tableLayout: 'suffix', storage }), 's'), `${fixture.catalog.root}/ns/s`)
  })
})

describe('of two processes', () => {
  test('that create tables of one name in namespaces of one location, each gets a place of its own', async (t) => {
    for (let round = 0; round < 5; round++) {
      const one = await open(t)
      const two = one.another()
      const location = `${one.catalog.root}/shared`
      const namespaces = ['a', 'b', 'c', 'd']
      for (const name of namespaces) {
        await createNamespace(one.context, one.call, { namespace: [name], properties: { location } })
      }
      await createNamespace(one.context, one.call, { namespace: ['inner'], properties: { location: `${location}/t/x` } })
      const created = await Promise.all([
        ...namespaces.map((name, n) => table(n % 2 ? one : two, 't', [name])),
        table(two, 'u', ['inner']),
      ])
      assert.equal(new Set(created).size, 5)
      for (const a of created) for (const b of created) assert.equal(a !== b && b.startsWith(`${a}/`), false, `${a} around ${b}`)
    }
  })

  test('that create a table and a namespace of its name, neither ends in the other', async (t) => {
    for (const first of ['table', 'namespace'] as const) {
      const one = await open(t)
      const two = one.another()
      const makeTable = (fixture: Fixture) => table(fixture, 'x')
      const makeNamespace = ({ context, call }: Fixture) => createNamespace(context, call, { namespace: ['ns', 'x'] })
      one.hooks.write = async (mutations, next) => {
        one.hooks.write = undefined
        if (first === 'table') await makeNamespace(two)
        else await makeTable(two)
        return next(mutations)
      }
      if (first === 'table') suffixed(await makeTable(one), `${one.catalog.root}/ns/x`)
      else await makeNamespace(one)
      const [outer] = await one.store.list('entries', { index: 'primary', where: { tenant_id: 't1' }, limit: 9 })
      const inner = await table(one, 'y', ['ns', 'x'])
      assert.equal(inner.startsWith(`${outer!.location}/`), false)
    }
  })
})
