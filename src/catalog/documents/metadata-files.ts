/** Metadata files in the storage of a catalog: read, written, removed; and what a failure of the storage means to the caller. */
import { IcebergError, unavailable, validationFailed } from '../../iceberg/errors.ts'
import type { MetadataCodec } from '../../iceberg/metadata-file.ts'
import { StorageError } from '../../storage/storage.ts'
import type { CatalogContext, CatalogHandle } from '../call.ts'
import type { NewDocument } from './documents.ts'
import { soon, type Soon } from '../soon.ts'
import { decodeFile, encodeFile } from './large-documents.ts'

/** Of a file, and of what it inflates to. */
export const MAX_METADATA_BYTES = 128 * 1024 * 1024

/** What a storage error means to the caller. Nothing was changed when this is thrown. */
export function storageFailure(error: unknown, location: string): unknown {
  if (!(error instanceof StorageError)) return error
  const options = { cause: error }
  switch (error.kind) {
    case 'missing':
      // The reference's words: clients and their tests look for them.
      return new IcebergError('NotFoundException', `Failed to open input stream for file: ${location}`, options)
    case 'too-large':
      return validationFailed(`Metadata file is larger than ${MAX_METADATA_BYTES} bytes: ${location}`, options)
    case 'forbidden':
    case 'invalid':
      return new IcebergError('ForbiddenException', `The warehouse's storage refuses access to ${location}`, options)
    default:
      return unavailable(`The warehouse's storage is not available; nothing was changed: ${location}`, options)
  }
}

export const asBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)

export async function readFile(catalog: CatalogHandle, location: string): Promise<Buffer> {
  const bytes = await catalog.storage.read(location, { maxBytes: MAX_METADATA_BYTES })
  return asBuffer(await decodeFile(location, bytes, MAX_METADATA_BYTES))
}

/** Whether a file is still there, without reading it. @throws IcebergError 404 when not */
export async function assertPresent(catalog: CatalogHandle, location: string): Promise<void> {
  try {
    await catalog.storage.read(location, { maxBytes: 0 })
  } catch (error) {
    if (!(error instanceof StorageError) || error.kind !== 'too-large') throw storageFailure(error, location)
  }
}

/** When a file that is remembered was last seen. */
export interface Seen {
  presentAt: number
}

/** Asking a local disk costs as much as reading a pointer: of a table that is loaded many times a millisecond, once in it. */
const FRESH_AT_HAND_MS = 2
/** Where it takes a request. */
const FRESH_MS = 1000

/**
 * For what is answered from memory, or not read at all: that its file is still there. At once where the storage can tell so.
 * @throws IcebergError 404 when not
 */
export function assertStillThere(
  { now }: Pick<CatalogContext, 'now'>,
  catalog: CatalogHandle,
  location: string,
  seen: Seen,
): Soon<void> {
  const { storage } = catalog
  const at = now()
  if (Math.abs(at - seen.presentAt) < (storage.isMissing === undefined ? FRESH_MS : FRESH_AT_HAND_MS)) return undefined
  if (storage.isMissing?.(location) === true) throw storageFailure(new StorageError('missing', location), location)
  const present = storage.isMissing === undefined ? assertPresent(catalog, location) : undefined
  return soon(present, () => void (seen.presentAt = at))
}

/** Whether the storage of a new table answers, without writing to it. @throws IcebergError 503 when not */
export async function assertReachable(catalog: CatalogHandle, location: string): Promise<void> {
  try {
    await catalog.storage.read(`${location}/metadata/none`, { maxBytes: 0 })
  } catch (error) {
    if (!(error instanceof StorageError) || error.kind !== 'missing') throw storageFailure(error, location)
  }
}

/** Writes a new metadata file, durable when this resolves. Where the storage is not available it may have got there (`maybeWritten`). */
export async function writeFile(
  catalog: CatalogHandle,
  location: string,
  { json, encoded }: NewDocument,
  codec: MetadataCodec,
): Promise<void> {
  try {
    await catalog.storage.create(location, encoded ?? (await encodeFile(json, codec)))
  } catch (error) {
    throw storageFailure(error, location)
  }
}

/** Whether a file that could not be written is there perhaps: only the answer may have been lost. */
export const maybeWritten = (failure: unknown): boolean =>
  failure instanceof IcebergError && failure.cause instanceof StorageError && failure.cause.kind === 'unavailable'
