/** What is refused before a byte of the body is read: by what the path names, and by the size that such a request can have. */
import assert from 'node:assert/strict'
import { before, after, describe, test } from 'node:test'
import { routes } from '../../src/http/routes/index.ts'
import { call, raw, startTestServer, statusOf, type TestServer } from './harness.ts'

const schema = { type: 'struct', fields: [{ id: 1, name: 'id', required: true, type: 'long' }] }
const pathOf = (template: string, name: string): string =>
  template
    .replace('{prefix}', 'lake')
    .replace('{namespace}', 'n')
    .replace('{table}', name)
    .replace('{view}', name)
    .replace('{name}', name)
const withBody = routes.filter(({ body }) => body !== undefined)

describe('before the body is read', () => {
  let server: TestServer
  let narrow: string
  const cleanUps: (() => unknown)[] = []
  before(async () => {
    server = await startTestServer({ after: (work) => void cleanUps.push(work as () => unknown) })
    await call(server, 'POST', '/v1/lake/namespaces', { body: { namespace: ['n'] } })
    for (const name of ['mine', 'other']) await call(server, 'POST', '/v1/lake/namespaces/n/tables', { body: { name, schema } })
    const within = [{ catalog: 'lake', namespace: ['n'], table: 'mine' }]
    const minted = await call(server, 'POST', '/api/v1/tokens', { body: { access: 'read', within } })
    narrow = minted.json.token
  })
  after(async () => {
    for (const work of cleanUps) await work()
  })

  /** The head alone of a request whose client waits to be asked for its body. */
  const announce = (method: string, path: string, bytes: number, token: string): Promise<string> => {
    const head = [`${method} ${path} HTTP/1.1`, 'Host: a', `Authorization: Bearer ${token}`, `Content-Length: ${bytes}`]
    return raw(server.port, `${head.join('\r\n')}\r\nExpect: 100-continue\r\n\r\n`, (text) => text.includes('\r\n\r\n'))
  }

  test('who may not do it with what the path names is refused without being asked for the body', async () => {
    const about = withBody.filter(({ template }) => /\{(namespace|table|view)\}/.test(template))
    assert.ok(about.length >= 9)
    for (const { method, template, operationId } of about) {
      const answer = await announce(method, pathOf(template, 'other'), 1000, narrow)
      // What a token is not for is there for it as little as what does not exist; that reading is all it may do, the door knows.
      const isHidden = ['reportMetrics', 'signRequest'].includes(operationId)
      assert.equal(statusOf(answer), isHidden ? 404 : 403, `${operationId}: ${answer}`)
      assert.match(answer, /\r\nConnection: close\r\n/i, operationId)
    }
  })

  test('who may is asked for it', async () => {
    for (const operationId of ['reportMetrics', 'signRequest']) {
      const { method, template } = withBody.find((route) => route.operationId === operationId)!
      const answer = await announce(method, pathOf(template, 'mine'), 1000, narrow)
      assert.match(answer, /^HTTP\/1\.1 100 Continue/, operationId)
    }
  })

  test('a body of nonsense changes nothing about a refusal', async () => {
    const options = { token: narrow, body: '{'.repeat(100_000) }
    assert.equal((await call(server, 'POST', '/v1/lake/namespaces/n/tables/other', options)).status, 403)
    assert.equal((await call(server, 'POST', '/v1/lake/namespaces/n/tables', options)).status, 403)
    assert.equal((await call(server, 'POST', '/v1/lake/namespaces/n/tables/mine/metrics', options)).status, 400)
  })

  test('what no such request can need is refused by its size', async () => {
    const large = new Set(['updateTable', 'commitTransaction'])
    for (const { method, template, operationId } of withBody) {
      const answer = await announce(method, pathOf(template, 'mine'), 3_000_000, server.token)
      assert.equal(statusOf(answer), large.has(operationId) ? 100 : 413, `${operationId}: ${answer}`)
    }
    const report = { 'report-type': 'scan-report', text: 'x'.repeat(1024 * 1024) }
    const refused = await call(server, 'POST', '/v1/lake/namespaces/n/tables/mine/metrics', { body: report })
    assert.deepEqual([refused.status, refused.json.error.type], [413, 'ContentTooLargeException'])
  })
})
