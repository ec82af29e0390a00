/**
 * The store in MongoDB, or in what speaks its protocol: one path on a single server, a replica set and a sharded cluster,
 * since nothing but writes of single documents is asked of it. `mongo/protocol.ts` makes batches of them, `mongo/reads.ts`
 * reads what batches are changing, `mongo/driver.ts` talks to the server.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { EntityName, Key, Row } from './entities.ts'
import { decodeContent, encodeKey, encodeParts, rangeOf } from './mongo/codec.ts'
import type { Content } from './mongo/codec.ts'
import type { Documents } from './mongo/documents.ts'
import { LEFT_MS } from './mongo/environment.ts'
import { MongoDocuments, closedError } from './mongo/driver.ts'
import type { MongoOptions } from './mongo/driver.ts'
import { translate } from './mongo/failures.ts'
import { migrate } from './mongo/migrate.ts'
import { proveMongo, proveOnce } from './mongo/proof.ts'
import { Protocol } from './mongo/protocol.ts'
import { Reads } from './mongo/reads.ts'
import { takeOver } from './mongo/settle.ts'
import { planBatch, planKey, planList } from './plan.ts'
import { isUnprovenAllowed } from './proof.ts'
import { StoreError } from './store.ts'
import type { ListOptions, LookUp, Mutation, Store, Version } from './store.ts'
import { tableOf } from './tables.ts'
import type { Table } from './tables.ts'

export type { MongoOptions } from './mongo/driver.ts'

/** Until then a process that lost the answer to a commit may come and ask for it. */
const FORGOTTEN_MS = 600_000
const SWEEP_MS = 10_000

export function openMongoStore(options: MongoOptions): Store {
  checkUrl(options.url)
  return new MongoStore(new MongoDocuments(options))
}

/** The driver's own message about a URL may show what is in it. */
function checkUrl(url: string): void {
  if (/^mongodb(\+srv)?:\/\/[^\s/?#]+/i.test(url)) return
  throw new TypeError('A mongodb: URL names at least one host: mongodb://host:27017/database')
}

class MongoStore implements Store {
  readonly #mongo: MongoDocuments
  readonly #documents: Documents
  readonly #reads: Reads
  readonly #protocol: Protocol
  readonly #underWay = new Set<Promise<unknown>>()
  #sweeper: NodeJS.Timeout | undefined
  #closing: Promise<void> | undefined

  constructor(mongo: MongoDocuments) {
    this.#mongo = mongo
    this.#documents = mongo
    const environment = {
      now: () => Date.now(),
      sleep: (ms: number) => sleep(ms),
      newId: () => randomUUID(),
      // What is lost here is done by the next process that meets it.
      background: (work: Promise<void>) => void this.#track(work.catch(() => undefined)),
      numbers: mongo,
    }
    this.#reads = new Reads(this.#documents, environment)
    this.#protocol = new Protocol(this.#documents, environment, this.#reads)
  }

  async get<E extends EntityName>(entity: E, key: Key<E>): Promise<Row<E> | undefined> {
    const table = tableOf(entity)
    return rowOf<E>(table, await this.#content(entity, encodeKey(table, planKey(table, key))))
  }

  lookUp<E extends EntityName>(entity: E, key: Key<E>): LookUp<E> {
    const table = tableOf(entity)
    const id = encodeKey(table, planKey(table, key))
    let last: Row<E> | undefined
    const latest = (content: Content | undefined): Row<E> | undefined =>
      (last = content !== undefined && content.v === last?.version ? last : rowOf<E>(table, content))
    return { get: () => this.#content(entity, id).then(latest) }
  }

  #content(entity: EntityName, id: string): Promise<Content | undefined> {
    return this.#run(() => this.#reads.get(entity, id))
  }

  getMany<E extends EntityName>(entity: E, keys: readonly Key<E>[]): Promise<(Row<E> | undefined)[]> {
    return this.#run(async () => {
      const table = tableOf(entity)
      const ids = keys.map((key) => encodeKey(table, planKey(table, key)))
      if (ids.length === 0) return []
      return (await this.#reads.getMany(entity, ids)).map((content) => rowOf<E>(table, content))
    })
  }

  list<E extends EntityName>(entity: E, options: ListOptions<E>): Promise<Row<E>[]> {
    return this.#run(async () => {
      const { table, index, equal, after, descending, limit } = planList(entity, options)
      if (limit === 0) return []
      const { from, to } = rangeOf(table, index, equal)
      const place = after && encodeParts(table, index.order, [...equal, ...after])
      const bounds =
        place === undefined
          ? { from, inclusive: true, to }
          : descending
            ? { from, inclusive: true, to: place }
            : { from: place, inclusive: false, to }
      const found = await this.#reads.range({ table, index, ...bounds, descending, limit })
      return found.map(({ content }) => rowOf<E>(table, content) as Row<E>)
    })
  }

  write(mutations: readonly Mutation[]): Promise<(Version | undefined)[]> {
    return this.#run(async () => {
      const steps = planBatch(mutations)
      return steps.length === 0 ? [] : this.#protocol.write(steps)
    })
  }

  migrate(): Promise<void> {
    return this.#run(async () => {
      const { db } = await this.#mongo.open()
      try {
        await migrate(db)
        if (!isUnprovenAllowed()) await proveOnce(db, this.#documents)
      } catch (error) {
        throw translate(error, false)
      }
      await this.#sweep()
      this.#sweeper ??= setInterval(() => void this.#track(this.#sweep().catch(() => undefined)), SWEEP_MS).unref()
    })
  }

  prove(): Promise<void> {
    return this.#run(() => proveMongo(this.#documents))
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    clearInterval(this.#sweeper)
    // What is under way may start more.
    while (this.#underWay.size > 0) await Promise.allSettled(this.#underWay)
    await this.#mongo.close()
  }

  /** Finishes what processes have left that are no more. */
  async #sweep(): Promise<void> {
    const forgotten = Date.now() - FORGOTTEN_MS
    await this.#mongo.placePending()
    for (const transaction of await this.#documents.oldTransactions(Date.now() - LEFT_MS, forgotten)) {
      await takeOver(this.#documents, transaction, transaction.at < forgotten)
    }
  }

  async #run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closing !== undefined) throw closedError()
    try {
      return await this.#track(work())
    } catch (error) {
      if (error instanceof StoreError || error instanceof TypeError) throw error
      throw new StoreError('unknown', 'The MongoDB engine failed', { cause: error })
    }
  }

  #track<T>(work: Promise<T>): Promise<T> {
    this.#underWay.add(work)
    const done = (): void => void this.#underWay.delete(work)
    work.then(done, done)
    return work
  }
}

function rowOf<E extends EntityName>(table: Table, content: Content | undefined): Row<E> | undefined {
  return content && (decodeContent(table, content) as unknown as Row<E>)
}
