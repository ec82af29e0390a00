/**
 * A sorted list in chunks: finding is a binary search, inserting moves at most one chunk, so that a million rows can be
 * inserted in any order. Items that compare as equal are not kept twice.
 */

const CHUNK = 512

interface Position {
  chunk: number
  offset: number
}

export class SortedList<T> {
  readonly #compare: (left: T, right: T) => number
  readonly #chunks: T[][] = []

  constructor(compare: (left: T, right: T) => number) {
    this.#compare = compare
  }

  /** Puts an item that is not there yet in its place. */
  insert(item: T): void {
    const { chunk, offset } = this.#lowerBound((other) => this.#compare(other, item) < 0)
    // Behind the very last item: fill the last chunk to the brim, so that ascending inserts leave full chunks.
    const target = chunk === this.#chunks.length ? chunk - 1 : chunk
    const items = this.#chunks[target]
    if (items === undefined || (target < chunk && items.length >= CHUNK)) {
      this.#chunks.push([item])
      return
    }
    items.splice(target < chunk ? items.length : offset, 0, item)
    if (items.length > CHUNK) this.#chunks.splice(target + 1, 0, items.splice(CHUNK >> 1))
  }

  /** Takes out the item that compares as equal. */
  delete(item: T): void {
    const { chunk, offset } = this.#lowerBound((other) => this.#compare(other, item) < 0)
    const items = this.#chunks[chunk]
    const found = items?.[offset]
    if (items === undefined || found === undefined || this.#compare(found, item) !== 0) {
      throw new RangeError('An item to delete is not in the list')
    }
    items.splice(offset, 1)
    if (items.length === 0) this.#chunks.splice(chunk, 1)
  }

  /** The first item that is not `below`, which must hold for a beginning of the list and nothing else. */
  first(below: (item: T) => boolean): T | undefined {
    const { chunk, offset } = this.#lowerBound(below)
    return this.#chunks[chunk]?.[offset]
  }

  /** Items from the first that is not `below`, ascending. */
  *ascending(below: (item: T) => boolean): Generator<T> {
    let { chunk, offset } = this.#lowerBound(below)
    for (; chunk < this.#chunks.length; chunk++, offset = 0) {
      const items = this.#chunks[chunk] as T[]
      for (; offset < items.length; offset++) yield items[offset] as T
    }
  }

  /** Items from the last that is `below`, descending. */
  *descending(below: (item: T) => boolean): Generator<T> {
    let { chunk, offset } = this.#lowerBound(below)
    for (;;) {
      const items = this.#chunks[chunk] ?? []
      while (offset > 0) yield items[--offset] as T
      if (chunk === 0) return
      offset = this.#chunks[--chunk]?.length ?? 0
    }
  }

  #lowerBound(below: (item: T) => boolean): Position {
    const chunk = partition(this.#chunks.length, (i) => below(this.#chunks[i]?.at(-1) as T))
    const items = this.#chunks[chunk] ?? []
    return { chunk, offset: partition(items.length, (i) => below(items[i] as T)) }
  }
}

/** The number of leading positions that are `below`. */
function partition(length: number, below: (position: number) => boolean): number {
  let low = 0
  let high = length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (below(middle)) low = middle + 1
    else high = middle
  }
  return low
}
