/** Look-ups that are repeated: as fresh as `get`, in every engine, whoever wrote. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { lookUpIn } from '../../../src/stores/store.ts'
import type { Backend } from '../backends.ts'
import { tenant, useStore } from './rows.ts'

export function lookUps(backend: Backend): void {
  const use = useStore(backend)

  test('a look-up sees a row come, change, stay and go', async () => {
    const { store } = use
    const row = tenant()
    const lookUp = lookUpIn(store, 'tenants', { id: row.id })
    assert.equal(await lookUp.get(), undefined)
    assert.equal(await lookUp.get(), undefined)
    const [first] = await store.write([{ op: 'insert', entity: 'tenants', row }])
    assert.deepEqual(await lookUp.get(), { ...row, version: first })
    assert.equal(await lookUp.get(), await lookUp.get())
    const changed = { ...row, properties: { a: 1 } }
    const [second] = await store.write([{ op: 'replace', entity: 'tenants', row: changed, expected: first! }])
    assert.deepEqual(await lookUp.get(), { ...changed, version: second })
    await store.write([{ op: 'remove', entity: 'tenants', key: { id: row.id }, expected: 'any' }])
    assert.equal(await lookUp.get(), undefined)
    const [third] = await store.write([{ op: 'insert', entity: 'tenants', row }])
    assert.deepEqual(await lookUp.get(), { ...row, version: third })
  })

  test('what another row does changes nothing, the object included', async () => {
    const { store } = use
    const row = tenant()
    await store.write([{ op: 'insert', entity: 'tenants', row }])
    const lookUp = lookUpIn(store, 'tenants', { id: row.id })
    const before = await lookUp.get()
    for (let n = 0; n < 3; n++) await store.write([{ op: 'insert', entity: 'tenants', row: tenant() }])
    assert.equal(await lookUp.get(), before)
  })

  test('every acknowledged write of many is seen at once', async () => {
    const { store } = use
    const row = tenant()
    let [version] = await store.write([{ op: 'insert', entity: 'tenants', row }])
    const lookUp = lookUpIn(store, 'tenants', { id: row.id })
    for (let n = 0; n < 50; n++) {
      const changed = { ...row, created_at: n }
      ;[version] = await store.write([{ op: 'replace', entity: 'tenants', row: changed, expected: version! }])
      assert.equal((await lookUp.get())?.created_at, n)
    }
  })

  test('a key that is none is refused, and so is a closed store', async () => {
    await assert.rejects(async () => lookUpIn(use.store, 'tenants', { id: 1 as unknown as string }).get(), TypeError)
    const another = await backend.open()
    const lookUp = lookUpIn(another.store, 'tenants', { id: randomUUID() })
    await lookUp.get()
    await another.dispose()
    await assert.rejects(async () => lookUp.get(), { kind: 'unavailable' })
  })
}
