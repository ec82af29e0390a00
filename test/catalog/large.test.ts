/** Large requests and large tables: a thread works, and what comes of it is what would have come of it here. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { commitTransaction } from '../../src/catalog/transactions.ts'
import { createTable, loadTable } from '../../src/catalog/tables.ts'
import { updateTable } from '../../src/catalog/update-table.ts'
import type { CatalogContext } from '../../src/catalog/call.ts'
import { registerTable } from '../../src/catalog/register.ts'
import { createFormatThreads } from '../../src/catalog/commits/format-threads.ts'
import { parse } from '../../src/iceberg/json.ts'
import { DEFAULT_TABLE_LIMITS } from '../../src/iceberg/table-limits.ts'
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { bytesOf, countingThreads, field, ident, rejects, schema } from './large.ts'
import { NEW_TABLE, open, type Fixture } from './setup.ts'

const properties = (count: number, length = 10) =>
  Object.fromEntries(Array.from({ length: count }, (_, n) => [`key-${n}`, 'v'.repeat(length)]))
const setting = (updates: Readonly<Record<string, string>>) => ({
  requirements: [],
  updates: [{ action: 'set-properties', updates }],
})
const loaded = async ({ context, call }: Fixture, name: string) => {
  const { body } = await loadTable(context, call, ident(name))
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into metadata freely
  return (parse(body!) as { metadata: Record<string, any> }).metadata
}

test('a large commit does what a small one does', async (t) => {
  const { asked, threads } = countingThreads()
  const fixture = await open(t, { threads })
  const { context, call, catalog, another } = fixture
  await createTable(context, call, ['ns'], { name: 't', schema })
  const answer = await updateTable(context, call, ident('t'), bytesOf(setting(properties(2000, 100))))
  assert.deepEqual(asked, ['readCommits', 'commitToTable'])
  const metadata = await loaded(fixture, 't')
  assert.equal(metadata['properties']['key-1999'], 'v'.repeat(100))
  assert.equal(metadata['metadata-log'].length, 1)
  assert.ok(Buffer.from(answer.body!).equals((await loadTable(context, call, ident('t'))).body!), 'the answer is what is loaded')
  // What was written is what is answered, also to who has nothing in memory.
  const other = another()
  assert.deepEqual(await loaded(other, 't'), metadata)
  // The next commit is a small one again.
  await updateTable(context, call, ident('t'), { requirements: [], updates: [{ action: 'set-properties', updates: { a: 'b' } }] })
  assert.deepEqual(asked, ['readCommits', 'commitToTable'])
  assert.equal((await loaded(fixture, 't'))['metadata-log'].length, 2)
  const unchanged = await updateTable(context, call, ident('t'), bytesOf(setting({ ...properties(2000, 100), a: 'b' })))
  assert.equal(unchanged.etag, (await loadTable(context, call, ident('t'))).etag, 'what changes nothing writes nothing')
  assert.equal(catalog.name, 'lake')
})

test('a large commit is refused as a small one is', async (t) => {
  const { context, call } = await open(t)
  await createTable(context, call, ['ns'], { name: 't', schema })
  const many = properties(2000, 100)
  const commit = (request: object, name = 't') => updateTable(context, call, ident(name), bytesOf(request))
  const requirement = { type: 'assert-current-schema-id', 'current-schema-id': 7 }
  await assert.rejects(commit({ ...setting(many), requirements: [requirement] }), rejects(409, /current schema changed/))
  await assert.rejects(commit(setting(many), 'none'), rejects(404, /Table does not exist: ns\.none/))
  await assert.rejects(commit(setting({ ...many, 'write.data.path': 's3://elsewhere/x' })), rejects(400, /allowed locations/))
  await assert.rejects(commit({ ...setting(many), updates: [{ action: 'fly' }] }), rejects(400, /unknown action fly/))
  await assert.rejects(updateTable(context, call, ident('t'), Buffer.from('{'.repeat(200_000))), rejects(400, /Invalid JSON/))
  await assert.rejects(updateTable(context, call, ident('t'), Buffer.from('[1]')), rejects(400, /Invalid request/))
  // A place that may not be named is refused before a fault behind it.
  const both = [
    { action: 'set-location', location: 's3://elsewhere/x' },
    { action: 'set-current-schema', 'schema-id': 99 },
  ]
  await assert.rejects(
    commit({ requirements: [], updates: [...both, setting(many).updates[0]] }),
    rejects(400, /allowed locations/),
  )
})

test('a large commit creates a table, and a large transaction changes several', async (t) => {
  const fixture = await open(t)
  const { context, call } = fixture
  const create = [
    { action: 'assign-uuid', uuid: '11111111-2222-4333-8444-555555555555' },
    { action: 'upgrade-format-version', 'format-version': 2 },
    ...NEW_TABLE,
    ...setting(properties(2000, 100)).updates,
  ]
  await updateTable(context, call, ident('new'), bytesOf({ requirements: [{ type: 'assert-create' }], updates: create }))
  assert.match((await loaded(fixture, 'new'))['location'], /\/ns\/new/)
  await createTable(context, call, ['ns'], { name: 'small', schema })
  const changes = [
    { identifier: ident('new'), ...setting({ ...properties(2000, 90) }) },
    { identifier: ident('small'), ...setting({ one: '1' }) },
  ]
  await commitTransaction(context, call, bytesOf({ 'table-changes': changes }))
  assert.equal((await loaded(fixture, 'new'))['properties']['key-0'], 'v'.repeat(90))
  assert.equal((await loaded(fixture, 'small'))['properties']['one'], '1')
  const twice = bytesOf({ 'table-changes': [...changes, changes[1]] })
  await assert.rejects(commitTransaction(context, call, twice), rejects(400, /in table-changes twice/))
  const failing = bytesOf({ 'table-changes': [changes[0], { ...changes[1], requirements: [{ type: 'assert-create' }] }] })
  await assert.rejects(commitTransaction(context, call, failing), rejects(409, /already exists/))
})

test('a small commit to a table of large metadata is carried out by a thread', async (t) => {
  const { asked, threads } = countingThreads()
  const fixture = await open(t, { threads })
  const { context, call, another } = fixture
  await createTable(context, call, ['ns'], { name: 't', schema })
  await updateTable(context, call, ident('t'), bytesOf(setting(properties(9000, 200))))
  asked.length = 0
  const other = another()
  await updateTable(other.context, other.call, ident('t'), {
    requirements: [],
    updates: [{ action: 'set-properties', updates: { a: 'b' } }],
  })
  await updateTable(context, call, ident('t'), { requirements: [], updates: [{ action: 'remove-properties', removals: ['a'] }] })
  assert.ok(asked.filter((work) => work === 'commitToTable').length >= 2, asked.join())
  assert.equal(Object.hasOwn((await loaded(fixture, 't'))['properties'], 'a'), false)
})

test('compressed metadata is compressed by the thread', async (t) => {
  const fixture = await open(t)
  const { context, call, another } = fixture
  await createTable(context, call, ['ns'], { name: 't', schema })
  const updates = { ...properties(2000, 100), 'write.metadata.compression-codec': 'gzip' }
  const { body } = await updateTable(context, call, ident('t'), bytesOf(setting(updates)))
  assert.match((parse(body!) as { 'metadata-location': string })['metadata-location'], /\.gz\.metadata\.json$/)
  assert.equal((await loaded(another(), 't'))['properties']['key-7'], 'v'.repeat(100))
})

test('a table holds what the settings allow, and one that holds more can still shrink', async (t) => {
  const fixture = await open(t)
  const { context, call } = fixture
  await createTable(context, call, ['ns'], { name: 't', schema })
  const wide = { type: 'struct' as const, fields: Array.from({ length: 40 }, (_, n) => field(n + 1)) }
  const add = (count: number) => ({ type: 'struct', fields: Array.from({ length: count }, (_, n) => field(n + 1)) })
  for (const large of [false, true]) {
    const limits = { ...DEFAULT_TABLE_LIMITS, columns: 30, properties: 20, schemas: 3, bytes: 10_000 }
    const bounded = { ...context, limits }
    const commit = (updates: readonly object[], within: CatalogContext = bounded) => {
      const request = { requirements: [], updates: updates as object[] }
      return updateTable(within, call, ident('t'), large ? bytesOf(request) : request)
    }
    const refused = (message: RegExp) => rejects(400, message)
    await assert.rejects(
      commit(setting(properties(30)).updates),
      refused(/would have 3[01] properties; PANGOLIN_MAX_TABLE_PROPERTIES .* 20/),
    )
    await commit(setting(properties(30)).updates, context)
    await assert.rejects(commit(setting({ more: 'x' }).updates), refused(/PANGOLIN_MAX_TABLE_PROPERTIES/))
    await commit([{ action: 'set-properties', updates: { 'key-1': `other ${large}` } }])
    await commit([{ action: 'remove-properties', removals: ['key-2'] }])
    await assert.rejects(
      commit([{ action: 'add-schema', schema: add(31) }]),
      refused(/31 columns; PANGOLIN_MAX_TABLE_COLUMNS .* 30/),
    )
    await assert.rejects(
      commit([10, 11, 12].map((n) => ({ action: 'add-schema', schema: add(n) }))),
      refused(/4 schemas; PANGOLIN_MAX_TABLE_SCHEMAS/),
    )
    await assert.rejects(
      commit([{ action: 'set-properties', updates: { 'key-3': 'x'.repeat(20_000) } }]),
      refused(/bytes of metadata; PANGOLIN_MAX_TABLE_METADATA_BYTES .* 10000/),
    )
    await commit([{ action: 'set-properties', updates: { 'key-3': 'x'.repeat(20_000) } }], context)
    await assert.rejects(
      commit([{ action: 'set-properties', updates: { 'key-3': 'x'.repeat(30_000) } }]),
      refused(/METADATA_BYTES/),
    )
    await commit([{ action: 'set-properties', updates: { 'key-3': 'x'.repeat(15_000) } }])
    const names = Object.keys((await loaded(fixture, 't'))['properties'])
    await commit([{ action: 'remove-properties', removals: names }])
    assert.deepEqual((await loaded(fixture, 't'))['properties'], {})
  }
  const narrow = { ...context, limits: { ...DEFAULT_TABLE_LIMITS, columns: 30 } }
  await assert.rejects(createTable(narrow, call, ['ns'], { name: 'u', schema: wide }), rejects(400, /PANGOLIN_MAX_TABLE_COLUMNS/))
  const small = { ...context, limits: { ...DEFAULT_TABLE_LIMITS, bytes: 10_000 } }
  const request = { name: 'u', schema, properties: properties(100, 200) }
  for (const body of [request, bytesOf(request)])
    await assert.rejects(createTable(small, call, ['ns'], body), rejects(400, /PANGOLIN_MAX_TABLE_METADATA_BYTES/))
  await createTable(small, call, ['ns'], { name: 'u', schema })
})

test('a thread that is lost fails what it had, and nothing else', async () => {
  const threads = createFormatThreads()
  const request = (text: string) => ({ request: Buffer.from(text), isTransaction: false })
  const refused = await threads.run('readCommits', request('{'), 'a').catch((error: unknown) => error)
  assert.equal((refused as { code: number }).code, 400)
  const unclonable = { request: (() => undefined) as unknown as Uint8Array, isTransaction: false }
  await assert.rejects(threads.run('readCommits', unclonable, 'a'))
  const [read] = await threads.run('readCommits', request('{"requirements":[{"type":"assert-create"}],"updates":[]}'), 'a')
  assert.equal(read!.creates, true)
  const many = Array.from({ length: 100 }, () => threads.run('readCommits', request('{"updates":[]}'), 'greedy'))
  const other = threads.run('readCommits', request('{"updates":[]}'), 'other')
  const results = await Promise.allSettled(many)
  assert.ok(results.some((result) => result.status === 'rejected' && result.reason.code === 429))
  assert.equal((await other).length, 1)
})

test('a large file is checked, registered, loaded and reduced by threads, like a small one', async (t) => {
  const { asked, threads } = countingThreads()
  const fixture = await open(t, { threads })
  const { context, call, another } = fixture
  const created = await createTable(context, call, ['ns'], { name: 't', schema })
  const { location } = (parse(created.body!) as { metadata: { location: string } }).metadata
  const snapshot = (id: number) => ({
    'snapshot-id': id,
    'sequence-number': id,
    'timestamp-ms': Date.now(),
    'manifest-list': `${location}/metadata/snap-${id}.avro`,
    summary: { operation: 'append' },
    'schema-id': 0,
  })
  const updates = [
    ...setting(properties(6000, 900)).updates,
    { action: 'add-snapshot', snapshot: snapshot(1) },
    { action: 'add-snapshot', snapshot: snapshot(2) },
    { action: 'set-snapshot-ref', 'ref-name': 'main', type: 'branch', 'snapshot-id': 2 },
  ]
  const { body } = await updateTable(context, call, ident('t'), bytesOf({ requirements: [], updates }))
  const { metadata, 'metadata-location': file } = parse(body!) as {
    metadata: Record<string, unknown>
    'metadata-location': string
  }
  asked.length = 0
  const other = another()
  const whole = await Promise.all([1, 2, 3].map(() => loadTable(other.context, other.call, ident('t'))))
  assert.ok(whole.every((answer) => Buffer.from(answer.body!).equals(body!)))
  assert.ok(
    whole.every((answer) => answer.body === whole[0]!.body),
    'composed once',
  )
  const refs = await loadTable(other.context, other.call, ident('t'), { snapshots: 'refs' })
  const reduced = (parse(refs.body!) as { metadata: { snapshots: { 'snapshot-id': number }[] } }).metadata
  assert.deepEqual(
    reduced.snapshots.map((one) => one['snapshot-id']),
    [2],
  )
  assert.deepEqual({ ...reduced, snapshots: metadata['snapshots'] }, metadata)
  assert.deepEqual(asked, ['checkFile', 'composeRefs'])

  // Elsewhere, so that its place is free.
  const path = fileURLToPath(file)
  const copy = path.replace('/ns/', '/ns/copy-')
  const moved = readFileSync(path, 'utf8')
    .replaceAll('/ns/', '/ns/copy-')
    .replace(String(metadata['table-uuid']), '11111111-2222-4333-8444-555555555555')
  const { mkdirSync } = await import('node:fs')
  mkdirSync(copy.slice(0, copy.lastIndexOf('/')), { recursive: true })
  writeFileSync(copy, moved)
  asked.length = 0
  const registered = await registerTable(context, call, ['ns'], { name: 'r', 'metadata-location': `file://${copy}` })
  assert.deepEqual(asked, ['readForeignTable', 'checkFile'])
  assert.ok(Buffer.from(registered.body!).includes(moved))
  writeFileSync(copy, `${moved.slice(0, -1)},"schemas":[]}`)
  await assert.rejects(
    registerTable(context, call, ['ns'], { name: 's', 'metadata-location': `file://${copy}` }),
    rejects(400, /duplicate key|Invalid/),
  )
  writeFileSync(copy, moved.slice(0, -200))
  const third = another()
  await assert.rejects(async () => loadTable(third.context, third.call, ident('r')), rejects(500, /Table ns\.r can not be used/))
})
