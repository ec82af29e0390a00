/** Answers that are made while they are sent: as fast as the client reads, and never more than a piece ahead of it. */
import type { ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { constants, createGzip } from 'node:zlib'

export type Pieces = AsyncGenerator<Buffer>

export interface SendOptions {
  readonly isHead: boolean
  readonly isCompressed: boolean
  /** The longest that a client may take to read on. */
  readonly patienceMs: number
}

/** What a stream says of a client that went away, or that was given up. */
const GONE = new Set(['ERR_STREAM_PREMATURE_CLOSE', 'ERR_STREAM_DESTROYED', 'ECONNRESET', 'EPIPE'])

/**
 * Sends a body whose headers are written. Resolves when it is sent, and when the client is gone.
 * @throws what the pieces threw: the connection is broken off then, since what was sent must not look like all there is
 */
export async function sendMadeMeanwhile(response: ServerResponse, pieces: Pieces, options: SendOptions): Promise<void> {
  if (response.destroyed || options.isHead) {
    response.end()
    return void (await pieces.return(undefined))
  }
  let failure: { readonly error: unknown } | undefined
  const impatient = setTimeout(() => response.destroy(), options.patienceMs)
  const watched = async function* (): Pieces {
    try {
      for (;;) {
        const next = await pieces.next().catch((error: unknown) => {
          failure = { error }
          throw error
        })
        if (next.done === true) return
        impatient.refresh()
        yield next.value
      }
    } finally {
      // Also where the client goes before the end.
      await pieces.return(undefined)
    }
  }
  const source = Readable.from(watched(), { objectMode: true, highWaterMark: 1 })
  try {
    if (options.isCompressed) await pipeline(source, createGzip({ level: constants.Z_BEST_SPEED }), response)
    else await pipeline(source, response)
  } catch (error) {
    if (failure !== undefined) throw failure.error
    if (!GONE.has((error as NodeJS.ErrnoException).code ?? '')) throw error
  } finally {
    clearTimeout(impatient)
  }
}
