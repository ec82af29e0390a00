/**
 * The yardstick: a bare `node:http` server that answers every request with the same bytes and the same number of headers
 * as the product's answer to loadTable. Takes the file with the body as its argument and prints its port.
 */
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'

const body = readFileSync(process.argv[2] ?? '')
const server = createServer((_request, response) => {
  response.writeHead(200, [
    'Content-Type',
    'application/json',
    'ETag',
    '"0123456789abcdef"',
    'Content-Length',
    String(body.length),
  ])
  response.end(body)
})
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  if (address !== null && typeof address === 'object') console.log(address.port)
})
process.stdin.resume().once('end', () => process.exit())
