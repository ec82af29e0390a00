/**
 * Tells for the price of one system call whether anything was committed to a database file, by any process: a read in
 * SQLite costs five times as much. The header of the wal-index (the `-shm` file, https://sqlite.org/walformat.html) counts
 * transactions, and a commit is acknowledged only after the header says so. Whatever looks unusual counts as "can't tell".
 */
import { openSync, readSync, realpathSync } from 'node:fs'

/** Two copies of 48 bytes, one of which a writer changes after the other. */
const WORDS = 24
const COPY = WORDS / 2
const FORMAT = 3_007_000
/** Of memory that processes share and files that they read, only these are known to show the same at once. */
const COHERENT = ['linux', 'darwin'].includes(process.platform)

export class CommitCounter {
  readonly #path: string
  readonly #now = new Uint32Array(WORDS)
  readonly #seen = new Uint32Array(WORDS)
  #usable = COHERENT
  #file: number | undefined
  #count = 0

  constructor(path: string) {
    this.#path = path
  }

  /** The same number as before only if nothing was committed in between; undefined when that can't be told. */
  read(): number | undefined {
    if (!this.#usable || (this.#file === undefined && !this.#open())) return undefined
    const now = this.#now
    if (readSync(this.#file as number, now, 0, now.byteLength, 0) !== now.byteLength) return undefined
    const seen = this.#seen
    let changed = false
    for (let at = 0; at < COPY; at++) {
      const word = now[at]
      // The writer is between the two copies.
      if (word !== now[at + COPY]) return undefined
      if (word !== seen[at]) changed = true
    }
    if (changed) {
      if (now[0] !== FORMAT) return this.#giveUp()
      seen.set(now)
      this.#count += 1
    }
    return this.#count
  }

  /** After a commit: a file system on which it does not show is not asked again. */
  mustDiffer(before: number | undefined): void {
    if (before !== undefined && this.read() === before) this.#giveUp()
  }

  #giveUp(): undefined {
    this.#usable = false
    return undefined
  }

  /**
   * The file stays open for as long as the process lives. Closing it would take away the locks that SQLite holds on it:
   * POSIX drops all of a process's locks on a file as soon as any descriptor of it is closed.
   */
  #open(): boolean {
    try {
      this.#file = openSync(`${realpathSync(this.#path)}-shm`, 'r')
      return true
    } catch {
      this.#giveUp()
      return false
    }
  }
}
