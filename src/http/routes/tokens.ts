/** Long-lived tokens over `/api/v1`, in the shapes of the management contract; `access` and `within` are an addition to it. */
import { listTokens, mintToken, revokeToken, rotateToken, type MintedToken } from '../../management/tokens.ts'
import { array, json, NO_CONTENT, type Answer } from '../answer.ts'
import { paging } from '../query.ts'
import { small } from '../request-bodies.ts'
import type { Route } from '../route.ts'

const shownOnce = (token: MintedToken): Answer => json(token, 200, ['Cache-Control', 'no-store', 'Pragma', 'no-cache'])

export const tokenRoutes: readonly Route[] = [
  {
    method: 'POST',
    template: '/api/v1/tokens',
    operationId: 'mintToken',
    action: 'token.create',
    mutation: true,
    body: small,
    handler: async (exchange) => shownOnce(await mintToken(exchange.context.management, exchange.changeCall, exchange.json())),
  },
  {
    method: 'GET',
    template: '/api/v1/users/me/tokens',
    operationId: 'listTokens',
    action: 'token.see',
    handler: async (exchange) =>
      array(await listTokens(exchange.context.management, exchange.caller, paging(exchange.query)), [
        'Cache-Control',
        'no-store',
      ]),
  },
  {
    method: 'POST',
    template: '/api/v1/tokens/rotate',
    operationId: 'rotateToken',
    action: 'token.revoke',
    mutation: true,
    body: small,
    handler: async (exchange) => {
      // The body is optional: without one it is about the token that the request came with.
      const body = exchange.body.length === 0 ? {} : exchange.json()
      return shownOnce(await rotateToken(exchange.context.management, exchange.changeCall, body))
    },
  },
  {
    method: 'DELETE',
    template: '/api/v1/tokens/{id}',
    operationId: 'deleteToken',
    action: 'token.revoke',
    mutation: true,
    handler: async (exchange) => {
      await revokeToken(exchange.context.management, exchange.changeCall, exchange.segment(0))
      return NO_CONTENT
    },
  },
  {
    method: 'POST',
    template: '/api/v1/auth/revoke',
    operationId: 'revokeCurrentToken',
    action: 'token.revoke',
    mutation: true,
    handler: async (exchange) => {
      await revokeToken(exchange.context.management, exchange.changeCall)
      return json({ message: 'The token is revoked' })
    },
  },
  {
    method: 'POST',
    template: '/api/v1/auth/revoke/{id}',
    operationId: 'revokeToken',
    action: 'token.revoke',
    mutation: true,
    handler: async (exchange) => {
      await revokeToken(exchange.context.management, exchange.changeCall, exchange.segment(0))
      return json({ message: 'The token is revoked' })
    },
  },
]
