/**
 * Compressed answers. A document with an ETag is compressed once and kept, since the ETag names its very bytes; everything
 * else is compressed as it passes. Off the event loop, at the level that costs least.
 */
import { constants, gzip } from 'node:zlib'

const MIN_BYTES = 1024
const CACHE_BYTES = 16 * 1024 * 1024

export interface Compressor {
  /** The compressed bytes, or undefined where compressing would not pay. */
  compress(body: Uint8Array | string, cacheKey: string | undefined): Promise<Buffer | undefined>
}

/** True when gzip stands in the header, and not with a weight of zero. */
export function acceptsGzip(header: string | undefined): boolean {
  if (header === undefined || !header.includes('gzip')) return false
  for (const item of header.toLowerCase().split(',', 20)) {
    const [coding = '', ...attributes] = item.split(';')
    if (coding.trim() !== 'gzip' && coding.trim() !== 'x-gzip') continue
    return !attributes.some((attribute) => /^\s*q\s*=\s*0(\.0*)?\s*$/.test(attribute))
  }
  return false
}

export function createCompressor(): Compressor {
  const cache = new Map<string, Buffer>()
  let cachedBytes = 0

  const keep = (key: string, bytes: Buffer): void => {
    if (bytes.length > CACHE_BYTES / 8 || cache.has(key)) return
    cache.set(key, bytes)
    cachedBytes += bytes.length
    for (const [oldest, value] of cache) {
      if (cachedBytes <= CACHE_BYTES) break
      cache.delete(oldest)
      cachedBytes -= value.length
    }
  }

  return {
    compress: async (body, cacheKey) => {
      if (body.length < MIN_BYTES) return undefined
      const known = cacheKey === undefined ? undefined : cache.get(cacheKey)
      if (known !== undefined) {
        // To the end of the line: what is used last is thrown away last.
        cache.delete(cacheKey!)
        cache.set(cacheKey!, known)
        return known
      }
      const bytes = await new Promise<Buffer>((resolve, reject) => {
        gzip(body, { level: constants.Z_BEST_SPEED }, (error, result) => (error === null ? resolve(result) : reject(error)))
      })
      if (cacheKey !== undefined) keep(cacheKey, bytes)
      return bytes
    },
  }
}
