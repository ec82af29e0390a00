/** Settings of warehouses on Azure and Google: spellings, refusals, secrets and where these may be sent. */
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { describe, it } from 'node:test'
import { IcebergError } from '../../src/iceberg/errors.ts'
import {
  changedSettings,
  clientConfig,
  joinSecrets,
  rootLocation,
  splitSecrets,
  validateWarehouse,
  warehouseWarnings,
  type WarehouseSettings,
} from '../../src/storage/open.ts'

const accountKey = Buffer.from('hunter2-hunter2').toString('base64')
const pem = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
}).privateKey
const keyFile = (change: object = {}): string =>
  JSON.stringify(
    { type: 'service_account', client_email: 'lake@p.iam.gserviceaccount.com', private_key: pem, ...change },
    null,
    2,
  )

const azure = { type: 'azure', container: 'lake', account_name: 'account', account_key: accountKey }
const principal = { tenant_id: 't', client_id: 'c', client_secret: 'hunter2' }
const { account_key: _key, ...azurePlace } = azure
const google = { type: 'gcs', bucket: 'lake', service_account_key: keyFile() }

const refused = (
  storageConfig: Record<string, string>,
  message: RegExp,
  vendingStrategy: WarehouseSettings['vendingStrategy'] = null,
): void => {
  assert.throws(
    () => validateWarehouse({ storageConfig, vendingStrategy }),
    (error: unknown) => {
      assert.ok(error instanceof IcebergError && error.code === 400, String(error))
      assert.match(error.message, message)
      assert.ok(!/hunter2|PRIVATE KEY|[A-Za-z0-9+/]{60}/.test(error.message), error.message)
      return true
    },
  )
}

describe('settings of a warehouse on Azure', () => {
  it('are read in both spellings, and tell the kind by themselves', () => {
    const dotted = {
      'azure.container': 'lake',
      'azure.account-name': 'account',
      'azure.account-key': accountKey,
      'azure.prefix': '/a/b/',
      'azure.endpoint-suffix': 'core.usgovcloudapi.net',
    }
    for (const config of [azure, { ...azurePlace, ...principal }, dotted] as Record<string, string>[]) {
      validateWarehouse({ storageConfig: config })
      const { type: _type, ...untyped } = config
      validateWarehouse({ storageConfig: untyped })
    }
    assert.equal(rootLocation({ storageConfig: azure }), 'abfss://lake@account.dfs.core.windows.net')
    assert.equal(rootLocation({ storageConfig: dotted }), 'abfss://lake@account.dfs.core.usgovcloudapi.net/a/b')
  })

  it('are refused where they can not be used', () => {
    refused(azurePlace, /must have azure.account-key, or azure.tenant-id/)
    refused({ ...azurePlace, tenant_id: 't', client_id: 'c' }, /together/)
    refused({ ...azure, account_key: 'not base64!' }, /base64/)
    refused({ ...azure, account_name: 'evil.com/' }, /3 to 24/)
    refused({ ...azure, account_name: 'Account' }, /3 to 24/)
    refused({ ...azure, container: 'a--b' }, /single hyphens/)
    refused({ ...azure, prefix: 'a/../b' }, /segments/)
    refused({ ...azure, endpoint_suffix: 'evil.com/x' }, /domain/)
    refused({ ...azure, blob_endpoint: 'http://169.254.169.254/' }, /metadata service/)
    refused({ ...azure, blob_endpoint: 'https://u:p@x/' }, /must be a URL/)
    refused({ ...azurePlace, ...principal, authority_host: 'http://metadata.google.internal' }, /metadata service/)
    refused({ ...azurePlace, ...principal, authority_host: 'https://x/y' }, /must be a URL/)
    refused({ ...azurePlace, ...principal, tenant_id: '../x' }, /directory/)
    refused({ ...azurePlace, ...principal, blob_endpoint: 'http://127.0.0.1:1' }, /https/)
    refused({ ...azure, acount_name: 'x' }, /did you mean "account_name"/)
  })

  it('tell clients where the account is served, and no secret', () => {
    assert.deepEqual(clientConfig({ storageConfig: azure }), { 'adls.account-name': 'account' })
    const storageConfig = { ...azure, blob_endpoint: 'http://127.0.0.1:1/account', dfs_endpoint: 'https://dfs.private/' }
    assert.deepEqual(clientConfig({ storageConfig }), {
      'adls.account-name': 'account',
      'adls.blob-storage-authority': '127.0.0.1:1',
      'adls.blob-storage-scheme': 'http',
      'adls.dfs-storage-authority': 'dfs.private',
      'adls.dfs-storage-scheme': 'https',
      'adls.connection-string.account.dfs.core.windows.net': 'https://dfs.private',
    })
  })

  it('keep secrets apart, and with a change only where they are sent where they were', () => {
    const old = { storageConfig: { ...azure, ...principal } }
    const { open, secrets } = splitSecrets(old)
    assert.deepEqual(secrets, { storageConfig: { account_key: accountKey, client_secret: 'hunter2' } })
    assert.deepEqual(joinSecrets(open, secrets).storageConfig, old.storageConfig)
    const changed = (sent: Record<string, string | null>) => changedSettings(old, { storageConfig: sent }).storageConfig
    assert.deepEqual(changed({ ...azurePlace, container: 'other' }), { ...old.storageConfig, container: 'other' })
    assert.deepEqual(changed({ ...azurePlace, client_id: 'c' }), old.storageConfig)
    // The authority would get the secret, the endpoint what is signed with it.
    assert.deepEqual(changed({ ...azurePlace, client_id: 'c', tenant_id: 't', authority_host: 'https://evil' }), {
      ...azurePlace,
      account_key: accountKey,
      client_id: 'c',
      tenant_id: 't',
      authority_host: 'https://evil',
    })
    const elsewhere = { ...azurePlace, blob_endpoint: 'https://evil' }
    assert.deepEqual(changed(elsewhere), elsewhere)
    const another = { ...azurePlace, account_name: 'another' }
    assert.deepEqual(changed(another), another)
    assert.deepEqual(changed({ ...azurePlace, account_key: null }), { ...azurePlace, ...principal })
    assert.deepEqual(changed({ ...azurePlace, client_id: 'd' }), { ...azure, client_id: 'd' })
  })
})

describe('settings of a warehouse on Google Cloud Storage', () => {
  it('are read in both spellings, with key files of several lines', () => {
    const dotted = { 'gcp.bucket': 'lake', 'gcp.service-account': keyFile(), 'gcs.prefix': 'a' }
    for (const storageConfig of [
      google,
      dotted,
      { type: 'gcp', bucket: 'lake' },
      { bucket: 'lake', project_id: 'my-project' },
    ] as Record<string, string>[])
      validateWarehouse({ storageConfig })
    assert.equal(rootLocation({ storageConfig: google }), 'gs://lake')
    assert.equal(rootLocation({ storageConfig: dotted }), 'gs://lake/a')
    // What both S3 and Google know is S3's, as ever.
    assert.equal(rootLocation({ storageConfig: { bucket: 'lake' } }), 's3://lake')
  })

  it('are refused where they can not be used', () => {
    const withKey = (service_account_key: string) => ({ ...google, service_account_key })
    refused(withKey('/etc/passwd'), /must be the JSON/)
    refused(withKey('[]'), /client_email and private_key/)
    refused(withKey('{"client_email":1,"private_key":{}}'), /client_email and private_key/)
    refused(withKey(keyFile({ private_key: 'hunter2' })), /in PEM/)
    refused(withKey(keyFile({ client_email: 'nobody' })), /e-mail/)
    refused(withKey(keyFile({ token_uri: 'http://169.254.169.254/x' })), /metadata service/)
    refused(withKey(keyFile({ token_uri: 'file:///etc/passwd' })), /must be a URL/)
    const elliptic = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({
      type: 'pkcs8',
      format: 'pem',
    }) as string
    refused(withKey(keyFile({ private_key: elliptic })), /RSA/)
    refused({ ...google, project_id: 'x y' }, /project/)
    refused({ ...google, no_auth: 'maybe' }, /true or false/)
    refused({ ...google, bucket: '../x' }, /Invalid location/)
    refused({ ...google, bucket: 'la\nke' }, /not allowed/)
  })

  it("send the machine's own token to Google and to this machine alone", () => {
    const ambient = { type: 'gcs', bucket: 'lake' }
    for (const host of [
      'https://storage.googleapis.com',
      'https://storage-psc.p.googleapis.com',
      'http://127.0.0.1:1',
      'http://localhost:1',
    ])
      validateWarehouse({ storageConfig: { ...ambient, service_host: host } })
    for (const host of [
      'https://evil.com',
      'http://storage.googleapis.com',
      'https://storage.googleapis.com.evil.com',
      'https://xgoogleapis.com',
      'http://10.0.0.1',
    ]) {
      refused({ ...ambient, service_host: host }, /googleapis.com/)
      refused({ ...ambient, sts_endpoint: `${host}/v1/token` }, /googleapis.com/)
      validateWarehouse({ storageConfig: { ...google, service_host: host } })
    }
  })

  it('tell clients of the project and the emulator, and no secret', () => {
    assert.deepEqual(clientConfig({ storageConfig: google }), {})
    assert.deepEqual(clientConfig({ storageConfig: { ...google, project_id: 'p1', service_host: 'http://127.0.0.1:1/' } }), {
      'gcs.project-id': 'p1',
      'gcs.service.host': 'http://127.0.0.1:1',
    })
  })

  it('keep the key apart, and with a change only where its tokens go where they went', () => {
    const old = { storageConfig: google }
    assert.deepEqual(splitSecrets(old).secrets, { storageConfig: { service_account_key: google.service_account_key } })
    const changed = (sent: Record<string, string | null>) => changedSettings(old, { storageConfig: sent }).storageConfig
    const place = { type: 'gcs', bucket: 'other' }
    assert.deepEqual(changed(place), { ...google, ...place })
    for (const evil of [{ service_host: 'https://evil' }, { sts_endpoint: 'https://evil/x' }, { token_uri: 'https://evil/x' }])
      assert.deepEqual(changed({ ...place, ...evil }), { ...place, ...evil })
  })
})

describe('secrets of a vending strategy', () => {
  it('do not follow the warehouse to other endpoints', () => {
    const strategy = { service_account_email: 'a@b.c', private_key: pem }
    const old = { storageConfig: { type: 'gcs', bucket: 'lake' }, vendingStrategy: { GcpDownscoped: strategy } }
    const moved = changedSettings(old, { storageConfig: { type: 'gcs', bucket: 'lake', sts_endpoint: 'https://evil/x' } })
    assert.deepEqual(moved.vendingStrategy, { GcpDownscoped: { service_account_email: 'a@b.c' } })
    assert.deepEqual(
      changedSettings(old, { storageConfig: { type: 'gcs', bucket: 'other' } }).vendingStrategy,
      old.vendingStrategy,
    )
  })

  it('are refused where they are no credential', () => {
    refused(azure, /of storage_config/, { AzureSas: { account_name: 'another' } })
    refused(azure, /base64/, { AzureSas: { account_key: 'hunter2!' } })
    refused(azure, /directory or container/, { AzureSas: { scope: 'everything' } })
    refused(azure, /lifetime_seconds/, { AzureSas: { lifetime_seconds: '1' } })
    refused({ ...azurePlace, ...principal }, /needs an account_key/, { AzureStatic: {} })
    refused(google, /together/, { GcpDownscoped: { service_account_email: 'a@b.c' } })
    refused({ ...google, service_account_key: '', no_auth: 'true' }, /needs a service account/, { GcpDownscoped: {} })
    refused(google, /did you mean/, { GcpDownscope: {} })
    validateWarehouse({
      storageConfig: azurePlace,
      vendingStrategy: { AzureSas: { account_name: 'account', account_key: accountKey } },
    })
  })

  it('are warned of where they open more than a table', () => {
    const warnings = (vendingStrategy: WarehouseSettings['vendingStrategy']) =>
      warehouseWarnings({ storageConfig: azure, vendingStrategy })
    assert.match(warnings({ AzureSas: { scope: 'container' } }).join(), /^vending_strategy AzureSas: .* whole container/)
    assert.match(warnings({ AzureStatic: {} }).join(), /^vending_strategy AzureStatic: .* do not expire/)
    for (const strategy of [{ AzureSas: {} }, { AzureSas: { scope: 'directory' } }]) assert.deepEqual(warnings(strategy), [])
    for (const strategy of ['None', null, undefined]) assert.match(warnings(strategy).join(), /clients get no credentials/)
  })
})
