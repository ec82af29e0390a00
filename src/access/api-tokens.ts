/**
 * Long-lived tokens, `pgl_<id>_<secret>`: the id finds the row, the secret is compared by its SHA-256. The secret has 285
 * random bits, so a slow hash would protect nothing; and it is shown once, when it is made. The hash covers the token's bounds
 * too: a row that lost them, or a program that knows of none, refuses them instead of letting them do everything.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Bounds } from './bounds.ts'

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const ID_LENGTH = 12
const SECRET_LENGTH = 48
const SHAPE = /^pgl_([0-9A-Za-z]{12})_([0-9A-Za-z]{48})$/

export interface ApiToken {
  readonly id: string
  readonly secret: string
}

/** Evenly drawn: bytes beyond the last multiple of the alphabet's length are thrown away. */
function randomText(length: number): string {
  let text = ''
  while (text.length < length) {
    for (const byte of randomBytes(length)) {
      if (byte < 248 && text.length < length) text += ALPHABET[byte % ALPHABET.length]
    }
  }
  return text
}

export function newApiToken(): ApiToken {
  return { id: randomText(ID_LENGTH), secret: randomText(SECRET_LENGTH) }
}

/** A password that will never be typed: for the first administrator. */
export const newPassword = (): string => randomText(24)

export const formatApiToken = (token: ApiToken): string => `pgl_${token.id}_${token.secret}`

export function parseApiToken(text: string): ApiToken | undefined {
  const match = SHAPE.exec(text)
  return match === null ? undefined : { id: match[1]!, secret: match[2]! }
}

function digestOf(secret: string, bounds: Bounds | undefined): Buffer {
  const hash = createHash('sha256').update(secret)
  return (bounds === undefined ? hash : hash.update('\0').update(bounds.made)).digest()
}

export const hashSecret = (secret: string, bounds?: Bounds): string => digestOf(secret, bounds).toString('hex')

export function secretMatches(secret: string, secretHash: string, bounds?: Bounds): boolean {
  const expected = Buffer.from(secretHash, 'hex')
  const actual = digestOf(secret, bounds)
  return expected.length === actual.length && timingSafeEqual(expected, actual)
}
