/** What a route answers, before it is headers and bytes on a socket; and the short ways of making one. */
import { stringify } from '../iceberg/json.ts'
import type { MetadataAnswer } from '../catalog/call.ts'

export interface Answer {
  readonly status: number
  /** Bytes always: text among the answers makes Node's code slower for all of them, documents included. */
  readonly body: Uint8Array | undefined
  readonly etag?: string | undefined
  /** Follows the body, is for this caller alone and must not be kept by anybody on the way. */
  readonly tail?: Uint8Array | undefined
  /** Body and tail in one piece, where there is one. */
  readonly joined?: Uint8Array | undefined
  /** Names `body` alone, where there is a tail. */
  readonly bodyEtag?: string | undefined
  /** A further name and value, and so on: the form that `writeHead` takes without work. */
  readonly headers?: readonly string[]
}

/** 200 (or another status) with a JSON value, 64-bit integers exact. */
export function json(value: unknown, status = 200, headers?: readonly string[]): Answer {
  const body = Buffer.from(stringify(value))
  return headers === undefined ? { status, body } : { status, body, headers }
}

export const NO_CONTENT: Answer = { status: 204, body: undefined }

/** A document of the metadata cache: its bytes go to the socket as they are. */
export function metadata(answer: MetadataAnswer): Answer {
  const { status, body, etag, tail, joined, documentEtag: bodyEtag } = answer
  return tail === undefined ? { status, body, etag } : { status, body, etag, tail, joined, bodyEtag }
}
