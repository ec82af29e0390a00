/** Many at once: nobody's write is lost, nobody sees half of one. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { StoreError } from '../../../src/stores/store.ts'
import type { Store } from '../../../src/stores/store.ts'
import type { Backend } from '../backends.ts'
import { entry, insert, namespace, replace, require, tenant, useStore, winners } from './rows.ts'

/** Adds one to a row's counter, again after each lost race. */
async function increment(store: Store, id: string): Promise<void> {
  for (;;) {
    const row = await store.get('tenants', { id })
    assert.ok(row)
    try {
      await store.write([replace('tenants', { ...row, created_at: row.created_at + 1 }, row.version)])
      return
    } catch (error) {
      if (!(error instanceof StoreError && error.kind === 'conflict')) throw error
    }
  }
}

export function concurrency(backend: Backend): void {
  const use = useStore(backend)

  test('counters that many increase by compare-and-set lose nothing', async () => {
    const { store } = use
    const rows = [tenant({ created_at: 0 }), tenant({ created_at: 0 })]
    await store.write(rows.map((row) => insert('tenants', row)))
    await Promise.all(Array.from({ length: 60 }, (_, i) => increment(store, rows[i % 2]?.id ?? '')))
    for (const row of rows) assert.equal((await store.get('tenants', row))?.created_at, 30)
  })

  test('a hundred writers on rows of their own all succeed, next to batches that fail', async () => {
    const { store } = use
    const taken = tenant()
    await store.write([insert('tenants', taken)])
    const rows = Array.from({ length: 100 }, () => tenant())
    const failing = rows.map((row) =>
      store.write([insert('tenants', tenant({ id: `half ${row.id}` })), insert('tenants', taken)]),
    )
    const good = rows.map((row) => store.write([insert('tenants', row), require('tenants', taken, 'any')]))
    assert.deepEqual(await Promise.all([winners(good), winners(failing)]), [100, 0])
    const read = await store.getMany(
      'tenants',
      rows.flatMap(({ id }) => [{ id }, { id: `half ${id}` }]),
    )
    assert.deepEqual(
      read.map((row) => row?.id),
      rows.flatMap(({ id }) => [id, undefined]),
    )
  })

  test('whoever was answered reads what was written', async () => {
    const { store } = use
    const writer = async (): Promise<void> => {
      const row = tenant()
      let [version] = await store.write([insert('tenants', row)])
      for (let i = 2; i < 20; i++) {
        ;[version] = await store.write([replace('tenants', { ...row, created_at: i }, version ?? 0)])
        assert.deepEqual(await store.get('tenants', row), { ...row, created_at: i, version })
        assert.equal((await store.list('tenants', { index: 'primary', where: { id: row.id }, limit: 1 }))[0]?.created_at, i)
      }
    }
    await Promise.all(Array.from({ length: 10 }, writer))
  })

  test('a listing never shows half of a batch', async () => {
    const { store } = use
    const tenant_id = randomUUID()
    const names = ['a', 'b', 'c', 'd']
    const rows = names.map((name) => namespace({ tenant_id, name, epoch: 0 }))
    let versions = await store.write(rows.map((row) => insert('namespaces', row)))
    const writing = { done: false }
    const reader = async (): Promise<number> => {
      let reads = 0
      while (!writing.done) {
        const seen = await store.list('namespaces', { index: 'primary', where: { tenant_id }, limit: 10 })
        assert.equal(new Set(seen.map(({ epoch }) => epoch)).size, 1)
        reads++
        await new Promise(setImmediate)
      }
      return reads
    }
    const readers = [reader(), reader()]
    for (let epoch = 1; epoch <= 40; epoch++) {
      versions = await store.write(rows.map((row, i) => replace('namespaces', { ...row, epoch }, versions[i] ?? 0)))
    }
    writing.done = true
    for (const reads of await Promise.all(readers)) assert.ok(reads > 0)
  })

  test('batches over the same rows are one after the other', async () => {
    const { store } = use
    const [left, right] = [tenant({ created_at: 0 }), tenant({ created_at: 0 })]
    await store.write([insert('tenants', left), insert('tenants', right)])
    // Each moves one from left to right; the sum stays 0 if no two of them mix.
    const move = async (): Promise<void> => {
      for (;;) {
        const [from, to] = await store.getMany('tenants', [left, right])
        assert.ok(from && to)
        const outcome = await store
          .write([
            replace('tenants', { ...from, created_at: from.created_at - 1 }, from.version),
            replace('tenants', { ...to, created_at: to.created_at + 1 }, to.version),
          ])
          .catch((error: unknown) => error)
        if (Array.isArray(outcome)) return
        assert.ok(outcome instanceof StoreError && outcome.kind === 'conflict')
      }
    }
    await Promise.all(Array.from({ length: 25 }, move))
    const [from, to] = await store.getMany('tenants', [left, right])
    assert.deepEqual([from?.created_at, to?.created_at], [-25, 25])
  })

  if (!backend.isShared) return

  test('two stores over the same data race as one', async () => {
    const { store } = use
    const other = await use.opened.openAnother()
    const row = tenant({ created_at: 0 })
    await store.write([insert('tenants', row)])
    await Promise.all(Array.from({ length: 40 }, (_, i) => increment(i % 2 === 0 ? store : other, row.id)))
    assert.equal((await store.get('tenants', row))?.created_at, 40)
    const table = entry()
    const attempts = Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? store : other).write([insert('entries', table)]))
    assert.equal(await winners(attempts), 1)
    assert.deepEqual(await other.get('entries', table), await store.get('entries', table))
  })
}
