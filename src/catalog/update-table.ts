/** Commits to a table: what they make of its metadata. How that becomes the current state is `commit.ts`. */
import { IcebergError } from '../iceberg/errors.ts'
import type { JsonValue } from '../iceberg/json.ts'
import { canonicalFile, isBelow } from '../iceberg/location.ts'
import { foreignFiles } from '../iceberg/named-files.ts'
import { commitTable } from '../iceberg/table-commit.ts'
import type { TableCommit } from '../iceberg/table-commit.ts'
import { serializeTableMetadata, type TableMetadata } from '../iceberg/table-metadata.ts'
import { parseTableRequirements } from '../iceberg/table-requirement.ts'
import { parseTableUpdates } from '../iceberg/table-update.ts'
import { placeCheck } from './areas.ts'
import { assertMayCommit, creates } from './authorize.ts'
import type { CatalogCall, CatalogContext, CatalogHandle, MetadataAnswer, TableIdentifier } from './call.ts'
import { claimed, commitEntry, stage } from './commit.ts'
import type { Plan } from './commit.ts'
import { assertFilesKept } from './deletions.ts'
import { readTable } from './documents.ts'
import { findEntry, laneOf, nameTaken, noSuch } from './entries.ts'
import type { Entry } from './entries.ts'
import { assignedUuid, checkedLocation, defaultLocation, groundOf, withLocation } from './locations.ts'
import { homeOf } from './namespace-locations.ts'
import { takePlaces } from './places.ts'
import type { CommitTableRequest } from './shapes.ts'
import { landedWithCredentials } from './vending.ts'

export const parseTableCommit = (request: Pick<CommitTableRequest, 'requirements' | 'updates'>): TableCommit => ({
  requirements: parseTableRequirements((request.requirements ?? []) as JsonValue),
  updates: parseTableUpdates((request.updates ?? []) as JsonValue),
})

/**
 * One attempt to work out what a commit makes of the table, on what the commit before left if that was just now. An attempt
 * that lost its race leaves no such row.
 * @throws IcebergError 4xx, terminal: of the table as it is now
 */
export async function planTableCommit(
  context: CatalogContext,
  call: CatalogCall,
  identifier: TableIdentifier,
  commit: TableCommit,
): Promise<Plan> {
  const landed = context.landed.get(laneOf(call.catalog, identifier))
  if (landed !== undefined) {
    try {
      const plan = await planOnEntry(context, call, identifier, commit, landed)
      // That nothing would change is certain of the current state alone, as is a refusal.
      if ('file' in plan) return plan
    } catch (error) {
      if (!(error instanceof IcebergError)) throw error
    }
  }
  return planOnEntry(context, call, identifier, commit, await findEntry(context, call.catalog, identifier))
}

async function planOnEntry(
  context: CatalogContext,
  call: CatalogCall,
  identifier: TableIdentifier,
  commit: TableCommit,
  row: Entry | undefined,
): Promise<Plan> {
  const { catalog } = call
  if (row !== undefined && row.kind !== 'table')
    throw creates(commit) ? nameTaken('table', row, identifier) : noSuch('table', identifier)
  if (row === undefined && !creates(commit)) throw noSuch('table', identifier)
  const [early, home] =
    row === undefined ? await Promise.all([groundOf(context, catalog), homeOf(context, catalog, identifier.namespace)]) : []
  const uuid = context.uuid()
  const base = row === undefined ? undefined : await readTable(context, catalog, row)
  const own = row?.location ?? defaultLocation(home!, identifier, assignedUuid(commit) ?? uuid)
  const places = placeCheck(context, call, { identifier, locations: [own], properties: base?.properties ?? {} })
  const committed = commitTable(
    base,
    home === undefined ? commit : withLocation(commit, defaultLocation(home, identifier, uuid)),
    {
      now: context.now(),
      newUuid: uuid,
      checkLocation: places.check,
      previousMetadataLocation: row?.metadata_location,
    },
  )
  await places.settled()
  if (row !== undefined && !committed.changed) return { unchanged: row }
  const { metadata, removedMetadataLocations } = committed
  await assertFilesKept(context, catalog, foreignFiles(metadata.location, commit.updates))
  const beside = await takePlaces(context, catalog, metadata, { base, id: row?.id, ground: early })
  const obsolete = obsoleteFiles(catalog, metadata, removedMetadataLocations)
  const staged = stage(context, catalog, { identifier, kind: 'table', row }, metadata, serializeTableMetadata, obsolete)
  return claimed(context, catalog, { ...staged, beside }, { ground: early, uuid: metadata['table-uuid'] })
}

function obsoleteFiles(catalog: CatalogHandle, metadata: TableMetadata, removed: readonly string[]): string[] {
  if (metadata.properties['write.metadata.delete-after-commit.enabled'] !== 'true') return []
  const own = checkedLocation(catalog, metadata.location)
  // Only what is the table's own: a table registered from elsewhere keeps the history that it brought.
  return removed.filter((file) => {
    const canonical = canonicalFile(file)
    return canonical !== undefined && isBelow(own, canonical)
  })
}

export async function updateTable(
  context: CatalogContext,
  call: CatalogCall,
  identifier: TableIdentifier,
  request: CommitTableRequest,
): Promise<MetadataAnswer> {
  const commit = parseTableCommit(request)
  assertMayCommit(call, identifier, commit)
  const landed = commitEntry(context, call, identifier, 'table', () => planTableCommit(context, call, identifier, commit))
  return landedWithCredentials(context, call, identifier, landed, 'commit')
}
