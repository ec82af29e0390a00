/** Namespaces dropped with all that is in them, and back. */
import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'
import { dropTable } from '../../src/catalog/drop.ts'
import { dropNamespaceTree } from '../../src/catalog/drop-tree.ts'
import { listDropped, type Dropped } from '../../src/catalog/dropped.ts'
import { createNamespace } from '../../src/catalog/namespaces.ts'
import { protect } from '../../src/catalog/protection.ts'
import { createTable, loadTable } from '../../src/catalog/tables.ts'
import { undo } from '../../src/catalog/undo/undo.ts'
import { undrop } from '../../src/catalog/undrop.ts'
import { faultyStore } from '../stores/faulty.ts'
import { bodyOf, open, rejects, schema, set, type Fixture } from './setup.ts'
import { updateTable } from '../../src/catalog/update-table.ts'

const TOP = ['a']
const at = (namespace: readonly string[], name: string) => ({ namespace, name })
const all = (fixture: Fixture, entity: 'entries' | 'namespaces' | 'dropped' | 'places' | 'protections') =>
  fixture.store.list(entity, { index: 'primary', where: {}, limit: 1000 })
const drop = ({ context, call }: Fixture, options = {}) => dropNamespaceTree(context, call, TOP, options)
const dropped = async ({ context, call }: Fixture): Promise<readonly Dropped[]> => (await listDropped(context, call, {})).dropped
const whole = async (fixture: Fixture): Promise<string> =>
  (await dropped(fixture)).find(({ kind, name }) => kind === 'namespace' && name === 'a')!.id

/** `a.t`, `a.b.u` with a place beside its own, `a.b.c`, and `ab.v` beside it. */
async function filled(t: TestContext): Promise<Fixture> {
  const fixture = await open(t)
  const { context, call, catalog } = fixture
  for (const namespace of [TOP, ['a', 'b'], ['a', 'b', 'c'], ['ab']]) {
    await createNamespace(context, call, { namespace, properties: { owner: namespace.join('.') } })
  }
  for (const [namespace, name] of [
    [TOP, 't'],
    [['a', 'b'], 'u'],
    [['ab'], 'v'],
  ] as const) {
    await createTable(context, call, namespace, { name, schema })
  }
  const updates = [set({ 'write.data.path': `${catalog.root}/beside` })]
  await updateTable(context, call, at(['a', 'b'], 'u'), { requirements: [], updates } as never)
  return fixture
}

const plain = (rows: readonly object[]) => rows.map((row) => ({ ...row, version: 0, updated_at: 0 }))
const state = async (fixture: Fixture) =>
  Promise.all((['entries', 'namespaces', 'places'] as const).map(async (entity) => plain(await all(fixture, entity))))

describe('a namespace with all that is in it', () => {
  test('comes back by an undo of the drop, as long as all of it is kept', async (t) => {
    const fixture = await filled(t)
    const { context, call, store } = fixture
    const before = await state(fixture)
    await drop(fixture)
    const [line] = await store.list('commits', { index: 'primary', where: {}, descending: true, limit: 1 })
    const told = await undo(context, call, { change: line!.id, dryRun: true })
    const done = await undo(context, call, { change: line!.id })
    assert.deepEqual(done.operations, told.operations)
    assert.equal(done.operations.length, 5)
    assert.deepEqual(await state(fixture), before)
    assert.deepEqual(await dropped(fixture), [])
    await assert.rejects(undo(context, call, { change: line!.id }), rejects(409, /undone already/))

    await drop(fixture)
    const [next] = await store.list('commits', { index: 'primary', where: {}, descending: true, limit: 1 })
    const part = (await dropped(fixture)).find(({ kind }) => kind === 'table')!
    await undrop(context, call, { id: part.id, namespace: ['ab'], name: 'saved' })
    await assert.rejects(undo(context, call, { change: next!.id }), rejects(409, /1 of the things/))
  })

  test('goes, and comes back as it was', async (t) => {
    const fixture = await filled(t)
    const { context, call, store } = fixture
    const before = await state(fixture)
    await drop(fixture)
    assert.deepEqual(
      (await all(fixture, 'entries')).map(({ name }: Record<string, unknown>) => name),
      ['v'],
    )
    assert.deepEqual(
      (await all(fixture, 'namespaces')).map(({ name }: Record<string, unknown>) => name),
      ['ab', 'ns'],
    )
    assert.deepEqual(await all(fixture, 'places'), [])
    const id = await whole(fixture)
    const list = await dropped(fixture)
    assert.deepEqual(
      list.map(({ dropped_with }) => dropped_with),
      [id, id, id, id, null],
    )
    const lines = await store.list('commits', { index: 'primary', where: {}, descending: true, limit: 1 })
    const operations = lines[0]!.operations as { operation: string; namespace?: string[]; identifier?: { name: string } }[]
    assert.deepEqual(
      operations.map(({ operation, namespace, identifier }) => `${operation} ${identifier?.name ?? namespace?.join('.')}`),
      ['drop-table t', 'drop-table u', 'drop-namespace a.b.c', 'drop-namespace a.b', 'drop-namespace a'],
    )
    await undrop(context, call, { id })
    assert.deepEqual(await state(fixture), before)
    assert.deepEqual(await dropped(fixture), [])
  })

  test('comes back under another name, and alone, and part by part', async (t) => {
    const fixture = await filled(t)
    const { context, call } = fixture
    await drop(fixture)
    await createNamespace(context, call, { namespace: TOP })
    await assert.rejects(undrop(context, call, { id: await whole(fixture) }), rejects(409, /already exists: a/))
    await undrop(context, call, { id: await whole(fixture), namespace: ['ab'], name: 'old' })
    bodyOf(await loadTable(context, call, at(['ab', 'old'], 't')))
    bodyOf(await loadTable(context, call, at(['ab', 'old', 'b'], 'u')))
    await dropNamespaceTree(context, call, ['ab', 'old'])
    const [one] = (await dropped(fixture)).filter(({ name }) => name === 't')
    await undrop(context, call, { id: one!.id, namespace: ['a'] })
    bodyOf(await loadTable(context, call, at(TOP, 't')))
    const old = (await dropped(fixture)).find(({ name }) => name === 'old')!
    await undrop(context, call, { id: old.id, content: false })
    assert.deepEqual((await dropped(fixture)).map(({ name }) => name).toSorted(), ['b', 'c', 'u'])
    const inner = (await dropped(fixture)).find(({ name }) => name === 'b')!
    await undrop(context, call, { id: inner.id, namespace: TOP })
    const table = (await dropped(fixture)).find(({ name }) => name === 'u')!
    await undrop(context, call, { id: table.id, namespace: ['a', 'b'] })
    bodyOf(await loadTable(context, call, at(['a', 'b'], 'u')))
  })

  test('what has lost its namespace is left', async (t) => {
    const fixture = await filled(t)
    const { context, call } = fixture
    await drop(fixture)
    const inner = (await dropped(fixture)).find(({ name }) => name === 'b')!
    await undrop(context, call, { id: inner.id, namespace: ['ab'] })
    await undrop(context, call, { id: await whole(fixture) })
    assert.deepEqual((await dropped(fixture)).map(({ name }) => name).toSorted(), ['c', 'u'])
    bodyOf(await loadTable(context, call, at(TOP, 't')))
  })

  test('is refused where something in it is protected, is in the way or is too much', async (t) => {
    const fixture = await filled(t)
    const { context, call, files, catalog } = fixture
    await protect(context, call, at(['a', 'b'], 'u'), 'table', true)
    await assert.rejects(drop(fixture), rejects(409, /The table a.b.u is protected/))
    assert.equal((await all(fixture, 'entries')).length, 3)
    await drop(fixture, { force: true })
    assert.deepEqual(await all(fixture, 'protections'), [])
    assert.ok(files().length >= 4, 'no file is deleted')
    await createTable(context, call, ['ns'], { name: 'in', schema, location: `${catalog.root}/a/t` })
    await assert.rejects(
      undrop(context, call, { id: await whole(fixture) }),
      rejects(409, /a\.t can't come back: .*"content": false/),
    )
    await dropTable(context, call, at(['ns'], 'in'))
    await createNamespace(context, call, { namespace: ['big'] })
    for (let n = 0; n < 500; n++) await createNamespace(context, call, { namespace: ['big', `n${n}`] })
    await assert.rejects(dropNamespaceTree(context, call, ['big']), rejects(409, /more than 500/))
    await assert.rejects(dropNamespaceTree(context, call, ['none']), rejects(404, /none/))
  })

  test('goes as a whole or not at all, beside creations, commits and protections, and when its answer is lost', async (t) => {
    for (const mode of ['before', 'after'] as const) {
      const fixture = await filled(t)
      const faulty = faultyStore(fixture.store)
      faulty.inject({ method: 'write', mode })
      const done = drop({ ...fixture, context: { ...fixture.context, store: faulty } })
      await (mode === 'before' ? assert.rejects(done, rejects(503, /nothing was changed/)) : done)
      assert.equal((await all(fixture, 'dropped')).length, mode === 'before' ? 0 : 5)
      assert.equal((await all(fixture, 'entries')).length, mode === 'before' ? 3 : 1)
    }
    const fixture = await filled(t)
    const { context, call } = fixture.another()
    const outcome = async (work: Promise<unknown>): Promise<number> =>
      work.then(
        () => 200,
        (error: { code: number }) => error.code,
      )
    for (let round = 0; round < 10; round++) {
      const [gone, made, space, committed, guarded] = await Promise.all([
        outcome(drop(fixture)),
        outcome(createTable(context, call, ['a', 'b'], { name: `w${round}`, schema })),
        outcome(createNamespace(context, call, { namespace: ['a', 'b', `n${round}`] })),
        outcome(updateTable(context, call, at(TOP, 't'), { requirements: [], updates: [set({ round: `${round}` })] } as never)),
        outcome(protect(context, call, at(['a', 'b'], 'u'), 'table', true)),
      ])
      if (gone === 200) {
        assert.equal(guarded, 404)
        assert.equal((await all(fixture, 'entries')).length, 1)
        await undrop(context, call, { id: await whole(fixture) })
      } else {
        assert.deepEqual([gone, guarded], [409, 200])
        await protect(context, call, at(['a', 'b'], 'u'), 'table', false)
      }
      assert.equal(await outcome(Promise.resolve(loadTable(context, call, at(['a', 'b'], `w${round}`)))), made)
      const names = (await all(fixture, 'namespaces')).map(({ name }: Record<string, unknown>) => name)
      assert.equal(names.includes(`n${round}`), space === 200)
      const { metadata } = bodyOf(await loadTable(context, call, at(TOP, 't'))) as {
        metadata: { properties: { round?: string } }
      }
      assert.equal(metadata.properties.round === `${round}`, committed === 200)
    }
  })
})
