/**
 * The yardstick for large requests: a bare `node:http` server that reads the body of each into one buffer and answers as
 * many bytes as the request asks for. Prints its port.
 */
import { createServer } from 'node:http'
import { ANSWER_BYTES } from './answer-bytes.ts'

const server = createServer((request, response) => {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    const body = Buffer.concat(chunks)
    const answer = Buffer.alloc(Number(request.headers[ANSWER_BYTES.toLowerCase()] ?? 0), 'x')
    response.writeHead(200, [
      'Content-Type',
      'text/plain',
      'X-Read',
      String(body.length),
      'Content-Length',
      String(answer.length),
    ])
    response.end(answer)
  })
})
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  if (address !== null && typeof address === 'object') console.log(address.port)
})
process.stdin.resume().once('end', () => process.exit())
