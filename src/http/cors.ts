/**
 * Requests from web pages. Nothing is allowed unless the settings name the page's origin. Where no credential is asked, a
 * page of another origin must not even get its request carried out: a browser on this machine would be its tool.
 */
import { IcebergError } from '../iceberg/errors.ts'

const ALLOWED_HEADERS = [
  'Authorization',
  'Content-Type',
  'Content-Encoding',
  'If-None-Match',
  'Idempotency-Key',
  'X-API-Key',
  'X-Client-Version',
  'X-Iceberg-Access-Delegation',
  'X-Pangolin-Tenant',
  'X-Request-Id',
].join(', ')

export function originAllowed(origin: string, allowed: readonly string[]): boolean {
  return allowed.includes('*') || allowed.includes(origin)
}

/** Headers for an answer to a page of an allowed origin. */
export function corsHeaders(origin: string, allowed: readonly string[]): readonly string[] {
  if (!originAllowed(origin, allowed)) return ['Vary', 'Origin']
  const answer = allowed.includes('*') ? '*' : origin
  return [
    'Access-Control-Allow-Origin',
    answer,
    'Access-Control-Expose-Headers',
    'ETag, X-Request-Id, Retry-After',
    'Vary',
    'Origin',
  ]
}

export function preflightHeaders(methods: string): readonly string[] {
  return [
    'Access-Control-Allow-Methods',
    methods,
    'Access-Control-Allow-Headers',
    ALLOWED_HEADERS,
    'Access-Control-Max-Age',
    '600',
  ]
}

const LOCAL_HOST = /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?$/i

/**
 * For a server without authentication. The Host must be this machine: else a page could make its own name resolve to
 * here. A page's Origin must be this server's own or allowed by name.
 */
export function refuseForeignPages(
  { host, ownOrigin }: { readonly host: string | undefined; readonly ownOrigin: string },
  origin: string | undefined,
  allowed: readonly string[],
): void {
  if (host === undefined || !LOCAL_HOST.test(host)) {
    throw new IcebergError('ForbiddenException', 'Without authentication this server answers only to localhost')
  }
  if (origin === undefined || originAllowed(origin, allowed) || origin === ownOrigin) return
  throw new IcebergError('ForbiddenException', 'Without authentication this server answers only to its own pages')
}
