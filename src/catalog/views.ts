/** Views: the same pointers as tables have, under the same names, to metadata of their own kind. */
import { checkName } from '../iceberg/identifier.ts'
import { newViewMetadata } from '../iceberg/create-view.ts'
import { stringify } from '../iceberg/json.ts'
import { commitView, type ViewCommit } from '../iceberg/view-commit.ts'
import { parseForeignViewMetadata, serializeViewMetadata } from '../iceberg/view-metadata.ts'
import { placeCheck } from './places/areas.ts'
import { assertMayTouch, resolveEntry } from './authorize.ts'
import type { CatalogCall, CatalogContext, MetadataAnswer, Namespace, PageRequest, TableIdentifier } from './call.ts'
import { claimed, commitEntry, stage, stageMade, type Plan, type Staged } from './commits/commit.ts'
import { answerWithEntry, readDocument, readView } from './documents/documents.ts'
import { parseViewCommit, viewToCreate } from './commits/format-work.ts'
import { createLarge, creationOf, planLarge, type Creation } from './commits/large-commit.ts'
import { orGone } from './past.ts'
import { takePlaces } from './places/places.ts'
import { registerEntry } from './register.ts'
import type { CommitViewRequest, CreateViewRequest, ListTablesResponse, RegisterViewRequest } from './shapes.ts'
import type { Soon } from './soon.ts'
import { createEntry, listEntries, placeNew } from './tables.ts'

export { dropView } from './drop.ts'
export { renameView } from './rename.ts'

export const listViews = (
  context: CatalogContext,
  call: CatalogCall,
  namespace: Namespace,
  page: PageRequest,
): Soon<ListTablesResponse> => listEntries(context, call, namespace, 'view', page)

export async function createView(
  context: CatalogContext,
  call: CatalogCall,
  namespace: Namespace,
  /** As bytes, where it is large. */
  request: CreateViewRequest | Uint8Array,
): Promise<MetadataAnswer> {
  const creation = await creationOf(context, call, 'view', request)
  const identifier = { namespace, name: creation.name }
  await assertMayTouch(context, call, 'view.create', identifier)
  checkName(creation.name, 'View name')
  return createEntry(context, call, identifier, 'view', creation.location, () => planView(context, call, identifier, creation))
}

async function planView(
  context: CatalogContext,
  call: CatalogCall,
  identifier: TableIdentifier,
  { request, location: requested, json }: Creation<CreateViewRequest>,
): Promise<Staged> {
  const { catalog } = call
  const uuid = context.uuid()
  const { location, claim } = await placeNew(context, call, { identifier, kind: 'view', requested, uuid })
  const places = placeCheck(context, call, { identifier, locations: requested === undefined ? [location] : [] })
  const entry = { identifier, kind: 'view', row: undefined } as const
  if (request === undefined) {
    const { metadata, made } = await createLarge(context, call, 'view', json, { places, uuid, location })
    const beside = await takePlaces(context, catalog, metadata, { ground: claim.ground })
    return { ...stageMade(context, catalog, entry, metadata, made, 0), claim, beside }
  }
  const given = { uuid, location, now: context.now(), checkLocation: places.check }
  const metadata = newViewMetadata(viewToCreate(request, given))
  await places.settled()
  const beside = await takePlaces(context, catalog, metadata, { ground: claim.ground })
  return { ...stage(context, catalog, entry, metadata, serializeViewMetadata), claim, beside }
}

export async function loadView(
  context: CatalogContext,
  call: CatalogCall,
  identifier: TableIdentifier,
  options: { readonly ifNoneMatch?: string | undefined } = {},
): Promise<MetadataAnswer> {
  const row = await resolveEntry(context, call, identifier, 'view')
  const { ifNoneMatch } = options
  return orGone(context, call.catalog, identifier, row, () => answerWithEntry(context, call.catalog, row, { ifNoneMatch }))
}

/** Resolves when it exists, and in the past can still be read; throws 404 when not. */
export async function viewExists(context: CatalogContext, call: CatalogCall, identifier: TableIdentifier): Promise<void> {
  const row = await resolveEntry(context, call, identifier, 'view')
  await orGone(context, call.catalog, identifier, row, () => row)
}

/** A commit to a view. */
export async function replaceView(
  context: CatalogContext,
  call: CatalogCall,
  identifier: TableIdentifier,
  /** As bytes, where it is large. */
  request: CommitViewRequest | Uint8Array,
): Promise<MetadataAnswer> {
  await assertMayTouch(context, call, 'view.commit', identifier)
  const commit = request instanceof Uint8Array ? undefined : parseViewCommit(request)
  const json = (): Uint8Array => (request instanceof Uint8Array ? request : Buffer.from(stringify(request)))
  return commitEntry(context, call, identifier, 'view', () => planCommit(context, call, identifier, { commit, json }))
}

/** Metadata of a view that is larger, in bytes, is worked on by a thread: each version is compared with each new one. */
const INLINE_VIEW = 256 * 1024

async function planCommit(
  context: CatalogContext,
  call: CatalogCall,
  identifier: TableIdentifier,
  { commit, json }: { readonly commit: ViewCommit | undefined; readonly json: () => Uint8Array },
): Promise<Plan> {
  const { catalog } = call
  const row = await resolveEntry(context, call, identifier, 'view', 'view.commit')
  const document = await readDocument(context, catalog, row)
  if (commit === undefined || document.json.length > INLINE_VIEW) {
    const target = { identifier, row, uuid: '', own: [row.location], fallback: undefined }
    const { base, made } = await planLarge(context, call, 'view', { json }, target)
    if (made === undefined) return { unchanged: row }
    const { metadata, staged } = made
    const beside = await takePlaces(context, catalog, metadata, { base, id: row.id })
    return claimed(context, catalog, { ...staged, beside }, { uuid: metadata['view-uuid'] })
  }
  const base = await readView(context, catalog, row)
  const places = placeCheck(context, call, { identifier, locations: [row.location], properties: base.properties })
  const { metadata, changed } = commitView(base, commit, { now: context.now(), checkLocation: places.check })
  await places.settled()
  if (!changed) return { unchanged: row }
  const beside = await takePlaces(context, catalog, metadata, { base, id: row.id })
  const staged = stage(context, catalog, { identifier, kind: 'view', row }, metadata, serializeViewMetadata)
  return claimed(context, catalog, { ...staged, beside }, { uuid: metadata['view-uuid'] })
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
