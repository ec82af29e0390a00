/**
 * A proxy on loopback in front of a server: it counts round trips, as they are seen on the wire, and breaks connections at
 * the moment that a test chooses.
 */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

type Break = 'request' | 'answer' | 'silence'

export interface TcpProxy {
  /** The URL with the proxy in the place of its host and port. */
  urlOf(url: string): string
  /** Times that the client's side spoke up after it had heard from the server, over all connections. */
  readonly roundTrips: number
  /**
   * What happens to the next bytes that a client sends: they are thrown away and the connection is broken (`request`), or
   * they reach the server, and the connection is broken when it answers (`answer`), or the answer is withheld (`silence`).
   */
  breakNext(what: Break, times?: number): void
  close(): Promise<void>
}

export async function startTcpProxy(target: string): Promise<TcpProxy> {
  const { hostname, port } = new URL(target)
  const sockets = new Set<Socket>()
  const state = { roundTrips: 0, breaking: undefined as Break | undefined, times: 0 }
  const takeBreak = (): Break | undefined => {
    if (state.times === 0) return undefined
    state.times--
    return state.breaking
  }
  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname)
    let isClientsTurn = true
    let broken: Break | undefined
    const end = (): void => {
      client.destroy()
      upstream.destroy()
    }
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.setNoDelay(true)
      socket.on('error', () => undefined)
      socket.on('close', () => {
        sockets.delete(socket)
        end()
      })
    }
    client.on('data', (bytes) => {
      if (isClientsTurn) {
        state.roundTrips++
        broken = takeBreak()
        if (broken === 'request') return end()
      }
      isClientsTurn = false
      return void upstream.write(bytes)
    })
    upstream.on('data', (bytes) => {
      isClientsTurn = true
      if (broken === 'answer') end()
      else if (broken === undefined) client.write(bytes)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address() as AddressInfo
  return {
    urlOf: (url) => Object.assign(new URL(url), { hostname: '127.0.0.1', port: String(address.port) }).href,
    get roundTrips() {
      return state.roundTrips
    },
    breakNext: (what, times = 1) => {
      state.breaking = what
      state.times = times
    },
    close: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
