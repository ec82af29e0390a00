/**
 * Reads of single documents that share round trips: those of one turn of the event loop go together, and while enough are
 * under way, what comes waits for the next. A read begins after it was asked for, so it sees all that was acknowledged
 * before; and under load a round trip, which costs the process more than what it brings, serves many.
 */

/** Reads some documents; in any order, missing ones left out. */
export type ReadMany<T> = (ids: readonly string[]) => Promise<readonly T[]>

const UNDER_WAY = 8
const TOGETHER = 64

interface Waiting<T> {
  readonly promise: Promise<T | undefined>
  readonly resolve: (found: T | undefined) => void
  readonly reject: (error: unknown) => void
}

export class Gathering<T extends { readonly _id: string }> {
  readonly #readMany: ReadMany<T>
  #waiting = new Map<string, Waiting<T>>()
  #underWay = 0
  #isDue = false

  constructor(readMany: ReadMany<T>) {
    this.#readMany = readMany
  }

  read(id: string): Promise<T | undefined> {
    let one = this.#waiting.get(id)
    if (one === undefined) {
      one = Promise.withResolvers<T | undefined>()
      this.#waiting.set(id, one)
    }
    this.#schedule()
    return one.promise
  }

  #schedule(): void {
    if (this.#isDue || this.#waiting.size === 0 || this.#underWay >= UNDER_WAY) return
    this.#isDue = true
    setImmediate(() => {
      this.#isDue = false
      void this.#send()
      this.#schedule()
    })
  }

  async #send(): Promise<void> {
    const all = [...this.#waiting]
    this.#waiting = new Map(all.slice(TOGETHER))
    const some = all.slice(0, TOGETHER)
    this.#underWay++
    try {
      const found = new Map((await this.#readMany(some.map(([id]) => id))).map((one) => [one._id, one]))
      for (const [id, { resolve }] of some) resolve(found.get(id))
    } catch (error) {
      for (const [, { reject }] of some) reject(error)
    } finally {
      this.#underWay--
      this.#schedule()
    }
  }
}
