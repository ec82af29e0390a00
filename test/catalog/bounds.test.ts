/** What a narrowed token can do with use cases: everything inside, nothing outside, and nothing learned of it. */
import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'
import { createBounds, type Bound } from '../../src/access/bounds.ts'
import type { CatalogCall, CatalogHandle } from '../../src/catalog/call.ts'
import { updateTable } from '../../src/catalog/update-table.ts'
import { dropTable } from '../../src/catalog/drop.ts'
import { createNamespace, listNamespaces, loadNamespaceMetadata, updateProperties } from '../../src/catalog/namespaces.ts'
import { registerTable } from '../../src/catalog/register.ts'
import { renameTable } from '../../src/catalog/rename.ts'
import { createTable, listTables, loadTable } from '../../src/catalog/tables.ts'
import { commitTransaction } from '../../src/catalog/transactions.ts'
import { createView, listViews, loadView } from '../../src/catalog/views.ts'
import { canonicalLocation } from '../../src/iceberg/location.ts'
import { faultyStore } from '../stores/faulty.ts'
import { NEW_TABLE, VIEW_VERSION, bodyOf, ident, key7, open, rejects, schema, set, withKey, type Fixture } from './setup.ts'

type Part = Omit<Bound, 'catalog'>
const narrowed = (call: CatalogCall, access: 'read' | 'read-write', ...parts: Part[]): CatalogCall => ({
  ...call,
  principal: {
    ...call.principal,
    bounds: createBounds(
      access,
      parts.map((part) => ({ catalog: call.catalog.name, ...part })),
    ),
  },
})
const forbidden = rejects(403, /does not allow/, 'ForbiddenException')
/** As what does not exist. */
const hidden = rejects(404, /does not exist/)
const refused = rejects(400, /./)

/** Namespaces a, a.b, a.b.c, ab, z with the tables t and u in each of them. */
async function populated(t: TestContext): Promise<Fixture> {
  const fixture = await open(t)
  for (const namespace of [['a'], ['a', 'b'], ['a', 'b', 'c'], ['ab'], ['z']]) {
    await createNamespace(fixture.context, fixture.call, { namespace, properties: { owner: 'ada' } })
    for (const name of ['t', 'u']) await createTable(fixture.context, fixture.call, namespace, { name, schema })
  }
  return fixture
}

const catalogAt = (fixture: Fixture, root: string): CatalogHandle => ({ ...fixture.catalog, root: canonicalLocation(root) })

describe('bounds: listings', () => {
  test('namespaces within, and those on the way there without their properties', async (t) => {
    const { context, call } = await populated(t)
    const mine = narrowed(call, 'read', { namespace: ['a', 'b'] }, { namespace: ['z'], table: 't' }, { namespace: ['gone'] })
    const list = async (parent?: string[]) => (await listNamespaces(context, mine, parent, {})).namespaces
    assert.deepEqual(await list(), [['a'], ['z']])
    assert.deepEqual(await list(['a']), [['a', 'b']])
    assert.deepEqual(await list(['a', 'b']), [['a', 'b', 'c']])
    assert.deepEqual(await list(['z']), [])
    await assert.rejects(list(['ab']), hidden)
    await assert.rejects(list(['never-made']), hidden)
    assert.deepEqual(await loadNamespaceMetadata(context, mine, ['a']), { namespace: ['a'], properties: {} })
    assert.deepEqual((await loadNamespaceMetadata(context, mine, ['a', 'b'])).properties, {
      owner: 'ada',
      location: `${call.catalog.root}/a/b`,
    })
    await assert.rejects(async () => loadNamespaceMetadata(context, mine, ['ab']), hidden)
    await assert.rejects(updateProperties(context, narrowed(call, 'read-write', { namespace: ['a', 'b'] }), ['a'], {}), forbidden)
  })

  test('tables and views within, and nothing where there is only a way', async (t) => {
    const { context, call } = await populated(t)
    const view = { name: 'v', schema, properties: {}, 'view-version': IN_A }
    await createView(context, call, ['a'], view)
    const mine = narrowed(
      call,
      'read',
      { namespace: ['a', 'b'] },
      { namespace: ['a'], table: 'u' },
      { namespace: ['a'], table: 'v' },
    )
    const names = async (list: typeof listTables, namespace: string[]) =>
      (await list(context, mine, namespace, {})).identifiers.map(({ name }) => name)
    assert.deepEqual(await names(listTables, ['a']), ['u'])
    assert.deepEqual(await names(listViews, ['a']), ['v'])
    assert.deepEqual(await names(listTables, ['a', 'b']), ['t', 'u'])
    assert.deepEqual(await names(listTables, ['a', 'b', 'c']), ['t', 'u'])
    await assert.rejects(names(listTables, ['z']), hidden)
    assert.equal((await loadView(context, mine, ident('v', 'a'))).status, 200)
  })

  test('in pages, in the order of all names, one look at the store for a page, with tokens of their own', async (t) => {
    const fixture = await open(t)
    const { context, call } = fixture
    const all = ['𝒳', 'ﬀ', 'z', 'b', 'a', 'é', 'e\u0301', 'A', '10', '9']
    for (const name of all) await createTable(context, call, ['ns'], { name, schema })
    const some = ['z', 'é', '9', '𝒳', 'ﬀ', 'never-made']
    const mine = narrowed(call, 'read', ...some.map((table) => ({ namespace: ['ns'], table })))
    const inOrder = (await listTables(context, call, ['ns'], {})).identifiers.map(({ name }) => name)
    const counted = faultyStore(context.store)
    const pages: string[][] = []
    let pageToken: string | null = ''
    while (pageToken !== null) {
      const page = await listTables({ ...context, store: counted }, mine, ['ns'], { pageToken, pageSize: 2 })
      pages.push(page.identifiers.map(({ name }) => name))
      pageToken = page['next-page-token']
    }
    assert.deepEqual(
      pages.flat(),
      inOrder.filter((name) => some.includes(name)),
    )
    assert.deepEqual(
      pages.map(({ length }) => length),
      [2, 2, 1],
    )
    assert.deepEqual([counted.calls.getMany, counted.calls.list, counted.calls.get], [3, 0, 3])
    // A token of other bounds, or of none, is not taken.
    const other = narrowed(call, 'read', { namespace: ['ns'] })
    const first = await listTables(context, other, ['ns'], { pageToken: '', pageSize: 2 })
    const mineFirst = await listTables(context, mine, ['ns'], { pageToken: '', pageSize: 2 })
    for (const [asker, token] of [
      [mine, first],
      [other, mineFirst],
      [call, mineFirst],
      [mine, await listTables(context, call, ['ns'], { pageToken: '', pageSize: 2 })],
    ] as const) {
      await assert.rejects(
        async () => listTables(context, asker, ['ns'], { pageToken: token['next-page-token']!, pageSize: 2 }),
        refused,
      )
    }
  })
})

describe('bounds: changes', () => {
  test('inside, everything goes that went without them', async (t) => {
    const { context, call } = await populated(t)
    const mine = narrowed(call, 'read-write', { namespace: ['a', 'b'] })
    await createNamespace(context, mine, { namespace: ['a', 'b', 'new'] })
    const made = bodyOf(await createTable(context, mine, ['a', 'b', 'new'], { name: 'made', schema }))
    await updateTable(context, mine, ident('made', 'a', 'b', 'new'), { requirements: [], updates: [set({ a: 'b' })] })
    await renameTable(context, mine, { source: ident('made', 'a', 'b', 'new'), destination: ident('moved', 'a', 'b') })
    await commitTransaction(context, mine, {
      'table-changes': ['moved', 't'].map((name) => ({
        identifier: ident(name, 'a', 'b'),
        requirements: [],
        updates: [set({ c: 'd' })],
      })),
    })
    const { metadata } = bodyOf(await loadTable(context, mine, ident('moved', 'a', 'b')))
    assert.deepEqual([metadata.properties.a, metadata.properties.c, metadata.location], ['b', 'd', made.metadata.location])
    await dropTable(context, mine, ident('moved', 'a', 'b'), { purgeRequested: true })
  })

  test('one table: staged, created, committed, dropped and created again under its name', async (t) => {
    const { context, call } = await populated(t)
    const mine = narrowed(call, 'read-write', { namespace: ['a'], table: 'new' })
    const staged = bodyOf(await createTable(context, mine, ['a'], { name: 'new', schema, 'stage-create': true })).metadata
    const { location, 'table-uuid': uuid } = staged
    const updates = [
      { action: 'assign-uuid', uuid },
      { action: 'upgrade-format-version', 'format-version': 2 },
      ...NEW_TABLE,
      { action: 'set-location', location },
    ]
    const create = { requirements: [{ type: 'assert-create' }], updates }
    await assert.rejects(updateTable(context, mine, ident('new2', 'a'), create), forbidden)
    const elsewhere = [...updates.slice(0, -1), { action: 'set-location', location: `${location}-elsewhere` }]
    await assert.rejects(updateTable(context, mine, ident('new', 'a'), { ...create, updates: elsewhere }), forbidden)
    await updateTable(context, mine, ident('new', 'a'), create)
    await updateTable(context, mine, ident('new', 'a'), {
      requirements: [],
      updates: [set({ 'write.data.path': `${location}/files` })],
    })
    await dropTable(context, mine, ident('new', 'a'))
    await createTable(context, mine, ['a'], { name: 'new', schema })
  })

  test('a name that is moved out is out, and nothing is moved in or out by its own right', async (t) => {
    const { context, call } = await populated(t)
    const mine = narrowed(call, 'read-write', { namespace: ['a'] })
    const [inside, outside] = [ident('t', 'a'), ident('t', 'z')]
    await assert.rejects(renameTable(context, mine, { source: inside, destination: ident('new', 'z') }), hidden)
    await assert.rejects(renameTable(context, mine, { source: outside, destination: ident('new', 'a') }), hidden)
    await assert.rejects(renameTable(context, mine, { source: ident('never', 'z'), destination: ident('new', 'a') }), hidden)
    await renameTable(context, call, { source: inside, destination: ident('moved', 'z') })
    await assert.rejects(async () => loadTable(context, mine, ident('moved', 'z')), hidden)
    await assert.rejects(async () => loadTable(context, mine, inside), rejects(404, /does not exist/))
    const reader = narrowed(call, 'read', { namespace: ['z'], table: 't' })
    await dropTable(context, call, outside)
    await createTable(context, call, ['z'], { name: 't', schema })
    assert.equal((await loadTable(context, reader, outside)).status, 200, 'what is created in its place is within')
  })

  test('a transaction with one table outside changes none', async (t) => {
    const { context, call } = await populated(t)
    const mine = narrowed(call, 'read-write', { namespace: ['a'] })
    const before = (await loadTable(context, call, ident('t', 'a'))).etag
    for (const outside of [ident('t', 'z'), ident('never', 'z'), ident('t', 'ab')]) {
      const changes = [ident('t', 'a'), outside].map((identifier) => ({
        identifier,
        requirements: [],
        updates: [set({ a: 'b' })],
      }))
      await assert.rejects(commitTransaction(context, mine, { 'table-changes': changes }), hidden)
      await assert.rejects(commitTransaction(context, mine, { 'table-changes': changes.toReversed() }), hidden)
    }
    assert.equal((await loadTable(context, call, ident('t', 'a'))).etag, before)
  })

  test('an outcome is not told to who may not have it, under whosever Idempotency-Key', async (t) => {
    const { context, call } = await populated(t)
    const commit = { requirements: [], updates: [set({ secret: 'hush' })] }
    const keyed = withKey(call, key7(1))
    await updateTable(context, keyed, ident('t', 'z'), commit)
    const mine = narrowed(keyed, 'read-write', { namespace: ['a'] })
    await assert.rejects(updateTable(context, mine, ident('t', 'z'), commit), hidden)
    // What a token is narrowed to is part of the request.
    const other = { ...mine, idempotency: { ...keyed.idempotency!, fingerprint: 'another' } }
    await assert.rejects(dropTable(context, other, ident('t', 'z')), rejects(422, /used before/))
  })
})

describe('bounds: places', () => {
  test('a narrowed token names no places outside of its own', async (t) => {
    const fixture = await populated(t)
    const { context, call, catalog } = fixture
    const mine = narrowed(call, 'read-write', { namespace: ['a', 'b'] })
    const [root, identifier] = [catalog.root, ident('t', 'a', 'b')]
    const others = bodyOf(await loadTable(context, call, ident('t', 'z'))).metadata.location as string
    const outside = [
      `${root}/z/new`,
      `${root}/a/new`,
      `${root}/a/bc`,
      `${root}/ab/x`,
      others,
      `${others}/x`,
      root,
      `file://${fixture.folder}/extra/x`,
    ]
    for (const location of outside) {
      const commit = (update: object) => updateTable(context, mine, identifier, { requirements: [], updates: [update] })
      await assert.rejects(
        createTable(context, mine, ['a', 'b'], { name: 'new', schema, location }),
        (error) => refusedOr403(error),
        location,
      )
      await assert.rejects(commit({ action: 'set-location', location }), refusedOr403, location)
      for (const key of ['write.data.path', 'write.metadata.path', 'write.object-storage.path', 'write.folder-storage.path']) {
        await assert.rejects(commit(set({ [key]: location })), refusedOr403, `${key} ${location}`)
        await assert.rejects(
          createTable(context, mine, ['a', 'b'], { name: 'new', schema, properties: { [key]: location } }),
          refusedOr403,
        )
      }
      const view = { name: 'v', schema, properties: {}, 'view-version': IN_A, location }
      await assert.rejects(createView(context, mine, ['a', 'b'], view), refusedOr403, location)
    }
    for (const location of [`${root}/a/b/mine`, `${root}/a/b/c/mine`]) {
      const properties = { 'write.data.path': `${location}/data` }
      await createTable(context, mine, ['a', 'b'], {
        name: location.slice(-10).replaceAll('/', '-'),
        schema,
        location,
        properties,
      })
    }
  })

  test("a file of somebody else's table is not registered as one's own, whether it exists or not", async (t) => {
    const { context, call } = await populated(t)
    const file = bodyOf(await loadTable(context, call, ident('t', 'z')))['metadata-location']!
    await dropTable(context, call, ident('t', 'z'))
    for (const mine of [
      narrowed(call, 'read-write', { namespace: ['a'] }),
      narrowed(call, 'read-write', { namespace: ['a'], table: 'x' }),
    ]) {
      for (const wanted of [file, file.replace('00000', '00009')]) {
        const request = { name: 'x', 'metadata-location': wanted }
        await assert.rejects(registerTable(context, mine, ['a'], request), forbidden, wanted)
      }
    }
    const own = bodyOf(await loadTable(context, call, ident('t', 'a')))['metadata-location']!
    await dropTable(context, call, ident('t', 'a'))
    await registerTable(context, narrowed(call, 'read-write', { namespace: ['a'] }), ['a'], {
      name: 'x',
      'metadata-location': own,
    })
    await registerTable(context, call, ['z'], { name: 'x', 'metadata-location': file })
  })

  test('what somebody else placed elsewhere stays usable', async (t) => {
    const fixture = await populated(t)
    const { context, call } = fixture
    const location = `file://${fixture.folder}/extra/far`
    await createTable(context, call, ['a'], {
      name: 'far',
      schema,
      location,
      properties: { 'write.metadata.path': `${location}-meta` },
    })
    const mine = narrowed(call, 'read-write', { namespace: ['a'], table: 'far' })
    const updates = [set({ 'write.data.path': `${location}/data` })]
    await updateTable(context, mine, ident('far', 'a'), { requirements: [], updates })
    await assert.rejects(
      updateTable(context, mine, ident('far', 'a'), { requirements: [], updates: [set({ 'write.data.path': `${location}2` })] }),
      forbidden,
    )
  })

  test('who has a whole catalog has its place, not that of the catalog beside it', async (t) => {
    const fixture = await populated(t)
    const warehouse = canonicalLocation(`file://${fixture.folder}`)
    const catalog = { ...catalogAt(fixture, `${warehouse}/lake`), allowedRoots: [warehouse] }
    const mine = narrowed({ ...fixture.call, catalog }, 'read-write', {})
    const create = (location: string) => createTable(fixture.context, mine, ['a'], { name: 'new', schema, location })
    await assert.rejects(create(`${warehouse}/second/a/t`), forbidden)
    await create(`${warehouse}/lake/anywhere/t`)
  })
})

const refusedOr403 = (error: unknown): boolean => {
  const { code, message } = error as { code?: number; message: string }
  // 400 only for what is refused to everybody before it is looked up.
  if (code !== 403 && code !== 400) throw error
  assert.ok(code === 403 || !/overlaps|exists/.test(message), message)
  return true
}

const IN_A = { ...VIEW_VERSION, 'default-namespace': ['a'] }
