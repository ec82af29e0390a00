/**
 * The passwords of users, and tokens that are made for them beside the server. A changed password ends, within a second and in
 * every process, what a login by name and password was answered with; long-lived tokens stay.
 */
import Type from 'typebox'
import { formatApiToken, hashSecret, newApiToken, newPassword } from '../access/api-tokens.ts'
import { hashPassword } from '../access/passwords.ts'
import type { Principal } from '../access/principal.ts'
import { isAllowed } from '../access/decide.ts'
import { decode } from '../catalog/shapes.ts'
import { badRequest, forbidden, IcebergError } from '../iceberg/errors.ts'
import type { Row } from '../stores/entities.ts'
import { StoreError, type Store } from '../stores/store.ts'
import type { ManagementContext } from './context.ts'
import { checkFields } from './input.ts'

export const PASSWORD_CHARACTERS = { least: 12, most: 1024 }
const TRIES = 20
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
export async function setPassword(store: Store, userId: string, password: string, now: number): Promise<void> {
  const password_hash = await hashPassword(password)
  for (let attempt = 1; attempt <= TRIES; attempt++) {
    const user = await store.get('users', { id: userId })
    if (user === undefined) throw new IcebergError('NotFoundException', `User does not exist: ${userId}`)
    const { version, ...rest } = user
    try {
      const row = { ...rest, password_hash, updated_at: now }
      await store.write([{ op: 'replace', entity: 'users', row, expected: version }])
      return
    } catch (error) {
      if (!(error instanceof StoreError && error.kind === 'conflict')) throw error
    }
  }
  throw new IcebergError('TooManyRequestsException', 'The user is being changed without pause; the password stays', {
    retryAfterSeconds: 1,
  })
}

/**
 * The caller's own.
 * @param isCurrent whether the password is the caller's; guesses are throttled as logins are
 * @throws IcebergError 400, 401 for a wrong current password, 403 for a narrowed token, 429
 */
export async function changePassword(
  { catalog: { store, now } }: ManagementContext,
  principal: Principal,
  json: unknown,
  isCurrent: (password: string) => Promise<boolean>,
): Promise<void> {
  checkFields(json, Object.keys(ChangePasswordRequest.properties))
  const { current_password: current, new_password: next } = decode(ChangePasswordRequest, json)
  if (!isAllowed(principal, 'token.create', { tenantId: principal.tenantId }))
    throw forbidden('A narrowed token changes no password')
  checkPassword(next, principal.name)
  if (!(await isCurrent(current))) throw new IcebergError('NotAuthorizedException', 'The current password is not right')
  await setPassword(store, principal.id, next, now())
}

/** @throws IcebergError 404; 400 where there are several and none is named */
export async function findUser(store: Store, tenantId: string, name: string | undefined): Promise<Row<'users'>> {
  const users: Row<'users'>[] = await store.list('users', { index: 'by_tenant', where: { tenant_id: tenantId }, limit: PAGE })
  const [user, another] = name === undefined ? users : users.filter(({ username }) => username === name)
  if (user === undefined) {
    const known = users.map(({ username }) => username).join(', ')
    throw new IcebergError(
      'NotFoundException',
      `User does not exist: ${name ?? ''}. There ${known === '' ? 'is none yet' : `is ${known}`}`,
    )
  }
  if (another !== undefined) throw badRequest('There are several users: name one')
  return user
}

/** A new password for a user who has lost theirs: `password`, or one that is made up. */
export async function resetPassword(
  store: Store,
  user: Row<'users'>,
  password: string | undefined,
  now: number,
): Promise<string> {
  const next = password ?? newPassword()
  checkPassword(next, user.username)
  await setPassword(store, user.id, next, now)
  return next
}

/** A long-lived token for a user, made on the machine of the database. */
export async function createTokenFor(
  store: Store,
  user: Row<'users'>,
  { description, expiresAt, now }: { readonly description: string; readonly expiresAt: number | null; readonly now: number },
): Promise<string> {
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
  await store.write([
    { op: 'require', entity: 'users', key: { id: user.id }, expected: 'any' },
    { op: 'insert', entity: 'tokens', row },
  ])
  return formatApiToken(token)
}
