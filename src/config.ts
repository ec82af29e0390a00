/**
 * The settings: from the environment, then from a file of KEY=VALUE lines. A name that is not known and a value that can't
 * be used stop the start with a message that says what was expected. Values are never echoed for settings that hold secrets.
 * `docs/settings.md` is the user's page of this table.
 */
import { existsSync, readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { availableParallelism } from 'node:os'
import { join, resolve } from 'node:path'
import type { AddressRange } from './http/addresses.ts'
import { DEFAULT_TABLE_LIMITS, type TableLimits } from './iceberg/table-limits.ts'
import { DEFAULT_QUOTAS, type MetricsLimits } from './catalog/metrics/metrics-quota.ts'
import {
  flag,
  integer,
  key,
  keys,
  list,
  oneOf,
  orNone,
  ranges,
  SettingsError,
  text,
  workers,
  type Setting,
} from './setting-kinds.ts'
import { distance, isWithin } from './nearest.ts'
import type { ConnectionSettings } from './stores/open.ts'

export { SettingsError }

export interface Settings {
  readonly port: number
  readonly bindAddress: string
  readonly dataDirectory: string
  /** As `stores/open.ts` takes it. */
  readonly databaseUrl: string
  readonly databaseMaxConnections: number
  readonly databaseMinConnections: number
  readonly databaseConnectTimeoutSeconds: number
  /** What the URL of a MongoDB may leave open. */
  readonly mongo: {
    readonly databaseName: string | undefined
    readonly maxPoolSize: number | undefined
    readonly minPoolSize: number | undefined
  }
  readonly noAuth: boolean
  readonly jwtSecret: string | undefined
  /** 32 bytes. */
  readonly encryptionKey: Buffer | undefined
  /** They open what was sealed before the key was changed. */
  readonly previousEncryptionKeys: readonly Buffer[]
  readonly adminUser: string
  readonly adminPassword: string | undefined
  /** Folders below which local warehouses may lie, absolute. */
  readonly localRoots: readonly string[]
  /** Holds the identity that warehouses may show to token services. */
  readonly webIdentityTokenFile: string | undefined
  readonly requestTimeoutSeconds: number
  readonly maxBodyBytes: number
  readonly maxConcurrentRequests: number
  readonly trustedProxies: readonly AddressRange[]
  readonly maxConnections: number
  readonly maxConnectionsPerAddress: number
  readonly headersTimeoutSeconds: number
  readonly stallTimeoutSeconds: number
  readonly maxUnfinishedBodyBytes: number
  readonly maxUnsentBytes: number
  readonly tableLimits: TableLimits
  readonly shutdownGraceSeconds: number
  readonly authRateLimit: number
  readonly authRateWindowSeconds: number
  readonly corsAllowedOrigins: readonly string[]
  readonly cacheBytes: number
  /** Clients' reports that are kept. */
  /** How long what was dropped can come back; 0 drops for good. */
  readonly droppedKeptMs: number
  /** 0: for ever. */
  readonly historyKeptMs: number
  readonly metrics: MetricsLimits
  /** Server processes on the one port. */
  readonly workers: number
  readonly logFormat: 'pretty' | 'json'
  readonly logLevel: LogLevel
}

export const LOG_LEVELS = ['error', 'warn', 'info', 'debug'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

const MEGABYTE = 1024 * 1024

const SETTINGS = {
  PORT: integer(0, 65535, 8080),
  PANGOLIN_BIND_ADDRESS: text,
  PANGOLIN_DATA: text,
  DATABASE_URL: text,
  DATABASE_MAX_CONNECTIONS: integer(1, 1000, 10),
  DATABASE_MIN_CONNECTIONS: integer(0, 1000, 2),
  DATABASE_CONNECT_TIMEOUT: integer(1, 600, 10),
  PANGOLIN_STORAGE_TYPE: oneOf(['memory', 'sqlite', 'postgres', 'postgresql', 'mongo', 'mongodb'], undefined),
  MONGO_DB_NAME: text,
  MONGO_MAX_POOL_SIZE: orNone(integer(1, 10_000, 0)),
  MONGO_MIN_POOL_SIZE: orNone(integer(0, 10_000, 0)),
  PANGOLIN_NO_AUTH: flag,
  PANGOLIN_JWT_SECRET: text,
  PANGOLIN_ENCRYPTION_KEY: key,
  PANGOLIN_PREVIOUS_ENCRYPTION_KEYS: keys,
  PANGOLIN_ADMIN_USER: text,
  PANGOLIN_ADMIN_PASSWORD: text,
  PANGOLIN_LOCAL_ROOTS: list,
  PANGOLIN_WEB_IDENTITY_TOKEN_FILE: text,
  PANGOLIN_REQUEST_TIMEOUT_SECS: integer(1, 3600, 30),
  PANGOLIN_MAX_BODY_BYTES: integer(1024, 1024 * MEGABYTE, 16 * MEGABYTE),
  PANGOLIN_MAX_CONCURRENT_REQUESTS: integer(1, 1_000_000, 512),
  PANGOLIN_TRUSTED_PROXIES: ranges,
  PANGOLIN_MAX_CONNECTIONS: integer(1, 1_000_000, 4096),
  PANGOLIN_MAX_CONNECTIONS_PER_ADDRESS: integer(1, 1_000_000, 1024),
  PANGOLIN_HEADERS_TIMEOUT_SECS: integer(1, 3600, 10),
  PANGOLIN_STALL_TIMEOUT_SECS: integer(1, 3600, 20),
  PANGOLIN_MAX_UNFINISHED_BODY_BYTES: integer(1024, 1024 * 1024 * MEGABYTE, 128 * MEGABYTE),
  PANGOLIN_MAX_UNSENT_BYTES: integer(1024, 1024 * 1024 * MEGABYTE, 256 * MEGABYTE),
  PANGOLIN_MAX_TABLE_COLUMNS: integer(1, 1_000_000, DEFAULT_TABLE_LIMITS.columns),
  PANGOLIN_MAX_TABLE_PROPERTIES: integer(1, 1_000_000, DEFAULT_TABLE_LIMITS.properties),
  PANGOLIN_MAX_TABLE_SCHEMAS: integer(1, 1_000_000, DEFAULT_TABLE_LIMITS.schemas),
  PANGOLIN_MAX_TABLE_SNAPSHOTS: integer(1, 10_000_000, DEFAULT_TABLE_LIMITS.snapshots),
  PANGOLIN_MAX_TABLE_METADATA_BYTES: integer(10_000, 128 * MEGABYTE, DEFAULT_TABLE_LIMITS.bytes),
  PANGOLIN_SHUTDOWN_GRACE_SECS: integer(0, 3600, 25),
  PANGOLIN_AUTH_RATE_LIMIT: integer(0, 1_000_000, 10),
  PANGOLIN_AUTH_RATE_WINDOW_SECS: integer(1, 86_400, 60),
  PANGOLIN_CORS_ALLOWED_ORIGINS: list,
  PANGOLIN_CACHE_BYTES: integer(0, 1024 * 1024 * MEGABYTE, 32 * MEGABYTE),
  PANGOLIN_DROPPED_KEPT_HOURS: integer(0, 24 * 3660, 24 * 7),
  PANGOLIN_HISTORY_KEPT_DAYS: integer(0, 36_600, 0),
  PANGOLIN_METRICS_REPORTS: { ...flag, fallback: true },
  PANGOLIN_METRICS_TABLE_BYTES: integer(1, 1024 * 1024 * MEGABYTE, DEFAULT_QUOTAS.table.bytes),
  PANGOLIN_METRICS_TABLE_REPORTS: integer(1, 100_000_000, DEFAULT_QUOTAS.table.reports),
  PANGOLIN_METRICS_PRINCIPAL_BYTES: integer(1, 1024 * 1024 * MEGABYTE, DEFAULT_QUOTAS.principal.bytes),
  PANGOLIN_METRICS_PRINCIPAL_REPORTS: integer(1, 100_000_000, DEFAULT_QUOTAS.principal.reports),
  PANGOLIN_METRICS_TENANT_BYTES: integer(1, 1024 * 1024 * MEGABYTE, DEFAULT_QUOTAS.tenant.bytes),
  PANGOLIN_METRICS_TENANT_REPORTS: integer(1, 100_000_000, DEFAULT_QUOTAS.tenant.reports),
  PANGOLIN_WORKERS: workers,
  PANGOLIN_LOG_LEVEL: oneOf(LOG_LEVELS, undefined),
  LOG_FORMAT: oneOf(['pretty', 'json'], 'pretty'),
} as const satisfies Record<string, Setting<unknown>>

type SettingName = keyof typeof SETTINGS
type Values = { readonly [N in SettingName]: (typeof SETTINGS)[N]['fallback'] }

/** Every setting and what holds where it is not set; undefined where other settings or the first start say. */
export const settingDefaults = (): ReadonlyMap<string, unknown> =>
  new Map(Object.entries(SETTINGS).map(([name, { fallback }]) => [name, fallback]))

/** Settings of the contract whose feature is not built yet: saying so is kinder than guessing at a typing error. */
const NOT_YET = [
  'PANGOLIN_ROOT_USER',
  'PANGOLIN_ROOT_PASSWORD',
  'PANGOLIN_SEED_ADMIN',
  'PANGOLIN_DEV_MODE',
  'PANGOLIN_ALLOW_LEGACY_API_KEYS',
  'PANGOLIN_ALLOW_TOKENS_WITHOUT_JTI',
  'PANGOLIN_SESSION_TTL_SECS',
  'PANGOLIN_METRICS_ENABLED',
  'PANGOLIN_WAREHOUSE_CACHE_TTL_SECS',
  'PANGOLIN_OAUTH_REDIRECT_URIS',
  'PANGOLIN_OAUTH_EMAIL_LINK_DOMAINS',
  'PANGOLIN_OIDC_REQUIRE',
  'PANGOLIN_MICROSOFT_TENANT_ID',
  'PANGOLIN_OKTA_DOMAIN',
  'PANGOLIN_AUDIT_RETENTION_DAYS',
]
const NOT_YET_PATTERN = /^PANGOLIN_(GOOGLE|MICROSOFT|GITHUB|OKTA)_(CLIENT_ID|CLIENT_SECRET|REDIRECT_URI|ISSUER)$/
/** Read by the command-line clients and by the tests; the file's own name. Not settings of the server, but no typing errors either. */
const IGNORED = new Set(['PANGOLIN_CONFIG', 'PANGOLIN_URL', 'PANGOLIN_TENANT'])

/** What goes with `databaseUrl`, for the program that opens it. */
export const connectionSettings = (settings: Settings): ConnectionSettings => ({
  maxConnections: settings.databaseMaxConnections,
  minConnections: settings.databaseMinConnections,
  connectTimeoutMs: settings.databaseConnectTimeoutSeconds * 1000,
  mongo: settings.mongo,
})

/** Reads all settings. `environment` is `process.env` or, in tests, what stands for it. */
export function loadSettings(environment: Readonly<Record<string, string | undefined>>): Settings {
  const given = new Map<string, string>()
  for (const [name, value] of Object.entries(environment)) {
    if (value === undefined || value === '') continue
    if (Object.hasOwn(SETTINGS, name)) given.set(name, value)
    else if (name.startsWith('PANGOLIN_') && !name.startsWith('PANGOLIN_TEST_') && !IGNORED.has(name))
      refuseUnknown(name, 'the environment')
    else refuseNearMiss(name, environment)
  }
  const dataDirectory = resolve(given.get('PANGOLIN_DATA') ?? 'data')
  const file = environment['PANGOLIN_CONFIG'] || join(dataDirectory, 'pangolin.env')
  if (environment['PANGOLIN_CONFIG'] && !existsSync(file))
    throw new SettingsError(`PANGOLIN_CONFIG names a file that does not exist: ${file}`)
  if (existsSync(file)) {
    for (const [name, value] of readSettingsFile(file)) if (!given.has(name)) given.set(name, value)
  }
  return check(parseAll(given), given, environment)
}

function parseAll(given: ReadonlyMap<string, string>): Values {
  const parse = (name: SettingName): unknown => {
    const value = given.get(name)
    return value === undefined ? SETTINGS[name].fallback : SETTINGS[name].parse(value, name)
  }
  return Object.fromEntries((Object.keys(SETTINGS) as SettingName[]).map((name) => [name, parse(name)])) as unknown as Values
}

const tableLimits = (values: Values): TableLimits => ({
  columns: values.PANGOLIN_MAX_TABLE_COLUMNS,
  properties: values.PANGOLIN_MAX_TABLE_PROPERTIES,
  schemas: values.PANGOLIN_MAX_TABLE_SCHEMAS,
  snapshots: values.PANGOLIN_MAX_TABLE_SNAPSHOTS,
  bytes: values.PANGOLIN_MAX_TABLE_METADATA_BYTES,
})

function check(
  values: Values,
  given: ReadonlyMap<string, string>,
  environment: Readonly<Record<string, string | undefined>>,
): Settings {
  const dataDirectory = resolve(values.PANGOLIN_DATA ?? 'data')
  const bindAddress = values.PANGOLIN_BIND_ADDRESS ?? '127.0.0.1'
  if (isIP(bindAddress) === 0 && bindAddress !== 'localhost') {
    throw new SettingsError(`PANGOLIN_BIND_ADDRESS must be an IP address or localhost, not ${JSON.stringify(bindAddress)}`)
  }
  if (values.PANGOLIN_NO_AUTH && !isLoopback(bindAddress)) {
    throw new SettingsError(
      `PANGOLIN_NO_AUTH=true lets everybody in, so it needs a loopback PANGOLIN_BIND_ADDRESS, not ${bindAddress}`,
    )
  }
  if (values.PANGOLIN_JWT_SECRET !== undefined && Buffer.byteLength(values.PANGOLIN_JWT_SECRET) < 32) {
    throw new SettingsError('PANGOLIN_JWT_SECRET must have at least 32 bytes (openssl rand -base64 48)')
  }
  if (values.PANGOLIN_ADMIN_PASSWORD !== undefined && values.PANGOLIN_ADMIN_PASSWORD.length < 12) {
    throw new SettingsError('PANGOLIN_ADMIN_PASSWORD must have at least 12 characters')
  }
  const database = databaseUrl(values.DATABASE_URL, values.PANGOLIN_STORAGE_TYPE, dataDirectory)
  return {
    port: values.PORT,
    bindAddress,
    dataDirectory,
    databaseUrl: database,
    databaseMaxConnections: values.DATABASE_MAX_CONNECTIONS,
    databaseMinConnections: values.DATABASE_MIN_CONNECTIONS,
    databaseConnectTimeoutSeconds: values.DATABASE_CONNECT_TIMEOUT,
    mongo: {
      databaseName: values.MONGO_DB_NAME,
      maxPoolSize: values.MONGO_MAX_POOL_SIZE,
      minPoolSize: values.MONGO_MIN_POOL_SIZE,
    },
    noAuth: values.PANGOLIN_NO_AUTH,
    jwtSecret: values.PANGOLIN_JWT_SECRET,
    encryptionKey: values.PANGOLIN_ENCRYPTION_KEY,
    previousEncryptionKeys: values.PANGOLIN_PREVIOUS_ENCRYPTION_KEYS,
    adminUser: values.PANGOLIN_ADMIN_USER ?? 'admin',
    adminPassword: values.PANGOLIN_ADMIN_PASSWORD,
    localRoots: [join(dataDirectory, 'warehouse'), ...values.PANGOLIN_LOCAL_ROOTS.map((path) => resolve(path))],
    webIdentityTokenFile: values.PANGOLIN_WEB_IDENTITY_TOKEN_FILE,
    requestTimeoutSeconds: values.PANGOLIN_REQUEST_TIMEOUT_SECS,
    maxBodyBytes: values.PANGOLIN_MAX_BODY_BYTES,
    maxConcurrentRequests: values.PANGOLIN_MAX_CONCURRENT_REQUESTS,
    trustedProxies: values.PANGOLIN_TRUSTED_PROXIES,
    // Files need descriptors, too.
    maxConnections: Math.min(values.PANGOLIN_MAX_CONNECTIONS, Math.floor(0.75 * descriptorLimit())),
    maxConnectionsPerAddress: values.PANGOLIN_MAX_CONNECTIONS_PER_ADDRESS,
    headersTimeoutSeconds: Math.min(values.PANGOLIN_HEADERS_TIMEOUT_SECS, values.PANGOLIN_REQUEST_TIMEOUT_SECS),
    stallTimeoutSeconds: Math.min(values.PANGOLIN_STALL_TIMEOUT_SECS, values.PANGOLIN_REQUEST_TIMEOUT_SECS),
    // A lone caller gets three quarters of it, which must hold one body.
    maxUnfinishedBodyBytes: Math.max(values.PANGOLIN_MAX_UNFINISHED_BODY_BYTES, 2 * values.PANGOLIN_MAX_BODY_BYTES),
    maxUnsentBytes: values.PANGOLIN_MAX_UNSENT_BYTES,
    tableLimits: tableLimits(values),
    shutdownGraceSeconds: values.PANGOLIN_SHUTDOWN_GRACE_SECS,
    authRateLimit: values.PANGOLIN_AUTH_RATE_LIMIT,
    authRateWindowSeconds: values.PANGOLIN_AUTH_RATE_WINDOW_SECS,
    corsAllowedOrigins: values.PANGOLIN_CORS_ALLOWED_ORIGINS,
    cacheBytes: values.PANGOLIN_CACHE_BYTES,
    droppedKeptMs: values.PANGOLIN_DROPPED_KEPT_HOURS * 3_600_000,
    historyKeptMs: values.PANGOLIN_HISTORY_KEPT_DAYS * 86_400_000,
    metrics: metricsLimits(values),
    workers: workerCount(values.PANGOLIN_WORKERS, database),
    logFormat: values.LOG_FORMAT ?? 'pretty',
    logLevel: values.PANGOLIN_LOG_LEVEL ?? plainLevel(given.get('RUST_LOG') ?? environment['RUST_LOG']),
  }
}

/** How many files and connections a process may have open, where the system says so. (Node asks for as many as it may have.) */
function descriptorLimit(): number {
  try {
    const limit = /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]
    return limit === undefined ? Infinity : Number(limit)
  } catch {
    return Infinity
  }
}

function metricsLimits(values: Values): MetricsLimits {
  if (!values.PANGOLIN_METRICS_REPORTS) return { quotas: undefined }
  const table = { bytes: values.PANGOLIN_METRICS_TABLE_BYTES, reports: values.PANGOLIN_METRICS_TABLE_REPORTS }
  const principal = { bytes: values.PANGOLIN_METRICS_PRINCIPAL_BYTES, reports: values.PANGOLIN_METRICS_PRINCIPAL_REPORTS }
  const tenant = { bytes: values.PANGOLIN_METRICS_TENANT_BYTES, reports: values.PANGOLIN_METRICS_TENANT_REPORTS }
  return { quotas: { table, principal, tenant } }
}

function workerCount(wanted: number | 'auto', database: string): number {
  if (!/^memory:/i.test(database)) return wanted === 'auto' ? availableParallelism() : wanted
  if (wanted === 'auto' || wanted === 1) return 1
  throw new SettingsError(`PANGOLIN_WORKERS=${wanted} needs a database that processes can share; memory: belongs to one`)
}

/** RUST_LOG is often set for other programs and may be a filter expression: only a plain level counts. */
function plainLevel(rustLog: string | undefined): LogLevel {
  return LOG_LEVELS.find((level) => level === rustLog?.toLowerCase()) ?? 'info'
}

export function isLoopback(address: string): boolean {
  return address === 'localhost' || address === '::1' || (isIP(address) === 4 && address.startsWith('127.'))
}

function databaseUrl(url: string | undefined, type: string | undefined, dataDirectory: string): string {
  const scheme = /^([a-z0-9+]+):/i.exec(url ?? '')?.[1]?.toLowerCase()
  const isPath = url !== undefined && (scheme === undefined || scheme.length === 1)
  const kind = type ?? (url === undefined || isPath || scheme === 'file' ? 'sqlite' : scheme!)
  if (kind === 'memory') return 'memory:'
  if (/^postgres(ql)?$/.test(kind)) {
    if (/^postgres(ql)?$/.test(scheme ?? '')) return url!
    throw new SettingsError('DATABASE_URL: PostgreSQL needs postgres://user:password@host:5432/database')
  }
  if (/^mongo(db(\+srv)?)?$/.test(kind)) {
    if (/^mongodb(\+srv)?$/.test(scheme ?? '')) return url!
    throw new SettingsError('DATABASE_URL: MongoDB needs mongodb://user:password@host:27017/database, or mongodb+srv://')
  }
  if (kind !== 'sqlite') {
    const known = 'sqlite:<path>, postgres://<host>/<database>, mongodb://<host>/<database> or memory:'
    throw new SettingsError(`DATABASE_URL: its kind is not known; expected ${known}`)
  }
  if (url === undefined) return sqliteUrl(join(dataDirectory, 'pangolin.db'))
  if (/^(sqlite|file):(\/\/)?(:memory:)?$/i.test(url)) return 'memory:'
  return isPath ? sqliteUrl(resolve(url)) : url
}

const sqliteUrl = (path: string): string => `sqlite:${path.split('/').map(encodeURIComponent).join('/')}`

function readSettingsFile(file: string): Map<string, string> {
  const found = new Map<string, string>()
  const lines = readFileSync(file, 'utf8').split(/\r?\n/)
  for (const [index, line] of lines.entries()) {
    const trimmed = line.trim()
    if (trimmed === '' || trimmed.startsWith('#')) continue
    const match = /^(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)$/.exec(trimmed)
    if (match === null) throw new SettingsError(`${file}:${index + 1}: expected NAME=value`)
    const [, name = '', value = ''] = match
    if (name === 'PANGOLIN_DATA')
      throw new SettingsError(`${file}:${index + 1}: PANGOLIN_DATA can only be set in the environment`)
    if (!Object.hasOwn(SETTINGS, name) && name !== 'RUST_LOG') refuseUnknown(name, `${file}:${index + 1}`)
    const unquoted = /^"(.*)"$|^'(.*)'$/.exec(value)
    const content = unquoted === null ? value : (unquoted[1] ?? unquoted[2] ?? '')
    if (content !== '') found.set(name, content)
  }
  return found
}

function refuseUnknown(name: string, where: string): never {
  if (name === 'PANGOLIN_TRUST_FORWARDED_FOR') {
    throw new SettingsError(
      `${where}: instead of ${name}, PANGOLIN_TRUSTED_PROXIES lists the proxies whose X-Forwarded-For counts`,
    )
  }
  if (NOT_YET.includes(name) || NOT_YET_PATTERN.test(name)) {
    throw new SettingsError(`${where}: ${name} is not supported yet; remove it to start`)
  }
  const known = Object.keys(SETTINGS)
  const nearest = known.reduce((best, candidate) => (distance(name, candidate) < distance(name, best) ? candidate : best))
  throw new SettingsError(`${where}: there is no setting ${name}. Did you mean ${nearest}?`)
}

/** Names as short as PORT are near to too much. */
const LEAST_NEAR = 10

/**
 * Names that other programs may have given something, and that are nearly one of ours: refused where ours is not given, since
 * a server on an empty database would be the answer to a typing error.
 */
function refuseNearMiss(name: string, environment: Readonly<Record<string, string | undefined>>): void {
  const isNear = (known: string): boolean => {
    if (environment[known] !== undefined && environment[known] !== '') return false
    const [prefix, rest] = [known.slice(0, PREFIX.length), known.slice(PREFIX.length)]
    if (prefix !== PREFIX) return known.length >= LEAST_NEAR && isWithin(name, known, 2)
    // A misspelt prefix: what follows is ours to the letter.
    return name.endsWith(rest) && isWithin(name.slice(0, name.length - rest.length), PREFIX, 2)
  }
  const near = Object.keys(SETTINGS).find(isNear)
  if (near !== undefined) throw new SettingsError(`the environment: there is no setting ${name}. Did you mean ${near}?`)
}
const PREFIX = 'PANGOLIN_'
