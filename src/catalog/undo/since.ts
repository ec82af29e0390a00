/** Which later change stands in the way of an undo. The log is read from the change on, as its readers read it. */
import { isSameNamespace, isWithinNamespace } from '../../iceberg/identifier.ts'
import type { CatalogCall, CatalogContext, Namespace, TableIdentifier } from '../call.ts'
import { readLog, type Commit } from '../history.ts'
import { readsLog, type Line, type Operation } from './line.ts'

/** So many pages are read; where that is not enough, the change has no name in the answer. */
const MOST_PAGES = 100
/** And so many behind the first change that is in the way: it may have been undone later. */
const MORE_PAGES = 10
const PAGE = 1000
/** Ids may be of a moment before the line's own. */
const BEFORE_MS = 1000

export interface Later {
  /** With what it did, for who may read the log. */
  readonly text: string
  /** It is the one that undid the change, and that still holds. */
  readonly isUndo: boolean
}

/** The one that undid the change, where one did; else the first that changed the same thing, or took its name or namespace. */
export async function laterChange(
  context: CatalogContext,
  call: CatalogCall,
  line: Line,
  operation: Operation,
): Promise<Later | undefined> {
  let [same, named, undo, redo]: (Commit | undefined)[] = []
  const query = { pageSize: PAGE, order: 'asc', filter: { since: line.timestamp - BEFORE_MS } } as const
  let [left, token]: [number, string | null] = [MOST_PAGES, '']
  while (token !== null && left > 0) {
    const { commits, 'next-page-token': next } = await readLog(context, call, { ...query, pageToken: token })
    for (const commit of commits) {
      if (commit.id <= line.id) continue
      const operations = commit.operations as unknown as readonly Operation[]
      if (operations.some(({ undoes }) => undoes === line.id)) [undo, redo] = [commit, undefined]
      else if (undo !== undefined && operations.some(({ undoes }) => undoes === undo!.id)) redo = commit
      if (operations.some((one) => isSameThing(one, operation))) same ??= commit
      if (operations.some((one) => isInTheWay(one, operation))) named ??= commit
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

/** The thing itself was changed. Commits do not matter to its name. */
const isSameThing = (later: Operation, operation: Operation): boolean =>
  operation.id != null && later.id === operation.id && !(isRename(operation) && isCommit(later))

/** Its name was taken, its namespace dropped, or something put into it. */
function isInTheWay(later: Operation, operation: Operation): boolean {
  const names = namesOf(operation)
  if (namesOf(later).some((one) => names.some((name) => isSame(one, name)))) return true
  const spaces = [operation.namespace, ...names.map(({ namespace }) => namespace)].filter((one) => one !== undefined)
  const { namespace } = later
  if (namespace !== undefined && spaces.some((space) => isWithinNamespace(space, namespace))) return true
  const own = operation.namespace
  if (own === undefined) return false
  return [namespace, ...namesOf(later).map((one) => one.namespace)].some(
    (one) => one !== undefined && isWithinNamespace(one, own),
  )
}

const namesOf = ({ identifier, destination }: Operation): TableIdentifier[] =>
  [identifier, destination].filter((one) => one !== undefined)

const isSame = (one: TableIdentifier, other: TableIdentifier): boolean =>
  one.name === other.name && isSameNamespace(one.namespace as Namespace, other.namespace)
