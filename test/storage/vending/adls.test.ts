/** Signatures for clients of tables on Azure, as far as the emulator Azurite can check them. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import { after, before, describe, it, type TestContext } from 'node:test'
import { ContainerClient, type RestError } from '@azure/storage-blob'
import { joinLocation, type Location } from '../../../src/iceberg/location.ts'
import { openObjectStore, openVending, rootLocation, type WarehouseSettings } from '../../../src/storage/open.ts'
import { StorageError } from '../../../src/storage/storage.ts'
import { VendingError, type VendScope } from '../../../src/storage/vending/vending.ts'
import { startAzurite, startOwnAzurite, stopAzurite, type Azurite } from '../../services/azurite.ts'
import { trustedCertificate } from '../../services/certificate.ts'
import { requireService, type Availability } from '../../services/require.ts'

const scope = (prefixes: readonly Location[], access: VendScope['access'], id: string = randomUUID()): VendScope => ({
  prefixes,
  access,
  principal: { id, name: 'ada', tenantId: 't1' },
  lifetimeSeconds: 900,
})
const refused =
  (status: number) =>
  (error: unknown): boolean =>
    (error as RestError).statusCode === status

async function openLake(
  azurite: Azurite,
  vendingStrategy: WarehouseSettings['vendingStrategy'],
  credential: Record<string, string> = { account_key: azurite.accountKey },
): Promise<{ warehouse: WarehouseSettings; clientWith: (sas: string) => ContainerClient }> {
  const container = `c-${randomUUID()}`
  await azurite.createContainer(container)
  const storageConfig = {
    type: 'azure',
    container,
    account_name: azurite.account,
    prefix: 'lake',
    blob_endpoint: azurite.blobEndpoint,
    ...credential,
  }
  return {
    warehouse: { storageConfig, vendingStrategy },
    clientWith: (sas) =>
      new ContainerClient(`${azurite.blobEndpoint}/${container}?${sas}`, undefined, { retryOptions: { maxTries: 1 } }),
  }
}

const parametersOf = (sas: string | undefined): Record<string, string> => Object.fromEntries(new URLSearchParams(sas))

describe('signatures for a table on Azure', () => {
  after(stopAzurite)
  const storageConfig = {
    type: 'azure',
    container: 'lake',
    account_name: 'account',
    account_key: Buffer.alloc(64).toString('base64'),
  }
  const root = rootLocation({ storageConfig })
  const vendorOf = (vendingStrategy: WarehouseSettings['vendingStrategy']) =>
    openVending({ storageConfig, vendingStrategy })!.vendor

  it('are for its directory, to its depth, and say what they allow and when they end', async () => {
    for (const [access, permissions] of [
      ['read', 'rl'],
      ['read-write', 'racwdl'],
    ] as const) {
      const [table, data] = [joinLocation(root, 'ns', 't'), joinLocation(root, 'x')]
      const { credentials, expiresAtMs = 0 } = await vendorOf({ AzureSas: {} }).vend(scope([table, data], access))
      assert.deepEqual(
        credentials.map(({ prefix }) => prefix),
        [table, data],
      )
      const [first, second] = credentials.map(({ config }) => config)
      const { sr, sp, sdd, se, spr, sig = '' } = parametersOf(first?.['adls.sas-token'])
      assert.deepEqual({ sr, sp, sdd, spr }, { sr: 'd', sp: permissions, sdd: '2', spr: 'https' })
      assert.equal(Date.parse(se ?? ''), expiresAtMs)
      assert.equal(parametersOf(second?.['adls.sas-token'])['sdd'], '1')
      assert.notEqual(parametersOf(second?.['adls.sas-token'])['sig'], sig)
      assert.deepEqual(first, {
        'adls.account-name': 'account',
        'adls.sas-token': first?.['adls.sas-token'],
        'adls.sas-token.account.dfs.core.windows.net': first?.['adls.sas-token'],
        'adls.sas-token-expires-at-ms.account.dfs.core.windows.net': String(expiresAtMs),
      })
    }
  })

  it('are never for a whole container unasked, nor for another one', async () => {
    const places = ['abfss://lake@account.dfs.core.windows.net', 'abfss://other@account.dfs.core.windows.net/t'] as Location[]
    for (const place of places) {
      await assert.rejects(
        vendorOf({ AzureSas: {} }).vend(scope([place], 'read')),
        (error) => error instanceof VendingError && error.kind === 'invalid',
      )
    }
  })

  it('the key of the account itself only where the warehouse says so', async () => {
    const { credentials, expiresAtMs } = await vendorOf({ AzureStatic: {} }).vend(scope([joinLocation(root, 't')], 'read'))
    assert.equal(expiresAtMs, undefined)
    assert.deepEqual(credentials[0]?.config, { 'adls.account-name': 'account', 'adls.account-key': storageConfig.account_key })
    const sas = await vendorOf({ AzureSas: {} }).vend(scope([joinLocation(root, 't')], 'read-write'))
    assert.ok(!JSON.stringify(sas).includes(storageConfig.account_key))
  })

  it('with scope container, on Azurite: a reader reads and can not write, a writer writes, and nobody after the end', async (test) => {
    const azurite = requireService(test, await startAzurite())
    if (!azurite) return
    const { warehouse, clientWith } = await openLake(azurite, { AzureSas: { scope: 'container' } })
    const table = joinLocation(rootLocation(warehouse), 'ns', 't')
    const store = openObjectStore(warehouse)
    await store.create(`${table}/f`, Buffer.from('theirs'))
    const vendor = openVending(warehouse)!.vendor
    const clientFor = async (access: VendScope['access'], lifetimeSeconds = 900) => {
      const { credentials } = await vendor.vend({ ...scope([table], access), lifetimeSeconds })
      return clientWith(credentials[0]?.config['adls.sas-token'] ?? '')
    }
    const [reader, writer] = [await clientFor('read'), await clientFor('read-write')]
    assert.equal(String(await reader.getBlobClient('lake/ns/t/f').downloadToBuffer()), 'theirs')
    await assert.rejects(reader.getBlockBlobClient('lake/ns/t/x').upload('x', 1), refused(403))
    await assert.rejects(reader.getBlobClient('lake/ns/t/f').delete(), refused(403))
    await writer.getBlockBlobClient('lake/ns/t/x').upload('x', 1)
    await writer.getBlobClient('lake/ns/t/x').delete()
    await assert.rejects((await clientFor('read', -5)).getBlobClient('lake/ns/t/f').getProperties(), refused(403))
    await store.close()
  })
})

/** Azure's token endpoint for principals. Azurite looks at the claims of a token and at no signature. */
async function startAuthority(): Promise<{
  host: string
  requests: URLSearchParams[]
  fail: (status: number) => void
  stop: () => Promise<void>
}> {
  const requests: URLSearchParams[] = []
  let status = 200
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const form = new URLSearchParams(Buffer.concat(chunks).toString())
    const isRight =
      request.url === '/directory/oauth2/v2.0/token' &&
      form.get('grant_type') === 'client_credentials' &&
      form.get('client_secret') === 'hunter2' &&
      form.get('scope') === 'https://storage.azure.com/.default'
    requests.push(form)
    const now = Math.floor(Date.now() / 1000)
    const claims = {
      aud: 'https://storage.azure.com',
      iss: 'https://sts.windows.net/00000000-0000-0000-0000-000000000001/',
      iat: now,
      nbf: now - 60,
      exp: now + 3600,
      oid: randomUUID(),
      tid: randomUUID(),
      sub: 'x',
      ver: '1.0',
    }
    const token = `${part({ alg: 'RS256', typ: 'JWT' })}.${part(claims)}.c2ln`
    const failed = status !== 200 ? status : isRight ? undefined : 401
    response.writeHead(failed ?? 200, { 'content-type': 'application/json' })
    response.end(
      failed === undefined
        ? JSON.stringify({ token_type: 'Bearer', expires_in: 3599, access_token: token })
        : JSON.stringify({ error: 'invalid_client', error_description: 'hunter2 is wrong' }),
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    host: `http://127.0.0.1:${(server.address() as { port: number }).port}`,
    requests,
    fail: (next) => {
      status = next
    },
    stop: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

describe('signatures by a key that Azure delegates to a principal, on Azurite with TLS', () => {
  let available: Availability<Azurite> = { missing: 'not started' }
  let cleanUp = (): void => {}
  before(async () => {
    const certificate = await trustedCertificate()
    if ('missing' in certificate) return void (available = certificate)
    cleanUp = certificate.value.remove
    available = await startOwnAzurite(certificate.value)
  })
  after(async () => {
    if ('value' in available) await available.value.stop()
    cleanUp()
  })

  const open = async (test: TestContext, strategy: Record<string, string>) => {
    const azurite = requireService(test, available)
    if (!azurite) return undefined
    const authority = await startAuthority()
    test.after(authority.stop)
    const principal = { tenant_id: 'directory', client_id: 'app', client_secret: 'hunter2', authority_host: authority.host }
    return { authority, ...(await openLake(azurite, { AzureSas: strategy }, principal)) }
  }

  it('the principal reads, creates, lists and deletes; one token serves it for long', async (test) => {
    const opened = await open(test, {})
    if (!opened) return
    const store = openObjectStore(opened.warehouse)
    const root = rootLocation(opened.warehouse)
    await store.create(`${root}/t/x`, Buffer.from('x'))
    await assert.rejects(
      store.create(`${root}/t/x`, Buffer.from('y')),
      (error) => error instanceof StorageError && error.kind === 'exists',
    )
    assert.equal(String(await store.read(`${root}/t/x`, { maxBytes: 10 })), 'x')
    for await (const { location } of store.list(`${root}/`)) assert.equal(location, `${root}/t/x`)
    await store.delete([`${root}/t/x`])
    assert.equal(opened.authority.requests.length, 1)
    await store.close()
  })

  it('with scope container: open what they say, by one delegated key for many; changed ones open nothing', async (test) => {
    const opened = await open(test, { scope: 'container' })
    if (!opened) return
    const { warehouse, clientWith, authority } = opened
    const table = joinLocation(rootLocation(warehouse), 't')
    const vendor = openVending(warehouse)!.vendor
    const vended = await Promise.all(
      ['read', 'read-write', 'read'].map((access) => vendor.vend(scope([table], access as 'read'))),
    )
    const sas = vended.map(({ credentials }) => credentials[0]?.config['adls.sas-token'] ?? '')
    const keys = new Set(sas.map((text) => `${parametersOf(text)['skoid']} ${parametersOf(text)['ske']}`))
    assert.equal(keys.size, 1)
    assert.equal(authority.requests.length, 1)
    const [reader, writer] = sas.map(clientWith)
    await writer?.getBlockBlobClient('lake/t/x').upload('x', 1)
    assert.equal(String(await reader?.getBlobClient('lake/t/x').downloadToBuffer()), 'x')
    await assert.rejects(reader!.getBlockBlobClient('lake/t/y').upload('y', 1), refused(403))
    const changed = new URLSearchParams(sas[0])
    changed.set('sp', 'racwdl')
    await assert.rejects(clientWith(changed.toString()).getBlockBlobClient('lake/t/y').upload('y', 1), refused(403))
  })

  it('name the person in a way that Azure logs', async (test) => {
    const opened = await open(test, {})
    if (!opened) return
    const vendor = openVending(opened.warehouse)!.vendor
    const table = joinLocation(rootLocation(opened.warehouse), 't')
    const id = randomUUID()
    const correlated = async (principalId: string): Promise<string | undefined> => {
      const { credentials } = await vendor.vend(scope([table], 'read', principalId))
      return parametersOf(credentials[0]?.config['adls.sas-token'])['scid']
    }
    assert.equal(await correlated(id), id)
    assert.equal(await correlated("x\n&sp=racwdl'"), undefined)
  })

  it('are refused or unavailable as the token endpoint says, without a word of secrets', async (test) => {
    const opened = await open(test, {})
    if (!opened) return
    const table = joinLocation(rootLocation(opened.warehouse), 't')
    for (const [status, kind, storageKind] of [
      [401, 'refused', 'forbidden'],
      [503, 'unavailable', 'unavailable'],
    ] as const) {
      opened.authority.fail(status)
      const silent = (error: Error): boolean => !error.message.includes('hunter2')
      await assert.rejects(
        openVending(opened.warehouse)!.vendor.vend(scope([table], 'read')),
        (error) => error instanceof VendingError && error.kind === kind && silent(error),
      )
      await assert.rejects(
        openObjectStore(opened.warehouse).read(`${table}/x`, { maxBytes: 1 }),
        (error) => error instanceof StorageError && error.kind === storageKind && silent(error),
      )
    }
  })
})
