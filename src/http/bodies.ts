/**
 * Request bodies that are on their way: what of them is there is bounded, in all and for each caller, and each must get on.
 * None of them takes a place from a request that is whole.
 */
import type { IncomingMessage } from 'node:http'
import { createShares } from '../access/shares.ts'
import { badRequest, refusal, type IcebergError } from '../iceberg/errors.ts'
import { discard, encodingOf, inflated, tooLarge } from './body.ts'

export interface BodyLimits {
  readonly maxUnfinishedBodyBytes: number
  readonly stallTimeoutSeconds: number
}

export interface BodyOptions {
  /** The caller, or the address where no caller is known. */
  readonly holder: string
  /** The caller is not known: its body has to be there in the time that others have to get on. */
  readonly isPublic: boolean
  /** Before and after inflation. */
  readonly maxBytes: number
  /** The client waits to be told that it may go on. */
  readonly invite?: (() => void) | undefined
}

export interface Bodies {
  /** The body's bytes, inflated. @throws IcebergError 400, 408, 413, 415, 429 */
  read(request: IncomingMessage, options: BodyOptions): Promise<Buffer>
  /** Refuses those that do not get on. */
  sweep(): void
}

const EMPTY = Buffer.alloc(0)
/** A body of which less comes in the time that it has does not get on. */
const LEAST_BYTES = 1024
/** What is left of the request is not worth reading. */
const END = { details: { ends: true } }

interface Reading {
  readonly isPublic: boolean
  /** When it last got on, and with how many bytes. */
  since: number
  before: number
  size: number
  readonly refuse: (error: IcebergError) => void
}

export function createBodies({ maxUnfinishedBodyBytes, stallTimeoutSeconds }: BodyLimits): Bodies {
  const shares = createShares(maxUnfinishedBodyBytes)
  const readings = new Set<Reading>()

  const readRaw = (request: IncomingMessage, { holder, isPublic, maxBytes, invite }: BodyOptions): Promise<Buffer> => {
    const announced = request.headers['content-length']
    if (announced === undefined && request.headers['transfer-encoding'] === undefined) return Promise.resolve(EMPTY)
    if (Number(announced) > maxBytes) {
      discard(request)
      return Promise.reject(tooLarge(maxBytes))
    }
    invite?.()
    return new Promise((resolve, reject) => {
      const chunks: Buffer[] = []
      /** True the first time: what arrives after the end of a body is not part of it. */
      const end = (): boolean => {
        if (!readings.delete(reading)) return false
        shares.giveBack(holder, reading.size)
        request.off('data', onData).off('close', onBroken)
        return true
      }
      const refuse = (error: IcebergError): void => {
        if (!end()) return
        discard(request)
        reject(error)
      }
      const reading: Reading = { isPublic, since: performance.now(), before: 0, size: 0, refuse }
      const onData = (chunk: Buffer): void => {
        if (reading.size + chunk.length > maxBytes) return refuse(tooLarge(maxBytes))
        if (!shares.mayTake(holder, chunk.length)) {
          return refuse(
            refusal('unfinished bodies', 'TooManyRequestsException', 'Too much is being sent at once; try again', END),
          )
        }
        shares.take(holder, chunk.length)
        reading.size += chunk.length
        chunks.push(chunk)
      }
      // The client is gone or sends nonsense: the answer will not be read.
      const onBroken = (): void => {
        if (end()) reject(badRequest('The request body ended early'))
      }
      readings.add(reading)
      request.on('data', onData)
      request.once('end', () => {
        if (end()) resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks))
      })
      request.once('error', onBroken)
      request.once('close', onBroken)
    })
  }

  return {
    read: async (request, options) => {
      const encoding = encodingOf(request)
      const bytes = await readRaw(request, options)
      return encoding === undefined || bytes.length === 0 ? bytes : inflated(bytes, encoding, options.maxBytes)
    },
    sweep: () => {
      const now = performance.now()
      for (const reading of readings) {
        if (now - reading.since < stallTimeoutSeconds * 1000) continue
        if (!reading.isPublic && reading.size - reading.before >= LEAST_BYTES) {
          reading.since = now
          reading.before = reading.size
        } else reading.refuse(refusal('slow bodies', 'RequestTimeoutException', 'The request did not arrive in time'))
      }
    },
  }
}
