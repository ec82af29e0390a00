/** A line of the log that is to be undone: what it says, who may undo it, and what it dropped. */
import { isAllowed } from '../../access/decide.ts'
import type { Attempt } from '../../changes/change.ts'
import { firstUuidV7, isUuidV7 } from '../../changes/uuid.ts'
import { conflict, IcebergError } from '../../iceberg/errors.ts'
import { isSameNamespace } from '../../iceberg/identifier.ts'
import type { Json, Row } from '../../stores/entities.ts'
import { pagesOf } from '../../stores/pages.ts'
import type { Mutation } from '../../stores/store.ts'
import {
  assertMayTouch,
  assertMayTouchNamespace,
  guardCreation,
  guardNewNamespace,
  type EntryAction,
  type Known,
  type NamespaceAction,
} from '../authorize.ts'
import type { CatalogCall, CatalogContext, Namespace, TableIdentifier } from '../call.ts'
import { goneOf, placeOf, type DroppedKind, type Gone } from '../dropped.ts'
import type { Staged } from '../commits/commit.ts'
import type { EntryKind } from '../entries.ts'
import type { Claim } from '../places/locations.ts'

/** As `logged.ts` and `protection.ts` write it. Lines of earlier versions lack ids, and what namespaces were before and after. */
export interface Operation {
  readonly operation: string
  readonly identifier?: TableIdentifier
  readonly destination?: TableIdentifier
  readonly namespace?: Namespace
  readonly id?: string | null
  readonly 'metadata-location'?: string | null
  readonly 'previous-metadata-location'?: string | null
  readonly 'purge-requested'?: boolean
  /** Of a table that was unregistered. */
  readonly 'previous-uuid'?: string | null
  readonly 'previous-location'?: string
  readonly before?: Json
  readonly after?: Json
  /** The change that this one undid. */
  readonly undoes?: string
}

export interface Line {
  readonly id: string
  readonly operations: readonly Operation[]
}

/** What keeps the thing at hand from being undone; where it can be, the later change that did so is named with it. */
export class ChangedSince extends Error {
  /** What of the change it is about, where that is not the operation at hand. */
  readonly about: Operation | undefined

  constructor(message: string, about?: Operation) {
    super(message)
    this.about = about
  }
}

/** Of an operation that an earlier version has logged. */
export const withoutId = (): IcebergError =>
  conflict('its line was written by an earlier version, and does not hold what is needed for that')

const ENTRY = /^(create|drop|register|unregister|rename|update|undrop|protect|unprotect)-(table|view)$/
const NAMESPACE = /^(create|drop|update|undrop|protect|unprotect)-(namespace)(?:-properties)?$/

export interface What {
  readonly verb: string
  readonly kind: DroppedKind
}

/** @throws IcebergError 409 for what a later version has logged */
export function whatOf({ operation }: Operation): What {
  const [, verb, kind] = ENTRY.exec(operation) ?? NAMESPACE.exec(operation) ?? []
  if (verb === undefined) throw conflict(`this version does not know how to undo ${operation}`)
  return { verb, kind: kind as DroppedKind }
}

const RIGHTS: Readonly<Record<string, string>> = {
  create: 'drop',
  register: 'drop',
  undrop: 'drop',
  drop: 'create',
  unregister: 'create',
  protect: 'drop',
  unprotect: 'drop',
}

/** `known`: what the operation was about, where it had its name. */
type Right = { readonly known: Known | undefined } & (
  | { readonly action: EntryAction; readonly identifier: TableIdentifier }
  | { readonly action: NamespaceAction; readonly namespace: Namespace }
)

/** What the inverse of an operation needs. */
function rightsOf(operation: Operation): Right[] {
  const { verb, kind } = whatOf(operation)
  const { identifier, destination, namespace, id } = operation
  const known = id == null ? undefined : { id }
  if (kind === 'namespace') {
    if (namespace === undefined) throw withoutId()
    const action = verb === 'update' ? 'namespace.update' : (`${kind}.${RIGHTS[verb]}` as NamespaceAction)
    return [{ action, namespace, known }]
  }
  if (identifier === undefined) throw withoutId()
  if (verb === 'rename') {
    return [
      { action: `${kind}.rename`, identifier: destination ?? identifier, known },
      // No right to the new name gives one to the old.
      { action: `${kind}.create`, identifier, known: undefined },
    ]
  }
  const isCommit = verb === 'update' || (verb === 'register' && operation['previous-metadata-location'] != null)
  return [{ action: isCommit ? `${kind}.commit` : (`${kind}.${RIGHTS[verb]}` as EntryAction), identifier, known }]
}

/** The outermost namespace, where a line dropped or brought back one with all that was in it. */
export function treeOf({ operations }: Line): Operation | undefined {
  const [first, last] = [operations[0], operations.at(-1)]
  if (operations.length < 2) return undefined
  if (first?.operation === 'undrop-namespace') return first
  return last?.operation === 'drop-namespace' ? last : undefined
}

/** The right to a namespace is one to all that comes back in it, or goes with it. */
function rightsFor(line: Line): Right[] {
  const top = treeOf(line)
  return (top === undefined ? line.operations : [top]).flatMap(rightsOf)
}

/** The steps that make the batch fail when what comes back would land where the caller may not make it. @throws IcebergError 403, 404 */
export async function guardsOf(context: CatalogContext, call: CatalogCall, line: Line): Promise<Mutation[]> {
  const guards: Mutation[] = []
  for (const { known, ...right } of rightsFor(line)) {
    if ('identifier' in right && isCreation(right.action))
      guards.push(...(await guardCreation(context, call, right.action, right.identifier, known)))
    if ('namespace' in right && right.action === 'namespace.create')
      guards.push(...(await guardNewNamespace(context, call, right.namespace, known)))
  }
  return guards
}

const isCreation = (action: EntryAction): action is 'table.create' | 'view.create' => action.endsWith('.create')

/** @throws IcebergError 403, 404 */
async function assertMay(context: CatalogContext, call: CatalogCall, line: Line): Promise<void> {
  for (const right of rightsFor(line)) {
    if ('identifier' in right) await assertMayTouch(context, call, right.action, right.identifier, right.known)
    else await assertMayTouchNamespace(context, call, right.action, right.namespace, right.known)
  }
}

/** Whether the caller may read all of the log. */
export const readsLog = ({ principal, catalog }: CatalogCall): boolean =>
  isAllowed(principal, 'catalog.read', { tenantId: catalog.tenantId, catalog })

/**
 * Lines never change, so what is found is good for each attempt.
 * @throws IcebergError 404, also for what a caller may not undo who does not read the log; 403 for one who does
 */
export async function findLine(context: CatalogContext, call: CatalogCall, id: string): Promise<Line> {
  const { tenantId: tenant_id, id: catalog_id, branch, name } = call.catalog
  const unknown = (): IcebergError =>
    new IcebergError(
      'NotFoundException',
      `The log of catalog ${name} has no change with the id ${id.slice(0, 100).toWellFormed()}`,
    )
  const row = isUuidV7(id) ? await context.store.get('commits', { tenant_id, catalog_id, branch, id }) : undefined
  if (row === undefined) throw unknown()
  const operations = row.operations as unknown as readonly Operation[]
  try {
    await assertMay(context, call, { id, operations })
  } catch (error) {
    if (error instanceof IcebergError && !readsLog(call)) throw unknown()
    throw error
  }
  return { id, operations }
}

/** A row that is kept of a drop was made with its line, but for what a slow database takes. */
const NEAR_MS = 60_000

/** What the operation dropped, with the row that keeps it. @throws IcebergError 409 when that is not kept any more */
export async function keptOf(
  context: CatalogContext,
  { catalog }: CatalogCall,
  { id: lineId }: Line,
  operation: Operation,
): Promise<{ readonly gone: Gone; readonly row: Row<'dropped'> }> {
  const where = { tenant_id: catalog.tenantId, catalog_id: catalog.id }
  const at = Number.parseInt(lineId.replace('-', '').slice(0, 12), 16)
  const after = { ...where, id: firstUuidV7(at + NEAR_MS) }
  const first = firstUuidV7(at - NEAR_MS)
  for await (const rows of pagesOf(context.store, 'dropped', {
    index: 'primary',
    where,
    after,
    descending: true,
    pageRows: 32,
  })) {
    const row = rows.find((one) => one.branch === catalog.branch && isOf(goneOf(one), operation))
    if (row !== undefined && row.kept_until > context.now()) return { gone: goneOf(row), row }
    if (row !== undefined || rows.at(-1)!.id < first) break
  }
  const isPurge = operation['purge-requested'] === true
  throw conflict(
    isPurge ? 'it was a drop with purge, and nothing is kept of it any more' : 'what it dropped is not kept any more',
  )
}

/** By its id; in lines without one by its name, and that of a table or view by its metadata file, too. */
function isOf(gone: Gone, operation: Operation): boolean {
  if (operation.id != null) return gone.row.id === operation.id
  const { namespace, name } = placeOf(gone)
  if (gone.kind === 'namespace') return isSameNamespace([...namespace, name], operation.namespace ?? [])
  const { identifier, 'previous-metadata-location': file } = operation
  const isNamed = identifier?.name === name && isSameNamespace(identifier.namespace, namespace)
  return isNamed && gone.row.metadata_location === file
}

/** A part of the batch that undoes a change. */
export interface Inverse extends Pick<Attempt<unknown>, 'message' | 'operations' | 'steps'> {
  readonly claim?: Claim | undefined
  /** What the batch writes and logs of a commit that is undone. */
  readonly staged?: Staged
  /** Of its metadata, what changes. */
  readonly fields?: readonly string[]
}

export type EntryWhat = What & { readonly kind: EntryKind }
