/** Dropped things that come back: under their name or another, whole, and never over what came in between. */
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { describe, test, type TestContext } from 'node:test'
import type { CatalogContext } from '../../src/catalog/call.ts'
import { dropTable, dropView } from '../../src/catalog/drop.ts'
import { listDropped } from '../../src/catalog/dropped.ts'
import { createNamespace, dropNamespace, loadNamespaceMetadata } from '../../src/catalog/namespaces.ts'
import { registerTable } from '../../src/catalog/register.ts'
import { createTable, loadTable } from '../../src/catalog/tables.ts'
import { undrop } from '../../src/catalog/undrop.ts'
import { updateTable } from '../../src/catalog/update-table.ts'
import { createView, loadView } from '../../src/catalog/views.ts'
import { StoreError } from '../../src/stores/store.ts'
import { expire } from '../../src/tasks/expire.ts'
import { bodyOf, ident, key7, newTable, newView, open, rejects, schema, set, withKey, type Fixture } from './setup.ts'

const dropped = async ({ context, call }: Fixture) => (await listDropped(context, call, {})).dropped
const last = async (fixture: Fixture): Promise<string> => (await dropped(fixture))[0]!.id
const comeBack = async (fixture: Fixture, more: { namespace?: string[]; name?: string } = {}, id?: string) =>
  undrop(fixture.context, fixture.call, { id: id ?? (await last(fixture)), ...more })
const rowOf = (fixture: Fixture, name: string, namespace = 'ns') => {
  const { tenantId: tenant_id, id: catalog_id, branch } = fixture.catalog
  return fixture.store.get('entries', { tenant_id, catalog_id, branch, namespace, name })
}
const withoutTimes = (row: object | undefined) => ({ ...row, version: 0, updated_at: 0 })

describe('undrop', () => {
  test('a table comes back as it was: id, metadata, places, history', async (t) => {
    const fixture = await open(t)
    const { context, call } = fixture
    await newTable(fixture, 't')
    const place = `${fixture.catalog.root}/beside`
    const updates = [set({ a: 'b', 'write.data.path': place })]
    const committed = bodyOf(await updateTable(context, call, ident('t'), { requirements: [], updates }))
    const before = await rowOf(fixture, 't')
    await dropTable(context, call, ident('t'))
    const [listed, ...others] = await dropped(fixture)
    assert.deepEqual(others, [])
    assert.deepEqual(
      { ...listed, id: '', dropped_at: 0, kept_until: listed!.kept_until - listed!.dropped_at },
      {
        id: '',
        kind: 'table',
        namespace: ['ns'],
        name: 't',
        dropped_at: 0,
        dropped_by: 'ada',
        kept_until: 7 * 86_400_000,
        purge: false,
        dropped_with: null,
      },
    )
    assert.deepEqual(await comeBack(fixture), listed)
    assert.deepEqual(withoutTimes(await rowOf(fixture, 't')), withoutTimes(before))
    const loaded = bodyOf(await loadTable(context, call, ident('t')))
    assert.deepEqual(loaded.metadata, committed.metadata)
    assert.deepEqual(await dropped(fixture), [])
    // Its places are its own again.
    const other = createTable(context, call, ['ns'], { name: 'o', schema, location: `${place}/in` })
    await assert.rejects(other, rejects(400, /overlaps a place/))
    await updateTable(context, call, ident('t'), { requirements: [], updates: [set({ a: 'c' })] })
    await assert.rejects(comeBack(fixture, {}, listed!.id), rejects(404, /Nothing that was dropped .* has the id/))
  })

  test('under another name and in another namespace', async (t) => {
    const fixture = await open(t)
    const { context, call } = fixture
    await createNamespace(context, call, { namespace: ['other'] })
    await newTable(fixture, 't')
    await createView(context, call, ['ns'], { name: 'v', ...newView })
    await dropTable(context, call, ident('t'))
    await comeBack(fixture, { namespace: ['other'], name: 'u' })
    assert.ok(await loadTable(context, call, ident('u', 'other')))
    assert.equal(await rowOf(fixture, 't'), undefined)
    await dropView(context, call, ident('v'))
    assert.equal((await comeBack(fixture, { name: 'w' })).name, 'w')
    assert.ok(await loadView(context, call, ident('w')))
    await dropTable(context, call, ident('u', 'other'))
    await assert.rejects(comeBack(fixture, { name: '..' }), rejects(400, /must not be/))
  })

  test('what stands in the way is named, and the thing can come back when it is gone', async (t) => {
    const fixture = await open(t)
    const { context, call } = fixture
    const table = await newTable(fixture, 't')
    const { location } = table.metadata as { location: string }
    await dropTable(context, call, ident('t'))
    const id = await last(fixture)
    // Names are free at once, and the new one lies elsewhere.
    const again = await newTable(fixture, 't')
    assert.notEqual((again.metadata as { location: string }).location, location)
    await assert.rejects(comeBack(fixture, {}, id), rejects(409, /Table already exists: ns\.t/))
    await comeBack(fixture, { name: 'old' }, id)
    assert.equal(bodyOf(await loadTable(context, call, ident('old'))).metadata.location, location)
    await dropTable(context, call, ident('old'))
    await createNamespace(context, call, { namespace: ['gone'] })
    await assert.rejects(comeBack(fixture, { namespace: ['none'] }), rejects(409, /Namespace does not exist: none/))
    const file = bodyOf(await loadTable(context, call, ident('t')))['metadata-location'] as string
    await dropTable(context, call, ident('t'))
    const second = await last(fixture)
    await registerTable(context, call, ['ns'], { name: 'r', 'metadata-location': file })
    await assert.rejects(
      comeBack(fixture, {}, second),
      rejects(409, /It can't come back: .*overlaps the location of another table/),
    )
    // The table that was registered from it is purged: nothing is left that could come back.
    await dropTable(context, call, ident('r'), { purgeRequested: true })
    await assert.rejects(comeBack(fixture, {}, second), rejects(404, /has the id/))
    assert.deepEqual(
      (await dropped(fixture)).map(({ name }) => name),
      ['old'],
    )
    // Its metadata file is gone by another hand.
    rmSync(new URL(location), { recursive: true })
    await assert.rejects(comeBack(fixture), rejects(409, /It can't come back: .*metadata/))
  })

  test('a namespace comes back with its properties and its id, then what was in it', async (t) => {
    const fixture = await open(t)
    const { context, call } = fixture
    await createNamespace(context, call, { namespace: ['a'], properties: { owner: 'ada' } })
    await createTable(context, call, ['a'], { name: 't', schema })
    await dropTable(context, call, ident('t', 'a'))
    const table = await last(fixture)
    await dropNamespace(context, call, ['a'])
    await assert.rejects(comeBack(fixture, {}, table), rejects(409, /Namespace does not exist: a/))
    assert.deepEqual(
      (await dropped(fixture)).map(({ kind, namespace, name }) => [kind, namespace, name]),
      [
        ['namespace', [], 'a'],
        ['table', ['a'], 't'],
      ],
    )
    await comeBack(fixture)
    assert.equal((await loadNamespaceMetadata(context, call, ['a'])).properties['owner'], 'ada')
    await comeBack(fixture, {}, table)
    assert.ok(await loadTable(context, call, ident('t', 'a')))
    await createNamespace(context, call, { namespace: ['b'] })
    await dropNamespace(context, call, ['b'])
    await assert.rejects(comeBack(fixture, { name: 'a' }), rejects(409, /Namespace already exists: a/))
    await comeBack(fixture, { namespace: ['a'], name: 'c' })
    assert.ok(await loadNamespaceMetadata(context, call, ['a', 'c']))
  })

  test('a drop with purge, and one where nothing is kept, are for good', async (t) => {
    const fixture = await open(t)
    const { context, call } = fixture
    await newTable(fixture, 't')
    await dropTable(context, call, ident('t'), { purgeRequested: true })
    assert.deepEqual(await dropped(fixture), [])
    await newTable(fixture, 'u')
    await dropTable({ ...context, droppedKeptMs: 0 }, call, ident('u'))
    assert.deepEqual(await dropped(fixture), [])
  })

  test('what was kept long enough is neither listed nor comes back, and its row goes', async (t) => {
    const clock = { now: 1_900_000_000_000 }
    const fixture = await open(t, { now: () => clock.now, droppedKeptMs: 1000 })
    await newTable(fixture, 't')
    await dropTable(fixture.context, fixture.call, ident('t'))
    const id = await last(fixture)
    clock.now += 1000
    assert.deepEqual(await dropped(fixture), [])
    await assert.rejects(comeBack(fixture, {}, id), rejects(404, /has the id/))
    const options = { store: fixture.store, now: () => clock.now - 1, log: () => {} }
    assert.equal(await expire(options), 0)
    assert.equal(await expire({ ...options, now: () => clock.now }), 1)
    assert.deepEqual(await fixture.store.list('dropped', { index: 'primary', where: {}, limit: 10 }), [])
  })

  test('of two that want it back at once one gets it; a repeated request is answered alike', async (t) => {
    const fixture = await open(t)
    const others: CatalogContext[] = [fixture.context, fixture.another().context]
    await newTable(fixture, 't')
    await dropTable(fixture.context, fixture.call, ident('t'))
    const id = await last(fixture)
    const ends = await Promise.allSettled([0, 1, 2, 3].map((n) => undrop(others[n % 2]!, fixture.call, { id, name: `t${n}` })))
    assert.deepEqual(ends.map(({ status }) => status).toSorted(), ['fulfilled', 'rejected', 'rejected', 'rejected'])
    for (const end of ends) if (end.status === 'rejected') assert.equal((end.reason as { code: number }).code, 404)
    await newTable(fixture, 'again')
    await dropTable(fixture.context, fixture.call, ident('again'))
    const keyed = withKey(fixture.call, key7(1))
    const second = await last(fixture)
    const answer = await undrop(fixture.context, keyed, { id: second })
    assert.deepEqual(await undrop(fixture.context, keyed, { id: second }), answer)
  })

  test('a fault at the write leaves the thing dropped, or back, and never both or neither', async (t: TestContext) => {
    for (const fault of ['unavailable', 'unknown, and it landed', 'unknown'] as const) {
      const fixture = await open(t)
      await newTable(fixture, 't')
      await dropTable(fixture.context, fixture.call, ident('t'))
      const id = await last(fixture)
      fixture.hooks.write = async (mutations, next) => {
        fixture.hooks.write = undefined
        if (fault === 'unknown, and it landed') await next(mutations)
        throw new StoreError(fault === 'unavailable' ? 'unavailable' : 'unknown', 'gone')
      }
      const ended = comeBack(fixture, {}, id)
      if (fault === 'unknown, and it landed') await ended
      else await assert.rejects(ended, rejects(fault === 'unavailable' ? 503 : 500, /nothing was changed|not known/))
      const isBack = (await rowOf(fixture, 't')) !== undefined
      assert.equal(isBack, fault === 'unknown, and it landed')
      assert.equal((await dropped(fixture)).length, isBack ? 0 : 1)
    }
  })
})
