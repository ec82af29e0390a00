/**
 * What anybody may do about a transaction that stands in the way, whoever began it: carry a committed one through, undo an
 * aborted one, decide that a pending one shall not be. All of it may be done twice, and by several at once: each change
 * holds only while the document still bears the transaction's id, and a transaction marks no document anew once it is decided.
 */
import type { Documents, Item, Operation, RowDocument, TransactionDocument } from './documents.ts'

/** A transaction whose document is gone has been finished: what still bears its id was marked too late, and in vain. */
export type Fate = TransactionDocument | undefined

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

/** Frees one document of a transaction that is decided or gone. */
export async function release(documents: Documents, collection: string, row: RowDocument, id: string, fate: Fate): Promise<void> {
  const shared = row.m !== id
  const item = fate?.items.find(({ e, k }) => e === collection && k === row._id)
  const state = fate?.state === 'committed' ? 'committed' : 'aborted'
  const known: Item = item !== undefined && item.shared === shared ? item : { e: collection, k: row._id, shared }
  await documents.apply(settlement(known, id, state))
}

/**
 * Settles a transaction that its own process seems to have left. Its document stays until nobody can be asking for its
 * outcome any more: whoever lost the answer to the commit looks for it there.
 */
export async function takeOver(documents: Documents, transaction: TransactionDocument, isForgotten: boolean): Promise<void> {
  const { _id } = transaction
  let decided = transaction
  if (transaction.state === 'pending') {
    await documents.decide(_id, 'aborted')
    const now = await documents.findTransaction(_id)
    if (now === undefined || now.state === 'pending') return
    decided = now
  }
  await settle(documents, decided)
  if (isForgotten) await documents.removeTransaction(_id)
  else if (decided.finished !== true) await documents.finishTransaction(_id)
}
