/** The test of a warehouse, over the wire: on a folder, on MinIO, on Azurite and on fake-gcs-server, in order and broken. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { after, describe, it, type TestContext } from 'node:test'
import { PutBucketPolicyCommand, S3Client } from '@aws-sdk/client-s3'
import { openObjectStore } from '../../src/storage/open.ts'
import { startAzurite, stopAzurite } from '../services/azurite.ts'
import { startBoundaryProxy } from '../services/gcs-boundary-proxy.ts'
import { startFakeGcs, stopFakeGcs } from '../services/gcs.ts'
import { startGoogleIdentity } from '../services/google-identity.ts'
import { startMinio } from '../services/minio.ts'
import { requireService } from '../services/require.ts'
import { EVERY_CHECK } from '../storage/vending/scope.ts'
import { call, startTestServer, type Answer, type TestServer } from './harness.ts'

interface Check {
  readonly name: string
  readonly status: string
  readonly message: string
  readonly fix: string | null
}

const NEW = '/api/v1/warehouses/test'
type Config = Readonly<Record<string, string>>

function checksOf(answer: Answer): { ok: boolean; checks: Check[]; named: (name: string) => Check } {
  assert.equal(answer.status, 200, answer.text)
  const { ok, checks } = answer.json as { ok: boolean; checks: Check[] }
  assert.equal(
    ok,
    checks.every(({ status }) => status !== 'failed'),
  )
  for (const { status, fix, message } of checks) {
    assert.equal(fix === null, status !== 'failed', answer.text)
    assert.doesNotMatch(`${message} ${fix}`, /\n|\bat \w+ \(|node_modules/)
  }
  const named = (name: string): Check => {
    const check = checks.find((each) => each.name === name)
    return check ?? assert.fail(`no check ${name}: ${answer.text}`)
  }
  return { ok, checks, named }
}

const tested = async (server: TestServer, storage_config: Config, vending_strategy?: object) =>
  checksOf(await call(server, 'POST', NEW, { body: { name: 'w', storage_config, vending_strategy } }))

/** A policy with which a bucket serves its objects to everybody. */
async function readableByAll({ bucket: Bucket, endpoint, region, access_key_id, secret_access_key }: Config): Promise<void> {
  const credentials = { accessKeyId: access_key_id!, secretAccessKey: secret_access_key! }
  const client = new S3Client({ endpoint: endpoint!, region: region!, forcePathStyle: true, credentials })
  const Statement = [{ Effect: 'Allow', Principal: '*', Action: ['s3:GetObject'], Resource: [`arn:aws:s3:::${Bucket}/*`] }]
  await client.send(new PutBucketPolicyCommand({ Bucket, Policy: JSON.stringify({ Version: '2012-10-17', Statement }) }))
  client.destroy()
}

/** All that lies in the warehouse. */
async function filesOf(storageConfig: Config): Promise<string[]> {
  const store = openObjectStore({ storageConfig })
  const { bucket, container, account_name } = storageConfig
  const scheme = storageConfig['type'] === 'gcs' ? 'gs' : 's3'
  const root = container === undefined ? `${scheme}://${bucket}` : `abfss://${container}@${account_name}.dfs.core.windows.net`
  const found = []
  for await (const { location } of store.list(`${root}/${storageConfig['prefix']}/`)) found.push(location)
  await store.close()
  return found
}

const failures = (checks: readonly Check[]): string[] =>
  checks.filter(({ status }) => status === 'failed').map(({ name }) => name)

describe('the test of a warehouse in a folder', () => {
  it('writes, reads, lists, deletes, and leaves nothing', async (t) => {
    const server = await startTestServer(t)
    const folder = join(server.dataDirectory, 'warehouse')
    const before = await readdir(folder).catch(() => [])
    for (const answer of [
      await call(server, 'POST', '/api/v1/warehouses/local/test'),
      await call(server, 'POST', NEW, { body: { name: 'new', storage_config: { type: 'local', path: folder } } }),
    ]) {
      const { ok, checks } = checksOf(answer)
      assert.ok(ok, answer.text)
      assert.deepEqual(
        checks.map(({ name, status }) => `${name} ${status}`),
        [...EVERY_CHECK.slice(0, 5).map((name) => `${name} passed`), 'vending skipped', 'cleanup passed'],
      )
    }
    assert.deepEqual(await readdir(folder), before)
    const names = (await call(server, 'GET', '/api/v1/warehouses')).json.map(({ name }: { name: string }) => name)
    assert.deepEqual(names, ['local'], 'nothing was saved')
    assert.ok(server.log.some((line) => line.includes('warehouse-tested')))
  })

  it('says what to do about a folder that can not be written', { skip: process.platform !== 'linux' }, async (t) => {
    const server = await startTestServer(t, { PANGOLIN_LOCAL_ROOTS: '/sys/pangolin-test' })
    const { ok, checks, named } = await tested(server, { type: 'local', path: '/sys/pangolin-test' })
    assert.ok(!ok)
    assert.match(named('server.write').fix ?? '', /sys\/pangolin-test/)
    assert.match(named('server.write').fix ?? '', /chown|read-only file system/)
    assert.deepEqual(failures(checks), ['server.write'])
    assert.equal(named('server.read').status, 'skipped')
  })

  it('says what to do about a folder that is a file', async (t) => {
    const server = await startTestServer(t)
    const file = join(server.dataDirectory, 'warehouse', 'file')
    await call(server, 'POST', '/api/v1/warehouses/local/test')
    writeFileSync(file, '')
    const { named } = await tested(server, { type: 'local', path: join(file, 'below') })
    assert.match(named('server.write').fix ?? '', /is a file: choose another path/)
  })

  it('is for warehouses that could be made, and for who may make them', async (t) => {
    const server = await startTestServer(t)
    const ask = async (body: unknown, path = NEW, token?: string) =>
      (await call(server, 'POST', path, { body, ...(token && { token }) })).status
    assert.equal(await ask({ name: 'w', storage_config: { type: 'local', path: '/etc' } }), 400)
    const metadata = { bucket: 'b', endpoint: 'http://169.254.169.254' }
    assert.equal(await ask({ name: 'w', storage_config: metadata }), 400)
    assert.equal(await ask({ name: 'w', storage_config: { type: 'local' }, more: 1 }), 422)
    assert.equal(await ask({ name: 'no/name', storage_config: {} }), 400)
    assert.equal(await ask({}, '/api/v1/warehouses/nowhere/test'), 404)
    const { token } = (await call(server, 'POST', '/api/v1/tokens', { body: { access: 'read-write' } })).json
    assert.equal(await ask({}, '/api/v1/warehouses/local/test', token), 403)
    assert.equal(await ask({}, '/api/v1/warehouses/nowhere/test', token), 403)
    assert.equal(await ask({}, NEW, token), 403)
  })

  it('leaves a warehouse named test its place', async (t) => {
    const server = await startTestServer(t)
    const path = join(server.dataDirectory, 'warehouse', 'of-test')
    const made = await call(server, 'POST', '/api/v1/warehouses', {
      body: { name: 'test', storage_config: { type: 'local', path } },
    })
    assert.equal(made.status, 201, made.text)
    assert.equal((await call(server, 'GET', NEW)).json.name, 'test')
    assert.ok(checksOf(await call(server, 'POST', `${NEW}/test`)).ok)
    assert.equal((await call(server, 'PUT', NEW, { body: {} })).status, 200)
    const options = await call(server, 'PATCH', NEW)
    assert.deepEqual([options.status, options.headers.get('allow')], [405, 'DELETE, GET, HEAD, OPTIONS, POST, PUT'])
    assert.equal((await call(server, 'DELETE', NEW)).status, 204)
    assert.equal((await call(server, 'GET', NEW)).status, 404)
  })
})

describe('the test of a warehouse on MinIO', () => {
  after(async () => {
    const minio = await startMinio()
    if ('value' in minio) await minio.value.stop()
  })
  const role = { AwsSts: { role_arn: 'arn:aws:iam::123456789012:role/lake' } }

  const open = async (t: TestContext): Promise<{ server: TestServer; config: Config } | undefined> => {
    const minio = requireService(t, await startMinio())
    if (minio === undefined) return undefined
    const bucket = `b-${randomUUID()}`
    await minio.createBucket(bucket)
    const { endpoint, region, accessKey: access_key_id, secretKey: secret_access_key } = minio
    const config = { type: 's3', bucket, prefix: 'lake', endpoint, region, access_key_id, secret_access_key }
    return { server: await startTestServer(t), config }
  }

  it('passes every check, also of a saved one, and leaves nothing', async (t) => {
    const { server, config } = (await open(t)) ?? {}
    if (server === undefined || config === undefined) return
    await call(server, 'POST', '/api/v1/warehouses', { body: { name: 'w', storage_config: config, vending_strategy: role } })
    const saved = await call(server, 'POST', '/api/v1/warehouses/w/test')
    for (const { ok, checks } of [await tested(server, config, role), checksOf(saved)]) {
      assert.ok(ok, JSON.stringify(checks))
      assert.deepEqual(
        checks.map(({ name, status }) => `${name} ${status}`),
        EVERY_CHECK.map((name) => `${name} passed`),
      )
    }
    assert.ok(!saved.text.includes(config['secret_access_key'] ?? ''))
    assert.deepEqual(await filesOf(config), [])
  })

  it('says of keys that are handed out as they are that nothing holds them to a table', async (t) => {
    const { server, config } = (await open(t)) ?? {}
    if (server === undefined || config === undefined) return
    const { ok, named } = await tested(server, config, { AwsStatic: {} })
    assert.ok(ok)
    for (const name of ['writer.sibling', 'reader.no-write', 'reader.above']) {
      assert.equal(named(name).status, 'skipped')
      assert.match(named(name).message, /open all of it/)
    }
    assert.equal(named('writer.delete').status, 'passed')
    assert.deepEqual(await filesOf(config), [])
  })

  it('has requests signed as clients have, and knows a bucket that takes them without', async (t) => {
    const { server, config } = (await open(t)) ?? {}
    if (server === undefined || config === undefined) return
    const names = ['write', 'read', 'list', 'delete', 'unsigned'].map((name) => `signed.${name}`)
    for (const strategy of [{ AwsSigning: {} }, { AwsSigning: { bulk_deletes: 'true' } }]) {
      const { ok, checks, named } = await tested(server, config, strategy)
      assert.ok(ok, JSON.stringify(checks))
      assert.match(named('vending').message, /the server signs their requests/)
      for (const name of names) assert.equal(named(name).status, 'passed', name)
    }
    const both = await tested(server, config, { AwsSts: { ...role.AwsSts, remote_signing: 'true' } })
    assert.ok(both.ok, JSON.stringify(both.checks))
    for (const name of [...names, 'writer.sibling']) assert.equal(both.named(name).status, 'passed', name)

    await readableByAll(config)
    const opened = await tested(server, config, { AwsSigning: {} })
    assert.equal(opened.named('signed.unsigned').status, 'failed')
    assert.match(opened.named('signed.unsigned').message, /Anybody could read s3:.* without a signature/)
    assert.match(opened.named('signed.unsigned').fix ?? '', /Make the bucket private/)
    assert.deepEqual(await filesOf(config), [])
  })

  it('says of keys that sign wrongly what is wrong', async (t) => {
    const { server, config } = (await open(t)) ?? {}
    if (server === undefined || config === undefined) return
    const { ok, named } = await tested(server, { ...config, secret_access_key: 'wrong-wrong' }, { AwsSigning: {} })
    assert.ok(!ok)
    assert.equal(named('signed.write').status, 'skipped')
    assert.match(named('signed.write').message, /needs server\.write/)
  })

  it('says what to do about each thing that is wrong', async (t) => {
    const { server, config } = (await open(t)) ?? {}
    if (server === undefined || config === undefined) return
    const fixOf = async (change: Config, name = 'server.write', strategy?: object): Promise<string> => {
      const { ok, named } = await tested(server, { ...config, ...change }, strategy)
      assert.ok(!ok)
      assert.equal(named(name).status, 'failed', JSON.stringify(named(name)))
      return `${named(name).message} | ${named(name).fix}`
    }
    assert.match(
      await fixOf({ secret_access_key: 'wrong-wrong' }),
      /SignatureDoesNotMatch \| s3\.secret-access-key does not belong/,
    )
    assert.match(await fixOf({ access_key_id: 'nobody' }), /InvalidAccessKeyId \| .* does not know this access key.*nobody/)
    assert.match(await fixOf({ bucket: 'no-such-bucket' }), /NoSuchBucket \| Make the bucket no-such-bucket/)
    assert.match(await fixOf({ endpoint: 'http://127.0.0.1:1' }), /ECONNREFUSED \| Nothing listens at http:\/\/127\.0\.0\.1:1/)
    assert.match(await fixOf({ endpoint: config['endpoint']!.replace('http', 'https') }), /the right one of http: and https:/)
    const elsewhere = { AwsSts: { ...role.AwsSts, sts_endpoint: 'http://127.0.0.1:1' } }
    assert.match(await fixOf({}, 'writer.vend', elsewhere), /Nothing listens at http:\/\/127\.0\.0\.1:1.*sts_endpoint/)
    const noSts = { AwsSts: { ...role.AwsSts, sts_endpoint: server.url } }
    assert.match(await fixOf({}, 'writer.vend', noSts), /no token service at .*AwsStatic/)
    assert.deepEqual(await filesOf(config), [])
  })
})

describe('the test of a warehouse on Azurite', () => {
  after(stopAzurite)

  it('knows accounts without signatures for directories, wrong keys and missing containers', async (t) => {
    const azurite = requireService(t, await startAzurite())
    if (azurite === undefined) return
    const container = `c-${randomUUID()}`
    await azurite.createContainer(container)
    const { account: account_name, accountKey: account_key, blobEndpoint: blob_endpoint } = azurite
    const config: Config = { type: 'azure', container, account_name, account_key, blob_endpoint, prefix: 'lake' }
    const server = await startTestServer(t)

    const whole = await tested(server, config, { AzureSas: { scope: 'container' } })
    assert.ok(whole.ok, JSON.stringify(whole.checks))
    assert.equal(whole.named('reader.no-write').status, 'passed')
    assert.equal(whole.named('writer.sibling').status, 'skipped')

    const flat = await tested(server, config, { AzureSas: {} })
    assert.deepEqual(failures(flat.checks), ['writer.write', 'writer.read', 'writer.list', 'reader.read', 'reader.list'])
    assert.match(flat.named('writer.read').fix ?? '', /hierarchical namespace.*"container"/)

    const missing = await tested(server, { ...config, container: 'no-such-container' })
    assert.match(missing.named('server.write').fix ?? '', /Make the container no-such-container/)
    const wrong = await tested(server, { ...config, account_key: Buffer.from('wrong').toString('base64') })
    assert.match(wrong.named('server.write').fix ?? '', /firewall of the account .* or azure\.account-key is not a key/)
    assert.deepEqual(await filesOf(config), [])
  })
})

describe('the test of a warehouse on fake-gcs-server', () => {
  after(stopFakeGcs)

  it('passes behind a proxy that enforces boundaries, and finds out where nothing does', async (t) => {
    const gcs = requireService(t, await startFakeGcs())
    if (gcs === undefined) return
    const bucket = `b-${randomUUID()}`
    await gcs.createBucket(bucket)
    const identity = await startGoogleIdentity()
    const proxy = await startBoundaryProxy(gcs.serviceHost, identity.boundaryOf)
    t.after(() => Promise.all([proxy.stop(), identity.stop()]))
    const server = await startTestServer(t)
    const config: Config = {
      type: 'gcs',
      bucket,
      prefix: 'lake',
      service_account_key: identity.keyFile,
      'gcs.service.host': proxy.serviceHost,
      'gcs.sts-endpoint': identity.stsEndpoint,
    }
    const held = await tested(server, config, { GcpDownscoped: {} })
    assert.deepEqual(
      held.checks.map(({ name, status }) => `${name} ${status}`),
      EVERY_CHECK.map((name) => `${name} passed`),
    )
    const plain = { ...config, 'gcs.service.host': gcs.serviceHost }
    const loose = await tested(server, plain, { GcpDownscoped: {} })
    assert.deepEqual(failures(loose.checks).slice(0, 3), ['writer.sibling', 'writer.neighbour', 'writer.above'])
    assert.ok(loose.named('reader.no-write').status === 'failed')
    assert.match(loose.named('writer.sibling').fix ?? '', /Do not give these credentials to anybody/)
    const missing = await tested(server, { ...plain, bucket: 'no-such-bucket' })
    assert.match(missing.named('server.write').fix ?? '', /Make the bucket no-such-bucket/)
    assert.deepEqual(await filesOf(config), [])
  })
})
