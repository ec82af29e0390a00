/**
 * The engine for tests and trials: everything in this process, gone with it. Rows are kept as arrays of values in sorted
 * lists, one per index, and leave as fresh frozen objects, so that callers never hold what is stored.
 * A batch runs without a pause between its steps; that is its isolation.
 */
import { planBatch, planKey, planList } from './plan.ts'
import type { Listing, Step } from './plan.ts'
import { SortedList } from './sorted-list.ts'
import { StoreError } from './store.ts'
import type { Store, Version } from './store.ts'
import { allTables, compareValues, decodeRow, tableOf } from './tables.ts'
import type { Index, Table, Value } from './tables.ts'

interface Stored {
  values: readonly Value[]
  version: Version
}

type Undo = () => void

export function openMemoryStore(): Store {
  const heaps = new Map(allTables.map((table) => [table, new Heap(table)]))
  let closed = false
  const heapOf = (table: Table): Heap => {
    if (closed) throw new StoreError('unavailable', 'The store is closed')
    return heaps.get(table) as Heap
  }
  const read = (table: Table, key: object): unknown => {
    const stored = heapOf(table).find(planKey(table, key))
    return stored && decodeRow(table, stored.values, stored.version)
  }
  const store = {
    get: async (entity: string, key: object) => read(tableOf(entity), key),
    getMany: async (entity: string, keys: readonly object[]) => keys.map((key) => read(tableOf(entity), key)),
    list: async (...parameters: Parameters<Store['list']>) => {
      const listing = planList(...parameters)
      return heapOf(listing.table)
        .page(listing)
        .map(({ values, version }) => decodeRow(listing.table, values, version))
    },
    write: async (mutations: Parameters<Store['write']>[0]) => {
      const steps = planBatch(mutations)
      const undo: Undo[] = []
      steps.forEach((step, position) => {
        if (heapOf(step.table).apply(step, undo)) return
        for (const back of undo.toReversed()) back()
        throw new StoreError('conflict', `${step.op} of ${step.table.entity} does not hold`, { step: position })
      })
      return steps.map((step) => ('version' in step ? step.version : undefined))
    },
    migrate: async () => undefined,
    close: async () => {
      closed = true
    },
  }
  // The methods are generic over the entity in the contract only; here an entity is data.
  return store as unknown as Store
}

/** The rows of one entity. */
class Heap {
  readonly #table: Table
  readonly #indexes: readonly { readonly index: Index; readonly rows: SortedList<Stored> }[]
  readonly #primary: SortedList<Stored>
  #drawn = 0

  constructor(table: Table) {
    this.#table = table
    this.#indexes = table.indexes.map((index) => ({ index, rows: new SortedList<Stored>(orderBy(index.order)) }))
    this.#primary = this.#rows('primary')
  }

  find(key: readonly Value[]): Stored | undefined {
    return findFirst(this.#primary, this.#table.key, key)
  }

  page({ index, equal, after, descending, limit }: Listing): Stored[] {
    const start = after === undefined ? equal : [...equal, ...after]
    // Of the rows that compare as equal to `start`, all are wanted without `after`, none with it.
    const startsBelow = descending === (after === undefined)
    const below = (row: Stored): boolean => {
      const order = compareTo(row, index.order, start)
      return order < 0 || (startsBelow && order === 0)
    }
    const rows = this.#rows(index.name)
    const page: Stored[] = []
    for (const row of descending ? rows.descending(below) : rows.ascending(below)) {
      if (page.length >= limit || compareTo(row, index.order, equal) !== 0) break
      page.push(row)
    }
    return page
  }

  /** Carries out a step and says how to take it back, or changes nothing and answers false. */
  apply(step: Step, undo: Undo[]): boolean {
    switch (step.op) {
      case 'insert':
        return this.#insert({ values: this.#numbered(step.values), version: step.version }, undo)
      case 'replace':
        return this.#replace(step.values, step.version, step.expected, undo)
      case 'remove': {
        const stored = this.find(step.key)
        if (stored === undefined || (step.expected !== 'any' && stored.version !== step.expected)) return false
        for (const { rows } of this.#indexes) rows.delete(stored)
        undo.push(() => this.#indexes.forEach(({ rows }) => rows.insert(stored)))
        return true
      }
      case 'require': {
        const stored = this.find(step.key)
        if (step.expected === 'none') return stored === undefined
        return stored !== undefined && (step.expected === 'any' || stored.version === step.expected)
      }
      case 'requireEmpty':
        return findFirst(this.#rows(step.index.name), step.index.columns, step.equal) === undefined
    }
  }

  /** With the numbers of the columns that are drawn. */
  #numbered(values: readonly Value[]): readonly Value[] {
    if (this.#table.written.length === values.length) return values
    const number = ++this.#drawn
    return this.#table.columns.map(({ drawn }, position) => (drawn ? number : (values[position] as Value)))
  }

  #insert(stored: Stored, undo: Undo[]): boolean {
    if (this.#indexes.some(({ index }) => index.unique && this.#owner(index, stored.values) !== undefined)) return false
    for (const { rows } of this.#indexes) rows.insert(stored)
    undo.push(() => this.#indexes.forEach(({ rows }) => rows.delete(stored)))
    return true
  }

  #replace(values: readonly Value[], version: Version, expected: Version, undo: Undo[]): boolean {
    const old = this.find(pick(values, this.#table.key))
    if (old === undefined || old.version !== expected) return false
    const taken = ({ index }: { index: Index }): boolean => index.unique && (this.#owner(index, values) ?? old) !== old
    if (this.#indexes.some(taken)) return false
    const fresh = { values, version }
    this.#exchange(old, fresh)
    undo.push(() => this.#exchange(fresh, old))
    return true
  }

  #exchange(old: Stored, fresh: Stored): void {
    for (const { rows } of this.#indexes) {
      rows.delete(old)
      rows.insert(fresh)
    }
  }

  /** The row that has the values of `values` in a unique index; none where one of them is null. */
  #owner(index: Index, values: readonly Value[]): Stored | undefined {
    const wanted = pick(values, index.columns)
    return wanted.includes(null) ? undefined : findFirst(this.#rows(index.name), index.columns, wanted)
  }

  #rows(index: string): SortedList<Stored> {
    return this.#indexes.find((candidate) => candidate.index.name === index)?.rows as SortedList<Stored>
  }
}

const pick = (values: readonly Value[], positions: readonly number[]): Value[] =>
  positions.map((position) => values[position] as Value)

function findFirst(rows: SortedList<Stored>, positions: readonly number[], wanted: readonly Value[]): Stored | undefined {
  const row = rows.first((candidate) => compareTo(candidate, positions, wanted) < 0)
  return row !== undefined && compareTo(row, positions, wanted) === 0 ? row : undefined
}

/** Compares the first columns of an order with as many values as there are. */
function compareTo(row: Stored, positions: readonly number[], wanted: readonly Value[]): number {
  for (let i = 0; i < wanted.length; i++) {
    const order = compareValues(row.values[positions[i] as number] as Value, wanted[i] as Value)
    if (order !== 0) return order
  }
  return 0
}

function orderBy(positions: readonly number[]): (left: Stored, right: Stored) => number {
  return (left, right) => {
    for (const position of positions) {
      const order = compareValues(left.values[position] as Value, right.values[position] as Value)
      if (order !== 0) return order
    }
    return 0
  }
}
