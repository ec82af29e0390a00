/**
 * Batches by single-document writes. A batch of one row is one compare-and-set; one that replaces a row and inserts others is
 * decided by that row's document (`carried.ts`). Any other is a transaction document with all that it will do; its id is then set on each document that it needs, where the document is as the batch expects; and it is
 * decided by one write, from pending to committed: the only commit point. What follows only makes the documents say it too.
 *
 * All that a batch depends on is held until that point, so batches are serialisable in the order of their decisions. Of two
 * that wait for each other the older goes on, after a while, by having the younger aborted; and so does every batch that waits
 * for one that its process has left. Only its own process commits a transaction, so until that write is sent nothing is
 * changed, whatever fails.
 */
import type { Step } from '../plan.ts'
import { StoreError } from '../store.ts'
import type { Version } from '../store.ts'
import { addressOf, planTargets, rowsToKnow } from './batch.ts'
import type { Emptiness, Plan, Target } from './batch.ts'
import { Carried, planCarried } from './carried.ts'
import type { Content } from './codec.ts'
import { decide } from './decisive.ts'
import { isDrawn, numbered } from './drawn.ts'
import type { Decision, Documents, Item, Operation, RowDocument, TransactionDocument, Where } from './documents.ts'
import type { Environment, Parts } from './environment.ts'
import { conflict, isLostConnection, nothingChanged, tooBusy } from './failures.ts'
import { abort, fateOf } from './fates.ts'
import type { Reads } from './reads.ts'
import { release, settle } from './settle.ts'

/** How long the older of two batches waits for the younger; and any batch for one that gives no sign of life. */
const PATIENCE_MS = 25
const ABANDONED_MS = 3000
/** A batch gives up when it has been in the way of others, or they in its, for so long. */
const DEADLINE_MS = 20_000

const LARGE = 100

/** A try of a transaction that came to nothing, and may be made again. */
class Again extends Error {}

export class Protocol {
  readonly #documents: Documents
  readonly #environment: Environment
  readonly #reads: Reads

  constructor(documents: Documents, environment: Environment, reads: Reads) {
    this.#documents = documents
    this.#environment = environment
    this.#reads = reads
  }

  /** @throws StoreError */
  async write(steps: readonly Step[]): Promise<(Version | undefined)[]> {
    const born = this.#environment.now()
    for (let round = 0; ; round++) {
      const plan = planTargets(steps, await this.#reads.known(rowsToKnow(steps)))
      try {
        await this.#carryOut(plan, born, round === 0)
        return steps.map((step) => ('version' in step ? step.version : undefined))
      } catch (error) {
        if (!(error instanceof Again)) throw error
      }
      if (this.#environment.now() - born > DEADLINE_MS) throw tooBusy()
      await this.#environment.sleep(backoff(round))
    }
  }

  async #carryOut(plan: Plan, born: number, isFirst: boolean): Promise<void> {
    if (isSingle(plan)) return this.#single(await this.#numbered(plan.targets[0] as Target))
    const carried = isFirst ? planCarried(plan) : undefined
    if (carried !== undefined && (await new Carried(this.#parts, carried, born).run())) return
    await new Attempt(this.#parts, plan, born).run()
  }

  async #numbered(target: Target): Promise<Target> {
    const { collection, need, becomes } = target
    const { numbers } = this.#environment
    if (numbers === undefined || need !== 'none' || !becomes || !isDrawn(collection)) return target
    return { ...target, becomes: numbered(collection, becomes, await numbers.draw()) }
  }

  get #parts(): Parts {
    return { documents: this.#documents, environment: this.#environment, reads: this.#reads }
  }

  async #single(target: Target): Promise<void> {
    const { collection, id, need, becomes, step } = target
    const where: Where = { id, version: need === 'any' ? 'present' : (need as number), mark: null, reader: null }
    const operation: Operation =
      need === 'none'
        ? { op: 'insert', collection, document: { _id: id, ...becomes } }
        : becomes === null || becomes === undefined
          ? { op: 'remove', collection, where: { ...where, outbox: 'empty' } }
          : { op: 'update', collection, where, change: { content: becomes } }
    const wait = new Wait(this.#parts, this.#environment.now(), undefined)
    for (;;) {
      if (await this.#applyOne(operation, target)) return
      const row = await this.#documents.find(collection, id)
      if (row?.m === undefined && !holds(row, need)) throw conflict(step)
      if (row !== undefined) await wait.clear(collection, row, blockers(row))
      if (wait.isOver) throw tooBusy()
    }
  }

  /** When the answer was lost, the row's version may tell what it was. */
  async #applyOne(operation: Operation, { collection, id, becomes }: Target): Promise<boolean> {
    try {
      return (await this.#documents.apply([operation]))[0] === true
    } catch (error) {
      if (!(error instanceof StoreError) || error.kind !== 'unknown' || becomes === null) throw error
      const row = await this.#documents.find(collection, id).catch(() => undefined)
      if (row?.v !== undefined && row.v === becomes?.v) return true
      throw error
    }
  }
}

/** One try to carry out a transaction. */
class Attempt {
  readonly #parts: Parts
  readonly #plan: Plan
  readonly #id: string
  #transaction: TransactionDocument
  readonly #held = new Set<Target>()
  readonly #wait: Wait

  constructor(parts: Parts, plan: Plan, born: number) {
    const { now, newId } = parts.environment
    this.#parts = parts
    this.#plan = plan
    this.#id = newId()
    const items = plan.targets.map(itemOf)
    const touches = [...new Set(items.filter(({ n }) => n !== undefined).map(({ e }) => e))]
    this.#transaction = { _id: this.#id, state: 'pending', born, at: now(), touches, items }
    this.#wait = new Wait(parts, born, this.#id)
  }

  async run(): Promise<void> {
    const { background } = this.#parts.environment
    try {
      await this.#parts.documents.insertTransaction(this.#transaction)
      await this.#hold()
      await this.#check()
      await this.#number()
    } catch (error) {
      background(this.#undo())
      throw isLostConnection(error) ? nothingChanged(error) : error
    }
    if (!(await this.#commit())) {
      background(this.#undo())
      throw new Again()
    }
    // What is left of a large batch would be in everybody's way.
    const finished = this.#finish()
    if (this.#plan.targets.length < LARGE) background(finished)
    else await finished.catch(() => undefined)
  }

  /** Sets the mark on all documents. */
  async #hold(): Promise<void> {
    const { documents } = this.#parts
    for (;;) {
      const missing = this.#plan.targets.filter((target) => !this.#held.has(target))
      if (missing.length === 0) return
      const done = await documents.apply(missing.map((target) => acquisition(target, this.#id)))
      const refused = missing.filter((_, i) => !done[i])
      for (const [i, target] of missing.entries()) if (done[i]) this.#held.add(target)
      if (refused.length > 0) await this.#overcome(refused)
    }
  }

  /** Finds out why documents could not be marked; returns when it is worth trying again. */
  async #overcome(refused: readonly Target[]): Promise<void> {
    const rows = await this.#rowsOf(refused)
    for (const [i, target] of refused.entries()) if (rows[i]?.m === this.#id) this.#held.add(target)
    const failed = refused.filter(({ need }, i) => rows[i]?.m === undefined && !holds(rows[i], need))
    const step = Math.min(...failed.map((target) => failedStep(target, rows[refused.indexOf(target)])))
    const blocked = refused.filter((target) => !failed.includes(target) && target.rowStep <= step)
    if (blocked.length === 0) {
      if (failed.some(({ isGuess }) => isGuess)) throw new Again()
      await this.#refuse((await this.#firstNotEmpty(step)) ?? step)
    }
    for (const target of blocked) {
      const row = rows[refused.indexOf(target)]
      if (row !== undefined) await this.#wait.clear(target.collection, row, blockers(row))
      if (this.#wait.isOver) throw tooBusy()
    }
  }

  async #rowsOf(targets: readonly Target[]): Promise<(RowDocument | undefined)[]> {
    const byCollection = Map.groupBy(targets, ({ collection }) => collection)
    const found = new Map<string, RowDocument>()
    for (const [collection, some] of byCollection) {
      const ids = some.map(({ id }) => id)
      for (const row of await this.#parts.documents.findMany(collection, ids)) found.set(addressOf(collection, row._id), row)
    }
    return targets.map(({ collection, id }) => found.get(addressOf(collection, id)))
  }

  /** All documents are held: what remains is what no document says. */
  async #check(): Promise<void> {
    const { targets, failsAt } = this.#plan
    if (targets.some(({ isMismatch }) => isMismatch)) throw new Again()
    const step = (await this.#firstNotEmpty(Infinity)) ?? failsAt
    if (step !== undefined) await this.#refuse(step)
  }

  /** All documents are held: what is numbered now comes behind all on which it depends. */
  async #number(): Promise<void> {
    const { numbers } = this.#parts.environment
    if (numbers === undefined || !this.#plan.targets.some(isNumbered)) return
    const number = await numbers.draw()
    const fresh = new Map<number, Item>()
    const items = this.#transaction.items.map((item, at): Item => {
      const { collection, becomes } = this.#plan.targets[at] as Target
      if (!isNumbered(this.#plan.targets[at] as Target)) return item
      const next = { ...item, n: numbered(collection, becomes as Content, number) }
      fresh.set(at, next)
      return next
    })
    if (!(await numbers.rewrite(this.#id, fresh))) throw new Again()
    this.#transaction = { ...this.#transaction, items }
  }

  async #firstNotEmpty(before: number): Promise<number | undefined> {
    for (const empty of this.#plan.empty) {
      if (empty.step < before && !(await this.#isEmpty(empty))) return empty.step
    }
    return undefined
  }

  async #isEmpty({ table, index, from, to, except }: Emptiness): Promise<boolean> {
    const range = { table, index, from, inclusive: true, to, descending: false, limit: except.size + 1 }
    return (await this.#parts.reads.range(range)).every(({ id }) => except.has(id))
  }

  /** That a step fails is true if all before it were held when it was looked at: if this was not aborted meanwhile. */
  async #refuse(step: number): Promise<never> {
    if (await this.#parts.documents.decide(this.#id, 'aborted')) throw conflict(step)
    throw new Again()
  }

  #commit(): Promise<boolean> {
    const { documents, environment } = this.#parts
    return decide(environment, {
      send: () => documents.decide(this.#id, 'committed'),
      look: async () => {
        if (await documents.decide(this.#id, 'aborted')) return 'aborted'
        return (await documents.findTransaction(this.#id))?.state ?? 'unknown'
      },
      undo: () => this.#undo(),
    })
  }

  async #finish(): Promise<void> {
    const { documents } = this.#parts
    await settle(documents, { ...this.#transaction, state: 'committed' })
    await documents.removeTransaction(this.#id)
  }

  async #undo(): Promise<void> {
    const { documents } = this.#parts
    await documents.decide(this.#id, 'aborted')
    const state = (await documents.findTransaction(this.#id))?.state
    if (state === 'committed') return
    await settle(documents, { ...this.#transaction, state: 'aborted' })
    await documents.removeTransaction(this.#id)
  }
}

/** Waiting for others, as long as they deserve it. */
class Wait {
  readonly #parts: Parts
  readonly #born: number
  readonly #id: string | undefined
  readonly #since: number
  readonly #met = new Map<string, number>()
  #rounds = 0

  constructor(parts: Parts, born: number, id: string | undefined) {
    this.#parts = parts
    this.#born = born
    this.#id = id
    this.#since = parts.environment.now()
  }

  get isOver(): boolean {
    return this.#parts.environment.now() - this.#since > DEADLINE_MS
  }

  /** Frees a document from those transactions that are decided; waits for the others, or decides them. */
  async clear(collection: string, row: RowDocument, holders: readonly string[]): Promise<void> {
    const { documents, environment } = this.#parts
    let pending = false
    for (const holder of holders) {
      if (holder === this.#id) continue
      const fate = await fateOf(documents, holder)
      if (fate?.state !== 'pending') await release(documents, collection, row, holder, fate)
      else if (this.#hasPatience(fate)) pending = true
      else if (await abort(documents, holder)) {
        await release(documents, collection, row, holder, { ...fate, state: 'aborted' })
      }
    }
    if (pending) await environment.sleep(backoff(this.#rounds++))
  }

  #hasPatience(other: Decision): boolean {
    const now = this.#parts.environment.now()
    const since = this.#met.get(other._id) ?? now
    this.#met.set(other._id, since)
    const isOlder = this.#born < other.born || (this.#born === other.born && (this.#id ?? '') < other._id)
    return now - since < (isOlder ? PATIENCE_MS : ABANDONED_MS)
  }
}

const isNumbered = ({ collection, need, becomes }: Target): boolean => need === 'none' && Boolean(becomes) && isDrawn(collection)

const isSingle = ({ targets, empty, failsAt }: Plan): boolean =>
  targets.length === 1 && empty.length === 0 && failsAt === undefined && canBeSingle(targets[0] as Target)

const canBeSingle = ({ need, becomes, isGuess, isMismatch }: Target): boolean =>
  !isGuess && !isMismatch && becomes !== undefined && !(need === 'none' && becomes === null)

const isShared = ({ need, becomes }: Target): boolean => becomes === undefined && need !== 'none'

function itemOf(target: Target): Item {
  const { collection: e, id: k, becomes } = target
  return { e, k, shared: isShared(target), ...(becomes !== undefined && { n: becomes }) }
}

function acquisition(target: Target, id: string): Operation {
  const { collection, need } = target
  if (need === 'none') return { op: 'insert', collection, document: { _id: target.id, m: id } }
  const where = { id: target.id, version: need === 'any' ? 'present' : need, mark: null } as const
  if (isShared(target)) return { op: 'update', collection, where, change: { addReader: id } }
  // What is in the outbox of a document that goes must be delivered before.
  const outbox = target.becomes === null ? { outbox: 'empty' as const } : {}
  return { op: 'update', collection, where: { ...where, reader: null, ...outbox }, change: { mark: id } }
}

function holds(row: RowDocument | undefined, need: Target['need']): boolean {
  return need === 'none' ? row?.v === undefined : row?.v !== undefined && (need === 'any' || row.v === need)
}

const failedStep = (target: Target, row: RowDocument | undefined): number =>
  target.need !== 'none' && row?.v === undefined ? target.rowStep : target.step

const blockers = ({ m, r = [], o = [] }: RowDocument): readonly string[] =>
  m === undefined ? [...r, ...o.map(({ t }) => t)] : [m]

const backoff = (round: number): number => Math.min(50, 2 ** Math.min(round, 6)) * (0.5 + Math.random())
