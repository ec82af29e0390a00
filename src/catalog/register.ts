/** Entries for metadata files that exist already, and the way back: leaving with everything in place. */
import { change } from '../changes/change.ts'
import { checkName } from '../iceberg/identifier.ts'
import { badRequest, displayIdentifier } from '../iceberg/errors.ts'
import type { JsonValue } from '../iceberg/json.ts'
import { canonicalLocation } from '../iceberg/location.ts'
import { parseForeignTableMetadata } from '../iceberg/table-metadata.ts'
import { namedFiles } from '../iceberg/named-files.ts'
import type { NewRow } from '../stores/entities.ts'
import type { Mutation } from '../stores/store.ts'
import { placeCheck } from './places/areas.ts'
import { assertMayTouch, guardCreation, resolveEntry } from './authorize.ts'
import type { CatalogCall, CatalogContext, MetadataAnswer, Namespace, TableIdentifier } from './call.ts'
import { answerAgain } from './commits/commit.ts'
import { assertFilesKept, assertMetadataFileKept } from './places/deletions.ts'
import {
  answerOf,
  answerOnce,
  answerSuperseded,
  checkedFor,
  readDocument,
  readForeign,
  rememberRead,
  uuidOf,
} from './documents/documents.ts'
import { assertPresent } from './documents/metadata-files.ts'
import type { Identified } from './documents/documents.ts'
import {
  FIRST_EPOCH,
  assertNamespace,
  assertSameCatalog,
  entryKey,
  entryLane,
  nameTaken,
  insertEntry,
  withoutVersion,
} from './entries.ts'
import type { Entry, EntryKind } from './entries.ts'
import { assertLocationFree, checkedLocation, claimSteps, groundOf, locationLane, namedPlaces } from './places/locations.ts'
import type { Claim } from './places/locations.ts'
import { entryOperation } from './logged.ts'
import { freedPlaces, placeSteps, takePlaces } from './places/places.ts'
import type { Beside } from './places/places.ts'
import { entryThing, unprotected } from './protection.ts'
import type { RegisterTableRequest } from './shapes.ts'
import { landedWithCredentials } from './delegation/vending.ts'

interface Source {
  readonly file: string
  /** Point an existing table to the file. */
  readonly overwrite: boolean
}

type Pointed = Pick<Entry, 'metadata_location' | 'location' | 'id' | 'uuid'>

interface Registered {
  readonly entry: Pointed
  /** What clients are answered. */
  readonly json: Buffer
  readonly beside: Beside | undefined
}

/** The file's metadata, judged as if it had come in a request; it stays what clients are answered. */
async function readRegistered(
  context: CatalogContext,
  call: CatalogCall,
  file: string,
  parse: (json: JsonValue) => Identified,
  known: {
    readonly identifier: TableIdentifier
    readonly kind: EntryKind
    readonly row: Entry | undefined
    readonly ground: Claim['ground']
  },
): Promise<Registered> {
  const { catalog } = call
  const { identifier, kind, row, ground } = known
  const canonical = canonicalLocation(file)
  const { check, settled } = placeCheck(context, call, { identifier, locations: row === undefined ? [] : [row.location] })
  check(canonical, 'metadata-location')
  await settled()
  if (!canonical.endsWith('.json') && !canonical.endsWith('.json.gz')) {
    throw badRequest(`Invalid metadata-location: expected a file *.metadata.json or *.gz.metadata.json, got ${file}`)
  }
  const { json, metadata } = await readForeign(context, catalog, file, parse)
  const location = checkedLocation(catalog, metadata.location)
  check(location, 'location')
  for (const [property, place] of namedPlaces(metadata.properties)) check(place, property)
  await settled()
  await assertLocationFree(context, catalog, location, { ownId: row?.id })
  const beside = await takePlaces(context, catalog, metadata, { id: row?.id, ground })
  await assertMetadataFileKept(context, catalog, canonical)
  await assertFilesKept(context, catalog, [canonical, ...namedFiles(metadata)])
  // It was read before anything was known of its place: a deletion may have ended in between.
  await assertPresent(catalog, file)
  const id = row?.id ?? context.uuid()
  const entry = { metadata_location: file, location, id, uuid: uuidOf(metadata) ?? id }
  return { entry, json: await checkedFor(context, catalog, { ...entryKey(catalog, identifier), kind, ...entry }, json), beside }
}

function registerStep(
  context: CatalogContext,
  call: CatalogCall,
  identifier: TableIdentifier,
  kind: EntryKind,
  row: Entry | undefined,
  { entry, beside }: Registered,
): Mutation[] {
  const now = context.now()
  if (row !== undefined) {
    const next: NewRow<'entries'> = { ...withoutVersion(row), ...entry, updated_at: now }
    return [{ op: 'replace', entity: 'entries', row: next, expected: row.version }, ...placeSteps(row, beside)]
  }
  const next: NewRow<'entries'> = {
    ...entryKey(call.catalog, identifier),
    kind,
    epoch: FIRST_EPOCH,
    deleted: false,
    created_at: now,
    updated_at: now,
    ...entry,
  }
  return [...insertEntry(call.catalog, identifier.namespace, next), ...placeSteps(next, beside)]
}

/** Registers a table or view; `parse` judges its metadata. */
export async function registerEntry(
  context: CatalogContext,
  call: CatalogCall,
  identifier: TableIdentifier,
  kind: EntryKind,
  source: Source,
  parse: (json: JsonValue) => Identified,
): Promise<MetadataAnswer> {
  const { catalog } = call
  await assertMayTouch(context, call, `${kind}.create`, identifier)
  if (source.overwrite) await assertMayTouch(context, call, `${kind}.commit`, identifier)
  checkName(identifier.name, kind === 'table' ? 'Table name' : 'View name')
  const key = entryKey(catalog, identifier)
  return change(context, call, {
    what: displayIdentifier(identifier),
    log: catalog,
    lanes: [entryLane(key), locationLane(catalog)],
    attempt: async () => {
      const [ground] = await Promise.all([groundOf(context, catalog), assertNamespace(context, catalog, identifier.namespace)])
      const guard = await guardCreation(context, call, `${kind}.create`, identifier)
      const row = await context.store.get('entries', key)
      if (row !== undefined && !(source.overwrite && row.kind === kind)) throw nameTaken(kind, row, identifier)
      if (row !== undefined) await assertMayTouch(context, call, `${kind}.commit`, identifier, row)
      const known = { identifier, kind, row, ground }
      const registered = await readRegistered(context, call, source.file, parse, known)
      return {
        message: `Register ${kind} ${displayIdentifier(identifier)}`,
        operations: [entryOperation(`register-${kind}`, { identifier, before: row, after: registered.entry })],
        steps: [
          ...(claimSteps([{ ground, own: false }]) ?? []),
          ...registerStep(context, call, identifier, kind, row, registered),
          ...guard,
        ],
        status: 200,
        outcome: source.file,
        answer: async () => answerOf(await rememberRead(context, catalog, registered.entry, registered.json)),
      }
    },
    lost: () => assertSameCatalog(context, catalog),
    replay: (location) => answerAgain(context, call, identifier, kind, location as string),
  })
}

export async function registerTable(
  context: CatalogContext,
  call: CatalogCall,
  namespace: Namespace,
  request: RegisterTableRequest,
): Promise<MetadataAnswer> {
  const identifier = { namespace, name: request.name }
  const source = { file: request['metadata-location'], overwrite: request.overwrite === true }
  const registered = registerEntry(context, call, identifier, 'table', source, parseForeignTableMetadata)
  return landedWithCredentials(context, call, identifier, registered)
}

/**
 * The body is an UnregisterTableResult. The row goes away by compare-and-set, so what is answered includes every commit
 * that was acknowledged, and a commit that comes later finds no table.
 */
export async function unregisterTable(
  context: CatalogContext,
  call: CatalogCall,
  identifier: TableIdentifier,
): Promise<MetadataAnswer> {
  const { catalog } = call
  const key = entryKey(catalog, identifier)
  return change(context, call, {
    what: displayIdentifier(identifier),
    log: catalog,
    lanes: [entryLane(key)],
    attempt: async () => {
      const row = await resolveEntry(context, call, identifier, 'table', 'table.drop')
      const last = row.metadata_location
      // Read first: an entry must not be lost because its file could not be answered.
      const unregistered = answerOnce(last, [(await readDocument(context, catalog, row)).json], undefined)
      const previous = { 'previous-uuid': row.uuid, 'previous-location': row.location }
      return {
        message: `Unregister table ${displayIdentifier(identifier)}`,
        // Nothing is kept of the row: with these it can be made again (`undo/entries.ts`).
        operations: [entryOperation('unregister-table', { identifier, before: row, after: undefined }, previous)],
        steps: [
          { op: 'remove', entity: 'entries', key, expected: row.version },
          await unprotected(context, call.principal, entryThing(identifier, row), false),
          ...(await freedPlaces(context, catalog, row.id)),
        ],
        status: 200,
        outcome: [last, row.uuid ?? row.id],
        answer: () => unregistered,
      }
    },
    replay: (recorded) => {
      const [location = '', id = ''] = typeof recorded === 'string' ? [recorded] : (recorded as readonly string[])
      const gone = { ...key, kind: 'table', id, uuid: null, location: undefined, metadata_location: location }
      return answerSuperseded(context, catalog, gone, undefined)
    },
  })
}
