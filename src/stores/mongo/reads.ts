/**
 * Reading rows that transactions may be about to change. A document that bears a transaction's id is what the transaction
 * makes of it if that is committed, and what it was if not. Several documents are read twice: when the same rows come out in
 * the same versions, all of them were so at one moment between the two times, since no version is ever used again.
 */
import { StoreError } from '../store.ts'
import type { Index, Table } from '../tables.ts'
import { addressOf } from './batch.ts'
import type { Known } from './batch.ts'
import { placeOf } from './codec.ts'
import type { Content } from './codec.ts'
import type { Decision, Documents, Item, RowDocument } from './documents.ts'
import type { Environment } from './environment.ts'
import { fateOf } from './fates.ts'
import type { Fate } from './fates.ts'
import { draftOf, isLeft, tidy } from './settle.ts'

export interface Found {
  readonly id: string
  readonly content: Content
}

export interface RangeRead {
  readonly table: Table
  readonly index: Index
  readonly from: string
  readonly inclusive: boolean
  readonly to: string
  readonly descending: boolean
  readonly limit: number
}

const ATTEMPTS = 200

export class Reads {
  readonly #documents: Documents

  readonly #environment: Pick<Environment, 'now' | 'background'>

  constructor(documents: Documents, environment: Pick<Environment, 'now' | 'background'>) {
    this.#documents = documents
    this.#environment = environment
  }

  async get(collection: string, id: string): Promise<Content | undefined> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const row = await this.#documents.find(collection, id)
      if (row?.m === undefined) return contentOf(row)
      const fate = await fateOf(this.#documents, row.m)
      this.#tidy(collection, row, fate)
      if (fate !== undefined) return resolve(collection, row, new Map([[row.m, fate]]))
      // It has been finished meanwhile, and the row changed; or the mark came too late to count.
      const again = await this.#documents.find(collection, id)
      if (again?.m === undefined || again.m === row.m) return contentOf(again)
    }
    throw tooBusy()
  }

  /** In the order of the ids. */
  async getMany(collection: string, ids: readonly string[]): Promise<(Content | undefined)[]> {
    const unique = [...new Set(ids)]
    let last: string | undefined
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const rows = await this.#documents.findMany(collection, unique)
      const marks = marksOf(rows)
      const transactions = await this.#decisions(collection, rows, marks)
      const contents = inOrder(collection, ids, rows, transactions)
      const state = [...contents.map((content) => content?.v), ...unclear(rows, transactions)].join()
      if ((marks.length === 0 && last === undefined) || state === last) return contents
      last = state
    }
    throw tooBusy()
  }

  /** Rows whose reservations a batch may have to give up. */
  async known(rows: readonly { collection: string; id: string }[]): Promise<Known> {
    const contents = await Promise.all(rows.map(({ collection, id }) => this.get(collection, id)))
    return new Map(rows.map(({ collection, id }, i) => [addressOf(collection, id), contents[i]]))
  }

  /** Rows whose place in the index is in the range, in its order. */
  async range(read: RangeRead): Promise<Found[]> {
    let limit = read.limit
    let last: string | undefined
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const seen = await this.#look(read, limit)
      const found = pageOf(read, seen, limit)
      if (found === undefined) {
        limit *= 2
        last = undefined
        continue
      }
      const state = [...found.map(({ id, content }) => `${id}${content.v}`), ...seen.unclear].join()
      if (state === last) return found
      last = state
    }
    throw tooBusy()
  }

  async #look(read: RangeRead, limit: number): Promise<Seen> {
    const collection = read.table.entity
    // In this order: what is committed and not finished by now is found here, and what is finished is found there.
    const committed = await this.#documents.committedTransactions(collection)
    const rows = await this.#documents.range({ ...read, collection, index: read.index.name, limit })
    const ids = new Set(rows.map(({ _id }) => _id))
    // Rows that a committed transaction moves into the range, or puts there, may not stand in it yet.
    const arriving = committed.flatMap(({ items }) =>
      items.flatMap(({ e, k, n }) => (e === collection && n && !ids.has(k) && isIn(read, k, n) ? [k] : [])),
    )
    const others = arriving.length === 0 ? [] : await this.#documents.findMany(collection, [...new Set(arriving)])
    const all = [...rows, ...others]
    const known = new Map<string, Decision>(committed.map((transaction) => [transaction._id, transaction]))
    // Others may have been committed before their marks were read.
    const unknown = marksOf(all).filter((mark) => !known.has(mark))
    const later = await this.#decisions(collection, all, unknown)
    const transactions = new Map([...known, ...later])
    return { rows, others, transactions, unclear: unclear(all, transactions) }
  }

  async #decisions(collection: string, rows: readonly RowDocument[], marks: readonly string[]): Promise<Map<string, Decision>> {
    const fates = await Promise.all(marks.map((mark) => fateOf(this.#documents, mark)))
    const found = new Map(marks.map((mark, i) => [mark, fates[i]]))
    for (const row of rows) if (row.m !== undefined && found.has(row.m)) this.#tidy(collection, row, found.get(row.m))
    return new Map([...found].flatMap(([mark, fate]) => (fate === undefined ? [] : [[mark, fate]])))
  }

  #tidy(collection: string, row: RowDocument, fate: Fate): void {
    const { now, background } = this.#environment
    if (isLeft(row, fate, now())) background(tidy(this.#documents, collection, row, fate))
  }
}

interface Seen {
  readonly rows: readonly RowDocument[]
  readonly others: readonly RowDocument[]
  readonly transactions: ReadonlyMap<string, Decision>
  readonly unclear: readonly string[]
}

/** The first rows of what was seen; `undefined` when too few documents were read to know them. */
function pageOf(read: RangeRead, seen: Seen, limit: number): Found[] | undefined {
  const { table, index, descending } = read
  const rows: (Found & { readonly place: string })[] = []
  for (const row of [...seen.rows, ...seen.others]) {
    const content = resolve(table.entity, row, seen.transactions)
    if (content !== undefined && isIn(read, row._id, content)) {
      rows.push({ id: row._id, content, place: placeOf(index.name, row._id, content) })
    }
  }
  rows.sort((left, right) => (left.place < right.place === descending ? 1 : -1))
  const last = seen.rows.at(-1)
  if (seen.rows.length < limit || last === undefined) return rows.slice(0, read.limit)
  // Behind the last document that was read there may be others: rows from there on are not known.
  const end = index.name === 'primary' ? last._id : (last.i?.[index.name] as string)
  const known = rows.filter(({ place }) => (descending ? place >= end : place <= end))
  return known.length < read.limit ? undefined : known.slice(0, read.limit)
}

function isIn({ index, from, inclusive, to }: RangeRead, id: string, content: Content): boolean {
  const place = placeOf(index.name, id, content)
  return (inclusive ? place >= from : place > from) && place < to
}

const marksOf = (rows: readonly RowDocument[]): string[] => [...new Set(rows.flatMap(({ m }) => (m === undefined ? [] : [m])))]

/**
 * Rows that bear the id of a transaction that is gone: it was finished since they were read, and they are not what they seem;
 * unless they still bear it the next time, when it was set too late to count.
 */
function unclear(rows: readonly RowDocument[], transactions: ReadonlyMap<string, Decision>): string[] {
  return rows.flatMap(({ _id, m }) => (m === undefined || transactions.has(m) ? [] : [`${_id}?${m}`])).toSorted()
}

const contentOf = (row: RowDocument | undefined): Content | undefined =>
  row?.v === undefined ? undefined : { v: row.v, c: row.c ?? {}, i: row.i ?? {} }

function resolve(collection: string, row: RowDocument, transactions: ReadonlyMap<string, Decision>): Content | undefined {
  const transaction = row.m === undefined ? undefined : transactions.get(row.m)
  if (row.d !== undefined) return transaction?.state === 'committed' ? draftOf(row) : undefined
  const item = transaction?.state === 'committed' ? itemsOf(transaction).get(addressOf(collection, row._id)) : undefined
  return item?.n === undefined ? contentOf(row) : (item.n ?? undefined)
}

/** A transaction may have thousands of items, and each of its rows asks for one. */
function itemsOf(transaction: Decision): ReadonlyMap<string, Item> {
  const known = indexed.get(transaction)
  if (known !== undefined) return known
  const items = new Map(transaction.items.map((item) => [addressOf(item.e, item.k), item]))
  indexed.set(transaction, items)
  return items
}
const indexed = new WeakMap<Decision, ReadonlyMap<string, Item>>()

function inOrder(
  collection: string,
  ids: readonly string[],
  rows: readonly RowDocument[],
  transactions: ReadonlyMap<string, Decision>,
): (Content | undefined)[] {
  const found = new Map(rows.map((row) => [row._id, resolve(collection, row, transactions)]))
  return ids.map((id) => found.get(id))
}

const tooBusy = (): StoreError => new StoreError('unavailable', 'The rows change too fast to be read at one moment')
