/** The id under which a request stands in the log: the client's own where it is harmless, else a short one of ours. */
import { randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

export interface RequestIds {
  of(request: IncomingMessage): string
}

const HARMLESS = /^[A-Za-z0-9._:/+=-]{1,128}$/

export function createRequestIds(): RequestIds {
  const start = randomBytes(6).toString('hex')
  const given = new WeakMap<IncomingMessage, string>()
  let counter = 0
  return {
    of: (request) => {
      const own = request.headers['x-request-id']
      if (typeof own === 'string' && HARMLESS.test(own)) return own
      const known = given.get(request)
      if (known !== undefined) return known
      const id = `${start}-${(++counter).toString(36)}`
      given.set(request, id)
      return id
    },
  }
}
