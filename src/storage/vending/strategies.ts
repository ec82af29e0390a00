/**
 * What strategies of several kinds of storage have in common: fields, their checks, the places that credentials are for, and
 * the keys that are handed out as they are.
 */
import { badRequest } from '../../iceberg/errors.ts'
import { bucketAndKey, schemeOf, type Location } from '../../iceberg/location.ts'
import type { Settings } from '../kind.ts'
import { VendingError, type CredentialVendor } from './vending.ts'

const LIFETIME = 'vending.lifetime-seconds'
const ALWAYS = 'vending.always'
const DEFAULT_SECONDS = 3600

/** How long a credential is good for. */
export const LIFETIME_FIELD = { lifetime_seconds: { setting: LIFETIME } } as const
/** Of static strategies: hand the keys out without being asked (by the header of access delegation). */
export const ALWAYS_FIELD = { always: { setting: ALWAYS } } as const

/** @throws IcebergError 400 */
export function lifetimeSeconds(strategy: Settings, { least, most }: { readonly least: number; readonly most: number }): number {
  const text = strategy[LIFETIME]
  if (text === undefined) return Math.min(DEFAULT_SECONDS, most)
  const seconds = /^\d{1,9}$/.test(text) ? Number(text) : 0
  if (seconds < least || seconds > most) throw badRequest(`lifetime_seconds must be a number from ${least} to ${most}`)
  return seconds
}

export const handsOutAlways = (strategy: Settings): boolean => strategy[ALWAYS]?.toLowerCase() === 'true'

/** @throws IcebergError 400 for fields (under the settings they stand for) that are neither true nor false */
export function validateTruth(strategy: Settings, fields: Readonly<Record<string, string>>): void {
  for (const [field, setting] of Object.entries(fields)) {
    const value = strategy[setting]
    if (value !== undefined && !/^(true|false)$/i.test(value)) throw badRequest(`${field} must be true or false, not "${value}"`)
  }
}

/**
 * The warehouse's own keys, for stores without a way to make narrower ones, and only where the warehouse says so. They open
 * everything that the warehouse can, and do not end.
 */
export function staticVendor(config: Readonly<Record<string, string>>): CredentialVendor {
  return {
    lifetime: { seconds: DEFAULT_SECONDS, leastSeconds: 0 },
    vend: async ({ prefixes }) => ({
      credentials: prefixes.slice(0, 1).map((prefix) => ({ prefix, config })),
      expiresAtMs: undefined,
    }),
    close: async () => {},
  }
}

/**
 * The bucket that holds all of the locations, and the key of each in it.
 * @throws VendingError `invalid` unless they are places in one bucket, none of them the whole of it
 */
export function keysInOneBucket(prefixes: readonly Location[]): { readonly bucket: string; readonly keys: readonly string[] } {
  const places = prefixes.map(bucketAndKey)
  const bucket = places[0]?.bucket
  if (bucket === undefined) throw new VendingError('invalid', 'No credentials without a location')
  if (places.some((place) => place.bucket !== bucket)) {
    throw new VendingError('invalid', `No credentials for several buckets at once: ${prefixes.join(', ')}`)
  }
  // Without a key everything in the bucket would be meant.
  if (places.some(({ key }) => key === '')) {
    throw new VendingError('invalid', `No credentials for the whole of ${schemeOf(prefixes[0]!)}://${bucket}`)
  }
  return { bucket, keys: places.map(({ key }) => key) }
}

/** The nearest place that holds all of the locations: at least their bucket. */
export function commonAncestor(locations: readonly Location[]): Location {
  const [first, ...others] = locations.map((location) => location.split('/'))
  if (first === undefined) throw new TypeError('no locations')
  const same = first.findIndex((segment, index) => others.some((segments) => segments[index] !== segment))
  return (same < 0 ? first : first.slice(0, same)).join('/') as Location
}
