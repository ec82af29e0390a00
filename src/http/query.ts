/**
 * Query parameters. A parameter that is read may stand there once; parameters that are not read are ignored, as clients
 * send some of their own.
 */
import type { PageRequest } from '../catalog/call.ts'
import { badRequest } from '../iceberg/errors.ts'

const PAIR_LIMIT = 100

/** The parameter's value as it was sent, or undefined. @throws IcebergError 400 when it is repeated or not decodable */
export function rawParameter(query: string, name: string): string | undefined {
  if (query === '') return undefined
  let found: string | undefined
  let count = 0
  for (const pair of query.split('&', PAIR_LIMIT + 1)) {
    if (++count > PAIR_LIMIT) throw badRequest(`More than ${PAIR_LIMIT} query parameters`)
    const equals = pair.indexOf('=')
    if (decode(equals < 0 ? pair : pair.slice(0, equals)) !== name) continue
    if (found !== undefined) throw badRequest(`The query parameter ${name} must not be repeated`)
    found = equals < 0 ? '' : pair.slice(equals + 1)
  }
  return found
}

export function parameter(query: string, name: string): string | undefined {
  const raw = rawParameter(query, name)
  return raw === undefined ? undefined : decode(raw)
}

function decode(text: string): string {
  if (!text.includes('%') && !text.includes('+')) return text
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    throw badRequest('The query has a percent escape that is no UTF-8')
  }
}

export function integerParameter(query: string, name: string, min: number, max: number): number | undefined {
  const text = parameter(query, name)
  if (text === undefined) return undefined
  const value = /^\d{1,15}$/.test(text) ? Number(text) : -1
  if (value < min) throw badRequest(`The query parameter ${name} must be an integer from ${min}, not ${quote(text)}`)
  return Math.min(value, max)
}

/** Python writes `True`. */
export function booleanParameter(query: string, name: string): boolean | undefined {
  const text = parameter(query, name)?.toLowerCase()
  if (text === undefined || text === 'true' || text === 'false') return text === undefined ? undefined : text === 'true'
  throw badRequest(`The query parameter ${name} must be true or false, not ${quote(text)}`)
}

const TIME = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d))?$/i

/** In milliseconds since 1970, of a date or time of ISO 8601 with its zone, or of such milliseconds. */
export function timeParameter(query: string, name: string): number | undefined {
  const text = parameter(query, name)
  if (text === undefined) return undefined
  const value = /^\d{10,14}$/.test(text) ? Number(text) : TIME.test(text) ? Date.parse(text) : NaN
  if (Number.isFinite(value) && value >= 0) return value
  throw badRequest(
    `The query parameter ${name} must be a time such as 2026-11-29T12:00:00Z, or milliseconds since 1970, not ${quote(text)}`,
  )
}

/** Of a drop: whether it is meant for what is protected, too. */
export const isForced = ({ query }: { readonly query: string }): boolean => booleanParameter(query, 'force') ?? false

export function choiceParameter<const T extends string>(query: string, name: string, choices: readonly T[]): T | undefined {
  const text = parameter(query, name)
  const choice = choices.find((known) => known === text?.toLowerCase())
  if (text !== undefined && choice === undefined) {
    throw badRequest(`The query parameter ${name} must be one of ${choices.join(', ')}, not ${quote(text)}`)
  }
  return choice
}

const MAX_PAGE_SIZE = 10_000

export function pageOf(query: string): PageRequest {
  if (query === '') return {}
  return { pageToken: parameter(query, 'pageToken'), pageSize: integerParameter(query, 'pageSize', 1, MAX_PAGE_SIZE) }
}

/** Of the management API. */
export const paging = (query: string): { limit: number; offset: number } => ({
  limit: integerParameter(query, 'limit', 1, 10_000) ?? 10_000,
  offset: integerParameter(query, 'offset', 0, 10_000) ?? 0,
})

const quote = (text: string): string => JSON.stringify(text.slice(0, 100))
