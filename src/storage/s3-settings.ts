/** What a warehouse's settings mean for S3: checked once, and read by the store and by those who make credentials alike. */
import { badRequest } from '../iceberg/errors.ts'
import { canonicalLocation, type Location } from '../iceberg/location.ts'
import { validateEndpoint, withSlash } from './endpoint.ts'
import type { Settings } from './kind.ts'

export interface S3Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
}

/** The warehouse's own; undefined where the process's (environment, instance role) are meant. */
export function credentialsOf(settings: Settings): S3Credentials | undefined {
  const { 's3.access-key-id': id, 's3.secret-access-key': secret, 's3.session-token': token } = settings
  if (id === undefined || secret === undefined) return undefined
  return { accessKeyId: id, secretAccessKey: secret, ...(token === undefined ? {} : { sessionToken: token }) }
}

export const truth = (text: string | undefined): boolean | undefined =>
  text === undefined ? undefined : text.toLowerCase() === 'true'
/** Services with an endpoint of their own rarely have a host name for each bucket. */
export const pathStyle = (settings: Settings): boolean =>
  truth(settings['s3.path-style-access']) ?? settings['s3.endpoint'] !== undefined
/** Whether an endpoint is one of AWS's own. */
export const isAws = (endpoint: string): boolean => /\.amazonaws\.com(\.cn)?$/.test(new URL(endpoint).hostname)
export const region = (settings: Settings): string => settings['s3.region'] ?? 'us-east-1'

export function rootLocation(settings: Settings): Location {
  const prefix = (settings['s3.prefix'] ?? '').replace(/^\/|\/$/g, '')
  return canonicalLocation(`s3://${settings['s3.bucket'] ?? ''}${prefix === '' ? '' : `/${prefix}`}`, { schemes: ['s3'] })
}

export function validate(settings: Settings): void {
  const { 's3.endpoint': endpoint, 's3.path-style-access': style, 's3.region': name } = settings
  if (endpoint !== undefined) validateEndpoint('s3.endpoint', endpoint)
  if (style !== undefined && !/^(true|false)$/i.test(style))
    throw badRequest(`s3.path-style-access must be true or false, not "${style}"`)
  if (name !== undefined && !/^[A-Za-z0-9-]{1,64}$/.test(name))
    throw badRequest('s3.region must be the name of a region, such as us-east-1')
  if ((settings['s3.access-key-id'] === undefined) !== (settings['s3.secret-access-key'] === undefined)) {
    throw badRequest('s3.access-key-id and s3.secret-access-key must be given together')
  }
}

/** Where the storage is, in the words of every client. */
export function clientConfig(settings: Settings): Settings {
  const { 's3.endpoint': endpoint, 's3.path-style-access': style } = settings
  return {
    // The JVM reads client.region only, others s3.region first.
    ...(settings['s3.region'] === undefined && endpoint === undefined
      ? {}
      : { 's3.region': region(settings), 'client.region': region(settings) }),
    // ClickHouse puts the bucket right behind it.
    ...(endpoint === undefined ? {} : { 's3.endpoint': withSlash(endpoint) }),
    // DuckDB wants it said; PyIceberg has a name of its own for the opposite.
    ...(endpoint === undefined && style === undefined
      ? {}
      : { 's3.path-style-access': String(pathStyle(settings)), 's3.force-virtual-addressing': String(!pathStyle(settings)) }),
  }
}
