/** New names for tables and views, also in other namespaces. Metadata and files stay what and where they are. */
import { checkName } from '../iceberg/identifier.ts'
import { IcebergError, displayIdentifier } from '../iceberg/errors.ts'
import { assertMayTouch } from './authorize.ts'
import type { CatalogCall, CatalogContext } from './call.ts'
import { untilDecided, writeChange } from './change.ts'
import { assertNamespace, entryKey, entryLane, getEntry, laneOf, requireNamespace, titleOf, withoutVersion } from './entries.ts'
import type { EntryKind } from './entries.ts'
import { idempotent } from './idempotency.ts'
import type { OutcomeRecord } from './idempotency.ts'
import type { RenameTableRequest } from './shapes.ts'

async function attempt(
  context: CatalogContext,
  call: CatalogCall,
  kind: EntryKind,
  { source, destination }: RenameTableRequest,
  record: OutcomeRecord,
): Promise<true | undefined> {
  const { catalog } = call
  const [from, to] = [entryKey(catalog, source), entryKey(catalog, destination)]
  const row = await getEntry(context, catalog, source, kind)
  // As the reference has it: a new name that is the old one is no change.
  if (entryLane(from) === entryLane(to)) return true
  await assertNamespace(context, catalog, destination.namespace)
  const taken = await context.store.get('entries', to)
  if (taken !== undefined) {
    const names = `${displayIdentifier(source)} to ${displayIdentifier(destination)}`
    throw new IcebergError('AlreadyExistsException', `Cannot rename ${names}. ${titleOf(taken.kind)} already exists`)
  }
  const outcome = await writeChange(context, call, record, {
    message: `Rename ${kind} ${displayIdentifier(source)} to ${displayIdentifier(destination)}`,
    operations: [
      {
        operation: `rename-${kind}`,
        identifier: { namespace: source.namespace, name: source.name },
        destination: { namespace: destination.namespace, name: destination.name },
        'metadata-location': row.metadata_location,
        'previous-metadata-location': row.metadata_location,
      },
    ],
    steps: [
      requireNamespace(catalog, destination.namespace),
      { op: 'remove', entity: 'entries', key: from, expected: row.version },
      { op: 'insert', entity: 'entries', row: { ...withoutVersion(row), ...to, updated_at: context.now() } },
    ],
    status: 204,
    outcome: null,
  })
  return outcome === 'done' ? true : undefined
}

async function renameEntry(
  context: CatalogContext,
  call: CatalogCall,
  kind: EntryKind,
  request: RenameTableRequest,
): Promise<void> {
  const { source, destination } = request
  // What gets a name is as good as created there: no right to the old name gives one to the new.
  assertMayTouch(call, `${kind}.rename`, source)
  assertMayTouch(call, `${kind}.create`, destination)
  checkName(destination.name, kind === 'table' ? 'Table name' : 'View name')
  const lanes = [source, destination].map((identifier) => laneOf(call.catalog, identifier))
  await idempotent(context, call, {
    run: async (record) => {
      await context.queue.run(lanes, () =>
        untilDecided(context, displayIdentifier(source), () => attempt(context, call, kind, request, record)),
      )
      return { answer: undefined, status: 204, outcome: null }
    },
    replay: async () => undefined,
  })
}

export const renameTable = (context: CatalogContext, call: CatalogCall, request: RenameTableRequest): Promise<void> =>
  renameEntry(context, call, 'table', request)

export const renameView = (context: CatalogContext, call: CatalogCall, request: RenameTableRequest): Promise<void> =>
  renameEntry(context, call, 'view', request)
