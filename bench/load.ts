/**
 * A closed-loop HTTP/1.1 load generator on bare sockets: each client sends a request, reads the whole answer, sends the
 * next. It runs in the bench's own process, so the server's CPU can be read apart from it. Not a general HTTP client: it
 * understands what the measured servers answer (Content-Length or no body) and stops on anything else.
 */
import { connect, type Socket } from 'node:net'

export interface LoadOptions {
  readonly port: number
  readonly clients: number
  /** All clients together stop after so many answers. */
  readonly requests: number
  /** Bytes of the request that client `client` sends as its `sequence`-th. */
  readonly request: (client: number, sequence: number) => Buffer
}

export interface LoadResult {
  readonly requests: number
  readonly seconds: number
  readonly perSecond: number
  /** Answers by status. */
  readonly statuses: ReadonlyMap<number, number>
  readonly medianMs: number
  readonly p99Ms: number
  /** The first answer that was not 2xx or 304, for the message. */
  readonly firstFailure: string | undefined
}

export function httpRequest(method: string, path: string, headers: Readonly<Record<string, string>>, body?: string): Buffer {
  const lines = [`${method} ${path} HTTP/1.1`, 'Host: 127.0.0.1']
  for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`)
  if (body !== undefined) lines.push('Content-Type: application/json', `Content-Length: ${Buffer.byteLength(body)}`)
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n${body ?? ''}`)
}

export async function load(options: LoadOptions): Promise<LoadResult> {
  const statuses = new Map<number, number>()
  const latencies: number[] = []
  let left = options.requests
  let firstFailure: string | undefined
  const record = (status: number, startedAt: number, head: string): void => {
    latencies.push(performance.now() - startedAt)
    statuses.set(status, (statuses.get(status) ?? 0) + 1)
    if (firstFailure === undefined && status >= 400) firstFailure = head
  }
  const startedAt = performance.now()
  await Promise.all(
    Array.from({ length: options.clients }, async (_, client) => {
      const socket = await open(options.port)
      try {
        for (let sequence = 0; left > 0; sequence++) {
          left--
          const request = options.request(client, sequence)
          const sentAt = performance.now()
          const answer = await exchange(socket, request)
          record(answer.status, sentAt, answer.text())
        }
      } finally {
        socket.destroy()
      }
    }),
  )
  const seconds = (performance.now() - startedAt) / 1000
  latencies.sort((a, b) => a - b)
  return {
    requests: latencies.length,
    seconds,
    perSecond: latencies.length / seconds,
    statuses,
    medianMs: latencies[latencies.length >> 1] ?? 0,
    p99Ms: latencies[Math.floor(latencies.length * 0.99)] ?? 0,
    firstFailure,
  }
}

function open(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    socket.once('connect', () => resolve(socket))
    socket.once('error', reject)
  })
}

interface Answer {
  readonly status: number
  readonly text: () => string
}

/** Sends one request and resolves when its whole answer is there. */
export function exchange(socket: Socket, request: Buffer): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const head = request.subarray(0, 5).toString('latin1') === 'HEAD '
    let received: Buffer[] = []
    let size = 0
    let expected = -1
    let status = 0
    const settle = (settled: () => void): void => {
      socket.off('data', onData)
      socket.off('error', onError)
      socket.off('close', onClose)
      settled()
    }
    const onError = (error: Error): void => settle(() => reject(error))
    const onClose = (): void => settle(() => reject(new Error('the server closed the connection')))
    const onData = (chunk: Buffer): void => {
      received.push(chunk)
      size += chunk.length
      if (expected < 0) {
        const all = received.length === 1 ? chunk : Buffer.concat(received)
        received = [all]
        const end = all.indexOf('\r\n\r\n')
        if (end < 0) return
        const text = all.toString('latin1', 0, end)
        status = Number(text.slice(9, 12))
        const length = /\r\ncontent-length: *(\d+)/i.exec(text)
        if (length === null && status !== 204 && status !== 304 && !head) {
          return settle(() => reject(new Error(`an answer without Content-Length: ${text.slice(0, 200)}`)))
        }
        expected = end + 4 + (head || length === null ? 0 : Number(length[1]))
      }
      if (size >= expected) {
        const bytes = received
        settle(() => resolve({ status, text: () => Buffer.concat(bytes).toString('utf8').slice(0, 2000) }))
      }
    }
    socket.on('data', onData)
    socket.once('error', onError)
    socket.once('close', onClose)
    socket.write(request)
  })
}
