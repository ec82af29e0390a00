/** Whether the pointers of tables and views lead to metadata files that can be read and that belong to them. */
import { IcebergError } from '../iceberg/errors.ts'
import { canonicalLocation } from '../iceberg/location.ts'
import { checkMetadata, MetadataFault } from '../iceberg/metadata-check.ts'
import { decodeMetadataFile } from '../iceberg/metadata-file.ts'
import { parseTableMetadata } from '../iceberg/table-metadata.ts'
import { parseViewMetadata } from '../iceberg/view-metadata.ts'
import { StorageError } from '../storage/storage.ts'
import type { ObjectStore } from '../storage/storage.ts'
import type { Row } from '../stores/entities.ts'
import type { Store } from '../stores/store.ts'
import { findingOf } from './check.ts'
import type { Report } from './check.ts'
import { rowsOf } from './rows.ts'
import type { Progress } from './rows.ts'

/** `undefined` when there is no such warehouse. */
export type StorageOf = (tenantId: string, warehouseName: string) => Promise<ObjectStore | undefined>

export interface FilesOptions {
  readonly store: Store
  readonly storageOf: StorageOf
  /** By tenant and id. */
  readonly catalogs: ReadonlyMap<string, Row<'catalogs'>>
  readonly report: Report
  readonly progress: Progress | undefined
}

const MAX_METADATA_BYTES = 128 * 1024 * 1024
/** Object stores answer in tens of milliseconds: several are asked at once, and never so many that memory would tell. */
const AT_ONCE = 8

export async function checkFiles(options: FilesOptions): Promise<number> {
  const under = new Set<Promise<void>>()
  let files = 0
  for await (const item of rowsOf(options.store, 'entries')) {
    const row = { ...item.row, version: item.version } as Row<'entries'>
    const catalog = options.catalogs.get(`${row.tenant_id}/${row.catalog_id}`)
    // What has no catalog or warehouse is reported as such.
    if (row.deleted || typeof catalog?.warehouse_name !== 'string') continue
    const check: Promise<void> = checkFile(options, row, catalog.warehouse_name).finally(() => under.delete(check))
    under.add(check)
    files++
    options.progress?.('check files', 'entries', files)
    if (under.size >= AT_ONCE) await Promise.race(under)
  }
  await Promise.all(under)
  return files
}

async function checkFile({ storageOf, store, report }: FilesOptions, row: Row<'entries'>, warehouse: string): Promise<void> {
  const problem = await problemOf(row, () => storageOf(row.tenant_id, warehouse))
  if (problem === undefined) return
  // A commit may have flipped the pointer and removed the old file meanwhile.
  const { tenant_id, catalog_id, branch, namespace, name } = row
  const now = await store.get('entries', { tenant_id, catalog_id, branch, namespace, name })
  if (now?.version === row.version) report(findingOf('entries', row, { severity: 'error', ...problem }))
}

interface Problem {
  readonly code: string
  readonly message: string
}

/** What a server would not answer, and what it could not commit to. @throws for what can't be read at all */
function problemIn(json: Uint8Array, row: Row<'entries'>): Problem | undefined {
  const { id, metadata_location: file } = row
  const kind = row.kind === 'view' ? 'view' : 'table'
  const { location } = kind === 'view' ? parseViewMetadata(json) : parseTableMetadata(json)
  if (canonicalLocation(location) !== row.location) {
    const message = `Its metadata file ${file} says that it lies at ${location}, not at ${row.location}.`
    return { code: 'other-location', message }
  }
  try {
    checkMetadata(json, { kind, id, uuid: row.uuid, location: row.location })
  } catch (error) {
    if (!(error instanceof MetadataFault)) throw error
    return { code: 'other-metadata', message: `Its metadata file ${file} ${error.message}.` }
  }
  return undefined
}

async function problemOf(row: Row<'entries'>, open: () => Promise<ObjectStore | undefined>): Promise<Problem | undefined> {
  const file = row.metadata_location
  try {
    const storage = await open()
    if (storage === undefined) return undefined
    const bytes = await storage.read(file, { maxBytes: MAX_METADATA_BYTES })
    const json = decodeMetadataFile(file, bytes, { maxInflatedBytes: MAX_METADATA_BYTES })
    return problemIn(json, row)
  } catch (error) {
    if (error instanceof StorageError && error.kind === 'missing') {
      return { code: 'missing-file', message: `Its metadata file ${file} does not exist: it can't be loaded. Restore the file.` }
    }
    if (error instanceof StorageError || error instanceof IcebergError || error instanceof Error) {
      return { code: 'unreadable-file', message: `Its metadata file ${file} can't be read: ${error.message}` }
    }
    throw error
  }
}
