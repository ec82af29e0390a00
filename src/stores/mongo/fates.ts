/**
 * Where a batch of several documents is decided, told by its id: in a document of `transactions`, or in the document of the
 * one row that it replaces. The latter is committed when that row is replaced, for which the row must still have the version
 * that the id names; versions are never used again, so once it has another one, a batch that is not in the outbox is done
 * with: all its drafts are rows, or none ever will be.
 */
import type { Version } from '../store.ts'
import type { Decision, Documents, Item, RowDocument, Sent } from './documents.ts'

/** A batch whose document is gone has been finished: what still bears its id was marked too late, and in vain. */
export type Fate = Decision | undefined

/** The document that decides a batch, and when the batch was first tried and this time. */
export interface Carrier {
  readonly collection: string
  readonly id: string
  /** The version that is replaced. */
  readonly expected: Version
  readonly born: number
  readonly at: number
}

/** The id of a batch that a row's document decides. Others have no spaces. */
export const carriedId = (name: string, { born, at, expected, collection, id }: Carrier): string =>
  [name, born, at, expected, collection, id].join(' ')

export function carrierOf(batch: string): Carrier | undefined {
  const [, born, at, expected, collection, ...id] = batch.split(' ')
  if (collection === undefined) return undefined
  return { born: Number(born), at: Number(at), expected: Number(expected), collection, id: id.join(' ') }
}

export async function fateOf(documents: Documents, batch: string): Promise<Fate> {
  const carrier = carrierOf(batch)
  if (carrier === undefined) return documents.findTransaction(batch)
  return fateIn(await documents.find(carrier.collection, carrier.id), batch, carrier)
}

export function fateIn(row: RowDocument | undefined, batch: string, { born, at, expected }: Carrier): Fate {
  const sent = row?.o?.find(({ t }) => t === batch)
  if (sent !== undefined) return { _id: batch, state: 'committed', born, at, items: itemsOf(sent) }
  if (row?.v !== expected) return undefined
  return { _id: batch, state: row.x?.includes(batch) ? 'aborted' : 'pending', born, at, items: [] }
}

/** What the drafts become, they say themselves. */
export const itemsOf = (sent: Sent): Item[] =>
  sent.k.map((name) => {
    const { e, k } = 'e' in name ? name : { e: name[0], k: name[1] }
    return { e, k, shared: false }
  })

/** Sees to it that a batch is not committed; false when it is decided, or gone. */
export async function abort(documents: Documents, batch: string): Promise<boolean> {
  const carrier = carrierOf(batch)
  if (carrier === undefined) return documents.decide(batch, 'aborted')
  const { collection, id, expected } = carrier
  const [done] = await documents.apply([
    { op: 'update', collection, where: { id, version: expected }, change: { forbid: batch } },
  ])
  return done === true
}
