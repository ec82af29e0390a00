import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createCatalogRow, dropCatalogRow } from '../../src/catalog/catalogs.ts'
import { getConfig } from '../../src/catalog/config.ts'
import { listMetrics, reportMetrics } from '../../src/catalog/metrics/metrics.ts'
import { createNamespace } from '../../src/catalog/namespaces.ts'
import { protectNamespace } from '../../src/catalog/protection.ts'
import {
  CommitTransactionRequest,
  CreateNamespaceRequest,
  CreateTableRequest,
  RenameTableRequest,
  decode,
} from '../../src/catalog/shapes.ts'
import { StoreError } from '../../src/stores/store.ts'
import { ident, newTable, open, rejects } from './setup.ts'
import type { Loose } from './setup.ts'

test('requests: what is wrong is named by its path, and content is not echoed', () => {
  const refused = (schema: Loose, json: unknown, message: RegExp) =>
    assert.throws(() => decode(schema, json), rejects(400, message))
  refused(CreateTableRequest, null, /request body must be object/)
  refused(CreateTableRequest, { schema: {} }, /name/)
  refused(CreateTableRequest, { name: 't', schema: [] }, /\/schema must be object/)
  refused(CreateTableRequest, { name: 't', schema: {}, properties: { a: 1 } }, /\/properties/)
  refused(CreateTableRequest, { name: 't', schema: {}, 'stage-create': 'yes' }, /\/stage-create/)
  refused(CreateNamespaceRequest, { namespace: 'a' }, /\/namespace must be array/)
  refused(CreateNamespaceRequest, { namespace: [] }, /\/namespace/)
  refused(RenameTableRequest, { source: { namespace: ['a'], name: 't' } }, /destination/)
  refused(CommitTransactionRequest, { 'table-changes': [{ requirements: [], updates: [] }] }, /\/table-changes\/0/)
  refused(CommitTransactionRequest, { 'table-changes': [] }, /\/table-changes/)
  const long = 'x'.repeat(100_000)
  assert.throws(
    () => decode(CreateTableRequest, { name: 't', schema: {}, properties: { [long]: 1 } }),
    (error: Loose) => error.message.length < 600,
  )
})

test('requests: null is absent, unknown fields and 64-bit integers pass', () => {
  const request = {
    name: 't',
    schema: { big: 2n ** 62n },
    location: null,
    'partition-spec': null,
    properties: null,
    'x-new': [1],
  }
  assert.strictEqual(decode(CreateTableRequest, request), request)
})

test('config: where the catalog is, and what works', async (t) => {
  const { call, catalog } = await open(t)
  const endpoints = ['GET /v1/{prefix}/namespaces']
  assert.deepEqual(getConfig(call.catalog, { endpoints, hasPrefix: true }), {
    defaults: {},
    overrides: { prefix: 'lake' },
    endpoints,
    'idempotency-key-lifetime': 'PT30M',
  })
  const odd = { ...call, catalog: { ...catalog, name: 'a b/c', branch: 'dev' } }
  assert.equal(getConfig(odd.catalog, { endpoints, hasPrefix: true }).overrides['prefix'], 'a%20b%2Fc%40dev')
  assert.deepEqual(getConfig(call.catalog, { endpoints, hasPrefix: false }).overrides, {})
})

test('metrics are kept as they came and read newest first', async (t) => {
  const fixture = await open(t)
  const { context, call } = fixture
  await newTable(fixture, 't')
  const report = (text: string, type = 'scan-report') => reportMetrics(context, call, ident('t'), { 'report-type': type }, text)
  await report('{"snapshot-id":9223372036854775807}')
  await report('{"report-type":"from-the-future"}', 'from-the-future')
  const { reports } = await listMetrics(context, call, ident('t'), {})
  assert.deepEqual(
    reports.map((one) => one['report-type']),
    ['from-the-future', 'scan-report'],
  )
  assert.equal(reports[1]?.report, '{"snapshot-id":9223372036854775807}')
  const page = await listMetrics(context, call, ident('t'), { pageToken: '', pageSize: 1 })
  const next = await listMetrics(context, call, ident('t'), { pageToken: page['next-page-token'] as string, pageSize: 1 })
  assert.deepEqual([...page.reports, ...next.reports], reports)
  await assert.rejects(report('x'.repeat(2 ** 20 + 1)), rejects(413, /Metrics report/))
  await assert.rejects(reportMetrics(context, call, ident('none'), { 'report-type': 'x' }, '{}'), rejects(404, /ns\.none/))
  fixture.hooks.write = async () => {
    throw new StoreError('unavailable', 'down')
  }
  await report('{}')
  assert.equal(fixture.logged.at(-1)?.event, 'metrics-report-lost')
})

test('what is about to be created in a catalog that goes is not', async (t) => {
  const { context, call, store } = await open(t)
  const dropped = await store.get('catalogs', { tenant_id: 't1', name: 'lake' })
  const branch = await store.get('branches', { tenant_id: 't1', catalog_id: 'c1', name: 'main' })
  assert.ok(dropped !== undefined && branch !== undefined)
  await store.write(dropCatalogRow(dropped, branch))
  await assert.rejects(createNamespace(context, call, { namespace: ['late'] }), rejects(404, /Warehouse does not exist: lake/))
  await assert.rejects(protectNamespace(context, call, ['ns'], true), rejects(404, /Warehouse does not exist: lake/))
  const { version: _, ...again } = dropped
  await store.write(createCatalogRow({ ...again, id: 'c3' }))
  const twice = store.write(createCatalogRow({ ...again, id: 'c4' }))
  await assert.rejects(twice, (error) => error instanceof StoreError && error.step === 0)
})
