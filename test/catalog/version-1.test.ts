/** Tables of format version 1 whose files leave out what clients make their requirements of. */
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { registerTable, unregisterTable } from '../../src/catalog/register.ts'
import { renameTable } from '../../src/catalog/rename.ts'
import { loadTable } from '../../src/catalog/tables.ts'
import { updateTable } from '../../src/catalog/update-table.ts'
import { isUuid } from '../../src/iceberg/uuid.ts'
import { bodyOf, ident, key7, open, rejects, set, withKey, type Fixture, type Loose } from './setup.ts'

const SNAPSHOT = 8_271_638_172_638_172_873n
const columns = [
  { id: 1, name: 'id', required: true, type: 'long' },
  { id: 2, name: 'ts', required: false, type: 'timestamp' },
]

/** The least that a file of version 1 may say, as text: its snapshot id is beyond a double. */
const leastOf = (location: string, more = ''): string =>
  `{"format-version":1,"location":"${location}","last-updated-ms":1700000000000,"last-column-id":2,
    "schema":{"type":"struct","fields":${JSON.stringify(columns)}},
    "partition-spec":[{"name":"ts_day","transform":"day","source-id":2}],
    "current-snapshot-id":${SNAPSHOT},
    "snapshots":[{"snapshot-id":${SNAPSHOT},"timestamp-ms":1700000000000,"manifest-list":"${location}/metadata/s.avro"}]${more}}`

function writeLeast({ folder }: Fixture, name: string, more?: string): string {
  mkdirSync(`${folder}/lake/${name}/metadata`, { recursive: true })
  const file = `file://${folder}/lake/${name}/metadata/v1.metadata.json`
  writeFileSync(fileURLToPath(file), leastOf(`file://${folder}/lake/${name}`, more))
  return file
}
const register = ({ context, call }: Fixture, file: string, name = 't', overwrite = false) =>
  registerTable(context, call, ['ns'], { name, 'metadata-location': file, overwrite })
const load = async ({ context, call }: Fixture, name = 't') => {
  const answer = await loadTable(context, call, ident(name))
  return { etag: answer.etag, ...bodyOf(answer) }
}
const rowOf = async ({ store }: Fixture, name = 't') =>
  (await store.get('entries', { tenant_id: 't1', catalog_id: 'c1', branch: 'main', namespace: 'ns', name }))!

/** What clients make of metadata: PyIceberg and the Java library assert all of these. */
const requirementsOf = (metadata: Loose) => [
  { type: 'assert-table-uuid', uuid: metadata['table-uuid'] },
  { type: 'assert-ref-snapshot-id', ref: 'main', 'snapshot-id': metadata.refs.main['snapshot-id'] },
  { type: 'assert-current-schema-id', 'current-schema-id': metadata['current-schema-id'] },
  { type: 'assert-last-assigned-field-id', 'last-assigned-field-id': metadata['last-column-id'] },
  { type: 'assert-default-spec-id', 'default-spec-id': metadata['default-spec-id'] },
  { type: 'assert-last-assigned-partition-id', 'last-assigned-partition-id': metadata['last-partition-id'] },
  { type: 'assert-default-sort-order-id', 'default-sort-order-id': metadata['default-sort-order-id'] },
]

test('what the file leaves out is answered, the same each time and by every server, and a commit keeps it', async (t) => {
  const fixture = await open(t)
  const file = writeLeast(fixture, 'old')
  const bytes = readFileSync(fileURLToPath(file))
  const registered = bodyOf(await register(fixture, file))
  const { metadata } = registered
  assert.equal(registered['metadata-location'], file)
  assert.deepEqual(readFileSync(fileURLToPath(file)), bytes, 'the file stays what it is')
  assert.ok(isUuid(metadata['table-uuid']))
  assert.equal((await rowOf(fixture)).uuid, metadata['table-uuid'])
  const schema = { type: 'struct', fields: columns, 'schema-id': 0 }
  const fields = [{ name: 'ts_day', transform: 'day', 'source-id': 2, 'field-id': 1000 }]
  assert.deepEqual(metadata.schemas, [schema])
  assert.deepEqual(metadata.schema, schema)
  assert.deepEqual(metadata['partition-specs'], [{ 'spec-id': 0, fields }])
  assert.deepEqual(metadata['partition-spec'], fields)
  assert.deepEqual(metadata['sort-orders'], [{ 'order-id': 0, fields: [] }])
  assert.deepEqual(metadata.refs, { main: { 'snapshot-id': SNAPSHOT, type: 'branch' } })
  assert.deepEqual(metadata.properties, {})
  const ids = ['current-schema-id', 'default-spec-id', 'last-partition-id', 'default-sort-order-id', 'current-snapshot-id']
  assert.deepEqual(
    ids.map((id) => metadata[id]),
    [0, 0, 1000, 0, SNAPSHOT],
  )
  const once = await load(fixture)
  assert.deepEqual(once.metadata, metadata)
  for (const server of [fixture, fixture.another(), fixture.another()]) {
    assert.deepEqual(await load(server), once)
    const refs = await loadTable(server.context, server.call, ident('t'), { snapshots: 'refs' })
    assert.deepEqual(bodyOf(refs).metadata, metadata)
  }
  const { context, call } = fixture.another()
  const commit = { requirements: requirementsOf(metadata), updates: [set({ a: 'b' })] }
  const committed = bodyOf(await updateTable(context, call, ident('t'), commit))
  assert.equal(committed.metadata['table-uuid'], metadata['table-uuid'])
  assert.notEqual(committed['metadata-location'], file)
  const written = JSON.parse(readFileSync(fileURLToPath(committed['metadata-location'] as string), 'utf8'))
  assert.equal(written['table-uuid'], metadata['table-uuid'])
  assert.equal((await load(fixture)).metadata['table-uuid'], metadata['table-uuid'])
})

test('each of the fields may be left out, and those that are no lists or objects be null', async (t) => {
  const fixture = await open(t)
  const whole = JSON.parse(
    JSON.stringify((await register(fixture, writeLeast(fixture, 'old')).then(bodyOf)).metadata, (_, value: unknown) =>
      typeof value === 'bigint' ? 7 : value,
    ),
  ) as Record<string, unknown>
  const expected = { ...whole }
  const left = ['table-uuid', 'schemas', 'current-schema-id', 'partition-specs', 'default-spec-id', 'last-partition-id']
  let at = 0
  for (const field of [...left, 'sort-orders', 'default-sort-order-id', 'refs', 'properties']) {
    // A list without its default id is not a file that anybody wrote.
    const with_ = field === 'default-sort-order-id' ? ['sort-orders', field] : [field]
    const isPlain = field.endsWith('-id') || field === 'table-uuid'
    for (const value of isPlain && field !== 'default-sort-order-id' ? [undefined, null] : [undefined]) {
      const name = `n${at++}`
      const location = `file://${fixture.folder}/lake/${name}`
      const said = { ...whole, ...Object.fromEntries(with_.map((one) => [one, value])), location }
      mkdirSync(`${fixture.folder}/lake/${name}`)
      writeFileSync(`${fixture.folder}/lake/${name}/a.metadata.json`, JSON.stringify(said))
      await register(fixture, `${location}/a.metadata.json`, name)
      const { metadata } = await load(fixture.another(), name)
      const uuid = field === 'table-uuid' ? (await rowOf(fixture, name)).id : whole['table-uuid']
      assert.deepEqual(metadata, { ...expected, location, 'table-uuid': uuid }, `${field} ${String(value)}`)
    }
  }
})

test('a table that was registered before rows had uuids is answered with one that stays', async (t) => {
  const fixture = await open(t)
  await register(fixture, writeLeast(fixture, 'old'))
  const row = await rowOf(fixture)
  await fixture.store.write([{ op: 'replace', entity: 'entries', row: { ...row, uuid: null }, expected: row.version }])
  const [one, other] = [await load(fixture.another()), await load(fixture.another())]
  assert.ok(isUuid(one.metadata['table-uuid']))
  assert.deepEqual(other, one)
  const { context, call } = fixture.another()
  await renameTable(context, call, { source: ident('t'), destination: ident('u') })
  assert.deepEqual(await load(fixture, 'u'), one)
  const commit = { requirements: requirementsOf(one.metadata), updates: [set({ a: 'b' })] }
  const committed = bodyOf(await updateTable(context, call, ident('u'), commit))
  assert.equal(committed.metadata['table-uuid'], one.metadata['table-uuid'])
  assert.equal((await rowOf(fixture, 'u')).uuid, one.metadata['table-uuid'])
})

test('the file registered again is another table, and no server answers what it remembers of the first', async (t) => {
  const fixture = await open(t)
  const file = writeLeast(fixture, 'old')
  await register(fixture, file)
  const other = fixture.another()
  const first = await load(other)
  const call = withKey(fixture.call, key7(1))
  const gone = bodyOf(await unregisterTable(fixture.context, call, ident('t')))
  assert.deepEqual(gone.metadata, first.metadata)
  const again = bodyOf(await unregisterTable(other.context, call, ident('t')))
  assert.deepEqual(again, gone, 'also when the answer was lost')
  await register(fixture, file)
  const second = await load(other)
  assert.notEqual(second.metadata['table-uuid'], first.metadata['table-uuid'])
  assert.notEqual(second.etag, first.etag)
  assert.equal((await loadTable(other.context, other.call, ident('t'), { ifNoneMatch: first.etag })).status, 200)
})

test('going back to the file after a commit is going back to the same table', async (t) => {
  const fixture = await open(t)
  const file = writeLeast(fixture, 'old')
  const { metadata } = bodyOf(await register(fixture, file))
  await updateTable(fixture.context, fixture.call, ident('t'), { requirements: [], updates: [set({ a: 'b' })] })
  assert.deepEqual(bodyOf(await register(fixture, file, 't', true)).metadata, metadata)
  assert.deepEqual((await load(fixture.another())).metadata, metadata)
  const stale = { requirements: [{ type: 'assert-table-uuid', uuid: key7(1) }], updates: [set({ a: 'b' })] }
  await assert.rejects(updateTable(fixture.context, fixture.call, ident('t'), stale), rejects(409, /UUID/))
})

test('a file of version 2 without references is answered with that of its current snapshot', async (t) => {
  const fixture = await open(t)
  await register(fixture, writeLeast(fixture, 'old'))
  const updates = [{ action: 'upgrade-format-version', 'format-version': 2 }]
  const upgraded = bodyOf(await updateTable(fixture.context, fixture.call, ident('t'), { requirements: [], updates }))
  const path = fileURLToPath(upgraded['metadata-location'] as string)
  writeFileSync(path, readFileSync(path, 'utf8').replace(/"refs":\{"main":\{[^}]*\}\},/, ''))
  const { metadata } = await load(fixture.another())
  assert.deepEqual(metadata, upgraded.metadata)
})
