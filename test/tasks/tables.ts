/** Tables on a file store as clients leave them: metadata, manifest lists, manifests, data files. */
import { randomUUID } from 'node:crypto'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { canonicalLocation } from '../../src/iceberg/location.ts'
import { openFileStore } from '../../src/storage/file.ts'
import type { ObjectStore } from '../../src/storage/storage.ts'
import type { Json, NewRow } from '../../src/stores/entities.ts'
import type { Store } from '../../src/stores/store.ts'
import { avroFile, type Codec } from './avro-files.ts'

export const manifestListSchema = {
  type: 'record',
  name: 'manifest_file',
  fields: [
    { name: 'manifest_path', type: 'string', 'field-id': 500 },
    { name: 'manifest_length', type: 'long', 'field-id': 501 },
    { name: 'partition_spec_id', type: 'int', 'field-id': 502 },
    { name: 'content', type: 'int', 'field-id': 517 },
    { name: 'added_snapshot_id', type: 'long', 'field-id': 503 },
    {
      name: 'partitions',
      type: [
        'null',
        { type: 'array', items: { type: 'record', name: 'r508', fields: [{ name: 'contains_null', type: 'boolean' }] } },
      ],
      default: null,
    },
  ],
}
export const manifestSchema = {
  type: 'record',
  name: 'manifest_entry',
  fields: [
    { name: 'status', type: 'int', 'field-id': 0 },
    { name: 'snapshot_id', type: ['null', 'long'], default: null, 'field-id': 1 },
    {
      name: 'data_file',
      'field-id': 2,
      type: {
        type: 'record',
        name: 'r2',
        fields: [
          { name: 'content', type: 'int' },
          { name: 'file_path', type: 'string' },
          { name: 'file_format', type: 'string' },
          { name: 'partition', type: { type: 'record', name: 'r102', fields: [] } },
          { name: 'record_count', type: 'long' },
          {
            name: 'column_sizes',
            default: null,
            type: [
              'null',
              {
                type: 'array',
                logicalType: 'map',
                items: {
                  type: 'record',
                  name: 'k117_v118',
                  fields: [
                    { name: 'key', type: 'int' },
                    { name: 'value', type: 'long' },
                  ],
                },
              },
            ],
          },
        ],
      },
    },
  ],
}
export const manifestOf = (files: readonly string[], codec: Codec = 'deflate'): Buffer =>
  avroFile(
    manifestSchema,
    files.map((file_path, i) => ({
      status: i % 3,
      snapshot_id: { long: 1 },
      data_file: {
        content: 0,
        file_path,
        file_format: 'PARQUET',
        partition: {},
        record_count: 1,
        column_sizes: { array: [{ key: 1, value: 2 }] },
      },
    })),
    { codec },
  )
export const manifestListOf = (manifests: readonly string[], codec: Codec = 'deflate'): Buffer =>
  avroFile(
    manifestListSchema,
    manifests.map((manifest_path) => ({
      manifest_path,
      manifest_length: 1,
      partition_spec_id: 0,
      content: 0,
      added_snapshot_id: 1,
      partitions: null,
    })),
    { codec },
  )

export interface Lake {
  readonly folder: string
  readonly root: string
  readonly storage: ObjectStore
  /** Paths of all files, below the folder. */
  readonly files: () => string[]
}

const folders: string[] = []
export function newLake(): Lake {
  const folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'pangolin-lake-')))
  folders.push(folder)
  const root = canonicalLocation(folder, { barePath: true })
  const files = (): string[] =>
    fs
      .readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)))
      .sort()
  return { folder, root, storage: openFileStore(root as ReturnType<typeof canonicalLocation>), files }
}
export const removeLakes = (): void => {
  for (const folder of folders) fs.rmSync(folder, { recursive: true, force: true })
}

export interface TableOptions {
  readonly properties?: Record<string, string>
  readonly codec?: Codec
  /** More data files, of anywhere, named by the first manifest. */
  readonly foreignFiles?: readonly string[]
  readonly foreignManifests?: readonly string[]
  readonly foreignStatistics?: readonly string[]
  /** The scheme of all paths in metadata and manifests. */
  readonly spelling?: string
}

/** Two snapshots that share a manifest, delete files, statistics, earlier metadata; returns the current metadata file. */
export async function writeTable(
  { root, storage }: Pick<Lake, 'root' | 'storage'>,
  name: string,
  options: TableOptions = {},
): Promise<{ location: string; metadataLocation: string }> {
  const location = `${root}/${name}`
  const said = (file: string): string => (options.spelling === undefined ? file : file.replace('file://', options.spelling))
  const write = async (file: string, bytes: Uint8Array): Promise<string> => {
    await storage.create(`${location}/${file}`, bytes)
    return said(`${location}/${file}`)
  }
  await storage.prepare(location)
  const data: string[] = []
  for (const file of ['data/p=a/1.parquet', 'data/p=%2Fb/2.parquet', 'data/3.parquet', 'data/4-deletes.parquet'])
    data.push(await write(file, Buffer.from('PAR1')))
  const { codec } = options
  const shared = await write('metadata/shared-m0.avro', manifestOf([...data.slice(0, 2), ...(options.foreignFiles ?? [])], codec))
  const second = await write('metadata/second-m0.avro', manifestOf(data.slice(2), codec))
  const lists = [
    await write('metadata/snap-1.avro', manifestListOf([shared], codec)),
    await write('metadata/snap-2.avro', manifestListOf([shared, second, ...(options.foreignManifests ?? [])], codec)),
  ]
  const [statistics, partitionStatistics, previous] = [
    await write('metadata/s.stats', Buffer.from('PFA1')),
    await write('metadata/p.stats', Buffer.from('PAR1')),
    await write('metadata/00000-a.metadata.json', Buffer.from('{}')),
  ]
  const metadata = {
    'format-version': 2,
    'table-uuid': randomUUID(),
    location: said(location),
    properties: options.properties ?? {},
    snapshots: lists.map((list, i) => ({ 'snapshot-id': i + 1, 'manifest-list': list, summary: { operation: 'append' } })),
    statistics: [statistics, ...(options.foreignStatistics ?? [])].map((file) => ({ 'snapshot-id': 1, 'statistics-path': file })),
    'partition-statistics': [partitionStatistics, ...(options.foreignStatistics ?? [])].map((file) => ({
      'snapshot-id': 1,
      'statistics-path': file,
    })),
    'metadata-log': [{ 'timestamp-ms': 1, 'metadata-file': previous }],
  }
  return { location, metadataLocation: await write('metadata/00001-b.metadata.json', Buffer.from(JSON.stringify(metadata))) }
}

export const entryRow = (
  location: string,
  metadataLocation: string,
  changes: Partial<NewRow<'entries'>> = {},
): NewRow<'entries'> => ({
  tenant_id: 't1',
  catalog_id: 'c1',
  branch: 'main',
  namespace: 'ns',
  name: randomUUID(),
  id: randomUUID(),
  kind: 'table',
  epoch: 0,
  deleted: false,
  metadata_location: metadataLocation,
  location,
  uuid: null,
  created_at: 1,
  updated_at: 1,
  ...changes,
})
export async function addEntry(store: Store, row: NewRow<'entries'>): Promise<NewRow<'entries'>> {
  await store.write([{ op: 'insert', entity: 'entries', row }])
  return row
}
/** As a drop keeps it. */
export async function addDropped(
  store: Store,
  row: NewRow<'entries'>,
  keptUntil: number,
  changes: Partial<NewRow<'dropped'>> = {},
): Promise<void> {
  const { tenant_id, catalog_id, branch, kind, location } = row
  const named = { tenant_id, catalog_id, branch, kind, location, id: randomUUID(), row: { ...row } as unknown as Json }
  const dropped = { ...named, dropped_at: 0, dropped_by: 'ada', kept_until: keptUntil, ...changes }
  await store.write([{ op: 'insert', entity: 'dropped', row: dropped }])
}
export async function addPlace(store: Store, location: string, entryId: string): Promise<void> {
  await store.write([{ op: 'insert', entity: 'places', row: { tenant_id: 't1', location, entry_id: entryId } }])
}
export const taskRow = (kind: string, payload: Json, changes: Partial<NewRow<'tasks'>> = {}): NewRow<'tasks'> => ({
  id: randomUUID(),
  tenant_id: 't1',
  kind,
  payload,
  due_at: 0,
  owner: null,
  attempts: 0,
  last_error: null,
  created_at: 0,
  location: null,
  ...changes,
})
