/** Finds the later change that stands in the way of an undo: reads the log from the undone change on. */
import { isSameNamespace, isWithinNamespace } from '../../iceberg/identifier.ts'
import type { CatalogCall, CatalogContext, Namespace, TableIdentifier } from '../call.ts'
import { readLog, type Commit } from '../history.ts'
import { positionOf } from '../moments.ts'
import { readsLog, type Line, type Operation } from './line.ts'

/** So many pages are read; where that is not enough, the change has no name in the answer. */
const MOST_PAGES = 100
/** And so many behind the first change that is in the way: it may have been undone later. */
const MORE_PAGES = 10
const PAGE = 1000

export interface Later {
  /** With what it did, for who may read the log. */
  readonly text: string
  /** It is the one that undid the change, and that still holds. */
  readonly isUndo: boolean
}

/** The one that undid the change, where one did; else the first that changed the same thing, or the last that took its name or place. */
export async function laterChange(
  context: CatalogContext,
  call: CatalogCall,
  line: Line,
  operation: Operation,
): Promise<Later | undefined> {
  let [same, named, undo, redo]: (Commit | undefined)[] = []
  const query = { pageSize: PAGE, order: 'asc', behind: await positionOf(context, call.catalog, line.id) } as const
  let [left, token]: [number, string | null] = [MOST_PAGES, '']
  while (token !== null && left > 0) {
    const { commits, 'next-page-token': next } = await readLog(context, call, { ...query, pageToken: token })
    for (const commit of commits) {
      const operations = commit.operations as unknown as readonly Operation[]
      if (operations.some(({ undoes }) => undoes === line.id)) [undo, redo] = [commit, undefined]
      else if (undo !== undefined && operations.some(({ undoes }) => undoes === undo!.id)) redo = commit
      if (operations.some((one) => isSameThing(one, operation))) same ??= commit
      // What is there now came last.
      if (operations.some((one) => isInTheWay(one, operation))) named = commit
    }
    token = next
    left = Math.min(left - 1, (undo ?? same ?? named) === undefined ? MOST_PAGES : MORE_PAGES)
  }
  const commit = redo ?? undo ?? same ?? named
  if (commit === undefined) return undefined
  const text = readsLog(call) ? `${commit.id}: ${commit.message}` : commit.id
  return { text, isUndo: commit === undo && redo === undefined }
}

const isRename = ({ operation }: Operation): boolean => operation.startsWith('rename-')
const isCommit = ({ operation }: Operation): boolean => operation === 'update-table' || operation === 'update-view'

/** The thing itself was changed: the one with the id, or the name in lines without one. Commits do not matter to a name. */
function isSameThing(later: Operation, operation: Operation): boolean {
  if (isRename(operation) && isCommit(later) && operation.id != null) return false
  return operation.id == null ? sharesName(later, operation) : later.id === operation.id
}

/** What gives names to tables, views and namespaces. */
const COMES = /^(create|register|rename|undrop)-/

/** Its name was taken, its namespace dropped, or something put into it. */
function isInTheWay(later: Operation, operation: Operation): boolean {
  const { namespace: own } = operation
  const around = own ?? operation.identifier?.namespace
  if (later.operation === 'drop-namespace' && around !== undefined && isWithinNamespace(around, later.namespace ?? []))
    return true
  if (!COMES.test(later.operation)) return false
  if (own === undefined) return sharesName(later, operation)
  const spaces = [later.namespace, ...namesOf(later).map(({ namespace }) => namespace)]
  return spaces.some((space) => space !== undefined && isWithinNamespace(space, own))
}

const sharesName = (one: Operation, other: Operation): boolean =>
  namesOf(one).some((name) => namesOf(other).some((same) => isSame(name, same)))

const namesOf = ({ identifier, destination }: Operation): TableIdentifier[] =>
  [identifier, destination].filter((one) => one !== undefined)

const isSame = (one: TableIdentifier, other: TableIdentifier): boolean =>
  one.name === other.name && isSameNamespace(one.namespace as Namespace, other.namespace)
