/**
 * The one place where an error becomes an answer. What is not an error of ours is a bug: the client gets a request id, the
 * log gets the rest. An unknown outcome is never answered as 409, since a client told 409 deletes the files it wrote.
 */
import { IcebergError, commitStateUnknown, unavailable, type ErrorType } from '../iceberg/errors.ts'
import { stringify } from '../iceberg/json.ts'
import { StorageError } from '../storage/storage.ts'
import { StoreError } from '../stores/store.ts'
import type { Answer } from './answer.ts'
import type { Floods } from './floods.ts'

/** An error of the OAuth endpoints, whose bodies RFC 6749 shapes. */
export class OAuthError extends Error {
  readonly error: 'invalid_request' | 'invalid_client' | 'invalid_grant' | 'unsupported_grant_type' | 'invalid_scope'
  readonly status: number
  readonly retryAfterSeconds: number | undefined
  constructor(error: OAuthError['error'], message: string, status = 400, retryAfterSeconds?: number) {
    super(message)
    this.name = 'OAuthError'
    this.error = error
    this.status = status
    this.retryAfterSeconds = retryAfterSeconds
  }
}

export interface ErrorSituation {
  readonly requestId: string
  readonly oauth: boolean
  /** What counts as the client's address. */
  readonly address: string
  readonly floods: Floods
  readonly log: (event: string, details: Readonly<Record<string, unknown>>) => void
}

export function renderError(error: unknown, situation: ErrorSituation): Answer {
  if (error instanceof OAuthError) return renderOAuth(error.error, error.message, error.status, error.retryAfterSeconds)
  const known = asIcebergError(error, situation)
  report(error, known, situation)
  if (situation.oauth) return renderOAuth(oauthName(known), known.message, known.code, known.retryAfterSeconds)
  const body = Buffer.from(stringify({ error: { message: known.message, type: known.type, code: known.code } }))
  return { status: known.code, body, headers: headersOf(known) }
}

/** Faults in full, once in a while where they are many; what was refused by design as a count. */
function report(error: unknown, known: IcebergError, { requestId, address, floods, log }: ErrorSituation): void {
  const { refusal } = known.details
  if (typeof refusal === 'string') return floods.refused(refusal, { address, requestId })
  if (known.code < 500) return
  const root = rootOf(error)
  const kind = root instanceof Error ? `${known.type}: ${root.name}: ${root.message.slice(0, 100)}` : known.type
  if (!floods.isFirst('requests failed', kind, { requestId })) return
  log('request failed', { requestId, type: known.type, details: known.details, error: describe(error) })
}

function rootOf(error: unknown, depth = 0): unknown {
  return error instanceof Error && error.cause !== undefined && depth < 5 ? rootOf(error.cause, depth + 1) : error
}

function asIcebergError(error: unknown, situation: ErrorSituation): IcebergError {
  if (error instanceof IcebergError) return error
  if (error instanceof StoreError) {
    if (error.kind === 'unknown') return commitStateUnknown('The outcome of the change is not known', { cause: error })
    if (error.kind === 'unavailable') return unavailable('The store is not available', { cause: error })
    return new IcebergError('ConflictException', 'Somebody else changed this at the same time; try again', { cause: error })
  }
  if (error instanceof StorageError) return asStorageFailure(error)
  const message = `Internal server error; the server's log has the reason under request id ${situation.requestId}`
  return new IcebergError('InternalServerError', message, { cause: error })
}

const STORAGE_TYPES = {
  missing: 'NotFoundException',
  exists: 'AlreadyExistsException',
  'too-large': 'BadRequestException',
  forbidden: 'ForbiddenException',
  invalid: 'BadRequestException',
  unavailable: 'ServiceUnavailableException',
} as const satisfies Record<StorageError['kind'], ErrorType>

function asStorageFailure(error: StorageError): IcebergError {
  const retry = error.kind === 'unavailable' ? { retryAfterSeconds: 1 } : {}
  return new IcebergError(STORAGE_TYPES[error.kind], error.message, { cause: error, ...retry })
}

function headersOf(error: IcebergError): readonly string[] {
  const headers: string[] = ['Cache-Control', 'no-store']
  if (error.retryAfterSeconds !== undefined) headers.push('Retry-After', String(Math.max(1, Math.ceil(error.retryAfterSeconds))))
  if (error.code === 401) headers.push('WWW-Authenticate', 'Bearer realm="pangolin"')
  // What is left of the request is not worth reading, so the connection can't be used again.
  if (error.code === 408 || error.code === 413 || error.details['ends'] === true) headers.push('Connection', 'close')
  const allow = error.details['allow']
  if (typeof allow === 'string') headers.push('Allow', allow)
  return headers
}

function oauthName(error: IcebergError): OAuthError['error'] {
  return error.code === 401 ? 'invalid_client' : 'invalid_request'
}

function renderOAuth(error: OAuthError['error'], message: string, status: number, retryAfterSeconds?: number): Answer {
  const headers = ['Cache-Control', 'no-store']
  if (status === 401) headers.push('WWW-Authenticate', 'Basic realm="pangolin"')
  if (status === 408 || status === 413) headers.push('Connection', 'close')
  if (retryAfterSeconds !== undefined) headers.push('Retry-After', String(Math.max(1, Math.ceil(retryAfterSeconds))))
  return { status, body: Buffer.from(stringify({ error, error_description: message })), headers }
}

/** An error and its causes for the log: names, messages and stacks. */
export function describe(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return String(error)
  const { name, message, stack, cause } = error
  return { name, message, stack, ...(cause === undefined || depth > 4 ? {} : { cause: describe(cause, depth + 1) }) }
}
