/** Rows go in and come out as they were, one by one. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { entities } from '../../../src/stores/entities.ts'
import type { ColumnType, EntityName, Key, NewRow } from '../../../src/stores/entities.ts'
import type { Backend } from '../backends.ts'
import { insert, mutation, namespace, remove, replace, tenant, useStore, writeOne } from './rows.ts'

const samples: Readonly<Record<ColumnType, () => unknown>> = {
  text: () => randomUUID(),
  'text?': () => randomUUID(),
  integer: () => Number.MAX_SAFE_INTEGER - Math.floor(Math.random() * 1000),
  'integer?': () => -Math.floor(Math.random() * Number.MAX_SAFE_INTEGER),
  boolean: () => Math.random() < 0.5,
  json: () => ({ list: [1, 'two', null, true, { three: 0.5 }], empty: {} }),
  'json?': () => ['x'],
  drawn: () => null,
}

/** What the database has put into a row. */
const drawnOf = (row: object | undefined): object => (row !== undefined && 'arrival' in row ? { arrival: row.arrival } : {})

export function collections(backend: Backend): void {
  const use = useStore(backend)

  for (const [entity, declaration] of Object.entries(entities) as [EntityName, (typeof entities)['tasks']][]) {
    const columns = Object.entries(declaration.columns) as [string, ColumnType][]
    const sample = (): Record<string, unknown> => Object.fromEntries(columns.map(([name, type]) => [name, samples[type]()]))
    const keyOf = (row: Record<string, unknown>): Key<EntityName> =>
      Object.fromEntries(declaration.key.map((name) => [name, row[name]])) as unknown as Key<EntityName>

    test(`${entity}: a row comes back whole, replaced and removed by its version`, async () => {
      const { store } = use
      const row = sample()
      const version = await writeOne(store, mutation({ op: 'insert', entity, row }))
      const inserted = await store.get(entity, keyOf(row))
      assert.deepEqual(inserted, { ...row, ...drawnOf(inserted), version })
      const other = { ...sample(), ...drawnOf(inserted), ...keyOf(row) }
      const next = await writeOne(store, mutation({ op: 'replace', entity, row: other, expected: version }))
      assert.deepEqual(await store.get(entity, keyOf(row)), { ...other, version: next })
      await store.write([mutation({ op: 'remove', entity, key: keyOf(row), expected: next })])
      assert.equal(await store.get(entity, keyOf(row)), undefined)
    })

    test(`${entity}: nullable columns hold null`, async () => {
      const { store } = use
      const row = Object.fromEntries(columns.map(([name, type]) => [name, type.endsWith('?') ? null : samples[type]()]))
      const version = await writeOne(store, mutation({ op: 'insert', entity, row }))
      const inserted = await store.get(entity, keyOf(row))
      assert.deepEqual(inserted, { ...row, ...drawnOf(inserted), version })
    })
  }

  test('what the database numbers grows with each insert, one after the other and side by side, and is kept by a replacement', async () => {
    const { store } = use
    const scope = { tenant_id: randomUUID(), catalog_id: 'c', branch: 'main' }
    const commit = (id: string): NewRow<'commits'> => ({
      ...scope,
      id,
      timestamp_ms: 0,
      author: 'a',
      message: 'm',
      operations: [],
      origin: null,
      position: null,
      arrival: null,
    })
    const numberOf = async (id: string): Promise<number> => (await store.get('commits', { ...scope, id }))!.arrival!
    // In the order that their keys do not have.
    for (const id of ['c', 'a', 'b']) await store.write([insert('commits', commit(id))])
    await Promise.all(['e', 'd', 'f'].map((id) => store.write([insert('commits', commit(id))])))
    const numbers = await Promise.all(['c', 'a', 'b'].map(numberOf))
    assert.deepEqual(
      numbers,
      numbers.toSorted((one, other) => one - other),
    )
    assert.equal(new Set([...numbers, ...(await Promise.all(['e', 'd', 'f'].map(numberOf)))]).size, 6)
    assert.ok((await numberOf('e')) > numbers.at(-1)!)
    const { version, ...row } = (await store.get('commits', { ...scope, id: 'c' }))!
    const [other] = await store.write([replace('commits', { ...row, message: 'other' }, version)])
    const [again] = await store.write([replace('commits', { ...row, message: 'third' }, other!, ['message'])])
    assert.equal(await numberOf('c'), numbers[0])
    assert.deepEqual(await store.get('commits', { ...scope, id: 'c' }), { ...row, message: 'third', version: again })
    const pending = await store.list('commits', { index: 'pending', where: { position: null }, limit: 10_000 })
    const own = pending.filter(({ tenant_id }) => tenant_id === scope.tenant_id).map(({ id }) => id)
    assert.deepEqual(
      [own.slice(0, 3), own.slice(3).toSorted()],
      [
        ['c', 'a', 'b'],
        ['d', 'e', 'f'],
      ],
    )
  })

  test('getMany answers in the order of the keys, with gaps and repetitions', async () => {
    const { store } = use
    const [a, b] = [tenant(), tenant()]
    await store.write([insert('tenants', a), insert('tenants', b)])
    const rows = await store.getMany('tenants', [{ id: b.id }, { id: randomUUID() }, { id: a.id }, { id: b.id }])
    assert.deepEqual(
      rows.map((row) => row?.name),
      [b.name, undefined, a.name, b.name],
    )
    assert.deepEqual(await store.getMany('tenants', []), [])
  })

  test('rows are copied in and out, and frozen', async () => {
    const { store } = use
    const properties = { nested: { list: [1] } }
    const row = tenant({ properties })
    await store.write([insert('tenants', row)])
    properties.nested.list.push(2)
    const read = await store.get('tenants', { id: row.id })
    assert.deepEqual(read?.properties, { nested: { list: [1] } })
    assert.ok(Object.isFrozen(read) && Object.isFrozen(read.properties))
    assert.ok(Object.isFrozen((read.properties as { nested: { list: unknown } }).nested.list))
  })

  test('a key with the text of another column is another key', async () => {
    const { store } = use
    const row = namespace({ parent: 'a', name: 'b' })
    await store.write([insert('namespaces', row)])
    assert.equal(await store.get('namespaces', { ...row, parent: 'b', name: 'a' }), undefined)
    assert.equal(await store.get('namespaces', { ...row, parent: '', name: 'ab' }), undefined)
    assert.equal(await store.get('namespaces', { ...row, branch: 'Main' }), undefined)
  })

  test('a row that was read can be spread into a replacement', async () => {
    const { store } = use
    const row = tenant()
    await store.write([insert('tenants', row)])
    const read = await store.get('tenants', { id: row.id })
    assert.ok(read)
    await store.write([replace('tenants', { ...read, created_at: 5 }, read.version)])
    assert.equal((await store.get('tenants', { id: row.id }))?.created_at, 5)
  })

  test('what is not declared is refused as a bug of the caller', async () => {
    const { store } = use
    const row = tenant()
    const bugs = [
      { op: 'insert', entity: 'tenant', row },
      { op: 'insert', entity: 'tenants', row: { ...row, extra: 1 } },
      { op: 'insert', entity: 'tenants', row: { ...row, name: null } },
      { op: 'insert', entity: 'tenants', row: { ...row, created_at: '1' } },
      { op: 'insert', entity: 'tenants', row: { id: row.id } },
      { op: 'replace', entity: 'tenants', row, expected: 'any' },
      { op: 'replace', entity: 'tenants', row },
      { op: 'replace', entity: 'tenants', row, expected: 1, changed: ['extra'] },
      { op: 'replace', entity: 'tenants', row, expected: 1, changed: ['id'] },
      { op: 'replace', entity: 'tenants', row: { ...row, name: 1 }, expected: 1, changed: ['name'] },
      { op: 'remove', entity: 'tenants', key: { id: row.id }, expected: 'none' },
      { op: 'remove', entity: 'tenants', key: {}, expected: 'any' },
      { op: 'require', entity: 'tenants', key: { id: 1 }, expected: 'any' },
      { op: 'requireEmpty', entity: 'tenants', index: 'by_age', where: {} },
      { op: 'requireEmpty', entity: 'tenants', index: 'by_name', where: { id: '1' } },
      { op: 'upsert', entity: 'tenants', row },
    ]
    for (const bug of bugs) {
      await assert.rejects(store.write([insert('tenants', row), mutation(bug)]), TypeError, JSON.stringify(bug))
      assert.equal(await store.get('tenants', { id: row.id }), undefined)
    }
    await assert.rejects(store.get('tenant' as 'tenants', { id: '1' }), TypeError)
    await assert.rejects(store.get('tenants', {} as { id: string }), TypeError)
    await assert.rejects(store.getMany('tenants', [{ id: 1 as unknown as string }]), TypeError)
  })

  test('removing and reading what is not there', async () => {
    const { store } = use
    assert.equal(await store.get('tenants', { id: randomUUID() }), undefined)
    const row = tenant()
    await store.write([insert('tenants', row)])
    await store.write([remove('tenants', { id: row.id }, 'any')])
    assert.equal(await store.get('tenants', { id: row.id }), undefined)
  })
}
