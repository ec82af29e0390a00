/**
 * One request on its way through the server. A class with all its fields from the start, since one is made for every
 * request; what most requests never ask for is worked out when it is asked.
 */
import { createHash, createHmac, type Hash, type Hmac } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { setImmediate as turn } from 'node:timers/promises'
import { assertSees } from '../catalog/authorize.ts'
import { MAIN_BRANCH } from '../catalog/catalogs.ts'
import { NoSuchMoment } from '../catalog/moments.ts'
import type { ChangeCall } from '../changes/context.ts'
import type { CatalogCall, CatalogHandle, TableIdentifier } from '../catalog/call.ts'
import { INLINE_REQUEST, LARGE_JSON, SMALL_JSON } from '../catalog/request-limits.ts'
import { soon, type Soon } from '../catalog/soon.ts'
import type { Credentials } from '../access/authenticate.ts'
import type { Principal } from '../access/principal.ts'
import { badRequest, IcebergError, noSuchWarehouse, readOnlyPast } from '../iceberg/errors.ts'
import { decodeNamespacePath, decodePathSegment } from '../iceberg/identifier.ts'
import { parse, type JsonValue } from '../iceberg/json.ts'
import { explainMissing } from '../management/catalogs.ts'
import { splitName } from '../management/handles.ts'
import { connectionOf } from './connections.ts'
import type { ServerContext } from './context.ts'
import { readForwarded, type Forwarded } from './forwarded.ts'
import type { Route } from './route.ts'
import type { Address } from './router.ts'
import { parseTarget } from './target.ts'

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/i
const EMPTY = Buffer.alloc(0)
/** Hashed in one turn of the event loop. */
const SLICE_BYTES = 1024 * 1024

const VENDED = 'vended-credentials'
const SIGNED = 'remote-signing'
type Delegation = Required<Pick<CatalogCall, 'asksForCredentials' | 'asksForSigning'>>
const NONE: Delegation = { asksForCredentials: false, asksForSigning: false }
const CREDENTIALS: Delegation = { asksForCredentials: true, asksForSigning: false }

/** The header of access delegation lists all the ways that the client can deal with. */
function delegationOf(header: string | undefined): Delegation {
  if (header === undefined) return NONE
  if (header === VENDED) return CREDENTIALS
  const ways = header.split(',').map((way) => way.trim().toLowerCase())
  return { asksForCredentials: ways.includes(VENDED), asksForSigning: ways.includes(SIGNED) }
}

const joined = (value: string | string[] | undefined): string | undefined => (typeof value === 'string' ? value : undefined)

export class Exchange {
  readonly context: ServerContext
  readonly request: IncomingMessage
  readonly method: string
  /** Raw, without the query. */
  path: string
  /** Raw, without the question mark. */
  query: string
  /** Of a request target that names one (RFC 9112 3.2.2). */
  authority: string | undefined
  readonly startedAt: number
  route: Route | undefined
  /** Known once the caller is. */
  address: Address | undefined
  principal: Principal | undefined
  catalog: CatalogHandle | undefined
  body: Buffer = EMPTY
  answered = false
  /** Set while a client that announced a body waits to be asked for it (`Expect: 100-continue`). */
  sendContinue: (() => void) | undefined
  #fingerprint: string | undefined
  /** Set when it is first asked for. */
  requestId: string | undefined
  #said: Forwarded | undefined

  constructor(context: ServerContext, request: IncomingMessage, startedAt: number) {
    const url = request.url ?? '/'
    const mark = url.indexOf('?')
    this.context = context
    this.request = request
    this.method = request.method ?? 'GET'
    this.path = mark < 0 ? url : url.slice(0, mark)
    this.query = mark < 0 ? '' : url.slice(mark + 1)
    this.authority = undefined
    this.startedAt = startedAt
  }

  /**
   * By its name in lower case. Looks among the headers as they came: to make Node's object of all of them costs as much as
   * everything else that a load does here. What to make of a repeated header is left to Node.
   */
  header(name: string): string | undefined {
    const { rawHeaders } = this.request
    let found = -1
    for (let at = 0; at < rawHeaders.length; at += 2) {
      const candidate = rawHeaders[at] as string
      if (candidate.length !== name.length || candidate.toLowerCase() !== name) continue
      if (found >= 0) return joined(this.request.headers[name])
      found = at
    }
    return found < 0 ? undefined : rawHeaders[found + 1]
  }

  get credentials(): Credentials {
    return { authorization: this.header('authorization'), 'x-api-key': this.header('x-api-key') }
  }

  /** What trusted proxies say; undefined where the peer is none. */
  get #forwarded(): Forwarded | undefined {
    if (connectionOf(this.request.socket)?.isProxy !== true) return undefined
    return (this.#said ??= readForwarded(this.request.headers, this.context.limits.trustedProxies))
  }

  /** What counts as the client's address where something is counted. */
  get clientAddress(): string {
    const connection = connectionOf(this.request.socket)
    if (connection === undefined) return ''
    return connection.isProxy ? (this.#forwarded?.address ?? connection.address) : connection.address
  }

  /** A proxy that is not trusted sent the request, or a client that pretends to be one: all clients behind it have its address. */
  get isForwardedInVain(): boolean {
    return this.#forwarded === undefined && this.header('x-forwarded-for') !== undefined
  }

  /** Whom the client means to talk to. */
  get host(): string | undefined {
    return this.#forwarded?.host ?? this.authority ?? this.header('host')
  }

  /** Of pages that this server itself would show. */
  get ownOrigin(): string {
    return `${this.#forwarded?.scheme ?? 'http'}://${this.host}`
  }

  /** Where the client finds this server, without a slash at the end. */
  get baseUrl(): string {
    return `${this.ownOrigin}${this.#forwarded?.prefix ?? ''}`
  }

  /** Takes a request target apart that does not begin with a slash. @throws IcebergError 400 */
  resolveTarget(): void {
    const { path, query, authority } = parseTarget(this.method, this.request.url ?? '')
    this.path = path
    this.query = query
    this.authority = authority
  }

  /** The principal. Only routes that need a credential have one. */
  get caller(): Principal {
    if (this.principal === undefined) throw new TypeError('a public route asked for its caller')
    return this.principal
  }

  /** @throws IcebergError 404, also for a catalog in which the caller may do nothing */
  catalogNamed(name: string): Soon<CatalogHandle> {
    const split = splitName(name)
    const asked = split?.suffix === MAIN_BRANCH ? split.base : name
    try {
      const found = soon(this.context.handles.resolve(this.caller.tenantId, name), (catalog) =>
        assertSees(this.caller, catalog, asked),
      )
      return found instanceof Promise ? found.catch((error: unknown) => this.#explain(error, asked)) : found
    } catch (error) {
      return this.#explain(error, asked)
    }
  }

  /** The caller and the catalog: all that is known before the body is read. */
  get asking(): Pick<CatalogCall, 'principal' | 'catalog'> {
    if (this.catalog === undefined) throw new TypeError('a route without a catalog asked for one')
    return { principal: this.caller, catalog: this.catalog }
  }

  /** Adds what the caller may have meant to the refusal of a catalog that does not exist for them. */
  async #explain(error: unknown, name: string): Promise<never> {
    // Of a catalog that the caller may not see, no moment is told from another.
    if (error instanceof NoSuchMoment) assertSees(this.caller, error.catalog, name)
    if (!(error instanceof IcebergError) || error.type !== 'NoSuchWarehouseException') throw error
    throw noSuchWarehouse(name, await explainMissing(this.context.management, this.caller, name))
  }

  /** For use cases that change something. */
  get changeCall(): ChangeCall {
    // Reads ask for it too, and need no more of it than the principal.
    if (this.route?.mutation !== true) return { principal: this.caller, idempotency: undefined, origin: undefined }
    const origin = { address: this.clientAddress, userAgent: this.header('user-agent'), requestId: this.requestId }
    return { principal: this.caller, idempotency: this.#idempotency(), origin }
  }

  /**
   * For those about a catalog that the management API names, which speaks of catalogs as they are.
   * @throws IcebergError 404 where the caller does not see it; 400 for a moment of its past, 403 to change that
   */
  async callIn(name: string): Promise<CatalogCall> {
    const catalog = await this.catalogNamed(name)
    if (catalog.at === undefined) return { ...this.changeCall, catalog }
    if (this.route?.mutation === true) throw readOnlyPast(catalog.at)
    throw badRequest(`This is about a catalog as it is, not as it was at position ${catalog.at}: ask for ${catalog.name}`)
  }

  /** For the use cases of the catalog. */
  get call(): CatalogCall {
    const { principal, catalog } = this.asking
    const { idempotency, origin } = this.changeCall
    const { asksForCredentials, asksForSigning } = delegationOf(this.header('x-iceberg-access-delegation'))
    const makesNoFolders = this.header('user-agent')?.startsWith('duckdb/')
    return { principal, catalog, idempotency, origin, asksForCredentials, asksForSigning, makesNoFolders }
  }

  #idempotency(): ChangeCall['idempotency'] {
    const key = this.header('idempotency-key')
    if (key === undefined) return undefined
    if (!UUID_V7.test(key)) throw badRequest('The header Idempotency-Key must be a UUID of version 7')
    this.#fingerprint ??= this.#hashOfHead().update(this.body).digest('hex')
    return { key: key.toLowerCase(), fingerprint: this.#fingerprint }
  }

  #hashOfHead(): Hash | Hmac {
    // Bodies of the management API hold passwords: what is kept of them must not tell whether a guess is right.
    const { iceberg } = this.route ?? {}
    const hash = iceberg === true ? createHash('sha256') : createHmac('sha256', this.context.catalog.pageTokenKey)
    const { id, bounds } = this.caller
    // Bounds only where there are some: servers of before know the same fingerprint for everybody else.
    const who = bounds === undefined ? [id] : [id, bounds.text]
    for (const part of [...who, this.method, this.path, this.query]) hash.update(part).update('\0')
    return hash
  }

  askForBody(): void {
    this.sendContinue?.()
    this.sendContinue = undefined
  }

  /** The body, where it is too large to be parsed by the thread that serves requests. */
  get largeBody(): Buffer | undefined {
    return this.body.length > INLINE_REQUEST ? this.body : undefined
  }

  /**
   * The request of a body: read, or as bytes where that is for a thread. To be awaited before `call` is asked for: what would
   * be hashed there in one piece is hashed here.
   */
  async requestOf<T>(read: (json: JsonValue) => T): Promise<T | Buffer> {
    const { largeBody } = this
    if (largeBody === undefined) return read(this.json())
    await this.#digestBody()
    return largeBody
  }

  async #digestBody(): Promise<void> {
    if (this.route?.mutation !== true || this.header('idempotency-key') === undefined) return
    const hash = this.#hashOfHead()
    for (let at = 0; at < this.body.length; at += SLICE_BYTES) {
      hash.update(this.body.subarray(at, at + SLICE_BYTES))
      await turn()
    }
    this.#fingerprint = hash.digest('hex')
  }

  json(): JsonValue {
    if (this.body.length === 0) throw badRequest('The request must have a JSON body')
    return parse(this.body, this.route?.body?.most === undefined ? LARGE_JSON : SMALL_JSON)
  }

  #addressed(): Address {
    if (this.address === undefined) throw new TypeError('a route without parameters asked for one')
    return this.address
  }

  /** Of the path, where a namespace is its first parameter. */
  get namespace(): readonly string[] {
    return (this.#addressed().namespace ??= this.namespaceAt(0))
  }

  namespaceAt(position: number): readonly string[] {
    return decodeNamespacePath(this.#addressed().parameters[position] ?? '')
  }

  segment(position: number): string {
    return decodePathSegment(this.#addressed().parameters[position] ?? '')
  }

  /** The namespace and the name behind it. */
  get identifier(): TableIdentifier {
    return (this.#addressed().identifier ??= { namespace: this.namespace, name: this.segment(1) })
  }
}
