/**
 * The passwords of users, and tokens that are made for them beside the server. A changed password ends, within a second and in
 * every process, what a login by name and password was answered with; long-lived tokens stay.
 */
import Type from 'typebox'
import { accountOf } from '../access/accounts.ts'
import { formatApiToken, hashSecret, newApiToken, newPassword } from '../access/api-tokens.ts'
import { hashPassword } from '../access/passwords.ts'
import { isAllowed } from '../access/decide.ts'
import { decode } from '../catalog/shapes.ts'
import { change } from '../changes/change.ts'
import { createChangeContext, tenantLog, type ChangeCall, type ChangeContext } from '../changes/context.ts'
import { badRequest, forbidden, IcebergError } from '../iceberg/errors.ts'
import type { Row } from '../stores/entities.ts'
import type { Store } from '../stores/store.ts'
import type { ManagementContext } from './context.ts'
import { checkFields } from './input.ts'
import { logged } from './tokens.ts'

export const PASSWORD_CHARACTERS = { least: 12, most: 1024 }
const PAGE = 100

const ChangePasswordRequest = Type.Object({ current_password: Type.String(), new_password: Type.String() })

/** @throws IcebergError 400 */
export function checkPassword(password: string, username: string): void {
  const { least, most } = PASSWORD_CHARACTERS
  if (password.length < least || password.length > most) {
    throw badRequest(`Invalid password: expected ${least} to ${most} characters, got ${password.length}`)
  }
  if (password.toLowerCase() === username.toLowerCase()) throw badRequest('Invalid password: it is the name of the user')
}

/** @throws IcebergError 404 when there is no such user any more */
async function setPassword(
  context: ChangeContext,
  call: ChangeCall,
  userId: string,
  choose: () => Promise<string>,
): Promise<void> {
  return change<void>(context, call, {
    what: 'the user',
    log: tenantLog(call.principal.tenantId),
    attempt: async () => {
      const password_hash = await hashPassword(await choose())
      const user = await accountOf(context.store, 'users', call.principal.tenantId, userId)
      if (user === undefined) throw new IcebergError('NotFoundException', `User does not exist: ${userId}`)
      const { version, ...rest } = user
      const row = { ...rest, password_hash, updated_at: context.now() }
      return {
        message: `Change the password of ${user.username}`,
        operations: [{ operation: 'change-password', user_id: user.id, username: user.username }],
        steps: [{ op: 'replace', entity: 'users', row, expected: version }],
        status: 204,
        outcome: null,
        answer: () => undefined,
      }
    },
    replay: () => undefined,
  })
}

/**
 * The caller's own.
 * @param isCurrent whether the password is the caller's; guesses are throttled as logins are
 * @throws IcebergError 400, 401 for a wrong current password, 403 for a narrowed token, 429
 */
export async function changePassword(
  { catalog }: ManagementContext,
  call: ChangeCall,
  json: unknown,
  isCurrent: (password: string) => Promise<boolean>,
): Promise<void> {
  const { principal } = call
  checkFields(json, Object.keys(ChangePasswordRequest.properties))
  const { current_password: current, new_password: next } = decode(ChangePasswordRequest, json)
  if (!isAllowed(principal, 'token.create', { tenantId: principal.tenantId }))
    throw forbidden('A narrowed token changes no password')
  checkPassword(next, principal.name)
  await setPassword(catalog, call, principal.id, async () => {
    if (!(await isCurrent(current))) throw new IcebergError('NotAuthorizedException', 'The current password is not right')
    return next
  })
}

/** @throws IcebergError 404; 400 where there are several and none is named */
export async function findUser(store: Store, tenantId: string, name: string | undefined): Promise<Row<'users'>> {
  const all = { tenant_id: tenantId }
  const where = name === undefined ? all : { ...all, username: name }
  const [user, another] = await store.list('users', { index: 'by_tenant', where, limit: 2 })
  if (user === undefined) {
    const users = await store.list('users', { index: 'by_tenant', where: all, limit: PAGE })
    const known = users.map(({ username }) => username).join(', ')
    throw new IcebergError(
      'NotFoundException',
      `User does not exist: ${name ?? ''}. There ${known === '' ? 'is none yet' : `is ${known}`}`,
    )
  }
  if (another !== undefined) throw badRequest('There are several users: name one')
  return user
}

/** The person at the machine of the database, at work in a tenant. */
export const operatorIn = (tenantId: string): ChangeCall => ({
  principal: { id: 'operator', name: 'operator', tenantId, role: 'tenant-admin' },
})
const operatorOf = ({ tenant_id }: Row<'users'>): ChangeCall => operatorIn(tenant_id ?? '')

/** A new password for a user who has lost theirs: `password`, or one that is made up. */
export async function resetPassword(store: Store, user: Row<'users'>, password: string | undefined): Promise<string> {
  const next = password ?? newPassword()
  checkPassword(next, user.username)
  await setPassword(createChangeContext({ store }), operatorOf(user), user.id, async () => next)
  return next
}

/** A long-lived token for a user, made on the machine of the database. */
export async function createTokenFor(
  store: Store,
  user: Row<'users'>,
  { description, expiresAt, now }: { readonly description: string; readonly expiresAt: number | null; readonly now: number },
): Promise<string> {
  const call = operatorOf(user)
  const token = newApiToken()
  const row = {
    id: token.id,
    tenant_id: user.tenant_id,
    user_id: user.id,
    secret_hash: hashSecret(token.secret),
    description,
    created_at: now,
    expires_at: expiresAt,
    bounds: null,
  }
  return change(createChangeContext({ store }), call, {
    what: `the tokens of ${user.username}`,
    log: tenantLog(call.principal.tenantId),
    attempt: async () => ({
      message: `Create token ${token.id} for ${user.username}`,
      operations: [{ operation: 'create-token', before: null, after: logged(row, { name: user.username }, now) }],
      steps: [
        { op: 'require', entity: 'users', key: { id: user.id }, expected: 'any' },
        { op: 'insert', entity: 'tokens', row },
      ],
      status: 200,
      outcome: null,
      answer: () => formatApiToken(token),
    }),
    replay: () => formatApiToken(token),
  })
}
