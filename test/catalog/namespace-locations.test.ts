/** Where namespaces lie: what clients are told of it, what follows for tables, and which places may be set. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createBounds } from '../../src/access/bounds.ts'
import type { CatalogCall } from '../../src/catalog/call.ts'
import { dropTable } from '../../src/catalog/drop.ts'
import { createNamespace, dropNamespace, loadNamespaceMetadata, updateProperties } from '../../src/catalog/namespaces.ts'
import { createTable } from '../../src/catalog/tables.ts'
import { updateTable } from '../../src/catalog/update-table.ts'
import { createView } from '../../src/catalog/views.ts'
import { canonicalLocation, isBelow, joinLocation, liesWithin } from '../../src/iceberg/location.ts'
import { VIEW_VERSION, bodyOf, ident, newTable, open, rejects, schema, set, type Fixture } from './setup.ts'

const create = ({ context, call }: Fixture, namespace: string[], location?: string) =>
  createNamespace(context, call, { namespace, ...(location !== undefined && { properties: { location } }) })
const told = async ({ context, call }: Fixture, namespace: string[]) =>
  (await loadNamespaceMetadata(context, call, namespace)).properties['location'] as string
const tableIn = async ({ context, call }: Fixture, namespace: string[], name = 't') =>
  bodyOf(await createTable(context, call, namespace, { name, schema })).metadata.location as string
const viewIn = async ({ context, call }: Fixture, namespace: string[], name = 'v') =>
  bodyOf(await createView(context, call, namespace, { name, schema, 'view-version': VIEW_VERSION })).metadata.location as string
const below = (parent: string, child: string) =>
  assert.ok(isBelow(canonicalLocation(parent), canonicalLocation(child)), `${child} below ${parent}`)

describe('the location of a namespace', () => {
  test('is told where none was set, in the answers to creating and loading it, and is not stored', async (t) => {
    const fixture = await open(t)
    const { root } = fixture.catalog
    const created = await create(fixture, ['a'])
    assert.deepEqual(created, { namespace: ['a'], properties: { location: `${root}/a` } })
    assert.equal(await told(fixture, ['a']), `${root}/a`)
    await create(fixture, ['a', 'b'])
    assert.equal(await told(fixture, ['a', 'b']), `${root}/a/b`)
    const rows = await fixture.store.list('namespaces', { index: 'primary', where: { tenant_id: 't1' }, limit: 9 })
    for (const row of rows) assert.deepEqual([row.properties, row.location], [{}, null])
    const removed = await updateProperties(fixture.context, fixture.call, ['a'], { removals: ['location'] })
    assert.deepEqual(removed, { updated: [], removed: [], missing: ['location'] })
    for (const namespace of [['a'], ['a', 'b']]) {
      const location = await told(fixture, namespace)
      below(location, await tableIn(fixture, namespace))
      below(location, await viewIn(fixture, namespace))
    }
  })

  test('is one for each name, whatever is in it', async (t) => {
    const fixture = await open(t)
    const names = ['a.b', 'a/b', 'a%2Fb', 'ü', 'u\u0308', '数据', 'x y', '*', "'", '~', 'x'.repeat(256), '数'.repeat(200)]
    const seen = new Set<string>()
    for (const name of names) {
      await create(fixture, [name])
      const location = await told(fixture, [name])
      assert.equal(location, joinLocation(fixture.catalog.root, name))
      assert.equal(location.slice(fixture.catalog.root.length + 1).includes('/'), false)
      below(location, await tableIn(fixture, [name], name))
      seen.add(location)
    }
    assert.equal(seen.size, names.length)
  })

  test('has an end, however many levels there are: tables of it have room for their files', async (t) => {
    const fixture = await open(t)
    const seen = new Set<string>()
    for (const letter of ['n', 'm']) {
      for (let depth = 1; depth <= 32; depth++) {
        const namespace = Array.from({ length: depth }, () => letter.repeat(30))
        await create(fixture, namespace)
        const location = await told(fixture, namespace)
        assert.ok(location.length <= 480, location)
        below(location, await tableIn(fixture, namespace, 'x'.repeat(180)))
        seen.add(location)
      }
    }
    assert.equal(seen.size, 64)
  })

  test('is obeyed when it was set: for tables, for views and for namespaces inside', async (t) => {
    const fixture = await open(t)
    const { context, call, folder } = fixture
    const place = `file://${folder}/extra/a`
    const created = await create(fixture, ['a'], `${place}/`)
    assert.equal(created.properties?.['location'], `${place}/`)
    assert.equal(await told(fixture, ['a']), `${place}/`)
    await create(fixture, ['a', 'b'])
    assert.equal(await told(fixture, ['a', 'b']), `${place}/b`)
    below(place, await tableIn(fixture, ['a']))
    below(place, await viewIn(fixture, ['a']))
    below(`${place}/b`, await tableIn(fixture, ['a', 'b']))

    const other = `file:${folder}/extra/other`
    const updated = await updateProperties(context, call, ['a', 'b'], { updates: { location: other } })
    assert.deepEqual(updated, { updated: ['location'], removed: [], missing: [] })
    assert.equal(await told(fixture, ['a', 'b']), other)
    below(other, await tableIn(fixture, ['a', 'b'], 't2'))
    const staged = bodyOf(await createTable(context, call, ['a', 'b'], { name: 't3', schema, 'stage-create': true }))
    below(other, staged.metadata.location)

    const removed = await updateProperties(context, call, ['a', 'b'], { removals: ['location'] })
    assert.deepEqual(removed, { updated: [], removed: ['location'], missing: [] })
    assert.equal(await told(fixture, ['a', 'b']), `${place}/b`)
    below(`${place}/b`, await tableIn(fixture, ['a', 'b'], 't4'))
  })

  test('may be around its own tables, may be shared, and may be sent again as it was told', async (t) => {
    const fixture = await open(t)
    const { context, call, catalog } = fixture
    await newTable(fixture, 't')
    const location = await told(fixture, ['ns'])
    for (let round = 0; round < 2; round++) await updateProperties(context, call, ['ns'], { updates: { location } })
    await create(fixture, ['twin'], location)
    await create(fixture, ['inside'], `${location}/inside`)
    await create(fixture, ['around'], catalog.root)
    for (const [namespace, place] of [
      ['twin', location],
      ['inside', `${location}/inside`],
      ['around', catalog.root],
    ] as const) {
      below(place, await tableIn(fixture, [namespace], 't'))
      below(place, await tableIn(fixture, [namespace], 'u'))
    }
  })

  test('was not checked when a program of before stored it, and has no effect until it is set again', async (t) => {
    const fixture = await open(t)
    const { context, call, folder, catalog } = fixture
    const location = `file://${folder}/extra/old`
    await storeUnchecked(fixture, { location })
    assert.equal(await told(fixture, ['ns']), location)
    below(`${catalog.root}/ns`, await tableIn(fixture, ['ns'], 't1'))
    await updateProperties(context, call, ['ns'], { updates: { location } })
    below(location, await tableIn(fixture, ['ns'], 't2'))

    // One that had been checked, and then a program of before changed or removed the property beside it.
    const later = `file://${folder}/extra/later`
    await storeUnchecked(fixture, { location: later })
    assert.equal(await told(fixture, ['ns']), later)
    below(`${catalog.root}/ns`, await tableIn(fixture, ['ns'], 't3'))
    await updateProperties(context, call, ['ns'], { updates: { location: later } })
    below(later, await tableIn(fixture, ['ns'], 't4'))
    await storeUnchecked(fixture, {})
    assert.equal(await told(fixture, ['ns']), `${catalog.root}/ns`)
    below(`${catalog.root}/ns`, await tableIn(fixture, ['ns'], 't5'))
  })

  test('that a program of before stored stands in the way of no other property', async (t) => {
    const fixture = await open(t)
    const { context, call, catalog } = fixture
    const location = 's3://elsewhere/a'
    await storeUnchecked(fixture, { location })
    await updateProperties(context, call, ['ns'], { updates: { owner: 'x' } })
    const { properties } = await loadNamespaceMetadata(context, call, ['ns'])
    assert.deepEqual(properties, { location, owner: 'x' })
    below(`${catalog.root}/ns`, await tableIn(fixture, ['ns']))
    await assert.rejects(updateProperties(context, call, ['ns'], { updates: { location } }), rejects(400, /location/))
    await updateProperties(context, call, ['ns'], { removals: ['location'] })
    assert.equal(await told(fixture, ['ns']), `${catalog.root}/ns`)
  })
})

/** As a program of before does, which knows nothing of the column. */
async function storeUnchecked({ store }: Fixture, properties: Record<string, string>): Promise<void> {
  const key = { tenant_id: 't1', catalog_id: 'c1', branch: 'main', parent: '', name: 'ns' }
  const { version, ...row } = (await store.get('namespaces', key))!
  await store.write([{ op: 'replace', entity: 'namespaces', row: { ...row, properties }, expected: version }])
}

describe('a location that a namespace can not have is 400', () => {
  /** By creation and by update; each leaves nothing. */
  async function refused(fixture: Fixture, location: string, message: RegExp): Promise<void> {
    const { context, call } = fixture
    await assert.rejects(create(fixture, ['new'], location), rejects(400, message), location)
    await assert.rejects(updateProperties(context, call, ['ns'], { updates: { location } }), rejects(400, message), location)
    await assert.rejects(async () => loadNamespaceMetadata(context, call, ['new']), rejects(404, /new/))
    assert.equal(await told(fixture, ['ns']), `${fixture.catalog.root}/ns`)
  }

  test('outside of the warehouse, or no plain place', async (t) => {
    const fixture = await open(t)
    const { folder, catalog } = fixture
    const outside = [
      's3://bucket/a',
      'file:///etc',
      `file://${folder}`,
      `file://${folder}/lake2/a`,
      `file://${folder}/lak`,
      `${catalog.root}/../x`,
      `${catalog.root}/%2e%2e/x`,
      `${catalog.root}//x`,
      `${catalog.root}/x*`,
      `${catalog.root}/x?y`,
      `${catalog.root}/x\ny`,
      'relative',
      '/absolute',
      '',
      `${catalog.root}/${'l'.repeat(600)}`,
    ]
    for (const location of outside) await refused(fixture, location, /[Ll]ocation/)
  })

  test("at or in the place of a table or view, and of a place that a table's files go to", async (t) => {
    const fixture = await open(t)
    const { context, call, folder } = fixture
    const data = `file://${folder}/extra/data`
    const table = (await newTable(fixture, 't', { 'write.data.path': data })).metadata.location as string
    const view = await viewIn(fixture, ['ns'])
    for (const place of [table, `${table}/`, `${table}/data`, view, `${view}/x/y`]) {
      await refused(fixture, place, /overlaps the location of another table or view/)
    }
    for (const place of [data, `${data}/x`]) await refused(fixture, place, /overlaps a place that another table has/)
    await create(fixture, ['beside'], `${table}-2`)
    await create(fixture, ['around'], `file://${folder}/extra`)
    await dropTable(context, call, ident('t'))
    await create(fixture, ['later'], data)
  })

  test('at or in a place whose files are being deleted', async (t) => {
    const fixture = await open(t)
    const { context, call, store } = fixture
    const table = (await newTable(fixture, 't')).metadata.location as string
    await dropTable(context, call, ident('t'), { purgeRequested: true })
    for (const place of [table, `${table}/x`]) await refused(fixture, place, /being deleted/)
    await create(fixture, ['around'], `${fixture.catalog.root}/ns`)
    const [task] = await store.list('tasks', { index: 'primary', where: {}, limit: 1 })
    await store.write([{ op: 'remove', entity: 'tasks', key: { id: task!.id }, expected: 'any' }])
    await create(fixture, ['later'], table)
  })

  test('taken by a table at the same time, by another process', async (t) => {
    const one = await open(t)
    const two = one.another()
    const location = `file://${one.folder}/extra/a`
    one.hooks.write = async (mutations, next) => {
      one.hooks.write = undefined
      await createTable(two.context, two.call, ['ns'], { name: 't', schema, location })
      return next(mutations)
    }
    await assert.rejects(create(one, ['a'], location), rejects(400, /overlaps/))
  })
})

describe('a narrowed token', () => {
  const narrowed = (call: CatalogCall, ...namespaces: string[][]): CatalogCall => ({
    ...call,
    principal: {
      ...call.principal,
      bounds: createBounds(
        'read-write',
        namespaces.map((namespace) => ({ catalog: call.catalog.name, namespace })),
      ),
    },
  })
  const forbidden = rejects(403, /does not allow/, 'ForbiddenException')

  test('sets no location out of where its namespaces lie', async (t) => {
    const fixture = await open(t)
    const { context, call, catalog, folder } = fixture
    for (const namespace of [['a'], ['a', 'b'], ['z']]) await create(fixture, namespace)
    const victim = await tableIn(fixture, ['z'])
    const mine = narrowed(call, ['a'])
    const places = [
      `${catalog.root}/z`,
      `${catalog.root}/z/new`,
      catalog.root,
      `${catalog.root}/ab`,
      `file://${folder}/extra/x`,
      // Whether there is a table is not said either.
      victim,
      `${victim}/data`,
    ]
    for (const location of places) {
      for (const namespace of [['a'], ['a', 'b']]) {
        await assert.rejects(updateProperties(context, mine, namespace, { updates: { location } }), forbidden, location)
      }
      await assert.rejects(
        createNamespace(context, mine, { namespace: ['a', 'c'], properties: { location } }),
        forbidden,
        location,
      )
    }
    await updateProperties(context, mine, ['a', 'b'], { updates: { location: `${catalog.root}/a/elsewhere` } })
    below(`${catalog.root}/a/elsewhere`, await tableIn({ ...fixture, call: mine }, ['a', 'b']))
    await updateProperties(context, mine, ['a', 'b'], { removals: ['location'] })
  })

  test('places things where its namespace was told to lie, and not any more where it would have lain', async (t) => {
    const fixture = await open(t)
    const { context, call, catalog, folder } = fixture
    const place = `file://${folder}/extra/a`
    await create(fixture, ['a'], place)
    await create(fixture, ['a', 'b'])
    const mine = narrowed(call, ['a'])
    for (const namespace of [['a'], ['a', 'b']]) {
      const at = (location: string, name: string) => createTable(context, mine, namespace, { name, schema, location })
      await at(`${place}/x${namespace.length}`, 'x')
      await assert.rejects(at(`${catalog.root}/a/y`, 'y'), forbidden)
      await assert.rejects(at(`file://${folder}/extra/y`, 'y'), forbidden)
      const made = await tableIn({ ...fixture, call: mine }, namespace)
      const commit = (path: string) =>
        updateTable(context, mine, { namespace, name: 't' }, { requirements: [], updates: [set({ 'write.data.path': path })] })
      await commit(`${place}/data${namespace.length}`)
      await commit(`${made}/elsewhere`)
      await assert.rejects(commit(`${catalog.root}/a/data`), forbidden)
    }
    // Whoever gave it its place may take it away; that by itself does not.
    await assert.rejects(updateProperties(context, mine, ['a'], { removals: ['location'] }), forbidden)
    await updateProperties(context, call, ['a'], { removals: ['location'] })
    await createTable(context, mine, ['a'], { name: 'y', schema, location: `${catalog.root}/a/y` })
  })

  test('is let into a namespace that lies elsewhere, by the name of that alone', async (t) => {
    const fixture = await open(t)
    const { context, call, folder } = fixture
    const place = `file://${folder}/extra/b`
    await create(fixture, ['a'])
    await create(fixture, ['a', 'b'], place)
    const [outer, inner] = [narrowed(call, ['a']), narrowed(call, ['a', 'b'])]
    for (const mine of [outer, inner]) {
      const name = mine === outer ? 'x' : 'y'
      await createTable(context, mine, ['a', 'b'], { name, schema, location: `${place}/${name}` })
    }
    await assert.rejects(createTable(context, outer, ['a'], { name: 'z', schema, location: `${place}/z` }), forbidden)
    await assert.rejects(
      createNamespace(context, outer, { namespace: ['a', 'c'], properties: { location: `${place}/c` } }),
      forbidden,
    )
    await dropNamespace(context, call, ['ns'])
    assert.ok(liesWithin(canonicalLocation(place), canonicalLocation(await tableIn({ ...fixture, call: inner }, ['a', 'b']))))
  })
})
