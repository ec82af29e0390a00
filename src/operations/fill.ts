/**
 * Fills a store with the rows of a source, exactly. A row in the target says who fills it, from the first write to the last
 * check: while it is there no server starts on it, and the same command goes on wherever it was cut off. Rows are compared
 * in key order, so going on means passing over what is there; what the source changed meanwhile is brought up to date.
 */
import type { EntityName, Row } from '../stores/entities.ts'
import { StoreError } from '../stores/store.ts'
import type { Mutation, Store } from '../stores/store.ts'
import { tableOf } from '../stores/tables.ts'
import { allRows, compareItems, Digester, differences, digestStore, displayKey, entityNames, FILLING } from './rows.ts'
import type { Digests, Item, Progress, StoredItem } from './rows.ts'

/** Something an operator asked for can't be done; the message says why and what helps. */
export class OperationError extends Error {}

export interface Source {
  /** Names what the rows come from, alike each time; holds no secret. */
  readonly identity: string
  rows(): AsyncIterable<Item>
}

const NEVER = Number.MAX_SAFE_INTEGER
const BATCH_ROWS = 200
const BATCH_CHARACTERS = 1_000_000

type Marker = Row<'tasks'>

const fillingRow = (identity: string, now: number): Mutation => ({
  op: 'insert',
  entity: 'tasks',
  row: {
    id: FILLING,
    tenant_id: '',
    kind: FILLING,
    payload: { source: identity },
    due_at: NEVER,
    owner: null,
    attempts: 0,
    last_error: null,
    created_at: now,
    location: null,
  },
})

/** What a store that is not filled to the end says of itself. */
export async function unfinishedFilling(store: Pick<Store, 'get'>): Promise<string | undefined> {
  const marker = await store.get('tasks', { id: FILLING })
  return marker && sourceOf(marker)
}

const sourceOf = ({ payload }: Marker): string => String((payload as { readonly source?: unknown }).source)

async function firstRow(store: Store): Promise<EntityName | undefined> {
  for (const entity of entityNames) {
    if ((await store.list(entity, { index: 'primary', where: {}, limit: 1 })).length > 0) return entity
  }
  return undefined
}

/** A copy that was cut off behind its very last write is whole already; the first difference ends the look. */
async function isCopied(source: Source, target: Store): Promise<Digests | undefined> {
  const digester = new Digester()
  for await (const { wanted, there } of sideBySide(source.rows(), allRows(target))) {
    if (wanted === undefined || wanted.line !== there?.line) return undefined
    digester.add(wanted.entity, wanted.line)
  }
  return digester.all()
}

/** Marks the target as being filled. */
async function claim(source: Source, target: Store, now: number): Promise<'empty' | 'begun' | Digests> {
  const { identity } = source
  const marker = await target.get('tasks', { id: FILLING })
  if (marker !== undefined) {
    if (sourceOf(marker) === identity) return 'begun'
    throw new OperationError(
      `The target holds an unfinished copy of ${sourceOf(marker)}, not of ${identity}. Finish that one, or use an empty target.`,
    )
  }
  const entity = await firstRow(target)
  if (entity !== undefined) {
    const digests = await isCopied(source, target)
    if (digests !== undefined) return digests
    throw new OperationError(
      `The target is not empty (it has ${entity}), and it is no copy that was cut off. Use an empty target.`,
    )
  }
  try {
    await target.write([fillingRow(identity, now)])
  } catch (error) {
    if (!(error instanceof StoreError && error.kind === 'conflict')) throw error
    throw new OperationError('Somebody else has just begun to fill the target', { cause: error })
  }
  return 'empty'
}

interface Pair {
  readonly wanted: Item | undefined
  readonly there: StoredItem | undefined
}

/** Both streams side by side: what is wanted, what is there, or both under the same key. */
async function* sideBySide(wanted: AsyncIterable<Item>, there: AsyncIterable<StoredItem>): AsyncGenerator<Pair> {
  const [left, right] = [wanted[Symbol.asyncIterator](), there[Symbol.asyncIterator]()]
  try {
    let [one, other] = [await left.next(), await right.next()]
    while (one.done !== true || other.done !== true) {
      const order = one.done === true ? 1 : other.done === true ? -1 : compareItems(one.value, other.value)
      yield {
        wanted: order <= 0 && one.done !== true ? one.value : undefined,
        there: order >= 0 && other.done !== true ? other.value : undefined,
      }
      if (order <= 0) one = await left.next()
      if (order >= 0) other = await right.next()
    }
  } finally {
    await Promise.all([left.return?.(undefined), right.return?.(undefined)])
  }
}

/** Collects steps into batches of bounded size. */
class Batches {
  readonly #target: Store
  #steps: Mutation[] = []
  #characters = 0
  written = 0

  constructor(target: Store) {
    this.#target = target
  }

  async add(step: Mutation, item: Item): Promise<void> {
    this.#steps.push(step)
    this.#characters += item.line.length
    if (this.#steps.length >= BATCH_ROWS || this.#characters >= BATCH_CHARACTERS) await this.flush()
  }

  async flush(): Promise<void> {
    if (this.#steps.length === 0) return
    const steps = this.#steps
    ;[this.#steps, this.#characters] = [[], 0]
    try {
      await this.#target.write(steps)
    } catch (error) {
      if (!(error instanceof StoreError && error.kind === 'conflict')) throw error
      throw new OperationError('Somebody else writes to the target. Stop them, and run the same command again.', { cause: error })
    }
    this.written += steps.length
  }
}

const removal = (item: StoredItem): Mutation => {
  const names = tableOf(item.entity).key.map((position) => tableOf(item.entity).columns[position]?.name ?? '')
  const key = Object.fromEntries(names.map((name) => [name, (item.row as unknown as Record<string, unknown>)[name]]))
  return { op: 'remove', entity: item.entity, key, expected: item.version } as unknown as Mutation
}

/** Takes out first what the source does not have (any more): then no unique index stands in the way of what it has. */
async function removeOthers(source: Source, target: Store, progress: Progress): Promise<number> {
  const batches = new Batches(target)
  let seen = 0
  for await (const { wanted, there } of sideBySide(source.rows(), allRows(target))) {
    if (there !== undefined && wanted?.line !== there.line) await batches.add(removal(there), there)
    if (there !== undefined) progress('compare', there.entity, ++seen)
  }
  await batches.flush()
  return batches.written
}

async function insertMissing(source: Source, target: Store, progress: Progress): Promise<{ read: Digests; inserted: number }> {
  const batches = new Batches(target)
  const digester = new Digester()
  let seen = 0
  for await (const { wanted, there } of sideBySide(source.rows(), allRows(target))) {
    if (wanted === undefined || (there !== undefined && there.line !== wanted.line)) {
      const what = there === undefined ? '' : ` (${there.entity} ${displayKey(there)})`
      throw new OperationError(
        `The source changes, or somebody else writes to the target${what}. Stop them, and run the same command again.`,
      )
    }
    digester.add(wanted.entity, wanted.line)
    if (there === undefined) await batches.add({ op: 'insert', entity: wanted.entity, row: wanted.row } as Mutation, wanted)
    progress('copy', wanted.entity, ++seen)
  }
  await batches.flush()
  return { read: digester.all(), inserted: batches.written }
}

export interface FillOptions {
  readonly source: Source
  readonly target: Store
  readonly now: () => number
  readonly progress?: Progress
}

export interface FillReport {
  /** This run went on with one that was cut off. */
  readonly resumed: boolean
  readonly inserted: number
  readonly removed: number
  readonly digests: Digests
}

/**
 * Fills the target and verifies it: source and target are read once more from their beginning, and counts and hashes of
 * each entity must agree. Only then may the target be used.
 * @throws OperationError
 */
export async function fill({ source, target, now, progress = () => {} }: FillOptions): Promise<FillReport> {
  const state = await claim(source, target, now())
  if (typeof state === 'object') return { resumed: true, inserted: 0, removed: 0, digests: state }
  const resumed = state === 'begun'
  const removed = resumed ? await removeOthers(source, target, progress) : 0
  const { read, inserted } = await insertMissing(source, target, progress)
  const digester = new Digester()
  for await (const { entity, line } of source.rows()) digester.add(entity, line)
  const changed = differences(read, digester.all())
  if (changed.length > 0) {
    throw new OperationError(
      `The source changed while it was copied (${changed.join('; ')}). Stop its servers and run the same command again: ` +
        'it goes on from here and takes over what has changed.',
    )
  }
  const wrong = differences(read, await digestStore(target, progress))
  if (wrong.length > 0) {
    throw new OperationError(`The target does not hold what was written (${wrong.join('; ')}). Does somebody else write to it?`)
  }
  await target.write([{ op: 'remove', entity: 'tasks', key: { id: FILLING }, expected: 'any' }])
  return { resumed, inserted, removed, digests: read }
}
