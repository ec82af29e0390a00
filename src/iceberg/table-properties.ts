/**
 * The properties that a catalog itself reads, and what a client may write as properties. Engines' own properties pass; those
 * that would break every later commit, name a place, or hold a secret do not.
 */
import { short } from './document.ts'
import { badRequest } from './errors.ts'
import { MAX_INT, MAX_LONG } from './long.ts'

export type CheckLocation = (location: string, what: string) => void
export type Properties = Readonly<Record<string, string>>

export const PREVIOUS_VERSIONS_MAX = 'write.metadata.previous-versions-max'
export const COMPRESSION_CODEC = 'write.metadata.compression-codec'
export const METADATA_PATH = 'write.metadata.path'
export const ENCRYPTION_KEY_ID = 'encryption.key-id'
export const FORMAT_VERSION = 'format-version'
/** What a new table gets unless its creator says otherwise. */
export const NEW_TABLE_PROPERTIES: Properties = { 'write.parquet.compression-codec': 'zstd' }

/** They steer an operation, or repeat what the metadata says; they are never kept. */
const RESERVED: ReadonlySet<string> = new Set([
  FORMAT_VERSION,
  'uuid',
  'snapshot-count',
  'current-snapshot-id',
  'current-snapshot-summary',
  'current-snapshot-timestamp-ms',
  'current-schema',
  'default-partition-spec',
  'default-sort-order',
])
const LOCATIONS: ReadonlySet<string> = new Set([
  'write.data.path',
  METADATA_PATH,
  'write.object-storage.path',
  'write.folder-storage.path',
])
const ENCRYPTION: readonly string[] = [ENCRYPTION_KEY_ID, 'encryption.data-key-length']
const ENCRYPTION_FORMAT_VERSION = 3

/** Properties that the reference implementation parses on every commit or expiry: least and greatest value. */
const NUMBERS: ReadonlyMap<string, readonly [least: bigint, greatest: bigint]> = new Map([
  [PREVIOUS_VERSIONS_MAX, [BigInt(-MAX_INT) - 1n, BigInt(MAX_INT)]],
  ['commit.retry.num-retries', [0n, BigInt(MAX_INT)]],
  ['commit.retry.min-wait-ms', [0n, BigInt(MAX_INT)]],
  ['commit.retry.max-wait-ms', [0n, BigInt(MAX_INT)]],
  ['commit.retry.total-timeout-ms', [0n, BigInt(MAX_INT)]],
  ['history.expire.max-snapshot-age-ms', [1n, MAX_LONG]],
  ['history.expire.min-snapshots-to-keep', [1n, BigInt(MAX_INT)]],
  ['history.expire.max-ref-age-ms', [1n, MAX_LONG]],
  ['version.history.num-entries', [1n, BigInt(MAX_INT)]],
])
/** Names under which clients keep credentials: metadata is readable by everybody who may read the table. */
const SECRET =
  /(?:^|[._-])(?:secret-access-key|session-token|sas-token|account-key|private-key|client-secret|access-token|oauth2\.token|password|passwd)(?:$|[._-])/i

const MAX_PROPERTIES = 10_000
const MAX_KEY_LENGTH = 1024
const MAX_VALUE_LENGTH = 4 * 1024 * 1024

export function isReserved(key: string): boolean {
  return RESERVED.has(key)
}

/** Throws unless a client may write these. Reserved keys are the caller's to refuse or to drop. */
export function checkProperties(properties: Properties, checkLocation: CheckLocation | undefined): void {
  const keys = Object.keys(properties)
  checkPropertyCount(keys.length)
  for (const key of keys) {
    const value = properties[key] as string
    if (key === '' || key.length > MAX_KEY_LENGTH) {
      throw badRequest(`Invalid property: expected a key of 1 to ${MAX_KEY_LENGTH} characters, got ${key.length}`)
    }
    if (value.length > MAX_VALUE_LENGTH) {
      throw badRequest(`Invalid property ${short(key)}: expected at most ${MAX_VALUE_LENGTH} characters, got ${value.length}`)
    }
    if (SECRET.test(key)) throw badRequest(`Invalid property ${short(key)}: metadata is no place for secrets`)
    checkNumber(key, value)
    if (key === COMPRESSION_CODEC) parseCodec(value)
    if (LOCATIONS.has(key)) checkLocation?.(value, `property ${key}`)
  }
}

export function checkPropertyCount(count: number): void {
  if (count > MAX_PROPERTIES) throw badRequest(`Invalid properties: expected at most ${MAX_PROPERTIES}, got ${count}`)
}

function checkNumber(key: string, value: string): void {
  const range = NUMBERS.get(key)
  if (range === undefined) return
  const number = /^[+-]?\d{1,19}$/.test(value) ? BigInt(value.replace('+', '')) : undefined
  if (number !== undefined && number >= range[0] && number <= range[1]) return
  throw badRequest(`Invalid property ${key}: expected an integer from ${range[0]} to ${range[1]}, got ${short(value)}`)
}

/** Throws for encryption of a table whose format has none. */
export function checkEncryptionProperties(properties: Properties, formatVersion: number): void {
  if (formatVersion >= ENCRYPTION_FORMAT_VERSION) return
  const found = ENCRYPTION.filter((key) => Object.hasOwn(properties, key))
  if (found.length > 0) throw badRequest(`Invalid properties for v${formatVersion}: ${found.join(', ')} need format version 3`)
}

/** The metadata codec of a property's value. */
export function parseCodec(value: string): 'none' | 'gzip' {
  const codec = value.toLowerCase()
  if (codec === 'none' || codec === 'gzip') return codec
  throw badRequest(`Invalid property ${COMPRESSION_CODEC}: expected none or gzip, got ${short(value)}`)
}

/** An own property, or the default where it is absent or no integer (metadata that others wrote). */
export function integerProperty(properties: Properties, key: string, fallback: number): number {
  const value = Object.hasOwn(properties, key) ? properties[key] : undefined
  return value !== undefined && /^[+-]?\d{1,10}$/.test(value) ? Math.min(Number(value), MAX_INT) : fallback
}
