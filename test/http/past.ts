/** A server whose catalog `lake` is read as it was, and its log. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { openStore } from '../../src/stores/open.ts'
import type { Store } from '../../src/stores/store.ts'
import { call, startTestServer, type Answer, type CallOptions, type TestServer } from './harness.ts'
import { OPERATIONS, schema } from './operations.ts'

export const LOG = '/api/v1/catalogs/lake/commits'

export interface Line {
  readonly id: string
  readonly position: number
  readonly timestamp: number
  readonly message: string
}

export interface Past {
  readonly server: TestServer
  readonly send: (method: string, path: string, options?: CallOptions) => Promise<Answer>
  readonly ok: (method: string, path: string, body?: unknown) => Promise<Answer>
  /** Oldest first. */
  readonly log: () => Promise<Line[]>
  /** The position of the last change. */
  readonly head: () => Promise<number>
  readonly mint: (body: object) => Promise<string>
}

export async function open(t: TestContext, env: Readonly<Record<string, string>> = {}): Promise<Past> {
  const server = await startTestServer(t, env)
  const send: Past['send'] = (method, path, options) => call(server, method, path, options)
  const ok: Past['ok'] = async (method, path, body) => {
    const answer = await send(method, path, body === undefined ? {} : { body })
    assert.ok(answer.status < 300, `${method} ${path}: ${answer.text}`)
    // Two changes within a millisecond are of one time.
    if (method !== 'GET') await sleep(2)
    return answer
  }
  const log = async () => (await ok('GET', `${LOG}?order=asc&limit=1000`)).json as Line[]
  return {
    server,
    send,
    ok,
    log,
    head: async () => (await log()).at(-1)!.position,
    mint: async (body) => (await ok('POST', '/api/v1/tokens', body)).json.token as string,
  }
}

/** A server on a database that the test opens beside it. */
export async function openShared(t: TestContext): Promise<Past & { readonly store: Store }> {
  const folder = mkdtempSync(join(tmpdir(), 'pangolin-past-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const DATABASE_URL = `sqlite:${join(folder, 'shared.db')}`
  const past = await open(t, { DATABASE_URL })
  const store = openStore(DATABASE_URL)
  t.after(() => store.close())
  return { ...past, store }
}

export const config = ({ send }: Past, warehouse: string, token?: string): Promise<Answer> =>
  send('GET', `/v1/config?warehouse=${encodeURIComponent(warehouse)}`, token === undefined ? {} : { token })
export const prefixOf = ({ json }: Answer): string => json.overrides.prefix
export const tables = ({ json }: Answer): string[] => json.identifiers.map(({ name }: { name: string }) => name)

/** Namespace `a` with the tables `t` and `u` and the view `v`. */
export async function fill({ ok }: Past): Promise<void> {
  await ok('POST', '/v1/lake/namespaces', { namespace: ['a'], properties: { owner: 'ada' } })
  for (const name of ['t', 'u']) await ok('POST', '/v1/lake/namespaces/a/tables', { name, schema })
  await ok(
    'POST',
    '/v1/lake/namespaces/a/views',
    OPERATIONS['createView']!.body!({ catalog: 'lake', namespace: ['a'], name: 'v' }),
  )
}
