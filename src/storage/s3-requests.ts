/**
 * What a client's request to S3 would do, where that can be said without doubt; everything else is refused. Only requests
 * that table clients need are known here: what may stand in a query, in a header or in a body is listed, not what may not.
 */
import { badRequest, forbidden } from '../iceberg/errors.ts'
import { bucketAndKey, canonicalFile, leadsElsewhere } from '../iceberg/location.ts'
import { keysToDelete } from './delete-objects.ts'
import type { Settings } from './kind.ts'
import { isAws, pathStyle, region, rootLocation } from './s3-settings.ts'
import { sha256, type CanonicalRequest } from './signing.ts'
import type { SignRequest, Touched } from './vending/vending.ts'

/** Where the requests of a warehouse's clients may go: hosts that name the bucket, and hosts before whose paths it stands. */
export interface S3Place {
  readonly bucket: string
  readonly region: string
  readonly scheme: 'http:' | 'https:'
  readonly bucketHosts: readonly string[]
  readonly pathHosts: readonly string[]
  /** The service holds the body of DeleteObjects against the hash that is signed: else such a signature deletes anything. */
  readonly verifiesBodies: boolean
}

/**
 * On a service of its own only the style that the warehouse says: a host that both styles could mean is a way to another
 * bucket. On AWS the host alone tells which it is. `verifiesBodies`: of a service that is not AWS, as its operator made sure.
 */
export function placeOf(settings: Settings, { verifiesBodies = false } = {}): S3Place {
  const { bucket } = bucketAndKey(rootLocation(settings))
  const place = { bucket, region: region(settings) }
  const endpoint = settings['s3.endpoint']
  if (endpoint !== undefined) {
    const { protocol, host } = new URL(endpoint)
    const scheme = protocol === 'http:' ? 'http:' : 'https:'
    const style = pathStyle(settings)
    return {
      ...place,
      scheme,
      bucketHosts: style ? [] : [`${bucket}.${host}`],
      pathHosts: style ? [host] : [],
      verifiesBodies: verifiesBodies || isAws(endpoint),
    }
  }
  const suffix = place.region.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com'
  const hosts = [`s3.${place.region}.${suffix}`, ...(place.region === 'us-east-1' ? [`s3.${suffix}`] : [])]
  return {
    ...place,
    scheme: 'https:',
    bucketHosts: hosts.map((host) => `${bucket}.${host}`),
    pathHosts: hosts,
    verifiesBodies: true,
  }
}

export interface ReadRequest {
  readonly writes: boolean
  readonly touches: readonly Touched[]
  /** Ready to be signed. */
  readonly canonical: CanonicalRequest
  /** Whether the signature fits the next request of this method and address, whatever its other headers say. */
  readonly isRepeatable: boolean
}

const MAX_URI = 16_384
const EMPTY_BODY = sha256('')
const UNSIGNED = 'UNSIGNED-PAYLOAD'

function refuse(what: string): never {
  throw forbidden(`Requests ${what.slice(0, 300).toWellFormed()} are not signed`)
}

function decode(raw: string, what: string): string {
  try {
    return decodeURIComponent(raw)
  } catch {
    throw badRequest(`Invalid uri: ${what} has an escape that is not of UTF-8`)
  }
}

interface Address {
  readonly authority: string
  /** Decoded, with the bucket where it stands in it. */
  readonly path: string
  /** Empty for the bucket itself. */
  readonly key: string
  readonly query: ReadonlyMap<string, string>
}

/** Splits as servers do, and not as the WHATWG's URLs are, which repair what they are given. */
function addressOf(place: S3Place, uri: string): Address {
  if (uri.length > MAX_URI) throw badRequest(`Invalid uri: longer than ${MAX_URI} characters`)
  const match = /^(https?:)\/\/([A-Za-z0-9.:[\]_-]+)(\/[!$&'()*+,\-./:;=@\w~%]*)?(?:\?([!$&'()*,\-./:;=?@\w~%]*))?$/.exec(uri)
  if (match === null) throw badRequest('Invalid uri: expected an absolute http or https URI, its path and query escaped')
  const [, scheme, host = '', rawPath = '/', rawQuery] = match
  if (scheme !== place.scheme) refuse(`by ${scheme}//`)
  // Clients name the scheme's own port or do not.
  const authority = host.toLowerCase().replace(place.scheme === 'https:' ? /:443$/ : /:80$/, '')
  // An escaped slash or dot is one thing to a proxy and another to the storage.
  if (/%(?:2f|5c|2e)/i.test(rawPath)) refuse('with an escaped slash or dot in their path')
  const path = decode(rawPath, 'the path')
  return { authority, path, key: keyOf(place, authority, path), query: queryOf(rawQuery ?? '') }
}

function keyOf({ bucket, bucketHosts, pathHosts }: S3Place, authority: string, path: string): string {
  if (bucketHosts.includes(authority)) return path.slice(1)
  if (!pathHosts.includes(authority)) refuse(`to the host ${authority}`)
  if (path === `/${bucket}`) return ''
  if (!path.startsWith(`/${bucket}/`)) refuse('to another bucket')
  return path.slice(bucket.length + 2)
}

function queryOf(raw: string): Map<string, string> {
  const query = new Map<string, string>()
  for (const part of raw === '' ? [] : raw.split('&')) {
    const mark = part.indexOf('=')
    const name = decode(mark < 0 ? part : part.slice(0, mark), 'the query')
    if (query.has(name)) refuse(`with the query parameter ${name} twice`)
    query.set(name, mark < 0 ? '' : decode(part.slice(mark + 1), 'the query'))
  }
  return query
}

/** Headers that S3 acts on, and that are therefore signed. Others that begin with `x-amz-` are refused. */
const SIGNED = new Set([
  'content-md5',
  'content-type',
  'x-amz-checksum-algorithm',
  'x-amz-checksum-crc32',
  'x-amz-checksum-crc32c',
  'x-amz-checksum-crc64nvme',
  'x-amz-checksum-mode',
  'x-amz-checksum-sha1',
  'x-amz-checksum-sha256',
  'x-amz-checksum-type',
  'x-amz-decoded-content-length',
  'x-amz-expected-bucket-owner',
  'x-amz-mp-object-size',
  'x-amz-sdk-checksum-algorithm',
  'x-amz-server-side-encryption',
  'x-amz-server-side-encryption-aws-kms-key-id',
  'x-amz-server-side-encryption-bucket-key-enabled',
  'x-amz-storage-class',
  'x-amz-te',
  'x-amz-trailer',
  'x-amz-user-agent',
])
/** Of an earlier signature, perhaps of another signer's: left out of what is signed, and never answered. */
const REPLACED = new Set(['authorization', 'x-amz-date', 'x-amz-security-token'])
const PAYLOAD = 'x-amz-content-sha256'

function headersOf(request: SignRequest, authority: string): { signed: Map<string, string>; payload: string | undefined } {
  const signed = new Map<string, string>()
  const seen = new Set<string>()
  let payload: string | undefined
  for (const [spelling, values] of Object.entries(request.headers)) {
    const name = spelling.toLowerCase()
    const [value = '', ...more] = values
    if (seen.has(name)) refuse(`with the header ${name} twice`)
    seen.add(name)
    if (REPLACED.has(name)) continue
    const matters = name === 'host' || name.startsWith('x-amz-') || SIGNED.has(name)
    if (!matters) continue
    if (more.length > 0 || /[^ -~]/.test(value)) refuse(`with more than one plain value of the header ${name}`)
    if (name === 'host' && value.toLowerCase() !== authority) refuse(`to ${authority} with a header host of another`)
    else if (name === PAYLOAD) payload = value
    else if (SIGNED.has(name) || /^x-amz-meta-[a-z0-9_-]+$/.test(name)) signed.set(name, value)
    else if (name !== 'host') refuse(`with the header ${name}`)
  }
  return { signed, payload }
}

/** @throws IcebergError 403 for a key of which another reader could make another place */
function fileAt(bucket: string, key: string): Touched {
  const location = canonicalFile(`s3://${bucket}/${key}`)
  if (location === undefined || leadsElsewhere(key)) refuse('for keys that are not plain paths')
  return { location, isFolder: false }
}

function listed(bucket: string, prefix: string): Touched {
  if (prefix === '' || prefix === '/') refuse('that list all of a bucket')
  const isFolder = prefix.endsWith('/')
  return { ...fileAt(bucket, isFolder ? prefix.slice(0, -1) : prefix), isFolder }
}

type Query = ReadonlyMap<string, string>
const hasExactly = (query: Query, ...names: readonly string[]): boolean =>
  query.size === names.length && names.every((name) => query.has(name))
const isPart = (query: Query): boolean => /^\d{1,5}$/.test(query.get('partNumber') ?? '')
const isUpload = (query: Query): boolean => (query.get('uploadId') ?? '') !== ''

/** Of one object: what each method may have in its query, and whether that writes. */
function writesObject(method: string, query: Query): boolean {
  const plain = query.size === 0
  switch (method) {
    case 'GET':
      if (hasExactly(query, 'uploadId') && isUpload(query)) return true
      if (hasExactly(query, 'uploadId', 'part-number-marker') || hasExactly(query, 'uploadId', 'max-parts')) return true
      if (plain || (hasExactly(query, 'partNumber') && isPart(query))) return false
      break
    case 'HEAD':
      if (plain || (hasExactly(query, 'partNumber') && isPart(query))) return false
      break
    case 'PUT':
      if (plain || (hasExactly(query, 'partNumber', 'uploadId') && isPart(query) && isUpload(query))) return true
      break
    case 'POST':
      if (hasExactly(query, 'uploads') && query.get('uploads') === '') return true
      if (hasExactly(query, 'uploadId') && isUpload(query)) return true
      break
    case 'DELETE':
      if (plain || (hasExactly(query, 'uploadId') && isUpload(query))) return true
      break
    default:
  }
  return refuse(`${method} of an object with ${plain ? 'no query' : `the query ${[...query.keys()].join(', ')}`}`)
}

const LISTING = new Set([
  'list-type',
  'prefix',
  'delimiter',
  'continuation-token',
  'start-after',
  'max-keys',
  'encoding-type',
  'fetch-owner',
])

function touchedBy(place: S3Place, { method, body }: SignRequest, { key, query }: Address) {
  const { bucket } = place
  if (key !== '') return { writes: writesObject(method, query), touches: [fileAt(bucket, key)] }
  if (method === 'POST' && hasExactly(query, 'delete') && query.get('delete') === '') {
    // MinIO (2026-02) checks no digest of this body, in whatever header it is signed.
    if (!place.verifiesBodies) refuse('to delete several objects at once, on a service that is not known to check their list,')
    if (body === undefined) refuse('to delete objects without the body that names them')
    return { writes: true, touches: keysToDelete(body).map((each) => fileAt(bucket, each)), bodyHash: sha256(body) }
  }
  if (method !== 'GET' || query.get('list-type') !== '2') refuse(`${method} of a bucket that neither list nor delete files`)
  const unknown = [...query.keys()].find((name) => !LISTING.has(name))
  if (unknown !== undefined) refuse(`with the query parameter ${unknown}`)
  return { writes: false, touches: [listed(bucket, query.get('prefix') ?? '')] }
}

function payloadOf(method: string, sent: string | undefined, bodyHash: string | undefined): string {
  if (bodyHash !== undefined) {
    if (sent !== undefined && sent !== bodyHash) refuse(`with a ${PAYLOAD} that is not that of their body`)
    return bodyHash
  }
  if (sent === undefined) return method === 'PUT' || method === 'POST' ? UNSIGNED : EMPTY_BODY
  if (/^[0-9a-f]{64}$/.test(sent) || sent === UNSIGNED) return sent
  if (method === 'PUT' && sent === 'STREAMING-UNSIGNED-PAYLOAD-TRAILER') return sent
  return refuse(`with this ${PAYLOAD}`)
}

/** @throws IcebergError 400 for what is no request, 403 for one that is never signed */
export function readRequest(place: S3Place, request: SignRequest): ReadRequest {
  const { method } = request
  if (request.region !== place.region) refuse(`to the region ${request.region}`)
  const address = addressOf(place, request.uri)
  const { signed, payload: sent } = headersOf(request, address.authority)
  const { writes, touches, bodyHash } = touchedBy(place, request, address)
  const payload = payloadOf(method, sent, bodyHash)
  return {
    writes,
    touches,
    canonical: {
      method,
      authority: address.authority,
      path: address.path,
      query: [...address.query],
      headers: signed,
      payload,
    },
    isRepeatable: !writes,
  }
}
