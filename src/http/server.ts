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
import { notAllowed } from '../access/refusals.ts'
import { soon, type Soon } from '../catalog/soon.ts'
import { commitStateUnknown, IcebergError, refusal } from '../iceberg/errors.ts'
import { NO_CONTENT, type Answer } from './answer.ts'
import { answerBrokenRequest, refuseTunnel } from './broken-requests.ts'
import { connectionOf } from './connections.ts'
import type { ServerContext } from './context.ts'
import { preflightHeaders, refuseForeignPages } from './cors.ts'
import { Exchange } from './exchange.ts'
import { createParts, holderOf, NOBODY, type Parts } from './parts.ts'
import { bindCatalog } from './prefix.ts'
import { ALL_METHODS, type Route } from './route.ts'
import type { Match, Router } from './router.ts'
import { abandon, finish, ignore, rendered, send } from './send.ts'

export interface HttpServer {
  readonly server: Server
  /** Stops accepting, lets what is under way finish for so long, then cuts it off. */
  close(graceMs: number): Promise<void>
}

const SLASH = 47
const MAX_URL = 16_384

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

function admit({ connections, ids }: Parts, exchange: Exchange, { action, mutation }: Route, principal: Principal): void {
  exchange.principal = principal
  // Under it the change stands in the log.
  if (mutation === true) ids.of(exchange)
  const connection = connectionOf(exchange.request.socket)
  if (connection?.isKnown === false) connections.known(connection)
  if (action === 'public' || mayEver(principal, action)) return
  throw notAllowed(principal, action)
}

function carryOut(parts: Parts, exchange: Exchange, match: Match): Soon<Answer> {
  const { route } = match
  const { body } = route
  const bind = (): Soon<void> => (match.parameters.length > 0 ? bindCatalog(exchange, match) : undefined)
  if (body === undefined) return underWay(parts, exchange, route, () => soon(bind(), () => route.handler(exchange)))
  const asks = (): Soon<void> => soon(bind(), () => body.asks(parts.context.management.catalog, exchange))
  return soon(underWay(parts, exchange, route, asks), () => {
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
