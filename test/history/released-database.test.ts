/** A database that the version before made (schema 12, see `make-fixture.ts`): put in order, and read as far as its log says. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, it, type TestContext } from 'node:test'
import { gunzipSync } from 'node:zlib'
import type { CatalogContext } from '../../src/catalog/call.ts'
import { pastEntry, pastNamespace, type PastHandle } from '../../src/catalog/past.ts'
import { verifyLogs } from '../../src/history/verify.ts'
import { backupStore, restoreStore } from '../../src/operations/backup.ts'
import { checkStore } from '../../src/operations/check.ts'
import { copyStore } from '../../src/operations/copy.ts'
import { allRows, digestStore } from '../../src/operations/rows.ts'
import { openMemoryStore } from '../../src/stores/memory.ts'
import { openStore } from '../../src/stores/open.ts'
import type { Row } from '../../src/stores/entities.ts'
import type { Store } from '../../src/stores/store.ts'
import { createSequencer } from '../../src/history/sequencer.ts'
import type { Moment } from './old-changes.ts'

const fixture = (name: string): Buffer => gunzipSync(readFileSync(join(import.meta.dirname, 'fixtures', name)))
const moments = JSON.parse(fixture('schema-12.json.gz').toString()) as readonly Moment[]
const now = (): number => Date.now()

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'pangolin-released-'))
  t.after(() => rmSync(path, { recursive: true, force: true }))
  return path
}

interface Opened {
  readonly store: Store
  readonly lake: Row<'catalogs'>
}

/** Migrated; its lines stand in no order yet. */
async function opened(t: TestContext): Promise<Opened> {
  const file = join(folder(t), 'pangolin.db')
  writeFileSync(file, fixture('schema-12.db.gz'))
  const database = new DatabaseSync(file)
  assert.equal(database.prepare('select max("number") as "last" from "schema_migrations"').get()?.['last'], 12)
  database.close()
  const store = openStore(`sqlite://${file}`)
  t.after(() => store.close())
  await store.migrate()
  const [lake] = await store.list('catalogs', { index: 'primary', where: {}, limit: 2 })
  return { store, lake: lake! }
}

/** The same with its lines in order. */
async function inOrder(t: TestContext): Promise<Opened> {
  const found = await opened(t)
  await settle(found.store)
  return found
}

const settle = (store: Store): Promise<void> => createSequencer({ store, now, log: () => {} }).settle()

/** The position of each moment. */
async function positionsOf({ store, lake }: Opened): Promise<number[]> {
  const key = { tenant_id: lake.tenant_id, catalog_id: lake.id, branch: 'main' }
  const rows = await store.getMany(
    'commits',
    moments.map(({ id }) => ({ ...key, id })),
  )
  return rows.map((row) => row?.position ?? 0)
}

const split = (name: string) => {
  const levels = name.split('.')
  return { namespace: levels.slice(0, -1), name: levels.at(-1)! }
}

/** Holds what is said of each moment against what is read at its position. */
async function assertPast(store: Store, lake: Row<'catalogs'>): Promise<void> {
  const positions = await positionsOf({ store, lake })
  const context = { store } as CatalogContext
  const names = new Set(moments.flatMap(({ tables, views }) => [...Object.keys(tables), ...Object.keys(views)]))
  const levels = new Set(moments.flatMap(({ namespaces }) => namespaces))
  for (const [n, { what, tables, views, namespaces }] of moments.entries()) {
    const catalog = { tenantId: lake.tenant_id, id: lake.id, branch: 'main', at: positions[n] } as PastHandle
    for (const name of names) {
      for (const [kind, there] of [['table', tables] as const, ['view', views] as const]) {
        const entry = await pastEntry(context, catalog, split(name), kind)
        assert.equal(entry?.metadata_location, there[name], `${kind} ${name} after ${what}`)
      }
    }
    for (const name of levels) {
      const path = split(name)
      const found = await pastNamespace(context, catalog, { parent: path.namespace.join('\u001f'), name: path.name })
      assert.equal(found !== undefined, namespaces.includes(name), `namespace ${name} after ${what}`)
    }
  }
}

const linesOf = async (store: Store): Promise<string[]> => {
  const lines: string[] = []
  for await (const { entity, line } of allRows(store)) lines.push(`${entity} ${line}`)
  return lines
}

describe('a database of the version before', () => {
  it('gets its old lines in order, in one chain for each log', async (t) => {
    const { store, lake } = await opened(t)
    const before = await verifyLogs(store)
    assert.deepEqual([before.lines, before.logs, before.faults], [0, [], []])
    await settle(store)
    const after = await verifyLogs(store)
    assert.deepEqual([after.lines, after.pending, after.faults], [before.pending, 0, []])
    assert.deepEqual(after.logs.map(({ catalog_id }) => catalog_id).toSorted(), ['', lake.id].toSorted())
    const positions = await positionsOf({ store, lake })
    assert.deepEqual(
      positions,
      moments.map((_, n) => positions[0]! + n),
    )
  })

  it('is read at each position as far as the lines say', async (t) => {
    const { store, lake } = await inOrder(t)
    await assertPast(store, lake)
  })

  it('has nothing wrong in it, before and after', async (t) => {
    const { store } = await opened(t)
    // A server would have carried out by now what the purge left for later.
    const errors = async () => (await checkStore({ store, now })).findings.filter(({ code }) => code !== 'task-overdue')
    assert.deepEqual(await errors(), [])
    await settle(store)
    assert.deepEqual(await errors(), [])
  })

  it('is copied, backed up and restored with its past', async (t) => {
    const { store, lake } = await inOrder(t)
    const lines = await linesOf(store)
    const copy = openMemoryStore()
    await copyStore({ from: store, to: copy, identity: 'sqlite:source', now })
    assert.deepEqual(await linesOf(copy), lines)
    const file = join(folder(t), 'backup')
    const { digests } = await backupStore({ store, file, now })
    const restored = openStore(`sqlite://${join(folder(t), 'pangolin.db')}`)
    t.after(() => restored.close())
    await restored.migrate()
    await restoreStore({ file, store: restored, now })
    assert.deepEqual(await digestStore(restored), digests)
    for (const other of [copy, restored]) {
      assert.deepEqual((await verifyLogs(other)).faults, [])
      await assertPast(other, lake)
    }
  })

  it('is copied while its lines wait for their positions', async (t) => {
    const { store, lake } = await opened(t)
    const copy = openMemoryStore()
    await copyStore({ from: store, to: copy, identity: 'sqlite:source', now })
    await settle(copy)
    assert.deepEqual((await verifyLogs(copy)).faults, [])
    await assertPast(copy, lake)
  })
})
