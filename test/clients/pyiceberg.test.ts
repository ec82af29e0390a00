/** PyIceberg, the client that most users meet first, against a started server: every database times every warehouse. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, test, type TestContext } from 'node:test'
import { checkingDrift } from '../http/drift-proxy.ts'
import { startMinio } from '../services/minio.ts'
import { requireService } from '../services/require.ts'
import { pythonEnv } from './python.ts'
import { runPytest, type CatalogSettings } from './pytest.ts'
import { startServer, type RunningServer } from './server.ts'

const SUITE = join(import.meta.dirname, 'pyiceberg')
/** Fewer would mean that a file of the suite was not found. */
const LEAST_TESTS = 200

after(async () => {
  const minio = await startMinio()
  if ('value' in minio) await minio.value.stop()
})

for (const database of ['sqlite', 'memory'] as const) {
  for (const [kind, connect] of Object.entries({ local, s3 })) {
    test(`PyIceberg, ${database}, ${kind} warehouse`, async (context) => {
      const python = requireService(context, await pythonEnv())
      if (python === undefined) return
      // The suite logs in more often than a person would.
      const server = await startServer({ database, env: { PANGOLIN_AUTH_RATE_LIMIT: '0' } })
      try {
        const catalog = await connect(context, server)
        if (catalog === undefined) return
        const run = (uri: string) => runPytest(context, python, SUITE, { ...catalog, properties: { ...catalog.properties, uri } })
        const count = await checkingDrift(context, server.url, run)
        assert.ok(count >= LEAST_TESTS, `only ${count} tests ran`)
      } catch (error) {
        context.diagnostic(`the server's last words:\n${server.log.slice(-5_000)}`)
        throw error
      } finally {
        await server.stop()
      }
    })
  }
}

async function local(_context: TestContext, server: RunningServer): Promise<CatalogSettings> {
  const properties = { type: 'rest', uri: server.url, warehouse: 'lake', token: server.adminToken }
  return { properties, username: server.username, password: server.password, kind: 'local' }
}

/** A warehouse in a bucket of its own. Its endpoint and region reach the client through the server; the keys do not. */
async function s3(context: TestContext, server: RunningServer): Promise<CatalogSettings | undefined> {
  const minio = requireService(context, await startMinio())
  if (minio === undefined) return undefined
  const bucket = `pyiceberg-${process.pid}-${Date.now()}`
  await minio.createBucket(bucket)
  const { endpoint, region, accessKey, secretKey } = minio
  await create(server, 'warehouses', {
    name: 'minio',
    storage_config: { 's3.bucket': bucket, 's3.endpoint': endpoint, 's3.region': region, 's3.path-style-access': 'true' },
    vending_strategy: { AwsStatic: { access_key_id: accessKey, secret_access_key: secretKey } },
  })
  await create(server, 'catalogs', { name: 'bucket', warehouse_name: 'minio', storage_location: `s3://${bucket}/some/prefix` })
  const keys = { 's3.access-key-id': accessKey, 's3.secret-access-key': secretKey }
  const properties = { type: 'rest', uri: server.url, warehouse: 'bucket', token: server.adminToken, ...keys }
  return { properties, username: server.username, password: server.password, kind: 's3' }
}

async function create(server: RunningServer, what: 'warehouses' | 'catalogs', body: object): Promise<void> {
  const answer = await fetch(`${server.url}/api/v1/${what}`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${server.adminToken}`, 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  })
  assert.equal(answer.status, 201, await answer.text())
}
