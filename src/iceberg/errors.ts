/**
 * The one error class of the product and the one table of its codes. An error is thrown where the fact is known, names
 * the object and what was expected, and is rendered once, by `http/errors.ts`. Messages never hold secrets, SQL or paths
 * of the server. Types and codes: the IcebergErrorResponse sections of the Iceberg REST specification.
 */

const CODES = {
  BadRequestException: 400,
  IllegalArgumentException: 400,
  ValidationException: 400,
  NotAuthorizedException: 401,
  ForbiddenException: 403,
  NotFoundException: 404,
  NoSuchWarehouseException: 404,
  NoSuchNamespaceException: 404,
  NoSuchTableException: 404,
  NoSuchViewException: 404,
  MethodNotAllowedException: 405,
  UnsupportedOperationException: 406,
  RequestTimeoutException: 408,
  AlreadyExistsException: 409,
  CommitFailedException: 409,
  NamespaceNotEmptyException: 409,
  ConflictException: 409,
  ContentTooLargeException: 413,
  UnsupportedMediaTypeException: 415,
  UnprocessableEntityException: 422,
  TooManyRequestsException: 429,
  HeaderFieldsTooLargeException: 431,
  InternalServerError: 500,
  CommitStateUnknownException: 500,
  NotImplementedException: 501,
  ServiceUnavailableException: 503,
} as const

/** The exception names of the specification, and the few that HTTP itself needs. */
export type ErrorType = keyof typeof CODES

export interface ErrorOptions {
  readonly cause?: unknown
  /** Facts for the log, never for the client. */
  readonly details?: Readonly<Record<string, unknown>>
  /** Seconds for a Retry-After header. */
  readonly retryAfterSeconds?: number
}

export class IcebergError extends Error {
  readonly type: ErrorType
  /** The HTTP status. */
  readonly code: number
  readonly details: Readonly<Record<string, unknown>>
  readonly retryAfterSeconds: number | undefined

  constructor(type: ErrorType, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = type
    this.type = type
    this.code = CODES[type]
    this.details = options.details ?? {}
    this.retryAfterSeconds = options.retryAfterSeconds
  }
}

/** Dotted form of a namespace, for messages only. */
export function displayNamespace(namespace: readonly string[]): string {
  return namespace.join('.')
}

/** Dotted form of an identifier, for messages only. */
export function displayIdentifier(identifier: { readonly namespace: readonly string[]; readonly name: string }): string {
  return [...identifier.namespace, identifier.name].join('.')
}

type Identifier = { readonly namespace: readonly string[]; readonly name: string }

export const badRequest = (message: string, options?: ErrorOptions): IcebergError =>
  new IcebergError('BadRequestException', message, options)
/** As `badRequest`, where the reference implementation's client distinguishes a view version that contradicts itself. */
export const illegalArgument = (message: string): IcebergError => new IcebergError('IllegalArgumentException', message)
/** The content of a request or of a metadata file breaks a rule of the table format. */
export const validationFailed = (message: string, options?: ErrorOptions): IcebergError =>
  new IcebergError('ValidationException', message, options)
/** Says nothing of whether the object exists. */
export const forbidden = (message: string): IcebergError => new IcebergError('ForbiddenException', message)
/** Of a change to a catalog that is read as it was at a position of its log. */
export const readOnlyPast = (position: number): IcebergError =>
  forbidden(`The catalog is read as it was at position ${position}, where nothing can be changed`)
/** `hint` goes on with the sentence. */
export const noSuchWarehouse = (name: string, hint = ''): IcebergError =>
  new IcebergError('NoSuchWarehouseException', `Warehouse does not exist: ${name}${hint}`)
export const noSuchNamespace = (namespace: readonly string[]): IcebergError =>
  new IcebergError('NoSuchNamespaceException', `Namespace does not exist: ${displayNamespace(namespace)}`)
export const noSuchTable = (identifier: Identifier): IcebergError =>
  new IcebergError('NoSuchTableException', `Table does not exist: ${displayIdentifier(identifier)}`)
export const noSuchView = (identifier: Identifier): IcebergError =>
  new IcebergError('NoSuchViewException', `View does not exist: ${displayIdentifier(identifier)}`)
/** `what` is Namespace, Table or View. */
export const alreadyExists = (what: string, name: string): IcebergError =>
  new IcebergError('AlreadyExistsException', `${what} already exists: ${name}`)
export const namespaceNotEmpty = (namespace: readonly string[]): IcebergError =>
  new IcebergError('NamespaceNotEmptyException', `Namespace ${displayNamespace(namespace)} is not empty`)
/** Something is not, or no longer, as the request needs it. */
export const conflict = (message: string, options?: ErrorOptions): IcebergError =>
  new IcebergError('ConflictException', message, options)
/** A requirement of a commit does not hold. Nothing was changed, so a client may clean up the files it wrote. */
export const commitFailed = (message: string, options?: ErrorOptions): IcebergError =>
  new IcebergError('CommitFailedException', message, options)
/** Not known whether a commit landed: a client must not clean up. Never answered as 409. */
export const commitStateUnknown = (message: string, options?: ErrorOptions): IcebergError =>
  new IcebergError('CommitStateUnknownException', message, options)
export const unsupported = (message: string): IcebergError => new IcebergError('UnsupportedOperationException', message)
export const unavailable = (message: string, options?: ErrorOptions): IcebergError =>
  new IcebergError('ServiceUnavailableException', message, { retryAfterSeconds: 1, ...options })
/** What a server refuses by design when it is asked for too much; `kind` names it in the log, which counts such refusals. */
export const refusal = (kind: string, type: ErrorType, message: string, options?: ErrorOptions): IcebergError =>
  new IcebergError(type, message, { retryAfterSeconds: 1, ...options, details: { ...options?.details, refusal: kind } })
