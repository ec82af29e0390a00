/**
 * Which credentials go with the answer about a table: for its own files, to read or to write as the caller may, where the
 * client asked and the warehouse has a way. Or, for clients that ask for that, where their requests are signed.
 */
import { isAllowed } from '../access/decide.ts'
import { displayIdentifier, IcebergError } from '../iceberg/errors.ts'
import { stringify } from '../iceberg/json.ts'
import { assertMayTouch } from './authorize.ts'
import type { CatalogCall, CatalogContext, MetadataAnswer, TableIdentifier } from './call.ts'
import type { CatalogVending, Issued } from './credentials.ts'
import { answerWithEntry, matchesEtag, withoutConfig } from './documents.ts'
import type { AnswerOptions, Placed } from './documents.ts'
import { getEntry, type Entry } from './entries.ts'
import { assertLocationFree } from './locations.ts'
import type { LoadCredentialsResponse } from './shapes.ts'
import { signingTail } from './signing.ts'
import { soon, type Soon } from './soon.ts'
import { allowedPlaces, pathOf, placesFor, targetOf, targetOfRow, type Target } from './target.ts'
import { StoreError } from '../stores/store.ts'

/** How this caller is to come to the files, where we are to help with that. */
function wayOf({ catalog, asksForCredentials, asksForSigning }: CatalogCall): CatalogVending | 'signing' | undefined {
  const { vending, signer } = catalog
  if (vending !== undefined && (asksForCredentials === true || vending.always)) return vending
  return signer !== undefined && asksForSigning === true ? 'signing' : undefined
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

/** The last answer that was made of a target: whoever asks again gets it again. */
interface Made {
  readonly issued: Issued | 'signing'
  readonly plain: Uint8Array
  readonly answer: MetadataAnswer
}
const lastMade = new WeakMap<Target, Made>()

/** The same answer with what `issued` names in the place of the plain settings. */
function withTail(
  call: CatalogCall,
  target: Target,
  issued: Made['issued'],
  { status, etag, body }: MetadataAnswer,
  form: Form,
  make: () => { readonly tag: string; readonly tail: Buffer },
): MetadataAnswer {
  if (body === undefined) throw new TypeError('credentials for an answer without a body')
  const last = lastMade.get(target)
  if (last?.issued === issued && last.plain === body && form === 'table') return last.answer
  const { tag, tail } = make()
  const answer = {
    status,
    etag: etag === undefined ? undefined : `${etag.slice(0, -1)}.${tag}"`,
    body: withoutConfig(call.catalog, body),
    tail,
    documentEtag: etag,
  }
  if (form === 'table') lastMade.set(target, { issued, plain: body, answer })
  return answer
}

function withHelp(
  context: CatalogContext,
  call: CatalogCall,
  way: CatalogVending | 'signing',
  target: Target,
  plain: MetadataAnswer,
  form: Form = 'table',
): Soon<MetadataAnswer> {
  if (way === 'signing') {
    return withTail(call, target, way, plain, form, () => signingTail(call, target.identifier, form === 'table'))
  }
  return soon(issue(context, call, way, target), (issued) =>
    withTail(call, target, issued, plain, form, () => ({
      tag: issued.tag,
      tail: tailOf(call, way, target, issued, form),
    })),
  )
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
  return soon(targetOfRow(context, call, entry.identifier, entry.row), (target) =>
    target === undefined ? plain : withHelp(context, call, way, target, plain, form),
  )
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
  const { ifNoneMatch, ...rest } = options
  return soon(answerWithEntry(context, call.catalog, row, rest), (plain) =>
    soon(credentialsFor(context, call, way, { identifier, row }, plain), (answer) => {
      const { etag } = answer
      if (ifNoneMatch === undefined || etag === undefined || !matchesEtag(ifNoneMatch, etag)) return answer
      return { status: 304, etag, body: undefined }
    }),
  )
}

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
  try {
    const row = await getEntry(context, call.catalog, identifier, 'table')
    return await credentialsFor(context, call, way, { identifier, row }, plain, form)
  } catch (error) {
    if (!(error instanceof IcebergError || error instanceof StoreError)) throw error
    context.log('credentials-left-out', { table: displayIdentifier(identifier), reason: error.message })
    return plain
  }
}

/** Adds credentials to the answer to a staged creation. @throws IcebergError 400 when its place belongs to somebody */
export async function stagedWithCredentials(
  context: CatalogContext,
  call: CatalogCall,
  identifier: TableIdentifier,
  metadata: Placed,
  plain: MetadataAnswer,
): Promise<MetadataAnswer> {
  const way = wayOf(call)
  if (way === undefined) return plain
  const target = targetOf(call, identifier, metadata, undefined)
  // Not only before the provider is asked: there may be credentials for whoever has the place by now.
  await assertLocationFree(context, call.catalog, target.places[0]!)
  return withHelp(context, call, way, target, plain)
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
