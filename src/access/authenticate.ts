/**
 * From the headers of a request to a principal. A credential is verified once and remembered by the header's text, for at
 * most a minute and never beyond its own end. Once a second the store is asked whether the rows behind it are still the
 * same: so a revoked token or a deactivated user is out within a second, in every process, and the hot path costs one
 * look-up in a map. The tenant comes from the user's row, never from a header or a token.
 */
import { IcebergError } from '../iceberg/errors.ts'
import type { Row } from '../stores/entities.ts'
import type { Store, Version } from '../stores/store.ts'
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
  /** The user, or undefined when name or password are wrong. @throws IcebergError 429 */
  login(username: string, password: string, address: string): Promise<Row<'users'> | undefined>
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
  const vouched = async (userId: string, found: Omit<Verified, 'user'>): Promise<Verified | undefined> => {
    const user = found.expiresAt > now() ? await store.get('users', { id: userId }) : undefined
    return user !== undefined && principalOf(user) !== undefined ? { user, ...found } : undefined
  }
  const longLived = async (id: string, secret: string): Promise<Verified | undefined> => {
    const token = await store.get('tokens', { id })
    if (token === undefined) return undefined
    const bounds = readBounds(token.bounds)
    if (!secretMatches(secret, token.secret_hash, bounds)) return undefined
    return vouched(token.user_id, { expiresAt: token.expires_at ?? Infinity, token, bounds })
  }
  return async (text) => {
    const shown = parseApiToken(text)
    if (shown !== undefined) return longLived(shown.id, shown.secret)
    const session = await sessions.verify(text)
    if (session?.token === undefined) {
      const verified = session && (await vouched(session.userId, { expiresAt: session.expiresAt }))
      // Servers of before name no password in a session.
      const isOver = session?.password !== undefined && session.password !== passwordMark(verified?.user.password_hash ?? null)
      return isOver ? undefined : verified
    }
    const token = await store.get('tokens', { id: session.token.id })
    if (token?.user_id !== session.userId) return undefined
    const bounds = readBounds(token.bounds)
    if (session.token.narrowed !== (bounds !== undefined)) return undefined
    const expiresAt = Math.min(session.expiresAt, token.expires_at ?? Infinity)
    return vouched(session.userId, { expiresAt, token, bounds })
  }
}

function loginVerifier({ store, throttle }: AuthenticatorParts): Authenticator['login'] {
  const turns = createTurns(PASSWORDS)
  const attempt: Authenticator['login'] = async (username, password, address) => {
    let found: Row<'users'> | undefined
    await throttle.attempt(username, address, async () => {
      const [user] = username === '' ? [] : await store.list('users', { index: 'by_username', where: { username }, limit: 1 })
      const matches = await turns.run(address, () => passwordMatches(user?.password_hash, password))
      if (matches && user !== undefined && principalOf(user) !== undefined) found = user
      return found !== undefined
    })
    return found
  }
  // One client may log in many times at once, for each of its sessions. The same attempt while it is under way is neither
  // another guess nor worth another hash.
  const underWay = new Map<string, ReturnType<Authenticator['login']>>()
  return (username, password, address) => {
    const key = [username, password, address].join('\0')
    const known = underWay.get(key)
    if (known !== undefined) return known
    const login = attempt(username, password, address).finally(() => underWay.delete(key))
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
    store.get('users', { id: principal.id }),
    token && store.get('tokens', { id: token.id }),
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
