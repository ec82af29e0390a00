/**
 * UUID texts. Tables and views are identified by them, and two spellings of one UUID must compare as equal: comparisons
 * use the canonical form, documents keep what was written.
 */
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

/** The 36 characters of RFC 9562 in either case, of any version. */
export function isUuid(value: unknown): value is string {
  return typeof value === 'string' && value.length === 36 && UUID.test(value)
}

export function canonicalUuid(uuid: string): string {
  return uuid.toLowerCase()
}
