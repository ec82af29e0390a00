/** Users of `/api/v1`: logging in, and the own password. */
import Type from 'typebox'
import { subjectOf } from '../../access/authenticate.ts'
import { decode } from '../../catalog/shapes.ts'
import { badRequest, IcebergError } from '../../iceberg/errors.ts'
import { changePassword } from '../../management/users.ts'
import { json, NO_CONTENT } from '../answer.ts'
import { small } from '../request-bodies.ts'
import type { Route } from '../route.ts'

const optionalText = Type.Optional(Type.Union([Type.String(), Type.Null()]))
/** Both spellings are those of the contract. */
const LoginRequest = Type.Object({
  username: Type.String(),
  password: Type.String(),
  'tenant-id': optionalText,
  tenant_id: optionalText,
})

/** @throws IcebergError 400 where two are named */
function tenantIn({ 'tenant-id': tenant, tenant_id: other }: Type.Static<typeof LoginRequest>): string | undefined {
  if (tenant != null && other != null && tenant !== other) throw badRequest('tenant-id and tenant_id name two tenants')
  return tenant ?? other ?? undefined
}

const iso = (ms: number): string => new Date(ms).toISOString()

export const userRoutes: readonly Route[] = [
  {
    method: 'POST',
    template: '/api/v1/users/login',
    operationId: 'login',
    action: 'public',
    body: small,
    handler: async (exchange) => {
      const request = decode(LoginRequest, exchange.json())
      const { username, password } = request
      const user = await exchange.context.authenticator.login(username, password, exchange.clientAddress, tenantIn(request))
      // The same whatever is wrong: the answer does not tell which users a tenant has.
      if (user === undefined) throw new IcebergError('NotAuthorizedException', 'Name or password is not right')
      const { token, expiresAt } = await exchange.context.sessions.issue(subjectOf({ user, expiresAt: Infinity }))
      const info = {
        id: user.id,
        username: user.username,
        email: user.email ?? '',
        'tenant-id': user.tenant_id,
        role: user.role,
        'created-at': iso(user.created_at),
      }
      return json({ token, user: info, 'expires-at': iso(expiresAt) }, 200, ['Cache-Control', 'no-store'])
    },
  },
  {
    method: 'POST',
    template: '/api/v1/users/me/password',
    operationId: 'changePassword',
    action: 'token.create',
    mutation: true,
    body: small,
    handler: async (exchange) => {
      const { caller, clientAddress, context } = exchange
      const isCurrent = async (password: string): Promise<boolean> =>
        (await context.authenticator.login(caller.name, password, clientAddress, caller.tenantId))?.id === caller.id
      await changePassword(context.management, exchange.changeCall, exchange.json(), isCurrent)
      return NO_CONTENT
    },
  },
]
