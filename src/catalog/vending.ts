/**
 * Which credentials go with the answer about a table: for its own files, to read or to write as the caller may, where the
 * client asked and the warehouse has a way. Places are judged by the rules of today, not those of when they were written:
 * what no longer lies in the warehouse, or has come to overlap something else, is not opened.
 */
import { isAllowed } from '../access/decide.ts'
import { displayIdentifier, IcebergError } from '../iceberg/errors.ts'
import { encodeNamespacePath, encodePathSegment } from '../iceberg/identifier.ts'
import { stringify } from '../iceberg/json.ts'
import { overlaps, type Location } from '../iceberg/location.ts'
import type { CatalogCall, CatalogContext, CatalogHandle, MetadataAnswer, TableIdentifier } from './call.ts'
import type { CatalogVending, Issued } from './credentials.ts'
import { behindDocument, matchesEtag, readTable } from './documents.ts'
import { getEntry, type Entry } from './entries.ts'
import { assertLocationFree, checkedLocation, PLACES } from './locations.ts'
import type { LoadCredentialsResponse } from './shapes.ts'
import { soon, type Soon } from './soon.ts'

/** What of a table's metadata its credentials depend on. */
interface Placed {
  /** As the metadata spells it. */
  readonly location: string
  readonly properties: Readonly<Record<string, string>>
}

/** What credentials are made for. */
interface Target {
  readonly identifier: TableIdentifier
  /** Absent for a table that is staged only. */
  readonly entryId: string | undefined
  readonly spelling: string
  /** The first is the table's location. */
  readonly places: readonly Location[]
}

/** The way to credentials, where this caller is to get some. */
function vendingOf({ catalog, asksForCredentials }: CatalogCall): CatalogVending | undefined {
  const { vending } = catalog
  return vending !== undefined && (asksForCredentials === true || vending.always) ? vending : undefined
}

/** @throws IcebergError 400 when the location is no longer one of the warehouse's */
function targetOf(
  { catalog }: CatalogCall,
  identifier: TableIdentifier,
  metadata: Placed,
  row: Pick<Entry, 'id' | 'location'> | undefined,
): Target {
  const places = [checkedLocation(catalog, row?.location ?? metadata.location)]
  for (const key of PLACES) {
    const text = Object.hasOwn(metadata.properties, key) ? metadata.properties[key] : undefined
    const place = text === undefined ? undefined : placeWithin(catalog, text)
    if (place !== undefined && !places.some((other) => overlaps(other, place))) places.push(place)
  }
  return { identifier, entryId: row?.id, spelling: metadata.location, places }
}

function placeWithin(catalog: CatalogHandle, text: string): Location | undefined {
  try {
    return checkedLocation(catalog, text)
  } catch (error) {
    if (error instanceof IcebergError) return undefined
    throw error
  }
}

/** The table's own location, which nobody else can have taken, and of its other places those that nobody lies in or around. */
async function allowedPlaces(context: CatalogContext, catalog: CatalogHandle, target: Target): Promise<Location[]> {
  const [own, ...others] = target.places
  const free = async (place: Location): Promise<Location[]> => {
    try {
      await assertLocationFree(context, catalog, place, target.entryId)
      return [place]
    } catch (error) {
      if (error instanceof IcebergError && error.code === 400) return []
      throw error
    }
  }
  // A staged table has taken nothing yet.
  const first = target.entryId === undefined ? assertLocationFree(context, catalog, own!) : undefined
  const [found] = await Promise.all([Promise.all(others.map(free)), first])
  return [own!, ...found.flat()]
}

function issue(context: CatalogContext, call: CatalogCall, vending: CatalogVending, target: Target): Soon<Issued> {
  const { principal, catalog } = call
  const { namespace, name } = target.identifier
  const resource = { tenantId: catalog.tenantId, catalog: catalog.name, namespace, name }
  return context.credentials.issue(vending, {
    prefixes: target.places,
    access: isAllowed(principal, 'table.commit', resource) ? 'read-write' : 'read',
    principal,
    ...(target.places.length > 1 || target.entryId === undefined
      ? { allowed: () => allowedPlaces(context, catalog, target) }
      : {}),
  })
}

/** Where the client gets new ones; below the URI that it has for the catalog, also in its doubled form. */
function refreshConfig({ catalog }: CatalogCall, { refreshKeys }: CatalogVending, { identifier }: Target) {
  if (refreshKeys === undefined) return {}
  const { endpoint, enabled } = refreshKeys
  const path = [
    'v1',
    encodePathSegment(catalog.name),
    'namespaces',
    encodeNamespacePath(identifier.namespace),
    'tables',
    encodePathSegment(identifier.name),
    'credentials',
  ]
  return { [endpoint]: path.join('/'), ...(enabled === undefined ? {} : { [enabled]: 'true' }) }
}

function storageCredentials(call: CatalogCall, vending: CatalogVending, target: Target, issued: Issued) {
  const refresh = issued.expiresAtMs === undefined ? {} : refreshConfig(call, vending, target)
  return issued.credentials.map(({ prefix, config }) => ({
    // Clients compare text.
    prefix: prefix === target.places[0] ? target.spelling : prefix,
    config: { ...call.catalog.clientConfig, ...config, ...refresh },
  }))
}

/** What stands behind the document, kept with the credentials. */
const tails = new WeakMap<Issued, { readonly spelling: string; readonly name: string; readonly tail: Buffer }>()

function tailOf(call: CatalogCall, vending: CatalogVending, target: Target, issued: Issued): Buffer {
  const name = displayIdentifier(target.identifier)
  const known = tails.get(issued)
  if (known?.spelling === target.spelling && known.name === name) return known.tail
  const credentials = storageCredentials(call, vending, target, issued)
  const config = credentials[0]?.config ?? call.catalog.clientConfig
  const tail = Buffer.from(`,"config":${stringify(config)},"storage-credentials":${stringify(credentials)}}`)
  tails.set(issued, { spelling: target.spelling, name, tail })
  return tail
}

/** The same answer with credentials in the place of the plain settings. */
function withCredentials(
  call: CatalogCall,
  vending: CatalogVending,
  target: Target,
  issued: Issued,
  { status, etag, body }: MetadataAnswer,
): MetadataAnswer {
  if (body === undefined) throw new TypeError('credentials for an answer without a body')
  return {
    status,
    etag: etag === undefined ? undefined : `${etag.slice(0, -1)}.${issued.tag}"`,
    body: body.subarray(0, body.length - behindDocument(call.catalog.clientConfig).length),
    tail: tailOf(call, vending, target, issued),
  }
}
