/** Namespaces dropped with all that is in them, and back. */
import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'
import { dropTable } from '../../src/catalog/drop.ts'
import { dropNamespaceTree } from '../../src/catalog/drop-tree.ts'
import { listDropped, type Dropped } from '../../src/catalog/dropped.ts'
import { createNamespace, dropNamespace, updateProperties } from '../../src/catalog/namespaces.ts'
import { protect } from '../../src/catalog/protection.ts'
import { renameTable } from '../../src/catalog/rename.ts'
import { createTable, loadTable } from '../../src/catalog/tables.ts'
import { undo } from '../../src/catalog/undo/undo.ts'
import { undrop } from '../../src/catalog/undrop.ts'
import { faultyStore } from '../stores/faulty.ts'
import { bodyOf, open, rejects, schema, set, type Fixture } from './setup.ts'
import { updateTable } from '../../src/catalog/update-table.ts'
import { last, undoOf } from './undo.ts'

const TOP = ['a']
const at = (namespace: readonly string[], name: string) => ({ namespace: [...namespace], name })
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

describe('a namespace that came back with all that was in it', () => {
  /** The change that brought it back. */
  async function back(t: TestContext): Promise<{ readonly fixture: Fixture; readonly change: string }> {
    const fixture = await filled(t)
    await drop(fixture)
    await undrop(fixture.context, fixture.call, { id: await whole(fixture) })
    return { fixture, change: await last(fixture) }
  }

  test('goes again with it when that is undone, and comes back when that is', async (t) => {
    const { fixture, change } = await back(t)
    const { context, call } = fixture
    const before = await state(fixture)
    const told = await undoOf(fixture, change, true)
    assert.deepEqual(await state(fixture), before)
    const gone = await undoOf(fixture, change)
    assert.deepEqual(gone.operations, told.operations)
    assert.equal(gone.message, `Undo ${change}: Drop namespace a with all that is in it`)
    assert.deepEqual(
      (await all(fixture, 'entries')).map(({ name }: Record<string, unknown>) => name),
      ['v'],
    )
    assert.deepEqual(await all(fixture, 'places'), [])
    await assert.rejects(undoOf(fixture, change), rejects(409, /was undone already by/))
    await undoOf(fixture, await last(fixture))
    assert.deepEqual(await state(fixture), before)
    // What an undo brought back goes by an undo, too.
    await undoOf(fixture, await last(fixture))
    assert.equal((await dropped(fixture)).length, 5)
    await undrop(context, call, { id: await whole(fixture), namespace: ['ab'], name: 'moved' })
    await undoOf(fixture, await last(fixture))
    assert.equal((await all(fixture, 'namespaces')).length, 2)
  })

  const table = at(['a', 'b'], 'u')
  const since: Readonly<Record<string, [(fixture: Fixture) => Promise<unknown>, RegExp]>> = {
    'a commit': [
      ({ context, call }) => updateTable(context, call, table, { requirements: [], updates: [set({ x: '1' })] } as never),
      /Table a\.b\.u was changed since by .*: Commit to table a\.b\.u/,
    ],
    'a drop': [
      ({ context, call }) => dropTable(context, call, table),
      /Table a\.b\.u was changed since by .*: Drop table a\.b\.u/,
    ],
    'a new name': [
      ({ context, call }) => renameTable(context, call, { source: table, destination: at(['a'], 'w') }),
      /Table a\.b\.u was changed since by .*: Rename table a\.b\.u to a\.w/,
    ],
    'a new name elsewhere': [
      ({ context, call }) => renameTable(context, call, { source: table, destination: at(['ab'], 'w') }),
      /Table a\.b\.u was changed since by .*: Rename table a\.b\.u to ab\.w/,
    ],
    'a table in it': [
      ({ context, call }) => createTable(context, call, ['a', 'b', 'c'], { name: 'w', schema }),
      /Namespace a was changed since by .*: Create table a\.b\.c\.w/,
    ],
    'a table that came from elsewhere': [
      ({ context, call }) => renameTable(context, call, { source: at(['ab'], 'v'), destination: at(['a', 'b'], 'v') }),
      /Namespace a was changed since by .*: Rename table ab\.v to a\.b\.v/,
    ],
    'a namespace in it': [
      ({ context, call }) => createNamespace(context, call, { namespace: ['a', 'n'] }),
      /Namespace a was changed since by .*: Create namespace a\.n/,
    ],
    properties: [
      ({ context, call }) => updateProperties(context, call, ['a', 'b'], { updates: { x: '1' } }),
      /Namespace a\.b was changed since by .*: Update properties of namespace a\.b/,
    ],
    'a namespace less': [
      ({ context, call }) => dropNamespace(context, call, ['a', 'b', 'c']),
      /Namespace a\.b\.c was changed since by .*: Drop namespace a\.b\.c/,
    ],
    'a drop of all': [(fixture) => drop(fixture), /Namespace a was changed since by .*: Drop namespace a with all that is in it/],
    protection: [({ context, call }) => protect(context, call, table, 'table', true), /The table a\.b\.u is protected/],
  }
  for (const [what, [changed, message]] of Object.entries(since)) {
    test(`stays when that is to be undone after ${what}`, async (t) => {
      const { fixture, change } = await back(t)
      await changed(fixture)
      const before = await state(fixture)
      for (const dryRun of [true, false]) await assert.rejects(undoOf(fixture, change, dryRun), rejects(409, message))
      assert.deepEqual(await state(fixture), before)
    })
  }

  test('goes as a whole or not at all beside what is made and committed in it', async (t) => {
    const { fixture, change } = await back(t)
    const { context, call } = fixture.another()
    for (let round = 0, undone = change; round < 10; round++) {
      const outcomes = await Promise.allSettled([
        undoOf(fixture, undone),
        createTable(context, call, ['a', 'b'], { name: 'w', schema }),
        updateTable(context, call, table, { requirements: [], updates: [set({ round: `${round}` })] } as never),
      ])
      const [gone, ...others] = outcomes.map(({ status }) => status === 'fulfilled')
      assert.ok(!(gone && others.includes(true)), 'something was lost with it')
      assert.equal((await all(fixture, 'entries')).length, gone ? 1 : others[0] ? 4 : 3)
      if (!gone) {
        if (others[0]) await dropTable(context, call, at(['a', 'b'], 'w'))
        await drop(fixture)
      }
      await undrop(fixture.context, fixture.call, { id: await whole(fixture) })
      undone = await last(fixture)
    }
  })
})
