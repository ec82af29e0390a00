/**
 * Sends large requests from a thread of its own: in the thread that measures how long others wait, making and writing them
 * would be a part of what is measured.
 */
import { Agent, request } from 'node:http'
import { parentPort, Worker } from 'node:worker_threads'

export interface LargeRequest {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: Uint8Array
}

/** Stands for the status where the server closed the connection before all was sent: what it said may be lost then. */
export const CLOSED = 0

export interface Sent {
  readonly status: number
  readonly bytes: number
  /** How an answer begins that is an error. */
  readonly text: string
}

interface Order {
  readonly port: number
  readonly requests: readonly LargeRequest[]
}

export interface Sender {
  /** One after the other, on one connection where the server keeps it. */
  send(port: number, requests: readonly LargeRequest[]): Promise<readonly Sent[]>
  close(): Promise<unknown>
}

export function startSender(): Sender {
  const thread = new Worker(new URL(import.meta.url), { workerData: 'sender' })
  return {
    send: (port, requests) =>
      new Promise((resolve, reject) => {
        thread.once('error', reject)
        thread.once('message', (answers: readonly Sent[] | string) => {
          thread.off('error', reject)
          if (typeof answers === 'string') reject(new Error(answers))
          else resolve(answers)
        })
        // oxlint-disable-next-line unicorn/require-post-message-target-origin -- threads have no origin
        thread.postMessage({ port, requests } satisfies Order)
      }),
    close: () => thread.terminate(),
  }
}

const SHOWN_CHARACTERS = 300

function sendOne(port: number, agent: Agent, { method, path, headers, body }: LargeRequest): Promise<Sent> {
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { 'Content-Type': 'application/json', 'Content-Length': String(body.length) }
    const sent = request({ host: '127.0.0.1', port, method, path, agent, headers: { ...headers, ...length } }, (response) => {
      let bytes = 0
      let text = ''
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length
        if (text.length < SHOWN_CHARACTERS && (response.statusCode ?? 0) >= 400) text += chunk.toString()
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, bytes, text: text.slice(0, SHOWN_CHARACTERS) }))
      response.on('error', reject)
    })
    // Also behind an answer, where a refused body was still being sent: then nothing waits for it any more.
    sent.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE' || error.code === 'ECONNRESET') resolve({ status: CLOSED, bytes: 0, text: error.message })
      else reject(error)
    })
    sent.end(body)
  })
}

const port = parentPort
port?.on('message', async (order: Order) => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  try {
    const answers: Sent[] = []
    for (const one of order.requests) answers.push(await sendOne(order.port, agent, one))
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- threads have no origin
    port.postMessage(answers)
  } catch (error) {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- threads have no origin
    port.postMessage(String(error))
  } finally {
    agent.destroy()
  }
})
