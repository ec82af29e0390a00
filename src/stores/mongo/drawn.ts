/**
 * Numbers for `drawn` columns: a counter of its own. A batch asks for its number when nothing on which it depends can change any
 * more: one that a row's document decides has read that row before, and any other holds all its documents. So a batch that began
 * when another had been acknowledged, or that builds on what the other wrote, has the greater number. Programs of before draw none.
 */
import type { AnyBulkWriteOperation, Db, Filter } from 'mongodb'
import { allTables, tableOf } from '../tables.ts'
import type { Table, Value } from '../tables.ts'
import { encodeContent, valuesOf } from './codec.ts'
import type { Content } from './codec.ts'
import type { RowDocument } from './documents.ts'

/** In the collection `schema`, beside the document that says how far the schema has come. */
const NUMBERS = 'schema'
const ATTEMPTS = 6
const DRAWN = 'drawn'

/** The last of so many numbers, which are given to nothing else. @throws what the driver throws; then none of them is ever used */
export async function drawNumbers(db: Db, count: number): Promise<number> {
  const numbers = db.collection<{ readonly _id: string; readonly number: number }>(NUMBERS)
  for (let attempt = 1; ; attempt++) {
    try {
      const change = { $inc: { number: count } }
      const drawn = await numbers.findOneAndUpdate({ _id: DRAWN }, change, { upsert: true, returnDocument: 'after' })
      return Number(drawn?.number)
    } catch (error) {
      // Another process has drawn the first one at the same moment.
      if ((error as { code?: unknown }).code !== 11000 || attempt === ATTEMPTS) throw error
    }
  }
}

const DRAWN_TABLES: ReadonlyMap<string, Table> = new Map(
  allTables.filter(({ written, columns }) => written.length < columns.length).map((table) => [table.entity, table]),
)

export const isDrawn = (collection: string): boolean => DRAWN_TABLES.has(collection)

/** The new row of a collection with the number. */
export function numbered(collection: string, content: Content, number: number): Content {
  const table = DRAWN_TABLES.get(collection)
  if (table === undefined) return content
  const values = valuesOf(table, content).map((value, at): Value => (table.columns[at]?.drawn === true ? number : value))
  return encodeContent(table, values, content.v)
}

const MOST_PLACED = 1000

/** Gives a place in `pending` to the changes of programs of before, which do not know that index. */
export async function placePending(db: Db): Promise<void> {
  const [table, commits] = [tableOf('commits'), db.collection<RowDocument>('commits')]
  const missing = { 'i.pending': { $exists: false }, v: { $exists: true } } as Filter<RowDocument>
  for (;;) {
    const rows = await commits.find(missing).limit(MOST_PLACED).toArray()
    if (rows.length === 0) return
    const updates = rows.map((row) => {
      const place = encodeContent(table, valuesOf(table, row as Content), row.v!).i['pending']
      return { updateOne: { filter: { _id: row._id, v: row.v! }, update: { $set: { 'i.pending': place } } } }
    })
    await commits.bulkWrite(updates as AnyBulkWriteOperation<RowDocument>[], { ordered: false })
    if (rows.length < MOST_PLACED) return
  }
}
