/** A MongoDB database that a program of before made, and goes on with: names of users become their tenant's own. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { MongoClient } from 'mongodb'
import { encodeContent, encodeKey } from '../../../src/stores/mongo/codec.ts'
import type { RowDocument } from '../../../src/stores/mongo/documents.ts'
import { openMongoStore } from '../../../src/stores/mongo.ts'
import { encodeRow, tableOf } from '../../../src/stores/tables.ts'
import { startMongo, stopMongo } from '../../services/mongo.ts'
import { requireService } from '../../services/require.ts'
import { conflict, insert, remove, replace, user } from '../suite/rows.ts'

after(stopMongo)

test('mongo: names of users are of their tenant, also of users whom a program of before made', async (t) => {
  const server = requireService(t, await startMongo())
  if (server === undefined) return
  const url = server.createDatabase()
  const client = new MongoClient(url)
  t.after(() => client.close())
  const db = client.db()
  const users = tableOf('users')
  // As version 14 left them: a name is held by the name alone. One user is another batch's draft, and no row yet.
  const [ada, bob, nobody] = ['ada', 'bob', 'eve'].map((username) => user({ tenant_id: 'a', username })) as [
    ReturnType<typeof user>,
    ReturnType<typeof user>,
    ReturnType<typeof user>,
  ]
  for (const row of [ada, bob, { ...nobody, tenant_id: null }]) {
    const _id = encodeKey(users, [row.id])
    await db.collection<RowDocument>('users').insertOne({ _id, ...encodeContent(users, encodeRow(users, row), 7) })
    await db
      .collection<RowDocument>('users.by_username')
      .insertOne({ _id: `${row.username}\0\0`, v: 7, c: { owner: _id }, i: {} })
  }
  await db.collection<RowDocument>('users').insertOne({ _id: encodeKey(users, ['draft']), m: 'a batch that nobody knows' })
  await db.collection<RowDocument>('schema').insertOne({ _id: 'schema', version: 14 } as unknown as RowDocument)

  const stores = [openMongoStore({ url }), openMongoStore({ url })]
  t.after(() => Promise.all(stores.map((store) => store.close())))
  // At once, and once more.
  await Promise.all(stores.map((store) => store.migrate()))
  await stores[0]!.migrate()
  const [store] = stores as [ReturnType<typeof openMongoStore>]
  const schema = await db.collection<RowDocument>('schema').findOne({ _id: 'schema' })
  assert.equal((schema as unknown as { version: number }).version, 15)

  await assert.rejects(store.write([insert('users', user({ tenant_id: 'a', username: 'ada' }))]), conflict(0))
  const other = user({ tenant_id: 'b', username: 'ada' })
  await store.write([insert('users', other)])
  const named = await store.list('users', { index: 'by_username', where: { username: 'ada' }, limit: 5 })
  assert.deepEqual(named.map(({ id }) => id).toSorted(), [ada.id, other.id].toSorted())
  assert.deepEqual(
    (await store.list('users', { index: 'by_tenant', where: { tenant_id: 'a' }, limit: 5 })).map(({ username }) => username),
    ['ada', 'bob'],
  )
  // What is held for a row of before is given up with it, and taken over.
  const [version] = await store.write([replace('users', { ...ada, username: 'ann' }, 7)])
  await assert.rejects(store.write([replace('users', { ...ada, username: 'bob' }, version!)]), conflict(0))
  await store.write([remove('users', bob, 'any'), replace('users', { ...ada, username: 'bob' }, version!)])
  await store.write([insert('users', user({ tenant_id: 'a', username: 'ada' }))])
})
