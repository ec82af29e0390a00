/** What a repeated request is told by a server that was killed in between: on disk, through sockets, for every change. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startServer } from '../clients/server.ts'
import { setting, viewVersion } from '../requests.ts'

interface Step {
  readonly method: 'POST' | 'DELETE'
  readonly path: string
  readonly body?: object
}

const key = (n: number): string => `017f22e2-79b0-7cc3-98c4-${n.toString(16).padStart(12, '0')}`
const NAMESPACE = '/v1/lake/namespaces/n'
const schema = { type: 'struct', 'schema-id': 0, fields: [] }
const named = (name: string) => ({ namespace: ['n'], name })
const rename = (from: string, to: string) => ({ source: named(from), destination: named(to) })

/** Every change of the specification but `createView`'s siblings that need a metadata location: those follow. */
const STEPS: readonly Step[] = [
  { method: 'POST', path: '/v1/lake/namespaces', body: { namespace: ['n'], properties: { a: 'b' } } },
  { method: 'POST', path: `${NAMESPACE}/properties`, body: { removals: ['a'], updates: { c: 'd' } } },
  { method: 'POST', path: `${NAMESPACE}/tables`, body: { name: 'staged', schema, 'stage-create': true } },
  { method: 'POST', path: `${NAMESPACE}/tables`, body: { name: 't', schema } },
  { method: 'POST', path: `${NAMESPACE}/tables`, body: { name: 'gone', schema } },
  { method: 'POST', path: `${NAMESPACE}/tables/t`, body: setting('one') },
  {
    method: 'POST',
    path: '/v1/lake/transactions/commit',
    body: { 'table-changes': [{ identifier: named('t'), ...setting('two') }] },
  },
  { method: 'POST', path: '/v1/lake/tables/rename', body: rename('t', 'u') },
  { method: 'DELETE', path: `${NAMESPACE}/tables/gone` },
  { method: 'POST', path: `${NAMESPACE}/views`, body: { name: 'v', schema, 'view-version': viewVersion('n'), properties: {} } },
  { method: 'POST', path: `${NAMESPACE}/views/v`, body: { updates: [{ action: 'set-properties', updates: { a: 'b' } }] } },
  { method: 'POST', path: '/v1/lake/views/rename', body: rename('v', 'w') },
  { method: 'POST', path: `${NAMESPACE}/tables/u/unregister`, body: {} },
  { method: 'DELETE', path: `${NAMESPACE}/views/w` },
  { method: 'POST', path: '/v1/lake/namespaces', body: { namespace: ['empty'] } },
  { method: 'DELETE', path: '/v1/lake/namespaces/empty' },
  // Refusals that repeating can't change.
  { method: 'DELETE', path: `${NAMESPACE}/tables/none` },
  { method: 'POST', path: '/v1/lake/namespaces', body: { namespace: ['n'] } },
]

test('every change, repeated with its key after kill -9, is answered as before and happens once', async (t) => {
  const server = await startServer({ database: 'sqlite' })
  t.after(() => server.stop())
  const send = async ({ method, path, body }: Step, n: number) => {
    const response = await fetch(`${server.url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${server.adminToken}`,
        'idempotency-key': key(n),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    return { status: response.status, text: await response.text() }
  }
  const steps = [...STEPS]
  const answers: Awaited<ReturnType<typeof send>>[] = []
  for (const [n, step] of steps.entries()) answers.push(await send(step, n))
  const location = (path: string): unknown =>
    (JSON.parse(answers[steps.findIndex((step) => step.path === path)]!.text) as Record<string, unknown>)['metadata-location']
  steps.push(
    {
      method: 'POST',
      path: `${NAMESPACE}/register`,
      body: { name: 'again', 'metadata-location': location(`${NAMESPACE}/tables/u/unregister`) },
    },
    {
      method: 'POST',
      path: `${NAMESPACE}/register-view`,
      body: { name: 'view', 'metadata-location': location(`${NAMESPACE}/views/v`) },
    },
  )
  for (let n = answers.length; n < steps.length; n++) answers.push(await send(steps[n]!, n))
  for (const [n, { status, text }] of answers.entries()) {
    const refused = n === STEPS.length - 2 ? 404 : n === STEPS.length - 1 ? 409 : undefined
    if (refused === undefined) assert.ok(status === 200 || status === 204, `${steps[n]!.path}: ${text}`)
    else assert.equal(status, refused, text)
  }
  await server.kill('SIGKILL')
  await server.restart()
  for (const [n, step] of steps.entries()) assert.deepEqual(await send(step, n), answers[n], `${step.method} ${step.path}`)
  // The same keys with other bodies belong to nobody.
  for (const [n, step] of steps.entries()) {
    if (step.body === undefined) continue
    assert.equal((await send({ ...step, body: { ...step.body, 'x-other': 1 } }, n)).status, 422, step.path)
  }
  const log = await fetch(`${server.url}/api/v1/branches/main/commits?catalog=lake&limit=1000`, {
    headers: { authorization: `Bearer ${server.adminToken}` },
  })
  const changes = (await log.json()) as { message: string }[]
  assert.equal(changes.pop()?.message, 'Create namespace default', 'of the first start')
  assert.equal(changes.length, steps.length - 3, 'all but the staged creation and the two refusals, each once')
})
