/**
 * Undoes one change of a catalog by another one, which goes through the door and into the log like any. Whatever the change
 * touched must be as the change left it: nothing that came later is undone with it. All of it is undone, or nothing.
 */
import { change } from '../../changes/change.ts'
import { conflict, IcebergError } from '../../iceberg/errors.ts'
import type { Json } from '../../stores/entities.ts'
import type { CatalogCall, CatalogContext } from '../call.ts'
import { assertApart, flip } from '../commits/commit.ts'
import { MAX_METADATA_BYTES } from '../documents/metadata-files.ts'
import { assertSameCatalog, laneOf } from '../entries.ts'
import { locationLane } from '../places/locations.ts'
import { entryInverse } from './entries.ts'
import { ChangedSince, findLine, guardsOf, treeOf, whatOf, type Inverse, type Line, type Operation } from './line.ts'
import { namespaceInverse, treeBack, treeGone } from './namespaces.ts'
import { laterChange } from './since.ts'

export interface UndoRequest {
  /** The id of a line of the catalog's log. */
  readonly change: string
  /** Changes nothing, and says what would be. */
  readonly dryRun?: boolean
}

export interface UndoAnswer {
  /** Of the change that is undone. */
  readonly id: string
  readonly dry_run: boolean
  readonly message: string
  /** As the log has them. Of a dry run, new metadata files have no names. */
  readonly operations: readonly Json[]
}

/** @throws IcebergError 404 for an unknown change; 409 that names what is in the way; 403 */
export async function undo(
  context: CatalogContext,
  call: CatalogCall,
  { change: id, dryRun = false }: UndoRequest,
): Promise<UndoAnswer> {
  const { catalog } = call
  const line = await findLine(context, call, id)
  // What is written nowhere needs no key.
  const asked = dryRun ? { ...call, idempotency: undefined } : call
  return change<UndoAnswer>(context, asked, {
    what: `what change ${id} changed`,
    log: catalog,
    lanes: lanesOf(call, line),
    attempt: async () => {
      const guards = await guardsOf(context, call, line)
      const inverses = await planAll(context, call, line)
      const staged = inverses.flatMap((inverse) => inverse.staged ?? [])
      assertApart(staged)
      const message = `Undo ${id}: ${described(inverses)}`
      const claims = inverses.flatMap(({ claim }) => claim ?? [])
      const decided = { message, claims, status: 200, outcome: null, answer: () => undefined }
      const flipped = flip(context, call, staged, decided)
      if (flipped === undefined) return undefined
      const fields = inverses.flatMap((inverse) => (inverse.staged === undefined ? [] : [{ fields: inverse.fields ?? [] }]))
      const operations = [
        ...flipped.operations.map((one, at) => ({ ...one, ...fields[at], ...(dryRun && { 'metadata-location': null }) })),
        ...inverses.flatMap((inverse) => inverse.operations),
      ].map((one) => ({ ...one, undoes: id }))
      const answer: UndoAnswer = { id, dry_run: dryRun, message, operations }
      if (dryRun) return { status: 200, outcome: null, answer: () => answer }
      return {
        ...flipped,
        operations,
        steps: [...flipped.steps, ...inverses.flatMap(({ steps }) => steps), ...guards],
        outcome: answer as unknown as Json,
        answer: async () => {
          await flipped.answer()
          return answer
        },
      }
    },
    lost: () => assertSameCatalog(context, catalog),
    replay: (outcome) => outcome as unknown as UndoAnswer,
  })
}

/** Those of all tables and views, and of what takes a place. */
function lanesOf({ catalog }: CatalogCall, { operations }: Line): string[] {
  const names = operations.flatMap(({ identifier, destination }) => [identifier ?? [], destination ?? []]).flat()
  return [...new Set([...names.map((name) => laneOf(catalog, name)), locationLane(catalog)])]
}

const PLANNED_AT_ONCE = 16

/** Some at a time and bounded in all, like a transaction. */
async function planAll(context: CatalogContext, call: CatalogCall, line: Line): Promise<Inverse[]> {
  const tree = treeOf(line)
  if (tree !== undefined) return [await treeUndone(context, call, line, tree)]
  const inverses: Inverse[] = []
  let bytes = 0
  for (let from = 0; from < line.operations.length; from += PLANNED_AT_ONCE) {
    const some = line.operations.slice(from, from + PLANNED_AT_ONCE)
    for (const inverse of await Promise.all(some.map((operation) => inverseOf(context, call, line, operation)))) {
      inverses.push(inverse)
      bytes += inverse.staged?.document.json.length ?? 0
    }
    if (bytes > MAX_METADATA_BYTES && inverses.length > 1)
      throw conflict(`Change ${line.id} can't be undone: the metadata of its tables has more than ${MAX_METADATA_BYTES} bytes`)
  }
  return inverses
}

/** What is in it comes back with it, since it has no other place to come back to; and goes with it. */
async function treeUndone(context: CatalogContext, call: CatalogCall, line: Line, top: Operation): Promise<Inverse> {
  try {
    return await (top.operation === 'drop-namespace' ? treeBack : treeGone)(context, call, line, top)
  } catch (error) {
    throw await inTheWay(context, call, line, top, error)
  }
}

/** @throws IcebergError 409 with the later change that is in the way, where there is one */
async function inverseOf(context: CatalogContext, call: CatalogCall, line: Line, operation: Operation): Promise<Inverse> {
  try {
    const { verb, kind } = whatOf(operation)
    if (kind === 'namespace') return await namespaceInverse(context, call, line, operation, { verb, kind })
    return await entryInverse(context, call, line, operation, { verb, kind })
  } catch (error) {
    throw await inTheWay(context, call, line, operation, error)
  }
}

async function inTheWay(
  context: CatalogContext,
  call: CatalogCall,
  line: Line,
  operation: Operation,
  error: unknown,
): Promise<unknown> {
  const isRefusal = error instanceof IcebergError && [400, 404, 409].includes(error.code)
  if (!isRefusal && !(error instanceof ChangedSince)) return error
  const about = error instanceof ChangedSince ? (error.about ?? operation) : operation
  const later = await laterChange(context, call, line, about)
  const options = { cause: error }
  if (later?.isUndo === true) return conflict(`Change ${line.id} was undone already by ${later.text}`, options)
  if (error instanceof ChangedSince) {
    const by = later === undefined ? ', and the log does not name the change behind it' : ` by ${later.text}`
    return conflict(`Change ${line.id} can't be undone: ${error.message} was changed since${by}`, options)
  }
  const since = later === undefined ? '' : ` (since then ${later.text})`
  return conflict(`Change ${line.id} can't be undone: ${error.message}${since}`, options)
}

const MOST_SHOWN = 3

function described(inverses: readonly Inverse[]): string {
  const shown = inverses.slice(0, MOST_SHOWN).map(({ message }) => message)
  return [...shown, ...(inverses.length > MOST_SHOWN ? [`${inverses.length - MOST_SHOWN} more`] : [])].join('; ')
}
