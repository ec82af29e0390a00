/**
 * What waits to be written. Clients read as fast as they like, and until they have, the bytes of their answers stay in memory:
 * so much in all, and of one caller its share. Readers of one document share its bytes, which count once.
 */
import type { ServerResponse } from 'node:http'
import { createShares } from '../access/shares.ts'
import { connectionOf } from './connections.ts'

export interface UnsentLimits {
  readonly maxUnsentBytes: number
}

export interface Unsent {
  /** More than a half is taken: readers must hurry. */
  readonly isCrowded: boolean
  /** Whether there is room for a body that is sent now. */
  hasRoom(holder: string, body: Uint8Array): boolean
  /** Counts it until it is written, or its connection is gone. To be called before it is written. */
  count(holder: string, response: ServerResponse, body: Uint8Array): void
}

/** What is smaller does not count: systems take as much at once. */
export const COUNTED_BYTES = 65_536

interface Waiting {
  readonly holder: string
  readonly bytes: number
  readers: number
}

export function createUnsent({ maxUnsentBytes }: UnsentLimits): Unsent {
  const shares = createShares(maxUnsentBytes)
  const waiting = new Map<ArrayBufferLike, Waiting>()

  const release = (memory: ArrayBufferLike, of: Waiting): void => {
    if (--of.readers > 0) return
    waiting.delete(memory)
    shares.giveBack(of.holder, of.bytes)
  }

  return {
    get isCrowded() {
      return shares.taken > maxUnsentBytes / 2
    },
    hasRoom: (holder, { buffer }) => waiting.has(buffer) || shares.mayTake(holder, buffer.byteLength),
    count: (holder, response, body) => {
      const { buffer: memory } = body
      let known = waiting.get(memory)
      if (known === undefined) {
        known = { holder, bytes: memory.byteLength, readers: 0 }
        waiting.set(memory, known)
        shares.take(holder, known.bytes)
      }
      known.readers++
      const own = known
      // Held here, too, so that a cache which keeps what is in use knows that it is.
      let held: Uint8Array | undefined = body
      const connection = response.socket === null ? undefined : connectionOf(response.socket)
      const end = (): void => {
        if (held === undefined) return
        held = undefined
        connection?.atEnd.delete(end)
        release(memory, own)
      }
      response.once('finish', end)
      // An answer that waits behind others hears nothing of the end of its connection.
      if (connection === undefined) response.once('close', end)
      else connection.atEnd.add(end)
    },
  }
}
