/** From an answer, or an error, to headers and bytes on a socket. */
import { explainOverlap } from '../catalog/places/locations.ts'
import type { ServerResponse } from 'node:http'
import { FAILED_LOGINS } from '../access/throttle.ts'
import { IcebergError, refusal } from '../iceberg/errors.ts'
import type { Answer } from './answer.ts'
import { acceptsGzip, gzipEnd } from './compression.ts'
import { corsHeaders } from './cors.ts'
import { describe, renderError } from './errors.ts'
import type { Exchange } from './exchange.ts'
import { sendMadeMeanwhile, type Pieces } from './made-meanwhile.ts'
import { holderOf, NOBODY, type Parts } from './parts.ts'
import { COUNTED_BYTES } from './unsent.ts'

export const ignore = (): void => undefined

/** What fails even in answering ends this connection, and not the process with all others. */
export function abandon(parts: Parts, response: ServerResponse, error: unknown): void {
  response.destroy()
  parts.context.log('answer failed', { error: describe(error) })
}

export function finish(parts: Parts, exchange: Exchange, response: ServerResponse, answer: Answer): void {
  if (exchange.answered) return
  exchange.answered = true
  try {
    const { body, tail, joined } = answer
    if (answer.pieces !== undefined) sendPieces(parts, exchange, response, answer, answer.pieces)
    else if (body !== undefined && body.length >= 1024 && acceptsGzip(exchange.header('accept-encoding'))) {
      sendCompressed(parts, exchange, response, answer, body)
    } else if (joined !== undefined)
      send(parts, exchange, response, answer, { body: joined, tail: undefined, isCompressed: false })
    else send(parts, exchange, response, answer, { body, tail, isCompressed: false })
  } catch (error) {
    abandon(parts, response, error)
  }
}

/** It counts as under way until it is sent. A failure in its middle breaks the connection off. */
function sendPieces(parts: Parts, exchange: Exchange, response: ServerResponse, answer: Answer, pieces: Pieces): void {
  const { context, slots } = parts
  const isCompressed = acceptsGzip(exchange.header('accept-encoding'))
  const headers = headersOf(parts, exchange, answer, { body: undefined, tail: undefined, isCompressed })
  if (!response.destroyed) response.writeHead(answer.status, headers)
  const holder = exchange.principal === undefined ? NOBODY : holderOf(exchange)
  slots.take(holder)
  const options = { isCompressed, isHead: exchange.method === 'HEAD', patienceMs: context.limits.stallTimeoutSeconds * 1000 }
  sendMadeMeanwhile(response, pieces, options)
    .catch((error: unknown) => abandon(parts, response, error))
    .finally(() => slots.giveBack(holder))
}

function sendCompressed(parts: Parts, exchange: Exchange, response: ServerResponse, answer: Answer, body: Uint8Array): void {
  const { tail } = answer
  response.on('error', ignore)
  parts.compressor
    .compress(body, cacheKey(exchange, answer))
    .then((compressed) =>
      compressed === undefined
        ? send(parts, exchange, response, answer, { body, tail, isCompressed: false })
        : send(parts, exchange, response, answer, {
            body: compressed.bytes,
            tail: gzipEnd(compressed, tail),
            isCompressed: true,
          }),
    )
    .catch((error: unknown) => abandon(parts, response, error))
}

/** An ETag names a document's bytes within its catalog. */
function cacheKey({ catalog }: Exchange, { etag, tail, bodyEtag }: Answer): string | undefined {
  if (catalog === undefined) return undefined
  if (tail !== undefined) return bodyEtag === undefined ? undefined : `${catalog.id} ${bodyEtag} without its end`
  return etag === undefined ? undefined : `${catalog.id} ${etag}`
}

export function rendered(parts: Parts, exchange: Exchange, error: unknown): Answer {
  const requestId = parts.ids.of(exchange)
  const { context, floods } = parts
  if (error instanceof IcebergError && error.details['refusal'] === FAILED_LOGINS && exchange.isForwardedInVain)
    tellOfProxy(parts, exchange)
  const oauth = exchange.route?.oauth === true
  const explained = error instanceof IcebergError ? explainOverlap(error, exchange.principal) : error
  return renderError(explained, { requestId, oauth, address: exchange.clientAddress, floods, log: context.log })
}

/** Once: behind a proxy that is not trusted all clients are locked out together. */
function tellOfProxy(parts: Parts, { clientAddress }: Exchange): void {
  if (parts.hasToldOfProxy) return
  parts.hasToldOfProxy = true
  const message = `Logins are refused for all clients behind ${clientAddress}, which sends X-Forwarded-For but is not among PANGOLIN_TRUSTED_PROXIES`
  parts.context.log('untrusted-proxy', { address: clientAddress, message, level: 'warn' })
}

interface Content {
  readonly body: Uint8Array | undefined
  readonly tail: Uint8Array | undefined
  readonly isCompressed: boolean
}

/** Names and values, as `writeHead` takes them with the least work. Each costs a load as much as a look-up of its table. */
function headersOf(parts: Parts, exchange: Exchange, answer: Answer, { body, tail, isCompressed }: Content): string[] {
  const headers: string[] = []
  if (body !== undefined) {
    const length = body.length + (tail === undefined ? 0 : tail.length)
    headers.push('Content-Type', 'application/json', 'Content-Length', String(length))
    // What is private is not kept by caches that serve several clients.
    if (isCompressed || (body.length >= 1024 && answer.etag === undefined)) headers.push('Vary', 'Accept-Encoding')
  }
  if (answer.pieces !== undefined) headers.push('Content-Type', 'application/json', 'Vary', 'Accept-Encoding')
  if (isCompressed) headers.push('Content-Encoding', 'gzip')
  if (answer.etag !== undefined) headers.push('ETag', answer.etag)
  if (answer.tail !== undefined) headers.push('Cache-Control', 'private, no-store')
  else if (answer.etag !== undefined) headers.push('Cache-Control', 'private, no-cache')
  if (answer.headers !== undefined) headers.push(...answer.headers)
  const requestId = parts.ids.shown(exchange)
  if (requestId !== undefined) headers.push('X-Request-Id', requestId)
  const origin = exchange.header('origin')
  if (origin !== undefined) headers.push(...corsHeaders(origin, parts.context.corsAllowedOrigins))
  // What a client holds back that was not asked for its body can't be told from a next request.
  if (parts.context.state.draining || exchange.sendContinue !== undefined) headers.push('Connection', 'close')
  return headers
}

function sendTooMuch(parts: Parts, exchange: Exchange, response: ServerResponse): void {
  const message = 'Too much waits for its readers; try again'
  const answer = rendered(parts, exchange, refusal('unsent answers', 'ServiceUnavailableException', message))
  send(parts, exchange, response, answer, { body: answer.body, tail: undefined, isCompressed: false })
}

export function send(parts: Parts, exchange: Exchange, response: ServerResponse, answer: Answer, content: Content): void {
  if (response.destroyed) return
  const { body, tail } = content
  if (body !== undefined && body.length >= COUNTED_BYTES) {
    const holder = holderOf(exchange)
    // The answer to a change is sent in any case: it must not look as if it had failed.
    if (exchange.route?.mutation !== true && !parts.unsent.hasRoom(holder, body)) return sendTooMuch(parts, exchange, response)
    parts.unsent.count(holder, response, body)
  }
  response.writeHead(answer.status, headersOf(parts, exchange, answer, content))
  if (exchange.method === 'HEAD' || body === undefined) return void response.end()
  if (tail === undefined) return void response.end(body)
  // Neither is copied: the socket gets both, and the headers, in one call.
  response.cork()
  response.write(body)
  response.end(tail)
}
