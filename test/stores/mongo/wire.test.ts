/**
 * What the MongoDB engine sends, read off the wire: how many round trips a use case costs, and that each command asks for
 * what an acknowledged write rests on. What a server makes of these wishes is not shown here.
 */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import type { Document } from 'mongodb'
import { MongoClient } from 'mongodb'
import type { CatalogCall } from '../../../src/catalog/call.ts'
import { createLandedRows } from '../../../src/catalog/commits/landed.ts'
import { updateTable } from '../../../src/catalog/update-table.ts'
import { loadTable } from '../../../src/catalog/tables.ts'
import { entities } from '../../../src/stores/entities.ts'
import { openMongoStore } from '../../../src/stores/mongo.ts'
import type { Store } from '../../../src/stores/store.ts'
import { ident, key7, newTable, open, set, withKey } from '../../catalog/setup.ts'
import type { Fixture } from '../../catalog/setup.ts'
import { startMongoWire } from '../../services/mongo-wire.ts'
import type { MongoWire } from '../../services/mongo-wire.ts'
import { launchMongo } from '../../services/mongo.ts'
import { insert, namespace, remove, require, tenant } from '../suite/rows.ts'

const server = await launchMongo({ isDurable: false })
const isSkipped = 'missing' in server && process.env['CI'] !== 'true' ? server.missing : false
after(async () => 'value' in server && server.value.stop())

interface Opened {
  readonly wire: MongoWire
  readonly store: Store
  readonly database: string
  readonly url: string
}

async function openWired(): Promise<Opened> {
  if ('missing' in server) throw new Error(server.missing)
  const { url } = server.value
  const wire = await startMongoWire(url)
  const database = `test-${randomUUID()}`
  const store = openMongoStore({ url: wire.url, databaseName: database })
  await store.migrate()
  return { wire, store, database, url }
}

async function settled(wire: MongoWire): Promise<void> {
  for (let seen = -1; seen !== wire.commands.length;) {
    seen = wire.commands.length
    await new Promise((resolve) => setTimeout(resolve, 150))
  }
}

const named = (command: Document): string => {
  const [name = '', of] = Object.entries(command)[0] ?? []
  return `${name} ${String(of)}`
}

describe('mongo, on the wire', { skip: isSkipped }, () => {
  let opened: Opened
  before(async () => void (opened = await openWired()))
  after(async () => {
    await opened.store.close()
    await opened.wire.close()
    const client = new MongoClient(opened.url)
    await client.db(opened.database).dropDatabase()
    await client.close()
  })

  async function costs(what: () => Promise<unknown>): Promise<{ trips: number; commands: string[] }> {
    const { wire } = opened
    await settled(wire)
    wire.forget()
    await what()
    // What follows is done behind the answer.
    return { trips: wire.trips, commands: wire.commands.map(named) }
  }

  test('a warm load is one round trip; a commit three, one more when it looks the table up, and one with an Idempotency-Key', async (t) => {
    const fixture: Fixture = await open(t, {}, opened.store)
    const { context, call } = fixture
    await newTable(fixture, 'a')
    // Connections that are made on the way would count.
    await Promise.all(Array.from({ length: 8 }, () => opened.store.get('tenants', { id: 'none' })))
    const load = async (): Promise<unknown> => loadTable(context, call, ident('a'))
    await load()
    assert.deepEqual(await costs(load), { trips: 1, commands: ['find entries'] })

    // A process that knows nothing of the table yet.
    const fresh = { ...context, landed: createLandedRows(context.now) }
    const commit = (who: CatalogCall, n: number) => () =>
      updateTable(fresh, who, ident('a'), { requirements: [], updates: [set({ n: String(n) })] } as never)
    assert.deepEqual(await costs(commit(call, 1)), {
      trips: 4,
      commands: ['find entries', 'findAndModify schema', 'insert commits', 'update entries'],
    })
    assert.deepEqual(await costs(commit(call, 2)), {
      trips: 3,
      commands: ['findAndModify schema', 'insert commits', 'update entries'],
    })
    const keyed = await costs(commit(withKey(call, key7(1)), 3))
    assert.equal(keyed.trips, 4)
    assert.deepEqual(keyed.commands.toSorted(), [
      'find idempotency',
      'findAndModify schema',
      'insert commits',
      'insert idempotency',
      'update entries',
    ])
    // A repetition is answered by the table's row, which says whose the file is.
    const repeated = await costs(commit(withKey(call, key7(1)), 3))
    assert.deepEqual(repeated, { trips: 2, commands: ['find idempotency', 'find entries'] })
    await settled(opened.wire)
    const client = new MongoClient(opened.url)
    t.after(() => client.close())
    const rows = client.db(opened.database)
    assert.equal(await rows.collection('commits').countDocuments({ m: { $exists: true } }), 0, 'all drafts are rows')
    assert.equal(await rows.collection('entries').countDocuments({ 'o.0': { $exists: true } }), 0, 'all was delivered')
  })

  test('what is written is acknowledged by a majority with its journal; what decides something is read linearizably', async () => {
    const { store, wire } = opened
    await settled(wire)
    wire.forget()
    const [above, below, row] = [namespace(), namespace(), tenant()]
    await store.write([insert('namespaces', above)])
    await store.write([require('namespaces', above, 'any'), insert('namespaces', below), insert('tenants', row)])
    await store.get('namespaces', below)
    await store.getMany('namespaces', [above, below])
    await store.list('namespaces', { index: 'primary', where: { tenant_id: above.tenant_id }, limit: 10 })
    await store.write([remove('namespaces', below, 'any'), remove('tenants', row, 'any')])
    await settled(wire)
    const kinds = new Set<string>()
    for (const command of wire.commands) {
      const [name = ''] = Object.keys(command)
      kinds.add(name)
      assert.equal(command['$readPreference']?.mode ?? 'primary', 'primary')
      for (const never of ['txnNumber', 'startTransaction', 'autocommit', 'pipeline', 'collation']) {
        assert.ok(!(never in command), `${named(command)} has ${never}`)
      }
      if (name === 'find') {
        const isOne = typeof command['filter']._id === 'string'
        const level = command['readConcern']?.level
        assert.ok(level === 'linearizable' || (level === 'majority' && !isOne), `${named(command)}: ${level}`)
        assert.ok(command['maxTimeMS'] > 0)
      } else {
        const { w, j } = command['writeConcern'] ?? {}
        assert.deepEqual({ w, j }, { w: 'majority', j: true }, named(command))
      }
    }
    assert.deepEqual([...kinds].toSorted(), ['delete', 'find', 'insert', 'update'])
  })

  test('rows that are read by themselves at once are one linearizable command, and each answer is its own', async () => {
    const { store, wire } = opened
    const rows = Array.from({ length: 20 }, () => tenant())
    await store.write(rows.map((row) => insert('tenants', row)))
    await settled(wire)
    wire.forget()
    const ids = [...rows, ...rows, tenant()].map(({ id }) => id)
    const found = await Promise.all(ids.map((id) => store.get('tenants', { id })))
    assert.deepEqual(
      found.map((row) => row?.id),
      [...ids.slice(0, 40), undefined],
    )
    assert.deepEqual(wire.commands.map(named), ['find tenants'])
    assert.equal(wire.commands[0]?.['filter']._id.$in.length, 21)
    assert.deepEqual(wire.commands[0]?.['readConcern'], { level: 'linearizable' })
  })

  test('each index of a listing is there from the start, and keys begin with the tenant and the catalog', async (t) => {
    const client = new MongoClient(opened.url)
    t.after(() => client.close())
    const rows = client.db(opened.database)
    for (const [entity, { columns, key, indexes }] of Object.entries(entities)) {
      const found = (await rows.collection(entity).indexes()).map(({ key: fields }) => Object.keys(fields).join())
      assert.deepEqual(found.toSorted(), ['_id', ...Object.keys(indexes).map((name) => `i.${name}`)].toSorted(), entity)
      if ('catalog_id' in columns) assert.deepEqual(key.slice(0, 2), ['tenant_id', 'catalog_id'], entity)
    }
    const [one] = await rows.collection<{ _id: string }>('entries').find().toArray()
    assert.match(one?._id ?? '', /^t1\0\0c1\0\0/)
    const transactions = (await rows.collection('transactions').indexes()).map(({ name }) => name)
    assert.deepEqual(transactions.toSorted(), ['_id_', 'by_age', 'by_touch'])
  })
})
