/**
 * Proves a database server before it is trusted with a catalog. A catalog rests on three promises: of concurrent changes that
 * expect one version, one is carried out; a key is inserted once; what concurrent changes add to one row is all there
 * afterwards. A server that breaks one of them acknowledges commits and loses them. Some servers that speak the protocol of
 * a database do, so each engine lets requests race on rows of their own, and refuses the server when two of them win.
 */
import { randomUUID } from 'node:crypto'
import { StoreError } from './store.ts'

/** One row by its key, changed by single requests in the form that the engine's batches have. */
export interface Arena {
  /** How many requests reach the server at one time, if less than `RIVALS`. */
  readonly rivals?: number
  /** Whether the row was inserted: false when the key is taken. */
  insert(key: string, version: number): Promise<boolean>
  /** Whether the row had the expected version and was replaced. */
  replace(key: string, expected: number, version: number): Promise<boolean>
  /** Whether the row had the expected version and was removed. */
  remove(key: string, expected: number): Promise<boolean>
  /** The row's version; undefined when there is no row. */
  read(key: string): Promise<number | undefined>
  /** Where rows hold sets: adds a member to the row's set, and how many the set has. */
  readonly set?: { add(key: string, member: string): Promise<boolean>; size(key: string): Promise<number> }
}

export const RIVALS = 16
const ROUNDS = 100
const LEAST_ROUNDS = 8
const BUDGET_MS = 1000

/** Only code that is loaded into the process can set it: no setting, variable or URL does. */
const UNPROVEN = Symbol.for('pangolin.tests.unproven-server')
export const isUnprovenAllowed = (): boolean => (globalThis as { [UNPROVEN]?: unknown })[UNPROVEN] === true

/**
 * Some hundred races within about a second; on a slow server at least `LEAST_ROUNDS` rounds.
 * @param server what the message calls the server
 * @throws StoreError `unavailable` that says what was seen
 */
export async function prove(arena: Arena, server: string): Promise<void> {
  const name = randomUUID()
  const begun = performance.now()
  for (let round = 1; round <= ROUNDS; round++) {
    const seen = await race(arena, `${name} ${round}`)
    if (seen !== undefined) throw refusal(server, round, seen)
    if (round >= LEAST_ROUNDS && performance.now() - begun > BUDGET_MS) return
  }
}

function refusal(server: string, round: number, seen: string): StoreError {
  const message =
    `${server} can not be trusted with a catalog: in round ${round} of concurrent changes to one row, ${seen}. ` +
    'On such a server acknowledged commits would be lost without a sign. Use another database.'
  return new StoreError('unavailable', message)
}

/** What is wrong; undefined when all is as promised. */
async function race(arena: Arena, key: string): Promise<string | undefined> {
  const rivals = arena.rivals ?? RIVALS
  const all = (request: (version: number) => Promise<boolean>): Promise<boolean[]> =>
    Promise.all(Array.from({ length: rivals }, (_, i) => request(i + 1)))
  const isLeft = async (winner: number | undefined): Promise<boolean> => (await arena.read(key)) === winner

  const inserted = await all((version) => arena.insert(key, version))
  const fault = winnersOf(inserted, 'insert one key')
  if (fault !== undefined) return fault
  const first = inserted.indexOf(true) + 1
  if (!(await isLeft(first))) return 'the row that was inserted is not the one that was acknowledged'

  const replaced = await all((version) => arena.replace(key, first, rivals + version))
  const second = rivals + replaced.indexOf(true) + 1
  const lost = winnersOf(replaced, 'replace one version')
  if (lost !== undefined) return lost
  if (!(await isLeft(second))) return 'the row that is left is not the one whose replacement was acknowledged'

  if (arena.set !== undefined) {
    const { add, size } = arena.set
    await all((member) => add(key, String(member)))
    const left = await size(key)
    if (left !== rivals) return `${rivals} requests added a member to one set, and ${left} members are in it`
  }
  const removed = winnersOf(await all(() => arena.remove(key, second)), 'remove one version')
  if (removed !== undefined) return removed
  return (await isLeft(undefined)) ? undefined : 'a row was there after its removal had been acknowledged'
}

function winnersOf(results: readonly boolean[], what: string): string | undefined {
  const winners = results.filter(Boolean).length
  if (winners === 1) return undefined
  return `${winners} of ${results.length} requests to ${what} were acknowledged, where one can be`
}
