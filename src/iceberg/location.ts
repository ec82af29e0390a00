/**
 * The one location type. A `Location` is canonical: equal places have equal text, and nothing in it can mean something
 * else to a file system, an object store or a policy language. Create, register, set-location, properties, purge, vending
 * and storage all compare locations through here; metadata keeps the spelling that the client sent.
 *
 * A path is taken literally, as Iceberg's clients do: `%20` in a location is three characters of the key or file name.
 * Percent-escapes are decoded only to look for what another reader of the same text could make of them.
 */
import { createHash } from 'node:crypto'
import { badRequest } from './errors.ts'

declare const brand: unique symbol
/** Canonical and without a slash at its end. Only the functions of this module make one. */
export type Location = string & { readonly [brand]: true }

export type Scheme = 'file' | 's3' | 'gs' | 'abfss'

export interface LocationOptions {
  /** Canonical schemes that are accepted; all when absent. */
  readonly schemes?: readonly Scheme[]
  /** Also accept `/a/b` for `file:///a/b`. For settings, never for what a client of the catalog sends. */
  readonly barePath?: boolean
}

const SCHEMES: ReadonlyMap<string, Scheme> = new Map<string, Scheme>([
  ['file', 'file'],
  ['s3', 's3'],
  ['s3a', 's3'],
  ['s3n', 's3'],
  ['gs', 'gs'],
  ['gcs', 'gs'],
  ['abfs', 'abfss'],
  ['abfss', 'abfss'],
  ['wasb', 'abfss'],
  ['wasbs', 'abfss'],
])

const MAX_BYTES = 1024
/** Most ASCII locations of tables and files: already canonical, and proven so by one expression without backtracking. */
const PLAIN = /^(?:file:\/\/|s3:\/\/[a-z0-9][a-z0-9-]{1,61}[a-z0-9](?=\/))(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9_.=+@,:!~$&()-]+)+$/
/** C0, DEL and C1 controls; format characters (zero-width, bidirectional); line and paragraph separators; odd spaces. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cn}]|(?! )\p{Zs}/u
/** Wildcards, quotes, braces and what begins a query, a fragment, a parameter or an escape in some grammar. */
const SPECIAL = /[*?"'`{}[\]<>|^\\#;]/
const BUCKET = /^[a-z0-9](?:[a-z0-9_-]|\.(?!\.))*[a-z0-9]$/
const AZURE = /^(?:([a-z0-9](?:-?[a-z0-9])*)@)?([a-z0-9](?:[a-z0-9-]|\.(?!\.))*[a-z0-9])$/

/** The text for a message: bounded, printable, on one line. */
function quoted(text: string): string {
  const short = text.length > 200 ? `${text.slice(0, 200)}...` : text
  const shown = short.toWellFormed().replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (c) => `\\u{${c.codePointAt(0)?.toString(16)}}`)
  return `"${shown}"`
}

function refuse(text: string, why: string): never {
  throw badRequest(`Invalid location ${quoted(text)}: ${why}`)
}

/** Decodes the escapes that can be decoded; bytes that are no UTF-8 stay escaped, save for ASCII among them. */
function decodeOnce(path: string): string {
  return path.replace(/(?:%[0-9A-Fa-f]{2})+/g, (run) => {
    try {
      return decodeURIComponent(run)
    } catch {
      return run.replace(/%([0-7][0-9A-Fa-f])/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
    }
  })
}

/** Every reading of a path that decoding its escapes again and again can give (each pass makes it shorter). */
function readings(path: string): string[] {
  const found = [path]
  for (let current = path, next = decodeOnce(path); next !== current; current = next, next = decodeOnce(next)) found.push(next)
  return found
}

function hasBrokenEscape(path: string): boolean {
  try {
    decodeURIComponent(path)
    return false
  } catch {
    return true
  }
}

function hasDotSegment(path: string): boolean {
  return path.split(/[/\\]/).some((segment) => segment === '.' || segment === '..')
}

/** Why a path can't be accepted in a location, or `undefined`. */
function pathProblem(path: string): string | undefined {
  if (INVISIBLE.test(path)) return 'control, invisible and unassigned characters are not allowed'
  const special = SPECIAL.exec(path)
  if (special) return `the character ${special[0]} is not allowed`
  if (path.normalize('NFC') !== path) return 'Unicode text must be in normalization form C'
  if (hasBrokenEscape(path)) return 'a percent sign must begin an escape of valid UTF-8'
  for (const reading of readings(path)) {
    if (hasDotSegment(reading) || hasDotSegment(reading.normalize('NFKC'))) return 'segments "." and ".." are not allowed'
    if (/\p{Cc}/u.test(reading)) return 'escaped control characters are not allowed'
  }
  return undefined
}

/** Clients of the JVM decode paths on Azure and others do not: with an escape in it, one location would be two places. */
const readsEscapes = (scheme: Scheme): boolean => scheme === 'abfss'
const escapeProblem = (path: string): string | undefined =>
  path.includes('%') ? 'on Azure, where some clients decode them, escapes are not allowed' : undefined

function canonicalAuthority(text: string, scheme: Scheme, authority: string): string {
  // Lower-casing turns the Kelvin sign into a k: names of hosts are ASCII.
  if (!/^[!-~]*$/.test(authority)) refuse(text, 'expected an ASCII bucket, container or host name')
  const lower = authority.toLowerCase()
  if (scheme === 'file') {
    if (lower !== '') refuse(text, 'a file location has no host (file:///path)')
    return ''
  }
  if (scheme === 'abfss') {
    const match = AZURE.exec(lower)
    if (!match || lower.length > 255) refuse(text, 'expected container@account.host or a container after the scheme')
    // The blob and dfs hosts of an account are two doors to the same container.
    return lower.replace(/\.blob\.(?=[^@]*$)/, '.dfs.')
  }
  if (lower.length < 3 || lower.length > 222 || !BUCKET.test(lower)) refuse(text, 'expected a bucket name after the scheme')
  return lower
}

interface Parts {
  readonly scheme: Scheme
  readonly authority: string
  /** Empty, or begins with a slash and does not end with one. */
  readonly path: string
}

function split(text: string, options: LocationOptions): Parts {
  if (Buffer.byteLength(text) > MAX_BYTES) refuse(text, `longer than ${MAX_BYTES} bytes`)
  if (!text.isWellFormed()) refuse(text, 'not well-formed Unicode')
  const match = /^([A-Za-z][A-Za-z0-9+.-]*):(.*)$/s.exec(text)
  const bare = match === null && options.barePath === true && text.startsWith('/')
  if (match === null && !bare) refuse(text, 'expected an absolute URI with a scheme')
  const scheme = bare ? 'file' : SCHEMES.get((match?.[1] ?? '').toLowerCase())
  if (scheme === undefined) refuse(text, `the scheme is not one of ${[...SCHEMES.keys()].join(', ')}`)
  if (options.schemes && !options.schemes.includes(scheme)) {
    refuse(text, `expected the scheme ${options.schemes.join(' or ')}`)
  }
  const rest = bare ? text : (match?.[2] ?? '')
  // JVM clients write file:/x; only file locations may lack the authority's slashes.
  const opaque = scheme === 'file' && !rest.startsWith('//')
  const parsed = opaque ? /^()(\/.*)$/s.exec(rest) : /^\/\/([^/]*)(\/.*)?$/s.exec(rest)
  if (!parsed) refuse(text, 'expected an absolute path after the scheme')
  const path = parsed[2] ?? ''
  return {
    scheme,
    authority: canonicalAuthority(text, scheme, parsed[1] ?? ''),
    path: path.endsWith('/') ? path.slice(0, -1) : path,
  }
}

function assemble(text: string, parts: Parts): Location {
  if (parts.path.includes('//') || parts.path.endsWith('/')) refuse(text, 'empty path segments are not allowed')
  if (parts.scheme === 'file' && parts.path === '') refuse(text, 'the root of the file system is not a location')
  const location = `${parts.scheme}://${parts.authority}${parts.path}`
  if (Buffer.byteLength(location) > MAX_BYTES) refuse(text, `longer than ${MAX_BYTES} bytes`)
  return location as Location
}

const allowed = (text: string, schemes: readonly Scheme[] | undefined): boolean =>
  schemes === undefined || schemes.some((scheme) => text.startsWith(`${scheme}:`))

/**
 * The canonical form of a location of a table, view, namespace, warehouse or metadata file.
 * @throws IcebergError 400 for whatever is not one plain absolute place
 */
export function canonicalLocation(text: string, options: LocationOptions = {}): Location {
  if (text.length <= MAX_BYTES && PLAIN.test(text) && allowed(text, options.schemes)) return text as Location
  const parts = split(text, options)
  const problem = pathProblem(parts.path) ?? (readsEscapes(parts.scheme) ? escapeProblem(parts.path) : undefined)
  if (problem !== undefined) refuse(text, problem)
  return assemble(text, parts)
}

/**
 * The canonical form of a file that metadata names (data files have partition values in their paths, with any escapes and
 * wildcards in them), or `undefined` where that can't be said safely.
 */
export function canonicalFile(text: string): Location | undefined {
  if (text.length <= MAX_BYTES && PLAIN.test(text)) return text as Location
  try {
    const parts = split(text, {})
    if (text.endsWith('/') || /[\p{Cc}\\]/u.test(parts.path) || hasDotSegment(parts.path)) return undefined
    return assemble(text, parts)
  } catch {
    return undefined
  }
}

/**
 * Accepts what a client wants written into metadata: `spelling` goes there and back to it (clients compare what they sent
 * with what they get; those of the JVM write `file:/x`), `canonical` is what we compare and store.
 */
export function acceptLocation(text: string, options: LocationOptions = {}): { canonical: Location; spelling: string } {
  const canonical = canonicalLocation(text, options)
  return { canonical, spelling: text.endsWith('/') ? text.slice(0, -1) : text }
}

/** Strictly below, on segment boundaries: `s3://b/t2` is not below `s3://b/t`. */
export function isBelow(parent: Location, child: Location): boolean {
  return child.length > parent.length + 1 && child.startsWith(parent) && child[parent.length] === '/'
}

/** At the place, or below it. */
export const liesWithin = (place: Location, location: Location): boolean => location === place || isBelow(place, location)

/** The same place, or one below the other. */
export function overlaps(a: Location, b: Location): boolean {
  return liesWithin(a, b) || isBelow(b, a)
}

/** The location itself and all that lies above it, down from the bucket. */
export function selfAndAbove(location: Location): Location[] {
  const start = location.indexOf('/', location.indexOf('://') + 3)
  const slashes = [...location.slice(start).matchAll(/\//g)].map(({ index }) => start + index)
  const above = slashes.map((end) => location.slice(0, end) as Location)
  return [...(schemeOf(location) === 'file' ? above.slice(1) : above), location]
}

const MAX_SEGMENT = 180

/** A name of any characters as one path segment: readable where it can be, and different for different names. */
export function locationSegment(name: string, scheme?: Scheme): string {
  // A tilde is always escaped, so that it can mark the names that have no readable form.
  const escape = (c: string): string => `%${c.charCodeAt(0).toString(16).toUpperCase()}`
  const readable = name.isWellFormed() ? encodeURIComponent(name).replace(/[!'()*~]/g, escape) : undefined
  const isLiteral = scheme === undefined || !readsEscapes(scheme) || !readable?.includes('%')
  if (readable && isLiteral && readable.length <= MAX_SEGMENT && pathProblem(`/${readable}`) === undefined) return readable
  const digest = createHash('sha256').update(name, 'utf16le').digest('hex').slice(0, 32)
  const start = /^[A-Za-z0-9_-]{0,40}/.exec(name)?.[0] ?? ''
  return `${start}~${digest}`
}

/** The location of something named below a location; each segment may hold any characters. */
export function joinLocation(parent: Location, ...segments: readonly string[]): Location {
  const scheme = schemeOf(parent)
  return canonicalLocation([parent, ...segments.map((segment) => locationSegment(segment, scheme))].join('/'))
}

export function schemeOf(location: Location): Scheme {
  return location.slice(0, location.indexOf(':')) as Scheme
}

/** Bucket, container or nothing, and the path without its first slash: the key of an object store. */
export function bucketAndKey(location: Location): { bucket: string; key: string } {
  const start = location.indexOf('://') + 3
  const slash = location.indexOf('/', start)
  return slash < 0
    ? { bucket: location.slice(start), key: '' }
    : { bucket: location.slice(start, slash), key: location.slice(slash + 1) }
}

/** The absolute path of a `file:` location, with slashes. */
export function localPath(location: Location): string {
  if (!location.startsWith('file:///')) throw new TypeError(`not a file location: ${location}`)
  return location.slice('file://'.length)
}

/** Whether a program that decodes the escapes of a path, however often, would see segments in it that lead elsewhere. */
export function leadsElsewhere(path: string): boolean {
  return readings(path).some((reading) => hasDotSegment(reading) || hasDotSegment(reading.normalize('NFKC')))
}
