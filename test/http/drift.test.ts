/**
 * Every operation that the configuration advertises, called over a socket with success and with the failures that are easy
 * to reach; each answer is held against the specification's yaml.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startServer, type RunningServer } from '../clients/server.ts'
import { requireService } from '../services/require.ts'
import { specification, type Specification } from './drift.ts'

const SCHEMA = {
  type: 'struct',
  fields: [
    { id: 1, name: 'id', required: true, type: 'long' },
    {
      id: 2,
      name: 'point',
      required: false,
      type: { type: 'struct', fields: [{ id: 3, name: 'x', required: false, type: 'double' }] },
    },
  ],
}
const VIEW_VERSION = {
  'version-id': 1,
  'schema-id': 0,
  'timestamp-ms': 1700000000000,
  summary: { 'engine-name': 'test' },
  representations: [{ type: 'sql', sql: 'select 1', dialect: 'spark' }],
  'default-namespace': ['a'],
}
const NS = '/v1/lake/namespaces'
const identifier = (name: string) => ({ namespace: ['a'], name })
const commit = (...updates: object[]) => ({ requirements: [], updates })
const snapshot = (id: string, sequence: number, version: number): string =>
  `{"snapshot-id":${id},${version > 1 ? `"sequence-number":${sequence},` : ''}"timestamp-ms":${Date.now()},"manifest-list":"LOCATION/metadata/snap-${id}.avro",` +
  `"summary":{"operation":"append"},"schema-id":0${version > 2 ? ',"first-row-id":0,"added-rows":9007199254740993' : ''}}`

interface Client {
  /** Checks the status and the answer; gives back the body. */
  // oxlint-disable-next-line no-explicit-any -- the specification is what judges the shape
  call(status: number, method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<any>
  readonly seen: ReadonlySet<string>
  readonly problems: readonly string[]
}

function client(url: string, token: string, spec: Specification): Client {
  const seen = new Set<string>()
  const problems: string[] = []
  return {
    seen,
    problems,
    async call(status, method, path, body, headers = {}) {
      const text = typeof body === 'string' || body === undefined ? body : JSON.stringify(body)
      const standard = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
      const response = await fetch(url + path, {
        method,
        headers: { ...standard, ...headers },
        ...(text === undefined ? {} : { body: text }),
      })
      const answer = await response.text()
      assert.equal(response.status, status, `${method} ${path}: ${answer.slice(0, 500)}`)
      const verdict = spec.check({ method, path, status, headers: Object.fromEntries(response.headers), body: answer })
      assert.ok(verdict, `${method} ${path} is not of the specification`)
      seen.add(verdict.endpoint)
      problems.push(
        ...verdict.problems.map((problem) => `${verdict.endpoint} ${status}: ${problem}\n    ${answer.slice(0, 300)}`),
      )
      return answer === ''
        ? { etag: response.headers.get('etag') }
        : { ...JSON.parse(answer), etag: response.headers.get('etag') }
    },
  }
}

test('each advertised operation answers as the specification says', async (context) => {
  const spec = requireService(context, specification())
  if (spec === undefined) return
  const server = await startServer({ database: 'memory' })
  try {
    const caller = client(server.url, server.adminToken, spec)
    const config = await caller.call(200, 'GET', '/v1/config?warehouse=lake')
    await general(caller, server)
    await namespaces(caller)
    await tables(caller)
    await views(caller)
    await signing(caller, server)
    assert.deepEqual(caller.problems, [])
    const advertised: string[] = config.endpoints
    assert.ok(advertised.length > 20, `only ${advertised.length} endpoints are advertised`)
    assert.deepEqual(
      advertised.filter((endpoint) => !spec.operations.has(endpoint)),
      [],
      'endpoints that the specification has not',
    )
    assert.deepEqual(
      advertised.filter((endpoint) => !caller.seen.has(endpoint)),
      [],
      'endpoints that this test does not call',
    )
  } finally {
    await server.stop()
  }
})

async function general(caller: Client, server: { username: string; password: string }): Promise<void> {
  const form = { 'content-type': 'application/x-www-form-urlencoded' }
  const secret = new URLSearchParams({
    grant_type: 'client_credentials',
    client_id: server.username,
    client_secret: server.password,
  })
  await caller.call(200, 'POST', '/v1/oauth/tokens', secret.toString(), form)
  await caller.call(401, 'POST', '/v1/oauth/tokens', 'grant_type=client_credentials&client_id=admin&client_secret=wrong', form)
  await caller.call(400, 'POST', '/v1/oauth/tokens', 'grant_type=magic', form)
  await caller.call(404, 'GET', '/v1/config?warehouse=nowhere')
  await caller.call(401, 'GET', NS, undefined, { authorization: 'Bearer nonsense' })
  await caller.call(400, 'POST', NS, '{"namespace":')
  await caller.call(404, 'GET', '/v1/nowhere/namespaces')
}

async function namespaces(caller: Client): Promise<void> {
  await caller.call(200, 'POST', NS, { namespace: ['a'], properties: { owner: 'anna' } })
  await caller.call(200, 'POST', NS, { namespace: ['a', 'b.c/d'] })
  await caller.call(409, 'POST', NS, { namespace: ['a'] })
  await caller.call(400, 'POST', NS, { namespace: [] })
  await caller.call(200, 'GET', NS)
  await caller.call(200, 'GET', `${NS}?pageToken=&pageSize=1`)
  await caller.call(200, 'GET', `${NS}?parent=a`)
  await caller.call(404, 'GET', `${NS}?parent=nowhere`)
  await caller.call(200, 'GET', `${NS}/a%1Fb.c%2Fd`)
  await caller.call(404, 'GET', `${NS}/nowhere`)
  await caller.call(204, 'HEAD', `${NS}/a`)
  await caller.call(404, 'HEAD', `${NS}/nowhere`)
  await caller.call(200, 'POST', `${NS}/a/properties`, { removals: ['owner', 'absent'], updates: { color: 'red' } })
  await caller.call(422, 'POST', `${NS}/a/properties`, { removals: ['color'], updates: { color: 'red' } })
  await caller.call(404, 'POST', `${NS}/nowhere/properties`, { updates: { color: 'red' } })
  await caller.call(409, 'DELETE', `${NS}/a`)
  await caller.call(204, 'DELETE', `${NS}/a%1Fb.c%2Fd`)
  await caller.call(404, 'DELETE', `${NS}/a%1Fb.c%2Fd`)
}

async function tables(caller: Client): Promise<void> {
  const collection = `${NS}/a/tables`
  for (const version of [1, 2, 3]) await lifeOfTable(caller, collection, version)
  await caller.call(200, 'POST', collection, { name: 'staged', schema: SCHEMA, 'stage-create': true })
  await caller.call(404, 'GET', `${collection}/staged`)
  await caller.call(200, 'GET', collection)
  await caller.call(200, 'GET', `${collection}?pageToken=&pageSize=1`)
  await caller.call(404, 'GET', `${NS}/nowhere/tables`)
  await caller.call(404, 'HEAD', `${collection}/staged`)
  await caller.call(409, 'POST', collection, { name: 't2', schema: SCHEMA })
  await caller.call(404, 'POST', `${NS}/nowhere/tables`, { name: 't', schema: SCHEMA })
  await caller.call(400, 'POST', collection, {
    name: 'bad',
    schema: { type: 'struct', fields: [{ id: 1, name: 'x', required: true, type: 'complex' }] },
  })
  const rename = (source: string, destination: string) => ({ source: identifier(source), destination: identifier(destination) })
  await caller.call(204, 'POST', '/v1/lake/tables/rename', rename('t1', 'renamed'))
  await caller.call(404, 'POST', '/v1/lake/tables/rename', rename('t1', 'renamed'))
  await caller.call(409, 'POST', '/v1/lake/tables/rename', rename('t2', 'renamed'))
  const change = { identifier: identifier('t2'), ...commit({ action: 'set-properties', updates: { via: 'transaction' } }) }
  await caller.call(204, 'POST', '/v1/lake/transactions/commit', { 'table-changes': [change] })
  const stale = { ...change, requirements: [{ type: 'assert-table-uuid', uuid: '00000000-0000-4000-8000-000000000000' }] }
  await caller.call(409, 'POST', '/v1/lake/transactions/commit', { 'table-changes': [stale] })
  const absent = { ...change, identifier: identifier('absent') }
  await caller.call(404, 'POST', '/v1/lake/transactions/commit', { 'table-changes': [absent] })
  const report = {
    'report-type': 'commit-report',
    'table-name': 'a.t2',
    'snapshot-id': 1,
    'sequence-number': 1,
    operation: 'append',
    metrics: {},
  }
  await caller.call(204, 'POST', `${collection}/t2/metrics`, report)
  await caller.call(404, 'POST', `${collection}/absent/metrics`, report)
  const last = await caller.call(200, 'POST', `${collection}/t2/unregister`)
  await caller.call(404, 'POST', `${collection}/t2/unregister`)
  const register = { name: 'registered', 'metadata-location': last['metadata-location'] }
  await caller.call(200, 'POST', `${NS}/a/register`, register)
  await caller.call(409, 'POST', `${NS}/a/register`, register)
  await caller.call(200, 'POST', `${NS}/a/register`, { ...register, overwrite: true })
  await caller.call(204, 'DELETE', `${collection}/registered`)
  await caller.call(404, 'DELETE', `${collection}/registered`)
}

async function lifeOfTable(caller: Client, collection: string, version: number): Promise<void> {
  const table = `${collection}/t${version}`
  const created = await caller.call(200, 'POST', collection, {
    name: `t${version}`,
    schema: SCHEMA,
    'partition-spec': { 'spec-id': 0, fields: [{ 'source-id': 1, transform: 'bucket[4]', name: 'bucket' }] },
    'write-order': {
      'order-id': 1,
      fields: [{ 'source-id': 1, transform: 'identity', direction: 'asc', 'null-order': 'nulls-first' }],
    },
    properties: { 'format-version': String(version) },
  })
  await caller.call(204, 'HEAD', table)
  const loaded = await caller.call(200, 'GET', table)
  await caller.call(304, 'GET', table, undefined, { 'if-none-match': loaded.etag })
  await caller.call(200, 'GET', `${table}/credentials`)
  await caller.call(404, 'GET', `${collection}/nothing/credentials`)
  const id = '9007199254740993'
  const added = snapshot(id, 1, version).replace('LOCATION', created.metadata.location)
  const reference = (name: string, type: string, rest = '') =>
    `{"action":"set-snapshot-ref","ref-name":"${name}","type":"${type}","snapshot-id":${id}${rest}}`
  const statistics = `"snapshot-id":${id},"statistics-path":"${created.metadata.location}/metadata/s.puffin","file-size-in-bytes":10`
  const updates = [
    `{"action":"add-snapshot","snapshot":${added}}`,
    reference('main', 'branch'),
    reference('kept', 'tag', ',"max-ref-age-ms":9223372036854775807'),
    `{"action":"set-statistics","statistics":{${statistics},"file-footer-size-in-bytes":4,"blob-metadata":[]}}`,
    `{"action":"set-partition-statistics","partition-statistics":{${statistics}}}`,
  ]
  await caller.call(200, 'POST', table, `{"requirements":[],"updates":[${updates.join()}]}`)
  await caller.call(200, 'GET', `${table}?snapshots=refs`)
  await caller.call(409, 'POST', table, { requirements: [{ type: 'assert-create' }], updates: [] })
  await caller.call(400, 'POST', table, commit({ action: 'unheard-of' }))
  await caller.call(404, 'POST', `${collection}/absent`, commit())
}

/** For a table that is staged, so that no storage needs to be there. */
async function signing(caller: Client, server: RunningServer): Promise<void> {
  const make = async (what: string, body: object): Promise<void> => {
    const headers = { authorization: `Bearer ${server.adminToken}`, 'content-type': 'application/json' }
    const made = await fetch(`${server.url}/api/v1/${what}`, { method: 'POST', headers, body: JSON.stringify(body) })
    assert.equal(made.status, 201, await made.text())
  }
  const endpoint = 'http://127.0.0.1:9'
  const keys = { 's3.access-key-id': 'id', 's3.secret-access-key': 'secret' }
  const storage_config = { 's3.bucket': 'bucket', 's3.endpoint': endpoint, 's3.region': 'us-east-1', ...keys }
  await make('warehouses', { name: 'signing', storage_config, vending_strategy: { AwsSigning: {} } })
  await make('catalogs', { name: 'signed', warehouse_name: 'signing' })
  const request = (path: string) => ({ region: 'us-east-1', method: 'PUT', uri: `${endpoint}/bucket/${path}`, headers: {} })
  const sign = '/v1/signed/namespaces/default/tables/staged/sign'
  await caller.call(200, 'POST', sign, request('signed/default/staged/data/a.parquet'))
  // A file in the catalog's own folder is no table's.
  await caller.call(403, 'POST', sign, request('signed/a.parquet'))
  await caller.call(400, 'POST', sign, { region: 'us-east-1' })
  await caller.call(401, 'POST', sign, request('signed/a'), { authorization: 'Bearer nonsense' })
}

async function views(caller: Client): Promise<void> {
  const collection = `${NS}/a/views`
  const request = { name: 'v', schema: SCHEMA, 'view-version': VIEW_VERSION, properties: {} }
  await caller.call(200, 'POST', collection, request)
  await caller.call(409, 'POST', collection, request)
  await caller.call(400, 'POST', collection, { name: 'bad' })
  await caller.call(404, 'POST', `${NS}/nowhere/views`, request)
  const loaded = await caller.call(200, 'GET', `${collection}/v`)
  await caller.call(404, 'GET', `${collection}/absent`)
  await caller.call(204, 'HEAD', `${collection}/v`)
  await caller.call(404, 'HEAD', `${collection}/absent`)
  await caller.call(200, 'GET', collection)
  await caller.call(200, 'POST', `${collection}/v`, commit({ action: 'set-properties', updates: { a: 'b' } }))
  await caller.call(409, 'POST', `${collection}/v`, {
    requirements: [{ type: 'assert-view-uuid', uuid: '00000000-0000-4000-8000-000000000000' }],
    updates: [],
  })
  await caller.call(404, 'POST', `${collection}/absent`, commit())
  const rename = { source: identifier('v'), destination: identifier('w') }
  await caller.call(204, 'POST', '/v1/lake/views/rename', rename)
  await caller.call(404, 'POST', '/v1/lake/views/rename', rename)
  await caller.call(204, 'DELETE', `${collection}/w`)
  await caller.call(404, 'DELETE', `${collection}/w`)
  const register = { name: 'again', 'metadata-location': loaded['metadata-location'] }
  await caller.call(200, 'POST', `${NS}/a/register-view`, register)
  await caller.call(409, 'POST', `${NS}/a/register-view`, register)
  await caller.call(400, 'POST', `${NS}/a/register-view`, { name: 'again' })
}

test('the check notices what the specification does not have', (context) => {
  const spec = requireService(context, specification())
  if (spec === undefined) return
  const problems = (method: string, path: string, status: number, body: string, type = 'application/json'): string => {
    const verdict = spec.check({ method, path, status, headers: { 'content-type': type }, body })
    return verdict === undefined ? 'no operation' : verdict.problems.join('; ')
  }
  const config = '{"defaults":{},"overrides":{}}'
  assert.equal(problems('GET', '/v1/config?warehouse=a', 200, config), '')
  assert.match(problems('GET', '/v1/config', 200, '{"defaults":{}}'), /overrides/)
  assert.match(problems('GET', '/v1/config', 200, '{"defaults":{},"overrides":{"a":1}}'), /must be string/)
  assert.match(problems('GET', '/v1/config', 200, '{"defaults":{},"overrides":{},"more":1}'), /more is not in the specification/)
  assert.match(problems('GET', '/v1/config', 200, config, 'text/html'), /content type/)
  assert.match(problems('GET', '/v1/config', 200, '{'), /no JSON/)
  assert.match(problems('GET', '/v1/config', 201, config), /status 201/)
  assert.match(problems('GET', '/v1/config', 404, '{"message":"no"}'), /error/)
  assert.match(problems('HEAD', `${NS}/a`, 404, '{}'), /a body where none may be/)
  assert.equal(problems('GET', `${NS}/a/tables/b`, 404, '{"error":{"message":"m","type":"t","code":404}}'), '')
  assert.equal(problems('GET', '/v1/a/v1/lake/namespaces', 200, '{"namespaces":[["a"]],"next-page-token":null}'), 'no operation')
  assert.equal(problems('GET', '/v1/lake/v1/namespaces', 200, '{"namespaces":[["a"]],"next-page-token":null}'), '')
})
