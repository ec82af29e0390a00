/** What keeps files from being deleted, by where it lies and what it is. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { deletable, obsoleteFiles, type Deletable, type Owner } from '../../src/catalog/places/reachable.ts'
import { overlaps, type Location } from '../../src/iceberg/location.ts'
import { openMemoryStore } from '../../src/stores/memory.ts'
import type { Store } from '../../src/stores/store.ts'
import { addDropped, addEntry, addPlace, entryRow } from '../tasks/tables.ts'

const NOW = 1000

interface Asked {
  readonly files?: readonly string[]
  readonly owner?: Owner
  readonly tenantId?: string
}

function asked(
  store: Store,
  location: string,
  { files = [], owner = { is: 'gone' }, tenantId = 't1' }: Asked,
): Promise<Deletable> {
  return deletable({ store, now: () => NOW }, { tenantId, location: location as Location, files, owner })
}

describe('what keeps the files of a table that is gone', () => {
  it('is what is there, or can come back, exactly where locations overlap', async () => {
    const name = fc.constantFrom('a', 'b', 'a-', 'a.', 'a b', 'ab', '\u00e9', '~')
    const location = fc
      .tuple(fc.constantFrom('s3://bucket', 's3://bucket2', 'file://'), fc.array(name, { minLength: 1, maxLength: 4 }))
      .map(([start, names]) => `${start}/${names.join('/')}` as Location)
    const taken = fc.array(fc.tuple(location, fc.constantFrom('there', 'dropped', 'over', 'tombstone')), { maxLength: 6 })
    await fc.assert(
      fc.asyncProperty(taken, location, async (others, wanted) => {
        const store = openMemoryStore()
        for (const [place, state] of others) {
          const row = entryRow(place, `${place}/metadata/m`)
          if (state === 'there' || state === 'tombstone') await addEntry(store, { ...row, deleted: state === 'tombstone' })
          else await addDropped(store, row, state === 'over' ? NOW : NOW + 1)
        }
        const file = `${wanted}/x`
        const { files, keptBy } = await asked(store, wanted, { files: [file] })
        const keeps = others.some(([place, state]) => (state === 'there' || state === 'dropped') && overlaps(place, wanted))
        assert.deepEqual([files, keptBy !== undefined], keeps ? [[], true] : [[file], false])
        assert.ok(keptBy === undefined || overlaps(keptBy.location, wanted))
        // Without files, the answer is whether any may go.
        assert.equal((await asked(store, wanted, {})).keptBy !== undefined, keeps)
      }),
    )
  })

  it('is found at a whole bucket, and behind many tombstones', async () => {
    const store = openMemoryStore()
    const row = entryRow('s3://bucket', 's3://bucket/metadata/m')
    for (let i = 0; i < 450; i++) await addEntry(store, { ...row, name: `!${i}`, id: `!${i}`, deleted: true })
    await addEntry(store, row)
    assert.equal((await asked(store, 's3://bucket/a/b', {})).keptBy?.location, 's3://bucket')
    assert.equal((await asked(store, 's3://bucket2/a/b', {})).keptBy, undefined)
    assert.equal((await asked(store, 's3://bucket/a/b', { tenantId: 't2' })).keptBy, undefined)
  })

  it('is not what its own purge kept until that began', async () => {
    const store = openMemoryStore()
    await addDropped(store, entryRow('s3://lake/t', 's3://lake/t/m'), NOW + 1, { id: 'p' })
    assert.equal((await asked(store, 's3://lake/t', { owner: { is: 'gone', purge: 'p' } })).keptBy, undefined)
    assert.equal((await asked(store, 's3://lake/t', { owner: { is: 'gone', purge: 'q' } })).keptBy?.isDropped, true)
  })

  it('is of another table that was dropped at the very same place its metadata file alone', async () => {
    const store = openMemoryStore()
    const [location, files] = ['s3://lake/t', ['s3://lake/t/metadata/1', 's3://lake/t/metadata/2', 's3://lake/t/data/1']]
    const free = async (uuid: string | null): Promise<readonly string[]> =>
      (await asked(store, location, { files, owner: { is: 'gone', uuid } })).files
    await addDropped(store, entryRow(location, files[0]!, { uuid: 'u1' }), NOW + 1)
    assert.deepEqual([await free('u1'), await free(null), await free('u2')], [[], [], files.slice(1)])
    await addDropped(store, entryRow(`${location}/in`, files[0]!, { uuid: 'u1' }), NOW + 1)
    assert.deepEqual(await free('u2'), [])
  })

  it('is, of places that others have for their files, those in it alone, as long as their tables are there', async () => {
    const store = openMemoryStore()
    const other = await addEntry(store, entryRow('s3://lake/other', 's3://lake/other/m'))
    for (const place of ['s3://lake', 's3://lake/t/data', 's3://lake/t2']) await addPlace(store, place, other.id)
    await addPlace(store, 's3://lake/t/metadata', 'nobody')
    const files = ['s3://lake/t/data/1', 's3://lake/t/data-2', 's3://lake/t/metadata/m', 's3://lake/t/']
    const answer = await asked(store, 's3://lake/t', { files })
    assert.deepEqual(answer, { files: files.slice(1), keptBy: undefined })
  })

  it('never lets go of what lies elsewhere', async () => {
    const store = openMemoryStore()
    const files = ['s3://lake/t', 's3://lake/t2/x', 's3://lake/t/../t2/x', 's3://lake/', 's3://lake/t2/', '', 'x', 's3://c/t/x']
    assert.deepEqual((await asked(store, 's3://lake/t', { files })).files, [])
    const own = ['s3://lake/t/x', 's3a://lake/t/y', 's3://lake/t/', 's3://lake/t/in/']
    assert.deepEqual((await asked(store, 's3://lake/t', { files: own })).files, own)
  })
})

describe('what keeps metadata files that fell off the log of a table', () => {
  const [location, current] = ['s3://lake/t', 's3://lake/t/metadata/3']
  const files = [1, 2, 3, 4].map((n) => `s3://lake/t/metadata/${n}`)
  const owner = (logs: Record<string, readonly string[]>): Owner => ({
    is: 'there',
    id: 'e1',
    named: async (file) => logs[file],
  })
  const free = async (store: Store, logs: Record<string, readonly string[]>): Promise<number[]> =>
    (await asked(store, location, { files, owner: owner(logs) })).files.map((file) => Number(file.at(-1)))

  it('is the current one and its log, also of what was dropped at the same place and can come back', async () => {
    const store = openMemoryStore()
    assert.deepEqual(await free(store, {}), [])
    await addEntry(store, entryRow(location, current, { id: 'e1' }))
    assert.deepEqual(await free(store, { [current]: [] }), [1, 2, 4])
    assert.deepEqual(await free(store, { [current]: ['s3a://lake/t/metadata/2'] }), [1, 4])
    assert.deepEqual(await free(store, {}), [])
    await addDropped(store, entryRow(location, files[0]!), NOW + 1)
    assert.deepEqual(await free(store, { [current]: [], [files[0]!]: [files[3]!] }), [2])
    assert.deepEqual(await free(store, { [current]: [] }), [])
  })

  it('is any other table or view that is there, and what is more than can be looked into', async () => {
    const store = openMemoryStore()
    const logs = { [current]: [], [files[0]!]: [] }
    await addEntry(store, entryRow(location, current, { id: 'e1' }))
    const other = await addEntry(store, entryRow('s3://lake/t/metadata', 's3://lake/t/metadata/9', { catalog_id: 'c2' }))
    assert.deepEqual(await free(store, logs), [])
    await store.write([{ op: 'remove', entity: 'entries', key: other, expected: 'any' }])
    for (let i = 0; i < 2000; i++) await addDropped(store, entryRow(location, files[0]!), NOW + 1)
    assert.deepEqual(await free(store, logs), [2, 4])
    await addDropped(store, entryRow(location, files[0]!), NOW + 1)
    assert.deepEqual(await free(store, logs), [])
  })

  it('is of another table that was dropped at the same place its metadata file alone, and its log is not read', async () => {
    const store = openMemoryStore()
    await addEntry(store, entryRow(location, current, { id: 'e1', uuid: 'u1' }))
    await addDropped(store, entryRow(location, files[0]!, { uuid: 'u2' }), NOW + 1)
    assert.deepEqual(await free(store, { [current]: [] }), [2, 4])
    await addDropped(store, entryRow(location, files[1]!, { uuid: 'u1' }), NOW + 1)
    assert.deepEqual(await free(store, { [current]: [], [files[1]!]: [files[3]!] }), [])
    assert.deepEqual(await free(store, { [current]: [], [files[1]!]: [] }), [4])
  })

  it('is nothing where the table is elsewhere by now', async () => {
    const store = openMemoryStore()
    await addEntry(store, entryRow('s3://lake/u', current, { id: 'e1' }))
    assert.deepEqual(await free(store, { [current]: [] }), [])
  })

  it('is asked of a commit only where the table wants it and has such files', () => {
    const wants = { 'write.metadata.delete-after-commit.enabled': 'true' }
    const removed = ['s3://lake/t/metadata/1', 's3://lake/t2/metadata/1', 's3://lake/t/', 's3a://lake/t/metadata/2']
    assert.deepEqual(obsoleteFiles({ location: 's3://lake/t/', properties: wants }, removed), [removed[0], removed[3]])
    assert.deepEqual(obsoleteFiles({ location: 's3://lake/t', properties: {} }, removed), [])
  })
})

it('a new file is kept by what points to it alone', async () => {
  const store = openMemoryStore()
  const [location, file] = ['s3://lake/t', 's3://lake/elsewhere/metadata/1']
  await addEntry(store, entryRow(location, `${location}/metadata/1`))
  await addDropped(store, entryRow(location, `${location}/metadata/2`), NOW + 1)
  const free = async (): Promise<readonly string[]> =>
    (await asked(store, location, { files: [file], owner: { is: 'to be' } })).files
  assert.deepEqual(await free(), [file])
  await addDropped(store, entryRow(location, file), NOW)
  assert.deepEqual(await free(), [file])
  await addDropped(store, entryRow(location, file.replace('s3:', 's3a:')), NOW + 1)
  assert.deepEqual(await free(), [])
})
