/**
 * PyIceberg on warehouses on Azure and Google Cloud Storage, on their emulators, with nothing but the credentials that the
 * server vends. Azurite knows no signatures for directories, so Azure's are for the container; Google's tokens come from a
 * stand-in, and a proxy of ours enforces them.
 */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { after, test, type TestContext } from 'node:test'
import { checkingDrift } from '../http/drift-proxy.ts'
import { startAzurite, stopAzurite } from '../services/azurite.ts'
import { startBoundaryProxy } from '../services/gcs-boundary-proxy.ts'
import { startFakeGcs, stopFakeGcs } from '../services/gcs.ts'
import { startGoogleIdentity } from '../services/google-identity.ts'
import { requireService } from '../services/require.ts'
import { pythonEnv, requirementsOf } from './python.ts'
import { runPytest } from './pytest.ts'
import { startServer } from './server.ts'
import { create } from './suite.ts'

after(stopAzurite)
after(stopFakeGcs)

interface Lake {
  readonly kind: 'azure' | 'gcs'
  readonly storageConfig: Readonly<Record<string, string>>
  readonly vendingStrategy: object
}

const LEAST_TESTS = 8

async function run(context: TestContext, { kind, storageConfig, vendingStrategy }: Lake): Promise<void> {
  const python = requireService(context, await pythonEnv(requirementsOf('clouds')))
  if (python === undefined) return
  const server = await startServer({ database: 'memory' })
  try {
    await create(server, 'warehouses', { name: 'cloud', storage_config: storageConfig, vending_strategy: vendingStrategy })
    await create(server, 'catalogs', { name: 'lake-in-the-cloud', warehouse_name: 'cloud' })
    const properties = { type: 'rest', warehouse: 'lake-in-the-cloud', token: server.adminToken }
    const { username, password } = server
    const folder = join(import.meta.dirname, 'clouds')
    const env = { PANGOLIN_TEST_READER_TOKEN: String((await create(server, 'tokens', { access: 'read' }))['token']) }
    const count = await checkingDrift(context, server.url, (uri) =>
      runPytest(context, python, folder, { properties: { ...properties, uri }, username, password, kind }, { env }),
    )
    assert.ok(count >= LEAST_TESTS, `only ${count} tests ran`)
  } catch (error) {
    context.diagnostic(`the server's last words:\n${server.log.slice(-5_000)}`)
    throw error
  } finally {
    await server.stop()
  }
}

test('PyIceberg (fsspec) on Azurite, with vended signatures for the container', async (context) => {
  const azurite = requireService(context, await startAzurite())
  if (azurite === undefined) return
  const container = `c-${randomUUID()}`
  await azurite.createContainer(container)
  await run(context, {
    kind: 'azure',
    storageConfig: {
      type: 'azure',
      container,
      account_name: azurite.account,
      account_key: azurite.accountKey,
      blob_endpoint: azurite.blobEndpoint,
    },
    vendingStrategy: { AzureSas: { scope: 'container' } },
  })
})

test('PyIceberg (PyArrow) on fake-gcs-server, with vended tokens that a proxy of ours enforces', async (context) => {
  const gcs = requireService(context, await startFakeGcs())
  if (gcs === undefined) return
  const bucket = `b-${randomUUID()}`
  await gcs.createBucket(bucket)
  const identity = await startGoogleIdentity()
  const proxy = await startBoundaryProxy(gcs.serviceHost, identity.boundaryOf)
  context.after(async () => {
    await proxy.stop()
    await identity.stop()
  })
  await run(context, {
    kind: 'gcs',
    storageConfig: {
      type: 'gcs',
      bucket,
      service_account_key: identity.keyFile,
      'gcs.service.host': proxy.serviceHost,
      'gcs.sts-endpoint': identity.stsEndpoint,
    },
    vendingStrategy: { GcpDownscoped: {} },
  })
  assert.ok(identity.requests.exchanges > 0)
})
