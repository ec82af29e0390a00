/** Items that wait, one line for each holder: the holders take turns, however much each of them waits for. */
export class Lines<T> {
  readonly #lines = new Map<string, T[]>()

  get isEmpty(): boolean {
    return this.#lines.size === 0
  }

  add(holder: string, item: T): void {
    const line = this.#lines.get(holder)
    if (line === undefined) this.#lines.set(holder, [item])
    else line.push(item)
  }

  /** The first item of the holder whose turn it is, who then goes to the end. Undefined where nothing waits. */
  next(): { readonly holder: string; readonly item: T } | undefined {
    const [first] = this.#lines
    if (first === undefined) return undefined
    const [holder, line] = first
    const item = line.shift()!
    this.#lines.delete(holder)
    if (line.length > 0) this.#lines.set(holder, line)
    return { holder, item }
  }
}
