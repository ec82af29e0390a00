/** Catalogs that were dropped: what is kept of them, what is being removed, and how they come back. */
import Type from 'typebox'
import type { Principal } from '../access/principal.ts'
import { droppedIn, isUntouched, REMOVE_CATALOG } from '../catalog/catalog-removal.ts'
import { NEVER } from '../catalog/background.ts'
import { decode } from '../catalog/shapes.ts'
import { change } from '../changes/change.ts'
import { tenantLog, type ChangeCall } from '../changes/context.ts'
import { alreadyExists, conflict, IcebergError } from '../iceberg/errors.ts'
import type { NewRow, Row } from '../stores/entities.ts'
import type { Mutation } from '../stores/store.ts'
import { placeOf, type Place } from './catalog-place.ts'
import { catalogOf, outcomeOf, shown, type Catalog } from './catalogs.ts'
import type { ManagementContext } from './context.ts'
import { checkFields, checkName, MAX_LISTED, type Paging } from './input.ts'
import { countsOf, type Counts } from './summary.ts'

const UndropRequest = Type.Object({ name: Type.Optional(Type.Union([Type.String(), Type.Null()])) })

/** Times are milliseconds since 1970. */
export interface ShownDroppedCatalog {
  /** Of the drop. */
  readonly id: string
  readonly name: string
  readonly catalog_id: string
  readonly warehouse_name: string | null
  readonly storage_location: string | null
  readonly dropped_at: number
  readonly dropped_by: string
  readonly kept_until: number
  /** `kept`: it can come back. `failed`: an operator must have it tried again. */
  readonly state: 'kept' | 'removing' | 'failed'
  readonly last_error: string | null
}

type Task = Row<'tasks'>

const isKept = (task: Task, now: number): boolean => isUntouched(task) && droppedIn(task).kept_until > now

function shownDropped(task: Task, now: number): ShownDroppedCatalog {
  const { catalog, dropped_at, dropped_by, kept_until } = droppedIn(task)
  const { id: catalog_id, name, warehouse_name, storage_location } = catalog
  const state = isKept(task, now) ? 'kept' : task.due_at === NEVER ? 'failed' : 'removing'
  const known = { id: task.id, name, catalog_id, warehouse_name, storage_location }
  return { ...known, dropped_at, dropped_by, kept_until, state, last_error: task.last_error }
}

/** Newest first. */
export async function listDroppedCatalogs(
  { catalog: { store, now } }: ManagementContext,
  { tenantId: tenant_id }: Principal,
  { offset, limit }: Paging,
): Promise<ShownDroppedCatalog[]> {
  const where = { tenant_id, kind: REMOVE_CATALOG }
  const tasks = await store.list('tasks', { index: 'by_location', where, limit: MAX_LISTED })
  const newestFirst = tasks.toSorted((one, other) => (one.id < other.id ? 1 : -1))
  return newestFirst.slice(offset, offset + limit).map((task) => shownDropped(task, now()))
}

const noSuchDropped = (id: string): IcebergError =>
  new IcebergError('NotFoundException', `No dropped catalog has the id ${id.slice(0, 100).toWellFormed()}`)

/** @throws IcebergError 404 also for another tenant's */
async function taskOf({ catalog: { store } }: ManagementContext, { tenantId }: Principal, id: string): Promise<Task> {
  const task = await store.get('tasks', { id })
  if (task?.kind !== REMOVE_CATALOG || task.tenant_id !== tenantId) throw noSuchDropped(id)
  return task
}

/** With what is left of it. */
export async function loadDroppedCatalog(
  context: ManagementContext,
  principal: Principal,
  id: string,
): Promise<ShownDroppedCatalog & { readonly left: Counts }> {
  const task = await taskOf(context, principal, id)
  const { tenant_id, id: catalog_id } = droppedIn(task).catalog
  return { ...shownDropped(task, context.catalog.now()), left: await countsOf(context, { tenant_id, catalog_id }) }
}

/**
 * Brings a catalog back with all that was in it, under its name or another one.
 * @throws IcebergError 404, 409 that says what is in the way
 */
export async function undropCatalog(context: ManagementContext, call: ChangeCall, id: string, json: unknown): Promise<Catalog> {
  checkFields(json, ['name'])
  const { name: wanted } = decode(UndropRequest, json)
  if (wanted != null) checkName('Catalog', wanted)
  const { principal } = call
  const { store, now } = context.catalog
  return change<Catalog>(context.catalog, call, {
    what: `the dropped catalog ${id}`,
    log: tenantLog(principal.tenantId),
    attempt: async () => {
      const task = await taskOf(context, principal, id)
      const { catalog, branch, namespaces } = droppedIn(task)
      if (!isKept(task, now())) throw conflict(`Catalog ${catalog.name} can't come back: its removal has begun`)
      const { tenant_id } = catalog
      const name = wanted ?? catalog.name
      if ((await store.get('catalogs', { tenant_id, name })) !== undefined) throw alreadyExists('Catalog', name)
      const place = await placeFor(context, principal, task, name)
      const row = { ...catalog, name, storage_location: place.location, updated_at: now() }
      return {
        message: `Undrop catalog ${name}`,
        operations: [{ operation: 'undrop-catalog', before: null, after: outcomeOf(shown(row)) }],
        steps: [
          ...place.steps,
          { op: 'remove', entity: 'tasks', key: { id }, expected: task.version },
          ...backSteps(row, branch, namespaces),
        ],
        status: 200,
        outcome: outcomeOf(shown(row)),
        answer: () => {
          context.handles.forget(principal.tenantId)
          return shown(row)
        },
      }
    },
    replay: catalogOf,
  })
}

const backSteps = (
  catalog: NewRow<'catalogs'>,
  branch: NewRow<'branches'>,
  namespaces: readonly NewRow<'namespaces'>[],
): Mutation[] => [
  { op: 'insert', entity: 'catalogs', row: catalog },
  { op: 'insert', entity: 'branches', row: branch },
  ...namespaces.map((row): Mutation => ({ op: 'insert', entity: 'namespaces', row })),
]

/** Where it lay. @throws IcebergError 409 where it can't lie there any more */
async function placeFor(context: ManagementContext, principal: Principal, task: Task, name: string): Promise<Place> {
  const { id, name: before, warehouse_name: warehouse, storage_location: location } = droppedIn(task).catalog
  try {
    return await placeOf(context, principal, { id, name, warehouse: warehouse ?? '', location, dropId: task.id })
  } catch (error) {
    if (!(error instanceof IcebergError) || (error.code !== 400 && error.code !== 409)) throw error
    throw conflict(`Catalog ${before} can't come back: ${error.message}`, { cause: error })
  }
}

/** Gives up the way back: what is left of the catalog is removed now, and its place is free then. */
export async function forgetDroppedCatalog(context: ManagementContext, call: ChangeCall, id: string): Promise<void> {
  const { principal } = call
  return change<void>(context.catalog, call, {
    what: `the dropped catalog ${id}`,
    log: tenantLog(principal.tenantId),
    attempt: async () => {
      const { version, ...task } = await taskOf(context, principal, id)
      const decided = { status: 204, outcome: null, answer: () => context.catalog.taskStored() }
      const now = context.catalog.now()
      if (!isKept({ ...task, version }, now)) return decided
      const { name, id: catalogId } = droppedIn(task).catalog
      return {
        ...decided,
        message: `Forget the dropped catalog ${name}`,
        operations: [{ operation: 'forget-catalog', name, id: catalogId }],
        steps: [{ op: 'replace', entity: 'tasks', row: { ...task, due_at: now }, expected: version }],
      }
    },
    replay: () => undefined,
  })
}
