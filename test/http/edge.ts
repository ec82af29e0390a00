/** Clients that do not do their part: they stall, dribble, or don't read. */
import { connect, type Socket } from 'node:net'

export interface Held {
  readonly sockets: readonly Socket[]
  /** How many of them the server has closed. */
  readonly closed: () => number
  /** What one got, as far as it was read. */
  readonly texts: readonly string[]
  release(): void
}

/** So many connections that send `bytes` and then nothing. */
export async function hold(
  port: number,
  count: number,
  bytes: string | Buffer,
  options: { reads?: boolean } = {},
): Promise<Held> {
  let closed = 0
  const texts: string[] = Array(count).fill('')
  const open = (index: number): Promise<Socket> =>
    new Promise((resolve, reject) => {
      const socket = connect({ port, host: '127.0.0.1' }, () => socket.write(bytes, () => resolve(socket)))
      if (options.reads === false) socket.pause()
      else socket.setEncoding('latin1').on('data', (chunk: string) => (texts[index] += chunk))
      socket.on('error', reject).on('close', () => closed++)
    })
  const sockets: Socket[] = []
  for (let from = 0; from < count; from += 100) {
    sockets.push(...(await Promise.all(Array.from({ length: Math.min(100, count - from) }, (_, at) => open(from + at)))))
  }
  return {
    sockets,
    texts,
    closed: () => closed,
    release: () => {
      for (const socket of sockets) socket.destroy()
    },
  }
}

export const stalledLogin = 'POST /v1/oauth/tokens HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\ng'
