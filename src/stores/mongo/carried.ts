/**
 * A batch that replaces one row and otherwise inserts, such as a table commit with its entry in the log: the document of the
 * row that it replaces decides it. What it inserts is written first, as drafts, which hold the keys and are not rows yet; one
 * compare-and-set then replaces the row and puts the batch into its document's outbox, by which all drafts are rows at once.
 * What follows, by the next process that meets it, makes the documents say it too.
 *
 * (An outbox that held the rows themselves would save the first of the two round trips, and could not keep the contract: an
 * insert must fail where its key is taken, also by a row that waits in the outbox of another document; and each look for a
 * row that is not there would have to ask all outboxes first, and then again the collection.)
 */
import type { StoreError, Version } from '../store.ts'
import type { Plan } from './batch.ts'
import type { Content } from './codec.ts'
import { decide } from './decisive.ts'
import { isDrawn, numbered } from './drawn.ts'
import type { Operation, RowDocument } from './documents.ts'
import type { Parts } from './environment.ts'
import { conflict, isLostConnection, nothingChanged } from './failures.ts'
import { abort, carriedId, fateIn } from './fates.ts'
import type { Carrier } from './fates.ts'
import { deliverAll, sendOut, settlement } from './settle.ts'

/** More drafts make the outbox large, in a document that everybody reads. */
const MOST_DRAFTS = 8

interface Draft {
  readonly collection: string
  readonly id: string
  readonly step: number
  readonly content: Content
}

interface Replaced extends Draft {
  /** The first step that needs a row at all. */
  readonly rowStep: number
  readonly expected: Version
}

export interface CarriedPlan {
  readonly replaced: Replaced
  readonly drafts: readonly Draft[]
}

/** The batch as one that a row's document can decide; `undefined` when it is not. */
export function planCarried({ targets, empty, failsAt }: Plan): CarriedPlan | undefined {
  if (empty.length > 0 || failsAt !== undefined || targets.length < 2 || targets.length > MOST_DRAFTS + 1) return undefined
  const replaced: Replaced[] = []
  const drafts: Draft[] = []
  for (const { collection, id, step, rowStep, need, becomes, isGuess, isMismatch } of targets) {
    if (isGuess || isMismatch || need === 'any' || !becomes) return undefined
    const draft = { collection, id, step, content: becomes }
    if (need === 'none') drafts.push(draft)
    else replaced.push({ ...draft, rowStep, expected: need })
  }
  const [only] = replaced
  return only !== undefined && replaced.length === 1 ? { replaced: only, drafts } : undefined
}

export class Carried {
  readonly #parts: Parts
  #plan: CarriedPlan
  readonly #carrier: Carrier
  readonly #id: string

  constructor(parts: Parts, plan: CarriedPlan, born: number) {
    const { now, newId } = parts.environment
    const { collection, id, expected } = plan.replaced
    this.#parts = parts
    this.#plan = plan
    this.#carrier = { collection, id, expected, born, at: now() }
    this.#id = carriedId(newId(), this.#carrier)
  }

  /**
   * Whether the batch was carried out. When not, nothing was changed, and something is in its way: a transaction can find
   * out what, and wait for it.
   * @throws StoreError
   */
  async run(): Promise<boolean> {
    let refusal: StoreError | undefined
    await this.#harmless(this.#number())
    if (await this.#harmless(this.#write())) {
      if (await this.#replace()) {
        this.#parts.environment.background(sendOut(this.#parts.documents, this.#id, this.#plan.drafts))
        return true
      }
      refusal = await this.#harmless(this.#refusal())
    }
    await this.#harmless(this.#undo())
    if (refusal !== undefined) throw refusal
    return false
  }

  /** For what changes no row, however it ends. */
  async #harmless<T>(work: Promise<T>): Promise<T> {
    try {
      return await work
    } catch (error) {
      this.#parts.environment.background(this.#undo())
      throw isLostConnection(error) ? nothingChanged(error) : error
    }
  }

  /** The row that is replaced was read before: a batch that it depends on has its number. */
  async #number(): Promise<void> {
    const { numbers } = this.#parts.environment
    if (numbers === undefined || !this.#plan.drafts.some(({ collection }) => isDrawn(collection))) return
    const number = await numbers.draw()
    const drafts = this.#plan.drafts.map((draft) => ({ ...draft, content: numbered(draft.collection, draft.content, number) }))
    this.#plan = { ...this.#plan, drafts }
  }

  async #write(): Promise<boolean> {
    const inserts = this.#plan.drafts.map(({ collection, id, content: { v, c, i } }): Operation => {
      return { op: 'insert', collection, document: { _id: id, m: this.#id, d: { v, c }, i } }
    })
    return (await this.#parts.documents.apply(inserts)).every(Boolean)
  }

  /** The only commit point. */
  #replace(): Promise<boolean> {
    const { documents, environment } = this.#parts
    const { replaced, drafts } = this.#plan
    const { collection, id, expected, content } = replaced
    const where = { id, version: expected, mark: null, reader: null, outbox: 'room', allowed: this.#id } as const
    const sent = { t: this.#id, k: drafts.map((draft) => ({ e: draft.collection, k: draft.id })) }
    return decide(environment, {
      send: async () => (await documents.apply([{ op: 'update', collection, where, change: { content, sent } }]))[0] === true,
      look: () => this.#outcome(),
      undo: () => this.#undo(),
    })
  }

  async #outcome(): Promise<'committed' | 'aborted' | 'unknown'> {
    const { documents } = this.#parts
    const { collection, id } = this.#carrier
    if (await abort(documents, this.#id)) return 'aborted'
    if (fateIn(await documents.find(collection, id), this.#id, this.#carrier)?.state === 'committed') return 'committed'
    // The row was replaced since, perhaps what we made of it: then a draft of ours may be a row now.
    const rows = await this.#drafts()
    if (rows.some((row, i) => row?.v === this.#plan.drafts[i]?.content.v)) return 'committed'
    return rows.some((row) => row?.m === this.#id) ? 'aborted' : 'unknown'
  }

  #drafts(before = Infinity): Promise<(RowDocument | undefined)[]> {
    const drafts = this.#plan.drafts.filter(({ step }) => step < before)
    return Promise.all(drafts.map(({ collection, id }) => this.#parts.documents.find(collection, id)))
  }

  /** Why the row could not be replaced, when that is because it is another one, or gone. */
  async #refusal(): Promise<StoreError | undefined> {
    const { documents, environment } = this.#parts
    const { collection, id, expected } = this.#carrier
    const row = await documents.find(collection, id)
    if (row?.m !== undefined) return undefined
    if (row?.v === expected) {
      environment.background(deliverAll(documents, row))
      return undefined
    }
    const { step, rowStep } = this.#plan.replaced
    const failed = row?.v === undefined ? rowStep : step
    // All steps before must have held when it was another already: when their drafts still stand, no other batch had their keys.
    return (await this.#drafts(failed)).every((draft) => draft?.m === this.#id) ? conflict(failed) : undefined
  }

  /** Takes the drafts away again. They are no rows, and will be none. */
  async #undo(): Promise<void> {
    const { drafts } = this.#plan
    await this.#parts.documents.apply(
      drafts.flatMap(({ collection, id }) => settlement({ e: collection, k: id, shared: false }, this.#id, 'aborted')),
    )
  }
}
