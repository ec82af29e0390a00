/**
 * From the headers of a request to a principal. A credential is verified once and remembered by the header's text, for at
 * most a minute and never beyond its own end. Once a second the store is asked whether the rows behind it are still the
 * same: so a revoked token or a deactivated user is out within a second, in every process, and the hot path costs one
 * look-up in a map. The tenant comes from the user's row, never from a header; what else names one (the token's row, a session)
 * must name the same.
 */
import { IcebergError } from '../iceberg/errors.ts'
import type { Row } from '../stores/entities.ts'
import type { Store, Version } from '../stores/store.ts'
import { accountOf } from './accounts.ts'
import { parseApiToken, secretMatches } from './api-tokens.ts'
import { readBounds, type Bounds } from './bounds.ts'
import { passwordMark, passwordMatches } from './passwords.ts'
import type { Principal } from './principal.ts'
import type { SessionSubject, SessionTokens } from './session-tokens.ts'
import type { Throttle } from './throttle.ts'
import { createTurns } from './turns.ts'

const REMEMBERED_MS = 60_000
const FRESH_MS = 1000
const MAX_REMEMBERED = 10_000
const MAX_HEADER = 8192
/** A check takes tens of milliseconds of one of the threads that read files, too, and 19 MiB. */
const PASSWORDS = { kind: 'passwords', concurrent: 2, waiting: 64 }
/** A look-up or two. */
const TOKENS = { kind: 'unknown tokens', concurrent: 64, waiting: 1024 }

export interface Credentials {
  readonly authorization?: string | undefined
  readonly 'x-api-key'?: string | undefined
}

export interface AuthenticatorParts {
  readonly store: Store
  readonly sessions: SessionTokens
  readonly throttle: Throttle
  readonly now: () => number
  /** Without authentication: everybody is this principal, and whatever credential a client sends is passed over. */
  readonly everybody?: Principal | undefined
}

export interface Authenticator {
  readonly everybody: Principal | undefined
  /** At once when the credential is remembered. @throws IcebergError 401 */
  authenticate(headers: Credentials, address: string): Principal | Promise<Principal>
  /**
   * The user, or undefined when name, password or tenant are wrong. Without a tenant it is the only user of that name; undefined
   * where several tenants have one. @throws IcebergError 429
   */
  login(username: string, password: string, address: string, tenantId?: string): Promise<Row<'users'> | undefined>
  /** The user whom a token of either kind names, and when it ends. */
  verifyToken(token: string): Promise<Verified | undefined>
}

export interface Verified {
  readonly user: Row<'users'>
  readonly expiresAt: number
  /** The long-lived token: the one shown, or the one that a session was given for. */
  readonly token?: Row<'tokens'> | undefined
  readonly bounds?: Bounds | undefined
}

/** What a session given for this credential is a session of. */
export const subjectOf = ({ user, token, bounds }: Verified): SessionSubject => ({
  userId: user.id,
  tenantId: user.tenant_id ?? undefined,
  ...(token === undefined && { password: passwordMark(user.password_hash) }),
  token: token && { id: token.id, narrowed: bounds !== undefined },
})

interface Remembered {
  readonly principal: Principal
  readonly until: number
  /** The rows that vouch for it; versions are drawn anew by each write. */
  readonly userVersion: Version
  readonly token: { readonly id: string; readonly version: Version } | undefined
  checkedAt: number
  checking: Promise<Principal> | undefined
}

const unauthorized = (message: string): IcebergError => new IcebergError('NotAuthorizedException', message)

export function principalOf(user: Row<'users'>): Principal | undefined {
  if (!user.active || user.tenant_id === null || user.role !== 'tenant-admin') return undefined
  return { id: user.id, name: user.username, tenantId: user.tenant_id, role: user.role }
}

/** The user whom a token of either kind names. */
function tokenVerifier({ store, sessions, now }: AuthenticatorParts): Authenticator['verifyToken'] {
  const vouched = (user: Row<'users'> | undefined, found: Omit<Verified, 'user'>): Verified | undefined =>
    user !== undefined && found.expiresAt > now() && principalOf(user) !== undefined ? { user, ...found } : undefined
  const longLived = async (id: string, secret: string): Promise<Verified | undefined> => {
    // The credential's own row, of whatever tenant: its secret says whether the caller may know of it.
    const token = await store.get('tokens', { id })
    if (token === undefined) return undefined
    const bounds = readBounds(token.bounds)
    if (!secretMatches(secret, token.secret_hash, bounds)) return undefined
    const user = await accountOf(store, 'users', token.tenant_id, token.user_id)
    return vouched(user, { expiresAt: token.expires_at ?? Infinity, token, bounds })
  }
  const sessionOf = async (text: string): Promise<Verified | undefined> => {
    const session = await sessions.verify(text)
    if (session === undefined) return undefined
    const { userId, tenantId, token: named, password, expiresAt } = session
    // What a server of before gave names no tenant: then it is the user's own row that says it.
    const user =
      tenantId === undefined ? await store.get('users', { id: userId }) : await accountOf(store, 'users', tenantId, userId)
    if (named === undefined) {
      // Servers of before name no password in a session, either.
      const isOver = password !== undefined && password !== passwordMark(user?.password_hash ?? null)
      return isOver ? undefined : vouched(user, { expiresAt })
    }
    const token = user && (await accountOf(store, 'tokens', user.tenant_id, named.id))
    if (token?.user_id !== userId) return undefined
    const bounds = readBounds(token.bounds)
    if (named.narrowed !== (bounds !== undefined)) return undefined
    return vouched(user, { expiresAt: Math.min(expiresAt, token.expires_at ?? Infinity), token, bounds })
  }
  return (text) => {
    const shown = parseApiToken(text)
    return shown === undefined ? sessionOf(text) : longLived(shown.id, shown.secret)
  }
}

/** The one user whom a log-in can mean. */
async function namedUser(store: Store, username: string, tenantId: string | undefined): Promise<Row<'users'> | undefined> {
  if (username === '') return undefined
  const [user, another] =
    tenantId === undefined
      ? await store.list('users', { index: 'by_username', where: { username }, limit: 2 })
      : await store.list('users', { index: 'by_tenant', where: { tenant_id: tenantId, username }, limit: 2 })
  return another === undefined ? user : undefined
}

function loginVerifier({ store, throttle }: AuthenticatorParts): Authenticator['login'] {
  const turns = createTurns(PASSWORDS)
  const attempt = async (account: string, password: string, address: string, find: () => ReturnType<typeof namedUser>) => {
    let found: Row<'users'> | undefined
    await throttle.attempt(account, address, async () => {
      const user = await find()
      // Also where there is no such user, so that it takes as long.
      const matches = await turns.run(address, () => passwordMatches(user?.password_hash, password))
      if (matches && user !== undefined && principalOf(user) !== undefined) found = user
      return found !== undefined
    })
    return found
  }
  // One client may log in many times at once, for each of its sessions. The same attempt while it is under way is neither
  // another guess nor worth another hash.
  const underWay = new Map<string, ReturnType<Authenticator['login']>>()
  return (username, password, address, givenTenant) => {
    const tenantId = givenTenant?.toLowerCase()
    // Guesses are counted by what was said, not by whom it means: so the count tells nothing of who exists, and users of one name in
    // two tenants are not locked out by each other.
    const account = tenantId === undefined ? username : `${tenantId}\0${username}`
    const key = JSON.stringify([account, password, address])
    const known = underWay.get(key)
    if (known !== undefined) return known
    const find = () => namedUser(store, username, tenantId)
    const login = attempt(account, password, address, find).finally(() => underWay.delete(key))
    underWay.set(key, login)
    return login
  }
}

/** From a credential to what is remembered of it. */
function credentialVerifier(
  now: () => number,
  { verifyToken, login }: Pick<Authenticator, 'verifyToken' | 'login'>,
): (scheme: string, credential: string, address: string) => Promise<Remembered | undefined> {
  const turns = createTurns(TOKENS)
  return async (scheme, credential, address) => {
    // As of before the question: what it answers may be that old.
    const checkedAt = now()
    let verified: Verified | undefined
    if (scheme === 'basic') {
      const [username, password] = splitBasic(credential)
      const user = await login(username, password, address)
      verified = user && { user, expiresAt: Infinity }
    } else {
      verified = await turns.run(address, () => verifyToken(credential))
    }
    if (verified === undefined) return undefined
    const { user, token, bounds, expiresAt } = verified
    return {
      principal: {
        ...principalOf(user)!,
        bounds,
        tokenId: token?.id,
        expiresAtMs: expiresAt === Infinity ? undefined : expiresAt,
      },
      until: Math.min(expiresAt, checkedAt + REMEMBERED_MS),
      userVersion: user.version,
      token: token && { id: token.id, version: token.version },
      checkedAt,
      checking: undefined,
    }
  }
}

/** One round trip instead of a verification, shared by all who ask meanwhile. */
async function isUnchanged(store: Store, { principal, userVersion, token }: Remembered): Promise<boolean> {
  const [user, row] = await Promise.all([
    accountOf(store, 'users', principal.tenantId, principal.id),
    token && accountOf(store, 'tokens', principal.tenantId, token.id),
  ])
  return user?.version === userVersion && row?.version === token?.version
}

export function createAuthenticator(parts: AuthenticatorParts): Authenticator {
  const { now } = parts
  const verifyToken = tokenVerifier(parts)
  const login = loginVerifier(parts)
  const verify = credentialVerifier(now, { verifyToken, login })
  const remembered = new Map<string, Remembered>()

  const verifyAndRemember = async (header: string, scheme: string, credential: string, address: string): Promise<Principal> => {
    const found = await verify(scheme, credential, address)
    if (found === undefined) throw unauthorized('The credential is not valid, or not any longer')
    remembered.delete(header)
    if (remembered.size >= MAX_REMEMBERED) remembered.delete(remembered.keys().next().value!)
    remembered.set(header, found)
    return found.principal
  }

  const authenticate: Authenticator['authenticate'] = (headers, address) => {
    if (parts.everybody !== undefined) return parts.everybody
    const apiKey = headers['x-api-key']
    const header = headers.authorization ?? (apiKey === undefined ? undefined : `Bearer ${apiKey}`)
    if (header === undefined) throw unauthorized('A credential is needed: Authorization: Bearer <token>')
    const known = remembered.get(header)
    // A clock that was set back must not make a minute a day.
    if (known !== undefined && known.until > now() && known.until - REMEMBERED_MS <= now()) {
      const age = now() - known.checkedAt
      if (age >= 0 && age < FRESH_MS) return known.principal
      known.checking ??= checkAgain(header, known, address).finally(() => (known.checking = undefined))
      return known.checking
    }
    return authenticateAnew(header, address)
  }

  const checkAgain = async (header: string, known: Remembered, address: string): Promise<Principal> => {
    const checkedAt = now()
    if (await isUnchanged(parts.store, known)) {
      known.checkedAt = checkedAt
      return known.principal
    }
    if (remembered.get(header) === known) remembered.delete(header)
    return authenticateAnew(header, address)
  }

  const authenticateAnew = (header: string, address: string): Promise<Principal> => {
    const space = header.indexOf(' ')
    const scheme = header.slice(0, Math.max(space, 0)).toLowerCase()
    if (header.length > MAX_HEADER || (scheme !== 'bearer' && scheme !== 'basic')) {
      throw unauthorized('The header Authorization must be: Bearer <token>')
    }
    return verifyAndRemember(header, scheme, header.slice(space + 1).trim(), address)
  }

  return { everybody: parts.everybody, login, verifyToken, authenticate }
}

/** The two halves of a Basic credential; empty ones when it is malformed, which match no user. */
export function splitBasic(credential: string): readonly [string, string] {
  const text = Buffer.from(credential, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  return colon < 0 ? ['', ''] : [text.slice(0, colon), text.slice(colon + 1)]
}
