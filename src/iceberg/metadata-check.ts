/**
 * What a metadata file is held to when it is first read for an entry, before its bytes go into answers: writers other than the
 * catalog can reach it. One function from bytes to bytes, without anything of the server's, so that it can run anywhere.
 */
import { parse, type JsonValue } from './json.ts'
import { joinParts } from './json-parts.ts'
import { scanObject } from './json-scan.ts'
import { canonicalLocation } from './location.ts'
import { parseTableMetadata, serializeTableMetadata } from './table-metadata.ts'
import { canonicalUuid, isUuid } from './uuid.ts'

/** What is known of the entry that names the file. */
export interface MetadataOwner {
  readonly kind: 'table' | 'view'
  /** Canonical; undefined where the file is an earlier one, of when the entry may have been elsewhere. */
  readonly location: string | undefined
  /** Canonical; null in rows of versions that did not record it. */
  readonly uuid: string | null
  /** The uuid of a table whose file names none: for format version 1, which may leave it out. */
  readonly id: string
}

/** The file is not what the entry needs. The message holds nothing of what the file says. */
export class MetadataFault extends Error {
  constructor(message: string, options: ErrorOptions = {}) {
    super(message, options)
    this.name = 'MetadataFault'
  }
}

/**
 * Fields that clients make their requirements of, and that format version 1 and early writers may leave out. A client that
 * fills them in by itself does so anew at each load, or otherwise than the catalog.
 */
const OFTEN_LEFT_OUT = [
  'table-uuid',
  'schemas',
  'current-schema-id',
  'partition-specs',
  'default-spec-id',
  'last-partition-id',
  'sort-orders',
  'default-sort-order-id',
  'properties',
  'refs',
  'snapshots',
]
const READ = new Set([...OFTEN_LEFT_OUT, 'format-version', 'location', 'view-uuid'])

/**
 * The JSON to answer: the file's own bytes, or the normal form of a table's metadata that lacks fields.
 * @throws MetadataFault unless it is one JSON object and nothing else, of this very entry
 */
export function checkMetadata(json: Uint8Array, owner: MetadataOwner): Uint8Array {
  const members = membersOf(json)
  const version = members.get('format-version')
  if (!Number.isSafeInteger(version)) throw new MetadataFault('has no format version')
  checkOwner(members, version === 1, owner)
  if (owner.kind === 'view' || OFTEN_LEFT_OUT.every((field) => members.has(field))) return json
  try {
    const metadata = parseTableMetadata(json)
    return joinParts(serializeTableMetadata({ ...metadata, 'table-uuid': metadata['table-uuid'] ?? owner.uuid ?? owner.id }))
  } catch (error) {
    throw new MetadataFault('lacks fields and can not be completed', { cause: error })
  }
}

/** Those that are read here. Of a long value only that it is there; `null` is absent. */
function membersOf(json: Uint8Array): ReadonlyMap<string, JsonValue> {
  try {
    const members = new Map<string, JsonValue>()
    for (const [name, { start, end }] of scanObject(json, READ)) {
      const isShort = json[start] !== 0x5b && json[start] !== 0x7b
      const value = isShort ? parse(json.subarray(start, end)) : true
      if (value !== null) members.set(name, value)
    }
    return members
  } catch (error) {
    throw new MetadataFault('is not one JSON object', { cause: error })
  }
}

function checkOwner(members: ReadonlyMap<string, JsonValue>, mayLackUuid: boolean, owner: MetadataOwner): void {
  const uuid = members.get(`${owner.kind}-uuid`)
  if (uuid === undefined ? owner.kind === 'view' || !mayLackUuid : !isUuid(uuid)) {
    throw new MetadataFault(`has no ${owner.kind}-uuid`)
  }
  if (isUuid(uuid) && owner.uuid !== null && canonicalUuid(uuid) !== owner.uuid) {
    throw new MetadataFault(`has another ${owner.kind}-uuid`)
  }
  const location = members.get('location')
  if (owner.location !== undefined && canonical(location) !== owner.location) throw new MetadataFault('has another location')
}

function canonical(location: JsonValue | undefined): string | undefined {
  try {
    return typeof location === 'string' ? canonicalLocation(location) : undefined
  } catch {
    return undefined
  }
}

/** For readers that look at single fields: whether a document's `location` is the canonical one that is expected. */
export const isMetadataAt = (said: JsonValue | undefined, location: string): boolean => canonical(said) === location
