/** One random life of a table or a view, led on two sides at once, until they differ. */
import type { Json } from './columns.ts'
import { classOf, comparableTable, comparableView, differences, type Outcome } from './compare.ts'
import { DEVIATIONS, type Case } from './deviations.ts'
import { seeded } from './random.ts'
import { stringify, type JsonValue } from '../../../src/iceberg/json.ts'
import type { Kind, MakeSide, Reader } from './sides.ts'
import { commitRequest, createRequest } from './table-commits.ts'
import { createViewRequest, viewCommitRequest } from './view-commits.ts'

const COMMITS = 8

export interface SequenceResult {
  readonly accepted: number
  readonly refused: number
  /** Actions that took part in an accepted commit. */
  readonly actions: ReadonlySet<string>
  readonly deviation?: string
  /** What is wrong, with all that is needed to see it. */
  readonly failure?: string
}

export interface Sides {
  readonly reference: MakeSide
  readonly ours: MakeSide
  readonly reader: Reader
  /** Below it lie the tables: a location without a slash at its end. */
  readonly root: string
}

export async function runSequence(kind: Kind, seed: number, { reference, ours, reader, root }: Sides): Promise<SequenceResult> {
  const random = seeded(seed)
  const name = `${kind}_${seed}`
  const location = `${root}/${name}`
  // In the past, so that no time of a commit is that of a snapshot by chance.
  const now = Date.now() - 10_000
  const [theirSide, ourSide] = [reference(kind, name), ours(kind, name)]
  const actions = new Set<string>()
  let [accepted, refused] = [0, 0]
  let before: Json | undefined
  for (let step = 0; step <= COMMITS; step++) {
    const first = before === undefined
    const request = first ? creation(kind, random, name, location) : change(kind, random, { table: before!, location, now, step })
    const [theirs, mine] = first
      ? await Promise.all([theirSide.create(request), ourSide.create(request)])
      : await Promise.all([theirSide.commit(request), ourSide.commit(request)])
    const read = async ({ metadata }: Outcome): Promise<string | undefined> =>
      metadata === undefined ? undefined : reader(kind, stringify(metadata as JsonValue))
    const unreadable = await read(mine)
    const problems = [
      ...(unreadable === undefined ? [] : [`the reference can not read ours: ${unreadable}`]),
      ...judge(kind, theirs, mine),
    ]
    if (problems.length > 0) {
      const found: Case = {
        request,
        before,
        reference: theirs,
        ours: mine,
        classes: [classOf(theirs), classOf(mine)],
        problems,
        readable: (await read(theirs)) === undefined,
      }
      const deviation = unreadable !== undefined ? undefined : DEVIATIONS.find(({ explains }) => explains(found))?.name
      if (deviation !== undefined) return { accepted, refused, actions, deviation }
      return { accepted, refused, actions, failure: report(seed, step, found, problems) }
    }
    if (theirs.metadata === undefined) refused++
    else {
      accepted++
      for (const update of request['updates'] ?? []) actions.add(update['action'])
    }
    before = theirs.metadata ?? before
    // Where the reference fails, it may have kept half of the change; where it can't read its own file again, the whole.
    if (before === undefined || classOf(theirs) === 'failed' || theirs.message.includes('TableMetadataParser')) break
  }
  return { accepted, refused, actions }
}

export const creation = (kind: Kind, ...rest: Parameters<typeof createRequest>): Json =>
  (kind === 'table' ? createRequest : createViewRequest)(...rest)
export const change = (kind: Kind, ...rest: Parameters<typeof commitRequest>): Json =>
  (kind === 'table' ? commitRequest : viewCommitRequest)(...rest)

function judge(kind: Kind, theirs: Outcome, mine: Outcome): string[] {
  const [reference, ours] = [classOf(theirs), classOf(mine)]
  if (theirs.metadata !== undefined && mine.metadata !== undefined) {
    const comparable = kind === 'table' ? comparableTable : comparableView
    return differences(comparable(theirs.metadata), comparable(mine.metadata))
  }
  if (ours === 'failed') return [`ours: ${ours} ${mine.message}`]
  // The reference fails with 500 where it meets what it did not foresee; we must know what is wrong.
  if (reference === ours || (reference === 'failed' && (ours === 'bad request' || ours === 'conflict'))) return []
  return [`reference: ${reference} ${theirs.message}`, `ours: ${ours} ${mine.message}`]
}

function report(seed: number, step: number, { request, before }: Case, problems: readonly string[]): string {
  const show = (value: unknown): string =>
    JSON.stringify(value, (_, item: unknown) => (typeof item === 'bigint' ? `${item}n` : item))
  return [
    `seed ${seed}, step ${step}`,
    ...problems.slice(0, 8).map((problem) => problem.slice(0, 600)),
    `request: ${show(request)}`,
    `before: ${show(before)}`,
  ].join('\n  ')
}
