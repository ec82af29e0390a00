/**
 * Reads of one document that meet: one of them is under way at a time, and those that come meanwhile share the one that
 * begins when it has ended. Nobody shares a read that began before he asked, so each sees all that was acknowledged by then.
 */
interface Turn<T> {
  readonly current: Promise<T>
  next: Promise<T> | undefined
}

export class SharedReads<T> {
  readonly #turns = new Map<string, Turn<T>>()

  read(name: string, work: () => Promise<T>): Promise<T> {
    const turn = this.#turns.get(name)
    if (turn === undefined) return this.#begin(name, work)
    const begin = (): Promise<T> => this.#begin(name, work)
    return (turn.next ??= turn.current.then(begin, begin))
  }

  #begin(name: string, work: () => Promise<T>): Promise<T> {
    const turn: Turn<T> = { current: work(), next: undefined }
    this.#turns.set(name, turn)
    const end = (): void => {
      if (turn.next === undefined) this.#turns.delete(name)
    }
    turn.current.then(end, end)
    return turn.current
  }
}
