/**
 * Signature Version 4 of S3, for requests that clients send: the request in its canonical form, the text that is
 * signed, the signature. The key of a day is derived once. Nothing here judges what is signed; `s3-requests.ts` does.
 */
import { createHmac, createSecretKey, hash, type KeyObject } from 'node:crypto'
import type { S3Credentials } from './s3-settings.ts'

export interface CanonicalRequest {
  readonly method: string
  /** Host and, where it is not the scheme's own, port. */
  readonly authority: string
  /** Decoded; begins with a slash. */
  readonly path: string
  /** Decoded names and values. */
  readonly query: readonly (readonly [string, string])[]
  /** Those that are signed beside our own, by their names in lower case. */
  readonly headers: ReadonlyMap<string, string>
  /** The SHA-256 of the body in hexadecimal digits, or a word of the protocol that stands for one. */
  readonly payload: string
}

export interface Signature {
  /** Path and query as they must be sent. */
  readonly target: string
  /** What must be sent beside the headers of the request. */
  readonly headers: Readonly<Record<string, string>>
}

const SERVICE = 's3'
const ALGORITHM = 'AWS4-HMAC-SHA256'

export const sha256 = (text: string): string => hash('sha256', text, 'hex')
const hmac = (key: string | Uint8Array | KeyObject, text: string): Buffer => createHmac('sha256', key).update(text).digest()

/** All but letters, digits and `-._~`. */
const encode = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)

const encodePath = (path: string): string => path.split('/').map(encode).join('/')
const encodeQuery = (query: CanonicalRequest['query']): string =>
  query
    .map(([name, value]) => [encode(name), encode(value)] as const)
    .toSorted(([a, x], [b, y]) => (a === b ? (x < y ? -1 : 1) : a < b ? -1 : 1))
    .map(([name, value]) => `${name}=${value}`)
    .join('&')

export interface Signer {
  sign(request: CanonicalRequest, credentials: S3Credentials, nowMs: number): Signature
}

export function createSigner(region: string): Signer {
  let known: { readonly secret: string; readonly day: string; readonly key: KeyObject } | undefined
  const keyOf = (secret: string, day: string): KeyObject => {
    if (known?.secret !== secret || known.day !== day) {
      const key = [day, region, SERVICE, 'aws4_request'].reduce<string | Buffer>(hmac, `AWS4${secret}`) as Buffer
      // To make a key object of the bytes costs more than all the rest of a signature.
      known = { secret, day, key: createSecretKey(key) }
    }
    return known.key
  }
  return {
    sign: (request, { accessKeyId, secretAccessKey, sessionToken }, nowMs) => {
      const time = new Date(nowMs).toISOString().replace(/[:-]|\.\d+/g, '')
      const day = time.slice(0, 8)
      const added = {
        'x-amz-content-sha256': request.payload,
        'x-amz-date': time,
        ...(sessionToken === undefined ? {} : { 'x-amz-security-token': sessionToken }),
      }
      const headers = new Map([...request.headers, ['host', request.authority], ...Object.entries(added)])
      const names = [...headers.keys()].toSorted()
      const lines = names.map((name) => `${name}:${headers.get(name)?.trim().replace(/ +/g, ' ')}\n`)
      const [path, query, signed] = [encodePath(request.path), encodeQuery(request.query), names.join(';')]
      const canonical = [request.method, path, query, lines.join(''), signed, request.payload].join('\n')
      const scope = `${day}/${region}/${SERVICE}/aws4_request`
      const signature = hmac(keyOf(secretAccessKey, day), [ALGORITHM, time, scope, sha256(canonical)].join('\n')).toString('hex')
      const authorization = `${ALGORITHM} Credential=${accessKeyId}/${scope}, SignedHeaders=${signed}, Signature=${signature}`
      return { target: query === '' ? path : `${path}?${query}`, headers: { authorization, ...added } }
    },
  }
}
