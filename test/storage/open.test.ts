import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { IcebergError } from '../../src/iceberg/errors.ts'
import { canonicalLocation } from '../../src/iceberg/location.ts'
import {
  changedSettings,
  clientConfig,
  joinSecrets,
  openObjectStore,
  openVending,
  rootLocation,
  splitSecrets,
  validateWarehouse,
  warehouseWarnings,
  type WarehouseChange,
  type WarehouseSettings,
} from '../../src/storage/open.ts'

const refused = (warehouse: WarehouseSettings, message: RegExp, options = {}): void => {
  assert.throws(
    () => validateWarehouse(warehouse, options),
    (error: unknown) => {
      assert.ok(error instanceof IcebergError && error.code === 400, String(error))
      assert.match(error.message, message)
      assert.ok(!error.message.includes('hunter2'))
      return true
    },
  )
}
const s3 = {
  type: 's3',
  bucket: 'lake',
  region: 'eu-west-1',
  endpoint: 'http://127.0.0.1:9000',
  access_key_id: 'AK',
  secret_access_key: 'hunter2',
}

describe('settings of a warehouse', () => {
  it('reads every spelling of a local root', () => {
    for (const config of [
      { type: 'local', path: '/data/lake' },
      { type: 'file', root: 'file:///data/lake/' },
      { location: 'file:/data/lake' },
      { type: 'LOCAL', root: '/data/lake/' },
    ] as Record<string, string>[]) {
      validateWarehouse({ storageConfig: config })
      assert.equal(rootLocation({ storageConfig: config }), 'file:///data/lake')
    }
  })

  it('reads both spellings of S3 settings', () => {
    assert.equal(rootLocation({ storageConfig: s3 }), 's3://lake')
    const dotted = { 's3.bucket': 'lake', 's3.prefix': '/a/b/', 's3.region': 'eu-west-1', 's3.role-arn': 'arn:x' }
    validateWarehouse({ storageConfig: dotted, vendingStrategy: { AwsSts: { role_arn: 'arn:x' } } })
    assert.equal(rootLocation({ storageConfig: dotted }), 's3://lake/a/b')
  })

  it('suggests what was meant', () => {
    refused({ storageConfig: { ...s3, acces_key_id: 'x' } }, /Unknown key "acces_key_id".*did you mean "access_key_id"/)
    refused({ storageConfig: { type: 'S4', bucket: 'x' } }, /Unknown storage type "S4".*did you mean "s3"/)
    refused({ storageConfig: { type: 'local', pth: '/x' } }, /Unknown key "pth".*did you mean "path"/)
    refused({ storageConfig: s3, vendingStrategy: { AwsStatics: {} } }, /did you mean "AwsStatic"/)
    refused({ storageConfig: s3, vendingStrategy: { AwsStatic: { access_key: 'x' } } }, /did you mean "access_key_id"/)
  })

  it('refuses what can not be used', () => {
    refused({ storageConfig: {} }, /must have a type/)
    refused({ storageConfig: { type: 's3' } }, /must have s3.bucket or bucket/)
    refused({ storageConfig: { type: 'local' } }, /must have path or root/)
    refused({ storageConfig: { type: 'local', path: 'relative' } }, /Invalid location/)
    refused({ storageConfig: { type: 'local', path: '/a/../b' } }, /Invalid location/)
    refused({ storageConfig: { type: 'local', path: 's3://bucket/x' } }, /expected the scheme file/)
    refused({ storageConfig: { ...s3, 's3.bucket': 'other' } }, /two values for s3.bucket/)
    refused({ storageConfig: { ...s3, bucket: '../x' } }, /Invalid location/)
    refused({ storageConfig: { ...s3, prefix: 'a/../..' } }, /Invalid location/)
    refused({ storageConfig: { ...s3, 's3.path-style-access': 'maybe' } }, /true or false/)
    refused({ storageConfig: { type: 's3', bucket: 'lake', secret_access_key: 'hunter2' } }, /together/)
    refused({ storageConfig: s3, vendingStrategy: { AwsStatic: { access_key_id: 'x' } } }, /together/)
    refused({ storageConfig: { ...s3, region: 'eu\nwest' } }, /not allowed/)
    refused({ storageConfig: s3, vendingStrategy: { AwsStatic: {}, AwsSts: {} } }, /one variant/)
    refused({ storageConfig: { type: 'local', path: '/x' }, vendingStrategy: { AwsStatic: {} } }, /Unknown vending_strategy/)
    for (const key of ['__proto__', 'constructor', 'toString'])
      refused({ storageConfig: Object.fromEntries([...Object.entries(s3), [key, 'x']]) }, /Unknown key/)
  })

  it('refuses endpoints that are none, and those that hand out credentials of the machine', () => {
    for (const endpoint of [
      '127.0.0.1:9000',
      'ftp://x',
      'http://u:p@x',
      'http://x/path',
      'http://x/?q',
      'http://x#f',
      'file:///x',
    ]) {
      refused({ storageConfig: { ...s3, endpoint } }, /s3.endpoint must be a URL/)
    }
    for (const host of [
      '169.254.169.254',
      '2852039166',
      '0xa9fea9fe',
      '169.254.169.254.',
      '[fd00:ec2::254]',
      '[::ffff:169.254.169.254]',
      '[fe80::1]',
      'metadata.google.internal',
      'METADATA',
    ]) {
      refused({ storageConfig: { ...s3, endpoint: `http://${host}` } }, /metadata service/)
    }
  })

  it('holds local warehouses below the allowed folders', () => {
    const at = (path: string): WarehouseSettings => ({ storageConfig: { type: 'local', path } })
    validateWarehouse(at('/data/lake/x'), { localRoots: ['/data/lake'] })
    validateWarehouse(at('/data/lake'), { localRoots: ['/tmp', '/data/lake/'] })
    refused(at('/data/lake2'), /must lie below/, { localRoots: ['/data/lake'] })
    refused(at('/etc'), /must lie below/, { localRoots: [] })
    assert.throws(() => openObjectStore(at('/etc'), { localRoots: ['/data'] }), /must lie below/)
  })
})

describe('secrets of a warehouse', () => {
  const whole: WarehouseSettings = {
    storageConfig: { ...s3, session_token: 'hunter2-token' },
    vendingStrategy: { AwsStatic: { access_key_id: 'AK2', secret_access_key: 'hunter2-static' } },
  }
  it('are taken out, and put back as they were', () => {
    const { open, secrets } = splitSecrets(whole)
    assert.ok(!JSON.stringify(open).includes('hunter2'))
    assert.deepEqual(secrets, {
      storageConfig: { secret_access_key: 'hunter2', session_token: 'hunter2-token' },
      vendingStrategy: { secret_access_key: 'hunter2-static' },
    })
    assert.deepEqual(joinSecrets(open, secrets), whole)
  })
  it('are absent where there are none', () => {
    for (const warehouse of [
      { storageConfig: { type: 'local', path: '/x' } },
      { storageConfig: { type: 's3', bucket: 'lake' }, vendingStrategy: 'None' },
    ]) {
      const { open, secrets } = splitSecrets(warehouse)
      assert.equal(secrets, undefined)
      assert.deepEqual(joinSecrets(open, secrets).storageConfig, warehouse.storageConfig)
    }
  })
})

describe('a change of a warehouse', () => {
  const old: WarehouseSettings = {
    storageConfig: { ...s3, session_token: 'hunter2-token' },
    vendingStrategy: { AwsStatic: { access_key_id: 'AK2', secret_access_key: 'hunter2-static' } },
  }
  const credential = { access_key_id: 'AK', secret_access_key: 'hunter2', session_token: 'hunter2-token' }
  const config = (sent: Record<string, string | null>) => changedSettings(old, { storageConfig: sent }).storageConfig
  const place = { 's3.bucket': 'other', 's3.region': 'us-east-1' }

  const { endpoint, type } = s3
  const kept = { endpoint, type }

  it('replaces what is given, removes what is null, and keeps the rest', () => {
    assert.deepEqual(config(place), { ...kept, ...place, ...credential })
    assert.deepEqual(changedSettings(old, {}), old)
    assert.deepEqual(config({ ...place, secret_access_key: '' }), { ...kept, ...place, ...credential })
    assert.deepEqual(config({ bucket: 'other' }), { ...old.storageConfig, bucket: 'other' })
    assert.deepEqual(config({ 's3.region': null, 's3.path-style-access': 'true' }), {
      ...Object.fromEntries(Object.entries(old.storageConfig).filter(([key]) => key !== 'region')),
      's3.path-style-access': 'true',
    })
  })
  it('keeps the secret of an id that is sent as it was, in any spelling', () => {
    const { access_key_id: _id, ...secrets } = credential
    const sent = { ...place, 's3.access-key-id': 'AK' }
    assert.deepEqual(config(sent), { ...kept, ...sent, ...secrets })
    const all = { ...sent, 's3.secret-access-key': 'hunter2' }
    assert.deepEqual(config(all), { ...kept, ...all, session_token: 'hunter2-token' })
    assert.deepEqual(config({ ...sent, session_token: null }), { ...kept, ...sent, secret_access_key: 'hunter2' })
  })
  it('never puts the secret of one credential to the id of another, or sends it to another endpoint', () => {
    for (const sent of [{ access_key_id: 'AK9' }, { 's3.secret-access-key': 'new' }, { access_key_id: 'AK9', secret_key: 'new' }])
      assert.deepEqual(config({ ...place, ...sent }), { ...kept, ...place, ...sent })
    assert.deepEqual(config({ ...place, access_key_id: null, secret_access_key: null }), { ...kept, ...place })
    assert.deepEqual(config({ ...place, endpoint: 'http://evil' }), { ...place, type, endpoint: 'http://evil' })
    assert.deepEqual(config({ ...place, endpoint: null }), { ...place, type })
    assert.deepEqual(config({ type: 'local', path: '/x' }), { type: 'local', path: '/x' })
  })
  it('merges a vending strategy within its variant, and keeps its secret where the id is as it was', () => {
    const strategy = (vendingStrategy: WarehouseChange['vendingStrategy']) =>
      changedSettings(old, { vendingStrategy }).vendingStrategy
    assert.deepEqual(strategy({ AwsStatic: { access_key_id: 'AK2' } }), old.vendingStrategy)
    assert.deepEqual(strategy({ AwsStatic: {} }), old.vendingStrategy)
    for (const sent of [{ AwsStatic: { access_key_id: 'AK3' } }, { AwsSts: { role_arn: 'r' } }, 'None', null])
      assert.deepEqual(strategy(sent), sent)
    assert.deepEqual(strategy({ AwsStatic: { access_key_id: null, secret_access_key: null } }), { AwsStatic: {} })
  })
})

describe('clientConfig', () => {
  it('tells where the storage is, in the words of every client, and no secret', () => {
    for (const vendingStrategy of [undefined, null, 'None', { None: {} }, { AwsSts: { role_arn: 'x' } }, { AwsStatic: {} }]) {
      assert.deepEqual(clientConfig({ storageConfig: s3, vendingStrategy }), {
        's3.endpoint': 'http://127.0.0.1:9000/',
        's3.region': 'eu-west-1',
        'client.region': 'eu-west-1',
        's3.path-style-access': 'true',
        's3.force-virtual-addressing': 'false',
      })
    }
    for (const endpoint of ['https://minio.example', 'https://minio.example/', 'https://minio.example:9000/']) {
      const told = clientConfig({ storageConfig: { ...s3, endpoint } })['s3.endpoint']
      assert.equal(told, endpoint.endsWith('/') ? endpoint : `${endpoint}/`, 'clients put paths behind it')
    }
    assert.deepEqual(clientConfig({ storageConfig: { type: 'local', path: '/x' } }), {})
    assert.deepEqual(clientConfig({ storageConfig: { type: 's3', bucket: 'lake' } }), {})
  })
})

describe('the vendor of a warehouse', () => {
  const keysOf = async (warehouse: WarehouseSettings) => {
    const vending = openVending(warehouse)
    const principal = { id: 'p', name: 'p', tenantId: 't' }
    const prefixes = [canonicalLocation('s3://lake/t')]
    return (await vending?.vendor.vend({ prefixes, access: 'read', principal, lifetimeSeconds: 900 }))?.credentials[0]?.config
  }
  it('hands out static credentials where the warehouse says so, and never the secret of one pair with the id of another', async () => {
    assert.deepEqual(await keysOf({ storageConfig: s3, vendingStrategy: { AwsStatic: {} } }), {
      's3.access-key-id': 'AK',
      's3.secret-access-key': 'hunter2',
    })
    const other = { access_key_id: 'AK2', secret_access_key: 'S2' }
    assert.deepEqual(await keysOf({ storageConfig: { ...s3, session_token: 'T1' }, vendingStrategy: { AwsStatic: other } }), {
      's3.access-key-id': 'AK2',
      's3.secret-access-key': 'S2',
    })
    for (const vendingStrategy of [undefined, null, 'None', { None: {} }])
      assert.equal(openVending({ storageConfig: s3, vendingStrategy }), undefined)
    // There are no keys to hand out.
    assert.equal(openVending({ storageConfig: { type: 's3', bucket: 'lake' }, vendingStrategy: 'AwsStatic' }), undefined)
  })
  it('gives them to those who ask, or to all where that is said, and the warehouse carries a warning', () => {
    const strategy = (always?: string) => ({ storageConfig: s3, vendingStrategy: { AwsStatic: always ? { always } : {} } })
    assert.equal(openVending(strategy())?.always, false)
    assert.equal(openVending(strategy('false'))?.always, false)
    assert.equal(openVending(strategy('true'))?.always, true)
    refused(strategy('maybe'), /always must be true or false/)
    assert.match(warehouseWarnings(strategy()).join(), /AwsStatic: everybody who may read one table/)
    assert.match(warehouseWarnings({ storageConfig: s3 }).join(), /clients get no credentials/)
    assert.deepEqual(warehouseWarnings({ storageConfig: { type: 'local', path: '/x' } }), [])
  })
  it('assumes roles only with settings that can be used', () => {
    const sts = (fields: Record<string, string>, options = {}) => {
      const warehouse = { storageConfig: s3, vendingStrategy: { AwsSts: fields } }
      validateWarehouse(warehouse, options)
      return openVending(warehouse, options)
    }
    const wrong = (fields: Record<string, string>, message: RegExp) =>
      refused({ storageConfig: s3, vendingStrategy: { AwsSts: fields } }, message)
    const role_arn = 'arn:aws:iam::123456789012:role/lake'
    assert.deepEqual(sts({ role_arn })?.vendor.lifetime, { seconds: 3600, leastSeconds: 900 })
    assert.deepEqual(sts({ role_arn, lifetime_seconds: '900' })?.vendor.lifetime, { seconds: 900, leastSeconds: 900 })
    validateWarehouse({ storageConfig: { ...s3, 's3.role-arn': role_arn }, vendingStrategy: 'AwsSts' })
    wrong({}, /must have role_arn/)
    wrong({ role_arn: 'a b' }, /role_arn must be/)
    for (const lifetime_seconds of ['899', '43201', '-1', '1e3', '15 minutes'])
      wrong({ role_arn, lifetime_seconds }, /from 900 to 43200/)
    wrong({ role_arn, external_id: 'a"b' }, /external_id must have/)
    wrong({ role_arn, sts_endpoint: 'http://169.254.169.254' }, /sts_endpoint must not be the metadata service/)
    wrong({ role_arn, sts_endpoint: 'http://u:p@sts' }, /sts_endpoint must be a URL/)
    wrong({ role_arn, session_tags: 'yes' }, /session_tags must be true or false/)
    wrong({ role_arn, web_identity: 'true' }, /PANGOLIN_WEB_IDENTITY_TOKEN_FILE/)
    assert.ok(sts({ role_arn, web_identity: 'true' }, { webIdentityTokenFile: '/run/token' }))
  })
})
