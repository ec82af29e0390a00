/** The server in this process on the memory store, and a client that puts bytes on a socket exactly as it is told. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { startApp, type App } from '../../src/app.ts'
import { loadSettings } from '../../src/config.ts'
import { createLog } from '../../src/log.ts'
import { assertNoSecrets } from '../no-secrets.ts'

export interface TestServer {
  readonly app: App
  readonly url: string
  readonly port: number
  readonly token: string
  readonly username: string
  readonly password: string
  readonly dataDirectory: string
  readonly log: readonly string[]
}

/** Stops with the test. `env` holds further settings. */
export async function startTestServer(
  t: Pick<TestContext, 'after'>,
  env: Readonly<Record<string, string>> = {},
): Promise<TestServer> {
  const dataDirectory = mkdtempSync(join(tmpdir(), 'pangolin-http-'))
  const settings = loadSettings({
    PORT: '0',
    PANGOLIN_DATA: dataDirectory,
    DATABASE_URL: 'memory:',
    PANGOLIN_SHUTDOWN_GRACE_SECS: '1',
    ...env,
  })
  const log: string[] = []
  const app = await startApp(settings, createLog({ format: 'json', level: 'debug', write: (line) => log.push(line) }))
  const admin = JSON.parse(readFileSync(app.adminFile, 'utf8')) as { username: string; password: string; token: string }
  t.after(async () => {
    await app.close()
    assertNoSecrets(log.join(''), settings.dataDirectory)
    rmSync(dataDirectory, { recursive: true, force: true })
  })
  return { app, url: app.url, port: Number(new URL(app.url).port), dataDirectory, log, ...admin }
}

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  // eslint-disable-next-line typescript/no-explicit-any -- tests look into answers freely
  readonly json: any
}

export interface CallOptions {
  readonly token?: string | null
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: unknown
}

export async function call(server: TestServer, method: string, path: string, options: CallOptions = {}): Promise<Answer> {
  const token = options.token === undefined ? server.token : options.token
  const body = options.body
  const raw = typeof body === 'string' || body instanceof Uint8Array
  const response = await fetch(`${server.url}${path}`, {
    method,
    redirect: 'manual',
    headers: {
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...options.headers,
    },
    ...(body === undefined ? {} : { body: raw ? (body as string) : JSON.stringify(body) }),
  })
  const text = await response.text()
  let json: unknown
  try {
    json = text === '' ? undefined : JSON.parse(text)
  } catch {
    json = undefined
  }
  return { status: response.status, headers: response.headers, text, json }
}

/** Sends bytes and gives back everything that comes until the server closes, or until `until` is satisfied. */
export function raw(port: number, bytes: string | Buffer, until?: (text: string) => boolean): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket: Socket = connect(port, '127.0.0.1')
    let text = ''
    socket.setEncoding('latin1')
    socket.on('connect', () => socket.write(bytes))
    socket.on('data', (chunk: string) => {
      text += chunk
      if (until?.(text) === true) socket.destroy()
    })
    socket.on('close', () => resolve(text))
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ECONNRESET' && error.code !== 'EPIPE') reject(error)
    })
  })
}

/** A request with its own request line, which `fetch` would have tidied up. Closes the connection behind it. */
export function rawRequest(server: TestServer, line: string, headers: readonly string[] = [], body = ''): Promise<string> {
  const length = body === '' ? [] : [`Content-Length: ${Buffer.byteLength(body)}`]
  const head = [line, 'Host: localhost', `Authorization: Bearer ${server.token}`, 'Connection: close', ...length, ...headers]
  return raw(server.port, `${head.join('\r\n')}\r\n\r\n${body}`)
}

export const statusOf = (answer: string): number => Number(answer.slice(9, 12))
