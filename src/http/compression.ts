/**
 * Compressed answers. A document with an ETag is compressed once and kept, since the ETag names its very bytes, and requests
 * that come meanwhile wait for that; everything else is compressed as it passes. Off the event loop, at the level that costs least. What follows a document for one caller
 * is put behind it as it is: it costs nothing, and the length of an answer says nothing of the credentials in it.
 */
import { setImmediate as turn } from 'node:timers/promises'
import { constants, crc32, deflateRaw } from 'node:zlib'

const MIN_BYTES = 1024
const CACHE_BYTES = 16 * 1024 * 1024

/** The beginning of a gzip file (RFC 1952): its head and the blocks of a body, none of which says that it is the last. */
export interface Compressed {
  readonly bytes: Buffer
  readonly crc: number
  readonly bodyBytes: number
}

export interface Compressor {
  /** Undefined where compressing would not pay. */
  compress(body: Uint8Array, cacheKey: string | undefined): Promise<Compressed | undefined>
}

const GZIP_HEAD = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255])
/** Of output: each is a trip to Node's pool and back. */
const CHUNK = 64 * 1024
const MAX_STORED = 65_535
const NOTHING = new Uint8Array()

/** The rest of the file: the tail in blocks that are not compressed, the last of all among them, and the checks. */
export function gzipEnd({ crc, bodyBytes }: Compressed, tail: Uint8Array = NOTHING): Buffer {
  const blocks = Math.max(1, Math.ceil(tail.length / MAX_STORED))
  const end = Buffer.allocUnsafe(5 * blocks + tail.length + 8)
  let at = 0
  for (let block = 0; block < blocks; block++) {
    const part = tail.subarray(block * MAX_STORED, (block + 1) * MAX_STORED)
    at = end.writeUInt8(block === blocks - 1 ? 1 : 0, at)
    at = end.writeUInt16LE(part.length, at)
    at = end.writeUInt16LE(part.length ^ 0xffff, at)
    end.set(part, at)
    at += part.length
  }
  at = end.writeUInt32LE(crc32(tail, crc), at)
  end.writeUInt32LE((bodyBytes + tail.length) % 2 ** 32, at)
  return end
}

/** What is worked on in one turn of the event loop, in bytes. */
const SLICE = 1024 * 1024

async function begin(body: Uint8Array): Promise<Compressed> {
  const options = { level: constants.Z_BEST_SPEED, finishFlush: constants.Z_SYNC_FLUSH, chunkSize: CHUNK }
  const blocks = await new Promise<Buffer>((resolve, reject) => {
    deflateRaw(body, options, (error, result) => (error === null ? resolve(result) : reject(error)))
  })
  let crc = 0
  for (let at = 0; at < body.length; at += SLICE) {
    if (at > 0) await turn()
    crc = crc32(body.subarray(at, at + SLICE), crc)
  }
  return { bytes: Buffer.concat([GZIP_HEAD, blocks]), crc, bodyBytes: body.length }
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
  const cache = new Map<string, Compressed>()
  const underWay = new Map<string, Promise<Compressed>>()
  let cachedBytes = 0

  const keep = (key: string, compressed: Compressed): void => {
    if (compressed.bytes.length > CACHE_BYTES / 8 || cache.has(key)) return
    cache.set(key, compressed)
    cachedBytes += compressed.bytes.length
    for (const [oldest, value] of cache) {
      if (cachedBytes <= CACHE_BYTES) break
      cache.delete(oldest)
      cachedBytes -= value.bytes.length
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
      if (cacheKey === undefined) return begin(body)
      const joined = underWay.get(cacheKey)
      if (joined !== undefined) return joined
      const begun = begin(body)
        .then((compressed) => {
          keep(cacheKey, compressed)
          return compressed
        })
        .finally(() => underWay.delete(cacheKey))
      underWay.set(cacheKey, begun)
      return begun
    },
  }
}
