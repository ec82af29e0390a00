/**
 * Many operations of one kind as one message. It is still one write for each document, of which some may be carried out and
 * others not: nothing more than that is asked of a batch's marks.
 */
import type { Collection, Filter } from 'mongodb'
import type { Operation, RowDocument } from './documents.ts'
import { filterOf, updateOf } from './filters.ts'

const CHUNK = 1000
/** Fewer are sent one by one, side by side. */
export const MANY = 32

/** Operations that one message can hold, by their positions. */
export function groupAlike(operations: readonly Operation[]): number[][] {
  const groups = Map.groupBy(operations.keys(), (position) => kindOf(operations[position] as Operation))
  return [...groups.values()].flatMap((positions) =>
    Array.from({ length: Math.ceil(positions.length / CHUNK) }, (_, i) => positions.slice(i * CHUNK, (i + 1) * CHUNK)),
  )
}

function kindOf(operation: Operation): string {
  const { op, collection } = operation
  if (op === 'insert') return `${op}\t${collection}`
  const { mark, reader, version, outbox } = operation.where
  const change = op === 'remove' ? [] : 'content' in operation.change ? ['content'] : Object.entries(operation.change).flat()
  return [op, collection, mark, reader, outbox, typeof version === 'number' ? 'number' : version, ...change].join('\t')
}

/** For those that set a mark, whether it was set; others count as done. */
export async function applyAlike(collection: Collection<RowDocument>, operations: readonly Operation[]): Promise<boolean[]> {
  const [first] = operations
  if (first === undefined) return []
  if (first.op === 'insert') return insertAlike(collection, operations)
  const ids = operations.map((operation) => (operation.op === 'insert' ? '' : operation.where.id))
  if (first.op === 'update' && 'content' in first.change) {
    const models = operations.flatMap((operation) =>
      operation.op === 'update' && 'content' in operation.change
        ? [{ updateOne: { filter: filterOf(operation.where), update: updateOf(operation.change) } }]
        : [],
    )
    await collection.bulkWrite(models, { ordered: false })
    return ids.map(() => true)
  }
  const filter = filterOfAll(operations, ids)
  if (first.op === 'remove') {
    await collection.deleteMany(filter)
    return ids.map(() => true)
  }
  const { change } = first
  await collection.updateMany(filter, updateOf(change))
  const set =
    'addReader' in change ? { r: change.addReader } : 'mark' in change && change.mark !== null ? { m: change.mark } : null
  if (set === null) return ids.map(() => true)
  const marked = collection.find({ _id: { $in: ids }, ...set } as Filter<RowDocument>, { projection: { _id: 1 } })
  const done = new Set((await marked.toArray()).map(({ _id }) => _id))
  return ids.map((id) => done.has(id))
}

function filterOfAll(operations: readonly Operation[], ids: readonly string[]): Filter<RowDocument> {
  const [first] = operations
  if (first === undefined || first.op === 'insert') throw new TypeError('Documents are inserted without a condition')
  const { version, ...others } = first.where
  if (typeof version !== 'number') return { ...filterOf(first.where), _id: { $in: [...ids] } } as Filter<RowDocument>
  const each = operations.flatMap((operation) => (operation.op === 'insert' ? [] : [operation.where]))
  return {
    ...filterOf(others),
    _id: { $in: [...ids] },
    $or: each.map((where) => ({ _id: where.id, v: where.version })),
  } as Filter<RowDocument>
}

async function insertAlike(collection: Collection<RowDocument>, operations: readonly Operation[]): Promise<boolean[]> {
  const documents = operations.flatMap((operation) => (operation.op === 'insert' ? [operation.document] : []))
  try {
    await collection.insertMany(documents, { ordered: false })
    return documents.map(() => true)
  } catch (error) {
    const { writeErrors } = error as { writeErrors?: { code: number; index: number }[] | { code: number; index: number } }
    const errors = writeErrors === undefined ? [] : [writeErrors].flat()
    if (errors.length === 0 || errors.some(({ code }) => code !== 11000)) throw error
    const taken = new Set(errors.map(({ index }) => index))
    return documents.map((_, i) => !taken.has(i))
  }
}
