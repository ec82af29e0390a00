/** Request targets in each form of RFC 9112 3.2, as they come on the wire. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { raw, rawRequest, startTestServer, statusOf } from './harness.ts'

test('absolute targets mean the path that they name', async (t) => {
  const server = await startTestServer(t)
  const wanted: Record<string, number> = {
    'GET http://localhost/v1/config': 200,
    'GET http://localhost:8080/v1/config?warehouse=lake': 200,
    'GET http://localhost:8080/v1/config?warehouse=sea': 404,
    'GET https://catalog.example/v1/config': 200,
    'GET HTTP://CATALOG.EXAMPLE/v1/config': 200,
    'GET http://127.0.0.1:1/v1/lake/namespaces': 200,
    'GET http://[::1]:8080/v1/lake/namespaces': 200,
    'GET http://a/v1/lake/namespaces/n%2Fx': 404,
    'GET http://a:/v1/config': 200,
    'GET http://a': 404,
    'GET http://a?x=1': 404,
    'GET http://a/': 404,
    'HEAD http://a/v1/lake/namespaces/n': 404,
    'GET http://user@a/v1/config': 400,
    'GET http://user:pw@a/v1/config': 400,
    'GET http:///v1/config': 400,
    'GET http://:80/v1/config': 400,
    'GET http://a:99999/v1/config': 400,
    'GET http://a:b/v1/config': 400,
    'GET http://a b/v1/config': 400,
    'GET http://[::1/v1/config': 400,
    'GET http://a/v1/config#x': 400,
    'GET ftp://a/v1/config': 400,
    'GET http:/v1/config': 400,
    'GET http:v1/config': 400,
    'GET a:80': 400,
    'GET v1/config': 400,
    'GET *': 400,
    'OPTIONS *': 204,
    'OPTIONS http://a': 204,
    'OPTIONS http://a/v1/config': 204,
    'OPTIONS http://a/nothing': 404,
    'CONNECT a:443': 405,
  }
  for (const [line, status] of Object.entries(wanted)) {
    const answer = await rawRequest(server, `${line} HTTP/1.1`)
    assert.equal(statusOf(answer), status, `${line}: ${answer}`)
    if (status >= 400 && !line.startsWith('HEAD')) assert.match(answer, /"error":\{"message":/)
  }
  const body = '{"namespace":["n"]}'
  assert.equal(statusOf(await rawRequest(server, 'POST http://a/v1/lake/namespaces HTTP/1.1', [], body)), 200)
  assert.match(await rawRequest(server, 'OPTIONS * HTTP/1.1'), /\r\nAllow: DELETE, GET, HEAD, OPTIONS, POST, PUT\r\n/)
  assert.match(await rawRequest(server, 'CONNECT a:443 HTTP/1.1'), /\r\nAllow: /)
})

test('what an absolute target means is what is asked whether the caller may', async (t) => {
  const server = await startTestServer(t)
  const bare = (line: string, host = 'a') => raw(server.port, `${line} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
  assert.equal(statusOf(await bare('GET http://a/v1/config')), 401)
  assert.equal(statusOf(await bare('GET http://a/health/live')), 200)
})

test("an absolute target's authority stands above the Host header", async (t) => {
  const server = await startTestServer(t, { PANGOLIN_NO_AUTH: 'true' })
  const ask = async (target: string, host: string, origin = ''): Promise<number> =>
    statusOf(await raw(server.port, `GET ${target} HTTP/1.1\r\nHost: ${host}\r\n${origin}Connection: close\r\n\r\n`))
  assert.equal(await ask('/v1/config', 'localhost'), 200)
  assert.equal(await ask('/v1/config', 'evil.example'), 403)
  assert.equal(await ask('http://evil.example/v1/config', 'localhost'), 403)
  assert.equal(await ask('http://localhost/v1/config', 'evil.example'), 200)
  assert.equal(await ask('http://localhost:1/v1/config', 'x', 'Origin: http://localhost:1\r\n'), 200)
  assert.equal(await ask('http://localhost:1/v1/config', 'x', 'Origin: http://x\r\n'), 403)
})
