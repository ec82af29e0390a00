/** Places whose files are being deleted: nothing takes them, in whatever way, until the deletion has ended. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { NEVER } from '../../src/catalog/background.ts'
import type { CatalogCall } from '../../src/catalog/call.ts'
import { pendingDeletion } from '../../src/catalog/places/deletions.ts'
import { dropTable } from '../../src/catalog/drop.ts'
import { registerTable, unregisterTable } from '../../src/catalog/register.ts'
import { renameTable } from '../../src/catalog/rename.ts'
import { createTable } from '../../src/catalog/tables.ts'
import { commitTransaction } from '../../src/catalog/transactions.ts'
import { updateTable } from '../../src/catalog/update-table.ts'
import { createView, registerView, replaceView } from '../../src/catalog/views.ts'
import { canonicalLocation } from '../../src/iceberg/location.ts'
import type { Store } from '../../src/stores/store.ts'
import { bodyOf, ident, rejects, schema, set, VIEW_VERSION } from './setup.ts'
import { creation, NEW, PROPERTIES, world, type World } from './shared-bucket.ts'

const beingDeleted = rejects(400, /overlaps a place whose files are being deleted \(purge [0-9a-f-]+\): try again/)

const tasksOf = (store: Store) => store.list('tasks', { index: 'by_due', where: {}, limit: 100 })

/** As the task runner does when a task has ended. */
async function endTasks(store: Store): Promise<void> {
  for (const { id, version } of await tasksOf(store)) {
    await store.write([{ op: 'remove', entity: 'tasks', key: { id }, expected: version }])
  }
}

const PLACE = 's3://bucket/wh/place/t'
const AT = [PLACE, `${PLACE}/data/inner`, 's3://bucket/wh/place']
const ident2 = (name: string) => ident(name, 'other')

interface Purged extends World {
  readonly outer: CatalogCall
  readonly file: string
}

/** A table at `PLACE` whose purge has been acknowledged and not begun. */
async function purged(t: Parameters<typeof world>[0]): Promise<Purged> {
  const lake = await world(t)
  const [outer] = lake.calls as [CatalogCall]
  const { context } = lake
  const created = bodyOf(await createTable(context, outer, ['ns'], { name: 't', schema, location: PLACE }))
  await dropTable(context, outer, ident('t'), { purgeRequested: true })
  return { ...lake, outer, file: created['metadata-location'] as string }
}

/** Metadata of a table or view of before that can be registered, lying somewhere else than it says. */
async function fileOf({ outer }: Purged, name: string, metadata: object): Promise<string> {
  const file = `s3://bucket/wh/files/${name}.metadata.json`
  await outer.catalog.storage.create(file, Buffer.from(JSON.stringify(metadata)))
  return file
}

const ways: readonly [string, (lake: Purged, at: string) => Promise<() => Promise<unknown>>][] = [
  [
    'creation',
    async ({ context, outer }, location) =>
      () =>
        createTable(context, outer, ['other'], { name: 'x', schema, location }),
  ],
  [
    'staged creation',
    async ({ context, outer }, location) =>
      () =>
        createTable(context, outer, ['other'], { name: 'x', schema, location, 'stage-create': true }),
  ],
  [
    'the commit of a staged creation',
    async ({ context, outer }, location) =>
      () =>
        updateTable(context, outer, ident2('x'), { ...NEW, updates: creation(location) }),
  ],
  [
    'a transaction',
    async ({ context, outer }, location) => {
      await createTable(context, outer, ['other'], { name: 'x', schema })
      return () =>
        commitTransaction(context, outer, {
          'table-changes': [
            { identifier: ident2('x'), requirements: [], updates: [set({ a: 'b' })] },
            { identifier: ident2('y'), ...NEW, updates: creation(location) },
          ],
        })
    },
  ],
  [
    'set-location',
    async ({ context, outer }, location) => {
      await createTable(context, outer, ['other'], { name: 'x', schema })
      return () => updateTable(context, outer, ident2('x'), { requirements: [], updates: [{ action: 'set-location', location }] })
    },
  ],
  ...PROPERTIES.flatMap((property): (typeof ways)[number][] => [
    [
      `${property} of a new table`,
      async ({ context, outer }, location) =>
        () =>
          createTable(context, outer, ['other'], { name: 'x', schema, properties: { [property]: location } }),
    ],
    [
      `${property} of a table`,
      async ({ context, outer }, location) => {
        await createTable(context, outer, ['other'], { name: 'x', schema })
        return () => updateTable(context, outer, ident2('x'), { requirements: [], updates: [set({ [property]: location })] })
      },
    ],
  ]),
  [
    'registration of metadata of the place',
    async (lake, location) => {
      const metadata = bodyOf(await createTable(lake.context, lake.outer, ['ns'], { name: 'x', schema })).metadata
      const file = await fileOf(lake, 'foreign', { ...metadata, location })
      return () => registerTable(lake.context, lake.outer, ['other'], { name: 'x', 'metadata-location': file })
    },
  ],
  [
    'registration over another table',
    async (lake, location) => {
      const metadata = bodyOf(await createTable(lake.context, lake.outer, ['other'], { name: 'x', schema })).metadata
      const file = await fileOf(lake, 'foreign', { ...metadata, location })
      return () => registerTable(lake.context, lake.outer, ['other'], { name: 'x', 'metadata-location': file, overwrite: true })
    },
  ],
  [
    'creation of a view',
    async ({ context, outer }, location) =>
      () =>
        createView(context, outer, ['other'], { name: 'v', schema, location, properties: {}, 'view-version': VIEW_VERSION }),
  ],
  [
    'set-location of a view',
    async ({ context, outer }, location) => {
      await createView(context, outer, ['other'], { name: 'v', schema, properties: {}, 'view-version': VIEW_VERSION })
      return () => replaceView(context, outer, ident2('v'), { requirements: [], updates: [{ action: 'set-location', location }] })
    },
  ],
  [
    'registration of a view',
    async (lake, location) => {
      const request = { name: 'v', schema, properties: {}, 'view-version': VIEW_VERSION }
      const { metadata } = bodyOf(await createView(lake.context, lake.outer, ['ns'], request))
      const file = await fileOf(lake, 'view', { ...metadata, location })
      return () => registerView(lake.context, lake.outer, ['other'], { name: 'w', 'metadata-location': file })
    },
  ],
]

describe('a place whose files are being deleted', () => {
  for (const [what, way] of ways) {
    test(`is not taken by ${what}, and is free when the deletion has ended`, async (t) => {
      for (const at of AT) {
        const lake = await purged(t)
        const attempt = await way(lake, at)
        await assert.rejects(attempt(), beingDeleted)
        await endTasks(lake.store)
        await attempt()
      }
    })
  }

  test('is not taken by registering the very file of the table that was dropped, under whatever name', async (t) => {
    const { context, outer, file, store } = await purged(t)
    for (const name of ['t', 'x']) {
      const request = { name, 'metadata-location': file }
      await assert.rejects(registerTable(context, outer, ['ns'], request), beingDeleted)
    }
    // The purge has taken the file with it.
    await outer.catalog.storage.delete([file])
    await endTasks(store)
    await assert.rejects(
      registerTable(context, outer, ['ns'], { name: 't', 'metadata-location': file }),
      rejects(404, /Failed to open input stream/),
    )
  })

  test('is another tenant’s to take, and leaves what lies beside it alone', async (t) => {
    const { context, outer, store } = await purged(t)
    for (const [at, name] of [`${PLACE}2`, 's3://bucket/wh/places', 's3://bucket/wh/plac'].entries()) {
      await createTable(context, outer, ['other'], { name: `n${at}`, schema, location: name })
    }
    const look = (tenantId: string, place: string) => pendingDeletion({ store }, { tenantId }, canonicalLocation(place))
    assert.equal(await look('t2', PLACE), undefined)
    assert.equal(await look('t1', `${PLACE}2`), undefined)
    assert.equal((await look('t1', `${PLACE}/data`))?.location, PLACE)
    assert.equal((await look('t1', 's3://bucket'))?.location, PLACE)
  })

  test('is found among many', async (t) => {
    const { context, outer, store } = await purged(t)
    for (let n = 0; n < 40; n++) {
      const location = `s3://bucket/wh/many/${String(n).padStart(2, '0')}/x`
      await createTable(context, outer, ['other'], { name: `m${n}`, schema, location })
      await dropTable(context, outer, ident2(`m${n}`), { purgeRequested: true })
    }
    const look = async (place: string) =>
      (await pendingDeletion({ store }, { tenantId: 't1' }, canonicalLocation(place)))?.location
    for (const place of AT) assert.equal(await look(place), PLACE)
    assert.equal(await look('s3://bucket/wh/many/39/x/y'), 's3://bucket/wh/many/39/x')
    assert.equal(await look('s3://bucket/wh/many/38'), 's3://bucket/wh/many/38/x')
    assert.equal(await look('s3://bucket/wh/many/38/w'), undefined)
    assert.equal(await look('s3://bucket/wh/many2'), undefined)
  })

  test('stays taken when the deletion was given up, and the answer says so', async (t) => {
    const { context, outer, store } = await purged(t)
    for (const { version, ...row } of await tasksOf(store)) {
      await store.write([{ op: 'replace', entity: 'tasks', row: { ...row, due_at: NEVER }, expected: version }])
    }
    await assert.rejects(
      createTable(context, outer, ['other'], { name: 'x', schema, location: PLACE }),
      rejects(400, /given up, and an administrator must resume or cancel it/),
    )
  })

  test('is not that of a table that was dropped without a purge, unregistered or renamed', async (t) => {
    const { context, outer, store } = await purged(t)
    await endTasks(store)
    const location = 's3://bucket/wh/kept'
    const created = bodyOf(await createTable(context, outer, ['ns'], { name: 'k', schema, location }))
    const request = { name: 'k', 'metadata-location': created['metadata-location'] as string }
    await dropTable(context, outer, ident('k'))
    await registerTable(context, outer, ['ns'], request)
    await unregisterTable(context, outer, ident('k'))
    await registerTable(context, outer, ['ns'], request)
    await renameTable(context, outer, { source: ident('k'), destination: ident('l') })
    assert.deepEqual(await tasksOf(store), [])
  })
})
