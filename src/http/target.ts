/** Request targets that do not begin with a slash (RFC 9112 3.2): absolute ones, and the asterisk. */
import { badRequest } from '../iceberg/errors.ts'

export interface Target {
  readonly path: string
  /** Without the question mark. */
  readonly query: string
  /** Of an absolute target: stands above the Host header. */
  readonly authority: string | undefined
}

const ABSOLUTE = /^https?:\/\/([^/?#]*)([^?#]*)(?:\?([^#]*))?$/i
/** A name or IPv4 address, or an IPv6 address in brackets; a port. No user and no password (RFC 9110 4.2.4). */
const AUTHORITY = /^(?:[A-Za-z0-9._~!$&'()*+,;=%-]+|\[[0-9A-Fa-f:.]+\])(?::(\d{0,5}))?$/

/** @throws IcebergError 400 for what is none */
export function parseTarget(method: string, target: string): Target {
  if (target === '*') {
    if (method !== 'OPTIONS') throw badRequest('Only OPTIONS can be asked of the server as a whole (*)')
    return { path: '*', query: '', authority: undefined }
  }
  const [, authority, path, query = ''] = ABSOLUTE.exec(target) ?? []
  if (authority === undefined || path === undefined) {
    throw badRequest('The request target must be a path or an absolute http or https URI without a fragment')
  }
  const port = AUTHORITY.exec(authority)?.[1]
  if (!AUTHORITY.test(authority) || Number(port ?? 0) > 65_535) {
    throw badRequest("The authority of the request target must be a host with or without a port, and no user's name")
  }
  // What a proxy makes of an absolute target without a path, where OPTIONS is asked of it (RFC 9112 3.2.4).
  if (path === '' && method === 'OPTIONS' && query === '') return { path: '*', query, authority }
  return { path: path === '' ? '/' : path, query, authority }
}
