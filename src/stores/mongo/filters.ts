/** Conditions and changes of `documents.ts` in the words of MongoDB. */
import type { Filter, UpdateFilter } from 'mongodb'
import type { Change, RowDocument, Where } from './documents.ts'

/** As many batches as may wait in one document to have their drafts made rows. */
export const OUTBOX_ROOM = 8

export function filterOf({ id, version, mark, reader, outbox, allowed }: Where): Filter<RowDocument> {
  return {
    _id: id,
    ...(version !== undefined && { v: typeof version === 'number' ? version : { $exists: version === 'present' } }),
    ...(mark !== undefined && { m: mark ?? { $exists: false } }),
    ...(reader === null ? { 'r.0': { $exists: false } } : reader !== undefined && { r: reader }),
    ...(outbox !== undefined && { [`o.${outbox === 'empty' ? 0 : OUTBOX_ROOM - 1}`]: { $exists: false } }),
    ...(allowed !== undefined && { x: { $ne: allowed } }),
  } as Filter<RowDocument>
}

export function updateOf(change: Change): UpdateFilter<RowDocument> {
  return update(change) as UpdateFilter<RowDocument>
}

function update(change: Change): object {
  if ('content' in change) {
    const { content, sent } = change
    const { v, c, i } = content
    return { $set: { v, c, i }, $unset: { m: '', d: '', x: '' }, ...(sent !== undefined && { $push: { o: sent } }) }
  }
  if ('addReader' in change) return { $addToSet: { r: change.addReader } }
  if ('removeReader' in change) return { $pull: { r: change.removeReader } }
  if ('forbid' in change) return { $addToSet: { x: change.forbid } }
  if ('delivered' in change) return { $pull: { o: { t: change.delivered } } }
  return change.mark === null ? { $unset: { m: '' } } : { $set: { m: change.mark } }
}
