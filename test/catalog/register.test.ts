/** Files that somebody wants registered, and that are not what they should be, or not where. */
import assert from 'node:assert/strict'
import { closeSync, ftruncateSync, mkdirSync, mkdtempSync, openSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { updateTable } from '../../src/catalog/update-table.ts'
import { dropTable } from '../../src/catalog/drop.ts'
import { registerTable } from '../../src/catalog/register.ts'
import { listTables, loadTable } from '../../src/catalog/tables.ts'
import { bodyOf, ident, newTable, open, rejects, set, type Fixture } from './setup.ts'

const register = ({ context, call }: Fixture, location: string, name = 'r') =>
  registerTable(context, call, ['ns'], { name, 'metadata-location': location })
const names = async ({ context, call }: Fixture) =>
  (await listTables(context, call, ['ns'], {})).identifiers.map(({ name }) => name)

test('no file outside of the warehouse is read, however it is named or linked to', async (t) => {
  const fixture = await open(t)
  const root = `${fixture.folder}/lake`
  const table = await newTable(fixture, 't')
  await dropTable(fixture.context, fixture.call, ident('t'))
  const outside = mkdtempSync(join(tmpdir(), 'outside-'))
  t.after(() => rmSync(outside, { recursive: true }))
  const secret = { ...table.metadata, location: `file://${root}/linked`, properties: { secret: 'hush' } }
  writeFileSync(`${outside}/s.metadata.json`, JSON.stringify(secret))
  symlinkSync(`${outside}/s.metadata.json`, `${root}/link.metadata.json`)
  symlinkSync(outside, `${root}/linked-folder`)
  symlinkSync('/etc/passwd', `${root}/passwd.metadata.json`)
  symlinkSync('/dev/zero', `${root}/zero.metadata.json`)
  const unreadable = ['/link.metadata.json', '/linked-folder/s.metadata.json', '/passwd.metadata.json', '/zero.metadata.json']
  const elsewhere = [
    'file:///etc/passwd',
    'file:/etc/passwd.metadata.json',
    'file://localhost/etc/passwd.metadata.json',
    `file://${outside}/s.metadata.json`,
    ...['../..', '%2e%2e/%2e%2e', '..%2f..', '%252e%252e/..'].map(
      (up) => `file://${root}/${up}/${basename(outside)}/s.metadata.json`,
    ),
    `file://${root}/x\0.metadata.json`,
    `${root}/s.metadata.json`,
    'http://169.254.169.254/latest/meta-data/x.metadata.json',
    'https://metadata.google.internal/x.metadata.json',
    's3://bucket/x.metadata.json',
    'data:application/json,{}.metadata.json',
    '\\\\host\\share\\x.metadata.json',
  ]
  for (const location of [...unreadable.map((path) => `file://${root}${path}`), ...elsewhere]) {
    const refused = await register(fixture, location).catch((error: unknown) => error)
    assert.ok(refused instanceof Error && 'code' in refused, location)
    assert.ok([400, 403, 404].includes(refused.code as number), `${location} ${refused.message}`)
    assert.ok(!/hush|root:/.test(refused.message), refused.message)
  }
  assert.deepEqual(await names(fixture), [])
})

test('what is no metadata of a table is refused, and costs little', async (t) => {
  const fixture = await open(t)
  const root = `${fixture.folder}/lake`
  const { metadata } = await newTable(fixture, 't')
  const good = JSON.stringify({ ...metadata, location: `file://${root}/other` })
  const contents: Readonly<Record<string, string | Uint8Array>> = {
    empty: '',
    'no-json': 'id,name\n1,a\n',
    'cut-off': good.slice(0, -10),
    'goes-on': `${good}{}`,
    'no-utf8': Buffer.concat([Buffer.from('{"location":"'), Buffer.from([0xff, 0xfe]), Buffer.from('"}')]),
    'a-byte-order-mark': `\ufeff${good}`,
    'a-key-twice': `{"location":"file://${root}/x",${good.slice(1)}`,
    deep: '['.repeat(100_000),
    'a-list': `[${good}]`,
    null: 'null',
    'no-location': JSON.stringify({ ...metadata, location: undefined }),
    'location-outside': JSON.stringify({ ...metadata, location: 'file:///etc' }),
    'location-of-another-table': JSON.stringify(metadata),
    'location-around-a-table': JSON.stringify({ ...metadata, location: `file://${root}/ns` }),
    'files-outside': JSON.stringify({
      ...metadata,
      location: `file://${root}/y`,
      properties: { 'write.data.path': 'file:///etc' },
    }),
    'format-99': JSON.stringify({ ...metadata, location: `file://${root}/y`, 'format-version': 99 }),
    'no-schema': JSON.stringify({ ...metadata, location: `file://${root}/y`, schemas: [] }),
    'a-view': JSON.stringify({
      'view-uuid': metadata['table-uuid'],
      'format-version': 1,
      location: `file://${root}/y`,
      versions: [],
    }),
  }
  for (const [name, content] of Object.entries(contents)) {
    writeFileSync(`${root}/${name}.metadata.json`, content)
    await assert.rejects(register(fixture, `file://${root}/${name}.metadata.json`), rejects(400, /./), name)
  }
  const huge = openSync(`${root}/huge.metadata.json`, 'w')
  ftruncateSync(huge, 10 * 2 ** 30)
  closeSync(huge)
  await assert.rejects(register(fixture, `file://${root}/huge.metadata.json`), rejects(400, /larger than/))
  writeFileSync(`${root}/bomb.gz.metadata.json`, gzipSync(Buffer.alloc(200 * 2 ** 20, 32), { level: 1 }))
  await assert.rejects(register(fixture, `file://${root}/bomb.gz.metadata.json`), rejects(400, /larger than|inflate/))
  writeFileSync(`${root}/no.gz.metadata.json`, good)
  await assert.rejects(register(fixture, `file://${root}/no.gz.metadata.json`), rejects(400, /./))
  mkdirSync(`${root}/folder.metadata.json`)
  await assert.rejects(register(fixture, `file://${root}/folder.metadata.json`), (error: { code?: number }) =>
    [400, 403, 404].includes(error.code ?? 0),
  )
  for (const name of ['x.json.txt', 'passwd', 'x.metadata.json.exe', '.json/x']) {
    writeFileSync(`${root}/plain`, good)
    await assert.rejects(register(fixture, `file://${root}/${name}`), rejects(400, /metadata-location/), name)
  }
  assert.deepEqual(await names(fixture), ['t'])
})

test('a file that no reader could open becomes no table, neither a new one nor in place of another', async (t) => {
  const fixture = await open(t)
  const { context, call, folder } = fixture
  const { metadata } = await newTable(fixture, 't')
  await newTable(fixture, 'there')
  const sorted = { transform: 'identity', 'source-id': 2, direction: 'asc', 'null-order': 'nulls-first' }
  const named = { name: 'data', transform: 'identity', 'source-id': 1, 'field-id': 1000 }
  const bare = { 'snapshot-id': 1, 'sequence-number': 1, 'timestamp-ms': Date.now(), summary: { operation: 'append' } }
  const faults: readonly [fields: object, message: RegExp][] = [
    [{ 'sort-orders': [{ 'order-id': 0, fields: [sorted] }] }, /sort order 0/],
    [{ 'sort-orders': [...metadata['sort-orders'], { 'order-id': 1, fields: [] }] }, /sort order 1/],
    [
      { 'default-sort-order-id': 1, 'sort-orders': [{ 'order-id': 1, fields: [{ ...sorted, 'source-id': 9 }] }] },
      /source column 9/,
    ],
    [{ 'partition-specs': [{ 'spec-id': 0, fields: [{ ...named, name: 'p', 'source-id': 9 }] }] }, /source column 9/],
    [{ 'partition-specs': [...metadata['partition-specs'], { 'spec-id': 7, fields: [named] }] }, /data of spec 7/],
    [{ 'last-sequence-number': 1, snapshots: [bare] }, /manifest-list or manifests/],
  ]
  for (const [at, [fields, message]] of faults.entries()) {
    const file = `file://${folder}/lake/${at}/v.metadata.json`
    mkdirSync(`${folder}/lake/${at}`)
    const content = { ...metadata, 'last-partition-id': 1000, location: `file://${folder}/lake/${at}`, ...fields }
    writeFileSync(`${folder}/lake/${at}/v.metadata.json`, JSON.stringify(content))
    await assert.rejects(register(fixture, file), rejects(400, message))
    const over = { name: 'there', 'metadata-location': file, overwrite: true }
    await assert.rejects(registerTable(context, call, ['ns'], over), rejects(400, message))
  }
  assert.deepEqual(await names(fixture), ['t', 'there'])
})

test('a copy that bears the identity of another table is a table of its own', async (t) => {
  const fixture = await open(t)
  const { context, call, store, folder } = fixture
  const original = await newTable(fixture, 't', { a: 'b' })
  const location = `file://${folder}/lake/copy`
  mkdirSync(`${folder}/lake/copy`)
  writeFileSync(`${folder}/lake/copy/0.metadata.json`, JSON.stringify({ ...original.metadata, location }))
  await register(fixture, `${location}/0.metadata.json`, 'copy')
  const requirements = [{ type: 'assert-table-uuid', uuid: original.metadata['table-uuid'] }]
  await updateTable(context, call, ident('copy'), { requirements, updates: [set({ a: 'c' })] })
  assert.equal(bodyOf(await loadTable(context, call, ident('t'))).metadata.properties.a, 'b')
  assert.equal(bodyOf(await loadTable(context, call, ident('copy'))).metadata.properties.a, 'c')
  await dropTable(context, call, ident('copy'), { purgeRequested: true })
  const [task] = await store.list('tasks', { index: 'by_due', where: {}, limit: 10 })
  assert.equal((task!.payload as { location?: string }).location, location, 'nothing but what lies there is purged')
  assert.equal((await loadTable(context, call, ident('t'))).status, 200)
})
