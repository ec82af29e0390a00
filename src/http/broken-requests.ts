/** What reaches the port and is no request that could be answered as one: there is only a socket to write to. */
import type { Socket } from 'node:net'
import { connectionOf } from './connections.ts'
import type { Floods } from './floods.ts'
import { ALL_METHODS } from './route.ts'

const LINGER_MS = 1000
const BROKEN: Readonly<Record<string, readonly [number, string, string]>> = {
  HPE_HEADER_OVERFLOW: [431, 'Request Header Fields Too Large', 'HeaderFieldsTooLargeException'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'Request Timeout', 'RequestTimeoutException'],
}

/** What is no HTTP, or came too slowly: there is no request to answer, only a socket. */
export function answerBrokenRequest(floods: Floods, error: NodeJS.ErrnoException, socket: Socket): void {
  const partial = (socket as Socket & { _httpMessage?: { headersSent: boolean } })._httpMessage
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    floods.refused('slow requests', { address: connectionOf(socket)?.address })
  }
  if (error.code === 'ECONNRESET' || !socket.writable || partial?.headersSent === true) {
    socket.destroy()
    return
  }
  endWith(socket, ...(BROKEN[error.code ?? ''] ?? [400, 'Bad Request', 'BadRequestException']))
}

/** CONNECT is for proxies, which this server is none of. */
export function refuseTunnel(socket: Socket): void {
  socket.on('error', () => undefined)
  endWith(socket, 405, 'Method Not Allowed', 'MethodNotAllowedException', `Allow: ${ALL_METHODS}\r\n`)
}

function endWith(socket: Socket, status: number, reason: string, type: string, header = ''): void {
  const body = `{"error":{"message":"${reason}","type":"${type}","code":${status}}}`
  const head = `HTTP/1.1 ${status} ${reason}\r\nConnection: close\r\n${header}Content-Type: application/json`
  socket.end(`${head}\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
  // Not at once, so that the client gets to read it; not when the client likes, either.
  setTimeout(() => socket.destroy(), LINGER_MS).unref()
}
