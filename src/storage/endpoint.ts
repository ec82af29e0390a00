/** Addresses of services in a warehouse's settings: plain URLs, and none where a cloud hands a machine its own credentials. */
import { badRequest } from '../iceberg/errors.ts'

const MACHINE_METADATA =
  /^(169\.254\.\d+\.\d+|\[(fe[89ab][0-9a-f]:.*|fd00:ec2::254|::ffff:a9fe:[0-9a-f]+)\]|metadata(\.google\.internal)?)\.?$/

/** @throws IcebergError 400 that names the setting */
export function validateEndpoint(setting: string, endpoint: string, { path = false }: { readonly path?: boolean } = {}): void {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined
  const plain =
    url &&
    ['http:', 'https:'].includes(url.protocol) &&
    (path || url.pathname === '/') &&
    !url.username &&
    !url.password &&
    !/[?#]/.test(endpoint)
  const parts = path ? 'scheme, host, port and path' : 'scheme, host and port'
  if (!plain) throw badRequest(`${setting} must be a URL of ${parts} alone, such as http://127.0.0.1:9000`)
  if (MACHINE_METADATA.test(url.hostname)) throw badRequest(`${setting} must not be the metadata service of a machine`)
}

/** Without a slash at its end, so that paths can be put behind it. */
export const withoutSlash = (endpoint: string): string => endpoint.replace(/\/+$/, '')

/** With exactly one slash at its end, for clients that put paths behind it and add none. */
export const withSlash = (endpoint: string): string => `${withoutSlash(endpoint)}/`
