/**
 * The schema: indexes, and one document that says how far it has come. Every step may be done again and by several
 * processes at once. A database that a newer program has changed is refused: an older one would not keep what that relies on.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Db, Filter } from 'mongodb'
import { StoreError } from '../store.ts'
import { allTables, indexOf, tableOf } from '../tables.ts'
import { uniqueCollection } from './batch.ts'
import { uniqueIdOf, valuesOf } from './codec.ts'
import type { Content } from './codec.ts'
import type { RowDocument } from './documents.ts'
import { TRANSACTIONS, collectionNames } from './driver.ts'

/** 2: tokens have bounds; documents of before lack them, which is read as none. 3: places. 4: tasks have a location. 5: so have namespaces. 6: entries have uuids. 7: settings. 8: reports name who sent them. 9: warehouses have a layout. 10: changes have an origin. 11: what was dropped. 12: what is protected. 13: the order of the log. 14: warehouses have a delay of purges. 15: names of users are unique within a tenant. */
export const SCHEMA_VERSION = 15
export const SCHEMA = 'schema'
/** Of several processes that make the same collections and indexes at once, a server may refuse some for the moment. */
const ATTEMPTS = 6
const PAUSE_MS = 50

export interface SchemaDocument {
  readonly _id: string
  readonly version: number
  /** The server that was proven from this database. */
  readonly proven?: string
}

export async function migrate(db: Db): Promise<void> {
  const schema = db.collection<SchemaDocument>(SCHEMA)
  const done = (await schema.findOne({ _id: SCHEMA }))?.version ?? 0
  if (done > SCHEMA_VERSION) throw tooNew(done)
  if (done === SCHEMA_VERSION) return
  for (let attempt = 1; ; attempt++) {
    try {
      await createIndexes(db)
      await reserveNames(db)
      break
    } catch (error) {
      if ((error as Error).name !== 'MongoServerError' || attempt === ATTEMPTS) throw error
      await sleep(PAUSE_MS * attempt * (0.5 + Math.random()))
    }
  }
  try {
    await schema.updateOne(
      { _id: SCHEMA, version: { $lt: SCHEMA_VERSION } },
      { $set: { version: SCHEMA_VERSION } },
      { upsert: true },
    )
  } catch (error) {
    // Another process has been here first.
    if ((error as { code?: unknown }).code !== 11000) throw error
    const version = (await schema.findOne({ _id: SCHEMA }))?.version ?? 0
    if (version > SCHEMA_VERSION) throw tooNew(version)
  }
}

/** The key is `_id`, and so are the values of a unique index, in a collection of their own. */
async function createIndexes(db: Db): Promise<void> {
  const existing = new Set((await db.listCollections({}, { nameOnly: true }).toArray()).map(({ name }) => name))
  for (const name of collectionNames().filter((collection) => !existing.has(collection))) {
    // 48: another process has made it meanwhile.
    await db.createCollection(name).catch((error: { code?: unknown }) => {
      if (error.code !== 48) throw error
    })
  }
  for (const { entity, indexes } of allTables) {
    for (const { name } of indexes.slice(1)) await db.collection(entity).createIndex({ [`i.${name}`]: 1 }, { name })
  }
  const transactions = db.collection(TRANSACTIONS)
  await transactions.createIndex({ touches: 1, state: 1 }, { name: 'by_touch' })
  await transactions.createIndex({ at: 1 }, { name: 'by_age' })
}

/**
 * A database of before holds the names of users apart over all tenants, in a collection of its own that stays for its programs; here
 * each user gets what holds it apart within its tenant. No program of before makes users in a database that has some: its first
 * start does, and that was over when one of this version found the database.
 */
async function reserveNames(db: Db): Promise<void> {
  const users = tableOf('users')
  const index = indexOf(users, 'by_tenant')
  const reservations = db.collection<RowDocument>(uniqueCollection(users, index))
  for await (const row of db.collection<RowDocument>(users.entity).find({ v: { $exists: true } } as Filter<RowDocument>)) {
    const _id = uniqueIdOf(users, index, valuesOf(users, row as Content))
    if (_id === undefined) continue
    await reservations.insertOne({ _id, v: row.v!, c: { owner: row._id }, i: {} }).catch((error: { code?: unknown }) => {
      // 11000: it is there, by another process or an earlier try.
      if (error.code !== 11000) throw error
    })
  }
}

function tooNew(version: number): StoreError {
  const message =
    `The database has schema version ${version}; this program knows versions up to ${SCHEMA_VERSION}. ` +
    'Start a newer version of the program, or use another database.'
  return new StoreError('unavailable', message)
}
