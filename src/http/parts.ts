/** What a server is made of, one of each in a process; and among whom it is shared. */
import type { ServerResponse } from 'node:http'
import { createShares, type Shares } from '../access/shares.ts'
import { createBodies, type Bodies } from './bodies.ts'
import { createCompressor, type Compressor } from './compression.ts'
import { createConnections, type Connections } from './connections.ts'
import type { ServerContext } from './context.ts'
import type { Exchange } from './exchange.ts'
import { createFloods, type Floods } from './floods.ts'
import { isTrusted } from './forwarded.ts'
import { createRequestIds, type RequestIds } from './request-id.ts'
import type { Route } from './route.ts'
import { createRouter, type Router } from './router.ts'
import { createUnsent, type Unsent } from './unsent.ts'

export interface Parts {
  readonly context: ServerContext
  readonly router: Router
  readonly compressor: Compressor
  readonly ids: RequestIds
  /** Those that wait for their answer. */
  readonly active: Map<Exchange, ServerResponse>
  /** Requests under way, by caller; each counts until its work ends, which may be after it was answered as overdue. */
  readonly slots: Shares
  /** Those of them of callers without credentials, by address. */
  readonly publicSlots: Shares
  readonly bodies: Bodies
  readonly unsent: Unsent
  readonly connections: Connections
  readonly floods: Floods
  hasToldOfProxy: boolean
}

export function createParts(context: ServerContext, routes: readonly Route[]): Parts {
  const { limits } = context
  const floods = createFloods(context.log)
  const unsent = createUnsent(limits)
  return {
    context,
    router: createRouter(routes),
    compressor: createCompressor(),
    ids: createRequestIds(),
    active: new Map(),
    slots: createShares(limits.maxConcurrentRequests),
    publicSlots: createShares(Math.max(1, limits.maxConcurrentRequests >> 2)),
    bodies: createBodies(limits),
    unsent,
    connections: createConnections({
      limits,
      floods,
      isTrusted: (peer) => isTrusted(limits.trustedProxies, peer),
      isCrowded: () => unsent.isCrowded,
    }),
    floods,
    hasToldOfProxy: false,
  }
}

/** Among whom what is scarce is shared: callers by their token, and those without credentials by their address. */
export function holderOf({ principal, context, clientAddress }: Exchange): string {
  if (principal === undefined || principal === context.authenticator.everybody) return clientAddress
  return principal.tokenId ?? principal.id
}

/** As whom all callers without credentials together take places. */
export const NOBODY = ''
