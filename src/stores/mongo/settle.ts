/**
 * What any process may do about a batch that stands in the way, whichever process began it: carry a committed one through, undo an aborted
 * one, decide that a pending one shall not be. All of it may be done twice, and by several at once: each change holds only
 * while the document still bears the batch's id, and a batch marks no document anew once it is decided.
 */
import type { Content } from './codec.ts'
import type { Decision, Documents, Item, Operation, RowDocument, TransactionDocument } from './documents.ts'
import { LEFT_MS } from './environment.ts'
import { abort, carrierOf, itemsOf } from './fates.ts'
import type { Fate } from './fates.ts'

/** What is younger is still being done by its own process. */
const TIDY_MS = 3000

export function settlement(item: Item, id: string, state: 'committed' | 'aborted'): Operation[] {
  const { e: collection, k } = item
  if (item.shared) return [{ op: 'update', collection, where: { id: k, reader: id }, change: { removeReader: id } }]
  if (state === 'aborted' || item.n === undefined) return rollback(collection, k, id)
  const where = { id: k, mark: id }
  return item.n === null
    ? [{ op: 'remove', collection, where }]
    : [{ op: 'update', collection, where, change: { content: item.n } }]
}

/** A row stays, a place holder goes; only one of the two can be there. */
function rollback(collection: string, k: string, id: string): Operation[] {
  return [
    { op: 'update', collection, where: { id: k, mark: id, version: 'present' }, change: { mark: null } },
    { op: 'remove', collection, where: { id: k, mark: id, version: 'absent' } },
  ]
}

/** Frees all documents of a decided transaction. */
export async function settle(documents: Documents, transaction: TransactionDocument): Promise<void> {
  const { state } = transaction
  if (state === 'pending') throw new TypeError('A pending transaction is not decided')
  await documents.apply(transaction.items.flatMap((item) => settlement(item, transaction._id, state)))
}

/** Frees one document of a batch that is decided or gone. */
export async function release(documents: Documents, collection: string, row: RowDocument, id: string, fate: Fate): Promise<void> {
  if (fate?.state === 'committed' && carrierOf(id) !== undefined) return deliver(documents, fate)
  const shared = row.m !== id
  const item = fate?.items.find(({ e, k }) => e === collection && k === row._id)
  const state = fate?.state === 'committed' ? 'committed' : 'aborted'
  const known: Item = item !== undefined && item.shared === shared ? item : { e: collection, k: row._id, shared }
  await documents.apply(settlement(known, id, state))
}

/** Whether the process of a batch that a row's document decides seems to have left this draft. */
export function isLeft({ m }: RowDocument, fate: Fate, now: number): boolean {
  const carrier = m === undefined ? undefined : carrierOf(m)
  return carrier !== undefined && now - carrier.at > (fate?.state === 'pending' ? LEFT_MS : TIDY_MS)
}

/** What is left is not left to the next reader: what is committed becomes a row, and what can't be any more goes. */
export async function tidy(documents: Documents, collection: string, row: RowDocument, fate: Fate): Promise<void> {
  if (row.m === undefined) return
  if (fate?.state !== 'pending') return release(documents, collection, row, row.m, fate)
  if (await abort(documents, row.m)) await release(documents, collection, row, row.m, { ...fate, state: 'aborted' })
}

export const draftOf = ({ d, i }: RowDocument): Content | undefined => d && { v: d.v, c: d.c, i: i ?? {} }

/** All that is in the outbox of a document. */
export async function deliverAll(documents: Documents, row: RowDocument): Promise<void> {
  for (const sent of row.o ?? []) await deliver(documents, { _id: sent.t, items: itemsOf(sent) })
}

/** Makes rows of the drafts of a batch that a row's document decided, and takes it out of that document's outbox. */
async function deliver(documents: Documents, { _id, items }: Pick<Decision, '_id' | 'items'>): Promise<void> {
  const byCollection = Map.groupBy(items, ({ e }) => e)
  const found = await Promise.all(
    [...byCollection].map(async ([collection, some]) => {
      const rows = await documents.findMany(
        collection,
        some.map(({ k }) => k),
      )
      return rows.flatMap((row) => {
        const content = row.m === _id ? draftOf(row) : undefined
        return content === undefined ? [] : [{ collection, id: row._id, content }]
      })
    }),
  )
  await sendOut(documents, _id, found.flat())
}

export async function sendOut(
  documents: Documents,
  batch: string,
  drafts: readonly { readonly collection: string; readonly id: string; readonly content: Content }[],
): Promise<void> {
  const carrier = carrierOf(batch)
  if (carrier === undefined) throw new TypeError('No document holds the outbox of this batch')
  await documents.apply(
    drafts.map(({ collection, id, content }) => ({ op: 'update', collection, where: { id, mark: batch }, change: { content } })),
  )
  const { collection, id } = carrier
  await documents.apply([{ op: 'update', collection, where: { id }, change: { delivered: batch } }])
}

/**
 * Settles a transaction that its own process seems to have left. Its document stays until its outcome can't be
 * asked for any more: a process that lost the answer to the commit looks for it there.
 */
export async function takeOver(documents: Documents, transaction: TransactionDocument, isForgotten: boolean): Promise<void> {
  const { _id } = transaction
  let decided = transaction
  if (transaction.state === 'pending') {
    await abort(documents, _id)
    const now = await documents.findTransaction(_id)
    if (now === undefined || now.state === 'pending') return
    decided = now
  }
  await settle(documents, decided)
  if (isForgotten) await documents.removeTransaction(_id)
  else if (decided.finished !== true) await documents.finishTransaction(_id)
}
