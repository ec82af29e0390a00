/** What of requests is read where, and how much may be in them. */
import type { ParseLimits } from '../iceberg/json.ts'

/** Larger ones, in bytes, are read by a thread of their own: this many take some 5 ms. */
export const INLINE_REQUEST = 128 * 1024

/** Of bodies with a size of their own: read in a few milliseconds, whatever is in them. */
export const SMALL_JSON: ParseLimits = { maxDepth: 500, maxValues: 100_000, maxKeys: 10_001 }
export const LARGE_JSON: ParseLimits = { maxDepth: 500, maxValues: 1_000_000, maxKeys: 100_000 }
