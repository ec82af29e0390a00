/**
 * What the metadata of a table names: manifest lists, manifests, data and delete files, statistics, earlier metadata. Read a
 * piece at a time, with a limit on everything, since metadata and manifests are written by clients.
 */
import { setImmediate as breathe } from 'node:timers/promises'
import { parse, type JsonObject, type JsonValue } from '../iceberg/json.ts'
import type { Location } from '../iceberg/location.ts'
import { isMetadataAt } from '../iceberg/metadata-check.ts'
import { decodeMetadataFile } from '../iceberg/metadata-file.ts'
import { AvroError, avroStrings } from './avro.ts'
import { StorageError, type ObjectStore } from '../storage/storage.ts'
import { TaskRefused } from './runner.ts'

const MAX_METADATA_BYTES = 128 * 1024 * 1024
const MAX_AVRO_BYTES = 64 * 1024 * 1024
const AVRO_LIMITS = { maxBlockBytes: 64 * 1024 * 1024, maxTotalBytes: 1024 * 1024 * 1024 }

/** The files that a metadata file names itself. */
export interface NamedFiles {
  readonly gcEnabled: boolean
  readonly manifestLists: readonly string[]
  /** Of format version 1, where snapshots may name their manifests without a list. */
  readonly manifests: readonly string[]
  readonly statistics: readonly string[]
  readonly previousMetadata: readonly string[]
}

const isObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** The texts under `key` in the objects of a list; lists of texts are flattened. */
function texts(list: JsonValue | undefined, key: string): string[] {
  if (!Array.isArray(list)) return []
  return (list as readonly JsonValue[])
    .flatMap((item) => (isObject(item) ? (item[key] ?? []) : []))
    .filter((value) => typeof value === 'string')
}

const own = (object: JsonObject, key: string): JsonValue | undefined => (Object.hasOwn(object, key) ? object[key] : undefined)

/** As the reference reads a boolean property: everything but `true` is false. */
function isGcEnabled(properties: JsonValue | undefined): boolean {
  const value = isObject(properties) ? own(properties, 'gc.enabled') : undefined
  return value === undefined || (typeof value === 'string' && value.toLowerCase() === 'true')
}

/**
 * `undefined` when the file is not there (any more).
 * @throws TaskRefused for what is not the metadata of the table at `location`
 */
export async function readNamedFiles(
  storage: ObjectStore,
  metadataLocation: Location,
  location: Location,
): Promise<NamedFiles | undefined> {
  const bytes = await readUnlessMissing(storage, metadataLocation, MAX_METADATA_BYTES)
  if (bytes === undefined) return undefined
  let metadata
  try {
    metadata = parse(decodeMetadataFile(metadataLocation, bytes, { maxInflatedBytes: MAX_METADATA_BYTES }))
  } catch (error) {
    throw new TaskRefused(`${metadataLocation} is not a metadata file`, error)
  }
  if (!isObject(metadata)) throw new TaskRefused(`${metadataLocation} is not a metadata file`)
  if (!isMetadataAt(metadata['location'], location)) {
    throw new TaskRefused(`${metadataLocation} is not the metadata of the table at ${location}`)
  }
  const snapshots = own(metadata, 'snapshots')
  return {
    gcEnabled: isGcEnabled(own(metadata, 'properties')),
    manifestLists: texts(snapshots, 'manifest-list'),
    manifests: texts(snapshots, 'manifests'),
    statistics: [
      ...texts(own(metadata, 'statistics'), 'statistics-path'),
      ...texts(own(metadata, 'partition-statistics'), 'statistics-path'),
    ],
    previousMetadata: texts(own(metadata, 'metadata-log'), 'metadata-file'),
  }
}

async function readUnlessMissing(storage: ObjectStore, location: string, maxBytes: number): Promise<Buffer | undefined> {
  try {
    return await storage.read(location, { maxBytes })
  } catch (error) {
    if (!(error instanceof StorageError) || error.kind === 'unavailable') throw error
    if (error.kind === 'missing') return undefined
    throw new TaskRefused(`can't read ${location}: ${error.message}`, error)
  }
}

async function* strings(storage: ObjectStore, location: string, path: readonly string[]): AsyncGenerator<string[]> {
  const bytes = await readUnlessMissing(storage, location, MAX_AVRO_BYTES)
  if (bytes === undefined) return
  try {
    for (const some of avroStrings(bytes, path, AVRO_LIMITS)) {
      yield some
      // Requests are answered between the pieces.
      await breathe()
    }
  } catch (error) {
    if (error instanceof AvroError) throw new TaskRefused(`can't read ${location}: ${error.message}`, error)
    throw error
  }
}

/** The manifests of a manifest list; none when the list is not there. */
export const manifestsOf = (storage: ObjectStore, manifestList: string): AsyncGenerator<string[]> =>
  strings(storage, manifestList, ['manifest_path'])

/** The data and delete files of a manifest, in any status; none when the manifest is not there. */
export const contentFilesOf = (storage: ObjectStore, manifest: string): AsyncGenerator<string[]> =>
  strings(storage, manifest, ['data_file', 'file_path'])
