/** A server is proven before it is trusted: one whose compare-and-set is not atomic is refused, and says what was seen. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { after, describe, test } from 'node:test'
import { MongoClient } from 'mongodb'
import { openMongoStore } from '../../src/stores/mongo.ts'
import { prove, type Arena } from '../../src/stores/proof.ts'
import { openPostgresStore } from '../../src/stores/sql/postgres.ts'
import type { Store } from '../../src/stores/store.ts'
import { startFerret, stopFerret } from '../services/ferret.ts'
import { startMongo, stopMongo } from '../services/mongo.ts'
import { startPostgres, stopSharedPostgres } from '../services/postgres.ts'
import { requireService } from '../services/require.ts'
import { proving } from '../services/unproven.ts'
import { insert, storeError, tenant } from './suite/rows.ts'

after(stopFerret)
after(stopMongo)
after(stopSharedPostgres)

/** Requests that arrive together, and take turns as the server that is played lets them. */
class Rows implements Arena {
  readonly rows = new Map<string, number>()
  readonly sets = new Map<string, Set<string>>()
  readonly set = {
    add: async (key: string, member: string) => {
      await sleep(0)
      this.sets.set(key, new Set([...(this.sets.get(key) ?? []), member]))
      return true
    },
    size: async (key: string) => this.sets.get(key)?.size ?? 0,
  }

  async insert(key: string, version: number): Promise<boolean> {
    await sleep(0)
    if (this.rows.has(key)) return false
    this.rows.set(key, version)
    return true
  }

  async replace(key: string, expected: number, version: number): Promise<boolean> {
    await sleep(0)
    if (this.rows.get(key) !== expected) return false
    this.rows.set(key, version)
    return true
  }

  async remove(key: string, expected: number): Promise<boolean> {
    await sleep(0)
    return this.rows.get(key) === expected && this.rows.delete(key)
  }

  read(key: string): Promise<number | undefined> {
    return Promise.resolve(this.rows.get(key))
  }
}

/** Looks, lets others look, and then acts on what it saw. */
const faults: { readonly [name: string]: readonly [Partial<Arena> & ThisType<Rows>, RegExp] } = {
  'a compare-and-set that compares before it sets': [
    {
      async replace(key, expected, version) {
        const isExpected = this.rows.get(key) === expected
        await sleep(0)
        if (isExpected) this.rows.set(key, version)
        return isExpected
      },
    },
    /in round 1 of concurrent changes to one row, 16 of 16 requests to replace one version were acknowledged, where one can be/,
  ],
  'a key that is looked for before it is inserted': [
    {
      async insert(key, version) {
        const isFree = !this.rows.has(key)
        await sleep(0)
        if (isFree) this.rows.set(key, version)
        return isFree
      },
    },
    /16 of 16 requests to insert one key were acknowledged/,
  ],
  'a removal that does not ask whether it removed': [
    {
      async remove(key, expected) {
        const isExpected = this.rows.get(key) === expected
        await sleep(0)
        this.rows.delete(key)
        return isExpected
      },
    },
    /16 of 16 requests to remove one version were acknowledged/,
  ],
  'an answer that comes before the write': [
    {
      async replace(key, expected) {
        return this.rows.get(key) === expected && expected !== 0 && this.rows.delete(key)
      },
    },
    /the row that is left is not the one whose replacement was acknowledged/,
  ],
  'a set that is read before it is written': [
    {
      set: {
        add: async () => true,
        size: async () => 3,
      },
    },
    /16 requests added a member to one set, and 3 members are in it/,
  ],
}

describe('proof', () => {
  test('a server that keeps its promises is trusted', () => prove(new Rows(), 'The server'))

  for (const [name, [fault, message]] of Object.entries(faults)) {
    test(`${name} is found`, () => assert.rejects(prove(Object.assign(new Rows(), fault), 'The server'), { message }))
  }
})

const proven = async (server: () => Promise<Store>, known: () => Promise<readonly string[]>): Promise<void> => {
  await proving(async () => {
    for (const round of [1, 2]) {
      const store = await server()
      try {
        await store.migrate()
        assert.equal((await known()).length, 1, `after start ${round}`)
        await store.prove?.()
        await store.write([insert('tenants', tenant())])
      } finally {
        await store.close()
      }
    }
  })
}

test('PostgreSQL is proven at the first start on a database, and remembered', async (t) => {
  const server = requireService(t, await startPostgres())
  if (server === undefined) return
  const url = await server.createDatabase()
  await proven(
    async () => openPostgresStore({ url }),
    async () => (await server.query('select server from schema_proofs', url)).map(String),
  )
  assert.deepEqual(await server.query('select count(*) from schema_probe', url), [['0']])
})

test('the stand-in for MongoDB is proven at the first start on a database, and remembered', async (t) => {
  const server = requireService(t, await startMongo())
  if (server === undefined) return
  const url = server.createDatabase()
  const client = new MongoClient(url)
  t.after(() => client.close())
  await proven(
    async () => openMongoStore({ url }),
    async () => {
      const schema = await client.db().collection<{ _id: string; proven?: string }>('schema').findOne({ _id: 'schema' })
      return schema?.proven === undefined ? [] : [schema.proven]
    },
  )
  assert.equal(await client.db().collection('probe').countDocuments(), 0)
})

test('FerretDB is refused, at the start and by a check, with what was seen', async (t) => {
  const server = requireService(t, await startFerret())
  if (server === undefined) return
  const store = openMongoStore({ url: server.urlOf(`test-${randomUUID()}`).replace('&maxPoolSize=1', '') })
  t.after(() => store.close())
  const refused = (error: unknown): true => {
    storeError('unavailable')(error)
    const seen = /^The server for MongoDB can not be trusted with a catalog: in round \d+ .*(acknowledged|members are in it)/
    assert.match((error as Error).message, seen)
    return true
  }
  await proving(() => assert.rejects(store.migrate(), refused))
  // Nothing was remembered.
  await proving(() => assert.rejects(store.migrate(), refused))
  await assert.rejects(async () => store.prove?.(), refused)
})
