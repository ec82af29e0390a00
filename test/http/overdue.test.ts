import assert from 'node:assert/strict'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { loadSettings } from '../../src/config.ts'
import type { ServerContext } from '../../src/http/context.ts'
import { NO_CONTENT } from '../../src/http/answer.ts'
import type { Route } from '../../src/http/route.ts'
import { createHttpServer } from '../../src/http/server.ts'

test('work that goes on counts as active, also when its request was answered as overdue', async () => {
  let end = (): void => undefined
  const handler = () => new Promise<typeof NO_CONTENT>((resolve) => (end = () => resolve(NO_CONTENT)))
  const slow: Route = { method: 'GET', template: '/slow', operationId: 'slow', action: 'public', handler }
  const quick: Route = { ...slow, template: '/quick', operationId: 'quick', handler: () => NO_CONTENT }
  const context = {
    authenticator: { everybody: undefined },
    limits: {
      ...loadSettings({}),
      stallTimeoutSeconds: 1,
      requestTimeoutSeconds: 0.1,
      headersTimeoutSeconds: 0.1,
      maxBodyBytes: 1000,
      maxConcurrentRequests: 1,
    },
    corsAllowedOrigins: [],
    now: Date.now,
    log: () => undefined,
    state: { draining: false },
  } as unknown as ServerContext
  const http = createHttpServer(context, [slow, quick])
  await new Promise<void>((resolve) => http.server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(http.server.address() as AddressInfo).port}`
  try {
    assert.equal((await fetch(`${url}/quick`)).status, 204)
    const overdue = await fetch(`${url}/slow`)
    assert.equal(overdue.status, 503)
    assert.match(await overdue.text(), /took too long/)
    assert.equal((await fetch(`${url}/quick`)).status, 503, 'the work still goes on')
    end()
    // The end of the work is noticed in a later turn.
    await new Promise((resolve) => setImmediate(resolve))
    assert.equal((await fetch(`${url}/quick`)).status, 204)
  } finally {
    await http.close(100)
  }
})
