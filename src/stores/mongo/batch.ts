/**
 * What a batch comes to: for each document, what must hold of it at the beginning and what it becomes. Steps on the same row
 * are worked out here, each seeing those before it. The values of unique indexes are documents of their own, in collections
 * named after the index: two rows can't have one value since two documents can't have one id.
 */
import type { Step } from '../plan.ts'
import type { Version } from '../store.ts'
import type { Index, Table } from '../tables.ts'
import { encodeContent, encodeKey, idOf, rangeOf, uniqueIdOf, valuesOf } from './codec.ts'
import type { Content } from './codec.ts'

export interface Target {
  readonly collection: string
  readonly id: string
  /** What must hold of the document before the batch: no row, a row, or this very version. */
  readonly need: 'none' | 'any' | Version
  /** The first step that says so, and the first that needs a row at all. */
  readonly step: number
  readonly rowStep: number
  /** `need` comes from what was read, not from the batch: when it fails, the batch is planned again. */
  readonly isGuess: boolean
  /** The row was not as the batch expects it: when it has become so, the batch is planned again. */
  readonly isMismatch: boolean
  /** What becomes of it: a row, none (`null`), or what it was (`undefined`). */
  becomes: Content | null | undefined
}

export interface Emptiness {
  readonly step: number
  readonly table: Table
  readonly index: Index
  readonly from: string
  readonly to: string
  /** Documents that steps before this one have written, and that are not in the range any more. */
  readonly except: ReadonlySet<string>
}

export interface Plan {
  readonly targets: readonly Target[]
  readonly empty: readonly Emptiness[]
  /** A step that can't hold if those before it do. */
  readonly failsAt: number | undefined
}

/** Rows as they are now, by collection and id; for tables with unique indexes. */
export type Known = ReadonlyMap<string, Content | undefined>

export const addressOf = (collection: string, id: string): string => `${collection}/${id}`
export const uniqueCollection = (table: Table, index: Index): string => `${table.entity}.${index.name}`
export const uniqueIndexes = (table: Table): readonly Index[] => table.indexes.filter((index, i) => i > 0 && index.unique)

const stepId = (step: Exclude<Step, { op: 'requireEmpty' }>): string =>
  'values' in step ? idOf(step.table, step.values) : encodeKey(step.table, step.key)

/** The rows whose present values decide which reservations a batch gives up. */
export function rowsToKnow(steps: readonly Step[]): { collection: string; id: string }[] {
  const rows = new Map<string, { collection: string; id: string }>()
  for (const step of steps) {
    if ((step.op !== 'replace' && step.op !== 'remove') || uniqueIndexes(step.table).length === 0) continue
    const row = { collection: step.table.entity, id: stepId(step) }
    rows.set(addressOf(row.collection, row.id), row)
  }
  return [...rows.values()]
}

export function planTargets(steps: readonly Step[], known: Known): Plan {
  return new Planner(known).run(steps)
}

class Planner {
  readonly #known: Known
  readonly #targets = new Map<string, Target>()
  readonly #empty: Emptiness[] = []

  constructor(known: Known) {
    this.#known = known
  }

  run(steps: readonly Step[]): Plan {
    const failsAt = steps.findIndex((step, i) => !this.#step(step, i))
    return { targets: [...this.#targets.values()], empty: this.#empty, failsAt: failsAt < 0 ? undefined : failsAt }
  }

  /** False when the step can't hold. */
  #step(step: Step, i: number): boolean {
    if (step.op === 'requireEmpty') return this.#requireEmpty(step, i)
    const { table } = step
    const id = stepId(step)
    const need = step.op === 'insert' ? 'none' : step.expected
    const becomes = step.op === 'require' ? undefined : 'values' in step ? encodeContent(table, step.values, step.version) : null
    const before = uniqueIndexes(table).length > 0 && step.op !== 'require' ? this.#rowBefore(table, id) : undefined
    if (!this.#set(table.entity, id, need, i, becomes)) return false
    return uniqueIndexes(table).every((index) => becomes === undefined || this.#reserve(table, index, i, id, before, becomes))
  }

  /** The row that a step meets, as far as it is known. */
  #rowBefore(table: Table, id: string): Content | undefined {
    const address = addressOf(table.entity, id)
    const becomes = this.#targets.get(address)?.becomes
    return becomes === undefined ? this.#known.get(address) : (becomes ?? undefined)
  }

  #set(collection: string, id: string, need: Target['need'], step: number, becomes: Target['becomes']): boolean {
    const address = addressOf(collection, id)
    const target = this.#targets.get(address)
    if (target === undefined) {
      this.#targets.set(address, { collection, id, step, rowStep: step, becomes, ...this.#needOf(address, need) })
      return true
    }
    if (!holdsWithin(target, need)) return false
    if (typeof need === 'number' && target.need === 'any' && target.becomes === undefined) {
      // A row that is missing fails the step before, one of another version this one.
      this.#targets.set(address, { ...target, need, step, becomes })
      return true
    }
    if (becomes !== undefined) target.becomes = becomes
    return true
  }

  #needOf(address: string, need: Target['need']): Pick<Target, 'need' | 'isGuess' | 'isMismatch'> {
    if (need === 'none' || !this.#known.has(address)) return { need, isGuess: false, isMismatch: false }
    const version = this.#known.get(address)?.v
    const isMismatch = version === undefined || (need !== 'any' && need !== version)
    return need === 'any' && version !== undefined
      ? { need: version, isGuess: true, isMismatch: false }
      : { need, isGuess: false, isMismatch }
  }

  #reserve(
    table: Table,
    index: Index,
    step: number,
    owner: string,
    before: Content | undefined,
    becomes: Content | null,
  ): boolean {
    const collection = uniqueCollection(table, index)
    const idIn = (content: Content): string | undefined => uniqueIdOf(table, index, valuesOf(table, content))
    const [old, next] = [before && idIn(before), becomes === null ? undefined : idIn(becomes)]
    if (old === next) return true
    if (old !== undefined && !this.#set(collection, old, 'any', step, null)) return false
    if (next === undefined || becomes === null) return true
    return this.#set(collection, next, 'none', step, { v: becomes.v, c: { owner }, i: {} })
  }

  #requireEmpty(step: Extract<Step, { op: 'requireEmpty' }>, i: number): boolean {
    const { table, index, equal } = step
    const { from, to } = rangeOf(table, index, equal)
    const except = new Set<string>()
    for (const target of this.#targets.values()) {
      if (target.collection !== table.entity || target.becomes === undefined) continue
      const place = target.becomes === null ? undefined : index.name === 'primary' ? target.id : target.becomes.i[index.name]
      if (place !== undefined && place >= from && place < to) return false
      except.add(target.id)
    }
    this.#empty.push({ step: i, table, index, from, to, except })
    return true
  }
}

/** Whether a need can hold of a row after what the batch did to it so far. */
function holdsWithin(target: Target, need: Target['need']): boolean {
  if (target.becomes === null) return need === 'none'
  if (target.becomes !== undefined) return need === 'any' || need === target.becomes.v
  if (target.need === 'none' || need === 'none') return target.need === need
  return target.need === 'any' || need === 'any' || target.need === need
}
