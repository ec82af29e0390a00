/**
 * What a token is bound to gets another name in the middle of a request, and something else gets the name: before each read of
 * the store that the request makes. Whatever is answered is about the one thing, and the other one is never touched.
 */
import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'
import { createBounds, type Bound } from '../../src/access/bounds.ts'
import type { CatalogCall, CatalogContext } from '../../src/catalog/call.ts'
import { dropTable } from '../../src/catalog/drop.ts'
import { namespaceKey, entryKey } from '../../src/catalog/entries.ts'
import { listMetrics } from '../../src/catalog/metrics/metrics.ts'
import { createNamespace, dropNamespace, loadNamespaceMetadata, updateProperties } from '../../src/catalog/namespaces.ts'
import { isProtected, protect } from '../../src/catalog/protection.ts'
import { unregisterTable } from '../../src/catalog/register.ts'
import { renameTable } from '../../src/catalog/rename.ts'
import { createTable, loadTable } from '../../src/catalog/tables.ts'
import { commitTransaction } from '../../src/catalog/transactions.ts'
import { updateTable } from '../../src/catalog/update-table.ts'
import { dropNamespaceTree } from '../../src/catalog/drop-tree.ts'
import { IcebergError } from '../../src/iceberg/errors.ts'
import type { Store } from '../../src/stores/store.ts'
import { NEW_TABLE, bodyOf, ident, open, schema, set, type Fixture } from './setup.ts'

/** Runs `work` before the read of this number, counted from 0. */
function interrupted(store: Store, at: number, work: () => Promise<void>): Store & { readonly reads: () => number } {
  let count = 0
  const before = async (): Promise<void> => {
    if (count++ === at) await work()
  }
  return {
    ...store,
    get: (entity, key) => before().then(() => store.get(entity, key)),
    getMany: (entity, keys) => before().then(() => store.getMany(entity, keys)),
    list: (entity, options) => before().then(() => store.list(entity, options)),
    write: (mutations) => store.write(mutations),
    reads: () => count,
  }
}

const change = { requirements: [], updates: [set({ touched: 'yes' })] }
type Ask = (context: CatalogContext, call: CatalogCall) => unknown

const bound = ({ call }: Fixture, ...within: Omit<Bound, 'catalog'>[]): CatalogCall => ({
  ...call,
  principal: {
    ...call.principal,
    bounds: createBounds(
      'read-write',
      within.map((one) => ({ catalog: 'lake', ...one })),
    ),
  },
})

const STAGED = [
  { action: 'assign-uuid', uuid: '5a1f5e4e-3b8f-4f43-9d0e-1f0f6a1f0c11' },
  { action: 'upgrade-format-version', 'format-version': 2 },
  ...NEW_TABLE,
]

const outcomeOf = async (ask: () => unknown): Promise<unknown> => {
  try {
    return await ask()
  } catch (error) {
    assert.ok(error instanceof IcebergError, String(error))
    assert.ok([403, 404, 409].includes(error.code), error.message)
    return undefined
  }
}

describe('a table that is renamed, and another one in its place', () => {
  const name = ident('t')
  const asked: Readonly<Record<string, Ask>> = {
    loadTable: (context, call) => loadTable(context, call, name),
    updateTable: (context, call) => updateTable(context, call, name, change),
    commitTransaction: (context, call) =>
      commitTransaction(context, call, { 'table-changes': [{ identifier: name, ...change }] }),
    dropTable: (context, call) => dropTable(context, call, name),
    unregisterTable: (context, call) => unregisterTable(context, call, name),
    renameTable: (context, call) => renameTable(context, call, { source: name, destination: ident('stolen', 'mine') }),
    protect: (context, call) => protect(context, call, name, 'table', true),
    listMetrics: (context, call) => listMetrics(context, call, name, {}),
  }
  for (const [operation, ask] of Object.entries(asked)) {
    test(operation, async (t: TestContext) => {
      for (let at = 0; ; at++) {
        const fixture = await open(t)
        const { context, call, catalog } = fixture
        await createNamespace(context, call, { namespace: ['mine'] })
        await createTable(context, call, ['ns'], { name: 't', schema })
        const row = await context.store.get('entries', entryKey(catalog, name))
        const space = await context.store.get('namespaces', namespaceKey(catalog, ['mine']))
        let other = ''
        // In another process, which does not wait for this one's turns.
        const { context: elsewhere } = fixture.another()
        const store = interrupted(context.store, at, async () => {
          await renameTable(elsewhere, call, { source: name, destination: ident('away') })
          other = bodyOf(await createTable(elsewhere, call, ['ns'], { name: 't', schema })).metadata['table-uuid']
        })
        const mine = bound(
          fixture,
          { namespace: ['ns'], table: 't', ids: { catalog: catalog.id, table: row!.id } },
          { namespace: ['mine'], ids: { catalog: catalog.id, namespace: space!.id } },
        )
        const answer = await outcomeOf(() => ask({ ...context, store }, mine))
        if (other === '') {
          assert.ok(at > 0)
          return
        }
        const there = bodyOf(await loadTable(context, call, name)).metadata
        assert.deepEqual([there['table-uuid'], there.properties['touched']], [other, undefined], `${operation} ${at}`)
        const entry = await context.store.get('entries', entryKey(catalog, name))
        assert.deepEqual(await isProtected(context, 't1', entry!.id), { protected: false })
        if (answer !== undefined) assert.ok(!JSON.stringify(answer).includes(other))
        if (operation === 'loadTable' && answer !== undefined)
          assert.notEqual(bodyOf(answer as never).metadata['table-uuid'], other, `${at}`)
      }
    })
  }
})

describe('a namespace that is dropped, and another one in its place', () => {
  const asked: Readonly<Record<string, Ask>> = {
    loadNamespaceMetadata: (context, call) => loadNamespaceMetadata(context, call, ['n']),
    updateProperties: (context, call) => updateProperties(context, call, ['n'], { updates: { touched: 'yes' } }),
    dropNamespace: (context, call) => dropNamespace(context, call, ['n']),
    dropNamespaceTree: (context, call) => dropNamespaceTree(context, call, ['n']),
    loadTable: (context, call) => loadTable(context, call, ident('t', 'n')),
    createTable: (context, call) => createTable(context, call, ['n'], { name: 'x', schema }),
    createStaged: (context, call) =>
      updateTable(context, call, ident('x', 'n'), { requirements: [{ type: 'assert-create' }], updates: STAGED }),
    createNamespace: (context, call) => createNamespace(context, call, { namespace: ['n', 'x'] }),
    renameTable: (context, call) => renameTable(context, call, { source: ident('own', 'mine'), destination: ident('x', 'n') }),
  }
  for (const [operation, ask] of Object.entries(asked)) {
    test(operation, async (t: TestContext) => {
      for (let at = 0; ; at++) {
        const fixture = await open(t)
        const { context, call, catalog } = fixture
        await createNamespace(context, call, { namespace: ['n'], properties: { whose: 'mine' } })
        const row = await context.store.get('namespaces', namespaceKey(catalog, ['n']))
        let isOther = false
        const { context: elsewhere } = fixture.another()
        const store = interrupted(context.store, at, async () => {
          await dropNamespaceTree(elsewhere, call, ['n'])
          await createNamespace(elsewhere, call, { namespace: ['n'], properties: { whose: 'theirs' } })
          await createTable(elsewhere, call, ['n'], { name: 't', schema })
          isOther = true
        })
        await createNamespace(context, call, { namespace: ['mine'] })
        await createTable(context, call, ['mine'], { name: 'own', schema })
        const mine = bound(
          fixture,
          { namespace: ['n'], ids: { catalog: catalog.id, namespace: row!.id } },
          { namespace: ['mine'] },
        )
        const answer = await outcomeOf(() => ask({ ...context, store }, mine))
        if (!isOther) {
          assert.ok(at > 0)
          return
        }
        const { properties } = await loadNamespaceMetadata(context, call, ['n'])
        assert.deepEqual([properties?.['whose'], properties?.['touched']], ['theirs', undefined], `${operation} ${at}`)
        assert.equal((await loadTable(context, call, ident('t', 'n'))).status, 200)
        assert.equal(await context.store.get('entries', entryKey(catalog, ident('x', 'n'))), undefined, `${operation} ${at}`)
        assert.equal(await context.store.get('namespaces', namespaceKey(catalog, ['n', 'x'])), undefined, `${operation} ${at}`)
        if (operation === 'loadTable') assert.equal(answer, undefined, `${at}`)
        if (answer !== undefined) assert.ok(!JSON.stringify(answer).includes('theirs'), `${operation} ${at}`)
      }
    })
  }
})
