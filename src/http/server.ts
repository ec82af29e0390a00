/**
 * The HTTP server: bare `node:http`, since a load may cost at most half as much again as answering the same bytes without
 * any of this. The order for every request: find the route, find out who asks, ask whether they may, find the catalog, ask
 * whether they may with what the path names, read the body, call the route, write the answer. Nothing is awaited that is
 * already known. Only requests that are whole and whose caller is known count as under way; what comes before has limits of
 * its own (`connections.ts`, `bodies.ts`).
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { mayEver } from '../access/decide.ts'
import type { Principal } from '../access/principal.ts'
import { soon, type Soon } from '../catalog/soon.ts'
import { createShares, type Shares } from '../access/shares.ts'
import { FAILED_LOGINS } from '../access/throttle.ts'
import { commitStateUnknown, forbidden, IcebergError, refusal } from '../iceberg/errors.ts'
import { NO_CONTENT, type Answer } from './answer.ts'
import { createBodies, type Bodies } from './bodies.ts'
import { answerBrokenRequest, refuseTunnel } from './broken-requests.ts'
import { acceptsGzip, createCompressor, gzipEnd, type Compressor } from './compression.ts'
import { connectionOf, createConnections, type Connections } from './connections.ts'
import type { ServerContext } from './context.ts'
import { corsHeaders, preflightHeaders, refuseForeignPages } from './cors.ts'
import { describe, renderError } from './errors.ts'
import { Exchange } from './exchange.ts'
import { createFloods, type Floods } from './floods.ts'
import { isTrusted } from './forwarded.ts'
import { sendMadeMeanwhile, type Pieces } from './made-meanwhile.ts'
import { bindCatalog } from './prefix.ts'
import { createRequestIds, type RequestIds } from './request-id.ts'
import { ALL_METHODS, type Route } from './route.ts'
import { createRouter, type Match, type Router } from './router.ts'
import { COUNTED_BYTES, createUnsent, type Unsent } from './unsent.ts'

export interface HttpServer {
  readonly server: Server
  /** Stops accepting, lets what is under way finish for so long, then cuts it off. */
  close(graceMs: number): Promise<void>
}

interface Parts {
  readonly context: ServerContext
  readonly router: Router
  readonly compressor: Compressor
  readonly ids: RequestIds
  /** Those that wait for their answer. */
  readonly active: Map<Exchange, ServerResponse>
  /** Requests under way, by caller; each counts until its work ends, which may be after it was answered as overdue. */
  readonly slots: Shares
  /** Those of them of callers without credentials, by address. */
  readonly publicSlots: Shares
  readonly bodies: Bodies
  readonly unsent: Unsent
  readonly connections: Connections
  readonly floods: Floods
  hasToldOfProxy: boolean
}

const SLASH = 47
const MAX_URL = 16_384

function createParts(context: ServerContext, routes: readonly Route[]): Parts {
  const { limits } = context
  const floods = createFloods(context.log)
  const unsent = createUnsent(limits)
  return {
    context,
    router: createRouter(routes),
    compressor: createCompressor(),
    ids: createRequestIds(),
    active: new Map(),
    slots: createShares(limits.maxConcurrentRequests),
    publicSlots: createShares(Math.max(1, limits.maxConcurrentRequests >> 2)),
    bodies: createBodies(limits),
    unsent,
    connections: createConnections({
      limits,
      floods,
      isTrusted: (peer) => isTrusted(limits.trustedProxies, peer),
      isCrowded: () => unsent.isCrowded,
    }),
    floods,
    hasToldOfProxy: false,
  }
}

export function createHttpServer(context: ServerContext, routes: readonly Route[]): HttpServer {
  const parts = createParts(context, routes)
  const { requestTimeoutSeconds, headersTimeoutSeconds, stallTimeoutSeconds } = context.limits
  const timeoutMs = requestTimeoutSeconds * 1000
  const server = createServer({
    requestTimeout: timeoutMs,
    headersTimeout: Math.min(timeoutMs, headersTimeoutSeconds * 1000),
    connectionsCheckingInterval: Math.max(100, Math.min(timeoutMs / 4, headersTimeoutSeconds * 250, 2000)),
    keepAliveTimeout: 65_000,
    maxHeaderSize: 32_768,
    noDelay: true,
    // Peers that vanished without a word.
    keepAlive: true,
    keepAliveInitialDelay: 60_000,
    insecureHTTPParser: false,
  })
  server.maxHeadersCount = 200
  server.on('connection', parts.connections.accept)
  server.on('request', (request, response) => serve(parts, request, response))
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) =>
    serve(parts, request, response, () => response.writeContinue()),
  )
  server.on('clientError', (error, socket) => answerBrokenRequest(parts.floods, error, socket as Socket))
  server.on('connect', (_request, socket) => refuseTunnel(socket as Socket))
  const sweep = (): void => {
    answerOverdue(parts, timeoutMs)
    parts.bodies.sweep()
    parts.connections.sweep()
  }
  const sweeping = setInterval(sweep, Math.max(50, Math.min(timeoutMs / 4, stallTimeoutSeconds * 250, 1000)))
  sweeping.unref()
  return {
    server,
    close: async (graceMs) => {
      context.state.draining = true
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      // Connections whose last answer was on its way when the drain began fall idle one by one.
      const idle = setInterval(() => server.closeIdleConnections(), 50)
      const cutOff = setTimeout(() => server.closeAllConnections(), graceMs)
      await closed
      clearTimeout(cutOff)
      clearInterval(idle)
      clearInterval(sweeping)
      parts.floods.close()
    },
  }
}

function serve(parts: Parts, request: IncomingMessage, response: ServerResponse, sendContinue?: () => void): void {
  // A connection that was turned away has its answer: what still comes on it must not be carried out.
  if (connectionOf(request.socket) === undefined) return
  const exchange = new Exchange(parts.context, request, performance.now())
  exchange.sendContinue = sendContinue
  let answer: Soon<Answer>
  try {
    answer = handle(parts, exchange)
  } catch (error) {
    answer = rendered(parts, exchange, error)
  }
  if (!(answer instanceof Promise)) return finish(parts, exchange, response, answer)
  // Clients break off when they like; who writes to them must not fall over it.
  response.on('error', ignore)
  parts.active.set(exchange, response)
  answer
    .catch((error: unknown) => rendered(parts, exchange, error))
    .then((settled) => {
      parts.active.delete(exchange)
      finish(parts, exchange, response, settled)
    })
    .catch((error: unknown) => abandon(parts, response, error))
}

const ignore = (): void => undefined

/** What fails even in answering ends this connection, and not the process with all others. */
function abandon(parts: Parts, response: ServerResponse, error: unknown): void {
  response.destroy()
  parts.context.log('answer failed', { error: describe(error) })
}

function finish(parts: Parts, exchange: Exchange, response: ServerResponse, answer: Answer): void {
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

function handle(parts: Parts, exchange: Exchange): Soon<Answer> {
  const { context, router } = parts
  if (exchange.path.length + exchange.query.length > MAX_URL) {
    throw new IcebergError('BadRequestException', `The URL is longer than ${MAX_URL} characters`)
  }
  if (exchange.path.charCodeAt(0) !== SLASH) exchange.resolveTarget()
  if (context.authenticator.everybody !== undefined) {
    refuseForeignPages(exchange, exchange.header('origin'), context.corsAllowedOrigins)
  }
  if (exchange.method === 'OPTIONS') return preflight(router, exchange)
  const match = router.match(exchange.method, exchange.path)
  const { route } = match
  exchange.route = route
  if (route.action === 'public') return carryOut(parts, exchange, match)
  return soon(context.authenticator.authenticate(exchange.credentials, exchange.clientAddress), (principal) => {
    admit(parts, exchange, route, principal)
    return carryOut(parts, exchange, match)
  })
}

function admit({ connections }: Parts, exchange: Exchange, { action }: Route, principal: Principal): void {
  exchange.principal = principal
  const connection = connectionOf(exchange.request.socket)
  if (connection?.isKnown === false) connections.known(connection)
  if (action === 'public' || mayEver(principal, action)) return
  throw forbidden(
    `${principal.name} may not ${action}${principal.bounds === undefined ? '' : ' with a token that is narrowed so'}`,
  )
}

function carryOut(parts: Parts, exchange: Exchange, match: Match): Soon<Answer> {
  const { route } = match
  const { body } = route
  const bind = (): Soon<void> => (match.parameters.length > 0 ? bindCatalog(exchange, match) : undefined)
  if (body === undefined) return underWay(parts, exchange, route, () => soon(bind(), () => route.handler(exchange)))
  return soon(underWay(parts, exchange, route, bind), () => {
    body.asks(exchange)
    const options = {
      holder: holderOf(exchange),
      isPublic: route.action === 'public',
      maxBytes: Math.min(parts.context.limits.maxBodyBytes, body.most ?? Infinity),
      invite: () => exchange.askForBody(),
    }
    return parts.bodies.read(exchange.request, options).then((bytes) => {
      exchange.body = bytes
      return underWay(parts, exchange, route, () => route.handler(exchange))
    })
  })
}

/** Among whom what is scarce is shared: callers by their token, and those without credentials by their address. */
function holderOf({ principal, context, clientAddress }: Exchange): string {
  if (principal === undefined || principal === context.authenticator.everybody) return clientAddress
  return principal.tokenId ?? principal.id
}

const NOBODY = ''

/** Work that counts as under way until it ends; what ends at once needs no place. */
function underWay<T>(parts: Parts, exchange: Exchange, route: Route, work: () => Soon<T>): Soon<T> {
  const { slots, publicSlots } = parts
  if (route.vital === true) return work()
  const isPublic = exchange.principal === undefined
  const holder = holderOf(exchange)
  if (!slots.mayTake(isPublic ? NOBODY : holder) || (isPublic && !publicSlots.mayTake(holder))) throw busy(route)
  const result = work()
  if (!(result instanceof Promise)) return result
  slots.take(isPublic ? NOBODY : holder)
  if (isPublic) publicSlots.take(holder)
  const end = (): void => {
    slots.giveBack(isPublic ? NOBODY : holder)
    if (isPublic) publicSlots.giveBack(holder)
  }
  result.then(end, end)
  return result
}

/** 429 for a change, which every client tries again and none takes for an unknown outcome; 503 for a read. */
const busy = ({ mutation }: Route): IcebergError =>
  refusal('busy', mutation === true ? 'TooManyRequestsException' : 'ServiceUnavailableException', 'The server is busy; try again')

function preflight(router: Router, exchange: Exchange): Answer {
  if (exchange.path === '*') return { ...NO_CONTENT, headers: ['Allow', ALL_METHODS] }
  const allow = router.allowed(exchange.path)
  if (allow === undefined) throw new IcebergError('NotFoundException', 'There is nothing at this path')
  return { ...NO_CONTENT, headers: ['Allow', allow, ...preflightHeaders(allow)] }
}

function rendered(parts: Parts, exchange: Exchange, error: unknown): Answer {
  const requestId = parts.ids.of(exchange)
  const { context, floods } = parts
  if (error instanceof IcebergError && error.details['refusal'] === FAILED_LOGINS && exchange.isForwardedInVain)
    tellOfProxy(parts, exchange)
  const oauth = exchange.route?.oauth === true
  return renderError(error, { requestId, oauth, address: exchange.clientAddress, floods, log: context.log })
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
    // What is private is kept by nobody who serves several clients.
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

function send(parts: Parts, exchange: Exchange, response: ServerResponse, answer: Answer, content: Content): void {
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

/** Requests that take too long. A change may still land, so its end is unknown; a body that does not come is the client's. */
function answerOverdue(parts: Parts, timeoutMs: number): void {
  const before = performance.now() - timeoutMs
  for (const [exchange, response] of parts.active) {
    if (exchange.startedAt > before) return
    if (exchange.answered) continue
    exchange.answered = true
    const reading = exchange.route?.body !== undefined && !exchange.request.complete
    const error = reading
      ? new IcebergError('RequestTimeoutException', 'The request did not arrive in time')
      : exchange.route?.mutation === true
        ? commitStateUnknown('The request took too long; its outcome is not known')
        : new IcebergError('ServiceUnavailableException', 'The request took too long', { retryAfterSeconds: 1 })
    const answer = rendered(parts, exchange, error)
    send(parts, exchange, response, answer, { body: answer.body, tail: undefined, isCompressed: false })
  }
}
