/**
 * Access tokens from OAuth token endpoints: asked for with a time limit, checked, and kept until shortly before they end.
 * Errors carry the endpoint's error code at most: what it says besides may repeat what it was sent.
 */
import { shared } from '../once.ts'
import { withAttempts } from './attempts.ts'
import { StorageError } from './storage.ts'

export interface AccessToken {
  readonly token: string
  /** Milliseconds since 1970. */
  readonly expiresAtMs: number
}

/** Renewed this long before its end, or at half of its life. */
const MARGIN_MS = 5 * 60_000
const MAX_ANSWER_BYTES = 65_536
const TOKEN = /^[\x21-\x7e]{1,16384}$/
const ERROR_CODE = /^[A-Za-z0-9_.-]{1,64}$/

export interface TokenRequest {
  /** For messages: whose token. */
  readonly what: string
  readonly url: string
  /** The end of a token whose answer does not say it. */
  readonly expiresAtMs?: number
  readonly headers?: Readonly<Record<string, string>>
  /** A form that is posted; a GET when absent. Made anew for each attempt, as assertions have a time in them. */
  readonly form?: () => Promise<Readonly<Record<string, string>>>
}

interface Answer {
  readonly access_token?: unknown
  readonly expires_in?: unknown
  readonly error?: unknown
}

async function readAnswer(response: Response): Promise<Answer> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response.body ?? []) {
    size += chunk.length
    if (size > MAX_ANSWER_BYTES) return {}
    chunks.push(chunk)
  }
  try {
    const answer: unknown = JSON.parse(Buffer.concat(chunks).toString())
    return typeof answer === 'object' && answer !== null ? answer : {}
  } catch {
    return {}
  }
}

function endOf(askedAt: number, seconds: unknown): number | undefined {
  const life = typeof seconds === 'string' || typeof seconds === 'number' ? Number(seconds) : Number.NaN
  return life > 0 && life < 1e9 ? Math.floor(askedAt + life * 1000) : undefined
}

/** @throws StorageError `forbidden` where the endpoint refuses, `unavailable` where it does not answer */
export async function requestToken({ what, url, headers = {}, expiresAtMs, form }: TokenRequest): Promise<AccessToken> {
  const failed = (error: unknown): StorageError =>
    new StorageError('unavailable', `Can't get a token for ${what}: the token endpoint did not answer`, error)
  return withAttempts(async ({ signal }) => {
    const fields = form && (await form())
    const askedAt = Date.now()
    const post = fields === undefined ? {} : { method: 'POST', body: new URLSearchParams(fields) }
    // Following a redirection would hand the secret in the form to the host that it names.
    const response = await fetch(url, { ...post, headers: { accept: 'application/json', ...headers }, redirect: 'error', signal })
    const { access_token: token, expires_in: seconds, error } = await readAnswer(response)
    const end = seconds === undefined ? expiresAtMs : endOf(askedAt, seconds)
    if (response.ok && typeof token === 'string' && TOKEN.test(token) && end !== undefined) return { token, expiresAtMs: end }
    const code = typeof error === 'string' && ERROR_CODE.test(error) ? error : `status ${response.status}`
    const busy = response.status >= 500 || response.status === 429 || response.status === 408
    throw new StorageError(busy ? 'unavailable' : 'forbidden', `Can't get a token for ${what}: ${code}`)
  }, failed)
}

export interface TokenSource {
  readonly get: () => Promise<AccessToken>
}

/**
 * Keeps what `request` gives; callers that come meanwhile wait for the same request. `at-half`: for tokens that others are
 * made of, which must have some life left.
 */
export function keptToken(request: () => Promise<AccessToken>, renewal?: 'at-half'): TokenSource {
  let kept: { readonly value: AccessToken; readonly renewAtMs: number } | undefined
  const renew = shared(async () => {
    const value = await request()
    const life = value.expiresAtMs - Date.now()
    kept = { value, renewAtMs: value.expiresAtMs - (renewal === 'at-half' ? life / 2 : Math.min(MARGIN_MS, life / 2)) }
    return value
  })
  return {
    get: async () => {
      if (kept && Date.now() < kept.renewAtMs) return kept.value
      return renew()
    },
  }
}
