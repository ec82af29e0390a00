/**
 * A purge against all who would take what it deletes: in every order of their steps, with a crash of the purge before each of
 * its steps, and among processes. Either the files go or somebody has them, never both.
 */
import assert from 'node:assert/strict'
import { createSecretKey } from 'node:crypto'
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, describe, test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { CatalogContext } from '../../src/catalog/call.ts'
import { createCatalogContext } from '../../src/catalog/context.ts'
import { dropTable } from '../../src/catalog/drop.ts'
import { registerTable } from '../../src/catalog/register.ts'
import { createTable } from '../../src/catalog/tables.ts'
import { updateTable } from '../../src/catalog/update-table.ts'
import { localPath, type Location } from '../../src/iceberg/location.ts'
import { StorageError, type ObjectStore } from '../../src/storage/storage.ts'
import { openStore } from '../../src/stores/open.ts'
import { StoreError, type Store } from '../../src/stores/store.ts'
import { startTasks, type Tasks } from '../../src/tasks/start.ts'
import { bodyOf, ident, open, schema, set, type Fixture, type Loose } from '../catalog/setup.ts'
import { newDatabase, serverDatabases, stopDatabases, type ServerDatabase } from '../services/databases.ts'

after(stopDatabases)

/** Stops whoever makes the call of this number, before it is made, until it is opened. */
class Gate {
  calls = 0
  readonly reached: Promise<void>
  isDead = false
  readonly #at: number
  readonly #held: Promise<void>
  #tell = (): void => {}
  open = (): void => {}

  constructor(at: number) {
    this.#at = at
    this.reached = new Promise((resolve) => (this.#tell = resolve))
    this.#held = new Promise((resolve) => (this.open = resolve))
  }

  /** Whether it may go on. */
  async pass(): Promise<boolean> {
    this.calls += 1
    if (this.calls === this.#at) {
      this.#tell()
      await this.#held
    }
    return !this.isDead
  }
}

function gatedStore(store: Store, gate: Gate): Store {
  const through = async <T>(call: () => Promise<T>): Promise<T> => {
    if (!(await gate.pass())) throw new StoreError('unavailable', 'dead')
    return call()
  }
  return {
    get: (entity, key) => through(() => store.get(entity, key)),
    getMany: (entity, keys) => through(() => store.getMany(entity, keys)),
    list: (entity, options) => through(() => store.list(entity, options)),
    write: (mutations) => through(() => store.write(mutations)),
    migrate: () => store.migrate(),
    close: () => store.close(),
  }
}

function gatedStorage(storage: ObjectStore, gate: Gate): ObjectStore {
  const through = async <T>(call: () => Promise<T>): Promise<T> => {
    if (!(await gate.pass())) throw new StorageError('unavailable', 'dead')
    return call()
  }
  return {
    read: (...parameters) => through(() => storage.read(...parameters)),
    create: (...parameters) => through(() => storage.create(...parameters)),
    delete: async (locations) => {
      for (const location of locations) await through(() => storage.delete([location]))
    },
    list: (prefix) => storage.list(prefix),
    prepare: (location) => storage.prepare(location),
    close: () => storage.close(),
  }
}

interface Lake extends Fixture {
  readonly location: string
  readonly file: string
}

/** A table with a history. */
async function lakeWithTable(t: TestContext, given?: Store, name = 't', fixture?: Fixture): Promise<Lake> {
  const lake = fixture ?? (await open(t, {}, given))
  const { context, call, catalog } = lake
  const location = `${catalog.root}/ns/${name}`
  await createTable(context, call, ['ns'], { name, schema, location })
  const commit = { requirements: [], updates: [set({ a: 'b' })] }
  const file = bodyOf(await updateTable(context, call, ident(name), commit))['metadata-location'] as string
  return { ...lake, location, file }
}

/** Another process: nothing in memory is shared. */
const contextOn = (store: Store): CatalogContext =>
  createCatalogContext({
    store,
    pageTokenKey: createSecretKey(Buffer.alloc(32)),
    sleep: (ms) => new Promise((resolve) => setTimeout(resolve, Math.min(ms, 5))),
  })

const isThere = (file: string): boolean => existsSync(localPath(file as Location))
const tasksOf = (store: Store) => store.list('tasks', { index: 'by_due', where: {}, limit: 100 })
async function untilNoTasks(store: Store): Promise<void> {
  while ((await tasksOf(store)).length > 0) await sleep(1)
}

type Outcome = 'taken' | 'refused' | 'gone'
async function outcomeOf(attempt: Promise<unknown>): Promise<Outcome> {
  try {
    await attempt
    return 'taken'
  } catch (error) {
    const { code, message } = error as Loose
    if (code === 404 && /Failed to open input stream/.test(message)) return 'gone'
    if (code === 400 && /overlaps|are being deleted/.test(message)) return 'refused'
    throw error
  }
}

/** Who has the name `u` in the end has its file, and an acknowledged taking is one. */
async function assertWhole(store: Store, outcome: Outcome, what: string): Promise<void> {
  const rows = await store.list('entries', { index: 'by_kind', where: {}, limit: 10 })
  assert.deepEqual(
    rows.map(({ name }) => name),
    outcome === 'taken' ? ['u'] : [],
    what,
  )
  for (const { metadata_location } of rows) assert.ok(isThere(metadata_location), `${what}: the file is gone`)
}

const takers = {
  register: ({ file, call }: Lake, context: CatalogContext, storage: ObjectStore) => {
    const gated = { ...call, catalog: { ...call.catalog, storage } }
    return registerTable(context, gated, ['ns'], { name: 'u', 'metadata-location': file })
  },
  create: ({ location, call }: Lake, context: CatalogContext, storage: ObjectStore) => {
    const gated = { ...call, catalog: { ...call.catalog, storage } }
    return createTable(context, gated, ['ns'], { name: 'u', schema, location })
  },
} as const

const purging = (lake: Lake, gate: Gate, now = Date.now): Tasks =>
  startTasks({
    store: gatedStore(lake.store, gate),
    now,
    log: () => {},
    pollMs: 5,
    openStorageFor: async () => ({ storage: gatedStorage(lake.catalog.storage, gate) }),
  })

describe('a purge and who would take the place', { timeout: 300_000 }, () => {
  for (const [way, take] of Object.entries(takers)) {
    test(`never both, whatever step either has come to: ${way}`, async (t) => {
      const seen = new Set<Outcome>()
      for (let k = 1, last = false; !last; k++) {
        // A purge looks for tasks, takes one, and so on: more than twenty calls, the last of which come after its end.
        for (let j = 1; j <= 26; j++) {
          const lake = await lakeWithTable(t)
          const [taking, deleting] = [new Gate(k), new Gate(j)]
          const outcome = outcomeOf(
            take(lake, contextOn(gatedStore(lake.store, taking)), gatedStorage(lake.catalog.storage, taking)),
          )
          const first = await Promise.race([taking.reached.then(() => undefined), outcome])
          // The table is there still: whoever asks so early is refused before the k-th step.
          await dropTable(lake.context, lake.call, ident('t'), { purgeRequested: true })
          const tasks = purging(lake, deleting)
          await Promise.race([deleting.reached, untilNoTasks(lake.store)])
          taking.open()
          const came = await outcome
          deleting.open()
          await untilNoTasks(lake.store)
          await tasks.stop()
          await assertWhole(lake.store, came, `${way}: step ${k} against ${j}`)
          if (came !== 'taken') assert.ok(!isThere(lake.file), `${way}: step ${k} against ${j}: nothing was purged`)
          seen.add(came)
          last = first !== undefined
          if (last) break
        }
      }
      assert.ok(seen.has('refused'), [...seen].join())
    })
  }

  test('a purge that dies before any of its steps keeps the place, and another process brings it to its end', async (t) => {
    for (let j = 1, isOver = false; !isOver; j++) {
      const lake = await lakeWithTable(t)
      await dropTable(lake.context, lake.call, ident('t'), { purgeRequested: true })
      const gate = new Gate(j)
      const tasks = purging(lake, gate)
      isOver = await Promise.race([gate.reached.then(() => false), untilNoTasks(lake.store).then(() => true)])
      gate.isDead = true
      gate.open()
      await tasks.stop()
      const take = () => outcomeOf(takers.register(lake, contextOn(lake.store), lake.catalog.storage))
      // Its last step but the one that ends its task has the metadata file itself.
      if (!isOver) assert.equal(await take(), isThere(lake.file) ? 'refused' : 'gone', `step ${j}`)
      // After its lease.
      const other = purging(lake, new Gate(0), () => Date.now() + 120_000)
      await untilNoTasks(lake.store)
      await other.stop()
      assert.ok(!existsSync(localPath(lake.location as Location)), `step ${j}`)
      assert.equal(await take(), 'gone', `step ${j}`)
    }
  })
})

async function databaseFor(t: TestContext, database: 'sqlite' | ServerDatabase): Promise<string | undefined> {
  if (database !== 'sqlite') return newDatabase(t, database)
  const folder = mkdtempSync(path.join(tmpdir(), 'pangolin-purge-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return path.join(folder, 'purge.db')
}

const PURGER = path.join(import.meta.dirname, 'processes', 'purger.ts')

for (const { database, title } of [{ database: 'sqlite', title: 'sqlite' } as const, ...serverDatabases]) {
  test(`processes that purge and one that registers never both have a table, on ${title}`, { timeout: 240_000 }, async (t) => {
    const url = await databaseFor(t, database)
    if (url === undefined) return
    const store = openStore(url)
    await store.migrate()
    t.after(() => store.close())
    const fixture = await open(t, {}, store)
    const children = [0, 1].map(() =>
      spawn(process.execPath, ['--disable-warning=ExperimentalWarning', PURGER, url, fixture.folder], {
        stdio: ['ignore', 'pipe', 'inherit'],
      }),
    )
    t.after(() => children.forEach((child) => child.kill('SIGKILL')))
    await Promise.all(children.map((child) => new Promise((resolve) => child.stdout.once('data', resolve))))
    const counts = { taken: 0, refused: 0, gone: 0 }
    for (let round = 0; round < 40; round++) {
      const lake = await lakeWithTable(t, undefined, `t${round}`, fixture)
      const context = contextOn(store)
      const attempts = Array.from({ length: 6 }, async (_, n) => {
        await sleep(n * 8 * Math.random())
        try {
          return await outcomeOf(
            registerTable(context, lake.call, ['ns'], { name: `u${round}-${n}`, 'metadata-location': lake.file }),
          )
        } catch (error) {
          // The name is the same as none, so this is a fault.
          throw new Error(`round ${round}`, { cause: error })
        }
      })
      await dropTable(lake.context, lake.call, ident(`t${round}`), { purgeRequested: true })
      for (const outcome of await Promise.all(attempts)) counts[outcome] += 1
      await untilNoTasks(store)
      const rows = await store.list('entries', { index: 'by_kind', where: {}, limit: 1000 })
      for (const { metadata_location } of rows) assert.ok(isThere(metadata_location), `round ${round}`)
      assert.ok(rows.some(({ location }) => location === lake.location) || !isThere(lake.file))
    }
    assert.equal(counts.taken, 0, 'a place that is purged is the purge’s')
    assert.ok(counts.refused > 0, JSON.stringify(counts))
  })
}
