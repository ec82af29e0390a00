/** The hot path: what a load costs, and how caches and ETags behave. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { updateTable } from '../../src/catalog/update-table.ts'
import { cacheKey, matchesEtag } from '../../src/catalog/documents/documents.ts'
import { createMetadataCache } from '../../src/catalog/documents/metadata-cache.ts'
import { loadTable, tableExists } from '../../src/catalog/tables.ts'
import { faultyStore } from '../stores/faulty.ts'
import { bodyOf, ident, newTable, open, set } from './setup.ts'
import type { Fixture, Loose } from './setup.ts'

const addSnapshots = async (fixture: Fixture, location: string, count: number): Promise<void> => {
  for (let id = 1; id <= count; id += 1) {
    const snapshot = {
      'snapshot-id': id,
      'sequence-number': id,
      'timestamp-ms': Date.now(),
      'manifest-list': `${location}/metadata/s${id}.avro`,
      summary: { operation: 'append' },
      'schema-id': 0,
      ...(id > 1 ? { 'parent-snapshot-id': id - 1 } : {}),
    }
    const updates = [
      { action: 'add-snapshot', snapshot },
      { action: 'set-snapshot-ref', 'ref-name': 'main', type: 'branch', 'snapshot-id': id },
    ]
    await updateTable(fixture.context, fixture.call, ident('t'), { requirements: [], updates })
  }
}

test('a warm load is one store read, no file, and the same bytes each time', async (t) => {
  const first = await open(t)
  await newTable(first, 't')
  const store = faultyStore(first.store)
  const context = { ...first.context, store }
  let reads = 0
  first.hooks.read = () => void (reads += 1)
  const one = await loadTable(context, first.call, ident('t'))
  const two = await loadTable(context, first.call, ident('t'))
  assert.strictEqual(one.body, two.body)
  assert.deepEqual(store.calls, { get: 2, getMany: 0, list: 0, write: 0 })
  assert.equal(reads, 0)
  await tableExists(context, first.call, ident('t'))
  assert.equal(store.calls.get, 3)
})

test('a commit leaves its own file in memory, and forgets the one before', async (t) => {
  const fixture = await open(t)
  const { context, call, catalog } = fixture
  const before = await newTable(fixture, 't')
  fixture.hooks.read = () => assert.fail('everything is in memory')
  await updateTable(context, call, ident('t'), { requirements: [], updates: [set({ a: 'é' })] })
  const answer = await loadTable(context, call, ident('t'))
  const after = bodyOf(answer)
  assert.equal(after.metadata.properties.a, 'é')
  const keyOf = (file: string | null): string =>
    cacheKey(catalog, { metadata_location: file as string, id: '', uuid: before.metadata['table-uuid'] })
  assert.equal(context.cache.get(keyOf(before['metadata-location'])), undefined)
  assert.equal(context.cache.parsed(keyOf(before['metadata-location'])), undefined)
  // What is in memory is what a reader of the file gets, and not held twice.
  const document = context.cache.get(keyOf(after['metadata-location']))
  assert.ok(document)
  assert.equal(document.json.buffer, document.all?.body.buffer)
  assert.deepEqual(document.json, readFileSync(fileURLToPath(after['metadata-location'] as string)))
  const cold = fixture.another()
  const read = await loadTable(cold.context, cold.call, ident('t'))
  assert.deepEqual([Buffer.from(read.body ?? []), read.etag], [Buffer.from(answer.body ?? []), answer.etag])
})

test('concurrent cold loads share one read of the file', async (t) => {
  const writer = await open(t)
  await newTable(writer, 't')
  const fixture = writer.another()
  let reads = 0
  fixture.hooks.read = () => void (reads += 1)
  const answers = await Promise.all(Array.from({ length: 10 }, () => loadTable(fixture.context, fixture.call, ident('t'))))
  assert.equal(reads, 1)
  assert.equal(new Set(answers.map(({ etag }) => etag)).size, 1)
})

test('a failed read is not remembered', async (t) => {
  const writer = await open(t)
  await newTable(writer, 't')
  const fixture = writer.another()
  fixture.hooks.read = () => {
    fixture.hooks.read = undefined
    throw new Error('once')
  }
  await assert.rejects(async () => loadTable(fixture.context, fixture.call, ident('t')), /once/)
  await loadTable(fixture.context, fixture.call, ident('t'))
})

test('If-None-Match answers 304 without a body, until the table changes', async (t) => {
  const fixture = await open(t)
  const { context, call } = fixture
  await newTable(fixture, 't')
  const { etag } = await loadTable(context, call, ident('t'))
  assert.match(etag as string, /^"[\w-]{20,}"$/)
  const ask = (ifNoneMatch: string, who = fixture) => loadTable(who.context, who.call, ident('t'), { ifNoneMatch })
  assert.deepEqual(await ask(etag as string), { status: 304, etag, body: undefined })
  assert.equal((await ask('"other"')).status, 200)
  const cold = fixture.another()
  cold.hooks.read = () => assert.fail('a 304 needs no file')
  assert.equal((await ask(etag as string, cold)).status, 304)
  await updateTable(context, call, ident('t'), { requirements: [], updates: [set({ a: 'b' })] })
  assert.equal((await ask(etag as string)).status, 200)
})

test('the spellings of If-None-Match', () => {
  for (const header of [
    '"abc"',
    'W/"abc"',
    '"x", "abc"',
    '"x",W/"abc"',
    '"abc--gzip"',
    'W/"abc-gzip"',
    '"abc;gzip"',
    'abc',
    '*',
    ' "abc" ',
  ]) {
    assert.ok(matchesEtag(header, '"abc"'), header)
  }
  for (const header of ['"ab--"', '"ab---gzip"', '"ab----gzip"', '"ab--;br"', '"ab-gzip"']) {
    assert.ok(matchesEtag(header, '"ab--"'), header)
  }
  for (const header of ['', '"abcd"', '"ab"', '"ABC"', 'W/"x"', '"abc-x"']) assert.ok(!matchesEtag(header, '"abc"'), header)
})

test('the ETag differs by snapshots mode and by the version of the settings', async (t) => {
  const fixture = await open(t)
  const { context, call, catalog } = fixture
  await newTable(fixture, 't')
  const load = (snapshots: 'all' | 'refs', configVersion = 'v1', clientConfig = catalog.clientConfig) =>
    loadTable(context, { ...call, catalog: { ...catalog, configVersion, clientConfig } }, ident('t'), { snapshots })
  const tags = new Set<string | undefined>()
  for (const version of ['v1', 'v2']) for (const mode of ['all', 'refs'] as const) tags.add((await load(mode, version)).etag)
  assert.equal(tags.size, 4)
  const changed = bodyOf(await load('all', 'v3', { 'client.region': 'us-east-1' }))
  assert.deepEqual(changed.config, { 'client.region': 'us-east-1' })
})

test('snapshots=refs leaves out what no branch or tag names', async (t) => {
  const fixture = await open(t)
  const { context, call } = fixture
  const { metadata } = await newTable(fixture, 't')
  const all = () => loadTable(context, call, ident('t'))
  const refs = () => loadTable(context, call, ident('t'), { snapshots: 'refs' })
  assert.strictEqual((await refs()).body, (await all()).body, 'nothing to leave out: the same bytes')
  await addSnapshots(fixture, metadata.location, 3)
  assert.deepEqual(
    bodyOf(await refs()).metadata.snapshots.map((s: Loose) => s['snapshot-id']),
    [3],
  )
  assert.equal(bodyOf(await all()).metadata.snapshots.length, 3)
  assert.strictEqual((await refs()).body, (await refs()).body)
  // A client that saw only the refs commits; nothing of the rest is lost.
  await updateTable(context, call, ident('t'), { requirements: [], updates: [set({ a: 'b' })] })
  assert.equal(bodyOf(await all()).metadata.snapshots.length, 3)
})

test('two catalogs with one location do not see each other’s bytes', async (t) => {
  const fixture = await open(t)
  const table = await newTable(fixture, 't')
  const other = {
    ...fixture.catalog,
    id: 'c2',
    storage: { ...fixture.catalog.storage, read: async () => Buffer.from(JSON.stringify({ ...table.metadata, other: 1 })) },
  }
  const entries = await fixture.store.list('entries', { index: 'primary', where: { tenant_id: 't1' }, limit: 10 })
  const { version: _, ...row } = entries[0]!
  await fixture.store.write([{ op: 'insert', entity: 'entries', row: { ...row, catalog_id: 'c2' } }])
  const answer = bodyOf(await loadTable(fixture.context, { ...fixture.call, catalog: other }, ident('t')))
  assert.equal(answer['metadata-location'], table['metadata-location'])
  assert.deepEqual(answer.metadata, { ...table.metadata, other: 1 })
})

test('the cache keeps within its bytes, and the least used go first', async () => {
  const cache = createMetadataCache({ maxBytes: 10_000 })
  const kilobytes = (n: number) => Buffer.allocUnsafeSlow(n * 1000)
  for (let n = 0; n < 9; n += 1) {
    cache.put(`k${n}`, kilobytes(2))
    cache.get('k0')
    assert.ok(cache.sizeBytes <= 10_000)
  }
  assert.ok(cache.get('k0'))
  assert.equal(cache.get('k1'), undefined)
  assert.ok(cache.get('k8'))
  cache.put('giant', kilobytes(50))
  assert.equal(cache.get('giant'), undefined)
  assert.ok(cache.get('k8'), 'a giant sweeps nobody out')
  const shared = cache.put('shared', kilobytes(1))
  const before = cache.sizeBytes
  const body = kilobytes(1)
  shared.json = body.subarray(100, 900)
  cache.keep(shared, 'all', { etag: '"a"', body })
  cache.keep(shared, 'refs', { etag: '"r"', body })
  assert.equal(cache.sizeBytes, before, 'memory that is shared counts once')
})
