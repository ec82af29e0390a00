/**
 * Dropping tables and views. The entry goes at once; files go only when a purge was asked for, later and in the background,
 * by a task that is stored in the very batch that removes the entry.
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
  await idempotent(context, call, {
    run: (record) =>
      context.queue.run([entryLane(key)], () =>
        untilDecided(context, displayIdentifier(identifier), async () => {
          const row = await getEntry(context, call.catalog, identifier, kind)
          const freed = await freedPlaces(context, call.catalog, row.id)
          const steps: Mutation[] = [{ op: 'remove', entity: 'entries', key, expected: row.version }, ...freed]
          if (purge) steps.push(storeTask(context, call, 'purge-table', purgePayload(identifier, row)))
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
          return outcome === 'conflict' ? undefined : { answer: undefined, status: 204, outcome: null }
        }),
      ),
    replay: async () => undefined,
  })
}

export const dropTable = (
  context: CatalogContext,
  call: CatalogCall,
  identifier: TableIdentifier,
  options: { readonly purgeRequested?: boolean } = {},
): Promise<void> => dropEntry(context, call, identifier, 'table', options.purgeRequested === true)

export const dropView = (context: CatalogContext, call: CatalogCall, identifier: TableIdentifier): Promise<void> =>
  dropEntry(context, call, identifier, 'view', false)
