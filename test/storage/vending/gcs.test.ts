/** Tokens for the objects of one table on Google Cloud Storage, from stand-ins for Google's endpoints. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, describe, it, type TestContext } from 'node:test'
import { joinLocation, type Location } from '../../../src/iceberg/location.ts'
import { openVendedStore, openVending, rootLocation, type WarehouseSettings } from '../../../src/storage/open.ts'
import { StorageError } from '../../../src/storage/storage.ts'
import { VendingError, type VendScope } from '../../../src/storage/vending/vending.ts'
import { startBoundaryProxy } from '../../services/gcs-boundary-proxy.ts'
import { startFakeGcs, stopFakeGcs } from '../../services/gcs.ts'
import { startGoogleIdentity, type GoogleIdentity } from '../../services/google-identity.ts'
import { requireService } from '../../services/require.ts'
import { provesScope } from './scope.ts'

const principal = { id: 'u1', name: 'ada', tenantId: 't1' }
const scope = (prefixes: readonly Location[], access: VendScope['access']): VendScope => ({
  prefixes,
  access,
  principal,
  lifetimeSeconds: 3600,
})
const is =
  (kind: string) =>
  (error: unknown): boolean =>
    error instanceof StorageError && error.kind === kind

interface Lake {
  readonly warehouse: WarehouseSettings
  readonly identity: GoogleIdentity
}

async function openLake(
  test: TestContext,
  strategy: WarehouseSettings['vendingStrategy'] = { GcpDownscoped: {} },
): Promise<Lake | undefined> {
  const gcs = requireService(test, await startFakeGcs())
  if (!gcs) return undefined
  const bucket = `b-${randomUUID()}`
  await gcs.createBucket(bucket)
  const identity = await startGoogleIdentity()
  const proxy = await startBoundaryProxy(gcs.serviceHost, identity.boundaryOf)
  test.after(async () => {
    await proxy.stop()
    await identity.stop()
  })
  const storageConfig = {
    type: 'gcs',
    bucket,
    prefix: 'lake',
    service_account_key: identity.keyFile,
    'gcs.service.host': proxy.serviceHost,
    'gcs.sts-endpoint': identity.stsEndpoint,
  }
  const warehouse = { storageConfig, vendingStrategy: strategy }
  return {
    warehouse,
    identity,
  }
}

describe("tokens of Google for one table (by stand-ins: this proves our requests, not Google's evaluation)", () => {
  after(stopFakeGcs)

  it('open the table to a writer, only for reading to a reader, and nothing beside it to either', async (test) => {
    const lake = await openLake(test)
    if (!lake) return
    await provesScope(lake.warehouse, ['t', "it's", 'p=a%2Fb', 'sp ace', '\u00fcn\u00efc\u00f6de'])
    assert.equal(lake.identity.requests.exchanges, 10)
    // For each name one for the store and one for what it vends: neither is asked for each time.
    assert.equal(lake.identity.requests.grants, 10)
  })

  it('open several places of one table, and stand for them as one', async (test) => {
    const lake = await openLake(test)
    if (!lake) return
    const root = rootLocation(lake.warehouse)
    const [table, data, other] = [joinLocation(root, 'ns', 't'), joinLocation(root, 'data', 't'), joinLocation(root, 'data', 'u')]
    const { credentials } = await openVending(lake.warehouse)!.vendor.vend(scope([table, data], 'read-write'))
    assert.deepEqual(
      credentials.map(({ prefix }) => prefix),
      [root],
    )
    const client = openVendedStore(lake.warehouse, credentials[0]?.config ?? {})!
    for (const place of [table, data]) await client.create(`${place}/x`, Buffer.from('x'))
    await assert.rejects(client.create(`${other}/x`, Buffer.from('x')), is('forbidden'))
  })

  it('end when they say, or with the token they were made of', async (test) => {
    const lake = await openLake(test)
    if (!lake) return
    const vendor = openVending(lake.warehouse)!.vendor
    const table = joinLocation(rootLocation(lake.warehouse), 't')
    for (const sayExpiry of [true, false]) {
      lake.identity.sayExpiry = sayExpiry
      const before = Date.now()
      const { credentials, expiresAtMs = 0 } = await vendor.vend(scope([table], 'read'))
      assert.ok(expiresAtMs > before && expiresAtMs <= Date.now() + 3_600_000)
      assert.equal(credentials[0]?.config['gcs.oauth2.token-expires-at'], String(expiresAtMs))
    }
  })

  it("are made with the strategy's own service account, or the machine's", async (test) => {
    const lake = await openLake(test)
    if (!lake) return
    const { identity, warehouse } = lake
    const { service_account_key: _key, ...place } = warehouse.storageConfig as Record<string, string>
    const table = joinLocation(rootLocation(warehouse), 't')
    const fields = { service_account_email: identity.email, private_key: identity.privateKey.replaceAll('\n', '\\n') }
    const own = openVending({
      storageConfig: { ...place, token_uri: identity.tokenUri },
      vendingStrategy: { GcpDownscoped: fields },
    })!.vendor
    await own.vend(scope([table], 'read'))
    assert.equal(identity.requests.grants, 1)
    process.env['GCE_METADATA_HOST'] = identity.metadataHost
    test.after(() => delete process.env['GCE_METADATA_HOST'])
    await openVending({ storageConfig: place, vendingStrategy: { GcpDownscoped: {} } })!.vendor.vend(scope([table], 'read'))
    assert.deepEqual(identity.requests, { grants: 1, metadata: 1, exchanges: 2 })
  })

  it('are refused or unavailable as Google says, without a word of secrets', async (test) => {
    const lake = await openLake(test)
    if (!lake) return
    const { identity } = lake
    const table = joinLocation(rootLocation(lake.warehouse), 't')
    const vendor = openVending(lake.warehouse)!.vendor
    const fails = (kind: string): Promise<void> =>
      assert.rejects(vendor.vend(scope([table], 'read')), (error: unknown) => {
        assert.ok(error instanceof VendingError && error.kind === kind, String(error))
        assert.doesNotMatch(error.message, /ya29|PRIVATE|secret|not for logs/)
        return true
      })
    identity.fail({ status: 400, body: '{"error":"invalid_grant","error_description":"secret ya29.x"}' })
    await fails('refused')
    identity.fail({ status: 503, body: 'secret' })
    await fails('unavailable')
    for (const body of [
      '',
      '[]',
      'null',
      '{"access_token":"a b","expires_in":3600}',
      '{"access_token":"x","expires_in":-1}',
      '{"access_token":1}',
    ]) {
      identity.fail({ status: 200, body })
      await fails('refused')
    }
    identity.fail(undefined)
    await vendor.vend(scope([table], 'read'))
    identity.fail({ status: 403, body: '{"error":"access_denied"}' })
    await fails('refused')
  })
})
