/**
 * The documents in MongoDB, by its own driver, which is loaded when the first operation needs it. Writes are acknowledged by
 * a majority; documents that decide something are read linearizably where the server is more than one. Only operations on
 * single documents are used: no sessions, no pipelines.
 */
import type { Collection, Db, Document, Filter, MongoClient, ReadConcernLike } from 'mongodb'
import { StoreError } from '../store.ts'
import { allTables } from '../tables.ts'
import { MANY, applyAlike, groupAlike } from './bulk.ts'
import type { Documents, Item, Operation, Range, RowDocument, TransactionDocument } from './documents.ts'
import type { Numbers } from './environment.ts'
import { hasLostServer, inTime, translate } from './failures.ts'
import { filterOf, updateOf } from './filters.ts'
import { drawNumbers, placePending } from './drawn.ts'
import { Gathering } from './gather.ts'

export interface MongoOptions {
  readonly url: string
  readonly databaseName?: string | undefined
  readonly maxPoolSize?: number | undefined
  readonly minPoolSize?: number | undefined
}

export const TRANSACTIONS = 'transactions'
const CONCURRENCY = 64
const TIME_LIMIT_MS = 10_000
/** The driver is waited for so long, and a little longer for each of many changes. */
const [DEADLINE_MS, DEADLINE_MS_EACH] = [12_000, 20]
const CONNECT_MS = 5_000

interface Opened {
  readonly client: MongoClient
  readonly db: Db
  /** How a document is read that decides something; a single server knows no other way than its own. */
  readonly exact: ReadConcernLike
  readonly majority: ReadConcernLike
}

export class MongoDocuments implements Documents, Numbers {
  readonly #options: MongoOptions
  #opened: Promise<Opened> | undefined
  #current: Opened | undefined
  readonly #reads = new Map<string, Gathering<RowDocument>>()
  /** Numbers that are being drawn, those that will be next, and how many wait for these. */
  #drawing: Promise<unknown> | undefined
  #next: Promise<{ readonly numbers: number[] }> | undefined
  #waiting = 0
  /** Clients that were left, until they are closed. */
  readonly #left = new Map<Opened, NodeJS.Timeout>()

  constructor(options: MongoOptions) {
    this.#options = options
  }

  /** The database, connected. A connection that could not be made is tried again by the next operation. */
  open(): Promise<Opened> {
    this.#opened ??= connect(this.#options).then(
      (opened) => (this.#current = opened),
      (error: unknown) => {
        this.#opened = undefined
        throw translate(error, false)
      },
    )
    return this.#opened
  }

  async close(): Promise<void> {
    const opened = await this.#opened?.catch(() => undefined)
    for (const [left, timer] of this.#left) {
      clearTimeout(timer)
      left.client.close().catch(() => undefined)
    }
    await opened?.client.close()
  }

  /**
   * The driver waits for ever on a socket that died just before it was written to, be it for an operation or to watch the
   * server: then it never finds its server again. A new client does. What is under way on the old one may come to its end.
   */
  #leave(opened: Opened): void {
    if (this.#current !== opened) return
    this.#opened = this.#current = undefined
    const close = (): void => {
      this.#left.delete(opened)
      opened.client.close().catch(() => undefined)
    }
    this.#left.set(opened, setTimeout(close, 10 * DEADLINE_MS).unref())
  }

  find(collection: string, id: string): Promise<RowDocument | undefined> {
    let reads = this.#reads.get(collection)
    if (reads === undefined) {
      reads = new Gathering((ids) => this.#read((opened) => findExact(opened, collection, ids)))
      this.#reads.set(collection, reads)
    }
    return reads.read(id)
  }

  findMany(collection: string, ids: readonly string[]): Promise<RowDocument[]> {
    const options = ({ majority }: Opened): object => ({ readConcern: majority, maxTimeMS: TIME_LIMIT_MS, batchSize: 10_000 })
    return this.#read((opened) =>
      rows(opened.db, collection)
        .find({ _id: { $in: [...ids] } }, options(opened))
        .toArray(),
    )
  }

  range({ collection, index, from, inclusive, to, descending, limit }: Range): Promise<RowDocument[]> {
    const field = index === 'primary' ? '_id' : `i.${index}`
    const filter = { [field]: { [inclusive ? '$gte' : '$gt']: from, $lt: to } } as Filter<RowDocument>
    return this.#read(({ db, majority }) =>
      rows(db, collection)
        .find(filter, { readConcern: majority, maxTimeMS: TIME_LIMIT_MS, batchSize: Math.min(limit, 10_000) })
        .sort({ [field]: descending ? -1 : 1 })
        .limit(limit)
        .toArray(),
    )
  }

  apply(operations: readonly Operation[]): Promise<boolean[]> {
    return this.#change(
      ({ db }) => (operations.length < MANY ? eachOf(operations, (one) => applyOne(db, one)) : many(db, operations)),
      operations.length,
    )
  }

  /** A number for columns that are drawn. Those who ask while an answer is under way share the next one. */
  async draw(): Promise<number> {
    this.#waiting++
    const before = this.#drawing
    this.#next ??= this.#drawNext(before)
    const next = this.#next
    return (await next).numbers.pop()!
  }

  async #drawNext(before: Promise<unknown> | undefined): Promise<{ readonly numbers: number[] }> {
    await before?.catch(() => undefined)
    const count = this.#waiting
    this.#waiting = 0
    this.#drawing = this.#next
    this.#next = undefined
    const last = await this.#read(({ db }) => drawNumbers(db, count))
    return { numbers: Array.from({ length: count }, (_, i) => last - i) }
  }

  rewrite(id: string, items: ReadonlyMap<number, Item>): Promise<boolean> {
    const fields = Object.fromEntries([...items].map(([at, item]) => [`items.${at}`, item]))
    return this.#change(async ({ db }) => {
      const { matchedCount } = await transactions(db).updateOne({ _id: id, state: 'pending' }, { $set: fields })
      return matchedCount === 1
    })
  }

  /** See `drawn.ts`. */
  placePending(): Promise<void> {
    return this.#read(({ db }) => placePending(db))
  }

  findTransaction(id: string): Promise<TransactionDocument | undefined> {
    return this.#read(async ({ db, exact }) => {
      const found = await transactions(db).findOne({ _id: id }, { readConcern: exact, maxTimeMS: TIME_LIMIT_MS })
      return found ?? undefined
    })
  }

  committedTransactions(collection: string): Promise<TransactionDocument[]> {
    const filter = { touches: collection, state: 'committed' } as const
    return this.#read(({ db, majority }) =>
      transactions(db).find(filter, { readConcern: majority, maxTimeMS: TIME_LIMIT_MS }).toArray(),
    )
  }

  oldTransactions(left: number, forgotten: number): Promise<TransactionDocument[]> {
    const filter = { $or: [{ finished: { $exists: false }, at: { $lt: left } }, { at: { $lt: forgotten } }] } as Filter<Document>
    return this.#read(({ db, majority }) =>
      transactions(db)
        .find(filter as Filter<TransactionDocument>, { readConcern: majority, maxTimeMS: TIME_LIMIT_MS })
        .sort({ at: 1 })
        .limit(100)
        .toArray(),
    )
  }

  async insertTransaction(transaction: TransactionDocument): Promise<void> {
    await this.#change(({ db }) => transactions(db).insertOne(transaction))
  }

  decide(id: string, state: 'committed' | 'aborted'): Promise<boolean> {
    return this.#change(async ({ db }) => {
      const { matchedCount } = await transactions(db).updateOne({ _id: id, state: 'pending' }, { $set: { state } })
      return matchedCount === 1
    })
  }

  async finishTransaction(id: string): Promise<void> {
    await this.#change(({ db }) => transactions(db).updateOne({ _id: id }, { $set: { touches: [], finished: true } }))
  }

  async removeTransaction(id: string): Promise<void> {
    await this.#change(({ db }) => transactions(db).deleteOne({ _id: id }))
  }

  #read<T>(work: (opened: Opened) => Promise<T>): Promise<T> {
    return this.#use(work, false, DEADLINE_MS)
  }

  #change<T>(work: (opened: Opened) => Promise<T>, count = 1): Promise<T> {
    return this.#use(work, true, DEADLINE_MS + count * DEADLINE_MS_EACH)
  }

  async #use<T>(work: (opened: Opened) => Promise<T>, isChange: boolean, deadlineMs: number): Promise<T> {
    const opened = await this.open()
    try {
      return await inTime(work(opened), deadlineMs)
    } catch (error) {
      if (hasLostServer(error)) this.#leave(opened)
      throw translate(error, isChange)
    }
  }
}

async function connect({ url, databaseName, maxPoolSize, minPoolSize }: MongoOptions): Promise<Opened> {
  const { MongoClient } = await import('mongodb')
  const client = new MongoClient(url, {
    readPreference: 'primary',
    writeConcern: { w: 'majority', journal: true },
    serverSelectionTimeoutMS: CONNECT_MS,
    // Of the connection that watches the server, too: until it gives up nothing else is tried.
    connectTimeoutMS: CONNECT_MS,
    ...(maxPoolSize !== undefined && { maxPoolSize }),
    ...(minPoolSize !== undefined && { minPoolSize }),
  })
  try {
    await client.connect()
    const db = client.db(databaseName ?? databaseIn(url) ?? 'pangolin')
    const { setName, msg } = await hello(db)
    // A server alone has no majority and refuses to be asked for it; what it reads is what it has.
    const isAlone = setName === undefined && msg !== 'isdbgrid'
    const level = (name: 'linearizable' | 'majority'): ReadConcernLike => ({ level: isAlone ? 'local' : name })
    return { client, db, exact: level('linearizable'), majority: level('majority') }
  } catch (error) {
    await client.close()
    throw error
  }
}

function databaseIn(url: string): string | undefined {
  const name = /^[a-z+]+:\/\/[^/?]+\/([^?]+)/i.exec(url)?.[1]
  return name === undefined ? undefined : decodeURIComponent(name)
}

/** Servers that are compatible with MongoDB may know the command by its old name only. */
async function hello(db: Db): Promise<Document> {
  try {
    return await db.admin().command({ hello: 1 })
  } catch {
    return db.admin().command({ isMaster: 1 })
  }
}

export const collectionNames = (): string[] => [
  ...allTables.flatMap(({ entity, indexes }) => [
    entity,
    ...indexes.slice(1).flatMap(({ name, unique }) => (unique ? [`${entity}.${name}`] : [])),
  ]),
  TRANSACTIONS,
]

const rows = (db: Db, collection: string): Collection<RowDocument> => db.collection<RowDocument>(collection)
const transactions = (db: Db): Collection<TransactionDocument> => db.collection<TransactionDocument>(TRANSACTIONS)

/**
 * Each document as a read of it alone would find it. Linearizable reads are promised for queries that name one document; the
 * server answers any such query only after a majority has confirmed that it still leads, which holds for all in its answer.
 * A cursor costs more than the read itself, so there is none, unless the answer is too large or was lost.
 */
async function findExact({ db, exact }: Opened, collection: string, ids: readonly string[]): Promise<RowDocument[]> {
  const options = { readConcern: exact, maxTimeMS: TIME_LIMIT_MS }
  const filter = { _id: ids.length === 1 ? ids[0] : { $in: ids } }
  try {
    const answer = await db.command({ find: collection, filter, batchSize: ids.length + 1, ...options })
    const { cursor } = answer as { cursor: { id: unknown; firstBatch: RowDocument[] } }
    if (Number(cursor.id) === 0) return cursor.firstBatch
  } catch {
    // As the driver does for reads of its own, once more.
  }
  const found = await Promise.all(ids.map((id) => rows(db, collection).findOne({ _id: id }, options)))
  return found.filter((row) => row !== null)
}

async function applyOne(db: Db, operation: Operation): Promise<boolean> {
  const collection = rows(db, operation.collection)
  switch (operation.op) {
    case 'insert':
      try {
        await collection.insertOne(operation.document)
        return true
      } catch (error) {
        if ((error as { code?: unknown }).code === 11000) return false
        throw error
      }
    case 'update':
      return (await collection.updateOne(filterOf(operation.where), updateOf(operation.change))).matchedCount === 1
    case 'remove':
      return (await collection.deleteOne(filterOf(operation.where))).deletedCount === 1
  }
}

async function many(db: Db, operations: readonly Operation[]): Promise<boolean[]> {
  const results: boolean[] = []
  await eachOf(groupAlike(operations), async (positions) => {
    const alike = positions.map((position) => operations[position] as Operation)
    const done = await applyAlike(rows(db, alike[0]?.collection ?? ''), alike)
    for (const [i, position] of positions.entries()) results[position] = done[i] === true
  })
  return results
}

/** Some at a time. Answers or throws when all are done, so that none is under way any more. */
async function eachOf<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = []
  const failures: unknown[] = []
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < items.length && failures.length === 0) {
      const position = next++
      try {
        results[position] = await work(items[position] as T)
      } catch (error) {
        failures.push(error)
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(CONCURRENCY, items.length) }, worker))
  if (failures.length > 0) throw failures[0]
  return results
}

export const closedError = (): StoreError => new StoreError('unavailable', 'The store is closed')
