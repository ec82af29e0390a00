/** The id under which a request stands in the log: the client's own where it is harmless, else a short one of ours. */
import { randomBytes } from 'node:crypto'
import type { Exchange } from './exchange.ts'

export interface RequestIds {
  of(exchange: Exchange): string
}

const HARMLESS = /^[A-Za-z0-9._:/+=-]{1,128}$/

export function createRequestIds(): RequestIds {
  const start = randomBytes(6).toString('hex')
  let counter = 0
  return {
    of: (exchange) => {
      if (exchange.requestId !== undefined) return exchange.requestId
      const own = exchange.header('x-request-id')
      exchange.requestId = own !== undefined && HARMLESS.test(own) ? own : `${start}-${(++counter).toString(36)}`
      return exchange.requestId
    },
  }
}
