/** Conditions and changes of `documents.ts` in the words of MongoDB. */
import type { Filter, UpdateFilter } from 'mongodb'
import type { Change, RowDocument, Where } from './documents.ts'

export function filterOf({ id, version, mark, reader }: Where): Filter<RowDocument> {
  return {
    _id: id,
    ...(version !== undefined && { v: typeof version === 'number' ? version : { $exists: version === 'present' } }),
    ...(mark !== undefined && { m: mark ?? { $exists: false } }),
    ...(reader === null ? { 'r.0': { $exists: false } } : reader !== undefined && { r: reader }),
  } as Filter<RowDocument>
}

export function updateOf(change: Exclude<Change, { content: unknown }>): UpdateFilter<RowDocument> {
  if ('addReader' in change) return { $addToSet: { r: change.addReader } } as UpdateFilter<RowDocument>
  if ('removeReader' in change) return { $pull: { r: change.removeReader } } as UpdateFilter<RowDocument>
  return (change.mark === null ? { $unset: { m: '' } } : { $set: { m: change.mark } }) as UpdateFilter<RowDocument>
}
