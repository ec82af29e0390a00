/**
 * Requests of clients to the storage, signed one by one with keys that stay here. What a request would do is read by the
 * storage's own signer; here stands who may have it signed: for files of a table alone, to write only who may commit to it,
 * and never over a metadata file, which the catalog alone writes.
 */
import { isNotAllowed } from '../../access/refusals.ts'
import { createHash } from 'node:crypto'
import { badRequest, displayIdentifier, forbidden, IcebergError, readOnlyPast, unavailable } from '../../iceberg/errors.ts'
import { stringify } from '../../iceberg/json.ts'
import { isBelow, selfAndAbove, type Location } from '../../iceberg/location.ts'
import { VendingError } from '../../storage/vending/vending.ts'
import type { RequestSigner, SignedRequest, SignRequest, Touched, UnsignedRequest } from '../../storage/vending/vending.ts'
import { assertMayTouch, mayTouch } from '../authorize.ts'
import type { CatalogCall, CatalogContext, CatalogHandle, MetadataAnswer, TableIdentifier } from '../call.ts'
import { withoutConfig } from '../documents/documents.ts'
import { areFree, areFreeForAny, mayCreate } from '../places/free-places.ts'
import { assertNamespace, findEntry, identifierOf, noSuch, type Entry } from '../entries.ts'
import { isStillReadable } from '../past.ts'
import type { RemoteSignRequest } from '../shapes.ts'
import { allowedPlaces, pathOf, placesFor, prefixOf, targetOfRow, type Target } from '../places/target.ts'

interface Made {
  readonly plain: Uint8Array
  readonly answer: MetadataAnswer
}
const lastMade = new WeakMap<Target, Made>()

/** The same answer about a table with what clients need that have their requests signed. */
export function withSigning(
  call: CatalogCall,
  target: Target,
  { status, etag, body: plain }: MetadataAnswer,
  isTable: boolean,
): MetadataAnswer {
  if (plain === undefined) throw new TypeError('signing for an answer without a body')
  const last = lastMade.get(target)
  if (last?.plain === plain && isTable) return last.answer
  const { catalog } = call
  const table = pathOf(catalog, target.identifier, 'sign')
  // A place beside the table's own is not found by where it lies, nor is a table that is staged only.
  const isFound = target.places.length === 1 && target.entryId !== undefined && catalog.at === undefined
  const anyTable = isFound ? `v1/${prefixOf(catalog)}/aws/s3/sign` : table
  const config = { ...catalog.clientConfig, ...signerOf(call).clientConfig({ table, anyTable }) }
  const rest = isTable ? `,"remote-signing-config":{"properties":{},"headers":{}}` : ''
  const tail = Buffer.from(`,"config":${stringify(config)}${rest}}`)
  const tag = createHash('sha256').update(tail).digest('base64url').slice(0, 16)
  const answer = {
    status,
    etag: etag === undefined ? undefined : `${etag.slice(0, -1)}.${tag}"`,
    body: withoutConfig(catalog, plain),
    tail,
    documentEtag: etag,
  }
  if (isTable) lastMade.set(target, { plain, answer })
  return answer
}

/** @throws IcebergError 400 */
function signerOf({ catalog }: Pick<CatalogCall, 'catalog'>): RequestSigner {
  if (catalog.signer !== undefined) return catalog.signer
  throw badRequest(`Warehouse ${catalog.warehouseName} does not sign requests of clients`)
}

function asked({ method, region, uri, headers, body, provider }: RemoteSignRequest): SignRequest {
  if (provider !== undefined && provider !== null && provider !== 's3') {
    throw badRequest(`Invalid provider: requests to s3 are signed, not to ${provider.slice(0, 100).toWellFormed()}`)
  }
  return { method, region, uri, headers, body: body ?? undefined }
}

/** Of a table or view, in whatever coding. */
const isMetadataFile = ({ location }: Touched): boolean =>
  /\.metadata\.json(?:\.[a-z0-9]+)?$|\/version-hint\.text$/i.test(location)
const covers = (place: Location, { location, isFolder }: Touched): boolean =>
  isBelow(place, location) || (isFolder && place === location)

/** @throws IcebergError 403, 404 */
async function assertMayAsk(
  context: CatalogContext,
  call: CatalogCall,
  identifier: TableIdentifier,
  row: Entry | undefined,
  { writes, touches }: UnsignedRequest,
): Promise<void> {
  if (!writes) return
  if (call.catalog.at !== undefined) throw readOnlyPast(call.catalog.at)
  await assertMayTouch(context, call, 'table.commit', identifier, row ?? null)
  if (touches.some(isMetadataFile)) throw forbidden('Requests that change metadata files are not signed: commit to the table')
}

function outside(identifier: TableIdentifier): IcebergError {
  return forbidden(`Requests for files outside of ${displayIdentifier(identifier)} are not signed for it`)
}

/** @throws IcebergError 403 unless all that is touched lies in places that the table has today, or that it may be moved to */
async function assertInside(
  context: CatalogContext,
  call: CatalogCall,
  target: Target | undefined,
  identifier: TableIdentifier,
  touches: readonly Touched[],
): Promise<void> {
  if (target === undefined) {
    throw forbidden(`${displayIdentifier(identifier)} lies outside of its warehouse's locations`)
  }
  const beside = (places: readonly Location[]): readonly Touched[] =>
    touches.filter((touched) => !places.some((place) => covers(place, touched)))
  if (call.catalog.at === undefined && beside(target.places.slice(0, 1)).length === 0) return
  const places = await placesFor(context, call, target)
  const elsewhere =
    beside(places).length === touches.length ? touches : beside(await allowedPlaces(context, call.catalog, { ...target, places }))
  if (elsewhere.length === 0) return
  if (!(await mayCreate(context, call, identifier)) || !(await areFree(context, call, identifier, elsewhere)))
    throw outside(identifier)
}

async function sign(context: CatalogContext, { catalog }: CatalogCall, unsigned: UnsignedRequest): Promise<SignedRequest> {
  try {
    return await unsigned.sign(context.now())
  } catch (error) {
    if (!(error instanceof VendingError)) throw error
    context.log('request-not-signed', { warehouse: catalog.warehouseName, kind: error.kind, message: error.message })
    throw unavailable(`Warehouse ${catalog.warehouseName} can not sign requests now`, { cause: error })
  }
}

async function signFor(
  context: CatalogContext,
  call: CatalogCall,
  identifier: TableIdentifier,
  row: Entry,
  unsigned: UnsignedRequest,
): Promise<SignedRequest> {
  await assertInside(context, call, await targetOfRow(context, call, identifier, row), identifier, unsigned.touches)
  return sign(context, call, unsigned)
}

/** @throws IcebergError 403 for what this caller may not do, and for what is never signed */
export async function signRequest(
  context: CatalogContext,
  call: CatalogCall,
  identifier: TableIdentifier,
  request: RemoteSignRequest,
): Promise<SignedRequest> {
  const row = await findEntry(context, call.catalog, identifier)
  await assertMayTouch(context, call, 'table.read', identifier, row ?? null)
  const unsigned = signerOf(call).read(asked(request))
  await assertMayAsk(context, call, identifier, row, unsigned)
  if (row !== undefined && !(await isStillReadable(context, call, row))) throw noSuch('table', identifier)
  if (row === undefined) await assertMayStage(context, call, identifier, unsigned.touches)
  else if (row.kind === 'table') return signFor(context, call, identifier, row, unsigned)
  else throw noSuch('table', identifier)
  return sign(context, call, unsigned)
}

/** @throws IcebergError 404 for a caller that may not create the table, 403 for places that are not free */
async function assertMayStage(
  context: CatalogContext,
  call: CatalogCall,
  identifier: TableIdentifier,
  touches: readonly Touched[],
): Promise<void> {
  await assertNamespace(context, call.catalog, identifier.namespace)
  if (!(await mayCreate(context, call, identifier))) throw noSuch('table', identifier)
  if (!(await areFree(context, call, identifier, touches))) throw outside(identifier)
}

interface Found {
  readonly identifier: TableIdentifier
  readonly row: Entry
}
const MAX_REMEMBERED = 10_000
/** Which table was at a place when it was last looked for. Only a guess: what is there now is asked each time. */
const tablesAt = new WeakMap<CatalogHandle, Map<Location, TableIdentifier>>()

/** The table of the catalog at or above a place. */
async function tableAt(context: CatalogContext, { catalog }: CatalogCall, location: Location): Promise<Found | undefined> {
  const { tenantId, id, branch, at, root, allowedRoots } = catalog
  if (at !== undefined) return undefined
  const roots = [root, ...allowedRoots]
  const places = selfAndAbove(location).filter((place) => roots.some((above) => isBelow(above, place)))
  let known = tablesAt.get(catalog)
  if (known === undefined) tablesAt.set(catalog, (known = new Map()))
  for (const place of places) {
    const identifier = known.get(place)
    const row = identifier && (await findEntry(context, catalog, identifier))
    if (identifier !== undefined && row?.kind === 'table' && row.location === place) return { identifier, row }
  }
  const found = await Promise.all(
    places.map((place) =>
      context.store.list('entries', { index: 'by_location', where: { tenant_id: tenantId, location: place }, limit: 2 }),
    ),
  )
  const row = found.flat().find((entry) => entry.catalog_id === id && entry.branch === branch && entry.kind === 'table')
  if (row === undefined) return undefined
  const identifier = identifierOf(row)
  if (known.size >= MAX_REMEMBERED) known.clear()
  known.set(row.location as Location, identifier)
  return { identifier, row }
}

/**
 * The same for clients that do not say for which table: that at whose location the file lies, in the first of the catalogs
 * that has one; in one catalog also for places where the caller may create a table. A refusal is the same whether there is a table or not.
 */
export async function signS3Request(
  context: CatalogContext,
  calls: readonly CatalogCall[],
  request: RemoteSignRequest,
): Promise<SignedRequest> {
  const sent = asked(request)
  let refusal: IcebergError | undefined
  for (const call of calls) {
    try {
      const unsigned = call.catalog.signer?.read(sent)
      const first = unsigned?.touches[0]
      const table = first && (await tableAt(context, call, first.location))
      if (unsigned === undefined) continue
      if (table === undefined) {
        // A client moves a table to where none is: Iceberg's Java client asks here up to its version 1.11.
        const isFree = calls.length === 1 && !unsigned.touches.some(isMetadataFile)
        if (isFree && (await areFreeForAny(context, call, unsigned.touches))) return await sign(context, call, unsigned)
        continue
      }
      const { identifier, row } = table
      if (!(await mayTouch(context, call, 'table.read', identifier, row))) continue
      await assertMayAsk(context, call, identifier, row, unsigned)
      return await signFor(context, call, identifier, row, unsigned)
    } catch (error) {
      if (!(error instanceof IcebergError) || error.code !== 403) throw error
      if (calls.length === 1 && !isNotAllowed(error)) refusal = error
    }
  }
  throw refusal ?? forbidden('No table that you may touch so lies where this request goes')
}
