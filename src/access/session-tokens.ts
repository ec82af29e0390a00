/**
 * Short-lived tokens: JWTs that this server signs and nobody else reads. Everything that a forger could choose is pinned:
 * algorithm, type, key id, issuer and audience. A token says who, never what they may: that is read from the store.
 */
import { createHash, createHmac, randomUUID } from 'node:crypto'

export const SESSION_SECONDS = 3600

const ISSUER = 'pangolin'
const AUDIENCE = 'pangolin'
const ALGORITHM = 'HS256'

export interface SessionToken {
  readonly token: string
  /** Milliseconds since 1970. */
  readonly expiresAt: number
}

export interface SessionTokens {
  issue(userId: string): Promise<SessionToken>
  /** Undefined for everything that is not a valid token of ours. */
  verify(token: string): Promise<{ readonly userId: string; readonly expiresAt: number } | undefined>
}

export function createSessionTokens(secret: string, now: () => number): SessionTokens {
  const key = createHmac('sha256', secret).update('pangolin session tokens').digest()
  const keyId = createHash('sha256').update(key).digest('hex').slice(0, 16)
  return {
    issue: async (userId) => {
      const { SignJWT } = await import('jose')
      const issuedAt = Math.floor(now() / 1000)
      const token = await new SignJWT({})
        .setProtectedHeader({ alg: ALGORITHM, typ: 'JWT', kid: keyId })
        .setIssuer(ISSUER)
        .setAudience(AUDIENCE)
        .setSubject(userId)
        .setJti(randomUUID())
        .setIssuedAt(issuedAt)
        .setExpirationTime(issuedAt + SESSION_SECONDS)
        .sign(key)
      return { token, expiresAt: (issuedAt + SESSION_SECONDS) * 1000 }
    },
    verify: async (token) => {
      const { jwtVerify } = await import('jose')
      try {
        const { payload, protectedHeader } = await jwtVerify(token, key, {
          algorithms: [ALGORITHM],
          typ: 'JWT',
          issuer: ISSUER,
          audience: AUDIENCE,
          requiredClaims: ['sub', 'exp', 'iat', 'jti'],
          currentDate: new Date(now()),
        })
        if (protectedHeader.kid !== keyId || typeof payload.sub !== 'string' || typeof payload.exp !== 'number') return undefined
        return { userId: payload.sub, expiresAt: payload.exp * 1000 }
      } catch {
        return undefined
      }
    },
  }
}
