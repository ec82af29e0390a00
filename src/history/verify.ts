/**
 * Whether the logs are what the sequencer wrote: each line at its position, unaltered, and none removed or put in between. Reads page
 * by page, while servers may be at work. Who can write to the database can also work out all hashes anew: keep the hash of a log's
 * last position elsewhere, and compare it.
 */
import type { NewRow, Row } from '../stores/entities.ts'
import { pagesOf } from '../stores/pages.ts'
import type { Store } from '../stores/store.ts'
import { hashOf } from './chain.ts'
import { nameOfLog } from './logs.ts'

export interface Fault {
  readonly tenant_id: string
  /** Empty for the tenant's own log. */
  readonly catalog_id: string
  readonly branch: string
  readonly position: number
  /** Of the change, where there is one. */
  readonly commit_id: string | null
  readonly kind: 'altered' | 'removed' | 'inserted'
  readonly message: string
}

/** The last position of a log, to be kept elsewhere. */
export type Head = Omit<NewRow<'logs'>, 'first_hash'>

export interface Verification {
  readonly logs: readonly Head[]
  readonly lines: number
  /** Changes that have no position yet. */
  readonly pending: number
  /** At most a thousand. */
  readonly faults: readonly Fault[]
}

const PAGE = 200
const MOST_FAULTS = 1000

class Verifier {
  readonly #store: Store
  readonly #progress: (lines: number) => void
  readonly faults: Fault[] = []
  lines = 0
  pending = 0

  constructor(store: Store, progress: (lines: number) => void) {
    this.#store = store
    this.#progress = progress
  }

  #report(log: Row<'logs'>, position: number, commit_id: string | null, kind: Fault['kind'], message: string): void {
    const { tenant_id, catalog_id, branch } = log
    if (this.faults.length < MOST_FAULTS) this.faults.push({ tenant_id, catalog_id, branch, position, commit_id, kind, message })
  }

  /** Follows the chain from where the log begins to where it ends. */
  async chain(log: Row<'logs'>): Promise<void> {
    const { tenant_id, catalog_id, branch } = log
    const where = { tenant_id, catalog_id, branch }
    let [position, hash] = [log.first_position, log.first_hash]
    while (position < log.position) {
      const after = { ...where, position }
      const limit = Math.min(PAGE, log.position - position)
      const places = await this.#store.list('positions', { index: 'primary', where, after, limit })
      const within = places.filter((place) => place.position <= log.position)
      const rows = await this.#store.getMany(
        'commits',
        within.map(({ commit_id: id }) => ({ ...where, id })),
      )
      for (const [at, place] of within.entries()) {
        this.#missing(log, position, place.position)
        this.#line(log, place, rows[at], place.position === position + 1 ? hash : undefined)
        position = place.position
        hash = place.hash
      }
      this.#progress(this.lines)
      if (within.length < limit) break
    }
    this.#missing(log, position, log.position + 1)
    if (position === log.position && hash !== log.hash) {
      this.#report(log, position, null, 'altered', 'the end of the log has another hash than its last position')
    }
  }

  #missing(log: Row<'logs'>, before: number, next: number): void {
    for (let position = before + 1; position < next && this.faults.length < MOST_FAULTS; position++) {
      this.#report(log, position, null, 'removed', 'there is no such position any more')
    }
  }

  /** `before`: the hash of the position before, where that is there. */
  #line(log: Row<'logs'>, place: Row<'positions'>, row: Row<'commits'> | undefined, before: string | undefined): void {
    const { position, commit_id } = place
    this.lines++
    if (row === undefined) return this.#report(log, position, commit_id, 'removed', 'the change is not there any more')
    if (row.position !== position) this.#report(log, position, commit_id, 'altered', `the change names position ${row.position}`)
    if (before !== undefined && hashOf(before, row, place) !== place.hash) {
      this.#report(log, position, commit_id, 'altered', 'the change, its position or the hash before is not what it was')
    }
  }

  /** Changes that name a position which is another's. */
  async strangers(logs: ReadonlyMap<string, Row<'logs'>>): Promise<void> {
    for await (const page of pagesOf(this.#store, 'commits', { index: 'primary', where: {} })) {
      const placed = page.filter(({ position }) => position !== null)
      this.pending += page.length - placed.length
      const places = await this.#store.getMany(
        'positions',
        placed.map(({ tenant_id, catalog_id, branch, position }) => ({ tenant_id, catalog_id, branch, position: position! })),
      )
      for (const [at, row] of placed.entries()) {
        if (places[at]?.commit_id === row.id) continue
        const log = logs.get(nameOfLog(row))
        // One that was placed, or removed for its age, since the logs were read.
        if (log === undefined || row.position! > log.position || row.position! <= log.first_position) continue
        this.#report(log, row.position!, row.id, 'inserted', 'no position leads to this change')
      }
    }
  }
}

function headOf(log: Row<'logs'>): Head {
  const { version: _, ...row } = log
  const { first_hash: __, ...head } = row
  return head
}

export async function verifyLogs(store: Store, progress: (lines: number) => void = () => {}): Promise<Verification> {
  const verifier = new Verifier(store, progress)
  const logs = new Map<string, Row<'logs'>>()
  for await (const page of pagesOf(store, 'logs', { index: 'primary', where: {} })) {
    for (const log of page) logs.set(nameOfLog(log), log)
  }
  for (const log of logs.values()) await verifier.chain(log)
  await verifier.strangers(logs)
  const { lines, pending, faults } = verifier
  const heads = [...logs.values()].map(headOf)
  return { logs: heads, lines, pending, faults }
}
