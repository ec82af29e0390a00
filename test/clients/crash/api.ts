/** A bare HTTP client for the crash test, which tells an answer from a connection that broke before there was one. */
import { randomBytes } from 'node:crypto'

/** The server went away: nobody knows whether the request was carried out. */
export class ConnectionLost extends Error {}

/** The server says that it can't read now. */
export class NotReadable extends Error {}

export interface Operation {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'DELETE'
  readonly path: string
  readonly body?: unknown
  readonly idempotencyKey?: string
}

export interface Answer {
  readonly status: number
  /** `undefined` when there is none, or the connection broke inside it. */
  readonly body: unknown
}

export interface Api {
  send(operation: Operation): Promise<Answer>
  /** Sends what only reads, and expects 200. */
  get<T>(path: string): Promise<T>
}

export function createApi(url: string, token: string): Api {
  const send = async ({ method, path, body, idempotencyKey }: Operation): Promise<Answer> => {
    const headers = {
      Authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
      ...(idempotencyKey === undefined ? {} : { 'Idempotency-Key': idempotencyKey }),
    }
    let response: Response
    try {
      response = await fetch(`${url}${path}`, { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
    } catch (error) {
      throw new ConnectionLost(path, { cause: error })
    }
    // A status is an acknowledgement, even if the rest of the answer does not arrive.
    const text = await response.text().catch(() => '')
    return { status: response.status, body: parse(text) }
  }
  return {
    send,
    async get<T>(path: string): Promise<T> {
      const { status, body } = await send({ method: 'GET', path })
      if (status === 503) throw new NotReadable(path)
      if (status !== 200) throw new Error(`GET ${path} was answered with ${status}: ${JSON.stringify(body)}`)
      return body as T
    },
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** A UUID version 7, as the specification wants idempotency keys. */
export function freshKey(): string {
  const time = Date.now().toString(16).padStart(12, '0')
  const random = randomBytes(10).toString('hex')
  const variant = ((Number.parseInt(random[4] ?? '0', 16) & 3) | 8).toString(16)
  return `${time.slice(0, 8)}-${time.slice(8)}-7${random.slice(1, 4)}-${variant}${random.slice(5, 8)}-${random.slice(8)}`
}
