/** Folders on a local disk: made when something is written or a table is there, and left behind by nothing that failed. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, rmdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, test } from 'node:test'
import { createTable } from '../../src/catalog/tables.ts'
import { updateTable } from '../../src/catalog/update-table.ts'
import { createView } from '../../src/catalog/views.ts'
import { StorageError } from '../../src/storage/storage.ts'
import { StoreError } from '../../src/stores/store.ts'
import { removeFolders } from '../../src/tasks/remove-folders.ts'
import { bodyOf, ident, key7, newTable, open, rejects, schema, VIEW_VERSION, withKey, type Fixture } from './setup.ts'
import { creation, NEW } from './shared-bucket.ts'

/** Below the namespace's folder, which stays. */
function foldersOf({ folder }: Fixture): string[] {
  const root = path.join(folder, 'lake', 'ns')
  if (!existsSync(root)) return []
  const all = readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) => entry.isDirectory())
  return all.map((entry) => path.relative(root, path.join(entry.parentPath, entry.name))).sort()
}

const settled = async (attempts: readonly Promise<unknown>[]): Promise<number> =>
  (await Promise.allSettled(attempts)).filter(({ status }) => status === 'fulfilled').length

describe('folders of a local warehouse', () => {
  test('staged creations make none, and their commit makes those of a table', async (t) => {
    const fixture = await open(t)
    const { context, call } = fixture
    const stage = (name: string) => createTable(context, call, ['ns'], { name, schema, 'stage-create': true })
    for (let n = 0; n < 300; n++) await stage(`s${n}`)
    assert.deepEqual(foldersOf(fixture), [])
    const { metadata } = bodyOf(await stage('t'))
    await updateTable(context, call, ident('t'), {
      ...NEW,
      updates: [{ action: 'assign-uuid', uuid: metadata['table-uuid'] }, ...creation(metadata.location)],
    })
    const name = path.basename(metadata.location)
    assert.deepEqual(foldersOf(fixture), [name, `${name}/data`, `${name}/metadata`])
  })

  test('for a client that makes none itself they are there when a table is staged, and go when nothing has come of it', async (t) => {
    const fixture = await open(t)
    const { context, store, catalog } = fixture
    const call = { ...fixture.call, makesNoFolders: true }
    const stage = async (name: string) =>
      bodyOf(await createTable(context, call, ['ns'], { name, schema, 'stage-create': true })).metadata
    const [unused, used, committed] = [await stage('a'), await stage('b'), await stage('c')]
    assert.equal(foldersOf(fixture).length, 9)
    await catalog.storage.create(`${used.location}/data/x`, Buffer.from('x'))
    const updates = [{ action: 'assign-uuid', uuid: committed['table-uuid'] }, ...creation(committed.location)]
    await updateTable(context, call, ident('c'), { ...NEW, updates })
    const handler = removeFolders({
      store,
      now: () => 0,
      log: () => {},
      openStorageFor: async () => ({ storage: catalog.storage }),
    })
    const tasks = await store.list('tasks', { index: 'by_due', where: {}, limit: 10 })
    assert.equal(tasks.length, 3)
    for (const task of tasks) await handler(task, { signal: new AbortController().signal })
    const nameOf = (metadata: { readonly location: string }): string => path.basename(metadata.location)
    const of = (metadata: { readonly location: string }): string[] =>
      foldersOf(fixture).filter((folder) => folder.split('/')[0] === nameOf(metadata))
    assert.deepEqual(of(unused), [])
    assert.deepEqual(of(used), [nameOf(used), `${nameOf(used)}/data`])
    assert.equal(of(committed).length, 3)
  })

  test('the task of a staged table is stored with the record of its request, before any folder, and no log tells of it', async (t) => {
    const fixture = await open(t)
    const { context, store, catalog, hooks } = fixture
    const failing = { prepare: undefined as (() => Promise<void>) | undefined }
    const storage = Object.assign(Object.create(catalog.storage) as typeof catalog.storage, {
      prepare: (location: string) => failing.prepare?.() ?? catalog.storage.prepare(location),
    })
    const call = { ...fixture.call, catalog: { ...catalog, storage }, makesNoFolders: true }
    const keyed = withKey(call, key7(1))
    const stage = async (by = keyed) =>
      bodyOf(await createTable(context, by, ['ns'], { name: 't', schema, 'stage-create': true })).metadata
    const stored = async (): Promise<number[]> => {
      const [tasks, records] = await Promise.all([
        store.list('tasks', { index: 'by_due', where: {}, limit: 10 }),
        store.list('idempotency', { index: 'primary', where: {}, limit: 10 }),
      ])
      return [tasks.length, records.length]
    }
    const lines = () => store.list('commits', { index: 'primary', where: {}, limit: 10 })
    const before = await lines()

    hooks.write = () => Promise.reject(new StoreError('unavailable', 'down'))
    await assert.rejects(stage(), rejects(503, /nothing was changed/))
    assert.deepEqual([await stored(), foldersOf(fixture)], [[0, 0], []])

    const batches: string[][] = []
    hooks.write = (mutations, next) => {
      batches.push(mutations.map(({ entity }) => entity))
      return next(mutations)
    }
    failing.prepare = async () => {
      assert.deepEqual(await stored(), [1, 1])
      throw new StorageError('unavailable', 'no disk')
    }
    await assert.rejects(stage(), rejects(503, /no disk|not available|storage/i))
    assert.deepEqual(foldersOf(fixture), [])
    failing.prepare = undefined
    const metadata = await stage()
    assert.deepEqual(batches, [['idempotency', 'tasks']])
    assert.equal(foldersOf(fixture).length, 3, 'a repetition makes what the request did not')
    assert.equal(path.basename(metadata.location), foldersOf(fixture)[0])
    assert.deepEqual(await stage(), metadata)

    // An answer that gets lost costs a task too many, where there is no record; it removes nothing.
    hooks.write = async (mutations, next) => {
      hooks.write = undefined
      await next(mutations)
      throw new StoreError('unknown', 'the connection broke')
    }
    assert.ok((await stage(call)).location)
    assert.deepEqual(await stored(), [3, 1])
    assert.deepEqual(await lines(), before)
  })

  for (const location of [undefined, 'same'] as const) {
    test(`of those who race for a name, only the winner has any (${location ?? 'their own'} location)`, async (t) => {
      const fixture = await open(t)
      for (let round = 0; round < 5; round++) {
        const before = foldersOf(fixture)
        const name = `t${round}`
        const place = location === undefined ? {} : { location: `${fixture.catalog.root}/ns/${name}` }
        const attempts = Array.from({ length: 8 }, (_, n) => {
          const { context, call } = n % 2 === 0 ? fixture : fixture.another()
          return n % 3 === 2
            ? createView(context, call, ['ns'], { name, schema, properties: {}, 'view-version': VIEW_VERSION, ...place })
            : createTable(context, call, ['ns'], { name, schema, ...place })
        })
        assert.equal(await settled(attempts), 1)
        const added = foldersOf(fixture).filter((folder) => !before.includes(folder))
        assert.ok([2, 3].includes(added.length), added.join())
        assert.ok(added.every((folder) => added[0] === folder || folder.startsWith(`${added[0]}/`)))
      }
    })
  }

  test('a creation that fails leaves none, whatever fails', async (t) => {
    const fixture = await open(t)
    const { context, call, hooks } = fixture
    const attempt = () => createTable(context, call, ['ns'], { name: 't', schema })
    hooks.write = () => Promise.reject(new StoreError('unavailable', 'down'))
    await assert.rejects(attempt())
    hooks.write = undefined
    hooks.create = async (location, bytes, next) => {
      await next(location, bytes)
      throw new StorageError('unavailable', 'the answer was lost')
    }
    await assert.rejects(attempt())
    assert.deepEqual(foldersOf(fixture), [])
    assert.deepEqual(fixture.files(), [])
  })

  test('a commit that fails leaves the folders of its table', async (t) => {
    const fixture = await open(t)
    await newTable(fixture, 't')
    const before = foldersOf(fixture)
    fixture.hooks.write = () => Promise.reject(new StoreError('unavailable', 'down'))
    const { context, call } = fixture
    const updates = [{ action: 'set-properties', updates: { a: 'b' } }]
    await assert.rejects(updateTable(context, call, ident('t'), { requirements: [], updates }))
    assert.deepEqual(foldersOf(fixture), before)
  })

  test('a folder that something else uses stays', async (t) => {
    const fixture = await open(t)
    const { context, call, folder, hooks } = fixture
    const place = path.join(folder, 'lake', 'ns', 't')
    hooks.create = async (location, bytes, next) => {
      await next(location, bytes)
      mkdirSync(path.join(place, 'data'))
      writeFileSync(path.join(place, 'data', 'mine.parquet'), 'PAR1')
    }
    hooks.write = () => Promise.reject(new StoreError('unavailable', 'down'))
    await assert.rejects(createTable(context, call, ['ns'], { name: 't', schema, location: `${fixture.catalog.root}/ns/t` }))
    assert.deepEqual(foldersOf(fixture), ['t', 't/data'])
  })

  test('a metadata file that was registered before its writer gave it up stays', async (t) => {
    const fixture = await open(t)
    const { context, call, hooks, store } = fixture
    hooks.write = async (mutations, next) => {
      hooks.write = undefined
      // The very same, by somebody else: only the name differs.
      const moved = mutations.map((step) =>
        step.op === 'insert' && step.entity === 'entries' ? { ...step, row: { ...step.row, name: 'found' } } : step,
      )
      await next(moved)
      throw new StoreError('unavailable', 'down')
    }
    await assert.rejects(createTable(context, call, ['ns'], { name: 't', schema }))
    const [row] = await store.list('entries', { index: 'by_kind', where: {}, limit: 10 })
    assert.equal(row?.name, 'found')
    assert.ok(fixture.files().some((file) => row!.metadata_location.endsWith(file)))
  })

  test('a writer makes a folder again that is removed as empty before its file is in it', { timeout: 60_000 }, async (t) => {
    const fixture = await open(t)
    const { storage, root } = fixture.catalog
    const removal = new AbortController()
    const folder = path.join(fixture.folder, 'lake', 'ns', 'shared')
    const removing = (async () => {
      while (!removal.signal.aborted) {
        try {
          rmdirSync(folder)
        } catch {}
        await new Promise((resolve) => setTimeout(resolve, 1))
      }
    })()
    try {
      for (let n = 0; n < 100; n++) {
        const file = `${root}/ns/shared/${n}`
        await storage.create(file, Buffer.from('x'))
        await storage.delete([file])
        await storage.removeEmptyFolders?.(file, `${root}/ns/shared`)
      }
    } finally {
      removal.abort()
      await removing
    }
  })
})
