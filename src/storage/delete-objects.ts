/**
 * The keys in the body of S3's DeleteObjects. Not a reader of XML: one shape is accepted, that of every SDK, so that no two
 * readers can see different keys in one body.
 */
import { badRequest, forbidden } from '../iceberg/errors.ts'

const MAX_KEYS = 1000
const DECLARATION = /\s*(?:<\?xml version="1\.0"(?: encoding="(?:UTF-8|utf-8)")?\s*\?>)?\s*/y
const OPEN = /<Delete(?: xmlns="http:\/\/s3\.amazonaws\.com\/doc\/2006-03-01\/")?>\s*/y
const OBJECT = /<Object>\s*<Key>([^<>]{1,16384})<\/Key>\s*<\/Object>\s*/y
const QUIET = /<Quiet>(?:true|false)<\/Quiet>\s*/y
const CLOSE = /<\/Delete>\s*$/y
const NAMED: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

function text(raw: string): string {
  if (/&(?!(?:amp|lt|gt|quot|apos|#\d{1,7}|#x[0-9A-Fa-f]{1,6});)/.test(raw)) {
    throw badRequest('Invalid body: an entity in a key is not one of XML')
  }
  return raw.replace(/&(?:(\w+)|#(\d+)|#x(\w+));/g, (whole, name?: string, decimal?: string, hexadecimal?: string) => {
    if (name !== undefined) return NAMED[name] ?? whole
    const point = Number.parseInt(decimal ?? hexadecimal ?? '', decimal === undefined ? 16 : 10)
    if (point > 0x10ffff) throw badRequest('Invalid body: an entity in a key is no character')
    return String.fromCodePoint(point)
  })
}

/** @throws IcebergError 4xx for whatever is not plainly a list of keys */
export function keysToDelete(body: string): string[] {
  let at = 0
  const take = (pattern: RegExp): RegExpExecArray | undefined => {
    pattern.lastIndex = at
    const match = pattern.exec(body) ?? undefined
    if (match !== undefined) at = pattern.lastIndex
    return match
  }
  take(DECLARATION)
  const opened = take(OPEN)
  const keys: string[] = []
  take(QUIET)
  for (let object = take(OBJECT); object !== undefined; object = take(OBJECT)) {
    keys.push(text(object[1] ?? ''))
    if (keys.length > MAX_KEYS) throw badRequest(`Invalid body: more than ${MAX_KEYS} keys`)
  }
  take(QUIET)
  if (opened === undefined || take(CLOSE) === undefined || keys.length === 0) {
    throw forbidden('DeleteObjects is signed only for a body that is a plain list of keys, without versions')
  }
  return keys
}
