/**
 * Which credentials go with the answer about a table: for its own files, to read or to write as the caller may, where the
 * client asked and the warehouse has a way. Places are judged by the rules of today, not those of when they were written:
 * what no longer lies in the warehouse, or has come to overlap something else, is not opened.
 */
import { isAllowed } from '../access/decide.ts'
import type { Principal } from '../access/principal.ts'
import { displayIdentifier, IcebergError } from '../iceberg/errors.ts'
import { encodeNamespacePath, encodePathSegment } from '../iceberg/identifier.ts'
import { stringify } from '../iceberg/json.ts'
import { isBelow, overlaps, type Location } from '../iceberg/location.ts'
import { assertMayTouch } from './authorize.ts'
import type { CatalogCall, CatalogContext, CatalogHandle, MetadataAnswer, TableIdentifier } from './call.ts'
import type { CatalogVending, Issued } from './credentials.ts'
import { answerWithEntry, matchesEtag, placedOf, withoutConfig } from './documents.ts'
import type { AnswerOptions, Placed } from './documents.ts'
import { getEntry, type Entry } from './entries.ts'
import { areasOf, assertLocationFree, checkedLocation, PLACES } from './locations.ts'
import type { LoadCredentialsResponse } from './shapes.ts'
import { soon, type Soon } from './soon.ts'

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
    const place = text === undefined ? undefined : allowing(() => checkedLocation(catalog, text))
    if (place !== undefined && !places.some((other) => overlaps(other, place))) places.push(place)
  }
  return { identifier, entryId: row?.id, spelling: metadata.location, places }
}

/** Nothing instead of a refusal. */
function allowing<T>(check: () => T): T | undefined {
  try {
    return check()
  } catch (error) {
    if (error instanceof IcebergError && error.code === 400) return undefined
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
  return [own!, ...(await Promise.all(others.map(free))).flat()]
}

/**
 * Tables may share places beside their own, so what lies there may be other tables' files: a narrowed token opens such a
 * place only within a namespace or catalog that it has as a whole.
 */
function placesFor(call: CatalogCall, { identifier, places }: Target): readonly Location[] {
  const areas = places.length > 1 ? areasOf(call, identifier) : undefined
  if (areas === undefined) return places
  return places.filter((place, at) => at === 0 || areas.some((area) => isBelow(area, place)))
}

function issue(context: CatalogContext, call: CatalogCall, vending: CatalogVending, target: Target): Soon<Issued> {
  const { principal, catalog } = call
  const { namespace, name } = target.identifier
  const resource = { tenantId: catalog.tenantId, catalog: catalog.name, namespace, name }
  const places = placesFor(call, target)
  return context.credentials.issue(vending, {
    prefixes: places,
    access: isAllowed(principal, 'table.commit', resource) ? 'read-write' : 'read',
    principal,
    ...(places.length > 1 && { allowed: () => allowedPlaces(context, catalog, { ...target, places }) }),
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

/** The answer to a commit has no other place for credentials than `config`. */
type Form = 'table' | 'commit'

/** What stands behind the document. */
function tailOf(call: CatalogCall, vending: CatalogVending, target: Target, issued: Issued, form: Form): Buffer {
  const credentials = storageCredentials(call, vending, target, issued)
  const config = credentials[0]?.config ?? call.catalog.clientConfig
  const rest = form === 'commit' ? '' : `,"storage-credentials":${stringify(credentials)}`
  return Buffer.from(`,"config":${stringify(config)}${rest}}`)
}

/** The last answer that was made of a target: whoever asks again gets it again. */
interface Made {
  readonly principal: Principal
  readonly issued: Issued
  readonly plain: Uint8Array
  readonly answer: MetadataAnswer
}
const lastMade = new WeakMap<Target, Made>()

/** Up to so many bytes it costs less to have document and credentials in one piece than to write two. */
const MAX_JOINED = 65_536

/** The same answer with credentials in the place of the plain settings. */
function withCredentials(
  call: CatalogCall,
  vending: CatalogVending,
  target: Target,
  issued: Issued,
  { status, etag, body: plain }: MetadataAnswer,
  form: Form = 'table',
): MetadataAnswer {
  if (plain === undefined) throw new TypeError('credentials for an answer without a body')
  const [body, tail] = [withoutConfig(call.catalog, plain), tailOf(call, vending, target, issued, form)]
  const answer = {
    status,
    etag: etag === undefined ? undefined : `${etag.slice(0, -1)}.${issued.tag}"`,
    body,
    tail,
    joined: body.length <= MAX_JOINED ? Buffer.concat([body, tail]) : undefined,
    documentEtag: etag,
  }
  if (form === 'table') lastMade.set(target, { principal: call.principal, issued, plain, answer })
  return answer
}

const targetsOfRows = new WeakMap<Entry, { readonly catalog: CatalogHandle; readonly target: Target | undefined }>()

/** Nothing where the table lies outside of what the warehouse is today. */
function targetOfRow(
  context: CatalogContext,
  call: CatalogCall,
  identifier: TableIdentifier,
  row: Entry,
): Soon<Target | undefined> {
  const known = targetsOfRows.get(row)
  if (known?.catalog === call.catalog) return known.target
  return soon(placedOf(context, call.catalog, row.metadata_location), (metadata) => {
    const target = allowing(() => targetOf(call, identifier, metadata, row))
    targetsOfRows.set(row, { catalog: call.catalog, target })
    return target
  })
}

/** Also for an answer that is not the current one any more: the credentials are those of the row. */
function credentialsFor(
  context: CatalogContext,
  call: CatalogCall,
  vending: CatalogVending,
  entry: { readonly identifier: TableIdentifier; readonly row: Entry },
  plain: MetadataAnswer,
  form?: Form,
): Soon<MetadataAnswer> {
  return soon(targetOfRow(context, call, entry.identifier, entry.row), (target) => {
    if (target === undefined) return plain
    const last = lastMade.get(target)
    // What the cache of credentials would say of the same ones for the same caller, without asking it.
    const isLast = last?.plain === plain.body && last?.principal === call.principal && form !== 'commit'
    if (isLast && context.now() < last.issued.renewAtMs) return last.answer
    return soon(issue(context, call, vending, target), (issued) => withCredentials(call, vending, target, issued, plain, form))
  })
}

/** What `loadTable` answers. */
export function answerWithCredentials(
  context: CatalogContext,
  call: CatalogCall,
  identifier: TableIdentifier,
  row: Entry,
  options: AnswerOptions,
): Soon<MetadataAnswer> {
  const vending = vendingOf(call)
  if (vending === undefined) return answerWithEntry(context, call.catalog, row, options)
  const { ifNoneMatch, ...rest } = options
  return soon(answerWithEntry(context, call.catalog, row, rest), (plain) =>
    soon(credentialsFor(context, call, vending, { identifier, row }, plain), (answer) => {
      const { etag } = answer
      if (ifNoneMatch === undefined || etag === undefined || !matchesEtag(ifNoneMatch, etag)) return answer
      return { status: 304, etag, body: undefined }
    }),
  )
}

/** The answer to a change does not wait longer for a provider: a change that landed must not end as one of unknown outcome. */
const PATIENCE_MS = 3_000

/**
 * Adds credentials to the answer to a change that has landed. Where there are none to be had it is answered without: the
 * client must learn that its change was made, and can ask for them again.
 */
export async function landedWithCredentials(
  context: CatalogContext,
  call: CatalogCall,
  identifier: TableIdentifier,
  landed: Promise<MetadataAnswer>,
  form?: Form,
): Promise<MetadataAnswer> {
  const plain = await landed
  const vending = vendingOf(call)
  if (vending === undefined) return plain
  const without = (reason: string): MetadataAnswer => {
    context.log('credentials-left-out', { table: displayIdentifier(identifier), reason })
    return plain
  }
  const adding = async (): Promise<MetadataAnswer> => {
    const row = await getEntry(context, call.catalog, identifier, 'table')
    return credentialsFor(context, call, vending, { identifier, row }, plain, form)
  }
  // Nothing that fails in here, expected or not, may make an error of a success.
  const added = adding().catch((error: unknown) => without(error instanceof Error ? error.message : 'failed'))
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), PATIENCE_MS)
  })
  const answer = await Promise.race([added, late]).finally(() => clearTimeout(timer))
  return answer ?? without('the provider takes too long')
}

/** Adds credentials to the answer to a staged creation. @throws IcebergError 400 when its place belongs to somebody */
export async function stagedWithCredentials(
  context: CatalogContext,
  call: CatalogCall,
  identifier: TableIdentifier,
  metadata: Placed,
  plain: MetadataAnswer,
): Promise<MetadataAnswer> {
  const vending = vendingOf(call)
  if (vending === undefined) return plain
  const target = targetOf(call, identifier, metadata, undefined)
  // Not only before the provider is asked: there may be credentials for whoever has the place by now.
  await assertLocationFree(context, call.catalog, target.places[0]!)
  return withCredentials(call, vending, target, await issue(context, call, vending, target), plain)
}

/** Asking for them is consent enough. An empty list where clients have their own. */
export async function loadCredentials(
  context: CatalogContext,
  call: CatalogCall,
  identifier: TableIdentifier,
): Promise<LoadCredentialsResponse> {
  assertMayTouch(call, 'table.read', identifier)
  const row = await getEntry(context, call.catalog, identifier, 'table')
  const { vending } = call.catalog
  if (vending === undefined) return { 'storage-credentials': [] }
  const target = await targetOfRow(context, call, identifier, row)
  if (target === undefined) {
    throw new IcebergError('ForbiddenException', `${displayIdentifier(identifier)} lies outside of its warehouse's locations`)
  }
  const issued = await issue(context, call, vending, target)
  return { 'storage-credentials': storageCredentials(call, vending, target, issued) }
}
