/** Passwords: argon2id with OWASP's parameters. The library is native code that most runs never need, so it is loaded late. */
import { createHash, randomBytes } from 'node:crypto'
import { once } from '../once.ts'

const OPTIONS = { memoryCost: 19_456, timeCost: 2, parallelism: 1, outputLen: 32 } as const
/** A password longer than this is an attack on the processor, not a password. */
const MAX_LENGTH = 1024

export async function hashPassword(password: string): Promise<string> {
  const { hash } = await import('@node-rs/argon2')
  // argon2id is the library's default, and its salt is random.
  return hash(password, OPTIONS)
}

const decoy = once(() => hashPassword(randomBytes(16).toString('hex')))

/** With no hash (no user of that name) it takes as long and is false, so that names can't be found out by the clock. */
export async function passwordMatches(passwordHash: string | undefined | null, password: string): Promise<boolean> {
  if (password.length > MAX_LENGTH) return false
  const { verify } = await import('@node-rs/argon2')
  // Made also where it is not needed: else the first login with an unknown name would take longer than the next ones.
  const made = await decoy()
  const matches = await verify(passwordHash ?? made, password)
  return matches && passwordHash !== undefined && passwordHash !== null
}

/** Names a password among all that a user has had, and tells nothing of it: its hash has a random salt. */
export const passwordMark = (passwordHash: string | null): string =>
  createHash('sha256')
    .update('pangolin password mark')
    .update(passwordHash ?? '')
    .digest('base64url')
    .slice(0, 12)
