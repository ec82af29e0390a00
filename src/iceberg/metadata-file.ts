/** Names and encodings of metadata files, as the reference implementation has them. */
import { gunzipSync, gzipSync } from 'node:zlib'
import { badRequest, validationFailed, type IcebergError } from './errors.ts'
import { withoutTrailingSlash } from './table-metadata.ts'
import { COMPRESSION_CODEC, METADATA_PATH, parseCodec, type Properties } from './table-properties.ts'

export type MetadataCodec = 'none' | 'gzip'

const VERSION_DIGITS = 5
const MAX_VERSION = 2 ** 31 - 1

/** `00003-<uuid>.metadata.json` or `00003-<uuid>.gz.metadata.json` */
export function metadataFileName(version: number, uuid: string, codec: MetadataCodec): string {
  return `${String(version).padStart(VERSION_DIGITS, '0')}-${uuid}${codec === 'gzip' ? '.gz' : ''}.metadata.json`
}

/** One more than the version in the name of the previous file; 0 without one, or where its name has none. */
export function nextVersion(previousLocation: string | undefined): number {
  if (previousLocation === undefined) return 0
  const name = previousLocation.slice(previousLocation.lastIndexOf('/') + 1)
  const match = /^(\d{1,10})-/.exec(name)
  const version = match === null ? -1 : Number(match[1])
  return version >= MAX_VERSION ? 0 : version + 1
}

/** Without a slash at its end. */
export function metadataDirectory(metadata: { readonly location: string; readonly properties?: Properties }): string {
  const { properties = {} } = metadata
  const path = Object.hasOwn(properties, METADATA_PATH) ? properties[METADATA_PATH] : undefined
  return path === undefined ? `${withoutTrailingSlash(metadata.location)}/metadata` : withoutTrailingSlash(path)
}

/** @throws IcebergError 400 for a codec that we do not write */
export function compressionCodec(properties: Properties): MetadataCodec {
  const codec = Object.hasOwn(properties, COMPRESSION_CODEC) ? properties[COMPRESSION_CODEC] : undefined
  return codec === undefined ? 'none' : parseCodec(codec)
}

export function encodeMetadataFile(json: Uint8Array, codec: MetadataCodec): Uint8Array {
  return codec === 'gzip' ? gzipSync(json) : json
}

export function isGzip(location: string): boolean {
  // The second spelling is that of early versions.
  return location.endsWith('.gz.metadata.json') || location.endsWith('.metadata.json.gz')
}

/**
 * The JSON text of a metadata file, still as bytes.
 * @throws IcebergError 400 for what is no metadata file, or grows beyond the limit when it is inflated
 */
export function decodeMetadataFile(
  location: string,
  bytes: Uint8Array,
  limits: { readonly maxInflatedBytes: number },
): Uint8Array {
  const name = location.slice(location.lastIndexOf('/') + 1)
  if (!name.includes('.metadata.json')) throw badRequest(`${name.slice(0, 200)} is not a valid metadata file name`)
  if (!isGzip(name)) {
    if (bytes.length > limits.maxInflatedBytes) throw tooLarge(limits.maxInflatedBytes)
    return bytes
  }
  try {
    return gunzipSync(bytes, { maxOutputLength: limits.maxInflatedBytes })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(limits.maxInflatedBytes)
    throw validationFailed(`${name.slice(0, 200)} is not a valid gzip file`, { cause: error })
  }
}

function tooLarge(limit: number): IcebergError {
  return validationFailed(`The metadata file is larger than ${limit} bytes`)
}
