/**
 * The documents of the MongoDB engine in memory, with the same conditions and nothing else, and a gate in front of each
 * operation: whoever tests decides when it is carried out, whether its process hears of it, and which comes next.
 */
import type { Documents, Operation, Range, RowDocument, TransactionDocument, Where } from '../../../src/stores/mongo/documents.ts'

import { OUTBOX_ROOM } from '../../../src/stores/mongo/filters.ts'

/** Called with what is about to happen; calls `act` when it happens and answers with what is heard of it. */
export type Gate = <T>(name: string, act: () => T) => Promise<T>

export class FakeDatabase {
  readonly rows = new Map<string, RowDocument>()
  readonly transactions = new Map<string, TransactionDocument>()

  /** The database as one process sees it. */
  documents(gate: Gate): Documents {
    const { rows, transactions } = this
    const inCollection = (collection: string): RowDocument[] =>
      [...rows].flatMap(([address, row]) => (address.startsWith(`${collection}/`) ? [row] : []))
    return {
      find: (collection, id) => gate(`find ${collection}/${id}`, () => rows.get(`${collection}/${id}`)),
      findMany: (collection, ids) =>
        gate(`findMany ${collection} ${ids.join()}`, () => inCollection(collection).filter(({ _id }) => ids.includes(_id))),
      range: (range) => gate(`range ${range.collection}`, () => inRange(inCollection(range.collection), range)),
      apply: (operations) =>
        Promise.all(operations.map((operation) => gate(JSON.stringify(operation), () => this.#apply(operation)))),
      findTransaction: (id) => gate(`findTransaction ${id}`, () => transactions.get(id)),
      committedTransactions: (collection) =>
        gate(`committed ${collection}`, () =>
          [...transactions.values()].filter(({ state, touches }) => state === 'committed' && touches.includes(collection)),
        ),
      oldTransactions: () =>
        gate('oldTransactions', () => [...transactions.values()].filter(({ finished }) => finished !== true)),
      insertTransaction: (transaction) =>
        gate(`insert ${transaction._id}`, () => void transactions.set(transaction._id, transaction)),
      decide: (id, state) =>
        gate(`decide ${id} ${state}`, () => {
          const transaction = transactions.get(id)
          if (transaction?.state !== 'pending') return false
          transactions.set(id, { ...transaction, state })
          return true
        }),
      finishTransaction: (id) =>
        gate(`finish ${id}`, () => {
          const transaction = transactions.get(id)
          if (transaction !== undefined) transactions.set(id, { ...transaction, touches: [], finished: true })
        }),
      removeTransaction: (id) => gate(`remove ${id}`, () => void transactions.delete(id)),
    }
  }

  #apply(operation: Operation): boolean {
    const id = operation.op === 'insert' ? operation.document._id : operation.where.id
    const address = `${operation.collection}/${id}`
    const row = this.rows.get(address)
    if (operation.op === 'insert') {
      if (row === undefined) this.rows.set(address, operation.document)
      return row === undefined
    }
    if (row === undefined || !matches(row, operation.where)) return false
    if (operation.op === 'remove') return this.rows.delete(address)
    this.rows.set(address, changed(row, operation.change))
    return true
  }
}

function matches({ v, m, r = [], o = [], x = [] }: RowDocument, where: Where): boolean {
  const { version, mark, reader, outbox, allowed } = where
  if (version === 'present' && v === undefined) return false
  if (version === 'absent' && v !== undefined) return false
  if (typeof version === 'number' && v !== version) return false
  if (mark !== undefined && (mark ?? undefined) !== m) return false
  if (outbox !== undefined && o.length > (outbox === 'empty' ? 0 : OUTBOX_ROOM - 1)) return false
  if (allowed !== undefined && x.includes(allowed)) return false
  return reader === undefined || (reader === null ? r.length === 0 : r.includes(reader))
}

function changed(row: RowDocument, change: Extract<Operation, { op: 'update' }>['change']): RowDocument {
  if ('content' in change) {
    const { m: _m, d: _d, x: _x, ...kept } = row
    const sent = change.sent === undefined ? {} : { o: [...(row.o ?? []), change.sent] }
    return { ...kept, ...change.content, ...sent }
  }
  if ('addReader' in change) return { ...row, r: [...new Set([...(row.r ?? []), change.addReader])] }
  if ('removeReader' in change) return { ...row, r: (row.r ?? []).filter((id) => id !== change.removeReader) }
  if ('forbid' in change) return { ...row, x: [...new Set([...(row.x ?? []), change.forbid])] }
  if ('delivered' in change) return { ...row, o: (row.o ?? []).filter(({ t }) => t !== change.delivered) }
  const { m: _, ...free } = row
  return change.mark === null ? free : { ...free, m: change.mark }
}

function inRange(rows: readonly RowDocument[], { index, from, inclusive, to, descending, limit }: Range): RowDocument[] {
  const placed = rows.flatMap((row) => {
    const place = index === 'primary' ? row._id : row.i?.[index]
    return place !== undefined && (inclusive ? place >= from : place > from) && place < to ? [{ row, place }] : []
  })
  placed.sort((left, right) => (left.place < right.place === descending ? 1 : -1))
  return placed.slice(0, limit).map(({ row }) => row)
}
