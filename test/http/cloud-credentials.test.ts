/**
 * Credentials for clients of tables on Azure and Google Cloud Storage, as they go over the wire: who gets which, and for what.
 * Google's endpoints are a stand-in; Azure needs none, as its signatures are computed.
 */
import assert from 'node:assert/strict'
import { after, describe, it, type TestContext } from 'node:test'
import { startGoogleIdentity, type GoogleIdentity } from '../services/google-identity.ts'
import { startAzurite, stopAzurite } from '../services/azurite.ts'
import { startFakeGcs, stopFakeGcs } from '../services/gcs.ts'
import { requireService } from '../services/require.ts'
import { call, startTestServer, type Answer, type TestServer } from './harness.ts'

const ASKING = { 'X-Iceberg-Access-Delegation': 'vended-credentials' }
const TABLES = '/v1/c/namespaces/default/tables'
const schema = { type: 'struct', fields: [{ id: 1, name: 'id', type: 'long', required: true }] }

interface Lake {
  readonly server: TestServer
  readonly root: string
  /** Of a token that may only read. */
  readonly reader: string
  readonly send: (method: string, path: string, options?: { body?: unknown; token?: string; asking?: boolean }) => Promise<Answer>
}

after(() => Promise.all([stopAzurite(), stopFakeGcs()]))

async function open(test: TestContext, storageConfig: Record<string, string>, vendingStrategy: object): Promise<Lake> {
  const server = await startTestServer(test)
  const send: Lake['send'] = (method, path, { body, token = server.token, asking = true } = {}) =>
    call(server, method, path, { token, headers: asking ? ASKING : {}, ...(body === undefined ? {} : { body }) })
  const settings = { name: 'cloud', storage_config: storageConfig, vending_strategy: vendingStrategy }
  const made = await send('POST', '/api/v1/warehouses', { body: settings })
  assert.equal(made.status, 201, made.text)
  for (const secret of ['account_key', 'service_account_key']) {
    if (storageConfig[secret] !== undefined) assert.ok(!made.text.includes(storageConfig[secret].slice(0, 40)))
  }
  const catalog = await send('POST', '/api/v1/catalogs', { body: { name: 'c', warehouse_name: 'cloud' } })
  assert.equal(catalog.status, 201, catalog.text)
  const { token: reader } = (await send('POST', '/api/v1/tokens', { body: { access: 'read' } })).json
  const first = await send('POST', TABLES, { body: { name: 'first', schema }, asking: false })
  assert.equal(first.status, 200, first.text)
  const root = String(first.json.metadata.location).replace(/\/default\/.*$/, '')
  return { server, root, reader, send }
}

/** Of the one table that the answer is about. */
function credentialsOf(answer: Answer): { prefix: string; config: Record<string, string> } {
  assert.equal(answer.status, 200, answer.text)
  const { metadata, config, 'storage-credentials': credentials } = answer.json
  // The answer to a commit has no other place for them than `config`.
  if (credentials === undefined) return { prefix: metadata.location, config }
  assert.equal(credentials.length, 1)
  if (metadata !== undefined) {
    assert.equal(credentials[0].prefix, metadata.location)
    assert.deepEqual(config, credentials[0].config)
  }
  return credentials[0]
}

/** Every answer about a table that may hold credentials, for a writer. */
async function answersOf({ send }: Lake, name: string): Promise<Answer[]> {
  const table = `${TABLES}/${encodeURIComponent(name)}`
  const updates = [{ action: 'set-properties', updates: { owner: 'ada' } }]
  return [
    await send('POST', TABLES, { body: { name, schema } }),
    await send('POST', TABLES, { body: { name: `${name} staged`, schema, 'stage-create': true } }),
    await send('POST', table, { body: { requirements: [], updates } }),
    await send('GET', table),
    await send('GET', `${table}/credentials`),
  ]
}

describe('credentials for tables on Azure, as they are sent', () => {
  const openAzure = async (test: TestContext): Promise<Lake | undefined> => {
    const azurite = requireService(test, await startAzurite())
    if (!azurite) return undefined
    const container = `c-${crypto.randomUUID()}`
    await azurite.createContainer(container)
    const { account: account_name, accountKey: account_key, blobEndpoint: blob_endpoint } = azurite
    return open(test, { type: 'azure', container, account_name, account_key, blob_endpoint, prefix: 'lake' }, { AzureSas: {} })
  }

  it('are signatures for the directory of the table, in every answer that may have some', async (test) => {
    const lake = await openAzure(test)
    if (!lake) return
    for (const answer of await answersOf(lake, "it's \u00fc")) {
      const { prefix, config } = credentialsOf(answer)
      const sas = new URLSearchParams(config['adls.sas-token'])
      assert.equal(sas.get('sr'), 'd')
      assert.equal(sas.get('sp'), 'racwdl')
      assert.equal(sas.get('sdd'), String(prefix.split('/').length - 3))
      const host = 'devstoreaccount1.dfs.core.windows.net'
      assert.equal(config[`adls.sas-token.${host}`], config['adls.sas-token'])
      assert.equal(config[`adls.sas-token-expires-at-ms.${host}`], String(Date.parse(sas.get('se') ?? '')))
      assert.equal(config['adls.account-name'], 'devstoreaccount1')
      assert.match(config['adls.refresh-credentials-endpoint'] ?? '', /^v1\/c\/namespaces\/default\/tables\/.*\/credentials$/)
      assert.ok(!Object.keys(config).some((key) => key.includes('account-key')))
    }
  })

  it('only read for who may only read, and are none for who does not ask', async (test) => {
    const lake = await openAzure(test)
    if (!lake) return
    const { send, reader, server } = lake
    const { config } = credentialsOf(await send('GET', `${TABLES}/first`, { token: reader }))
    assert.equal(new URLSearchParams(config['adls.sas-token']).get('sp'), 'rl')
    const writing = credentialsOf(await send('GET', `${TABLES}/first`))
    assert.equal(new URLSearchParams(writing.config['adls.sas-token']).get('sp'), 'racwdl')
    const plain = await send('GET', `${TABLES}/first`, { asking: false })
    assert.ok(!plain.text.includes('sig='), plain.text)
    assert.equal((await send('GET', `${TABLES}/first/credentials`, { token: 'nobody' })).status, 401)
    assert.ok(!server.log.join('').includes('sig='))
  })
})

describe('credentials for tables on Google Cloud Storage, as they are sent', () => {
  const openGoogle = async (test: TestContext): Promise<{ lake: Lake; identity: GoogleIdentity } | undefined> => {
    const gcs = requireService(test, await startFakeGcs())
    if (!gcs) return undefined
    const bucket = `b-${crypto.randomUUID()}`
    await gcs.createBucket(bucket)
    const identity = await startGoogleIdentity()
    test.after(identity.stop)
    const service_account_key = identity.keyFile
    const endpoints = { service_host: gcs.serviceHost, sts_endpoint: identity.stsEndpoint }
    const config = { type: 'gcs', bucket, prefix: 'lake', project_id: 'my-project', service_account_key, ...endpoints }
    return { lake: await open(test, config, { GcpDownscoped: {} }), identity }
  }
  const rulesOf = (identity: GoogleIdentity, config: Record<string, string>) => {
    const boundary = identity.boundaryOf(config['gcs.oauth2.token'] ?? '')
    assert.ok(boundary !== undefined && boundary !== 'everything')
    return boundary.accessBoundary.accessBoundaryRules
  }

  it('are tokens narrowed to the table, in every answer that may have some; one exchange serves them', async (test) => {
    const opened = await openGoogle(test)
    if (!opened) return
    const { lake, identity } = opened
    for (const answer of await answersOf(lake, "it's \u00fc")) {
      const { prefix, config } = credentialsOf(answer)
      const [rule, ...more] = rulesOf(identity, config)
      assert.equal(more.length, 0)
      assert.deepEqual(rule?.availablePermissions, ['inRole:roles/storage.objectUser'])
      const [, bucket = '', key = ''] = /^gs:\/\/([^/]+)\/(.+)$/.exec(prefix) ?? []
      assert.ok(rule?.availabilityCondition.expression.includes(`'projects/_/buckets/${bucket}/objects/${key}/'`))
      assert.ok(Number(config['gcs.oauth2.token-expires-at']) > Date.now())
      assert.equal(config['gcs.project-id'], 'my-project')
      assert.match(
        config['gcs.oauth2.refresh-credentials-endpoint'] ?? '',
        /^v1\/c\/namespaces\/default\/tables\/.*\/credentials$/,
      )
      assert.equal(config['gcs.oauth2.refresh-credentials-enabled'], 'true')
    }
    // The table that was staged is another scope.
    assert.equal(identity.requests.exchanges, 2)
  })

  it('only read for who may only read, and are none for who does not ask', async (test) => {
    const opened = await openGoogle(test)
    if (!opened) return
    const { lake, identity } = opened
    const { config } = credentialsOf(await lake.send('GET', `${TABLES}/first`, { token: lake.reader }))
    assert.deepEqual(rulesOf(identity, config)[0]?.availablePermissions, ['inRole:roles/storage.objectViewer'])
    const plain = await lake.send('GET', `${TABLES}/first`, { asking: false })
    assert.ok(!plain.text.includes('ya29.'), plain.text)
    assert.ok(!lake.server.log.join('').includes('ya29.'))
  })

  it('are not even asked for where the place is not the client\u2019s to choose', async (test) => {
    const opened = await openGoogle(test)
    if (!opened) return
    const { lake, identity } = opened
    const first = String((await lake.send('GET', `${TABLES}/first`, { asking: false })).json.metadata.location)
    const places = [
      first,
      `${first}/below`,
      lake.root,
      `${lake.root}/default`,
      lake.root.replace('/lake/', '/lake2/'),
      'gs://another-bucket/t',
      `${lake.root}/x') || true || resource.name.startsWith('`,
      `${lake.root}/a\\b`,
      `${lake.root}/a\nb`,
      `${lake.root}/*`,
      `${lake.root}/../x`,
      `${lake.root}/%2e%2e/x`,
    ]
    for (const location of places) {
      for (const staged of [true, false]) {
        const body = { name: 'hostile', schema, location, 'stage-create': staged }
        const answer = await lake.send('POST', TABLES, { body })
        assert.equal(answer.status, 400, `${location}: ${answer.text}`)
      }
    }
    assert.equal(identity.requests.exchanges, 0)
  })

  it('leave a load unanswered and a change answered where Google gives none', async (test) => {
    const opened = await openGoogle(test)
    if (!opened) return
    const { lake, identity } = opened
    identity.fail({ status: 503, body: '{"error":"busy"}' })
    const loaded = await lake.send('GET', `${TABLES}/first`)
    assert.equal(loaded.status, 503, loaded.text)
    const created = await lake.send('POST', TABLES, { body: { name: 'second', schema } })
    assert.equal(created.status, 200, created.text)
    assert.equal(created.json['storage-credentials'], undefined)
    assert.equal((await lake.send('GET', `${TABLES}/second`, { asking: false })).status, 200)
  })
})
