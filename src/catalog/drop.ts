/**
 * Dropping tables and views. The entry goes at once, and can come back for a while (`undrop.ts`). Files go only when a purge was
 * asked for, later and in the background, by a task that is stored in the very batch that removes the entry, and that has the
 * place until it has ended. Clients look at once whether the files are gone, so the answer waits a little for that, unless the
 * warehouse keeps them for a while.
 */
import { change, type Attempt } from '../changes/change.ts'
import { displayIdentifier } from '../iceberg/errors.ts'
import type { NewRow } from '../stores/entities.ts'
import type { Mutation } from '../stores/store.ts'
import { resolveEntry } from './authorize.ts'
import { storeTask } from './background.ts'
import type { CatalogCall, CatalogContext, TableIdentifier } from './call.ts'
import { giveUp, keep } from './dropped.ts'
import { entryKey, laneOf, withoutVersion } from './entries.ts'
import type { Entry, EntryKind } from './entries.ts'
import { entryOperation } from './logged.ts'
import { freedPlaces } from './places/places.ts'
import { entryThing, unprotected } from './protection.ts'

/** How long a drop waits for its purge: a small table takes milliseconds, and a large one is purged after the answer. */
const PATIENCE_MS = 1000

export interface DropOptions {
  readonly purgeRequested?: boolean
  /** Also what is protected. */
  readonly force?: boolean
}

const purgePayload = (identifier: TableIdentifier, row: NewRow<'entries'>) => ({
  entry_id: row.id,
  table: displayIdentifier(identifier),
  location: row.location,
  metadata_location: row.metadata_location,
  uuid: row.uuid,
})

/** The task, and what is kept of the entry until it is due. */
async function purgeSteps(
  context: CatalogContext,
  call: CatalogCall,
  identifier: TableIdentifier,
  gone: { readonly kind: EntryKind; readonly row: NewRow<'entries'> },
  id: string,
): Promise<Mutation[]> {
  const { row } = gone
  const [from, ms] = [context.now(), call.catalog.purgeDelayMs]
  return [
    storeTask(context, call, 'purge-table', purgePayload(identifier, row), { id, dueAt: from + ms }),
    ...(await giveUp(context, row)),
    ...keep(context, call, gone, { id, from, ms }),
  ]
}

/** The drop of an entry that was found. `id` is that of the purge. @throws IcebergError 409 for what is protected */
export async function dropping(
  context: CatalogContext,
  call: CatalogCall,
  identifier: TableIdentifier,
  row: Entry,
  { id, force = false }: { readonly id?: string | undefined; readonly force?: boolean } = {},
): Promise<Pick<Attempt<unknown>, 'message' | 'operations' | 'steps'>> {
  const kind = row.kind as EntryKind
  const purge = id !== undefined
  const key = entryKey(call.catalog, identifier)
  const guard = await unprotected(context, call.principal, entryThing(identifier, row), force)
  const freed = await freedPlaces(context, call.catalog, row.id)
  const gone = { kind, row: withoutVersion(row) }
  const rest = purge ? await purgeSteps(context, call, identifier, gone, id) : keep(context, call, gone)
  return {
    message: `${purge ? 'Purge' : 'Drop'} ${kind} ${displayIdentifier(identifier)}`,
    operations: [entryOperation(`drop-${kind}`, { identifier, before: row, after: undefined }, { 'purge-requested': purge })],
    steps: [{ op: 'remove', entity: 'entries', key, expected: row.version }, guard, ...freed, ...rest],
  }
}

async function dropEntry(
  context: CatalogContext,
  call: CatalogCall,
  identifier: TableIdentifier,
  kind: EntryKind,
  { purgeRequested: purge = false, force = false }: DropOptions,
): Promise<void> {
  const { purgeDelayMs: delayMs } = call.catalog
  const purging = await change(context, call, {
    what: displayIdentifier(identifier),
    log: call.catalog,
    lanes: [laneOf(call.catalog, identifier)],
    attempt: async () => {
      const row = await resolveEntry(context, call, identifier, kind, `${kind}.drop`)
      const id = purge ? context.uuidV7() : undefined
      return {
        ...(await dropping(context, call, identifier, row, { id, force })),
        status: 204,
        outcome: null,
        answer: () => (delayMs === 0 ? id : undefined),
      }
    },
    replay: () => undefined,
  })
  // Decided and stored: whatever becomes of the files, and however long it takes, the answer is a success.
  if (purging !== undefined) await context.taskEnded(purging, PATIENCE_MS)
}

export const dropTable = (
  context: CatalogContext,
  call: CatalogCall,
  identifier: TableIdentifier,
  options: DropOptions = {},
): Promise<void> => dropEntry(context, call, identifier, 'table', options)

export const dropView = (
  context: CatalogContext,
  call: CatalogCall,
  identifier: TableIdentifier,
  options: Pick<DropOptions, 'force'> = {},
): Promise<void> => dropEntry(context, call, identifier, 'view', options)
