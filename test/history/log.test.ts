/** What becomes of the log's lines: they are verified, they end, and those of versions before are put in order as far as they say. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { listCommits } from '../../src/catalog/history.ts'
import { positionOf } from '../../src/catalog/moments.ts'
import { dropTable } from '../../src/catalog/drop.ts'
import { createNamespace, listNamespaces, loadNamespaceMetadata, updateProperties } from '../../src/catalog/namespaces.ts'
import { renameTable } from '../../src/catalog/rename.ts'
import { listTables, loadTable } from '../../src/catalog/tables.ts'
import { updateTable } from '../../src/catalog/update-table.ts'
import { expireHistory } from '../../src/history/retention.ts'
import { verifyLogs } from '../../src/history/verify.ts'
import { IcebergError } from '../../src/iceberg/errors.ts'
import type { Json } from '../../src/stores/entities.ts'
import type { Store } from '../../src/stores/store.ts'
import { bodyOf, ident, newTable, open, set, type Fixture } from '../catalog/setup.ts'
import { LOG } from './lake.ts'

const commit = async ({ context, call }: Fixture, name: string, value: string): Promise<string> => {
  const request = { requirements: [], updates: [set({ value })] }
  return bodyOf(await updateTable(context, call, ident(name), request))['metadata-location']!
}

const at = (fixture: Fixture, position: number): Fixture['call'] => ({
  ...fixture.call,
  catalog: { ...fixture.catalog, at: position },
})

/** The namespace, a table, and six commits to it. */
async function written(t: TestContext): Promise<{ readonly fixture: Fixture; readonly files: string[] }> {
  const fixture = await open(t)
  const files = [(await newTable(fixture, 't'))['metadata-location']!]
  for (let n = 0; n < 6; n++) files.push(await commit(fixture, 't', String(n)))
  await fixture.context.sequencer.settle()
  return { fixture, files }
}

const kindsOf = async (store: Store): Promise<string[]> =>
  (await verifyLogs(store)).faults.map(({ kind, position }) => `${kind} ${position}`)

test('a line that was altered, removed or put in is found, and so is one in whose place another stands', async (t) => {
  const { store } = (await written(t)).fixture
  assert.deepEqual(await kindsOf(store), [])
  const lineAt = async (position: number) => {
    const { commit_id: id } = (await store.get('positions', { ...LOG, position }))!
    return (await store.get('commits', { ...LOG, id }))!
  }
  const third = await lineAt(3)
  await store.write([{ op: 'replace', entity: 'commits', row: { ...third, author: 'eve' }, expected: third.version }])
  assert.deepEqual(await kindsOf(store), ['altered 3'])
  const altered = await lineAt(3)
  await store.write([{ op: 'replace', entity: 'commits', row: { ...third }, expected: altered.version }])
  assert.deepEqual(await kindsOf(store), [])

  const fifth = await lineAt(5)
  await store.write([{ op: 'remove', entity: 'commits', key: { ...LOG, id: fifth.id }, expected: 'any' }])
  assert.deepEqual(await kindsOf(store), ['removed 5'])
  const place = (await store.get('positions', { ...LOG, position: 5 }))!
  await store.write([{ op: 'remove', entity: 'positions', key: { ...LOG, position: 5 }, expected: 'any' }])
  assert.deepEqual(await kindsOf(store), ['removed 5'])
  const { version: _, ...line } = fifth
  const { version: __, ...row } = place
  await store.write([
    { op: 'insert', entity: 'commits', row: line },
    { op: 'insert', entity: 'positions', row },
  ])
  assert.deepEqual(await kindsOf(store), [])

  const forged = { ...line, id: '0197d0d0-0000-7000-8000-000000000000', author: 'eve' }
  await store.write([{ op: 'insert', entity: 'commits', row: forged }])
  assert.deepEqual(await kindsOf(store), ['inserted 5'])
  await store.write([{ op: 'remove', entity: 'commits', key: { ...LOG, id: forged.id }, expected: 'any' }])

  // The end of the log, with its last line.
  const last = await lineAt(8)
  await store.write([
    { op: 'remove', entity: 'commits', key: { ...LOG, id: last.id }, expected: 'any' },
    { op: 'remove', entity: 'positions', key: { ...LOG, position: 8 }, expected: 'any' },
  ])
  assert.deepEqual(await kindsOf(store), ['removed 8'])
})

test('a line that waits for its position is no fault', async (t) => {
  const { fixture } = await written(t)
  await commit(fixture, 't', 'pending')
  const { faults, pending, lines } = await verifyLogs(fixture.store)
  assert.deepEqual([faults, pending, lines], [[], 1, 8])
})

test('lines older than what is kept go, with the states that only they led to; what is kept reads as before', async (t) => {
  const clock = { now: 1_000_000 }
  const fixture = await open(t, { now: () => (clock.now += 1000) })
  const { context, call, store } = fixture
  const files: string[] = []
  files.push((await newTable(fixture, 't'))['metadata-location']!)
  files.push(await commit(fixture, 't', '1'))
  await newTable(fixture, 'gone')
  await updateProperties(context, call, ['ns'], { updates: { a: '1' } })
  await dropTable(context, call, ident('gone'))
  await renameTable(context, call, { source: ident('t'), destination: ident('u') })
  for (let n = 0; n < 120; n++) await commit(fixture, 'u', String(n))
  const last = await commit(fixture, 'u', 'last')
  await context.sequencer.settle()
  const all = (await listCommits(context, call, { order: 'asc', pageSize: 1000 })).commits
  const before = all[107]!
  const reading = async (position: number) => {
    const past = at(fixture, position)
    const tables = (await listTables(context, past, ['ns'], {})).identifiers.map(({ name }) => name)
    const { properties } = await loadNamespaceMetadata(context, past, ['ns'])
    return [tables, properties, bodyOf(await loadTable(context, past, ident('u')))['metadata-location']]
  }
  const expected = await Promise.all([before.position, before.position + 1, all.length].map(reading))
  const limit = before.timestamp + 1
  assert.equal(await expireHistory(store, limit), before.position)
  assert.equal(await expireHistory(store, limit), 0)
  // Nothing of what was remembered may answer.
  const fresh = fixture.another()
  const again = await Promise.all(
    [before.position, before.position + 1, all.length].map(async (position) => {
      const past = at(fresh, position)
      const { properties } = await loadNamespaceMetadata(fresh.context, past, ['ns'])
      const tables = (await listTables(fresh.context, past, ['ns'], {})).identifiers.map(({ name }) => name)
      const versions = await store.list('versions', {
        index: 'primary',
        where: { ...LOG, namespace: 'ns', name: 'u' },
        after: { ...LOG, namespace: 'ns', name: 'u', position: position + 1 },
        descending: true,
        limit: 1,
      })
      return [tables, properties, versions[0]?.metadata_location]
    }),
  )
  assert.deepEqual(again, expected)
  assert.equal(expected.at(-1)?.[2], last)
  const none = await Promise.all(
    ['t', 'gone'].map((name) => store.list('versions', { index: 'primary', where: { ...LOG, namespace: 'ns', name }, limit: 1 })),
  )
  assert.deepEqual(none, [[], []])
  assert.deepEqual((await verifyLogs(store)).faults, [])
  const kept = (await listCommits(context, call, { order: 'asc', pageSize: 1000 })).commits
  assert.deepEqual(
    kept.map(({ id }) => id),
    all.slice(before.position).map(({ id }) => id),
  )
  assert.equal(kept[0]?.parent_id, null)
  const missing = (error: unknown): boolean => error instanceof IcebergError && error.code === 404
  await assert.rejects(positionOf(context, fixture.catalog, String(before.position - 1)), missing)
  await assert.rejects(positionOf(context, fixture.catalog, new Date(all[3]!.timestamp).toISOString()), missing)
  assert.equal(await positionOf(context, fixture.catalog, String(before.position)), before.position)
  // The log goes on, also by a process that remembers it as it was.
  await commit(fixture, 'u', 'more')
  await context.sequencer.settle()
  assert.deepEqual((await verifyLogs(store)).faults, [])
})

test('lines of a version that recorded less lead to what they say: names and metadata files', async (t) => {
  const fixture = await open(t)
  const { context, store } = fixture
  const { 'metadata-location': first } = await newTable(fixture, 't')
  const second = await commit(fixture, 't', '1')
  for (const { version: _, ...key } of await store.list('commits', { index: 'primary', where: LOG, limit: 10 })) {
    await store.write([{ op: 'remove', entity: 'commits', key, expected: 'any' }])
  }
  const identifier = { namespace: ['ns'], name: 't' }
  const pointers = (file: string | null, before: string | null): Json => ({
    'metadata-location': file,
    'previous-metadata-location': before,
  })
  const old: Json[] = [
    { operation: 'create-namespace', namespace: ['ns'] },
    { operation: 'create-table', identifier, ...(pointers(first, null) as object) },
    { operation: 'update-namespace-properties', namespace: ['ns'], updated: ['a'], removed: [] },
    { operation: 'update-table', identifier, ...(pointers(second, first) as object) },
    { operation: 'drop-table', identifier, ...(pointers(null, second) as object), 'purge-requested': false },
    // A line of a future that this version does not know.
    { operation: 'paint-table', identifier, colour: 'red' },
  ]
  for (const [n, operation] of old.entries()) {
    const id = `0180000${n}-0000-7000-8000-000000000000`
    const row = { ...LOG, id, timestamp_ms: 1000 * n, author: 'old', message: 'Old', operations: [operation], origin: null }
    await store.write([{ op: 'insert', entity: 'commits', row: { ...row, position: null, arrival: null } }])
  }
  await context.sequencer.settle()
  const fileAt = async (position: number): Promise<string | null> =>
    bodyOf(await loadTable(context, at(fixture, position), ident('t')))['metadata-location']
  assert.deepEqual(await Promise.all([2, 3, 4].map(fileAt)), [first, first, second])
  for (const position of [1, 5, 6]) await assert.rejects(fileAt(position), /Table does not exist/)
  assert.deepEqual((await listNamespaces(context, at(fixture, 3), undefined, {})).namespaces, [['ns']])
  assert.deepEqual((await loadNamespaceMetadata(context, at(fixture, 3), ['ns'])).properties, {})
  assert.equal(await positionOf(context, fixture.catalog, new Date(3500).toISOString()), 4)
})

test('a name that ends and begins in one line has the one state', async (t) => {
  const fixture = await open(t)
  const { context, call, store } = fixture
  const { 'metadata-location': file } = await newTable(fixture, 't')
  const identifier = { namespace: ['ns'], name: 't' }
  const id = '01900000-0000-7000-8000-000000000000'
  const operations = [
    { operation: 'drop-table', identifier, id: 'x' },
    { operation: 'create-table', identifier, id: 'y', uuid: null, location: 'file:///y', 'metadata-location': file },
    { operation: 'drop-table', identifier, id: 'y' },
    { operation: 'create-table', identifier, id: 'z', uuid: null, location: 'file:///z', 'metadata-location': file },
  ]
  const row = { ...LOG, id, timestamp_ms: 0, author: 'a', message: 'm', operations, origin: null, position: null, arrival: null }
  await store.write([{ op: 'insert', entity: 'commits', row }])
  await context.sequencer.settle()
  const states = await store.list('states', {
    index: 'primary',
    where: { ...LOG, kind: 'table', parent: 'ns', name: 't' },
    limit: 10,
  })
  assert.deepEqual(
    states.map(({ since, until, id: one }) => [since, until, one === 'z']),
    [
      [2, 3, false],
      [3, null, true],
    ],
  )
  await createNamespace(context, call, { namespace: ['more'] })
  await context.sequencer.settle()
  assert.equal((await store.get('logs', LOG))?.position, 4)
})

test('a time is read in each of its spellings, and what is none is told what was expected', async (t) => {
  const { fixture } = await written(t)
  const { context, catalog } = fixture
  const { at: last } = (await fixture.store.get('logs', LOG))!
  const iso = new Date(last).toISOString()
  const zoned = new Date(last + 3_600_000).toISOString().replace('Z', '+01:00')
  for (const text of [iso, iso.toLowerCase(), zoned, zoned.replace('+', ' '), zoned.replace('+01:00', '+0100')]) {
    assert.equal(await positionOf(context, catalog, text), 8, text)
  }
  for (const text of ['2026-11-29', '2026-11-29T12:00:00', '2026-13-01T00:00:00Z', '2026-11-29T25:00:00Z', '2026-11-29x']) {
    await assert.rejects(positionOf(context, catalog, text), /expected a time with its zone/, text)
  }
  await assert.rejects(positionOf(context, catalog, '2999-01-01T00:00:00Z'), /has no moment .* yet/)
  await assert.rejects(positionOf(context, catalog, '1999-01-01T00:00:00Z'), /was not there at/)
})

test('a time that was read means the same position ever after, also when a server whose clock is behind goes on', async (t) => {
  const clock = { now: 10_000_000 }
  const fixture = await open(t, { now: () => clock.now })
  await newTable(fixture, 't')
  clock.now += 5000
  const time = new Date(clock.now).toISOString()
  assert.equal(await positionOf(fixture.context, fixture.catalog, time), 2)
  clock.now -= 3_600_000
  await commit(fixture, 't', 'late')
  await fixture.context.sequencer.settle()
  assert.equal((await fixture.store.get('logs', LOG))?.position, 3)
  clock.now += 3_700_000
  assert.equal(await positionOf(fixture.context, fixture.catalog, time), 2)
  assert.deepEqual((await verifyLogs(fixture.store)).faults, [])
})
