/** New names for tables and views, also in other namespaces. Metadata and files stay what and where they are. */
import { change, type Attempt, type Unchanged } from '../changes/change.ts'
import { checkName } from '../iceberg/identifier.ts'
import { IcebergError, displayIdentifier } from '../iceberg/errors.ts'
import { assertMayTouch, guardCreation, resolveEntry } from './authorize.ts'
import type { CatalogCall, CatalogContext, CatalogHandle, TableIdentifier } from './call.ts'
import { assertNamespace, entryKey, laneOf, requireNamespace, titleOf, withoutVersion } from './entries.ts'
import type { Entry, EntryKind } from './entries.ts'
import { entryOperation } from './logged.ts'
import type { RenameTableRequest } from './shapes.ts'

interface Renaming {
  readonly kind: EntryKind
  readonly source: TableIdentifier
  readonly destination: TableIdentifier
}

/** The new name of an entry that was found under another one. @throws IcebergError 404, 409 when it can't have that name */
export async function renaming(
  context: CatalogContext,
  catalog: CatalogHandle,
  row: Entry,
  { kind, source, destination }: Renaming,
): Promise<Pick<Attempt<unknown>, 'message' | 'operations' | 'steps'>> {
  const [from, to] = [entryKey(catalog, source), entryKey(catalog, destination)]
  await assertNamespace(context, catalog, destination.namespace)
  const taken = await context.store.get('entries', to)
  if (taken !== undefined) {
    const names = `${displayIdentifier(source)} to ${displayIdentifier(destination)}`
    throw new IcebergError('AlreadyExistsException', `Cannot rename ${names}. ${titleOf(taken.kind)} already exists`)
  }
  return {
    message: `Rename ${kind} ${displayIdentifier(source)} to ${displayIdentifier(destination)}`,
    operations: [entryOperation(`rename-${kind}`, { identifier: source, destination, before: row, after: row })],
    steps: [
      requireNamespace(catalog, destination.namespace),
      { op: 'remove', entity: 'entries', key: from, expected: row.version },
      { op: 'insert', entity: 'entries', row: { ...withoutVersion(row), ...to, updated_at: context.now() } },
    ],
  }
}

async function attempt(
  context: CatalogContext,
  call: CatalogCall,
  kind: EntryKind,
  { source, destination }: RenameTableRequest,
): Promise<Attempt<void> | Unchanged<void>> {
  const { catalog } = call
  const row = await resolveEntry(context, call, source, kind, `${kind}.rename`)
  const decided = { status: 204, outcome: null, answer: () => undefined }
  // As the reference has it: a new name that is the old one is no change.
  if (laneOf(catalog, source) === laneOf(catalog, destination)) return decided
  const guard = await guardCreation(context, call, `${kind}.create`, destination)
  const renamed = await renaming(context, catalog, row, { kind, source, destination })
  return { ...decided, ...renamed, steps: [...renamed.steps, ...guard] }
}

async function renameEntry(
  context: CatalogContext,
  call: CatalogCall,
  kind: EntryKind,
  request: RenameTableRequest,
): Promise<void> {
  const { source, destination } = request
  // What gets a name is as good as created there: no right to the old name gives one to the new.
  await assertMayTouch(context, call, `${kind}.rename`, source)
  await assertMayTouch(context, call, `${kind}.create`, destination)
  checkName(destination.name, kind === 'table' ? 'Table name' : 'View name')
  return change(context, call, {
    what: displayIdentifier(source),
    log: call.catalog,
    lanes: [source, destination].map((identifier) => laneOf(call.catalog, identifier)),
    attempt: () => attempt(context, call, kind, request),
    replay: () => undefined,
  })
}

export const renameTable = (context: CatalogContext, call: CatalogCall, request: RenameTableRequest): Promise<void> =>
  renameEntry(context, call, 'table', request)

export const renameView = (context: CatalogContext, call: CatalogCall, request: RenameTableRequest): Promise<void> =>
  renameEntry(context, call, 'view', request)
