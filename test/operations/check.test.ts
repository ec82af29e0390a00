/** What `store check` finds, each kind planted on purpose, and what it must not take for damage. */
import assert from 'node:assert/strict'
import { appendFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { createTable } from '../../src/catalog/tables.ts'
import { checkStore, type CheckReport } from '../../src/operations/check.ts'
import { copyStore } from '../../src/operations/copy.ts'
import { openMemoryStore } from '../../src/stores/memory.ts'
import type { NewRow } from '../../src/stores/entities.ts'
import type { Store } from '../../src/stores/store.ts'
import { newTable, open, schema } from '../catalog/setup.ts'
import { faultyStore } from '../stores/faulty.ts'
import { entry, insert, namespace, remove, replace, tenant, user } from '../stores/suite/rows.ts'
import { lakeRows, writeLake } from './rows.ts'

const now = (): number => 1_700_000_000_000
const codes = ({ findings }: CheckReport): string[] =>
  findings.map(({ severity, code, row }) => `${severity} ${code} ${row}`).sort()

async function lake(): Promise<Store> {
  const store = openMemoryStore()
  await writeLake(store)
  // Its rows are no history of each other: of a catalog without one nothing is compared.
  for (const { version: _, ...key } of await store.list('logs', { index: 'primary', where: {}, limit: 10 })) {
    await store.write([remove('logs', key, 'any')])
  }
  return store
}

const token = (values: Partial<NewRow<'tokens'>>): NewRow<'tokens'> => ({
  id: 'x',
  tenant_id: 't1',
  user_id: 'nobody',
  secret_hash: '',
  description: null,
  created_at: 1,
  expires_at: null,
  bounds: null,
  ...values,
})
const task = (values: Partial<NewRow<'tasks'>>): NewRow<'tasks'> => ({
  id: 'x',
  tenant_id: 't1',
  location: null,
  kind: 'purge-table',
  payload: {},
  due_at: 1,
  owner: null,
  attempts: 10,
  last_error: 'Error: no such bucket',
  created_at: 1,
  ...values,
})

describe('store check', () => {
  it('finds nothing where nothing is wrong', async () => {
    const report = await checkStore({ store: await lake(), now })
    assert.deepEqual(report.findings, [])
    assert.deepEqual(report.counts, {})
    assert.equal(report.rows['entries'], 23)
  })

  const place = { tenant_id: 't1', catalog_id: 'c-t1', branch: 'main' }
  const cases: [string, (store: Store) => Promise<unknown>, string[]][] = [
    [
      'a table in a namespace that does not exist',
      (store) =>
        store.write([insert('entries', entry({ ...place, namespace: 'gone\u001fx', name: 't', location: 'file:///x' }))]),
      ['error missing-namespace t1/c-t1/main/gone.x/t'],
    ],
    [
      'a namespace without its parent',
      (store) => store.write([insert('namespaces', namespace({ ...place, parent: 'gone', name: 'n' }))]),
      ['error missing-parent t1/c-t1/main/gone/n'],
    ],
    [
      'what belongs to a catalog that does not exist, once each',
      (store) =>
        store.write([
          insert('namespaces', namespace({ ...place, catalog_id: 'gone', parent: 'a', name: 'n' })),
          insert('entries', entry({ ...place, catalog_id: 'gone', name: 't', location: 'file:///x' })),
        ]),
      ['error missing-catalog t1/gone/main/a/n', 'error missing-catalog t1/gone/main/ns/t'],
    ],
    [
      'what belongs to a branch that does not exist',
      (store) => store.write([insert('namespaces', namespace({ ...place, branch: 'dev', parent: '', name: 'n' }))]),
      ['error missing-branch t1/c-t1/dev//n'],
    ],
    [
      'a catalog without its warehouse',
      (store) => store.write([remove('warehouses', { tenant_id: 't2', name: 'w' }, 'any')]),
      ['error missing-warehouse t2/lake'],
    ],
    [
      'two tables at one place, of one tenant only',
      (store) =>
        store.write([
          insert('entries', entry({ ...place, namespace: 'a', name: 'twin', location: 'file:///lake/t1/4' })),
          insert(
            'entries',
            entry({ ...place, tenant_id: 't2', catalog_id: 'c-t2', namespace: 'a', location: 'file:///lake/t1/4' }),
          ),
        ]),
      ['error duplicate-location t1/c-t1/main/a/twin'],
    ],
    [
      'tokens and users of nobody',
      (store) =>
        store.write([
          insert('tokens', token({ id: 'tok' })),
          insert('users', user({ id: 'ann', tenant_id: 't1' })),
          insert('tokens', token({ id: 'own', tenant_id: 't1', user_id: 'ann' })),
          insert('tokens', token({ id: 'stray', tenant_id: 't2', user_id: 'ann' })),
          insert('users', user({ id: 'lost', tenant_id: 'gone' })),
          insert('users', user()),
        ]),
      ['error missing-tenant lost', 'error orphan-token stray', 'error orphan-token tok'],
    ],
    [
      'work that was given up or that nobody does',
      (store) =>
        store.write([
          insert('tasks', task({ id: 'given-up', due_at: Number.MAX_SAFE_INTEGER })),
          insert('tasks', task({ id: 'overdue' })),
          insert('tasks', task({ id: 'soon', due_at: now() - 1000 })),
        ]),
      ['warning task-given-up given-up', 'warning task-overdue overdue'],
    ],
    [
      'idempotency records that nobody removes',
      async (store) => {
        const row = await store.get('idempotency', { tenant_id: 't1', idempotency_key: 'k' })
        await store.write([replace('idempotency', { ...row!, expires_at: 5 }, row!.version)])
      },
      ['warning expired-record t1/k'],
    ],
    [
      'a copy that was cut off',
      async (store) => {
        const empty = openMemoryStore()
        const breaking = faultyStore(store)
        for (const name of ['t1', 't2']) await removeAll(store, name)
        breaking.inject({ method: 'write', mode: 'before', skip: 1 })
        await empty.write([insert('tenants', tenant())])
        await assert.rejects(copyStore({ from: empty, to: breaking, identity: 'sqlite:a.db', now }))
      },
      ['error unfinished-copy store-filling'],
    ],
  ]
  for (const [what, plant, expected] of cases) {
    it(`finds ${what}`, async () => {
      const store = await lake()
      await plant(store)
      const report = await checkStore({ store, now })
      assert.deepEqual(codes(report), expected)
      for (const { message } of report.findings) assert.match(message, /^[A-Z].*[.?]$/)
    })
  }

  it('shows a hundred of a kind and counts all', async () => {
    const store = await lake()
    const lost = Array.from({ length: 130 }, (_, n) => insert('tokens', token({ id: `lost${n}` })))
    await store.write(lost)
    const report = await checkStore({ store, now })
    assert.deepEqual(report.counts, { 'orphan-token': 130 })
    assert.equal(report.findings.length, 100)
  })

  it('does not take a change under way for damage', async () => {
    const store = await lake()
    // The namespace and its table come between the look at one and the look at the other.
    const [ns, table] = [
      namespace({ ...place, parent: '', name: 'new' }),
      entry({ ...place, namespace: 'new', location: 'file:///n' }),
    ]
    await store.write([insert('namespaces', ns), insert('entries', table)])
    let first = true
    const moving: Store = {
      ...store,
      list: async (entity, options) => {
        const rows = await store.list(entity, options)
        if (entity === 'entries' && first) {
          first = false
          await store.write([remove('entries', table, 'any'), remove('namespaces', ns, 'any')])
        }
        return rows
      },
    }
    assert.deepEqual((await checkStore({ store: moving, now })).findings, [])
    assert.equal(first, false)
  })
})

async function removeAll(store: Store, tenantId: string): Promise<void> {
  for (const step of lakeRows(tenantId, tenantId === 't1' ? 20 : 3)) {
    if (step.op === 'insert' && step.entity !== 'logs')
      await store.write([{ op: 'remove', entity: step.entity, key: step.row, expected: 'any' } as never])
  }
}

describe('store check --files', () => {
  it('reads the file of each pointer', async (t) => {
    const fixture = await open(t)
    const { store, call } = fixture
    await store.write([
      insert('warehouses', {
        tenant_id: 't1',
        name: 'w',
        id: 'w1',
        use_sts: false,
        storage_config: {},
        vending_strategy: null,
        secrets: null,
        table_location_layout: null,
        purge_delay_hours: null,
        created_at: 1,
        updated_at: 1,
      }),
    ])
    for (const name of ['good', 'gone', 'broken', 'moved', 'taken', 'goes-on']) await newTable(fixture, name)
    await createTable(fixture.context, call, ['ns'], {
      name: 'zipped',
      schema,
      properties: { 'write.metadata.compression-codec': 'gzip' },
    })
    const storageOf = async (tenantId: string, warehouse: string) => {
      assert.deepEqual([tenantId, warehouse], ['t1', 'w'])
      return call.catalog.storage
    }
    const whole = await checkStore({ store, now, storageOf })
    assert.deepEqual([whole.findings, whole.files], [[], 7])

    const rowOf = async (name: string) => (await store.get('entries', { ...key, name }))!
    const key = { tenant_id: 't1', catalog_id: 'c1', branch: 'main', namespace: 'ns' }
    rmSync(new URL((await rowOf('gone')).metadata_location))
    writeFileSync(new URL((await rowOf('broken')).metadata_location), '{"format-version":2')
    const taken = new URL((await rowOf('taken')).metadata_location)
    const other = JSON.parse(readFileSync(taken, 'utf8')) as object
    writeFileSync(taken, JSON.stringify({ ...other, 'table-uuid': '00000000-0000-4000-8000-000000000000' }))
    appendFileSync(new URL((await rowOf('goes-on')).metadata_location), ',"config":{}')
    const moved = await rowOf('moved')
    await store.write([replace('entries', { ...moved, location: `${moved.location}-elsewhere` }, moved.version)])
    const report = await checkStore({ store, now, storageOf })
    assert.deepEqual(codes(report), [
      'error missing-file t1/c1/main/ns/gone',
      'error other-location t1/c1/main/ns/moved',
      'error other-metadata t1/c1/main/ns/taken',
      'error unreadable-file t1/c1/main/ns/broken',
      'error unreadable-file t1/c1/main/ns/goes-on',
    ])
  })
})

describe('store check and the history', () => {
  const LOG = { tenant_id: 't1', catalog_id: 'c1', branch: 'main' }
  const differing = async (store: Store): Promise<string[]> => {
    const { findings } = await checkStore({ store, now })
    return findings.filter(({ code }) => code === 'history-differs').map(({ row, message }) => `${row}: ${message.split('.')[0]}`)
  }

  it('tells what the history of a catalog does not end with', async (t) => {
    const fixture = await open(t)
    const { store, context } = fixture
    assert.deepEqual(await differing(store), [], 'nothing is in order yet')
    for (const name of ['same', 'moved', 'gone', 'other']) await newTable(fixture, name)
    await context.sequencer.settle()
    assert.deepEqual(await differing(store), [])
    const rowOf = async (name: string) => (await store.get('entries', { ...LOG, namespace: 'ns', name }))!
    const [moved, gone, other] = [await rowOf('moved'), await rowOf('gone'), await rowOf('other')]
    const key = { ...LOG, parent: '', name: 'ns' }
    const ns = (await store.get('namespaces', key))!
    await store.write([
      replace('entries', { ...moved, metadata_location: 'file:///elsewhere' }, moved.version),
      replace('entries', { ...other, id: 'x' }, other.version),
      remove('entries', gone, gone.version),
      insert('entries', { ...moved, name: 'new', id: 'y', location: 'file:///new' }),
      replace('namespaces', { ...ns, properties: { a: 'b' } }, ns.version),
    ])
    const file = moved.metadata_location.replaceAll('.', '\\.')
    const found = await differing(store)
    const expected = [
      /^t1\/c1\/main\/\/ns: At the end of its catalog's history, the properties are others$/,
      new RegExp(`^t1/c1/main/ns/moved: At the end of its catalog's history, the metadata file is ${file.split('\\.')[0]}`),
      /^t1\/c1\/main\/ns\/new: At the end of its catalog's history, nothing has the name$/,
      new RegExp(`^t1/c1/main/ns/other: At the end of its catalog's history, the id is ${other.id}, not x$`),
      /^t1\/c1\/main\/table\/ns\/gone\/\d+: At the end of its catalog's history, a table has the name$/,
    ]
    assert.equal(found.length, expected.length, found.join('\n'))
    for (const [n, pattern] of expected.entries()) assert.match(found[n]!, pattern)
  })

  it('waits for changes that have no place yet', async (t) => {
    const fixture = await open(t)
    const { store, context } = fixture
    await newTable(fixture, 'first')
    await context.sequencer.settle()
    await newTable(fixture, 'second')
    const looking = differing(store)
    setTimeout(() => void context.sequencer.settle(), 300)
    assert.deepEqual(await looking, [])
  })
})
