/** What can't be undone says why, and names the later change that is in the way; dry runs, faults and races change nothing by halves. */
import assert from 'node:assert/strict'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { describe, test, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { CatalogContext } from '../../src/catalog/call.ts'
import { dropTable, dropView } from '../../src/catalog/drop.ts'
import { listDropped } from '../../src/catalog/dropped.ts'
import { createNamespace, dropNamespace, updateProperties } from '../../src/catalog/namespaces.ts'
import { protect, protectNamespace } from '../../src/catalog/protection.ts'
import { registerTable, unregisterTable } from '../../src/catalog/register.ts'
import { renameTable } from '../../src/catalog/rename.ts'
import { createTable } from '../../src/catalog/tables.ts'
import { commitTransaction } from '../../src/catalog/transactions.ts'
import { undrop } from '../../src/catalog/undrop.ts'
import { undo } from '../../src/catalog/undo/undo.ts'
import { createView } from '../../src/catalog/views.ts'
import { openMemoryStore } from '../../src/stores/memory.ts'
import { StoreError } from '../../src/stores/store.ts'
import { faultyStore } from '../stores/faulty.ts'
import { ident, key7, newTable, newView, open, rejects, schema, set, withKey, type Fixture, type Loose } from './setup.ts'
import { append, commit, last, loaded, log, rowOf, state, undoLast, undoOf } from './undo.ts'

/** That the undo of the change is refused, and changes nothing. */
async function refused(fixture: Fixture, change: string, message: RegExp | string, code = 409): Promise<void> {
  const before = [await state(fixture), (await log(fixture)).length]
  const pattern = typeof message === 'string' ? new RegExp(message.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)) : message
  for (const dryRun of [true, false]) await assert.rejects(undoOf(fixture, change, dryRun), rejects(code, pattern))
  assert.deepEqual([await state(fixture), (await log(fixture)).length], before)
}

/** Makes a change, and answers its id. */
const after = async (fixture: Fixture, change: Promise<unknown>): Promise<string> => {
  await change
  return last(fixture)
}

describe('a later change stands in the way, and is named', () => {
  test('of a table', async (t) => {
    const fixture = await open(t)
    const { context, call } = fixture
    const made = await after(fixture, newTable(fixture, 't'))
    const first = await after(fixture, commit(fixture, 't', [set({ a: '1' })]))
    await refused(fixture, made, `Change ${made} can't be undone: Table ns.t was changed since by ${first}: Commit to table ns.t`)
    const second = await after(fixture, commit(fixture, 't', [set({ a: '2' })]))
    await refused(fixture, first, `Table ns.t was changed since by ${second}: Commit to table ns.t`)
    const renamed = await after(fixture, renameTable(context, call, { source: ident('t'), destination: ident('u') }))
    await refused(fixture, second, `Table ns.t was changed since by ${renamed}: Rename table ns.t to ns.u`)
    await refused(fixture, first, `was changed since by ${second}`)
    // Another one has the name since.
    const other = await after(fixture, newTable(fixture, 't'))
    await refused(fixture, renamed, `Cannot rename ns.u to ns.t. Table already exists (since then ${other}: Create table ns.t)`)
    await refused(fixture, second, `was changed since by ${renamed}`)
    const dropped = await after(fixture, dropTable(context, call, ident('u')))
    await refused(fixture, renamed, `Table ns.u was changed since by ${dropped}: Drop table ns.u`)
    await after(fixture, newTable(fixture, 'u'))
    await dropTable(context, call, ident('u'))
    const taken = await after(fixture, newTable(fixture, 'u'))
    await updateProperties(context, call, ['ns'], { updates: { no: 'matter' } })
    await commit(fixture, 'u', [set({ no: 'matter' })])
    await refused(fixture, dropped, `Table already exists: ns.u (since then ${taken}: Create table ns.u)`)
  })

  test('of a namespace', async (t) => {
    const fixture = await open(t)
    const { context, call } = fixture
    const made = await after(fixture, createNamespace(context, call, { namespace: ['a'], properties: { x: '1' } }))
    const updated = await after(fixture, updateProperties(context, call, ['a'], { updates: { x: '2' } }))
    await refused(fixture, made, `Namespace a was changed since by ${updated}: Update properties of namespace a`)
    const again = await after(fixture, updateProperties(context, call, ['a'], { removals: ['x'] }))
    await refused(fixture, updated, `Property x of namespace a was changed since by ${again}`)
    await undoOf(fixture, again)
    await undoOf(fixture, updated)
    const inside = await after(fixture, createTable(context, call, ['a'], { name: 't', schema }))
    await refused(fixture, made, /Namespace a is not empty \(since then /)
    await createTable(context, call, ['a'], { name: 'u', schema })
    await dropTable(context, call, ident('u', 'a'))
    const gone = await after(fixture, dropTable(context, call, ident('t', 'a')))
    const dropped = await after(fixture, dropNamespace(context, call, ['a']))
    await refused(fixture, gone, `It can't come back: Namespace does not exist: a (since then ${dropped}: Drop namespace a)`)
    await refused(fixture, inside, `was changed since by ${gone}`)
    const new2 = await after(fixture, createNamespace(context, call, { namespace: ['a'] }))
    await refused(fixture, dropped, `Namespace already exists: a (since then ${new2}: Create namespace a)`)
    await refused(fixture, made, /Namespace a was changed since by/)
  })

  test('undone already, by whatever change; and made again, it is that which was changed', async (t) => {
    const fixture = await open(t)
    const { context, call } = fixture
    const made = await after(fixture, newTable(fixture, 't'))
    const undone = await after(fixture, undoOf(fixture, made))
    await refused(fixture, made, `Change ${made} was undone already by ${undone}: Undo ${made}: Drop table ns.t`)
    const again = await after(fixture, undoOf(fixture, undone))
    await refused(fixture, undone, `Change ${undone} was undone already by ${again}`)
    const committed = await after(fixture, commit(fixture, 't', [set({ a: '1' })]))
    const back = await after(fixture, undoOf(fixture, committed))
    await refused(fixture, committed, `was undone already by ${back}`)
    const redone = await after(fixture, undoOf(fixture, back))
    await refused(fixture, committed, `Table ns.t was changed since by ${redone}: Undo ${back}: Commit to table ns.t`)
    const protectedAt = await after(fixture, protect(context, call, ident('t'), 'table', true))
    const free = await after(fixture, undoOf(fixture, protectedAt))
    await refused(fixture, protectedAt, `was undone already by ${free}`)
    // By hand.
    await dropTable(context, call, ident('t'))
    const dropped = await last(fixture)
    await undrop(context, call, { id: (await listDropped(context, call, {})).dropped[0]!.id })
    await refused(fixture, dropped, `what it dropped is not kept any more (since then ${await last(fixture)}: Undrop table ns.t)`)
  })

  test('a change by a server whose clock is behind is in the way all the same', async (t) => {
    const clock = { now: 1_900_000_000_000 }
    const fixture = await open(t, { now: () => clock.now })
    const made = await after(fixture, newTable(fixture, 't'))
    clock.now -= 10_000
    const other = { ...fixture.another(), hooks: fixture.hooks }
    await commit(other, 't', [set({ a: '1' })])
    await refused(fixture, made, /Table ns\.t was changed since(?:, and the log does not name| by )/)
  })
})

describe('what can not be undone', () => {
  test('a purge, and what is not kept', async (t) => {
    const clock = { now: Date.now() }
    const fixture = await open(t, { now: () => clock.now, droppedKeptMs: 1000 })
    const { context, call } = fixture
    await newTable(fixture, 't')
    const purged = await after(fixture, dropTable(context, call, ident('t'), { purgeRequested: true }))
    await refused(fixture, purged, `it was a drop with purge`)
    await createView(context, call, ['ns'], { name: 'v', ...newView })
    const dropped = await after(fixture, dropView(context, call, ident('v')))
    clock.now += 1000
    await refused(fixture, dropped, `what it dropped is not kept any more`)
  })

  test('where files are gone', async (t) => {
    const fixture = await open(t)
    const { context, call } = fixture
    await newTable(fixture, 't')
    const before = (await rowOf(fixture, 't'))!.metadata_location
    const id = await after(fixture, commit(fixture, 't', [set({ a: '1' })]))
    rmSync(fileURLToPath(before))
    await refused({ ...fixture, context: fixture.another().context }, id, `the metadata file of before is gone: ${before}`)
    const unregistered = await after(fixture, unregisterTable(context, call, ident('t')))
    const { pathname } = new URL(`${fixture.catalog.root}/ns/t`)
    rmSync(pathname, { recursive: true })
    await refused({ ...fixture, context: fixture.another().context }, unregistered, 'the metadata file of before is gone')
  })

  test('an unregistered table whose file says another place by now', async (t) => {
    const fixture = await open(t)
    await newTable(fixture, 't')
    const file = fileURLToPath((await rowOf(fixture, 't'))!.metadata_location)
    const id = await after(fixture, unregisterTable(fixture.context, fixture.call, ident('t')))
    writeFileSync(file, readFileSync(file, 'utf8').replaceAll('/ns/t"', '/ns"'))
    const fresh = { ...fixture, context: fixture.another().context }
    await assert.rejects(undoOf(fresh, id), rejects(500, /has another location/))
    assert.equal(await rowOf(fixture, 't'), undefined)
  })

  test('what is protected, and where another table lies', async (t) => {
    const fixture = await open(t)
    const { context, call } = fixture
    const made = await after(fixture, newTable(fixture, 't'))
    const protection = await after(fixture, protect(context, call, ident('t'), 'table', true))
    await refused(fixture, made, `The table ns.t is protected`)
    await refused(fixture, made, `(since then ${protection}: Protect table ns.t)`)
    const space = await after(fixture, createNamespace(context, call, { namespace: ['a'] }))
    await protectNamespace(context, call, ['a'], true)
    await refused(fixture, space, 'The namespace a is protected')
    await protect(context, call, ident('t'), 'table', false)
    const file = (await rowOf(fixture, 't'))!.metadata_location
    const gone = await after(fixture, unregisterTable(context, call, ident('t')))
    await registerTable(context, call, ['ns'], { name: 'r', 'metadata-location': file })
    await refused(fixture, gone, /It can't come back: .*overlaps the location of another table/)
  })

  test('what no line of this log is about', async (t) => {
    const fixture = await open(t)
    await newTable(fixture, 't')
    const id = await last(fixture)
    for (const unknown of ['', 'none', 'x'.repeat(10_000), key7(5), `${id}\u0000`, id.toUpperCase(), '\ud800'])
      await refused(fixture, unknown, /^The log of catalog lake has no change with the id /, 404)
    const elsewhere = { ...fixture.call, catalog: { ...fixture.catalog, id: 'c2', name: 'other' } }
    await assert.rejects(undo(fixture.context, elsewhere, { change: id }), rejects(404, /catalog other has no change/))
    const tenant = { ...fixture.call, catalog: { ...fixture.catalog, tenantId: 't2' } }
    await assert.rejects(undo(fixture.context, tenant, { change: id }), rejects(404, /has no change/))
  })

  test('lines of earlier versions: undone by metadata files and names, where these are enough', async (t) => {
    const fixture = await open(t)
    const { context, call, store } = fixture
    /** Takes from the last line what earlier versions did not write. */
    const asBefore = async (): Promise<string> => {
      const [row] = await store.list('commits', { index: 'primary', where: {}, descending: true, limit: 1 })
      const isNew = ([name]: [string, unknown]): boolean => ['id', 'before', 'after', 'uuid', 'location'].includes(name)
      const without = (one: object) => Object.fromEntries(Object.entries(one).filter((entry) => !isNew(entry)))
      const operations = (row!.operations as Loose[]).map(without)
      await store.write([{ op: 'replace', entity: 'commits', row: { ...row!, operations }, expected: row!.version }])
      return row!.id
    }
    await newTable(fixture, 't')
    const made = await asBefore()
    await commit(fixture, 't', [set({ a: '1' })])
    const committed = await asBefore()
    await refused(fixture, made, /Table ns\.t was changed since by .*: Commit to table/)
    await renameTable(context, call, { source: ident('t'), destination: ident('u') })
    await undoOf(fixture, await asBefore())
    await undoOf(fixture, committed)
    await renameTable(context, call, { source: ident('t'), destination: ident('u') })
    const renamed = await asBefore()
    await commit(fixture, 'u', [set({ a: '2' })])
    await refused(fixture, renamed, /Table ns\.u was changed since by .*: Commit to table ns\.u/)
    await dropTable(context, call, ident('u'))
    await undoOf(fixture, await asBefore())
    await createNamespace(context, call, { namespace: ['a'] })
    await refused(fixture, await asBefore(), /its line was written by an earlier version/)
    await updateProperties(context, call, ['a'], { updates: { x: '1' } })
    await refused(fixture, await asBefore(), /its line was written by an earlier version/)
    await dropNamespace(context, call, ['a'])
    await undoOf(fixture, await asBefore())
    await protect(context, call, ident('u'), 'table', true)
    await refused(fixture, await asBefore(), /its line was written by an earlier version/)
    const [row] = await store.list('commits', { index: 'primary', where: {}, descending: true, limit: 1 })
    const operations = [{ operation: 'merge-branch', identifier: ident('u') }]
    await store.write([{ op: 'replace', entity: 'commits', row: { ...row!, operations }, expected: row!.version }])
    await refused(fixture, row!.id, /does not know how to undo merge-branch/)
  })
})

test('a dry run says what would happen, and changes nothing', async (t) => {
  const fixture = await open(t)
  const { context, call } = fixture
  await newTable(fixture, 't')
  const committed = await after(fixture, append(fixture, 't', 1))
  const before = [await state(fixture), await log(fixture)]
  const keyed = withKey(call, key7(1))
  const told = await undo(context, keyed, { change: committed, dryRun: true })
  assert.deepEqual([await state(fixture), await log(fixture)], before)
  assert.deepEqual([told.dry_run, (told.operations[0] as Loose)['metadata-location']], [true, null])
  const done = await undoOf(fixture, committed)
  const known = done.operations.map((one) => ({ ...(one as object), 'metadata-location': null }))
  assert.deepEqual({ ...done, dry_run: true, operations: known }, told)
  const dropped = await after(fixture, dropTable(context, call, ident('t')))
  const would = await undoOf(fixture, dropped, true)
  assert.equal(await rowOf(fixture, 't'), undefined)
  assert.deepEqual((await undoOf(fixture, dropped)).operations, would.operations)
})

test('no fault leaves a part of an undo behind', async (t: TestContext) => {
  for (const fault of ['unavailable', 'unknown, and it landed', 'unknown', 'file'] as const) {
    const fixture = await open(t)
    for (const name of ['a', 'b']) await newTable(fixture, name)
    const changes = ['a', 'b'].map((name) => ({ identifier: ident(name), requirements: [], updates: [set({ k: 'v' })] }))
    await commitTransaction(fixture.context, fixture.call, { 'table-changes': changes } as never)
    const id = await last(fixture)
    const before = await state(fixture)
    let files = 0
    if (fault === 'file') {
      fixture.hooks.create = async (location, bytes, next) => {
        if ((files += 1) === 2) throw new StoreError('unavailable', 'gone')
        await next(location, bytes)
      }
    } else {
      fixture.hooks.write = async (mutations, next) => {
        fixture.hooks.write = undefined
        if (fault === 'unknown, and it landed') await next(mutations)
        throw new StoreError(fault === 'unavailable' ? 'unavailable' : 'unknown', 'gone')
      }
    }
    const ended = undoOf(fixture, id)
    if (fault === 'unknown, and it landed') await ended
    else await assert.rejects(ended)
    fixture.hooks.create = undefined
    const values = await Promise.all(['a', 'b'].map(async (name) => (await loaded(fixture.another(), name)).properties.k))
    const isUndone = fault === 'unknown, and it landed'
    assert.deepEqual(values, isUndone ? [undefined, undefined] : ['v', 'v'], fault)
    if (fault === 'unavailable' || fault === 'file') assert.deepEqual(await state(fixture), before)
    assert.equal((await log(fixture)).length, isUndone ? 5 : 4)
    if (isUndone) await refused(fixture, id, /was undone already by/)
    else await undoOf(fixture, id)
  }
})

test('reads that fail change nothing', async (t) => {
  const store = faultyStore(openMemoryStore())
  const fixture = await open(t, {}, store)
  await newTable(fixture, 't')
  const id = await after(fixture, commit(fixture, 't', [set({ a: 'b' })]))
  const before = await state(fixture)
  for (let skip = 0; skip < 3; skip += 1) {
    store.inject({ method: 'get', mode: 'before', skip })
    await undoOf(fixture, id).then(
      () => assert.equal(skip > 0, true),
      (error: Loose) => assert.match(String(error.kind ?? error.code), /unavailable|503/),
    )
    store.heal()
    if ((await loaded(fixture, 't')).properties.a === undefined) return
    assert.deepEqual(await state(fixture), before)
  }
})

describe('races', () => {
  test('with commits: the undo lands before them or is refused, and none is lost', async (t) => {
    const fixture = await open(t)
    const others: CatalogContext[] = [fixture.context, fixture.another().context]
    await newTable(fixture, 't')
    for (let round = 0; round < 8; round += 1) {
      const id = await after(fixture, commit(fixture, 't', [set({ undone: `${round}` })]))
      const commits = [0, 1, 2].map((n) =>
        commit({ ...fixture, context: others[n % 2]! }, 't', [set({ [`own-${round}-${n}`]: 'x' })]),
      )
      const [end, ...ends] = await Promise.allSettled([undo(others[1]!, fixture.call, { change: id }), ...commits])
      assert.deepEqual(
        ends.map(({ status }) => status),
        ['fulfilled', 'fulfilled', 'fulfilled'],
      )
      const { properties } = await loaded(fixture.another(), 't')
      for (const n of [0, 1, 2]) assert.equal(properties[`own-${round}-${n}`], 'x')
      if (end!.status === 'rejected') assert.match(String(end!.reason), /Table ns\.t was changed since by/)
      assert.equal(properties.undone === `${round}`, end!.status === 'rejected')
    }
  })

  test('of two that undo the same, one does', async (t) => {
    const fixture = await open(t)
    const others: CatalogContext[] = [fixture.context, fixture.another().context]
    await newTable(fixture, 't')
    const changes = [
      await after(fixture, commit(fixture, 't', [set({ a: 'b' })])),
      await after(fixture, renameTable(fixture.context, fixture.call, { source: ident('t'), destination: ident('u') })),
      await after(fixture, dropTable(fixture.context, fixture.call, ident('u'))),
    ]
    for (const change of changes.toReversed()) {
      const ends = await Promise.allSettled([0, 1, 2, 3].map((n) => undo(others[n % 2]!, fixture.call, { change })))
      assert.deepEqual(ends.map(({ status }) => status).toSorted(), ['fulfilled', 'rejected', 'rejected', 'rejected'])
      for (const end of ends) if (end.status === 'rejected') assert.match(String(end.reason), /was undone already by/)
    }
  })

  test('with a commit between plan and write: what is planned anew is refused', async (t) => {
    const fixture = await open(t)
    const other = fixture.another()
    await newTable(fixture, 't')
    const id = await after(fixture, commit(fixture, 't', [set({ a: 'b' })]))
    const files = fixture.files().length
    fixture.hooks.write = async (mutations, next) => {
      fixture.hooks.write = undefined
      await commit(other, 't', [set({ c: 'd' })])
      return next(mutations)
    }
    await assert.rejects(undoOf(fixture, id), rejects(409, /was changed since by .*: Commit to table ns\.t/))
    assert.equal(fixture.files().length, files + 1, 'the file of the first attempt is gone')
    await undoLast(fixture)
    assert.deepEqual((await loaded(fixture, 't')).properties.a, 'b')
  })
})
