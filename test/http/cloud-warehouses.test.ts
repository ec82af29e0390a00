/** Tables in warehouses on Azure and Google Cloud Storage, through the REST API, on the emulators. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, describe, it, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { openObjectStore, rootLocation } from '../../src/storage/open.ts'
import { startAzurite, stopAzurite } from '../services/azurite.ts'
import { startFakeGcs, stopFakeGcs } from '../services/gcs.ts'
import { requireService } from '../services/require.ts'
import { call, startTestServer, type Answer, type TestServer } from './harness.ts'

interface Cloud {
  readonly title: string
  readonly config: (test: TestContext) => Promise<Record<string, string> | undefined>
  /** Another spelling of a location. */
  readonly alias: (location: string) => string
  readonly secret: string
  /** What clients are told of the warehouse. */
  readonly clientSettings: (config: Record<string, string>) => Record<string, string>
}

const azure: Cloud = {
  title: 'Azure (Azurite)',
  secret: 'account_key',
  config: async (test) => {
    const azurite = requireService(test, await startAzurite())
    if (!azurite) return undefined
    const container = `c-${randomUUID()}`
    await azurite.createContainer(container)
    return {
      type: 'azure',
      container,
      account_name: azurite.account,
      account_key: azurite.accountKey,
      blob_endpoint: azurite.blobEndpoint,
      prefix: 'lake',
    }
  },
  alias: (location) => location.replace('abfss:', 'wasb:').replace('.dfs.', '.BLOB.'),
  clientSettings: ({ account_name = '', blob_endpoint = '' }) => {
    const authority = new URL(blob_endpoint).host
    return {
      'adls.account-name': account_name,
      'adls.blob-storage-authority': authority,
      'adls.blob-storage-scheme': 'http',
      'adls.dfs-storage-authority': authority,
      'adls.dfs-storage-scheme': 'http',
    }
  },
}
const google: Cloud = {
  title: 'Google Cloud Storage (fake-gcs-server)',
  secret: 'service_account_key',
  config: async (test) => {
    const gcs = requireService(test, await startFakeGcs())
    if (!gcs) return undefined
    const bucket = `b-${randomUUID()}`
    await gcs.createBucket(bucket)
    return { type: 'gcs', bucket, no_auth: 'true', service_host: gcs.serviceHost, prefix: 'lake' }
  },
  alias: (location) => location.replace('gs:', 'GCS:'),
  clientSettings: ({ service_host = '' }) => ({ 'gcs.service.host': service_host, 'gcs.no-auth': 'true' }),
}

async function settle(condition: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 600 && !(await condition()); i += 1) await sleep(50)
  assert.ok(await condition())
}

const schema = { type: 'struct', fields: [{ id: 1, name: 'id', type: 'long', required: true }] }

for (const { title, config, alias, secret, clientSettings } of [azure, google]) {
  describe(`tables in a warehouse on ${title}`, () => {
    after(() => Promise.all([stopAzurite(), stopFakeGcs()]))

    const open = async (
      test: TestContext,
    ): Promise<
      | {
          server: TestServer
          storageConfig: Record<string, string>
          send: (...args: [string, string, unknown?]) => Promise<Answer>
        }
      | undefined
    > => {
      const storageConfig = await config(test)
      if (storageConfig === undefined) return undefined
      const server = await startTestServer(test)
      const send = (method: string, path: string, body?: unknown) =>
        call(server, method, path, body === undefined ? {} : { body })
      const made = await send('POST', '/api/v1/warehouses', { name: 'cloud', storage_config: storageConfig })
      assert.equal(made.status, 201, made.text)
      if (storageConfig[secret] !== undefined) assert.ok(!made.text.includes(storageConfig[secret]))
      assert.equal((await send('POST', '/api/v1/catalogs', { name: 'c', warehouse_name: 'cloud' })).status, 201)
      return { server, storageConfig, send }
    }

    it('are created, committed to, loaded and purged', async (test) => {
      const opened = await open(test)
      if (!opened) return
      const { send, storageConfig } = opened
      const store = openObjectStore({ storageConfig })
      const root = rootLocation({ storageConfig })
      const files = async (): Promise<string[]> => {
        const found = []
        for await (const { location } of store.list(`${root}/`)) found.push(location)
        return found
      }
      const tables = '/v1/c/namespaces/default/tables'
      const created = await send('POST', tables, { name: "it's a b\u00fc", schema })
      assert.equal(created.status, 200, created.text)
      const { location } = created.json.metadata
      assert.ok(location.startsWith(`${root}/c/`), location)
      assert.deepEqual(created.json.config, clientSettings(storageConfig))
      const table = `${tables}/${encodeURIComponent("it's a b\u00fc")}`
      const updates = [{ action: 'set-properties', updates: { owner: 'ada' } }]
      const committed = await send('POST', table, { requirements: [], updates })
      assert.equal(committed.status, 200, committed.text)
      const loaded = await send('GET', table)
      assert.equal(loaded.json.metadata.properties.owner, 'ada')
      assert.deepEqual((await files()).length, 2)
      assert.ok((await files()).includes(loaded.json['metadata-location']))
      await store.create(`${location}/metadata/unknown`, Buffer.from('not ours'))
      assert.equal((await send('DELETE', `${table}?purgeRequested=true`)).status, 204)
      await settle(async () => (await files()).length === 1)
      assert.deepEqual(await files(), [`${location}/metadata/unknown`])
      await store.close()
    })

    it('never share a place by another spelling of it, and lie nowhere else', async (test) => {
      const opened = await open(test)
      if (!opened) return
      const { send, storageConfig } = opened
      const root = `${rootLocation({ storageConfig })}/c`
      const tables = '/v1/c/namespaces/default/tables'
      assert.equal((await send('POST', tables, { name: 'a', schema, location: `${root}/place` })).status, 200)
      for (const location of [
        `${root}/place`,
        alias(`${root}/place`),
        alias(`${root}/place/below`),
        alias(root),
        root.replace('/lake/', '/lake2/'),
      ]) {
        const answer = await send('POST', tables, { name: 'b', schema, location })
        assert.equal(answer.status, 400, `${location}: ${answer.text}`)
      }
      const elsewhere = await send('POST', tables, { name: 'b', schema, location: alias(`${root}/other`) })
      assert.equal(elsewhere.status, 200, elsewhere.text)
    })
  })
}
