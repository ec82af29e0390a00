/** What the routes were built with, one per process. */
import type { Authenticator } from '../access/authenticate.ts'
import type { SessionTokens } from '../access/session-tokens.ts'
import type { CatalogContext } from '../catalog/call.ts'
import type { ManagementContext } from '../management/context.ts'
import type { CatalogHandles } from '../management/handles.ts'
import type { Readiness } from '../management/readiness.ts'
import type { AddressRange } from './addresses.ts'
import type { BodyLimits } from './bodies.ts'
import type { ConnectionLimits } from './connections.ts'
import type { UnsentLimits } from './unsent.ts'

export interface Limits extends ConnectionLimits, BodyLimits, UnsentLimits {
  readonly headersTimeoutSeconds: number
  /** What they say of the client counts. */
  readonly trustedProxies: readonly AddressRange[]
  readonly requestTimeoutSeconds: number
  readonly maxBodyBytes: number
  readonly maxConcurrentRequests: number
}

export interface ServerContext {
  readonly catalog: CatalogContext
  readonly management: ManagementContext
  readonly handles: CatalogHandles
  readonly authenticator: Authenticator
  readonly sessions: SessionTokens
  readonly readiness: Readiness
  readonly limits: Limits
  /** Origins of web pages that may call: `*` for all. */
  readonly corsAllowedOrigins: readonly string[]
  /** What `GET /v1/config` lists: "METHOD /template" of each Iceberg route. */
  readonly endpoints: readonly string[]
  readonly now: () => number
  readonly log: (event: string, details: Readonly<Record<string, unknown>>) => void
  /** Changed by the server when it drains. */
  readonly state: { draining: boolean }
}
