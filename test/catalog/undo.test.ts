/** Each kind of change undone: what it touched is as before, by a change of its own that the log has. */
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, test } from 'node:test'
import { dropTable, dropView } from '../../src/catalog/drop.ts'
import { listDropped } from '../../src/catalog/dropped.ts'
import { createNamespace, dropNamespace, loadNamespaceMetadata, updateProperties } from '../../src/catalog/namespaces.ts'
import { loadProtection, loadNamespaceProtection, protect, protectNamespace } from '../../src/catalog/protection.ts'
import { registerTable, unregisterTable } from '../../src/catalog/register.ts'
import { renameTable } from '../../src/catalog/rename.ts'
import { createTable, tableExists } from '../../src/catalog/tables.ts'
import { commitTransaction } from '../../src/catalog/transactions.ts'
import { undo } from '../../src/catalog/undo/undo.ts'
import { undrop } from '../../src/catalog/undrop.ts'
import { createView, loadView, registerView, renameView, replaceView } from '../../src/catalog/views.ts'
import {
  VIEW_VERSION,
  bodyOf,
  ident,
  key7,
  newTable,
  newView,
  open,
  rejects,
  schema,
  set,
  withKey,
  type Fixture,
  type Loose,
} from './setup.ts'
import { append, commit, last, loaded, log, rowOf, state, undoLast, undoOf } from './undo.ts'

const WIDER = { ...schema, fields: [...schema.fields, { id: 3, name: 'more', required: false, type: 'int' }] }
const widen = [
  { action: 'add-schema', schema: WIDER },
  { action: 'set-current-schema', 'schema-id': -1 },
]
const isGone = (fixture: Fixture, name: string): Promise<void> =>
  assert.rejects(async () => tableExists(fixture.context, fixture.call, ident(name)), rejects(404, /does not exist/))
const withoutTimes = (row: object | undefined) => ({ ...row, version: 0, updated_at: 0 })
/** Undoes the last change, and that again: the answers. */
async function thereAndBack(fixture: Fixture): Promise<Loose[]> {
  const id = await last(fixture)
  const there = await undoOf(fixture, id)
  const [line] = await log(fixture)
  assert.deepEqual([line!.operations, line!.message, there.id], [there.operations, there.message, id])
  assert.match(there.message, new RegExp(`^Undo ${id}: `))
  for (const operation of there.operations as Loose[]) assert.equal(operation.undoes, id)
  return [there, () => undoLast(fixture)]
}

describe('undo of a change to a table or view', () => {
  test('created: it is dropped, and can come back', async (t) => {
    const fixture = await open(t)
    await newTable(fixture, 't')
    const before = await rowOf(fixture, 't')
    const [answer, again] = await thereAndBack(fixture)
    assert.deepEqual(
      answer.operations.map(({ operation, identifier, id }: Loose) => ({ operation, identifier, id })),
      [{ operation: 'drop-table', identifier: { namespace: ['ns'], name: 't' }, id: before!.id }],
    )
    await isGone(fixture, 't')
    assert.equal((await listDropped(fixture.context, fixture.call, {})).dropped[0]!.name, 't')
    assert.equal((await again()).operations[0].operation, 'undrop-table')
    assert.deepEqual(withoutTimes(await rowOf(fixture, 't')), withoutTimes(before))
    await createView(fixture.context, fixture.call, ['ns'], { name: 'v', ...newView })
    const [view] = await thereAndBack(fixture)
    assert.equal(view.operations[0].operation, 'drop-view')
    await assert.rejects(loadView(fixture.context, fixture.call, ident('v')), rejects(404, /does not exist/))
  })

  test('dropped: it comes back with its id, snapshots and all', async (t) => {
    const fixture = await open(t)
    const { context, call } = fixture
    await newTable(fixture, 't')
    const metadata = await append(fixture, 't', 1)
    const before = await rowOf(fixture, 't')
    await dropTable(context, call, ident('t'))
    // Others that were dropped since are no matter.
    await newTable(fixture, 'u')
    const id = (await log(fixture))[1]!.id
    await dropTable(context, call, ident('u'))
    await undoOf(fixture, id)
    assert.deepEqual(withoutTimes(await rowOf(fixture, 't')), withoutTimes(before))
    assert.deepEqual(await loaded(fixture, 't'), metadata)
    await createView(context, call, ['ns'], { name: 'v', ...newView })
    await dropView(context, call, ident('v'))
    const [, again] = await thereAndBack(fixture)
    assert.ok(await loadView(context, call, ident('v')))
    await again()
    await assert.rejects(loadView(context, call, ident('v')), rejects(404, /does not exist/))
  })

  test('brought back: it is dropped again', async (t) => {
    const fixture = await open(t)
    const { context, call } = fixture
    await newTable(fixture, 't')
    await dropTable(context, call, ident('t'))
    const [dropped] = (await listDropped(context, call, {})).dropped
    await undrop(context, call, { id: dropped!.id, name: 'u' })
    await undoLast(fixture)
    await isGone(fixture, 'u')
  })

  test('unregistered: it comes back with its id', async (t) => {
    const fixture = await open(t)
    const { context, call } = fixture
    await newTable(fixture, 't', { 'write.data.path': `${fixture.catalog.root}/beside` })
    const before = await rowOf(fixture, 't')
    await unregisterTable(context, call, ident('t'))
    await undoLast(fixture)
    const { created_at: _, ...row } = withoutTimes(await rowOf(fixture, 't')) as Loose
    const { created_at: __, ...expected } = withoutTimes(before) as Loose
    assert.deepEqual(row, expected)
    await commit(fixture, 't', [set({ a: 'b' })])
    const other = createTable(context, call, ['ns'], { name: 'o', schema, location: `${fixture.catalog.root}/beside/in` })
    await assert.rejects(other, rejects(400, /overlaps a place/))
  })

  test('renamed: it has its old name, also after commits', async (t) => {
    const fixture = await open(t)
    const { context, call } = fixture
    await createNamespace(context, call, { namespace: ['other'] })
    await newTable(fixture, 't')
    await renameTable(context, call, { source: ident('t'), destination: ident('u', 'other') })
    const id = await last(fixture)
    const file = `${fixture.catalog.root}/x`
    await createTable(context, call, ['ns'], { name: 'x', schema, location: file })
    const { metadata_location: made } = (await rowOf(fixture, 'u', 'other'))!
    await undoOf(fixture, id)
    assert.equal((await rowOf(fixture, 't'))?.metadata_location, made)
    assert.equal(await rowOf(fixture, 'u', 'other'), undefined)
    await renameTable(context, call, { source: ident('t'), destination: ident('w') })
    const second = await last(fixture)
    await commit(fixture, 'w', [set({ a: 'b' })])
    await undoOf(fixture, second)
    assert.equal((await loaded(fixture, 't')).properties.a, 'b')
    await createView(context, call, ['ns'], { name: 'v', ...newView })
    await renameView(context, call, { source: ident('v'), destination: ident('v2') })
    await undoLast(fixture)
    assert.ok(await loadView(context, call, ident('v')))
  })

  test('committed to: the state of before in a new file, and the next append counts on', async (t) => {
    const fixture = await open(t)
    await newTable(fixture, 't', { keep: 'me' })
    const first = await append(fixture, 't', 1)
    const second = await append(fixture, 't', 2)
    const files = fixture.files().length
    const [answer, again] = await thereAndBack(fixture)
    const undone = await loaded(fixture, 't')
    assert.deepEqual([undone.snapshots, undone.refs], [first.snapshots, first.refs])
    assert.equal(undone['last-sequence-number'], 2)
    assert.deepEqual(answer.operations[0].fields, ['current-snapshot-id', 'refs', 'snapshots'])
    assert.equal(answer.operations[0]['metadata-location'], (await rowOf(fixture, 't'))!.metadata_location)
    assert.equal(fixture.files().length, files + 1)
    assert.equal(undone['metadata-log'].length, second['metadata-log'].length + 1)
    await again()
    assert.deepEqual((await loaded(fixture, 't')).snapshots, second.snapshots)
    await undoLast(fixture)
    const third = await append(fixture, 't', 3)
    assert.equal(third.snapshots.at(-1)['sequence-number'], 3)
    assert.deepEqual(third.snapshots.length, 2)
    await commit(fixture, 't', [...widen, set({ keep: 'not', more: 'x' })])
    await undoLast(fixture)
    const { properties, 'current-schema-id': current, schemas, 'last-column-id': column } = await loaded(fixture, 't')
    assert.deepEqual([properties, current, schemas.length, column], [first.properties, 0, 2, 3])
  })

  test('committed to, of every format version, and what lies at a place beside is as before', async (t) => {
    const fixture = await open(t)
    for (const version of ['1', '2', '3']) {
      const name = `t${version}`
      await newTable(fixture, name, { 'format-version': version })
      await commit(fixture, name, [set({ 'write.data.path': `${fixture.catalog.root}/beside${version}` })])
      await undoLast(fixture)
      assert.equal((await loaded(fixture, name))['format-version'], Number(version))
    }
    assert.equal((await fixture.store.list('places', { index: 'primary', where: {}, limit: 10 })).length, 0)
    await commit(fixture, 't2', [{ action: 'set-location', location: `${fixture.catalog.root}/moved` }])
    await undoLast(fixture)
    assert.equal((await rowOf(fixture, 't2'))!.location, `${fixture.catalog.root}/ns/t2`)
    await newTable(fixture, 'gz', { 'write.metadata.compression-codec': 'gzip' })
    await commit(fixture, 'gz', [set({ a: 'b' })])
    await undoLast(fixture)
    assert.equal((await loaded(fixture, 'gz')).properties.a, undefined)
  })

  test('committed to, where the metadata is so large that a thread works on it', async (t) => {
    const fixture = await open(t)
    await newTable(fixture, 't', { big: 'x'.repeat(600_000) })
    await commit(fixture, 't', [set({ a: 'b' })])
    const [answer] = await thereAndBack(fixture)
    assert.deepEqual(answer.operations[0].fields, ['properties'])
    assert.equal((await loaded(fixture, 't')).properties.a, undefined)
    await commit(fixture, 't', [{ action: 'upgrade-format-version', 'format-version': 3 }])
    await assert.rejects(undoLast(fixture), rejects(409, /can't be undone: It raised the format version from 2 to 3/))
  })

  test('a view committed to', async (t) => {
    const fixture = await open(t)
    const { context, call } = fixture
    await createView(context, call, ['ns'], { name: 'v', ...newView })
    const version = { ...VIEW_VERSION, 'version-id': 2, representations: [{ type: 'sql', sql: 'select 2', dialect: 'spark' }] }
    const updates = [
      { action: 'add-view-version', 'view-version': version },
      { action: 'set-current-view-version', 'view-version-id': -1 },
    ]
    await replaceView(context, call, ident('v'), { updates } as never)
    await undoLast(fixture)
    const { metadata } = bodyOf(await loadView(context, call, ident('v')))
    assert.deepEqual([metadata['current-version-id'], metadata.versions.length, metadata['version-log'].length], [1, 2, 3])
  })

  test('registered: dropped where it was new, as before where it took the place of another', async (t) => {
    const fixture = await open(t)
    const { context, call } = fixture
    await newTable(fixture, 't')
    const first = (await rowOf(fixture, 't'))!.metadata_location
    await append(fixture, 't', 1)
    const before = await append(fixture, 't', 2)
    await registerTable(context, call, ['ns'], { name: 't', 'metadata-location': first, overwrite: true })
    await undoLast(fixture)
    const back = await loaded(fixture, 't')
    assert.deepEqual([back.snapshots, back['snapshot-log']], [before.snapshots, before['snapshot-log']])
    // Another table's file.
    await newTable(fixture, 'other', { 'write.data.path': `${fixture.catalog.root}/beside` })
    const { id, uuid, metadata_location: file } = (await rowOf(fixture, 'other'))!
    await unregisterTable(context, call, ident('other'))
    const own = (await rowOf(fixture, 't'))!
    await registerTable(context, call, ['ns'], { name: 't', 'metadata-location': file, overwrite: true })
    assert.equal((await rowOf(fixture, 't'))!.uuid, uuid)
    await undoLast(fixture)
    const { uuid: restored, location, id: same } = (await rowOf(fixture, 't'))!
    assert.deepEqual([restored, location, same], [own.uuid, own.location, own.id])
    assert.deepEqual((await loaded(fixture, 't')).snapshots, before.snapshots)
    assert.notEqual(id, same)
    await registerTable(context, call, ['ns'], { name: 'again', 'metadata-location': file })
    await undoLast(fixture)
    await isGone(fixture, 'again')
    await createView(context, call, ['ns'], { name: 'v', ...newView })
    const view = (await rowOf(fixture, 'v'))!.metadata_location
    await dropView(context, call, ident('v'))
    await registerView(context, call, ['ns'], { name: 'v2', 'metadata-location': view })
    assert.equal((await undoLast(fixture)).operations.length, 1)
    assert.equal(await rowOf(fixture, 'v2'), undefined)
  })

  test('a transaction is undone as a whole: what it created and what it changed', async (t) => {
    const fixture = await open(t)
    const { context, call } = fixture
    await newTable(fixture, 'a')
    await newTable(fixture, 'b')
    const create = [{ type: 'assert-create' }]
    const fresh = [
      { action: 'add-schema', schema },
      { action: 'set-current-schema', 'schema-id': -1 },
    ]
    const layout = [
      { action: 'add-spec', spec: { fields: [] } },
      { action: 'set-default-spec', 'spec-id': -1 },
      { action: 'add-sort-order', 'sort-order': { 'order-id': 0, fields: [] } },
      { action: 'set-default-sort-order', 'sort-order-id': -1 },
    ]
    const changes = [
      { identifier: ident('a'), requirements: [], updates: [set({ k: 'v' })] },
      { identifier: ident('c'), requirements: create, updates: [...fresh, ...layout] },
      { identifier: ident('b'), requirements: [], updates: widen },
    ]
    await commitTransaction(context, call, { 'table-changes': changes } as never)
    const [answer, again] = await thereAndBack(fixture)
    assert.deepEqual(
      answer.operations.map(({ operation, identifier }: Loose) => `${operation} ${identifier.name}`),
      ['update-table a', 'update-table b', 'drop-table c'],
    )
    assert.match(answer.message, /: Commit to table ns\.a; Drop table ns\.c; Commit to table ns\.b$/)
    await isGone(fixture, 'c')
    assert.equal((await loaded(fixture, 'a')).properties.k, undefined)
    assert.equal((await loaded(fixture, 'b'))['current-schema-id'], 0)
    await again()
    assert.equal((await loaded(fixture, 'a')).properties.k, 'v')
    assert.equal((await loaded(fixture, 'b'))['current-schema-id'], 1)
    assert.ok(await loaded(fixture, 'c'))
    // One that is in the way keeps all of it.
    await commit(fixture, 'b', [set({ later: 'yes' })])
    const before = await state(fixture)
    const [, id] = (await log(fixture)).map((line) => line.id)
    await assert.rejects(undoOf(fixture, id!), rejects(409, /Table ns\.b was changed since by .*: Commit to table ns\.b/))
    assert.deepEqual(await state(fixture), before)
  })

  test('snapshots that were removed come back as long as their files are there', async (t) => {
    const fixture = await open(t)
    await newTable(fixture, 't')
    const first = await append(fixture, 't', 1)
    const second = await append(fixture, 't', 2)
    await commit(fixture, 't', [{ action: 'remove-snapshots', 'snapshot-ids': [1] }])
    const [, again] = await thereAndBack(fixture)
    assert.deepEqual((await loaded(fixture, 't')).snapshots, second.snapshots)
    await again()
    rmSync(fileURLToPath(first.snapshots[0]['manifest-list']))
    await assert.rejects(
      undoLast(fixture),
      rejects(409, /it removed a snapshot or statistics, and a file of that is gone: .*snap-1\.avro/),
    )
  })
})

describe('undo of a change to a namespace or protection', () => {
  test('created, dropped, brought back', async (t) => {
    const fixture = await open(t)
    const { context, call } = fixture
    await createNamespace(context, call, { namespace: ['a'], properties: { owner: 'ada' } })
    const [answer, again] = await thereAndBack(fixture)
    assert.equal(answer.operations[0].operation, 'drop-namespace')
    await assert.rejects(async () => loadNamespaceMetadata(context, call, ['a']), rejects(404, /does not exist/))
    assert.equal((await again()).operations[0].operation, 'undrop-namespace')
    assert.equal((await loadNamespaceMetadata(context, call, ['a'])).properties['owner'], 'ada')
    await undoLast(fixture)
    await undoLast(fixture)
    await dropNamespace(context, call, ['a'])
    await undoLast(fixture)
    assert.equal((await loadNamespaceMetadata(context, call, ['a'])).properties['owner'], 'ada')
  })

  test('its properties: those that changed, and no others', async (t) => {
    const fixture = await open(t)
    const { context, call } = fixture
    const location = `${fixture.catalog.root}/place`
    await createNamespace(context, call, { namespace: ['a'], properties: { kept: '1', gone: '2', __proto__x: '3' } })
    await updateProperties(context, call, ['a'], { updates: { kept: '5', added: '6', location }, removals: ['gone'] })
    const id = await last(fixture)
    await updateProperties(context, call, ['a'], { updates: { other: '7' } })
    const answer = await undoOf(fixture, id)
    const { properties } = await loadNamespaceMetadata(context, call, ['a'])
    const { location: _, ...own } = properties
    assert.deepEqual(own, { kept: '1', gone: '2', __proto__x: '3', other: '7' })
    assert.notEqual(properties['location'], location)
    assert.deepEqual(answer.operations[0], {
      operation: 'update-namespace-properties',
      namespace: ['a'],
      id: (answer.operations[0] as Loose).id,
      before: { kept: '5', gone: null, added: '6', location },
      after: { kept: '1', gone: '2', added: null, location: null },
      updated: ['kept', 'gone'],
      removed: ['added', 'location'],
      undoes: id,
    })
    await undoLast(fixture)
    assert.equal((await loadNamespaceMetadata(context, call, ['a'])).properties['location'], location)
  })

  test('protections, both ways', async (t) => {
    const fixture = await open(t)
    const { context, call } = fixture
    await newTable(fixture, 't')
    await protect(context, call, ident('t'), 'table', true)
    const [answer, again] = await thereAndBack(fixture)
    assert.equal(answer.operations[0].operation, 'unprotect-table')
    assert.deepEqual(await loadProtection(context, call, ident('t'), 'table'), { protected: false })
    await again()
    assert.deepEqual(await loadProtection(context, call, ident('t'), 'table'), { protected: true })
    await protectNamespace(context, call, ['ns'], true)
    await protectNamespace(context, call, ['ns'], false)
    await undoLast(fixture)
    assert.deepEqual(await loadNamespaceProtection(context, call, ['ns']), { protected: true })
  })
})

test('a repeated request is answered alike, and undoes once', async (t) => {
  const fixture = await open(t)
  await newTable(fixture, 't')
  await commit(fixture, 't', [set({ a: 'b' })])
  const change = await last(fixture)
  const keyed = withKey(fixture.call, key7(1))
  const answer = await undo(fixture.context, keyed, { change })
  const lines = (await log(fixture)).length
  assert.deepEqual(await undo(fixture.another().context, keyed, { change }), answer)
  assert.equal((await log(fixture)).length, lines)
})
