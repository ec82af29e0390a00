/**
 * Dropping tables and views. The entry goes at once; files go only when a purge was asked for, later and in the background,
 * by a task that is stored in the very batch that removes the entry, and that has the place until it has ended. Clients look
 * at once whether the files are gone, so the answer waits a little for that.
 */
import { displayIdentifier } from '../iceberg/errors.ts'
import type { Mutation } from '../stores/store.ts'
import { assertMayTouch } from './authorize.ts'
import { storeTask } from './background.ts'
import type { CatalogCall, CatalogContext, TableIdentifier } from './call.ts'
import { untilDecided, writeChange } from './change.ts'
import { entryKey, entryLane, getEntry } from './entries.ts'
import type { Entry, EntryKind } from './entries.ts'
import { idempotent } from './idempotency.ts'
import { freedPlaces } from './places.ts'

/** How long a drop waits for its purge: a small table takes milliseconds, and a large one is purged after the answer. */
const PATIENCE_MS = 1000

const purgePayload = (identifier: TableIdentifier, row: Entry) => ({
  entry_id: row.id,
  table: displayIdentifier(identifier),
  location: row.location,
  metadata_location: row.metadata_location,
})

async function dropEntry(
  context: CatalogContext,
  call: CatalogCall,
  identifier: TableIdentifier,
  kind: EntryKind,
  purge: boolean,
): Promise<void> {
  assertMayTouch(call, `${kind}.drop`, identifier)
  const key = entryKey(call.catalog, identifier)
  let purging: string | undefined
  await idempotent(context, call, {
    run: (record) =>
      context.queue.run([entryLane(key)], () =>
        untilDecided(context, displayIdentifier(identifier), async () => {
          const row = await getEntry(context, call.catalog, identifier, kind)
          const freed = await freedPlaces(context, call.catalog, row.id)
          const steps: Mutation[] = [{ op: 'remove', entity: 'entries', key, expected: row.version }, ...freed]
          const id = context.uuidV7()
          if (purge) steps.push(storeTask(context, call, 'purge-table', purgePayload(identifier, row), { id }))
          const outcome = await writeChange(context, call, record, {
            message: `${purge ? 'Purge' : 'Drop'} ${kind} ${displayIdentifier(identifier)}`,
            operations: [
              {
                operation: `drop-${kind}`,
                identifier: { namespace: identifier.namespace, name: identifier.name },
                'metadata-location': null,
                'previous-metadata-location': row.metadata_location,
                'purge-requested': purge,
              },
            ],
            steps,
            status: 204,
            outcome: null,
          })
          if (outcome === 'conflict') return undefined
          if (purge) purging = id
          return { answer: undefined, status: 204, outcome: null }
        }),
      ),
    replay: async () => undefined,
  })
  // Decided and stored: whatever becomes of the files, and however long it takes, the answer is a success.
  if (purging !== undefined) await context.taskEnded(purging, PATIENCE_MS)
}

export const dropTable = (
  context: CatalogContext,
  call: CatalogCall,
  identifier: TableIdentifier,
  options: { readonly purgeRequested?: boolean } = {},
): Promise<void> => dropEntry(context, call, identifier, 'table', options.purgeRequested === true)

export const dropView = (context: CatalogContext, call: CatalogCall, identifier: TableIdentifier): Promise<void> =>
  dropEntry(context, call, identifier, 'view', false)
