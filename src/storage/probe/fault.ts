/**
 * What went wrong while a warehouse was tested, in a form that advice can be given on: the codes of all errors behind it.
 * Services write their codes, and the operator of one can write anything, so only what looks like a code is passed on.
 */
import { StorageError, type StorageErrorKind } from '../storage.ts'
import { VendingError, type VendingErrorKind } from '../vending/vending.ts'

export type Doing = 'write' | 'read' | 'list' | 'delete' | 'vend'

export interface Fault {
  readonly doing: Doing
  /** With the server's own credentials, or with what a client would get. */
  readonly as: 'server' | 'client'
  /** `late`: given up by the test. */
  readonly kind: StorageErrorKind | VendingErrorKind | 'late'
  /** Of the service, the network and the system, the most exact one first. */
  readonly codes: readonly string[]
  /** HTTP, where the service answered. */
  readonly status: number | undefined
  /** Where the service says that the bucket is. */
  readonly region: string | undefined
  /** For a person; no secret, and no text of others. */
  readonly message: string
}

const CODE = /^[A-Za-z][\w.-]{1,79}$/
const SAYS_NOTHING = new Set(['Error', 'TypeError', 'AggregateError', 'RestError', 'Unknown', 'UnknownError', 'StorageError'])
const MAX_DEPTH = 6

interface Told {
  readonly name?: unknown
  readonly code?: unknown
  readonly Code?: unknown
  readonly statusCode?: unknown
  readonly status?: unknown
  readonly Region?: unknown
  readonly $metadata?: { readonly httpStatusCode?: unknown }
  readonly $response?: { readonly headers?: Readonly<Record<string, unknown>> }
  readonly cause?: unknown
  readonly errors?: unknown
}

/** The error and what is behind it, outermost first. */
function* causesOf(error: unknown, depth = 0): Generator<Told> {
  if (typeof error !== 'object' || error === null || depth > MAX_DEPTH) return
  const told: Told = error
  yield told
  yield* causesOf(told.cause, depth + 1)
  // Of the attempts at several addresses of one host, each failed.
  if (Array.isArray(told.errors)) yield* causesOf(told.errors[0], depth + 1)
}

const isCode = (value: unknown): value is string => typeof value === 'string' && CODE.test(value) && !SAYS_NOTHING.has(value)

const isStatus = (value: unknown): value is number => typeof value === 'number' && value >= 100 && value < 600

/** Text of ours, in one line of bounded length. */
const plain = (text: string): string =>
  text
    .replace(/[\p{Cc}\p{Cf}]+/gu, ' ')
    .toWellFormed()
    .slice(0, 400)

export function faultOf(error: unknown, step: Pick<Fault, 'doing' | 'as'> & { readonly what: string }): Fault {
  const { doing, as, what } = step
  const known = error instanceof StorageError || error instanceof VendingError ? error : undefined
  const behind = [...causesOf(known === undefined ? error : known.cause)]
  const codes = behind.flatMap(({ code, Code, name }) => [code, Code, name]).filter(isCode)
  const status = behind.flatMap((told) => [told.$metadata?.httpStatusCode, told.statusCode, told.status]).find(isStatus)
  const region = behind
    .flatMap(({ Region, $response }) => [Region, $response?.headers?.['x-amz-bucket-region']])
    .find((value): value is string => typeof value === 'string' && /^[a-z0-9-]{1,40}$/.test(value))
  const reason = codes[0] ?? (status === undefined ? undefined : `status ${status}`)
  const message =
    reason === undefined || known instanceof VendingError ? (known?.message ?? `${what}: failed`) : `${what}: ${reason}`
  return { doing, as, kind: known?.kind ?? 'unavailable', codes, status, region, message: plain(message) }
}

export const has = ({ codes }: Fault, ...wanted: readonly string[]): boolean => wanted.some((code) => codes.includes(code))
