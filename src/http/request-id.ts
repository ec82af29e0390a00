/** The id under which a request stands in the log: the client's own where it is harmless, else a short one of ours. */
import { randomBytes } from 'node:crypto'
import type { Exchange } from './exchange.ts'

export interface RequestIds {
  /** The client's, or else a new one: for what is written to the log. */
  of(exchange: Exchange): string
  /** The one that the answer names: the client's, or that under which the request stands in the log; most have neither. */
  shown(exchange: Exchange): string | undefined
}

const HARMLESS = /^[A-Za-z0-9._:/+=-]{1,128}$/

export function createRequestIds(): RequestIds {
  const start = randomBytes(6).toString('hex')
  let counter = 0
  const shown = (exchange: Exchange): string | undefined => {
    if (exchange.requestId !== undefined) return exchange.requestId
    const own = exchange.header('x-request-id')
    return own !== undefined && HARMLESS.test(own) ? own : undefined
  }
  return { shown, of: (exchange) => (exchange.requestId ??= shown(exchange) ?? `${start}-${(++counter).toString(36)}`) }
}
