/**
 * A catalog that was dropped. Only its own row and that of its branch go at once, so it is gone for every client, and all that is in
 * it stays where it is: unreachable, in possession of its places, and there when the catalog comes back. What is kept for that is
 * the task which removes the rest when that time is over. Of bringing back and removing, the one comes to pass that has the task.
 */
import { change } from '../changes/change.ts'
import type { ChangeCall, ChangeContext, LogScope } from '../changes/context.ts'
import { tenantLog } from '../changes/context.ts'
import type { Operation } from '../changes/write.ts'
import { namespaceOfKey } from '../iceberg/identifier.ts'
import type { Json, Key, NewRow, Row } from '../stores/entities.ts'
import type { Mutation, Store } from '../stores/store.ts'
import { identifierOf } from './entries.ts'
import { entryGone, namespaceOperation } from './logged.ts'
import { freedPlaces } from './places/places.ts'

export const REMOVE_CATALOG = 'remove-catalog'

/** The payload of the task. Rows are without their versions. */
export interface DroppedCatalog {
  readonly catalog: NewRow<'catalogs'>
  readonly branch: NewRow<'branches'>
  /** Those that went with the catalog. */
  readonly namespaces: readonly NewRow<'namespaces'>[]
  readonly dropped_at: number
  readonly dropped_by: string
  readonly principal_id: string
  readonly kept_until: number
}

/** `held`: the place that no other catalog takes until the removal has ended. */
export function removalStep({ uuidV7 }: Pick<ChangeContext, 'uuidV7'>, dropped: DroppedCatalog, held: string | null): Mutation {
  const row = {
    id: uuidV7(),
    tenant_id: dropped.catalog.tenant_id,
    kind: REMOVE_CATALOG,
    payload: dropped as unknown as Json,
    due_at: dropped.kept_until,
    owner: null,
    attempts: 0,
    last_error: null,
    created_at: dropped.dropped_at,
    location: held,
  }
  return { op: 'insert', entity: 'tasks', row }
}

export const droppedIn = ({ payload }: Pick<Row<'tasks'>, 'payload'>): DroppedCatalog => payload as unknown as DroppedCatalog

/** No process has had the task yet: taking it, or giving up the way back, changes when it is due. */
export const isUntouched = (task: Row<'tasks'>): boolean =>
  task.owner === null && task.attempts === 0 && task.due_at === droppedIn(task).kept_until

/** Of a batch. */
const ROWS = 50

interface Part {
  readonly operations: readonly Operation[]
  readonly steps: readonly Mutation[]
}

/** Tables and views go before namespaces, and these before those around them. */
async function nextPart(store: Store, where: Pick<Row<'entries'>, 'tenant_id' | 'catalog_id'>): Promise<Part | undefined> {
  const entries = await store.list('entries', { index: 'primary', where, limit: ROWS })
  if (entries.length > 0) return entriesPart(store, entries)
  const namespaces = await store.list('namespaces', { index: 'primary', where, descending: true, limit: ROWS })
  return namespaces.length > 0 ? namespacesPart(store, namespaces) : undefined
}

async function entriesPart(store: Store, entries: readonly Row<'entries'>[]): Promise<Part> {
  const places = await Promise.all(entries.map(({ tenant_id, id }) => freedPlaces({ store }, { tenantId: tenant_id }, id)))
  return {
    operations: entries.map((row) => entryGone(identifierOf(row), row)),
    steps: [
      ...entries.map((row): Mutation => ({ op: 'remove', entity: 'entries', key: entryKeyOf(row), expected: row.version })),
      ...places.flat(),
      ...(await unguarded(store, entries)),
    ],
  }
}

const entryKeyOf = ({ tenant_id, catalog_id, branch, namespace, name }: Row<'entries'>): Key<'entries'> => ({
  tenant_id,
  catalog_id,
  branch,
  namespace,
  name,
})

async function namespacesPart(store: Store, namespaces: readonly Row<'namespaces'>[]): Promise<Part> {
  return {
    operations: namespaces.map((row) =>
      namespaceOperation('drop-namespace', [...namespaceOfKey(row.parent), row.name], row, {
        before: row.properties,
        after: null,
      }),
    ),
    steps: [
      ...namespaces.map(({ tenant_id, catalog_id, branch, parent, name, version }): Mutation => {
        return { op: 'remove', entity: 'namespaces', key: { tenant_id, catalog_id, branch, parent, name }, expected: version }
      }),
      ...(await unguarded(store, namespaces)),
    ],
  }
}

/** Their protections end with them: what was protected was dropped with force. */
async function unguarded(store: Store, rows: readonly Pick<Row<'entries'>, 'tenant_id' | 'id'>[]): Promise<Mutation[]> {
  const keys = rows.map(({ tenant_id, id }) => ({ tenant_id, object_id: id }))
  const found = await store.getMany('protections', keys)
  return found.flatMap((row, at) =>
    row === undefined ? [] : [{ op: 'remove', entity: 'protections', key: keys[at]!, expected: row.version }],
  )
}

/** Removes some of what is left. @returns whether there was anything. */
function removeSome(context: ChangeContext, call: ChangeCall, log: LogScope, name: string): Promise<boolean> {
  return change<boolean>(context, call, {
    what: `what was in catalog ${name}`,
    log,
    attempt: async () => {
      const part = await nextPart(context.store, { tenant_id: log.tenantId, catalog_id: log.id })
      const decided = { status: 204, outcome: null, answer: () => part !== undefined }
      if (part === undefined) return decided
      return { ...decided, ...part, message: `Remove ${part.operations.length} of what was in the dropped catalog ${name}` }
    },
    replay: () => true,
  })
}

/**
 * Removes the rows of all that was in a dropped catalog, and then the task itself. No file is touched. It may be cut off and begun
 * again at any point.
 * @throws what `signal` is aborted with
 */
export async function removeCatalog(context: ChangeContext, task: Row<'tasks'>, signal: AbortSignal): Promise<void> {
  const { catalog, branch, dropped_by: name, principal_id: id } = droppedIn(task)
  const { tenant_id: tenantId } = catalog
  const call: ChangeCall = { principal: { id, name, tenantId, role: 'tenant-admin' } }
  const log = { tenantId, id: catalog.id, branch: branch.name }
  do signal.throwIfAborted()
  while (await removeSome(context, call, log, catalog.name))
  await change<void>(context, call, {
    what: `catalog ${catalog.name}`,
    log: tenantLog(tenantId),
    attempt: async () => {
      const decided = { status: 204, outcome: null, answer: () => undefined }
      if ((await context.store.get('tasks', { id: task.id })) === undefined) return decided
      return {
        ...decided,
        message: `Remove the dropped catalog ${catalog.name} for good`,
        operations: [{ operation: REMOVE_CATALOG, name: catalog.name, id: catalog.id }],
        // At any version: the lease may have been renewed meanwhile.
        steps: [{ op: 'remove', entity: 'tasks', key: { id: task.id }, expected: 'any' }],
      }
    },
    replay: () => undefined,
  })
}
