/** The conformance suite on every object store. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import fs from 'node:fs'
import { createServer } from 'node:http'
import os from 'node:os'
import path from 'node:path'
import { after, describe, it, type TestContext } from 'node:test'
import { canonicalLocation } from '../../src/iceberg/location.ts'
import { openFileStore } from '../../src/storage/file.ts'
import { openObjectStore, rootLocation } from '../../src/storage/open.ts'
import { openS3Store } from '../../src/storage/s3.ts'
import { StorageError, type ObjectStore } from '../../src/storage/storage.ts'
import { startAzurite, stopAzurite } from '../services/azurite.ts'
import { startFakeGcs, stopFakeGcs } from '../services/gcs.ts'
import { startMinio, type Minio } from '../services/minio.ts'
import { requireService } from '../services/require.ts'
import { accountKinds, openRealAccount, skipsAccount } from './real-accounts.ts'
import { objectStoreSuite } from './suite/object-store.ts'

const temporary = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'pangolin-storage-')))
after(() => fs.rmSync(temporary, { recursive: true, force: true }))
const kind =
  (expected: string) =>
  (error: unknown): boolean =>
    error instanceof StorageError && error.kind === expected

const newFileRoot = (): { store: ObjectStore; root: string; folder: string } => {
  const folder = path.join(temporary, randomUUID(), 'lake')
  const root = canonicalLocation(folder, { barePath: true })
  return { store: openFileStore(root), root, folder }
}

describe('object store on files', () => {
  objectStoreSuite(async () => newFileRoot())

  it('follows no link out of its root, and none at the end of a path', async () => {
    const { store, root, folder } = newFileRoot()
    const outside = fs.mkdtempSync(path.join(temporary, 'outside-'))
    fs.writeFileSync(path.join(outside, 'secret'), 'secret')
    await store.prepare(`${root}/t`)
    fs.symlinkSync(outside, path.join(folder, 't', 'data', 'out'))
    fs.symlinkSync(path.join(outside, 'secret'), path.join(folder, 't', 'data', 'link'))
    fs.writeFileSync(path.join(folder, 't', 'data', 'own'), 'own')
    fs.symlinkSync(path.join(folder, 't', 'data'), path.join(folder, 'inside'))
    await assert.rejects(store.read(`${root}/t/data/out/secret`, { maxBytes: 10 }), kind('forbidden'))
    await assert.rejects(store.read(`${root}/t/data/link`, { maxBytes: 10 }), kind('forbidden'))
    await assert.rejects(store.create(`${root}/t/data/out/x`, Buffer.from('x')), kind('forbidden'))
    await assert.rejects(store.create(`${root}/t/data/out/new/x`, Buffer.from('x')), kind('forbidden'))
    await assert.rejects(store.delete([`${root}/t/data/out/secret`]), kind('forbidden'))
    await store.delete([`${root}/t/data/out/`])
    await assert.rejects(store.prepare(`${root}/t/data/out/t`), kind('forbidden'))
    assert.equal(String(await store.read(`${root}/inside/own`, { maxBytes: 10 })), 'own')
    const found = []
    for await (const { location } of store.list(`${root}/`)) found.push(location)
    assert.deepEqual(found, [`${root}/t/data/own`])
    // The link itself may go; what it points to stays.
    await store.delete([`${root}/t/data/link`])
    assert.deepEqual(fs.readdirSync(outside), ['secret'])
  })

  it('serves a root that is itself a link', async () => {
    const { store, root, folder } = newFileRoot()
    fs.mkdirSync(path.dirname(folder), { recursive: true })
    fs.symlinkSync(fs.mkdtempSync(path.join(temporary, 'real-')), folder)
    await store.create(`${root}/t/x`, Buffer.from('x'))
    assert.equal(String(await store.read(`${root}/t/x`, { maxBytes: 10 })), 'x')
  })

  it('knows at once when an object is gone', async () => {
    const { store, root } = newFileRoot()
    assert.equal(store.isMissing?.(`${root}/t/x`), true)
    await store.create(`${root}/t/x`, Buffer.from('x'))
    assert.equal(store.isMissing?.(`${root}/t/x`), false)
    assert.equal(store.isMissing?.(`${root}/t/x/y`), true)
  })

  it('reads files only', async () => {
    const { store, root, folder } = newFileRoot()
    await store.prepare(`${root}/t`)
    await assert.rejects(store.read(`${root}/t/data`, { maxBytes: 10 }), kind('invalid'))
    await assert.rejects(store.delete([`${root}/t/data`]), StorageError)
    assert.ok(fs.existsSync(path.join(folder, 't', 'data')))
  })

  it("deletes a file with Hadoop's checksum of it, also where the file itself is gone", async () => {
    const { store, root, folder } = newFileRoot()
    await store.prepare(`${root}/t`)
    const data = path.join(folder, 't', 'data')
    for (const name of ['1.parquet', '.1.parquet.crc', '.2.parquet.crc', '3.parquet', '.3.parquet.crc', '1.parquet.crc']) {
      fs.writeFileSync(path.join(data, name), '')
    }
    await store.delete([`${root}/t/data/1.parquet`, `${root}/t/data/2.parquet`])
    assert.deepEqual(fs.readdirSync(data).sort(), ['.3.parquet.crc', '1.parquet.crc', '3.parquet'])
    await store.delete([`${root}/t/data/3.parquet`, `${root}/t/data/1.parquet.crc`, `${root}/t/`])
    assert.equal(fs.existsSync(path.join(folder, 't')), false)
    const long = 'x'.repeat(252)
    await store.create(`${root}/t/${long}`, Buffer.from('x'))
    await store.delete([`${root}/t/${long}`])
    assert.equal(store.isMissing?.(`${root}/t/${long}`), true)
  })

  it('leaves nothing behind where a write fails', async () => {
    const { store, root, folder } = newFileRoot()
    await store.prepare(`${root}/t`)
    const notBytes = { length: 10 } as unknown as Uint8Array
    await assert.rejects(store.create(`${root}/t/metadata/m`, notBytes), StorageError)
    assert.deepEqual(fs.readdirSync(path.join(folder, 't', 'metadata')), [])
  })
})

describe('object store on S3', () => {
  const open = async (test: TestContext): Promise<{ store: ObjectStore; root: string; minio: Minio } | undefined> => {
    const minio = requireService(test, await startMinio())
    if (!minio) return undefined
    const bucket = `b-${randomUUID()}`
    await minio.createBucket(bucket)
    const root = canonicalLocation(`s3://${bucket}/warehouse/lake`)
    return { store: openStore(minio, root), root, minio }
  }
  const openStore = (minio: Minio, root: string, secretAccessKey = minio.secretKey): ObjectStore =>
    openS3Store({
      root: canonicalLocation(root),
      region: minio.region,
      endpoint: minio.endpoint,
      pathStyle: true,
      credentials: { accessKeyId: minio.accessKey, secretAccessKey },
    })
  after(async () => {
    const minio = await startMinio()
    if ('value' in minio) await minio.value.stop()
  })

  objectStoreSuite(open)

  it('pages through long listings and deletes in batches', async (test) => {
    const opened = await open(test)
    if (!opened) return
    const { store, root } = opened
    const locations = Array.from({ length: 1050 }, (_, i) => `${root}/many/${i}`)
    for (let at = 0; at < locations.length; at += 50) {
      await Promise.all(locations.slice(at, at + 50).map((location) => store.create(location, Buffer.from('x'))))
    }
    const found = new Set<string>()
    for await (const { location } of store.list(`${root}/many/`)) found.add(location)
    assert.equal(found.size, 1050)
    await store.delete(locations)
    for await (const { location } of store.list(`${root}/`)) assert.fail(location)
    await store.close()
  })

  it('names what the service refuses, without secrets', async (test) => {
    const opened = await open(test)
    if (!opened) return
    const wrong = openStore(opened.minio, opened.root, 'not-the-secret-key')
    const attempts = [
      () => wrong.read(`${opened.root}/x`, { maxBytes: 10 }),
      () => wrong.create(`${opened.root}/x`, Buffer.from('x')),
      () => wrong.delete([`${opened.root}/x`]),
    ]
    for (const attempt of attempts) {
      await assert.rejects(attempt, (error) => kind('forbidden')(error) && !String(error).includes('not-the-secret'))
    }
    const nowhere = openStore(opened.minio, 's3://no-such-bucket-here/x')
    await assert.rejects(nowhere.read('s3://no-such-bucket-here/x/y', { maxBytes: 10 }), kind('invalid'))
    await Promise.all([wrong.close(), nowhere.close(), opened.store.close()])
  })

  /** A service of the protocol made of one handler, for answers that MinIO never gives. */
  const against = async (
    handler: (
      method: string,
      url: string,
      headers: NodeJS.Dict<string | string[]>,
      count: number,
      body: string,
    ) => { status: number; body?: string } | undefined,
    run: (store: ObjectStore, root: string) => Promise<void>,
  ): Promise<void> => {
    let count = 0
    const server = createServer((request, response) => {
      let body = ''
      request.on('data', (chunk) => {
        body += String(chunk)
      })
      request.on('end', () => {
        count += 1
        const answer = handler(request.method ?? '', request.url ?? '', request.headers, count, body)
        if (!answer) return void request.socket.destroy()
        response
          .writeHead(answer.status, { 'content-type': 'application/xml' })
          .end(request.method === 'HEAD' ? undefined : answer.body)
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as { port: number }
    const store = openS3Store({
      root: canonicalLocation('s3://bucket/lake'),
      region: 'us-east-1',
      endpoint: `http://127.0.0.1:${port}`,
      pathStyle: true,
      credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
    })
    try {
      await run(store, 's3://bucket/lake')
    } finally {
      await store.close()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    }
  }
  const error = (code: string): string => `<?xml version="1.0"?><Error><Code>${code}</Code><Message>m</Message></Error>`

  it('takes an object for its own whose creation was answered by a broken connection', async () => {
    const objects = new Map<string, string>()
    await against(
      (method, url, headers, count, body) => {
        if (method === 'GET') return { status: 200, body: objects.get(url.split('?')[0] ?? '') ?? '' }
        assert.equal(headers['if-none-match'], '*')
        const key = url.split('?')[0] ?? ''
        if (objects.has(key)) return { status: 412, body: error('PreconditionFailed') }
        objects.set(key, body)
        return count === 1 ? undefined : { status: 200 }
      },
      async (store, root) => {
        await store.create(`${root}/x`, Buffer.from('mine'))
        assert.deepEqual([...objects.values()], ['mine'])
        await assert.rejects(store.create(`${root}/x`, Buffer.from('mine')), kind('exists'))
      },
    )
  })

  it('does without conditional writes and batches where the service has none', async () => {
    const objects = new Map<string, string>()
    await against(
      (method, url, headers, _count, body) => {
        const key = url.split('?')[0] ?? ''
        if (headers['if-none-match'] !== undefined || method === 'POST') return { status: 501, body: error('NotImplemented') }
        if (method === 'HEAD') return { status: objects.has(key) ? 200 : 404 }
        if (method === 'DELETE') objects.delete(key)
        if (method === 'PUT') objects.set(key, body)
        return { status: method === 'DELETE' ? 204 : 200 }
      },
      async (store, root) => {
        await store.create(`${root}/x`, Buffer.from('1'))
        await assert.rejects(store.create(`${root}/x`, Buffer.from('2')), kind('exists'))
        assert.deepEqual([...objects.values()], ['1'])
        await store.delete([`${root}/x`, `${root}/y`])
        assert.equal(objects.size, 0)
      },
    )
  })

  it('calls a service that is down unavailable', async () => {
    await against(
      () => ({ status: 503, body: error('SlowDown') }),
      async (store, root) => {
        await assert.rejects(store.read(`${root}/x`, { maxBytes: 10 }), kind('unavailable'))
      },
    )
    await against(
      (method) =>
        method === 'POST'
          ? { status: 200, body: '<DeleteResult><Error><Key>lake/x</Key><Code>InternalError</Code></Error></DeleteResult>' }
          : undefined,
      async (store, root) => {
        await assert.rejects(store.delete([`${root}/x`]), kind('unavailable'))
      },
    )
  })
})

describe('object store on Azure, on the emulator Azurite', () => {
  after(stopAzurite)
  objectStoreSuite(async (test) => {
    const azurite = requireService(test, await startAzurite())
    if (!azurite) return undefined
    const container = `c-${randomUUID()}`
    await azurite.createContainer(container)
    const storageConfig = {
      type: 'azure',
      container,
      account_name: azurite.account,
      account_key: azurite.accountKey,
      prefix: 'warehouse/lake',
      'azure.blob-endpoint': azurite.blobEndpoint,
    }
    return { store: openObjectStore({ storageConfig }), root: rootLocation({ storageConfig }) }
  })
})

describe('object store on Google Cloud Storage, on the emulator fake-gcs-server', () => {
  after(stopFakeGcs)
  objectStoreSuite(async (test) => {
    const gcs = requireService(test, await startFakeGcs())
    if (!gcs) return undefined
    const bucket = `b-${randomUUID()}`
    await gcs.createBucket(bucket)
    const storageConfig = { type: 'gcs', bucket, prefix: 'warehouse/lake', 'gcs.service.host': gcs.serviceHost, no_auth: 'true' }
    return { store: openObjectStore({ storageConfig }), root: rootLocation({ storageConfig }) }
  })
})

describe('an account that the environment names', () => {
  after(stopFakeGcs)
  it('is used below a prefix of its own, of which nothing is left', async (test) => {
    const gcs = requireService(test, await startFakeGcs())
    if (!gcs) return
    const bucket = `b-${randomUUID()}`
    await gcs.createBucket(bucket)
    const account = { type: 'gcs', bucket, service_host: gcs.serviceHost, no_auth: 'true', prefix: 'tests' }
    process.env['PANGOLIN_TEST_ACCOUNT'] = JSON.stringify(account)
    test.after(() => delete process.env['PANGOLIN_TEST_ACCOUNT'])
    assert.equal(skipsAccount('PANGOLIN_TEST_ACCOUNT'), false)
    const whole = openObjectStore({ storageConfig: account })
    await whole.create(`gs://${bucket}/tests/theirs`, Buffer.from('x'))
    await test.test('a test', async (inner) => {
      const { store, root } = await openRealAccount(inner, 'PANGOLIN_TEST_ACCOUNT')
      await store.create(`${root}/t/x`, Buffer.from('x'))
    })
    const left = []
    for await (const { location } of whole.list(`gs://${bucket}/tests/`)) left.push(location)
    assert.deepEqual(left, [`gs://${bucket}/tests/theirs`])
  })
})

for (const [title, variable] of accountKinds) {
  describe(`object store on ${title}, on the account of ${variable}`, { skip: skipsAccount(variable) }, () =>
    objectStoreSuite((test) => openRealAccount(test, variable)),
  )
}
