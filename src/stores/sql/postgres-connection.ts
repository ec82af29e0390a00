/**
 * One connection to PostgreSQL. What is sent on it is an exchange: any number of prepared statements written back to back
 * with one Sync behind them, so that however many they are, they cost one round trip. After an error the server passes over
 * the rest of an exchange; nothing behind a failed statement is ever carried out.
 */
import { createHash } from 'node:crypto'
import type { Client, Connection as Wire, Submittable } from 'pg'
import { StoreError } from '../store.ts'
import type { SqlRow, Statement } from './statements.ts'
import type { SqlValue } from './dialect.ts'
import { variantOf } from './postgres-variants.ts'
import type { PostgresVariant } from './postgres-variants.ts'

export interface ConnectionOptions {
  readonly url: string
  readonly connectTimeoutMs: number
  /** The server gives up a statement that takes longer; so does the client, when it hears nothing for half as long again. */
  readonly statementTimeoutMs: number
  /** Of all connections to one database. */
  readonly sharing?: Sharing
}

/**
 * Whether a pooler (PgBouncer in transaction mode) moves connections between the server's: what one of them prepared is then
 * on another one. That is not announced; it is noticed, and from then on nothing is prepared to stay.
 */
export interface Sharing {
  isNoticed: boolean
}

/** A statement on its way: `name` is what it is prepared as. */
export interface Item {
  readonly name: string
  readonly sql: string
  readonly parameters: readonly SqlValue[]
}

export interface Reply {
  readonly rows: readonly SqlRow[]
  /** Of the command, such as `COMMIT`. */
  readonly tag: string
}

/** An error that the server reported: what it was at is surely not carried out, unless that was a commit. */
export interface ServerError {
  readonly code: string
  readonly message: string
}

export type Outcome =
  | { readonly kind: 'done'; readonly replies: readonly Reply[] }
  /** `replies` are those of the statements before the one that failed. */
  | { readonly kind: 'refused'; readonly replies: readonly Reply[]; readonly error: ServerError }
  /** The connection broke; if nothing was sent on it, nothing happened. */
  | { readonly kind: 'lost'; readonly isSent: boolean; readonly replies: readonly Reply[]; readonly message: string }

const MINIMUM_VERSION = 150_000
const PATIENCE = 1.5

/**
 * By the text: should a pooler lead to what another process has prepared under the same name, it is the same statement, and
 * never another one that would be carried out in its place.
 */
const nameOf = (sql: string): string => `p${createHash('sha256').update(sql).digest('base64url').slice(0, 22)}`
const names: string[] = []

export const itemOf = ({ id, sql }: Statement, parameters: readonly SqlValue[]): Item => ({
  name: (names[id] ??= nameOf(sql)),
  sql,
  parameters,
})

/** The start of a transaction. */
const BEGIN: Item = { name: 'begin', sql: 'begin isolation level read committed', parameters: [] }
/** Where the database would acknowledge what is not on disk. In each transaction, as poolers forget what a session set. */
const STRICTLY: Item = { name: 'strictly', sql: 'set local synchronous_commit = on', parameters: [] }

/**
 * Another connection may do: what is prepared on this one does not fit the schema any more, or was prepared on another one, or
 * its server has become a standby.
 */
export const isStale = ({ code }: ServerError): boolean => STALE.has(code)
/** There is no such prepared statement, or there is one already. */
const SHARED = ['26000', '42P05']
const STALE = new Set(['0A000', '25006', ...SHARED])

export const unavailable = (message: string): StoreError => new StoreError('unavailable', `PostgreSQL: ${message}`)

export class Connection {
  readonly #client: Client
  readonly #limitMs: number
  readonly #sharing: Sharing
  readonly variant: PostgresVariant
  /** What a transaction begins with. */
  readonly opening: readonly Item[]
  /** Names of the statements that the server has prepared. */
  readonly #prepared = new Set<string>()
  /** Names that were sent to be prepared and are not confirmed. */
  #preparing: string[] = []
  #isLost = false
  /** Told once, when the connection is lost or was closed by the server. */
  onLost: () => void = () => undefined

  constructor(client: Client, limitMs: number, sharing: Sharing, { variant, isStrict }: Greeting) {
    this.#client = client
    this.#limitMs = limitMs
    this.#sharing = sharing
    this.variant = variant
    this.opening = isStrict ? [BEGIN] : [BEGIN, STRICTLY]
    const lose = (): void => {
      if (this.#isLost) return
      this.#isLost = true
      this.onLost()
    }
    client.on('error', lose)
    client.on('end', lose)
    client.connection.on('parseComplete', () => {
      const name = this.#preparing.shift()
      if (name !== undefined) this.#prepared.add(name)
    })
  }

  get isLost(): boolean {
    return this.#isLost
  }

  /** One exchange at a time. */
  run(items: readonly Item[]): Promise<Outcome> {
    this.#preparing = []
    return new Promise((resolve) => {
      const { stream } = this.#client.connection
      const timer = setTimeout(() => stream.destroy(new Error('no answer in time')), this.#limitMs)
      const settle = (outcome: Outcome): void => {
        if (outcome.kind === 'refused' && SHARED.includes(outcome.error.code)) this.#sharing.isNoticed = true
        resolve(outcome)
      }
      const prepared = this.#sharing.isNoticed ? undefined : this.#prepared
      const exchange = new Exchange(items, prepared, this.#preparing, timer, settle)
      this.#client.query(exchange)
    })
  }

  /** SQL that is neither prepared nor has parameters. */
  async simple(sql: string): Promise<(readonly SqlValue[])[]> {
    const { rows } = await this.#client.query({ text: sql, rowMode: 'array' })
    return rows as SqlValue[][]
  }

  /** A connection at rest does not keep the process alive. */
  rest(): void {
    ;(this.#client.connection as unknown as { unref(): void }).unref()
  }

  wake(): void {
    ;(this.#client.connection as unknown as { ref(): void }).ref()
  }

  close(): void {
    this.#isLost = true
    this.#client.end().catch(() => undefined)
  }
}

/** What pg calls back while an exchange is under way. */
class Exchange implements Submittable {
  readonly #items: readonly Item[]
  /** Nothing where nothing stays prepared. */
  readonly #prepared: ReadonlySet<string> | undefined
  readonly #preparing: string[]
  readonly #timer: NodeJS.Timeout
  readonly #resolve: (outcome: Outcome) => void
  readonly #replies: Reply[] = []
  #rows: SqlRow[] = []
  #isSent = false

  constructor(
    items: readonly Item[],
    prepared: ReadonlySet<string> | undefined,
    preparing: string[],
    timer: NodeJS.Timeout,
    resolve: (outcome: Outcome) => void,
  ) {
    this.#items = items
    this.#prepared = prepared
    this.#preparing = preparing
    this.#timer = timer
    this.#resolve = resolve
  }

  submit(wire: Wire): void {
    const connection = wire as unknown as Messages
    const sent = new Set<string>()
    let unnamed = ''
    this.#isSent = true
    wire.stream.cork()
    for (const { name, sql, parameters } of this.#items) {
      if (this.#prepared === undefined) {
        if (unnamed !== sql) connection.parse({ name: '', text: (unnamed = sql) })
      } else if (!this.#prepared.has(name) && !sent.has(name)) {
        sent.add(name)
        this.#preparing.push(name)
        connection.parse({ name, text: sql })
      }
      const statement = this.#prepared === undefined ? '' : name
      connection.bind({ statement, values: parameters, valueMapper: textOf })
      connection.execute()
    }
    connection.sync()
    wire.stream.uncork()
  }

  handleDataRow({ fields }: { readonly fields: SqlRow }): void {
    this.#rows.push(fields)
  }

  handleCommandComplete({ text }: { readonly text: string }): void {
    this.#timer.refresh()
    this.#replies.push({ rows: this.#rows, tag: text })
    this.#rows = []
  }

  handleReadyForQuery(): void {
    this.#end({ kind: 'done', replies: this.#replies })
  }

  handleError(error: Error & { readonly code?: unknown; readonly severity?: unknown }): void {
    const { code, message } = error
    const replies = this.#replies
    if (typeof code === 'string' && error.severity !== undefined)
      this.#end({ kind: 'refused', replies, error: { code, message } })
    else this.#end({ kind: 'lost', isSent: this.#isSent, replies, message })
  }

  #end(outcome: Outcome): void {
    clearTimeout(this.#timer)
    this.#resolve(outcome)
  }
}

/** The methods of pg's connection as they are; its declared types are those of an older version. */
interface Messages {
  parse(message: { readonly name: string; readonly text: string }): void
  bind(message: {
    readonly statement: string
    readonly values: readonly SqlValue[]
    readonly valueMapper: (value: SqlValue) => string | null
  }): void
  execute(): void
  sync(): void
}

function textOf(value: SqlValue): string | null {
  return value === null || typeof value === 'string' ? value : String(value)
}

/** @throws StoreError `unavailable`; the message holds nothing of the URL's secrets */
export async function connect(options: ConnectionOptions): Promise<Connection> {
  const { url, connectTimeoutMs, statementTimeoutMs, sharing = { isNoticed: false } } = options
  let client: Client | undefined
  let timer: NodeJS.Timeout | undefined
  try {
    const { default: pg } = await import('pg')
    const made = new pg.Client({
      application_name: 'pangolin',
      connectionString: withPlainSslMode(url),
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
      statement_timeout: statementTimeoutMs,
      // Batches are sent whole: a transaction waits only for a client that is gone, and others for its locks.
      idle_in_transaction_session_timeout: statementTimeoutMs,
    })
    client = made
    // Until there is a connection that listens.
    client.on('error', () => undefined)
    timer = setTimeout(() => made.connection.stream.destroy(new Error('no answer in time')), connectTimeoutMs)
    await client.connect()
    return new Connection(client, statementTimeoutMs * PATIENCE, sharing, await greet(client))
  } catch (error) {
    client?.end().catch(() => undefined)
    throw error instanceof StoreError ? error : unavailable(connectProblem(error, url))
  } finally {
    clearTimeout(timer)
  }
}

/** Modes of libpq that this server takes for a stricter one, since they prove nothing of the server they reach. */
const LAX_SSL = /([?&]sslmode=)(prefer|require|verify-ca)(?=&|$)/i

/** What a person should know of the URL's `sslmode`, in a line. */
export function sslModeWarning(url: string): string | undefined {
  const mode = LAX_SSL.exec(url)?.[2]
  if (mode === undefined) return undefined
  return `sslmode=${mode} is taken as verify-full: the server's certificate and host name are checked. sslmode=no-verify encrypts without a check`
}

/** The library says as much in lines of its own. */
const withPlainSslMode = (url: string): string => url.replace(LAX_SSL, '$1verify-full')

interface Greeting {
  readonly variant: PostgresVariant
  /** Whether the server by itself acknowledges only what is on disk. */
  readonly isStrict: boolean
}

/** Refuses a server that could not keep what the store promises. */
async function greet(client: Client): Promise<Greeting> {
  const sql = `select version(), current_setting('server_version_num'), current_setting('server_encoding'),
    current_setting('transaction_read_only'), current_setting('synchronous_commit', true)`
  const { rows } = await client.query<(string | null)[]>({ text: sql, rowMode: 'array' })
  const [version = '', number, encoding, readOnly, synchronous] = rows[0] ?? []
  const variant = variantOf(version ?? '')
  if (variant.checksVersion && Number(number) < MINIMUM_VERSION) {
    throw unavailable(`version 15 or newer is needed, and this server is ${String(version).split(' ', 2).join(' ')}`)
  }
  if (encoding?.toUpperCase() !== 'UTF8') throw unavailable(`the database must be encoded in UTF8, not ${encoding}`)
  // A standby would be read before it has what was acknowledged.
  if (readOnly !== 'off') throw unavailable('this server is a standby, or else read-only')
  return { variant, isStrict: synchronous !== 'off' }
}

function connectProblem(error: unknown, url: string): string {
  const causes = error instanceof AggregateError ? error.errors : [error]
  const messages = causes.map((cause) => {
    const { code, message } = cause as { readonly code?: unknown; readonly message?: unknown }
    if (typeof code === 'string' && code.startsWith('28')) return `the server refuses this user or password (${code})`
    return `${withoutSecrets(String(message), url)}${typeof code === 'string' ? ` (${code})` : ''}`
  })
  return `no connection: ${messages.join('; ')}`
}

/** A server's message may quote the user, a file's the URL. */
function withoutSecrets(message: string, url: string): string {
  const userinfo = /^[^:]*:\/\/([^@/?#]*)@/.exec(url)?.[1] ?? ''
  const query = [...url.matchAll(/[?&](?:user|password)=([^&#]*)/g)].map((match) => match[1] ?? '')
  const secrets = [url, userinfo, ...userinfo.split(':'), ...query].flatMap((secret) => [secret, decoded(secret)])
  let clean = message
  for (const secret of secrets) if (secret !== '') clean = clean.replaceAll(secret, '***')
  return clean
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
