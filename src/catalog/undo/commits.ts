/** Commits that are taken back: what that makes of the metadata, and whether all that it names again is there and may be named. */
import { conflict, displayIdentifier, IcebergError } from '../../iceberg/errors.ts'
import { nextVersion } from '../../iceberg/metadata-file.ts'
import { toShared } from '../../threads.ts'
import type { CatalogCall, CatalogContext, TableIdentifier } from '../call.ts'
import { claimed, stageMade } from '../commits/commit.ts'
import { undo, type OutputOf } from '../commits/format-work.ts'
import { readDocument, uuidOf, type Pointer } from '../documents/documents.ts'
import { INLINE_FILE } from '../documents/large-documents.ts'
import { assertPresent } from '../documents/metadata-files.ts'
import type { Entry, EntryKind } from '../entries.ts'
import { placeCheck } from '../places/areas.ts'
import { assertFilesKept } from '../places/deletions.ts'
import { namedPlaces } from '../places/locations.ts'
import { takePlaces } from '../places/places.ts'
import { obsoleteFiles } from '../places/reachable.ts'
import { withoutId, type Inverse, type Operation } from './line.ts'

/** Of the entry as the change left it, which is as it is now. @throws IcebergError 409, 403 for places of a narrowed token */
export async function commitBack(
  context: CatalogContext,
  call: CatalogCall,
  identifier: TableIdentifier,
  row: Entry,
  { 'previous-metadata-location': file }: Operation,
  /** The current file was registered, perhaps that of another table. */
  { isForeign = false }: { readonly isForeign?: boolean } = {},
): Promise<Inverse> {
  if (file == null) throw withoutId()
  const { catalog } = call
  const kind = row.kind as EntryKind
  const current = await readDocument(context, catalog, row)
  // It may have lain elsewhere.
  const pointer = { ...row, metadata_location: file, location: undefined, ...(isForeign && { uuid: null }) }
  const before = await readGone(context, call, pointer)
  const undone = await workOut(context, call, { kind, row, current: current.json, before: before.json, file })
  const { base, metadata, made, fields, removedMetadataLocations, restoredFiles, restoredManifests } = undone
  const places = placeCheck(context, call, { identifier, locations: [row.location], properties: base.properties })
  places.check(metadata.location, `location of the ${kind}`)
  for (const [property, place] of namedPlaces(metadata.properties)) places.check(place, property)
  for (const file of restoredManifests) places.check(file, 'manifest-list of a snapshot')
  await places.settled()
  await assertFilesKept(context, catalog, restoredFiles)
  await assertAllPresent(call, restoredFiles)
  const beside = await takePlaces(context, catalog, metadata, { base, id: row.id })
  const staged = {
    ...stageMade(context, catalog, { identifier, kind, row }, metadata, made, current.json.length),
    obsolete: obsoleteFiles(metadata, removedMetadataLocations),
    beside,
  }
  return {
    message: `Commit to ${kind} ${displayIdentifier(identifier)}`,
    operations: [],
    steps: [],
    staged: await claimed(context, catalog, staged, { uuid: uuidOf(metadata) }),
    fields,
  }
}

/** A metadata file that no entry points to. @throws IcebergError 409 when it is gone */
export async function readGone(context: CatalogContext, { catalog }: CatalogCall, pointer: Pointer) {
  try {
    const document = await readDocument(context, catalog, pointer)
    // What is in memory says nothing of the file.
    await assertPresent(catalog, pointer.metadata_location)
    return document
  } catch (error) {
    if (!(error instanceof IcebergError) || error.code !== 404) throw error
    throw conflict(`the metadata file of before is gone: ${pointer.metadata_location}`, { cause: error })
  }
}

interface Documents {
  readonly kind: EntryKind
  readonly row: Entry
  readonly current: Uint8Array
  readonly before: Uint8Array
  readonly file: string
}

/** By a thread, where there is much of it. */
async function workOut(
  context: CatalogContext,
  { principal, catalog }: CatalogCall,
  { kind, row, current, before, file }: Documents,
): Promise<OutputOf<'undo'>> {
  const input = {
    kind,
    current,
    before,
    currentFile: row.metadata_location,
    beforeFile: file,
    now: context.now(),
    limits: context.limits,
    plan: { version: nextVersion(row.metadata_location), uuid: context.uuid(), config: catalog.clientConfig },
  }
  if (current.length + before.length <= INLINE_FILE) return undo(input)
  const shared = { ...input, current: await toShared(current), before: await toShared(before) }
  return context.threads.run('undo', shared, principal.id)
}

const MOST_FILES = 10_000
const AT_ONCE = 16

/** Snapshots and statistics that the commit removed come back with the files that they name, which may have been deleted. */
async function assertAllPresent({ catalog }: CatalogCall, files: readonly string[]): Promise<void> {
  if (files.length > MOST_FILES)
    throw conflict(`it removed snapshots or statistics of ${files.length} files, and no more than ${MOST_FILES} are looked for`)
  for (let from = 0; from < files.length; from += AT_ONCE) {
    await Promise.all(files.slice(from, from + AT_ONCE).map((file) => assertFile(catalog, file)))
  }
}

async function assertFile(catalog: CatalogCall['catalog'], file: string): Promise<void> {
  try {
    await assertPresent(catalog, file)
  } catch (error) {
    if (!(error instanceof IcebergError) || error.code >= 500) throw error
    const reason = error.code === 404 ? 'is gone' : 'can not be read'
    throw conflict(`it removed a snapshot or statistics, and a file of that ${reason}: ${file}`, { cause: error })
  }
}
