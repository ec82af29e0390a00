/**
 * Short-lived tokens: JWTs that this server signs and it alone reads. Everything that a forger could choose is pinned:
 * algorithm, type, key id, issuer and audience. A token says who, never what they may: that is read from the store. One that
 * was given for a long-lived token names it, so that it ends with it and can do no more. For a narrowed one the audience is
 * another: a program that knows of no bounds must not take it for one of the whole user.
 */
import { createHash, createHmac, randomUUID } from 'node:crypto'

export const SESSION_SECONDS = 3600

const ISSUER = 'pangolin'
const AUDIENCE = 'pangolin'
const NARROWED_AUDIENCE = 'pangolin/narrowed'
const ALGORITHM = 'HS256'

export interface SessionToken {
  readonly token: string
  /** Milliseconds since 1970. */
  readonly expiresAt: number
  /** From now. */
  readonly seconds: number
}

/** Who, and by which long-lived token, where it was one. */
export interface SessionSubject {
  readonly userId: string
  /** Of the user. Absent in what servers of before gave. */
  readonly tenantId?: string | undefined
  /** Where it was the password: which one (`passwordMark`), so that the session ends with it. */
  readonly password?: string | undefined
  readonly token?: { readonly id: string; readonly narrowed: boolean } | undefined
}

export interface SessionTokens {
  /** It ends no later than `until`. */
  issue(subject: SessionSubject, until?: number): Promise<SessionToken>
  /** Undefined for everything that is not a valid token of ours. */
  verify(token: string): Promise<(SessionSubject & { readonly expiresAt: number }) | undefined>
}

export function createSessionTokens(secret: string, now: () => number): SessionTokens {
  const key = createHmac('sha256', secret).update('pangolin session tokens').digest()
  const keyId = createHash('sha256').update(key).digest('hex').slice(0, 16)
  return {
    issue: async ({ userId, tenantId, password, token: behind }, until = Infinity) => {
      const { SignJWT } = await import('jose')
      const issuedAt = Math.floor(now() / 1000)
      const expiresAt = Math.min(issuedAt + SESSION_SECONDS, Math.floor(until / 1000))
      const claims = {
        ...(tenantId !== undefined && { tenant: tenantId }),
        ...(behind !== undefined && { token: behind.id }),
        ...(password !== undefined && { pwd: password }),
      }
      const token = await new SignJWT(claims)
        .setProtectedHeader({ alg: ALGORITHM, typ: 'JWT', kid: keyId })
        .setIssuer(ISSUER)
        .setAudience(behind?.narrowed === true ? NARROWED_AUDIENCE : AUDIENCE)
        .setSubject(userId)
        .setJti(randomUUID())
        .setIssuedAt(issuedAt)
        .setExpirationTime(expiresAt)
        .sign(key)
      return { token, expiresAt: expiresAt * 1000, seconds: Math.max(0, expiresAt - issuedAt) }
    },
    verify: async (token) => {
      const { jwtVerify } = await import('jose')
      try {
        const { payload, protectedHeader } = await jwtVerify(token, key, {
          algorithms: [ALGORITHM],
          typ: 'JWT',
          issuer: ISSUER,
          audience: [AUDIENCE, NARROWED_AUDIENCE],
          requiredClaims: ['sub', 'exp', 'iat', 'jti'],
          currentDate: new Date(now()),
        })
        if (protectedHeader.kid !== keyId || typeof payload.sub !== 'string' || typeof payload.exp !== 'number') return undefined
        const { sub: userId, tenant, aud, token: id, pwd } = payload
        const narrowed = aud === NARROWED_AUDIENCE
        const named = typeof id === 'string' ? { id, narrowed } : undefined
        if (narrowed && named === undefined) return undefined
        const password = typeof pwd === 'string' ? { password: pwd } : {}
        const of = typeof tenant === 'string' ? { tenantId: tenant } : {}
        return { userId, ...of, ...password, token: named, expiresAt: payload.exp * 1000 }
      } catch {
        return undefined
      }
    },
  }
}
