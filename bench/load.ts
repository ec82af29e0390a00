/**
 * A closed-loop HTTP/1.1 load generator on bare sockets: each client sends a request, reads the whole answer, sends the
 * next. It runs in the bench's own process, so the server's CPU can be read apart from it; but where cores are few, what it
 * takes the server lacks. So it keeps nothing of an answer but its status, and reads into one buffer. Not a general HTTP
 * client: it understands what the measured servers answer (Content-Length or no body) and stops on anything else.
 */
import { connect, type OnReadOpts, type Socket } from 'node:net'

export interface LoadOptions {
  readonly port: number
  readonly clients: number
  /** All clients together stop after so many answers. */
  readonly requests: number
  /** Bytes of the request that client `client` sends as its `sequence`-th. */
  readonly request: (client: number, sequence: number) => Buffer
  /**
   * Never sleeps, at the price of a core. A client that sleeps is woken by whoever answers, which the system counts as the
   * server's time: the more, the slower the server is and the longer the client can sleep.
   */
  readonly isAwake?: boolean
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
  const record = ({ status, text }: Answer, startedAt: number): void => {
    latencies.push(performance.now() - startedAt)
    statuses.set(status, (statuses.get(status) ?? 0) + 1)
    if (status >= 400) firstFailure ??= text
  }
  const startedAt = performance.now()
  const stayAwake = (): void => void (left > 0 && setImmediate(stayAwake))
  if (options.isAwake === true) stayAwake()
  await Promise.all(
    Array.from({ length: options.clients }, async (_, client) => {
      const connection = await Connection.open(options.port)
      try {
        for (let sequence = 0; left > 0; sequence++) {
          left--
          const request = options.request(client, sequence)
          const sentAt = performance.now()
          record(await connection.exchange(request), sentAt)
        }
      } finally {
        connection.close()
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

export interface Answer {
  readonly status: number
  /** How an answer begins that is an error; of others nothing is kept. */
  readonly text: string
}

interface Waiting {
  readonly isHead: boolean
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: Error) => void
}

const SHOWN_BYTES = 2000
const READ_BYTES = 65_536
const END_OF_HEAD = Buffer.from('\r\n\r\n')

export class Connection {
  readonly #socket: Socket
  #waiting: Waiting | undefined
  /** What came of a head that is not whole yet. */
  #begun: Buffer | undefined
  #status = 0
  /** Of the body. */
  #missing = -1
  #shown: Buffer[] = []

  private constructor(port: number) {
    const onread: OnReadOpts = {
      buffer: Buffer.allocUnsafeSlow(READ_BYTES),
      callback: (count, buffer) => {
        this.#read(Buffer.from(buffer.buffer, buffer.byteOffset, count))
        return true
      },
    }
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true, onread })
    this.#socket.on('error', (error) => this.#fail(error))
    this.#socket.on('close', () => this.#fail(new Error('the server closed the connection')))
  }

  static open(port: number): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const connection = new Connection(port)
      connection.#socket.once('connect', () => resolve(connection))
      connection.#socket.once('error', reject)
    })
  }

  /** Sends one request and resolves when its whole answer is there. */
  exchange(request: Buffer): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#waiting = { isHead: request.toString('latin1', 0, 5) === 'HEAD ', resolve, reject }
      this.#missing = -1
      this.#socket.write(request)
    })
  }

  close(): void {
    this.#socket.destroy()
  }

  #fail(error: Error): void {
    this.#waiting?.reject(error)
    this.#waiting = undefined
  }

  #read(chunk: Buffer): void {
    let body = chunk
    if (this.#missing < 0) {
      const all = this.#begun === undefined ? chunk : Buffer.concat([this.#begun, chunk])
      const end = all.indexOf(END_OF_HEAD)
      if (end < 0) {
        this.#begun = Buffer.from(all)
        return
      }
      this.#begun = undefined
      if (!this.#begin(all.toString('latin1', 0, end))) return
      body = all.subarray(end + END_OF_HEAD.length)
    }
    if (this.#status >= 400 && this.#shown.length < 10) this.#shown.push(Buffer.from(body.subarray(0, SHOWN_BYTES)))
    this.#missing -= body.length
    if (this.#missing > 0) return
    const text = this.#status < 400 ? '' : Buffer.concat(this.#shown).toString('utf8', 0, SHOWN_BYTES)
    const waiting = this.#waiting
    this.#waiting = undefined
    waiting?.resolve({ status: this.#status, text })
  }

  #begin(head: string): boolean {
    const status = Number(head.slice(9, 12))
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1]
    const isEmpty = this.#waiting?.isHead === true || status === 204 || status === 304
    if (length === undefined && !isEmpty) {
      this.#fail(new Error(`an answer without Content-Length: ${head.slice(0, 200)}`))
      return false
    }
    this.#status = status
    this.#missing = isEmpty ? 0 : Number(length)
    this.#shown = []
    return true
  }
}
