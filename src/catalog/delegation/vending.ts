/**
 * Which credentials go with the answer about a table: for its own files, to read or to write as the caller may, where the
 * client asked and the warehouse has a way. Or, for clients that ask for that, where their requests are signed.
 */
import type { Principal } from '../../access/principal.ts'
import { displayIdentifier, IcebergError } from '../../iceberg/errors.ts'
import { stringify } from '../../iceberg/json.ts'
import { mayTouch, resolveEntry } from '../authorize.ts'
import type { CatalogCall, CatalogContext, MetadataAnswer, TableIdentifier } from '../call.ts'
import type { CatalogVending, Issued } from './credentials.ts'
import { answerWithEntry, matchesEtag, withoutConfig } from '../documents/documents.ts'
import type { AnswerOptions, Placed } from '../documents/documents.ts'
import { getEntry, type Entry } from '../entries.ts'
import { orGone } from '../past.ts'
import { ownLocations } from '../places/default-locations.ts'
import { assertLocationFree } from '../places/locations.ts'
import { homeOf } from '../places/namespace-locations.ts'
import type { LoadCredentialsResponse } from '../shapes.ts'
import { withSigning } from './signing.ts'
import { soon, type Soon } from '../soon.ts'
import { allowedPlaces, pathOf, placesFor, targetOf, targetOfRow, type Target } from '../places/target.ts'

/** How this caller is to come to the files, where we are to help with that. */
function wayOf({ catalog, asksForCredentials, asksForSigning }: CatalogCall): CatalogVending | 'signing' | undefined {
  const { vending, signer } = catalog
  if (vending !== undefined && (asksForCredentials === true || vending.always)) return vending
  return signer !== undefined && asksForSigning === true ? 'signing' : undefined
}

function issue(context: CatalogContext, call: CatalogCall, vending: CatalogVending, target: Target): Soon<Issued> {
  const { principal, catalog } = call
  const { identifier, entryId: id } = target
  const writes = catalog.at === undefined && mayTouch(context, call, 'table.commit', identifier, id === undefined ? null : { id })
  return soon(writes, (mayWrite) =>
    soon(placesFor(context, call, target), (places) =>
      context.credentials.issue(vending, {
        prefixes: places,
        access: mayWrite ? 'read-write' : 'read',
        principal,
        ...(places.length > 1 && { allowed: () => allowedPlaces(context, catalog, { ...target, places }) }),
      }),
    ),
  )
}

/** Where the client gets new ones. */
function refreshConfig({ catalog }: CatalogCall, { refreshKeys }: CatalogVending, { identifier }: Target) {
  if (refreshKeys === undefined) return {}
  const { endpoint, enabled } = refreshKeys
  const path = pathOf(catalog, identifier, 'credentials')
  return { [endpoint]: path, ...(enabled === undefined ? {} : { [enabled]: 'true' }) }
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

/** The last answer that was made of a target, which the next request for it gets again. */
interface Made {
  readonly principal: Principal
  readonly issued: Issued
  readonly plain: Uint8Array
  readonly answer: MetadataAnswer
}
const lastMade = new WeakMap<Target, Made>()

/** Up to so many bytes it costs less to have document and credentials in one piece than to write two. */
const MAX_JOINED = 65_536

/** What is larger is not kept beyond the cache of documents for the little that its end costs. */
const MAX_KEPT = 1024 * 1024

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
  if (form === 'table' && plain.length <= MAX_KEPT) lastMade.set(target, { principal: call.principal, issued, plain, answer })
  return answer
}

/** Also for an answer that is not the current one any more: the credentials are those of the row. */
function credentialsFor(
  context: CatalogContext,
  call: CatalogCall,
  way: CatalogVending | 'signing',
  entry: { readonly identifier: TableIdentifier; readonly row: Entry },
  plain: MetadataAnswer,
  form?: Form,
): Soon<MetadataAnswer> {
  return soon(targetOfRow(context, call, entry.identifier, entry.row), (target) => {
    if (target === undefined) return plain
    const add = (): Soon<MetadataAnswer> => credentialsForTarget(context, call, way, target, plain, form)
    return call.catalog.at === undefined ? add() : soon(isOwn(context, call, target), (own) => (own ? add() : plain))
  })
}

/** What a table of the past had as its own place may be another's today. */
const isOwn = async (context: CatalogContext, { catalog }: CatalogCall, target: Target): Promise<boolean> =>
  (await allowedPlaces(context, catalog, target)).length > 0

function credentialsForTarget(
  context: CatalogContext,
  call: CatalogCall,
  way: CatalogVending | 'signing',
  target: Target,
  plain: MetadataAnswer,
  form?: Form,
): Soon<MetadataAnswer> {
  if (way === 'signing') return withSigning(call, target, plain, form !== 'commit')
  const last = lastMade.get(target)
  // What the cache of credentials would say of the same ones for the same caller, without asking it.
  const isLast = last?.plain === plain.body && last?.principal === call.principal && form !== 'commit'
  if (isLast && context.now() < last.issued.renewAtMs) return last.answer
  return soon(issue(context, call, way, target), (issued) => withCredentials(call, way, target, issued, plain, form))
}

/** What `loadTable` answers. */
export function answerWithCredentials(
  context: CatalogContext,
  call: CatalogCall,
  identifier: TableIdentifier,
  row: Entry,
  options: AnswerOptions,
): Soon<MetadataAnswer> {
  const way = wayOf(call)
  if (way === undefined) return answerWithEntry(context, call.catalog, row, options)
  const { snapshots, ifNoneMatch } = options
  return soon(answerWithEntry(context, call.catalog, row, { snapshots }), (plain) =>
    soon(credentialsFor(context, call, way, { identifier, row }, plain), (answer) => {
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
  const way = wayOf(call)
  if (way === undefined) return plain
  const without = (reason: string): MetadataAnswer => {
    context.log('credentials-left-out', { table: displayIdentifier(identifier), reason })
    return plain
  }
  const adding = async (): Promise<MetadataAnswer> => {
    const row = await getEntry(context, call.catalog, identifier, 'table')
    return credentialsFor(context, call, way, { identifier, row }, plain, form)
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

/** Adds credentials to the answer to a staged creation. @throws IcebergError 400 when its place belongs to another entry */
export async function stagedWithCredentials(
  context: CatalogContext,
  call: CatalogCall,
  identifier: TableIdentifier,
  metadata: Placed & { readonly 'table-uuid'?: string | undefined },
  plain: MetadataAnswer,
): Promise<MetadataAnswer> {
  const way = wayOf(call)
  if (way === undefined) return plain
  const target = targetOf(call, identifier, metadata, undefined)
  // Not only before the provider is asked: there may be credentials for the entry that has the place by now.
  const location = target.places[0]!
  const home = await homeOf(context, call.catalog, identifier.namespace)
  const isMadeUp = ownLocations(call.catalog, home, identifier, metadata['table-uuid'] ?? '').includes(location)
  await assertLocationFree(context, call.catalog, location, { isMadeUp })
  if (way === 'signing') return withSigning(call, target, plain, true)
  return withCredentials(call, way, target, await issue(context, call, way, target), plain)
}

/** Asking for them is consent enough. An empty list where clients have their own. */
export async function loadCredentials(
  context: CatalogContext,
  call: CatalogCall,
  identifier: TableIdentifier,
): Promise<LoadCredentialsResponse> {
  const row = await resolveEntry(context, call, identifier, 'table')
  const { vending } = call.catalog
  if (vending === undefined) return { 'storage-credentials': [] }
  const target = await orGone(context, call.catalog, identifier, row, () => targetOfRow(context, call, identifier, row))
  if (target !== undefined && call.catalog.at !== undefined && !(await isOwn(context, call, target))) {
    throw new IcebergError('ForbiddenException', `The place of ${displayIdentifier(identifier)} is another table's today`)
  }
  if (target === undefined) {
    throw new IcebergError('ForbiddenException', `${displayIdentifier(identifier)} lies outside of its warehouse's locations`)
  }
  const issued = await issue(context, call, vending, target)
  return { 'storage-credentials': storageCredentials(call, vending, target, issued) }
}
