/** UUIDs of version 7 (RFC 9562): keys in time order, strictly increasing within a process, unguessable in their tail. */
import { randomInt, randomUUID } from 'node:crypto'

const VERSION_7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/i

export const isUuidV7 = (text: string): boolean => VERSION_7.test(text)

export function createUuidV7(now: () => number): () => string {
  let lastMs = 0
  /** The 12 bits behind the time, used as a counter (method 1 of section 6.2). */
  let counter = 0
  return () => {
    const ms = now()
    if (ms > lastMs) {
      lastMs = ms
      // Half the range is left for this millisecond.
      counter = randomInt(0x800)
    } else if ((counter += 1) > 0xfff) {
      lastMs += 1
      counter = 0
    }
    // Variant and random bits stand at the same place in both versions, and Node draws these in bulk.
    return `${firstUuidV7(lastMs)}7${counter.toString(16).padStart(3, '0')}-${randomUUID().slice(19)}`
  }
}

/** Text that sorts before all UUIDs of that millisecond, and behind those of the one before. */
export function firstUuidV7(ms: number): string {
  const time = Math.max(0, ms).toString(16).padStart(12, '0')
  return `${time.slice(0, 8)}-${time.slice(8)}-`
}
