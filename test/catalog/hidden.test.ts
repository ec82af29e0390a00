/** What a narrowed token may not see is answered by every use case in the words of what does not exist. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createBounds } from '../../src/access/bounds.ts'
import type { CatalogCall } from '../../src/catalog/call.ts'
import { loadCredentials } from '../../src/catalog/delegation/vending.ts'
import { dropTable } from '../../src/catalog/drop.ts'
import { dropNamespaceTree } from '../../src/catalog/drop-tree.ts'
import { listCommits } from '../../src/catalog/history.ts'
import { listMetrics, reportMetrics } from '../../src/catalog/metrics/metrics.ts'
import {
  createNamespace,
  dropNamespace,
  listNamespaces,
  loadNamespaceMetadata,
  namespaceExists,
  updateProperties,
} from '../../src/catalog/namespaces.ts'
import { loadNamespaceProtection, loadProtection, protect, protectNamespace } from '../../src/catalog/protection.ts'
import { registerTable, unregisterTable } from '../../src/catalog/register.ts'
import { renameTable } from '../../src/catalog/rename.ts'
import { createTable, listTables, loadTable, tableExists } from '../../src/catalog/tables.ts'
import { commitTransaction } from '../../src/catalog/transactions.ts'
import { updateTable } from '../../src/catalog/update-table.ts'
import {
  createView,
  dropView,
  listViews,
  loadView,
  registerView,
  renameView,
  replaceView,
  viewExists,
} from '../../src/catalog/views.ts'
import { IcebergError } from '../../src/iceberg/errors.ts'
import { faultyStore } from '../stores/faulty.ts'
import { VIEW_VERSION, ident, open, rejects, schema, set } from './setup.ts'

const forbidden = rejects(403, /does not allow/, 'ForbiddenException')

test('bounds: what is hidden is answered as what does not exist, and nothing is written', async (t) => {
  const { context, call } = await open(t)
  for (const namespace of [['a'], ['z'], ['z', 'in']]) await createNamespace(context, call, { namespace })
  for (const namespace of [['a'], ['z']]) await createTable(context, call, namespace, { name: 't', schema })
  const counted = faultyStore(context.store)
  const blind = { ...context, store: counted }
  const bounds = createBounds('read-write', [{ catalog: call.catalog.name, namespace: ['a'] }])
  const mine: CatalogCall = { ...call, principal: { ...call.principal, bounds } }
  const file = `${call.catalog.root}/a/x.metadata.json`
  const view = { name: 'v', schema, properties: {}, 'view-version': { ...VIEW_VERSION, 'default-namespace': ['a'] } }
  const change = { requirements: [], updates: [set({ a: 'b' })] }
  const askedAbout = (z: string[], name: ReturnType<typeof ident>): Readonly<Record<string, () => unknown>> => ({
    listNamespaces: () => listNamespaces(blind, mine, z, {}),
    createNamespace: () => createNamespace(blind, mine, { namespace: [...z, 'in'] }),
    loadNamespaceMetadata: () => loadNamespaceMetadata(blind, mine, z),
    namespaceExists: () => namespaceExists(blind, mine, z),
    dropNamespace: () => dropNamespace(blind, mine, z),
    updateProperties: () => updateProperties(blind, mine, z, { updates: { a: 'b' } }),
    listTables: () => listTables(blind, mine, z, {}),
    loadTable: () => loadTable(blind, mine, name),
    tableExists: () => tableExists(blind, mine, name),
    loadCredentials: () => loadCredentials(blind, mine, name),
    createTable: () => createTable(blind, mine, z, { name: 'x', schema }),
    stageTable: () => createTable(blind, mine, z, { name: 'x', schema, 'stage-create': true }),
    registerTable: () => registerTable(blind, mine, z, { name: 'x', 'metadata-location': file }),
    updateTable: () => updateTable(blind, mine, name, change),
    dropTable: () => dropTable(blind, mine, name),
    unregisterTable: () => unregisterTable(blind, mine, name),
    renameTable: () => renameTable(blind, mine, { source: name, destination: ident('x', 'a') }),
    commitTransaction: () => commitTransaction(blind, mine, { 'table-changes': [{ identifier: name, ...change }] }),
    reportMetrics: () => reportMetrics(blind, mine, name, { 'report-type': 'scan-report' }, '{}'),
    listMetrics: () => listMetrics(blind, mine, name, {}),
    listViews: () => listViews(blind, mine, z, {}),
    createView: () => createView(blind, mine, z, view),
    loadView: () => loadView(blind, mine, name),
    viewExists: () => viewExists(blind, mine, name),
    replaceView: () => replaceView(blind, mine, name, change),
    dropView: () => dropView(blind, mine, name),
    registerView: () => registerView(blind, mine, z, { name: 'x', 'metadata-location': file }),
    dropNamespaceTree: () => dropNamespaceTree(blind, mine, z),
    loadNamespaceProtection: () => loadNamespaceProtection(blind, mine, z),
    protectNamespace: () => protectNamespace(blind, mine, z, true),
    loadProtection: () => loadProtection(blind, mine, name, 'table'),
    protect: () => protect(blind, mine, name, 'table', true),
    renameInto: () => renameTable(blind, mine, { source: ident('t', 'a'), destination: name }),
    renameView: () => renameView(blind, mine, { source: name, destination: ident('x', 'a') }),
  })
  const answerTo = async (ask: () => unknown): Promise<string> => {
    const error: unknown = await Promise.resolve()
      .then(ask)
      .then(
        () => assert.fail('it was answered'),
        (reason: unknown) => reason,
      )
    assert.ok(error instanceof IcebergError)
    return `${error.code} ${error.type} ${error.message}`
  }
  const there = askedAbout(['z'], ident('t', 'z'))
  const absent = askedAbout(['y'], ident('q', 'y'))
  for (const [operation, ask] of Object.entries(there)) {
    const answer = await answerTo(ask)
    assert.match(answer, /^404 NoSuch/, operation)
    const other = await answerTo(absent[operation]!)
    assert.equal(other.replace(/\by\b/g, 'z').replace(/\bq\b/g, 't'), answer, operation)
  }
  assert.equal(counted.calls.write, 0)
  await assert.rejects(async () => createNamespace(blind, mine, { namespace: ['z'] }), forbidden)
  await assert.rejects(async () => createNamespace(blind, mine, { namespace: ['y'] }), forbidden)
  await assert.rejects(async () => listCommits(blind, mine, {}), forbidden)
})
