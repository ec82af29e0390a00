import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openSecretBox } from '../../src/access/secrets.ts'
import { createMomentHandles } from '../../src/management/moments.ts'
import { NoSuchMoment } from '../../src/catalog/moments.ts'
import { createCatalogHandles, sealOwner, settingsOf } from '../../src/management/handles.ts'
import { IcebergError } from '../../src/iceberg/errors.ts'
import { canonicalLocation } from '../../src/iceberg/location.ts'
import type { WarehouseStorage } from '../../src/management/context.ts'
import type { ObjectStore } from '../../src/storage/storage.ts'
import { openMemoryStore } from '../../src/stores/memory.ts'

const tenant_id = 't1'
const notFound = (error: unknown): boolean => error instanceof IcebergError && error.type === 'NoSuchWarehouseException'

async function setUp() {
  const store = openMemoryStore()
  const clock = { now: 1_000_000 }
  let opened = 0
  let reads = 0
  let lists = 0
  const counting = {
    ...store,
    get: (...args: Parameters<typeof store.get>) => {
      reads++
      return store.get(...args)
    },
    list: (...args: Parameters<typeof store.list>) => {
      lists++
      return store.list(...args)
    },
  } as typeof store
  const storage: WarehouseStorage = {
    validate: () => undefined,
    split: (open) => ({ open, secrets: undefined }),
    change: (old) => old,
    changed: () => [],
    defaultStrategy: () => undefined,
    join: (open, secrets) => ({ storageConfig: { ...open.storageConfig, ...secrets?.storageConfig } }),
    rootOf: () => canonicalLocation('s3://bucket/root'),
    clientConfig: ({ storageConfig }) => ({ 'client.region': storageConfig['region'] ?? '' }),
    open: () => ({ close: async () => undefined, number: ++opened }) as unknown as ObjectStore,
    vending: () => undefined,
    signer: () => undefined,
    test: async () => ({ ok: true, checks: [] }),
    warnings: () => [],
  }
  const secrets = openSecretBox({ key: Buffer.alloc(32, 7) })
  const now = (): number => clock.now
  const handles = createMomentHandles(createCatalogHandles({ store: counting, storage, secrets, now }), {
    now,
    positionOf: async (present, moment) => {
      if (Number(moment) > 9) throw new NoSuchMoment(present, `no ${moment}`)
      return Number(moment)
    },
  })
  const times = { created_at: 0, updated_at: 0 }
  const warehouse = {
    tenant_id,
    name: 'w',
    id: 'w1',
    use_sts: false,
    storage_config: { region: 'a' },
    vending_strategy: null,
    secrets: secrets.seal({ storageConfig: { key: 'hush' } }, sealOwner({ tenant_id, id: 'w1' })),
    table_location_layout: null,
    purge_delay_hours: null,
    ...times,
  }
  const catalog = {
    tenant_id,
    name: 'lake',
    id: 'c1',
    catalog_type: 'Local',
    warehouse_name: 'w',
    storage_location: null,
    federated_config: null,
    properties: {},
    ...times,
  }
  await store.write([
    { op: 'insert', entity: 'warehouses', row: warehouse },
    { op: 'insert', entity: 'catalogs', row: catalog },
  ])
  return { store, clock, handles, catalog, warehouse, storage, secrets, counts: () => ({ opened, reads, lists }) }
}

test('a handle is remembered for a second, then checked, and the same while nothing changed', async () => {
  const { handles, clock, counts } = await setUp()
  const first = await handles.resolve(tenant_id, 'lake')
  assert.equal(first.root, 's3://bucket/root/lake')
  assert.equal(handles.resolve(tenant_id, 'lake'), first, 'at once')
  assert.equal(await handles.resolve(tenant_id, 'lake@main'), first)
  assert.equal(await handles.resolve(tenant_id, 'lake~main'), first)
  clock.now += 999
  assert.equal(handles.resolve(tenant_id, 'lake'), first)
  clock.now += 1
  const { reads } = counts()
  const together = await Promise.all([handles.resolve(tenant_id, 'lake'), handles.resolve(tenant_id, 'lake')])
  assert.deepEqual(together, [first, first])
  assert.equal(counts().reads, reads + 2, 'one look-up for both')
  assert.equal(counts().opened, 1)
  clock.now -= 86_400_000
  await handles.resolve(tenant_id, 'lake')
  assert.equal(counts().reads, reads + 4, 'a clock that was set back makes nothing fresh')
})

test('a catalog at a moment is the same handle for as long as the catalog is what it was, and no name is taken for another', async () => {
  const { handles, store, clock, catalog } = await setUp()
  const present = await handles.resolve(tenant_id, 'lake')
  const past = await handles.resolve(tenant_id, 'lake@7')
  assert.deepEqual(past, { ...present, at: 7 })
  assert.equal(handles.resolve(tenant_id, 'lake@7'), past, 'at once')
  assert.deepEqual(await handles.resolve(tenant_id, 'lake@main@7'), past)
  clock.now += 1000
  assert.equal(await handles.resolve(tenant_id, 'lake@7'), past, 'checked, and the same')
  await assert.rejects(async () => handles.resolve(tenant_id, 'lake@10'), NoSuchMoment)
  for (const name of ['lake@7@main', 'lake@7@7', 'sea@7', '@7']) {
    await assert.rejects(async () => handles.resolve(tenant_id, name), notFound, name)
  }
  await assert.rejects(async () => handles.resolve('t2', 'lake@7'), notFound)
  // A catalog of that very name goes before.
  await store.write([{ op: 'insert', entity: 'catalogs', row: { ...catalog, name: 'lake@7', id: 'c2' } }])
  assert.equal(handles.resolve(tenant_id, 'lake@7'), past, 'for a second, as after any change by another process')
  handles.forget(tenant_id)
  const named = await handles.resolve(tenant_id, 'lake@7')
  assert.deepEqual([named.id, named.name, named.at], ['c2', 'lake@7', undefined])
  assert.equal((await handles.resolve(tenant_id, 'lake@7@3')).id, 'c2')
})

test('another tenant, another name, another branch: not found', async () => {
  const { handles } = await setUp()
  await handles.resolve(tenant_id, 'lake')
  await assert.rejects(async () => handles.resolve('t2', 'lake'), notFound)
  await assert.rejects(async () => handles.resolve(tenant_id, 'sea'), notFound)
  for (const name of ['lake@dev', 'lake~dev', 'lake@', '@main', 'lake@main@main', '']) {
    await assert.rejects(async () => handles.resolve(tenant_id, name), notFound, name)
  }
})

test('a change by somebody else shows within a second, one of this process at once', async () => {
  const { handles, store, clock, warehouse, counts } = await setUp()
  const first = await handles.resolve(tenant_id, 'lake')
  const change = async (region: string): Promise<void> => {
    const row = await store.get('warehouses', { tenant_id, name: 'w' })
    await store.write([
      { op: 'replace', entity: 'warehouses', row: { ...warehouse, storage_config: { region } }, expected: row!.version },
    ])
  }
  await change('b')
  clock.now += 1000
  const second = await handles.resolve(tenant_id, 'lake')
  assert.deepEqual([first.clientConfig['client.region'], second.clientConfig['client.region']], ['a', 'b'])
  assert.notEqual(second.configVersion, first.configVersion)
  assert.equal(counts().opened, 2)
  const underWay = handles.resolve(tenant_id, 'lake')
  await change('c')
  handles.forget(tenant_id)
  await underWay
  assert.equal((await handles.resolve(tenant_id, 'lake')).clientConfig['client.region'], 'c')
  clock.now += 1000
  const stale = handles.resolve(tenant_id, 'lake')
  handles.forget(tenant_id)
  await stale
  assert.ok(handles.resolve(tenant_id, 'lake') instanceof Promise, 'what was asked before the change is not remembered after it')
})

test('unknown names have the names of the tenant read once in a while, however many there are', async () => {
  const { handles, store, clock, counts } = await setUp()
  const lake = (await store.get('catalogs', { tenant_id, name: 'lake' }))!
  const insert = (name: string) => store.write([{ op: 'insert', entity: 'catalogs', row: { ...lake, name, id: name } }])
  for (let n = 0; n < 1100; n++) await insert(`C${n}`)
  const unknown = Array.from({ length: 50 }, (_, n) => `unknown-${n}`)
  const refusals = await Promise.allSettled(unknown.map(async (name) => handles.resolve(tenant_id, name)))
  assert.ok(refusals.every(({ status }) => status === 'rejected'))
  assert.equal(counts().lists, 2, 'two pages')
  assert.equal((await handles.resolve(tenant_id, 'c1099')).name, 'C1099', 'also of the last page')
  await insert('New')
  await assert.rejects(async () => handles.resolve(tenant_id, 'new'), notFound)
  assert.equal(counts().lists, 2)
  handles.forget(tenant_id)
  assert.equal((await handles.resolve(tenant_id, 'new')).name, 'New', 'at once where this process made it')
  await insert('Other')
  clock.now += 60_000
  assert.equal((await handles.resolve(tenant_id, 'other')).name, 'Other')
})

test('the storage of a warehouse, for background work', async () => {
  const { handles } = await setUp()
  const { storage } = await handles.resolve(tenant_id, 'lake')
  assert.equal((await handles.storageOf(tenant_id, 'w'))?.storage, storage)
  assert.equal(await handles.storageOf(tenant_id, 'w2'), undefined)
  assert.equal(await handles.storageOf('t2', 'w'), undefined)
})

test('sealed settings open in their own row alone', async () => {
  const { store, storage, secrets } = await setUp()
  const row = (await store.get('warehouses', { tenant_id, name: 'w' }))!
  assert.equal(settingsOf(row, { storage, secrets }).storageConfig['key'], 'hush')
  assert.throws(() => settingsOf({ ...row, id: 'w2' }, { storage, secrets }))
})
