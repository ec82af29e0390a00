import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { gzipSync } from 'node:zlib'
import { purgeTable } from '../../src/tasks/purge.ts'
import { deleteFiles } from '../../src/tasks/delete-files.ts'
import { TaskRefused } from '../../src/tasks/runner.ts'
import type { ObjectStore } from '../../src/storage/storage.ts'
import type { Row } from '../../src/stores/entities.ts'
import { openMemoryStore } from '../../src/stores/memory.ts'
import type { Store } from '../../src/stores/store.ts'
import { addEntry, entryRow, manifestListOf, manifestOf, newLake, removeLakes, taskRow, writeTable, type Lake } from './tables.ts'

after(removeLakes)

interface Purge {
  readonly location: string
  readonly metadataLocation: string
}
interface Ran {
  readonly events: { event: string; details: Readonly<Record<string, unknown>> }[]
}
const never = new AbortController().signal

async function purge(
  store: Store,
  storage: ObjectStore | undefined,
  { location, metadataLocation }: Purge,
  signal = never,
): Promise<Ran> {
  const events: Ran['events'] = []
  const handler = purgeTable({
    store,
    openStorageFor: async () => storage && { storage },
    now: () => 0,
    log: (event, details) => events.push({ event, details }),
  })
  const task = {
    ...taskRow('purge-table', { warehouse_name: 'w1', entry_id: 'e', location, metadata_location: metadataLocation }),
    version: 1,
  } as Row<'tasks'>
  await handler(task, { signal })
  return { events }
}

async function withNeighbour(lake: Lake, store: Store): Promise<string[]> {
  const neighbour = await writeTable(lake, 'ns/t2')
  await addEntry(store, entryRow(neighbour.location, neighbour.metadataLocation))
  return lake.files()
}

describe('purge of a table', () => {
  for (const codec of ['null', 'deflate', 'zstandard', 'snappy'] as const) {
    it(`deletes all that its metadata reaches, its folders, and nothing beside (${codec})`, async () => {
      const [lake, store] = [newLake(), openMemoryStore()]
      const others = await withNeighbour(lake, store)
      const table = await writeTable(lake, 'ns/t', { codec })
      const { events } = await purge(store, lake.storage, table)
      assert.deepEqual(lake.files(), others)
      assert.ok(!fs.existsSync(path.join(lake.folder, 'ns/t')) && fs.existsSync(path.join(lake.folder, 'ns')))
      assert.deepEqual(
        events.map(({ event, details }) => [event, details['deleted'], details['kept']]),
        [['table-purged', 12, 0]],
      )
    })
  }

  it('understands the spelling of JVM clients, gzip metadata and manifests without a list', async () => {
    const [lake, store] = [newLake(), openMemoryStore()]
    const table = await writeTable(lake, 't', { spelling: 'file:' })
    await purge(store, lake.storage, table)
    assert.deepEqual(lake.files(), [])
    const location = `${lake.root}/v1`
    await lake.storage.create(`${location}/data/1`, Buffer.from('x'))
    await lake.storage.create(`${location}/metadata/m.avro`, manifestOf([`${location}/data/1`]))
    const json = JSON.stringify({
      'format-version': 1,
      location,
      snapshots: [{ 'snapshot-id': 1, manifests: [`${location}/metadata/m.avro`] }],
    })
    await lake.storage.create(`${location}/metadata/00000-x.gz.metadata.json`, gzipSync(json))
    await purge(store, lake.storage, { location, metadataLocation: `${location}/metadata/00000-x.gz.metadata.json` })
    assert.deepEqual(lake.files(), [])
  })

  it('keeps data files where gc.enabled is not true', async () => {
    for (const value of ['false', 'False', 'no', '']) {
      const [lake, store] = [newLake(), openMemoryStore()]
      await purge(store, lake.storage, await writeTable(lake, 't', { properties: { 'gc.enabled': value } }))
      assert.deepEqual(lake.files(), [
        't/data/3.parquet',
        't/data/4-deletes.parquet',
        't/data/p=%2Fb/2.parquet',
        't/data/p=a/1.parquet',
      ])
    }
    const [lake, store] = [newLake(), openMemoryStore()]
    await purge(store, lake.storage, await writeTable(lake, 't', { properties: { 'gc.enabled': 'TRUE' } }))
    assert.deepEqual(lake.files(), [])
  })

  it('deletes nothing outside its location, whatever its manifests name', async () => {
    const [lake, store] = [newLake(), openMemoryStore()]
    const others = await withNeighbour(lake, store)
    await lake.storage.create(`${lake.root}/ns/t-secret`, Buffer.from('x'))
    const outside = path.join(fs.mkdtempSync(`${lake.folder}-outside-`), 'victim')
    fs.writeFileSync(outside, 'x')
    const foreignFiles = [
      `${lake.root}/ns/t2/data/3.parquet`,
      `${lake.root}/ns/t-secret`,
      `${lake.root}/ns/t/../t2/data/3.parquet`,
      `${lake.root}/ns/t/data/../../t2/metadata/snap-1.avro`,
      `file://${outside}`,
      `file:${outside}`,
      outside,
      's3://bucket/x',
      `${lake.root}/ns/t`,
      `${lake.root}/ns/t/`,
      `${lake.root}/ns/t2`,
      '',
      '\u0000',
      `${lake.root}/ns/t//../../x`,
      `${lake.root}/ns/T/../t2/data/3.parquet`,
      `${lake.root}/ns/t/x/\\..\\..\\t2\\data\\3.parquet`,
    ]
    const table = await writeTable(lake, 'ns/t', {
      foreignFiles,
      foreignManifests: [`${lake.root}/ns/t2/metadata/shared-m0.avro`],
      // Escapes in the names of files are their very text, so the last two would lie below the table.
      foreignStatistics: [...foreignFiles, ...['%2e%2e/', '..%2f'].map((up) => `${lake.root}/ns/t/${up}t2/data/3.parquet`)],
      properties: { 'write.data.path': `${lake.root}/ns/t2/data` },
    })
    const { events } = await purge(store, lake.storage, table)
    assert.deepEqual(lake.files(), [...others, 'ns/t-secret'].sort())
    assert.ok(fs.existsSync(outside))
    // The foreign list of files, in a manifest and as statistics of two kinds; the neighbour's manifest and the two files that it names.
    assert.equal(events[0]?.details['kept'], 3 * foreignFiles.length + 3)
    fs.rmSync(path.dirname(outside), { recursive: true })
  })

  const occupants: [string, (table: Purge, lake: Lake) => ReturnType<typeof entryRow>][] = [
    ['the same location', ({ location }) => entryRow(location, `${location}/metadata/other.json`)],
    [
      'the same location on another branch',
      ({ location, metadataLocation }) => entryRow(location, metadataLocation, { branch: 'dev' }),
    ],
    [
      'the same location in another catalog',
      ({ location, metadataLocation }) => entryRow(location, metadataLocation, { catalog_id: 'c2' }),
    ],
    ['a location above', (_, { root }) => entryRow(`${root}/ns`, `${root}/ns/metadata/x.json`)],
    ['the root', (_, { root }) => entryRow(root, `${root}/metadata/x.json`)],
    ['a location below', ({ location }) => entryRow(`${location}/data/inner`, `${location}/data/inner/metadata/x.json`)],
    ['a view below', ({ location }) => entryRow(`${location}/data/inner`, `${location}/x.json`, { kind: 'view' })],
  ]
  for (const [what, row] of occupants) {
    it(`deletes nothing while another entry has ${what}`, async () => {
      const [lake, store] = [newLake(), openMemoryStore()]
      const table = await writeTable(lake, 'ns/t')
      const before = lake.files()
      // Many tombstones in front, so that the living one is not on the first page.
      const occupant = row(table, lake)
      for (let i = 0; i < 450; i += 1) await addEntry(store, { ...occupant, name: `!${i}`, id: `!${i}`, deleted: true })
      await addEntry(store, occupant)
      const { events } = await purge(store, lake.storage, table)
      assert.deepEqual(
        events.map(({ event }) => event),
        ['purge-skipped'],
      )
      assert.deepEqual(lake.files(), before)
    })
  }

  it('is not kept from its work by neighbours, tombstones and other tenants', async () => {
    const [lake, store] = [newLake(), openMemoryStore()]
    const table = await writeTable(lake, 'ns/t')
    for (const name of ['ns/t0', 'ns/t-1', 'ns/t.x', 'ns/s', 'ns/u/t'])
      await addEntry(store, entryRow(`${lake.root}/${name}`, `${lake.root}/${name}/m`))
    await addEntry(store, entryRow(table.location, table.metadataLocation, { deleted: true }))
    await addEntry(store, entryRow(table.location, table.metadataLocation, { tenant_id: 't2' }))
    await purge(store, lake.storage, table)
    assert.deepEqual(lake.files(), [])
  })

  it('stops in the middle when somebody moves in', async () => {
    const [lake, store] = [newLake(), openMemoryStore()]
    const table = await writeTable(lake, 'ns/t')
    let deletions = 0
    const storage: ObjectStore = {
      ...bound(lake.storage),
      delete: async (files) => {
        await lake.storage.delete(files)
        deletions += 1
        if (deletions === 1) await addEntry(store, entryRow(table.location, `${table.location}/metadata/new.json`))
      },
    }
    const { events } = await purge(store, storage, table)
    assert.deepEqual(
      events.map(({ event }) => event),
      ['purge-skipped'],
    )
    assert.equal(deletions, 1)
    assert.ok(fs.existsSync(path.join(lake.folder, 'ns/t/metadata/00001-b.metadata.json')))
  })

  it('goes on after a crash at any call to the storage', async () => {
    for (let crashAt = 1; ; crashAt += 1) {
      const [lake, store] = [newLake(), openMemoryStore()]
      const others = await withNeighbour(lake, store)
      const table = await writeTable(lake, 'ns/t')
      let calls = 0
      const dying = (): void => {
        calls += 1
        if (calls >= crashAt) throw new Error('killed')
      }
      const storage: ObjectStore = {
        ...bound(lake.storage),
        read: async (...parameters) => {
          dying()
          return lake.storage.read(...parameters)
        },
        // Dies in the middle of a batch as well.
        delete: async (files) => {
          for (const file of files) {
            dying()
            await lake.storage.delete([file])
          }
        },
      }
      const finished = await purge(store, storage, table).then(
        () => true,
        () => false,
      )
      for (const file of others) assert.ok(fs.existsSync(path.join(lake.folder, file)))
      await purge(store, lake.storage, table)
      assert.deepEqual(lake.files(), others, `crash at ${crashAt}`)
      if (finished) {
        assert.ok(crashAt > 15)
        return
      }
    }
  })

  it('is done where everything is gone, and where single files are missing', async () => {
    const [lake, store] = [newLake(), openMemoryStore()]
    await purge(store, lake.storage, { location: `${lake.root}/t`, metadataLocation: `${lake.root}/t/metadata/x.metadata.json` })
    const names = [
      'data/3.parquet',
      'metadata/snap-1.avro',
      'metadata/shared-m0.avro',
      'metadata/second-m0.avro',
      'metadata/s.stats',
    ]
    for (const name of names) {
      const table = await writeTable(lake, 't')
      await lake.storage.delete([`${table.location}/${name}`])
      await purge(store, lake.storage, table)
      const left = lake.files()
      // What only a missing file named can't be known.
      assert.ok(
        left.every((file) => file.startsWith('t/data/')),
        left.join(),
      )
      fs.rmSync(path.join(lake.folder, 't'), { recursive: true, force: true })
    }
  })

  it('refuses for good what will never be readable, and deletes nothing outside on the way', async () => {
    const bad: [string, Buffer][] = [
      ['metadata/second-m0.avro', Buffer.from('garbage')],
      ['metadata/snap-2.avro', manifestOf(['x']).subarray(0, 50)],
      ['metadata/00001-b.metadata.json', Buffer.from('not json')],
      ['metadata/00001-b.metadata.json', Buffer.from('[]')],
      ['metadata/snap-1.avro', manifestOf(['file:///x'])],
    ]
    for (const [name, bytes] of bad) {
      const [lake, store] = [newLake(), openMemoryStore()]
      const others = await withNeighbour(lake, store)
      const table = await writeTable(lake, 'ns/t')
      await lake.storage.delete([`${table.location}/${name}`])
      await lake.storage.create(`${table.location}/${name}`, bytes)
      await assert.rejects(purge(store, lake.storage, table), TaskRefused)
      for (const file of others) assert.ok(lake.files().includes(file))
      assert.ok(fs.existsSync(path.join(lake.folder, 'ns/t/metadata/00001-b.metadata.json')))
    }
    const [lake, store] = [newLake(), openMemoryStore()]
    await assert.rejects(
      purge(store, lake.storage, { location: 's3://bucket/t', metadataLocation: 's3://bucket/t/m.json' }),
      TaskRefused,
    )
    await assert.rejects(purge(store, lake.storage, { location: '../x', metadataLocation: 'x' }), TaskRefused)
    await assert.rejects(
      purge(store, undefined, { location: `${lake.root}/t`, metadataLocation: `${lake.root}/t/m` }),
      TaskRefused,
    )
  })

  it('stops when it is told to', async () => {
    const [lake, store] = [newLake(), openMemoryStore()]
    const table = await writeTable(lake, 'ns/t')
    const before = lake.files()
    await assert.rejects(purge(store, lake.storage, table, AbortSignal.abort(new Error('stop'))), /stop/)
    assert.deepEqual(lake.files(), before)
  })

  it('holds few names at a time', async () => {
    const [lake, store] = [newLake(), openMemoryStore()]
    const location = `${lake.root}/big`
    const files = Array.from({ length: 25_000 }, (_, i) => `${location}/data/part-${i}`)
    await lake.storage.create(`${location}/metadata/m.avro`, manifestOf(files))
    await lake.storage.create(`${location}/metadata/l.avro`, manifestListOf([`${location}/metadata/m.avro`]))
    const metadataLocation = `${location}/metadata/0-x.metadata.json`
    await lake.storage.create(
      metadataLocation,
      Buffer.from(JSON.stringify({ location, snapshots: [{ 'manifest-list': `${location}/metadata/l.avro` }] })),
    )
    let most = 0
    let count = 0
    const storage: ObjectStore = {
      ...bound(lake.storage),
      delete: async (some) => {
        most = Math.max(most, some.length)
        count += some.length
      },
    }
    await purge(store, storage, { location, metadataLocation })
    assert.ok(most <= 1000 && count === 25_004, `${most} ${count}`)
  })
})

/** The store's methods as own properties, so that some of them can be replaced. */
function bound(storage: ObjectStore): ObjectStore {
  return {
    read: (...p) => storage.read(...p),
    create: (...p) => storage.create(...p),
    delete: (...p) => storage.delete(...p),
    list: (...p) => storage.list(...p),
    prepare: (...p) => storage.prepare(...p),
    close: () => storage.close(),
  }
}

describe('deletion of files that fell off the metadata log', () => {
  const run = async (store: Store, storage: ObjectStore, payload: Record<string, string | string[]>): Promise<void> => {
    const handler = deleteFiles({ store, now: () => 0, openStorageFor: async () => ({ storage }), log: () => {} })
    await handler({ ...taskRow('delete-files', { warehouse_name: 'w1', ...payload }), version: 1 } as Row<'tasks'>, {
      signal: never,
    })
  }

  it('deletes metadata files of the table alone', async () => {
    const [lake, store] = [newLake(), openMemoryStore()]
    const others = await withNeighbour(lake, store)
    const table = await writeTable(lake, 'ns/t')
    const row = await addEntry(store, entryRow(table.location, table.metadataLocation))
    const old = `${table.location}/metadata/00000-old.metadata.json`
    await lake.storage.create(old, Buffer.from('{}'))
    const before = lake.files()
    await run(store, lake.storage, {
      entry_id: row.id,
      location: table.location,
      files: [
        old,
        table.metadataLocation,
        `${table.location}/metadata/00000-a.metadata.json`,
        `${table.location}/data/3.parquet`,
        `${lake.root}/ns/t2/metadata/00001-b.metadata.json`,
        '../x',
        `${table.location}/metadata/none.metadata.json`,
      ],
    })
    // Also kept: the current one, one that is in the log again, what is no metadata, and what belongs to others.
    assert.deepEqual(
      lake.files(),
      before.filter((file) => !file.endsWith('00000-old.metadata.json')),
    )
    for (const file of others) assert.ok(lake.files().includes(file))
  })

  it('deletes nothing when another entry shares the location, or the table is another one', async () => {
    const [lake, store] = [newLake(), openMemoryStore()]
    const table = await writeTable(lake, 'ns/t')
    const old = `${table.location}/metadata/00000-a.metadata.json`
    const payload = { entry_id: 'e1', location: table.location, files: [old] }
    const before = lake.files()
    await run(store, lake.storage, payload)
    await addEntry(store, entryRow(table.location, table.metadataLocation, { id: 'e2' }))
    await run(store, lake.storage, payload)
    await addEntry(store, entryRow(table.location, table.metadataLocation, { id: 'e1', branch: 'dev' }))
    await run(store, lake.storage, payload)
    assert.deepEqual(lake.files(), before)
  })
})
