/** Views: the same pointers as tables have, under the same names, to metadata of their own kind. */
import { checkName } from '../iceberg/identifier.ts'
import { newViewMetadata } from '../iceberg/create-view.ts'
import type { JsonValue } from '../iceberg/json.ts'
import { parseViewRequirements } from '../iceberg/table-requirement.ts'
import { commitView } from '../iceberg/view-commit.ts'
import { parseForeignViewMetadata, serializeViewMetadata } from '../iceberg/view-metadata.ts'
import { parseViewUpdates } from '../iceberg/view-update.ts'
import { placeCheck } from './areas.ts'
import { assertMayTouch } from './authorize.ts'
import type { CatalogCall, CatalogContext, MetadataAnswer, Namespace, PageRequest, TableIdentifier } from './call.ts'
import { claimed, commitEntry, stage } from './commit.ts'
import { answerWithEntry, readView } from './documents.ts'
import { getEntry } from './entries.ts'
import { takePlaces } from './places.ts'
import { registerEntry } from './register.ts'
import type { CommitViewRequest, CreateViewRequest, ListTablesResponse, RegisterViewRequest } from './shapes.ts'
import { createEntry, listEntries, placeNew } from './tables.ts'

export { dropView } from './drop.ts'
export { renameView } from './rename.ts'

export const listViews = (
  context: CatalogContext,
  call: CatalogCall,
  namespace: Namespace,
  page: PageRequest,
): Promise<ListTablesResponse> => listEntries(context, call, namespace, 'view', page)

export async function createView(
  context: CatalogContext,
  call: CatalogCall,
  namespace: Namespace,
  request: CreateViewRequest,
): Promise<MetadataAnswer> {
  const { catalog } = call
  const identifier = { namespace, name: request.name }
  assertMayTouch(call, 'view.create', identifier)
  checkName(request.name, 'View name')
  const requested = request.location ?? undefined
  return createEntry(context, call, identifier, 'view', requested, async () => {
    const uuid = context.uuid()
    const { location, claim } = await placeNew(context, call, { identifier, kind: 'view', requested, uuid })
    const places = placeCheck(context, call, { identifier, locations: requested === undefined ? [location] : [] })
    const metadata = newViewMetadata({
      uuid,
      location,
      schema: request.schema,
      viewVersion: request['view-version'],
      properties: request.properties ?? {},
      now: context.now(),
      checkLocation: places.check,
    })
    await places.settled()
    const beside = await takePlaces(context, catalog, metadata, { ground: claim.ground })
    return { ...stage(context, catalog, { identifier, kind: 'view' }, metadata, serializeViewMetadata), claim, beside }
  })
}

export async function loadView(
  context: CatalogContext,
  call: CatalogCall,
  identifier: TableIdentifier,
  options: { readonly ifNoneMatch?: string | undefined } = {},
): Promise<MetadataAnswer> {
  assertMayTouch(call, 'view.read', identifier)
  const row = await getEntry(context, call.catalog, identifier, 'view')
  return answerWithEntry(context, call.catalog, row, { ifNoneMatch: options.ifNoneMatch })
}

/** Resolves when it exists, throws 404 when not. */
export async function viewExists(context: CatalogContext, call: CatalogCall, identifier: TableIdentifier): Promise<void> {
  assertMayTouch(call, 'view.read', identifier)
  await getEntry(context, call.catalog, identifier, 'view')
}

/** A commit to a view. */
export async function replaceView(
  context: CatalogContext,
  call: CatalogCall,
  identifier: TableIdentifier,
  request: CommitViewRequest,
): Promise<MetadataAnswer> {
  const { catalog } = call
  assertMayTouch(call, 'view.commit', identifier)
  const commit = {
    requirements: parseViewRequirements((request.requirements ?? []) as JsonValue),
    updates: parseViewUpdates((request.updates ?? []) as JsonValue),
  }
  return commitEntry(context, call, identifier, 'view', async () => {
    const row = await getEntry(context, catalog, identifier, 'view')
    const base = await readView(context, catalog, row)
    const places = placeCheck(context, call, { identifier, locations: [row.location], properties: base.properties })
    const { metadata, changed } = commitView(base, commit, { now: context.now(), checkLocation: places.check })
    await places.settled()
    if (!changed) return { unchanged: row }
    const beside = await takePlaces(context, catalog, metadata, { base, id: row.id })
    const staged = stage(context, catalog, { identifier, kind: 'view', row }, metadata, serializeViewMetadata)
    return claimed(context, catalog, { ...staged, beside }, { uuid: metadata['view-uuid'] })
  })
}

export async function registerView(
  context: CatalogContext,
  call: CatalogCall,
  namespace: Namespace,
  request: RegisterViewRequest,
): Promise<MetadataAnswer> {
  const identifier = { namespace, name: request.name }
  return registerEntry(
    context,
    call,
    identifier,
    'view',
    { file: request['metadata-location'], overwrite: false },
    parseForeignViewMetadata,
  )
}
