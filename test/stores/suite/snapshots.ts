/** Snapshots, of the engines that have them. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import type { Backend } from '../backends.ts'
import { insert, metricsReport, remove, replace, useStore } from './rows.ts'

export function snapshots(backend: Backend): void {
  const use = useStore(backend)

  test('a snapshot shows what was there when it was taken, whatever is written since', async (t) => {
    const { store, opened } = use
    if (store.snapshot === undefined) return t.diagnostic('this engine has no snapshots')
    const place = { tenant_id: randomUUID(), catalog_id: 'c', entry_id: 'e' }
    const rows = ['1', '2', '3'].map((id) => metricsReport({ ...place, id, report: 'before' }))
    const [one, two] = await store.write(rows.map((row) => insert('metrics', row)))
    const snapshot = await store.snapshot()
    const other = backend.isShared ? await opened.openAnother() : store
    await other.write([
      replace('metrics', { ...rows[0]!, report: 'after' }, one!),
      remove('metrics', rows[1]!, two!),
      insert('metrics', metricsReport({ ...place, id: '4' })),
    ])
    const seen = []
    for (let after: (typeof rows)[0] | undefined; ;) {
      const page = await snapshot.list('metrics', { index: 'primary', where: place, limit: 1, ...(after && { after }) })
      if (page.length === 0) break
      seen.push(...page.map(({ id, report }) => [id, report]))
      after = page[0]
    }
    assert.deepEqual(seen, [
      ['1', 'before'],
      ['2', 'before'],
      ['3', 'before'],
    ])
    await snapshot.close()
    const now = await store.list('metrics', { index: 'primary', where: place, limit: 9 })
    assert.deepEqual(
      now.map(({ id }) => id),
      ['1', '3', '4'],
    )
  })
}
