/**
 * What a route is. The table of routes is data: the router, the rights asked, the `endpoints` of the configuration and the
 * tests all read the same rows. A row without an `action` does not compile.
 */
import type { Action } from '../access/decide.ts'
import type { Soon } from '../catalog/soon.ts'
import type { Answer } from './answer.ts'
import type { Exchange } from './exchange.ts'
import type { RequestBody } from './request-bodies.ts'

/** As an Allow header has them. */
export const ALL_METHODS = 'DELETE, GET, HEAD, OPTIONS, POST, PUT'

export type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE'

export interface Route {
  readonly method: Method
  /** As the specification writes it. `{prefix}` stands for the catalog. */
  readonly template: string
  readonly operationId: string
  /** What `access/decide.ts` is asked; `public` needs no credential. */
  readonly action: Action | 'public'
  /** Changes something: takes an Idempotency-Key, and its unanswered end is an unknown outcome. */
  readonly mutation?: boolean
  /** Absent: the request's body is not read. */
  readonly body?: RequestBody
  /** Part of the Iceberg REST specification: listed in the `endpoints` of the configuration. */
  readonly iceberg?: boolean
  /** Its errors are shaped as RFC 6749 wants them. */
  readonly oauth?: boolean
  /** Answered even when the server is at its limit. */
  readonly vital?: boolean
  /** The end of its path is also a name that something may have: what has no route here is about that thing. */
  readonly maybeName?: boolean
  readonly handler: (exchange: Exchange) => Soon<Answer>
}
