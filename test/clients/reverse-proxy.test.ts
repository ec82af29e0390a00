/** The nginx configuration of `docs/reverse-proxy.md`, run: TLS, a path prefix, and clients that know nothing of either. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { request } from 'node:https'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { IcebergRestCatalog } from 'iceberg-js'
import { trustedCertificate, type Certificate } from '../services/certificate.ts'
import { freePort } from '../services/free-port.ts'
import { startNginx } from '../services/nginx.ts'
import { requireService } from '../services/require.ts'
import { pythonEnv } from './python.ts'
import { runPytest } from './pytest.ts'
import { startServer, type RunningServer } from './server.ts'
import { localCatalog } from './suite.ts'

const PAGE = join(import.meta.dirname, '..', '..', 'docs', 'reverse-proxy.md')

/** The page's configuration, with places of this machine in it. */
function siteOf(server: RunningServer, port: number, { cert, key }: Certificate): string {
  const [, site = ''] = /```nginx\n(.*?)```/s.exec(readFileSync(PAGE, 'utf8')) ?? []
  const changes = [
    ['server 127.0.0.1:8080;', `server ${new URL(server.url).host};`],
    ['listen 443 ssl;', `listen 127.0.0.1:${port} ssl;`],
    ['/etc/ssl/lake.pem', cert],
    ['/etc/ssl/lake.key', key],
  ] as const
  return changes.reduce((text, [from, to]) => {
    assert.equal(text.split(from).length, 2, `the page has ${from} once`)
    return text.replace(from, to)
  }, site)
}

interface Proxied {
  readonly server: RunningServer
  readonly uri: string
  readonly certificate: Certificate
}

async function proxied(context: TestContext, env: Record<string, string>): Promise<Proxied | undefined> {
  const certificate = requireService(context, await trustedCertificate())
  if (certificate === undefined) return undefined
  context.after(certificate.remove)
  const server = await startServer({ database: 'sqlite', env: { PANGOLIN_TRUSTED_PROXIES: '127.0.0.1', ...env } })
  context.after(() => server.stop())
  const port = await freePort()
  const nginx = requireService(context, await startNginx(siteOf(server, port, certificate), port))
  if (nginx === undefined) return undefined
  context.after(() => nginx.stop())
  return { server, uri: `https://127.0.0.1:${port}/iceberg`, certificate }
}

test('PyIceberg through nginx, with TLS and a path prefix', async (context) => {
  const python = requireService(context, await pythonEnv())
  if (python === undefined) return
  const there = await proxied(context, { PANGOLIN_AUTH_RATE_LIMIT: '0' })
  if (there === undefined) return
  const { server, uri, certificate } = there
  const catalog = localCatalog(server)
  const settings = { ...catalog, properties: { ...catalog.properties, uri } }
  const selection = ['-k', 'test_connections or test_namespaces or test_writes or test_tables or test_transactions']
  const env = { REQUESTS_CA_BUNDLE: certificate.cert, SSL_CERT_FILE: certificate.cert }
  const count = await runPytest(context, python, join(import.meta.dirname, 'pyiceberg'), settings, { env, selection })
  assert.ok(count >= 50, `only ${count} tests ran`)
})

test('iceberg-js, logins and token exchange through nginx; each client is counted by itself', async (context) => {
  const there = await proxied(context, { PANGOLIN_AUTH_RATE_LIMIT: '3' })
  if (there === undefined) return
  const { server, uri } = there
  const catalog = new IcebergRestCatalog({ baseUrl: uri, warehouse: 'lake', auth: { type: 'bearer', token: server.adminToken } })
  const [parent, child] = [{ namespace: ['sales'] }, { namespace: ['sales', 'deep er/é.%'] }]
  await catalog.createNamespace(parent)
  await catalog.createNamespace(child)
  assert.deepEqual((await catalog.listNamespaces({ parent })).namespaces, [child])
  const schema = { type: 'struct' as const, fields: [], 'schema-id': 0 }
  await catalog.createTable(child, { name: 'a/b', schema })
  assert.equal((await catalog.loadTable({ ...child, name: 'a/b' })).schemas.length, 1)

  const ask = async (fields: Record<string, string>, headers: Record<string, string> = {}) => {
    const answer = await fetch(`${uri}/v1/oauth/tokens`, { method: 'POST', body: new URLSearchParams(fields), headers })
    return { status: answer.status, json: (await answer.json()) as { access_token: string } }
  }
  const credentials = { grant_type: 'client_credentials', client_id: server.username, client_secret: server.password }
  const first = await ask(credentials)
  assert.equal(first.status, 200)
  const exchange = { grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange', subject_token: first.json.access_token }
  const second = await ask({ ...exchange, subject_token_type: 'urn:ietf:params:oauth:token-type:access_token' })
  assert.equal(second.status, 200)
  const config = await fetch(`${uri}/v1/config?warehouse=lake`, {
    headers: { Authorization: `Bearer ${second.json.access_token}` },
  })
  assert.equal(config.status, 200)
  assert.equal(((await (await fetch(`${uri}/api/v1/app-config`)).json()) as { base_url: string }).base_url, uri)

  // nginx appends the address of its peer, here one that is no trusted proxy: what a client writes there itself changes nothing.
  const wrong = { ...credentials, client_secret: 'wrong' }
  const statuses: number[] = []
  for (let attempt = 0; attempt < 4; attempt++) statuses.push(await askFrom('127.0.0.2', uri, wrong, `203.0.113.${attempt}`))
  assert.deepEqual(statuses, [401, 401, 401, 429])
  assert.equal(await askFrom('127.0.0.3', uri, credentials), 200)
})

/** The status of a login from that address. */
function askFrom(localAddress: string, uri: string, fields: Record<string, string>, forwarded?: string): Promise<number> {
  const headers = {
    'Content-Type': 'application/x-www-form-urlencoded',
    ...(forwarded !== undefined && { 'X-Forwarded-For': forwarded }),
  }
  return new Promise((resolve, reject) => {
    const sent = request(`${uri}/v1/oauth/tokens`, { method: 'POST', headers, localAddress, agent: false }, (answer) => {
      answer.resume().once('end', () => resolve(answer.statusCode ?? 0))
    })
    sent.once('error', reject).end(new URLSearchParams(fields).toString())
  })
}
