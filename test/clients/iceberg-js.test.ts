/**
 * iceberg-js, the JavaScript client: it sends an idempotency key with each change, asks again with the ETag it was given, and
 * joins namespaces by %1F whatever separator a server announces.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { IcebergError, IcebergRestCatalog, getCurrentSchema, type TableSchema } from 'iceberg-js'
import { startServer, type RunningServer } from './server.ts'

const SCHEMA: TableSchema = {
  type: 'struct',
  fields: [
    { id: 1, name: 'id', type: 'long', required: true },
    { id: 2, name: 'price', type: 'decimal(10,2)', required: false },
  ],
  'schema-id': 0,
  'identifier-field-ids': [1],
}

let server: RunningServer
before(async () => {
  server = await startServer({ database: 'sqlite' })
})
after(() => server.stop())

function connect(options: { readonly warehouse?: string; readonly baseUrl?: string; readonly token?: string } = {}) {
  const { warehouse = 'lake', baseUrl = server.url, token = server.adminToken } = options
  const auth = { type: 'bearer', token } as const
  return new IcebergRestCatalog({ baseUrl, warehouse, auth, accessDelegation: ['vended-credentials'] })
}

const failure = async (action: Promise<unknown>): Promise<IcebergError> => {
  const error = await action.then(
    () => assert.fail('it did not fail'),
    (error: unknown) => error,
  )
  assert.ok(error instanceof IcebergError, String(error))
  return error
}

test('namespaces, nested ones too', async () => {
  const catalog = connect()
  const [parent, child] = [{ namespace: ['sales'] }, { namespace: ['sales', 'deep er/é.%'] }]
  await catalog.createNamespace(parent, { properties: { team: 'blue' } })
  await catalog.createNamespaceIfNotExists(parent)
  await catalog.createNamespace(child)
  assert.deepEqual((await catalog.listNamespaces({ parent })).namespaces, [child])
  assert.deepEqual((await catalog.listNamespaces({ parent: child })).namespaces, [])
  const changed = await catalog.updateNamespaceProperties(parent, { updates: { tier: '1' }, removals: ['team', 'nothing'] })
  assert.deepEqual(changed, { updated: ['tier'], removed: ['team'], missing: ['nothing'] })
  const { properties } = await catalog.loadNamespaceMetadata(parent)
  assert.equal(properties?.['tier'], '1')
  await catalog.dropNamespace(child)
  assert.equal(await catalog.namespaceExists(child), false)
  assert.equal((await failure(catalog.dropNamespace(child))).icebergType, 'NoSuchNamespaceException')
})

test('pages', async () => {
  const catalog = connect()
  const parent = { namespace: ['pages'] }
  await catalog.createNamespace(parent)
  for (const name of 'abcde') await catalog.createTable(parent, { name, schema: SCHEMA })
  const names: string[] = []
  let pageToken: string | undefined
  do {
    const page = await catalog.listTables(parent, { pageSize: 2, ...(pageToken === undefined ? {} : { pageToken }) })
    names.push(...page.identifiers.map(({ name }) => name))
    pageToken = page.nextPageToken
  } while (pageToken !== undefined)
  assert.deepEqual(names, [...'abcde'])
})

test('a table from creation to registration', async () => {
  const catalog = connect()
  const home = { namespace: ['tables', 'inner'] }
  await catalog.createNamespace({ namespace: ['tables'] })
  await catalog.createNamespace(home)
  const table = { namespace: home.namespace, name: 'we ird/é.%' }
  const created = await catalog.createTable(home, {
    name: table.name,
    schema: SCHEMA,
    'partition-spec': { 'spec-id': 0, fields: [{ 'source-id': 1, 'field-id': 1000, name: 'shard', transform: 'bucket[4]' }] },
    'write-order': { 'order-id': 0, fields: [] },
    properties: { a: 'b' },
  })
  assert.deepEqual(getCurrentSchema(created), SCHEMA)
  assert.equal((await failure(catalog.createTable(home, { name: table.name, schema: SCHEMA }))).isConflict(), true)
  const fields = [...SCHEMA.fields, { id: 3, name: 'note', type: 'string', required: false }]
  const committed = await catalog.updateTable(table, {
    requirements: [
      { type: 'assert-table-uuid', uuid: created['table-uuid'] ?? '' },
      { type: 'assert-current-schema-id', 'current-schema-id': 0 },
    ],
    updates: [
      { action: 'add-schema', schema: { ...SCHEMA, fields } },
      { action: 'set-current-schema', 'schema-id': -1 },
      { action: 'set-properties', updates: { c: 'd' } },
    ],
  })
  assert.equal(committed.metadata['current-schema-id'], 1)
  const loaded = await catalog.loadTableResult(table, { snapshots: 'refs' })
  assert.deepEqual([loaded?.metadata.properties?.['a'], loaded?.metadata.properties?.['c']], ['b', 'd'])
  assert.equal(await catalog.loadTableResult(table, { snapshots: 'refs', ifNoneMatch: loaded?.etag ?? '' }), null)
  await catalog.renameTable({ source: table, destination: { namespace: ['tables'], name: 'renamed' } })
  assert.equal(await catalog.tableExists(table), false)
  await catalog.dropTable({ namespace: ['tables'], name: 'renamed' })
  await catalog.registerTable(home, { name: 'back', 'metadata-location': committed['metadata-location'] })
  const back = await catalog.loadTable({ namespace: home.namespace, name: 'back' })
  assert.equal(back['table-uuid'], created['table-uuid'])
  await catalog.dropTable({ namespace: home.namespace, name: 'back' }, { purge: true })
  assert.deepEqual((await catalog.listTables(home)).identifiers, [])
})

test('a requirement that fails is a conflict', async () => {
  const catalog = connect()
  await catalog.createNamespace({ namespace: ['conflict'] })
  await catalog.createTable({ namespace: ['conflict'] }, { name: 't', schema: SCHEMA })
  const requirements = [{ type: 'assert-current-schema-id', 'current-schema-id': 7 } as const]
  const error = await failure(catalog.updateTable({ namespace: ['conflict'], name: 't' }, { requirements, updates: [] }))
  assert.equal(error.icebergType, 'CommitFailedException')
  assert.equal(error.isConflict(), true)
})

test('the branch main by name, and a URI that names the catalog', async () => {
  const names = async (catalog: IcebergRestCatalog) =>
    (await catalog.listNamespaces()).namespaces.map(({ namespace }) => namespace[0])
  await connect().createNamespace({ namespace: ['everywhere'] })
  const named = new IcebergRestCatalog({ baseUrl: `${server.url}/v1/lake`, auth: { type: 'bearer', token: server.adminToken } })
  for (const catalog of [connect({ warehouse: 'lake@main' }), connect({ warehouse: 'lake~main' }), named]) {
    assert.ok((await names(catalog)).includes('everywhere'))
  }
})

test('a wrong token', async () => {
  const error = await failure(connect({ token: 'wrong' }).listNamespaces())
  assert.deepEqual([error.status, error.icebergType], [401, 'NotAuthorizedException'])
})
