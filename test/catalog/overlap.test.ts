/**
 * No two tables or views share a place, whoever asks in whatever way: in other namespaces, catalogs and warehouses, spelled
 * in every way that means the same, and with the properties that tell clients where to write.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CatalogCall } from '../../src/catalog/call.ts'
import { updateTable } from '../../src/catalog/update-table.ts'
import { dropTable } from '../../src/catalog/drop.ts'
import { registerTable } from '../../src/catalog/register.ts'
import { createTable, loadTable, tableExists } from '../../src/catalog/tables.ts'
import { commitTransaction } from '../../src/catalog/transactions.ts'
import { createView, replaceView } from '../../src/catalog/views.ts'
import { VIEW_VERSION, bodyOf, ident, rejects, schema, set, type Fixture } from './setup.ts'
import { NEW, PROPERTIES, creation, overlaps, overlapsPlace, world } from './shared-bucket.ts'

let numbers = 0

/** Every way to get a place. Each leaves nothing when it is refused, so that the next one can be tried. */
const WAYS: Readonly<Record<string, (world: Fixture, call: CatalogCall, location: string) => Promise<unknown>>> = {
  create: ({ context }, call, location) => createTable(context, call, ['other'], { name: `n${numbers++}`, schema, location }),
  stage: ({ context }, call, location) =>
    createTable(context, call, ['other'], { name: `n${numbers++}`, schema, location, 'stage-create': true }),
  'commit that creates': ({ context }, call, location) =>
    updateTable(context, call, ident(`n${numbers++}`, 'other'), { ...NEW, updates: creation(location) }),
  transaction: ({ context }, call, location) =>
    commitTransaction(context, call, {
      'table-changes': [{ identifier: ident(`n${numbers++}`, 'other'), ...NEW, updates: creation(location) }],
    }),
  move: async ({ context }, call, location) => {
    const name = `n${numbers++}`
    await createTable(context, call, ['other'], { name, schema })
    return updateTable(context, call, ident(name, 'other'), { requirements: [], updates: [{ action: 'set-location', location }] })
  },
  register: async ({ context }, call, location) => {
    const { metadata } = bodyOf(await createTable(context, call, ['other'], { name: `n${numbers++}`, schema }))
    const file = `${call.catalog.root}/foreign${numbers}.metadata.json`
    await call.catalog.storage.create(file, Buffer.from(JSON.stringify({ ...metadata, location })))
    return registerTable(context, call, ['other'], { name: `n${numbers++}`, 'metadata-location': file })
  },
  view: ({ context }, call, location) =>
    createView(context, call, ['other'], {
      name: `n${numbers++}`,
      schema,
      properties: {},
      'view-version': VIEW_VERSION,
      location,
    }),
  'move of a view': async ({ context }, call, location) => {
    const name = `n${numbers++}`
    await createView(context, call, ['other'], { name, schema, properties: {}, 'view-version': VIEW_VERSION })
    return replaceView(context, call, ident(name, 'other'), { updates: [{ action: 'set-location', location }] })
  },
}

for (const [way, take] of Object.entries(WAYS)) {
  test(`${way}: not at, in or around a place that is taken, in any namespace, catalog or warehouse of the bucket`, async (t) => {
    const fixture = await world(t)
    const [outer, inner] = fixture.calls as [CatalogCall, CatalogCall]
    // Taken by the warehouse at the top: inside of the other warehouse, exactly at its root, and in a namespace of its own.
    for (const location of ['s3://bucket/wh/team/inner/x/y', 's3://bucket/wh/own/a/b']) {
      await createTable(fixture.context, outer, ['ns'], { name: `taken${numbers++}`, schema, location })
    }
    for (const place of ['x/y', 'x/y/z', 'x', 'x/y/z/w'].map((path) => `s3://bucket/wh/team/inner/${path}`)) {
      await assert.rejects(take(fixture, inner, place), overlaps, place)
      await assert.rejects(take(fixture, outer, place), overlaps, place)
    }
    for (const place of ['s3://bucket/wh/own/a/b', 's3://bucket/wh/own/a/b/c', 's3://bucket/wh/own/a', 's3://bucket/wh/team']) {
      await assert.rejects(take(fixture, outer, place), overlaps, place)
    }
    // Neighbours whose names only begin so are none of that.
    for (const place of [
      's3://bucket/wh/own/a/bc',
      's3://bucket/wh/own/a/b-c',
      's3://bucket/wh/own/ab',
      's3://bucket/wh/own/a/B',
    ]) {
      await take(fixture, outer, place)
    }
    await take(fixture, inner, 's3://bucket/wh/team/inner/x/y2')
  })

  test(`${way}: not at, in or around a place that another table names for its files`, async (t) => {
    const fixture = await world(t)
    const { context } = fixture
    const [outer, inner] = fixture.calls as [CatalogCall, CatalogCall]
    const place = 's3://bucket/wh/team/inner/files/a'
    for (const [at, property] of PROPERTIES.entries()) {
      const properties = { [property]: `${place}${at}/` }
      await createTable(context, outer, ['ns'], { name: property, schema, properties })
    }
    for (const path of ['a0', 'a1/b', 'a2/b/c', '', 'a3'].map((name) => `s3://bucket/wh/team/inner/files/${name}`)) {
      await assert.rejects(take(fixture, inner, path), overlapsPlace, path)
      await assert.rejects(take(fixture, outer, path), overlapsPlace, path)
    }
    await take(fixture, outer, 's3://bucket/wh/team/inner/files/a')
    await take(fixture, inner, 's3://bucket/wh/team/inner/files/a00')
    await dropTable(context, outer, ident('write.data.path'))
    await take(fixture, inner, `${place}0/b`)
  })

  test(`${way}: not inside of a table that lies around the whole warehouse`, async (t) => {
    const fixture = await world(t)
    const [outer, inner] = fixture.calls as [CatalogCall, CatalogCall]
    await createTable(fixture.context, outer, ['ns'], { name: 'around', schema, location: 's3://bucket/wh/team/inner' })
    await assert.rejects(take(fixture, inner, 's3://bucket/wh/team/inner/deep/down'), overlaps)
  })

  test(`${way}: in no other spelling of a place that is taken`, async (t) => {
    const fixture = await world(t)
    const [outer] = fixture.calls as [CatalogCall]
    await createTable(fixture.context, outer, ['ns'], { name: 'taken', schema, location: 's3a://bucket/wh/é/t/' })
    for (const place of [
      's3://bucket/wh/é/t',
      's3n://bucket/wh/é/t/',
      'S3://bucket/wh/é/t',
      's3a://BUCKET/wh/é/t/sub',
      's3://bucket/wh/é',
    ]) {
      await assert.rejects(take(fixture, outer, place), overlaps, place)
    }
    const hostile = [
      't//',
      './t',
      'x/../t',
      '%2e%2e/wh/é/t',
      'x/%252e%252e/t',
      'x/..%2ft',
      't;v=1',
      't\u200b',
      'e\u0301/t',
      'x/\uff0e\uff0e/t',
      't\0',
      't\r\n',
      't\u007f',
      't\\u',
      't*',
      `${'l'.repeat(1100)}`,
    ]
    for (const path of hostile) {
      const place = `s3://bucket/wh/é/${path}`
      await assert.rejects(take(fixture, outer, place), rejects(400, /location/i), place)
    }
    const outside = [
      's3://bucket/wh2/t',
      's3://bucket/w',
      's3://bucket2/wh/t',
      'gs://bucket/wh/t',
      'abfss://bucket@a.dfs.core.windows.net/wh/t',
      'file:///bucket/wh/t',
      's3://bucket/beside/t',
      's3://bucket:443/wh/t',
      's3://user@bucket/wh/t',
    ]
    for (const place of outside) await assert.rejects(take(fixture, outer, place), rejects(400, /location/i), place)
  })
}

test('of tables that catalogs of several warehouses create at once at overlapping places exactly one wins', async (t) => {
  for (let round = 0; round < 5; round++) {
    const one = await world(t)
    const two = one.another()
    const places = [
      's3://bucket/wh/team/inner/r',
      's3://bucket/wh/team/inner/r/s',
      's3://bucket/wh/team',
      's3://bucket/wh/team/inner/r/s/t',
    ]
    const attempts = places.flatMap((location, at) =>
      one.calls
        .slice(0, 2)
        .map((call) => createTable((at % 2 ? one : two).context, call, ['ns'], { name: `r${at}`, schema, location })),
    )
    const results = await Promise.allSettled(attempts)
    assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1)
    for (const result of results) if (result.status === 'rejected') rejects(400, /location/)(result.reason)
  }
})

test('properties send no files to, into or around the place of another table', async (t) => {
  const fixture = await world(t)
  const { context } = fixture
  const [outer, inner, beside] = fixture.calls as [CatalogCall, CatalogCall, CatalogCall]
  const victim = 's3://bucket/wh/team/inner/victim'
  await createTable(context, inner, ['ns'], { name: 'victim', schema, location: victim })
  const mine = bodyOf(await createTable(context, outer, ['ns'], { name: 'mine', schema })).metadata.location as string
  await createView(context, outer, ['ns'], { name: 'v', schema, properties: {}, 'view-version': VIEW_VERSION })
  const commit = (updates: object[]) => updateTable(context, outer, ident('mine'), { requirements: [], updates })
  for (const property of PROPERTIES) {
    for (const place of [victim, `${victim}/data`, 's3://bucket/wh/team', `${victim.replace('s3:', 's3a:')}/`]) {
      const properties = { [property]: place }
      const ways: Readonly<Record<string, () => Promise<unknown>>> = {
        create: () => createTable(context, outer, ['other'], { name: 'new', schema, properties }),
        stage: () => createTable(context, outer, ['other'], { name: 'new', schema, properties, 'stage-create': true }),
        commit: () => commit([set(properties)]),
        'commit that creates': () =>
          updateTable(context, outer, ident('new', 'other'), {
            ...NEW,
            updates: [...creation('s3://bucket/wh/new'), set(properties)],
          }),
        transaction: () =>
          commitTransaction(context, outer, {
            'table-changes': [{ identifier: ident('mine'), requirements: [], updates: [set(properties)] }],
          }),
        view: () => createView(context, outer, ['other'], { name: 'new', schema, properties, 'view-version': VIEW_VERSION }),
        'view commit': () => replaceView(context, outer, ident('v'), { updates: [set(properties)] }),
        register: async () => {
          const { metadata } = bodyOf(await loadTable(context, outer, ident('mine')))
          const file = `${outer.catalog.root}/foreign${numbers++}.metadata.json`
          const foreign = { ...metadata, properties, location: `s3://bucket/wh/registered${numbers}` }
          await outer.catalog.storage.create(file, Buffer.from(JSON.stringify(foreign)))
          return registerTable(context, outer, ['other'], { name: 'new', 'metadata-location': file })
        },
      }
      for (const [way, attempt] of Object.entries(ways)) await assert.rejects(attempt(), overlaps, `${way} ${property} ${place}`)
      await assert.rejects(async () => tableExists(context, outer, ident('new', 'other')), rejects(404, /new/))
    }
    // One's own place, one that is nobody's, and one that two tables share: all as ever.
    await commit([set({ [property]: `${mine}/elsewhere` })])
    await commit([set({ [property]: `s3://bucket/wh/free/${property}` })])
    await createTable(context, outer, ['other'], {
      name: property,
      schema,
      properties: { [property]: `s3://bucket/wh/free/${property}` },
    })
  }
  await assert.rejects(commit([set({ 'write.data.path': 's3://bucket/beside/x' })]), rejects(400, /allowed locations/))
  await createTable(context, beside, ['ns'], { name: 'free', schema, properties: { 'write.data.path': 's3://bucket/beside/x' } })
})
