/**
 * Metadata files that others than the catalog have written to. What is not the entry's metadata is never answered, by whatever
 * way it would be read, and nothing of it is kept.
 */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { commitTransaction } from '../../src/catalog/transactions.ts'
import { unregisterTable } from '../../src/catalog/register.ts'
import { updateTable } from '../../src/catalog/update-table.ts'
import { loadCredentials } from '../../src/catalog/delegation/vending.ts'
import { createView, loadView, replaceView } from '../../src/catalog/views.ts'
import { loadTable } from '../../src/catalog/tables.ts'
import type { CatalogCall } from '../../src/catalog/call.ts'
import { bodyOf, ident, newTable, open, rejects, schema, set, VIEW_VERSION, type Fixture, type Loose } from './setup.ts'

const OTHER_UUID = '00000000-0000-4000-8000-000000000000'
const SECOND = ',"storage-credentials":[{"prefix":"s3://","config":{"s3.endpoint":"http://evil.example"}}]'

/** What may become of a file, by what the server then says of it. */
function damages(good: Buffer, uuidField: string): Readonly<Record<string, readonly [Uint8Array, RegExp]>> {
  const text = good.toString()
  const changed = (change: (metadata: Record<string, unknown>) => Record<string, unknown>) =>
    Buffer.from(JSON.stringify(change(JSON.parse(text) as Record<string, unknown>)))
  const without = (metadata: Record<string, unknown>) => ({ ...metadata, [uuidField]: undefined })
  const notOne = /is not one JSON object$/
  return {
    empty: [Buffer.alloc(0), notOne],
    'cut off': [good.subarray(0, 200), notOne],
    'zeros behind a crash': [Buffer.alloc(good.length), notOne],
    'a second part': [Buffer.from(`${text.slice(0, -1)},"x":1}${SECOND}`), notOne],
    'a second object': [Buffer.from(`${text}${text}`), notOne],
    'another end': [Buffer.from(`${text}}`), notOne],
    'a byte behind': [Buffer.from(`${text}\0`), notOne],
    'a byte order mark': [Buffer.from(`\ufeff${text}`), notOne],
    'UTF-16': [Buffer.from(text, 'utf16le'), notOne],
    'not UTF-8': [Buffer.concat([Buffer.from(`${text.slice(0, -1)},"x":"`), Buffer.from([0xff]), Buffer.from('"}')]), notOne],
    'a key twice': [Buffer.from(`${text.slice(0, -1)},"location":"s3://evil/x"}`), notOne],
    'a key twice, spelled otherwise': [Buffer.from(`{"\\u006cocation":"s3://evil/x",${text.slice(1)}`), notOne],
    'a key twice within': [Buffer.from(`${text.slice(0, -1)},"x":{"a":1,"a":2}}`), notOne],
    'too deep': [Buffer.from(`${text.slice(0, -1)},"x":${'['.repeat(100_000)}${']'.repeat(100_000)}}`), notOne],
    'a list': [Buffer.from(`[${text}]`), notOne],
    'a null': [Buffer.from('null'), notOne],
    compressed: [gzipSync(good), notOne],
    'an empty object': [Buffer.from('{}'), /has no format version$/],
    'no uuid': [changed(without), /has no (table|view)-uuid$/],
    'a uuid that is none': [changed((metadata) => ({ ...metadata, [uuidField]: 'x' })), /has no (table|view)-uuid$/],
    'another uuid': [changed((metadata) => ({ ...metadata, [uuidField]: OTHER_UUID })), /has another (table|view)-uuid$/],
    'another location': [changed((metadata) => ({ ...metadata, location: 'file:///elsewhere/x' })), /has another location$/],
    'a location below': [
      changed((metadata) => ({ ...metadata, location: `${String(metadata['location'])}/x` })),
      /another location$/,
    ],
    'no location': [changed((metadata) => ({ ...metadata, location: null })), /has another location$/],
    'a location that is none': [changed((metadata) => ({ ...metadata, location: ['s3://evil'] })), /has another location$/],
  }
}

const vended = (call: CatalogCall): CatalogCall => ({
  ...call,
  asksForCredentials: true,
  catalog: {
    ...call.catalog,
    vending: {
      id: 'v',
      warehouseName: 'w',
      always: false,
      refreshKeys: undefined,
      vendor: {
        lifetime: { seconds: 3600, leastSeconds: 900 },
        vend: () => assert.fail('credentials for a table that can not be used'),
      },
    } as unknown as NonNullable<CatalogCall['catalog']['vending']>,
  },
})

type Way = (fixture: Fixture) => unknown
const commit = { requirements: [], updates: [set({ a: 'b' })] }
const TABLE_WAYS: Readonly<Record<string, Way>> = {
  'load all': ({ context, call }) => loadTable(context, call, ident('t')),
  'load refs': ({ context, call }) => loadTable(context, call, ident('t'), { snapshots: 'refs' }),
  'load if changed': ({ context, call }) => loadTable(context, call, ident('t'), { ifNoneMatch: '*' }),
  'load with credentials': ({ context, call }) => loadTable(context, vended(call), ident('t')),
  credentials: ({ context, call }) => loadCredentials(context, vended(call), ident('t')),
  commit: ({ context, call }) => updateTable(context, call, ident('t'), commit),
  transaction: ({ context, call }) =>
    commitTransaction(context, call, { 'table-changes': [{ identifier: ident('t'), ...commit }] } as Loose),
  unregister: ({ context, call }) => unregisterTable(context, call, ident('t')),
}
const VIEW_WAYS: Readonly<Record<string, Way>> = {
  load: ({ context, call }) => loadView(context, call, ident('v')),
  'load if changed': ({ context, call }) => loadView(context, call, ident('v'), { ifNoneMatch: '*' }),
  commit: ({ context, call }) => replaceView(context, call, ident('v'), commit),
}

/** The server's fault, which names the entry and its file, and says nothing of what the file says. */
const isFault = (title: string, file: string, what: RegExp) => (error: Loose) => {
  rejects(500, what, 'InternalServerError')(error)
  assert.ok(error.message.startsWith(`${title} can not be used: its metadata file ${file} `), error.message)
  assert.ok(!/evil|elsewhere|00000000-0000/.test(error.message), error.message)
  return true
}

async function tryAll(writer: Fixture, ways: Readonly<Record<string, Way>>, title: string, file: string, uuidField: string) {
  const path = fileURLToPath(file)
  const good = readFileSync(path)
  for (const [damage, [bytes, what]] of Object.entries(damages(good, uuidField))) {
    for (const [name, way] of Object.entries(ways)) {
      const reader = writer.another()
      writeFileSync(path, bytes)
      for (let time = 0; time < 2; time++) {
        await assert.rejects(async () => await way(reader), isFault(title, file, what), `${damage}, ${name}`)
      }
      assert.equal(reader.context.cache.sizeBytes, 0, `${damage}, ${name}: nothing is kept`)
      writeFileSync(path, good)
      const [load] = Object.values(ways) as [Way]
      const answer = (await load(reader)) as { readonly status: number; readonly body: Uint8Array }
      assert.equal(answer.status, 200, `${damage}, ${name}: mended`)
      assert.ok(Buffer.from(answer.body).includes(good), `${damage}, ${name}: as it was written`)
    }
  }
}

test('a damaged metadata file of a table is an error of the server, whatever the damage and whatever is asked', async (t) => {
  const fixture = await open(t)
  const { 'metadata-location': file } = await newTable(fixture, 't')
  await tryAll(fixture, TABLE_WAYS, 'Table ns.t', file as string, 'table-uuid')
})

test('a damaged metadata file of a view likewise', async (t) => {
  const fixture = await open(t)
  const request = { name: 'v', schema, 'view-version': VIEW_VERSION, properties: {} }
  const created = await createView(fixture.context, fixture.call, ['ns'], request as Loose)
  const file = bodyOf(created)['metadata-location'] as string
  await tryAll(fixture, VIEW_WAYS, 'View ns.v', file, 'view-uuid')
})

test('a compressed file is checked as what it inflates to, and for what follows it', async (t) => {
  const writer = await open(t)
  const { 'metadata-location': file } = await newTable(writer, 't', { 'write.metadata.compression-codec': 'gzip' })
  const path = fileURLToPath(file as string)
  assert.ok(path.endsWith('.gz.metadata.json'))
  const good = readFileSync(path)
  const plain = Buffer.from(JSON.stringify(bodyOf(await loadTable(writer.context, writer.call, ident('t'))).metadata))
  for (const [damage, bytes] of Object.entries({
    'a second member': Buffer.concat([good, gzipSync(SECOND)]),
    'bytes behind': Buffer.concat([good, Buffer.from(SECOND)]),
    'cut off': good.subarray(0, -10),
    'not compressed': plain,
    'a second part within': gzipSync(Buffer.concat([plain, Buffer.from(SECOND)])),
    'too large': gzipSync(Buffer.alloc(129 * 2 ** 20, 32), { level: 1 }),
    'another checksum': Buffer.concat([good.subarray(0, -8), Buffer.alloc(4), good.subarray(-4)]),
  })) {
    writeFileSync(path, bytes)
    const { context, call } = writer.another()
    await assert.rejects(
      async () => loadTable(context, call, ident('t')),
      isFault('Table ns.t', file as string, /is not one JSON object$|can not be read$/),
      damage,
    )
  }
  writeFileSync(path, good)
  const { context, call } = writer.another()
  assert.equal((await loadTable(context, call, ident('t'))).status, 200)
})

test('metadata that is one object of the table but no table is answered to nobody who has to read it here', async (t) => {
  const writer = await open(t)
  const { 'metadata-location': file, metadata } = await newTable(writer, 't')
  writeFileSync(fileURLToPath(file as string), JSON.stringify({ ...metadata, schemas: 'none', evil: 1 }))
  const { context, call } = writer.another()
  for (const ask of [
    () => loadTable(context, call, ident('t'), { snapshots: 'refs' }),
    () => updateTable(context, call, ident('t'), commit),
    () => loadCredentials(context, vended(call), ident('t')),
  ]) {
    await assert.rejects(async () => await ask(), isFault('Table ns.t', file as string, /can not be read$/))
  }
})

test('what is in memory stays what was checked, when the file in its place is overwritten', async (t) => {
  const fixture = await open(t)
  const { context, call } = fixture
  const { 'metadata-location': file, metadata } = await newTable(fixture, 't')
  const { etag } = await loadTable(context, call, ident('t'))
  writeFileSync(fileURLToPath(file as string), JSON.stringify({ ...metadata, 'table-uuid': OTHER_UUID }))
  assert.deepEqual(bodyOf(await loadTable(context, call, ident('t'))).metadata, metadata)
  assert.equal((await loadTable(context, call, ident('t'), { ifNoneMatch: etag })).status, 304)
  const committed = bodyOf(await updateTable(context, call, ident('t'), commit))
  assert.equal(committed.metadata['table-uuid'], metadata['table-uuid'])
})

test('a row of before that has no uuid takes that of its file, and keeps it from the next commit on', async (t) => {
  const fixture = await open(t)
  const { store, context, call } = fixture
  const { metadata } = await newTable(fixture, 't')
  const key = { tenant_id: 't1', catalog_id: 'c1', branch: 'main', namespace: 'ns', name: 't' }
  const row = (await store.get('entries', key))!
  assert.equal(row.uuid, metadata['table-uuid'])
  await store.write([{ op: 'replace', entity: 'entries', row: { ...row, uuid: null }, expected: row.version }])
  assert.deepEqual(bodyOf(await loadTable(context, call, ident('t'))).metadata, metadata)
  await updateTable(context, call, ident('t'), commit)
  assert.equal((await store.get('entries', key))?.uuid, metadata['table-uuid'])
})
