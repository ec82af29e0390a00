/** Each thing that deletes files of a warehouse, and each thing that leads to such a file: it stays as long as that is so. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { after, describe, it, test, type TestContext } from 'node:test'
import { discard } from '../../src/catalog/commits/discard.ts'
import { dropTable } from '../../src/catalog/drop.ts'
import { listDropped } from '../../src/catalog/dropped.ts'
import { registerTable } from '../../src/catalog/register.ts'
import { createTable, loadTable } from '../../src/catalog/tables.ts'
import { undrop } from '../../src/catalog/undrop.ts'
import { updateTable } from '../../src/catalog/update-table.ts'
import type { Location } from '../../src/iceberg/location.ts'
import { openMemoryStore } from '../../src/stores/memory.ts'
import type { Row } from '../../src/stores/entities.ts'
import type { Store } from '../../src/stores/store.ts'
import { deleteFiles } from '../../src/tasks/delete-files.ts'
import { purgeTable } from '../../src/tasks/purge.ts'
import { removeFolders } from '../../src/tasks/remove-folders.ts'
import type { TaskHandler } from '../../src/tasks/runner.ts'
import { startTasks } from '../../src/tasks/start.ts'
import { bodyOf, ident, newTable, open, schema, set, type Fixture } from '../catalog/setup.ts'
import { addDropped, addEntry, addPlace, entryRow, newLake, removeLakes, taskRow, writeTable, type Lake } from './tables.ts'

after(removeLakes)

const NOW = 1000

interface World {
  readonly lake: Lake
  readonly store: Store
  readonly location: string
  readonly metadataLocation: string
}

const OLD = 'metadata/00000-a.metadata.json'

async function run({ lake, store, location }: World, kind: string, make: typeof purgeTable, payload: object): Promise<void> {
  const { storage } = lake
  const handler: TaskHandler = make({ store, now: () => NOW, log: () => {}, openStorageFor: async () => ({ storage }) })
  const task = { ...taskRow(kind, { warehouse_name: 'w1', location, ...payload }), version: 1 } as Row<'tasks'>
  await handler(task, { signal: new AbortController().signal })
}

/** What each deletes of a table where nothing keeps it, and how it is put to work. */
const deleters: Readonly<Record<string, { readonly file: string; readonly work: (world: World) => Promise<void> }>> = {
  'a purge': {
    file: OLD,
    work: (world) => run(world, 'purge-table', purgeTable, { metadata_location: world.metadataLocation }),
  },
  'the clean-up of metadata': {
    file: OLD,
    work: async (world) => {
      const { lake, store, location } = world
      // Of a table that is there, at a later metadata file, whose log does not have the old one any more.
      const current = `${location}/metadata/00009-z.metadata.json`
      await lake.storage.create(current, Buffer.from(JSON.stringify({ location })))
      await addEntry(store, entryRow(location, current, { id: 'own', name: 'own' }))
      await run(world, 'delete-files', deleteFiles, { entry_id: 'own', files: [`${location}/${OLD}`] })
    },
  },
  'the removal of folders': {
    file: 'metadata',
    work: async (world) => {
      fs.rmSync(path.join(world.lake.folder, 'ns/t/metadata'), { recursive: true })
      fs.mkdirSync(path.join(world.lake.folder, 'ns/t/metadata'))
      await run(world, 'remove-folders', removeFolders, {})
    },
  },
  'a change that did not come about': {
    file: 'metadata/00001-b.metadata.json',
    work: async ({ lake: { storage }, store, location, metadataLocation }) => {
      const staged = { kind: 'table', row: undefined, location: location as Location, file: metadataLocation } as const
      await discard({ store, now: () => NOW } as never, { tenantId: 't1', storage } as never, [staged])
    },
  },
}

type Lead = (world: World) => Promise<unknown>

const leads: Readonly<Record<string, Lead>> = {
  'another table of the same metadata file': ({ store, location, metadataLocation }) =>
    addEntry(store, entryRow(location, metadataLocation)),
  'one in another catalog': ({ store, location, metadataLocation }) =>
    addEntry(store, entryRow(location, metadataLocation, { catalog_id: 'c2' })),
  'a view': ({ store, location, metadataLocation }) =>
    addEntry(store, entryRow(location, metadataLocation, { kind: 'view', branch: 'dev' })),
  'a dropped table that can come back': ({ store, location, metadataLocation }) =>
    addDropped(store, entryRow(location, metadataLocation), NOW + 1),
  'a dropped one of another catalog': ({ store, location, metadataLocation }) =>
    addDropped(store, entryRow(location, metadataLocation, { catalog_id: 'c2' }), NOW + 1),
  'a place of another table': async ({ store, lake, location }) => {
    const other = await addEntry(store, entryRow(`${lake.root}/far`, `${lake.root}/far/metadata/m`))
    await addPlace(store, `${location}/metadata`, other.id)
  },
}

const none: Readonly<Record<string, Lead>> = {
  nothing: async () => {},
  'a dropped table whose time is over': ({ store, location, metadataLocation }) =>
    addDropped(store, entryRow(location, metadataLocation), NOW),
  'a table of another tenant': ({ store, location, metadataLocation }) =>
    addEntry(store, entryRow(location, metadataLocation, { tenant_id: 't2' })),
  'a tombstone': ({ store, location, metadataLocation }) =>
    addEntry(store, entryRow(location, metadataLocation, { deleted: true })),
  'a place of a table that is gone': ({ store, location }) => addPlace(store, `${location}/metadata`, 'nobody'),
}

async function isLeft(deleter: string, lead: Lead): Promise<boolean> {
  const [lake, store] = [newLake(), openMemoryStore()]
  const world = { lake, store, ...(await writeTable(lake, 'ns/t')) }
  if (deleter === 'the removal of folders') fs.rmSync(path.join(lake.folder, 'ns/t/data'), { recursive: true })
  const { file, work } = deleters[deleter]!
  await lead(world)
  await work(world)
  return fs.existsSync(path.join(lake.folder, 'ns/t', file))
}

for (const deleter of Object.keys(deleters)) {
  describe(`${deleter} deletes`, () => {
    for (const [what, lead] of Object.entries(none)) {
      it(`files to which ${what} leads`, async () => assert.equal(await isLeft(deleter, lead), false))
    }
    for (const [what, lead] of Object.entries(leads)) {
      // The name of a new file was told to nobody, so no table has it for its files; and folders go only where they are empty.
      const isApart =
        what === 'a place of another table' && (deleter === 'a change that did not come about' || deleter.endsWith('folders'))
      if (!isApart) it(`no files to which ${what} leads`, async () => assert.equal(await isLeft(deleter, lead), true))
    }
  })
}

/** All tasks, until none is due. */
async function work(t: TestContext, { store, catalog, context }: Fixture): Promise<string[]> {
  const events: string[] = []
  const { storage } = catalog
  const tasks = startTasks({
    store,
    now: context.now,
    log: (event) => events.push(event),
    openStorageFor: async () => ({ storage }),
  })
  t.after(() => tasks.stop())
  for (const { id } of await store.list('tasks', { index: 'primary', where: {}, limit: 100 })) await tasks.ended(id, 2000)
  await tasks.stop()
  return events
}

const keptId = async ({ context, call }: Fixture): Promise<string> => (await listDropped(context, call, {})).dropped[0]!.id

for (const [what, outer, inner] of [
  ['in', 'place', 'place/in'],
  ['around', 'place/in', 'place'],
] as const) {
  test(`a table ${what} the place of one that is purged comes back with its files`, async (t) => {
    const fixture = await open(t)
    const { context, call, catalog } = fixture
    const make = (name: string, at: string) =>
      createTable(context, call, ['ns'], { name, schema, location: `${catalog.root}/ns/${at}` })
    const { 'metadata-location': file } = bodyOf(await make('t', inner))
    await dropTable(context, call, ident('t'))
    const id = await keptId(fixture)
    await make('u', outer)
    await dropTable(context, call, ident('u'), { purgeRequested: true })
    assert.ok((await work(t, fixture)).includes('purge-skipped'))
    await undrop(context, call, { id })
    assert.equal(bodyOf(await loadTable(context, call, ident('t')))['metadata-location'], file)
  })
}

test('a table that was made again and again at one place is purged all the same, and those before it come back', async (t) => {
  const fixture = await open(t)
  const { context, call, catalog, files } = fixture
  const location = `${catalog.root}/ns/again`
  for (let n = 0; n < 120; n++) {
    await createTable(context, call, ['ns'], { name: 't', schema, location })
    await dropTable(context, call, ident('t'))
  }
  const before = files()
  await createTable(context, call, ['ns'], { name: 't', schema, location })
  await dropTable(context, call, ident('t'), { purgeRequested: true })
  assert.ok((await work(t, fixture)).includes('table-purged'))
  assert.deepEqual(files(), before)
  for (let n = 0; n < 2; n++) {
    await undrop(context, call, { id: (await listDropped(context, call, { pageSize: 1 })).dropped[0]!.id })
    bodyOf(await loadTable(context, call, ident('t')))
    await dropTable(context, call, ident('t'), { purgeRequested: true })
    await work(t, fixture)
    assert.equal(files().length, 119 - n)
  }
})

test('a dropped table comes back, whatever its metadata was registered as and cleaned up since', async (t) => {
  const fixture = await open(t)
  const { context, call } = fixture
  const wants = { 'write.metadata.delete-after-commit.enabled': 'true', 'write.metadata.previous-versions-max': '1' }
  const { 'metadata-location': file } = await newTable(fixture, 't', wants)
  await dropTable(context, call, ident('t'))
  const id = await keptId(fixture)
  await registerTable(context, call, ['ns'], { name: 'r', 'metadata-location': file! })
  const made: string[] = []
  for (let n = 0; n < 4; n++) {
    const answer = await updateTable(context, call, ident('r'), { requirements: [], updates: [set({ n: String(n) })] })
    made.push(bodyOf(answer)['metadata-location']!)
  }
  const isThere = (name: string): boolean => fs.existsSync(new URL(name))
  await work(t, fixture)
  assert.deepEqual([file!, ...made].map(isThere), [true, false, false, true, true])
  await dropTable(context, call, ident('r'))
  await undrop(context, call, { id })
  assert.equal(bodyOf(await loadTable(context, call, ident('t')))['metadata-location'], file)
})
