/** A batch: all its steps in their order, or none. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import type { Backend } from '../backends.ts'
import { conflict, entry, insert, namespace, remove, replace, require, tenant, useStore, writeOne } from './rows.ts'

export function batches(backend: Backend): void {
  const use = useStore(backend)

  test('versions come back by step, where a step writes a row', async () => {
    const { store } = use
    const [a, b] = [tenant(), tenant()]
    const versionB = await writeOne(store, insert('tenants', b))
    const versions = await store.write([
      insert('tenants', a),
      require('tenants', a, 'any'),
      replace('tenants', { ...b, created_at: 2 }, versionB),
      remove('tenants', a, 'any'),
    ])
    assert.deepEqual(
      versions.map((version) => typeof version),
      ['number', 'undefined', 'number', 'undefined'],
    )
    assert.equal((await store.get('tenants', b))?.version, versions[2])
    assert.equal(await store.get('tenants', a), undefined)
  })

  test('an empty batch does nothing', async () => {
    assert.deepEqual(await use.store.write([]), [])
  })

  test('the step that fails is named and nothing of the batch is kept', async () => {
    const { store } = use
    const [a, b, c] = [tenant(), tenant(), tenant()]
    const versionA = await writeOne(store, insert('tenants', a))
    await writeOne(store, insert('tenants', b))
    const steps = [
      insert('tenants', c),
      replace('tenants', { ...a, name: `renamed ${a.id}` }, versionA),
      remove('tenants', b, 'any'),
      insert('tenants', { ...b, id: randomUUID() }),
      require('tenants', { id: randomUUID() }, 'any'),
      insert('tenants', tenant()),
    ]
    await assert.rejects(store.write(steps), conflict(4))
    assert.deepEqual(await store.get('tenants', a), { ...a, version: versionA })
    assert.equal((await store.get('tenants', b))?.name, b.name)
    assert.equal(await store.get('tenants', c), undefined)
    assert.deepEqual(
      (await store.list('tenants', { index: 'by_name', where: { name: `renamed ${a.id}` }, limit: 1 })).length,
      0,
      'index entries are taken back too',
    )
    assert.equal((await store.list('tenants', { index: 'by_name', where: { name: a.name }, limit: 1 })).length, 1)
  })

  test('the first of several failing steps is named', async () => {
    const { store } = use
    const missing = { id: randomUUID() }
    await assert.rejects(store.write([require('tenants', missing, 'any'), remove('tenants', missing, 'any')]), conflict(0))
  })

  test('among rows that one batch inserts into one table, the first that is there already is named', async () => {
    const { store } = use
    const tenant_id = randomUUID()
    const rows = Array.from({ length: 20 }, (_, i) => entry({ tenant_id, name: `t${i}` }))
    const others = Array.from({ length: 10 }, () => tenant())
    await store.write([insert('entries', rows[12]!), insert('entries', rows[15]!), insert('tenants', others[9]!)])
    const steps = [
      ...others.slice(0, 2).map((row) => insert('tenants', row)),
      ...rows.slice(0, 12).map((row) => insert('entries', row)),
    ]
    const rest = rows.slice(12).map((row) => insert('entries', row))
    await assert.rejects(store.write([...steps, ...rest, insert('tenants', others[9]!)]), conflict(14))
    await assert.rejects(store.write([...steps, insert('tenants', others[9]!)]), conflict(14))
    const taken = others.map(({ name }) => insert('tenants', tenant({ name })))
    await assert.rejects(store.write([...steps.slice(2), ...taken]), conflict(21), 'by a unique index')
    const twice = [insert('entries', { ...rows[3]!, epoch: 5 }), insert('entries', rows[13]!)]
    await assert.rejects(store.write([...steps, ...twice]), conflict(14), 'within the batch')
    assert.equal(await store.get('tenants', others[0]!), undefined)
    assert.equal((await store.list('entries', { index: 'primary', where: { tenant_id }, limit: 30 })).length, 2)
    const versions = await store.write(steps)
    const read = await store.getMany('entries', rows.slice(0, 12))
    assert.deepEqual(
      read.map((row) => row?.version),
      versions.slice(2),
    )
  })

  test('a step sees the steps before it, and none behind it', async () => {
    const { store } = use
    const a = tenant()
    await store.write([require('tenants', a, 'none'), insert('tenants', a), require('tenants', a, 'any')])
    await assert.rejects(store.write([require('tenants', a, 'none'), remove('tenants', a, 'any')]), conflict(0))
    await store.write([remove('tenants', a, 'any'), require('tenants', a, 'none'), insert('tenants', { ...a, created_at: 7 })])
    assert.equal((await store.get('tenants', a))?.created_at, 7)
    await assert.rejects(store.write([remove('tenants', a, 'any'), remove('tenants', a, 'any')]), conflict(1))
    const b = tenant()
    await assert.rejects(store.write([insert('tenants', b), insert('tenants', b)]), conflict(1))
    assert.equal(await store.get('tenants', b), undefined)
  })

  test('a batch over several entities', async () => {
    const { store } = use
    const space = namespace()
    const table = entry({ tenant_id: space.tenant_id })
    await store.write([insert('namespaces', space), require('namespaces', space, 'any'), insert('entries', table)])
    await assert.rejects(store.write([remove('entries', table, 'any'), insert('namespaces', space)]), conflict(1))
    assert.ok(await store.get('entries', table))
  })

  test('a batch of thousands of steps', async () => {
    const { store } = use
    const tenant_id = randomUUID()
    const { manySteps = 5000 } = backend
    const rows = Array.from({ length: manySteps }, (_, i) => entry({ tenant_id, name: `t${String(i).padStart(4, '0')}` }))
    await store.write(rows.map((row) => insert('entries', row)))
    const options = { index: 'primary', where: { tenant_id }, limit: 10_000 } as const
    assert.equal((await store.list('entries', options)).length, manySteps)
    const failing = [
      ...rows.map((row) => remove('entries', row, 'any')),
      insert('tenants', tenant()),
      require('tenants', tenant(), 'any'),
    ]
    await assert.rejects(store.write(failing), conflict(manySteps + 1))
    assert.equal((await store.list('entries', options)).length, manySteps)
  })
}
