/** Commits to a table: what they make of its metadata. How that becomes the current state is `commits/commit.ts`. */
import { IcebergError } from '../iceberg/errors.ts'
import { foreignFiles } from '../iceberg/named-files.ts'
import { commitTable } from '../iceberg/table-commit.ts'
import { serializeTableMetadata } from '../iceberg/table-metadata.ts'
import { placeCheck } from './places/areas.ts'
import { assertMayCommit, assertMayTouch } from './authorize.ts'
import type { CatalogCall, CatalogContext, MetadataAnswer, TableIdentifier } from './call.ts'
import { claimed, commitEntry, stage } from './commits/commit.ts'
import type { Plan, Staged } from './commits/commit.ts'
import { assertFilesKept } from './places/deletions.ts'
import { makeUpLocation, toldLocations, type MadeUp } from './places/default-locations.ts'
import { jsonBytesOf, readTable, type Placed } from './documents/documents.ts'
import { findEntry, laneOf, nameTaken, noSuch } from './entries.ts'
import type { Entry } from './entries.ts'
import { parseTableCommit, type Identity } from './commits/format-work.ts'
import { isLarge, planLarge, readLarge, smallChange, type TableChange } from './commits/large-commit.ts'
import { groundOf, withLocation } from './places/locations.ts'
import type { Claim } from './places/locations.ts'
import { homeOf } from './places/namespace-locations.ts'
import { takePlaces } from './places/places.ts'
import { obsoleteFiles } from './places/reachable.ts'
import type { CommitTableRequest } from './shapes.ts'
import { landedWithCredentials } from './delegation/vending.ts'

/**
 * One attempt to work out what a commit makes of the table, on what the commit before left if that was just now. An attempt
 * that lost its race leaves no such row.
 * @throws IcebergError 4xx, terminal: of the table as it is now
 */
export async function planTableCommit(
  context: CatalogContext,
  call: CatalogCall,
  identifier: TableIdentifier,
  change: TableChange,
  /** Awaited before the work that takes a while: for one of many tables, a turn of its own. */
  turn?: () => Promise<void>,
): Promise<Plan> {
  const landed = context.landed.get(laneOf(call.catalog, identifier))
  if (landed !== undefined) {
    try {
      const plan = await planOnEntry(context, call, identifier, change, { row: landed, turn })
      // That nothing would change is certain of the current state alone, as is a refusal.
      if ('file' in plan) return plan
    } catch (error) {
      if (!(error instanceof IcebergError)) throw error
    }
  }
  return planOnEntry(context, call, identifier, change, { row: await findEntry(context, call.catalog, identifier), turn })
}

async function planOnEntry(
  context: CatalogContext,
  call: CatalogCall,
  identifier: TableIdentifier,
  change: TableChange,
  { row, turn }: { readonly row: Entry | undefined; readonly turn: (() => Promise<void>) | undefined },
): Promise<Plan> {
  const { catalog } = call
  // What was asked before was about what had the name then.
  if (row !== undefined && !change.creates) await assertMayTouch(context, call, 'table.commit', identifier, row)
  if (row !== undefined && row.kind !== 'table')
    throw change.creates ? nameTaken('table', row, identifier) : noSuch('table', identifier)
  if (row === undefined && !change.creates) throw noSuch('table', identifier)
  const [early, home] =
    row === undefined ? await Promise.all([groundOf(context, catalog), homeOf(context, catalog, identifier.namespace)]) : []
  const uuid = context.uuid()
  // A client that stages nothing may leave the place of its new table to us.
  const madeUp =
    home === undefined || change.setsLocation ? undefined : await makeUpLocation(context, catalog, { identifier, home, uuid })
  const chosen = madeUp ? [madeUp.location] : home && toldLocations(catalog, home, identifier, change.assignedUuid ?? uuid)
  const own = row === undefined ? (chosen ?? []) : [row.location]
  const { commit } = change
  if (commit === undefined || (await isLarge(context, call, change, row))) {
    const target = { identifier, row, uuid, own, fallback: madeUp?.location }
    const { base, made } = await planLarge(context, call, 'table', change, target)
    if (made === undefined) return { unchanged: row! }
    const stage = (obsolete: readonly string[]): Staged => ({ ...made.staged, obsolete })
    return finished(context, call, made.metadata, made.removed, {
      foreign: made.foreign,
      base,
      row,
      ground: early,
      madeUp,
      stage,
    })
  }
  if (turn !== undefined) await turn()
  const base = row === undefined ? undefined : await readTable(context, catalog, row)
  const places = placeCheck(context, call, { identifier, locations: own, properties: base?.properties ?? {} })
  const committed = commitTable(base, madeUp === undefined ? commit : withLocation(commit, madeUp.location), {
    now: context.now(),
    newUuid: uuid,
    checkLocation: places.check,
    previousMetadataLocation: row?.metadata_location,
    limits: context.limits,
  })
  await places.settled()
  if (row !== undefined && !committed.changed) return { unchanged: row }
  const { metadata, removedMetadataLocations } = committed
  return finished(context, call, metadata, removedMetadataLocations, {
    foreign: foreignFiles(metadata.location, commit.updates),
    base,
    row,
    ground: early,
    madeUp,
    stage: (obsolete) =>
      stage(context, catalog, { identifier, kind: 'table', row }, metadata, serializeTableMetadata, {
        obsolete,
        bytesBefore: jsonBytesOf(base),
      }),
  })
}

interface Unfinished {
  /** Files that the commit names and that are not the table's own. */
  readonly foreign: readonly string[]
  readonly base: Placed | undefined
  readonly row: Entry | undefined
  readonly ground: Claim['ground'] | undefined
  readonly madeUp: MadeUp | undefined
  readonly stage: (obsolete: readonly string[]) => Staged
}

/** The new metadata with the places that it takes. */
async function finished(
  context: CatalogContext,
  { catalog }: CatalogCall,
  metadata: Identity,
  removed: readonly string[],
  { foreign, base, row, ground, madeUp, stage }: Unfinished,
): Promise<Staged> {
  await assertFilesKept(context, catalog, foreign)
  const beside = await takePlaces(context, catalog, metadata, { base, id: row?.id, ground })
  const staged = stage(obsoleteFiles(metadata, removed))
  return claimed(context, catalog, { ...staged, beside }, { ground, uuid: metadata['table-uuid'], made: madeUp })
}

export async function updateTable(
  context: CatalogContext,
  call: CatalogCall,
  identifier: TableIdentifier,
  /** As bytes, where it is large. */
  request: CommitTableRequest | Uint8Array,
): Promise<MetadataAnswer> {
  const change =
    request instanceof Uint8Array
      ? (await readLarge(context, call, request, { isTransaction: false }))[0]!.change
      : smallChange(parseTableCommit(request))
  await assertMayCommit(context, call, identifier, change)
  const landed = commitEntry(context, call, identifier, 'table', () => planTableCommit(context, call, identifier, change))
  return landedWithCredentials(context, call, identifier, landed, 'commit')
}
