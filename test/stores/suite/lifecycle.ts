/** Opening, migrating, closing. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Backend } from '../backends.ts'
import { insert, storeError, tenant, useStore, racing } from './rows.ts'

export function lifecycle(backend: Backend): void {
  const use = useStore(backend)

  test('migrating again changes nothing', async () => {
    const { store } = use
    const row = tenant()
    await store.write([insert('tenants', row)])
    await Promise.all([store.migrate(), store.migrate(), store.migrate()])
    assert.equal((await store.get('tenants', row))?.name, row.name)
  })

  racing(backend)('close waits for writes under way, and ends the use of the store', async (t) => {
    const { store, openAnother, dispose } = await backend.open()
    t.after(dispose)
    const rows = Array.from({ length: 50 }, () => tenant())
    const writes = rows.map((row) => store.write([insert('tenants', row)]))
    await Promise.all([store.close(), store.close()])
    await Promise.all(writes)
    await assert.rejects(store.get('tenants', tenant()), storeError('unavailable'))
    await assert.rejects(store.getMany('tenants', [tenant()]), storeError('unavailable'))
    await assert.rejects(store.list('tenants', { index: 'primary', where: {}, limit: 1 }), storeError('unavailable'))
    await assert.rejects(store.write([insert('tenants', tenant())]), storeError('unavailable'))
    if (!backend.isShared) return
    const other = await openAnother()
    assert.deepEqual(
      (await other.getMany('tenants', rows)).map((row) => row?.id),
      rows.map(({ id }) => id),
    )
  })

  if (!backend.isShared) return

  test('what was written is there when the store is opened again', async (t) => {
    const { store, openAnother, dispose } = await backend.open()
    t.after(dispose)
    const row = tenant({ properties: { a: [1, null, 'x'] } })
    const [version] = await store.write([insert('tenants', row)])
    await store.close()
    const again = await openAnother()
    assert.deepEqual(await again.get('tenants', row), { ...row, version })
  })
}
