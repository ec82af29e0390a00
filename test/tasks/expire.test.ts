import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { expire, startExpiry } from '../../src/tasks/expire.ts'
import { openMemoryStore } from '../../src/stores/memory.ts'
import type { Store } from '../../src/stores/store.ts'

const DAY = 86_400_000
const now = 1_000 * DAY
const log = (): void => {}

const addKey = (store: Store, key: string, expires_at: number): Promise<unknown> =>
  store.write([
    {
      op: 'insert',
      entity: 'idempotency',
      row: { tenant_id: 't', idempotency_key: key, fingerprint: 'f', status: 200, outcome: null, expires_at } as never,
    },
  ])
const addReport = (store: Store, id: string, received_at: number): Promise<unknown> =>
  store.write([
    {
      op: 'insert',
      entity: 'metrics',
      row: {
        tenant_id: 't',
        catalog_id: 'c',
        entry_id: 'e',
        id,
        received_at,
        report_type: 'r',
        report: '{}',
        principal_id: null,
      } as never,
    },
  ])
const keys = async (store: Store): Promise<string[]> =>
  (await store.list('idempotency', { index: 'by_expiry', where: {}, limit: 10_000 })).map(
    ({ idempotency_key }) => idempotency_key,
  )
const reports = async (store: Store): Promise<string[]> =>
  (await store.list('metrics', { index: 'by_age', where: {}, limit: 10_000 })).map(({ id }) => id)

describe('expiry', () => {
  it('removes what is over and nothing else, page by page', async () => {
    const store = openMemoryStore()
    for (let i = 0; i < 450; i += 1) await addKey(store, `old-${i}`, now - i)
    await addKey(store, 'new', now + 1)
    for (let i = 0; i < 201; i += 1) await addReport(store, `old-${i}`, now - 31 * DAY - i)
    await addReport(store, 'new', now - 30 * DAY)
    assert.equal(await expire({ store, now: () => now, log }), 651)
    assert.deepEqual([await keys(store), await reports(store)], [['new'], ['new']])
    assert.equal(await expire({ store, now: () => now, log, keepMetricsMs: DAY }), 1)
  })

  it('leaves a key that was used again meanwhile', async () => {
    const inner = openMemoryStore()
    for (const key of ['a', 'b', 'c']) await addKey(inner, key, now - 1)
    let once = true
    const store: Store = {
      ...inner,
      write: async (mutations) => {
        if (once) {
          once = false
          await inner.write([
            { op: 'remove', entity: 'idempotency', key: { tenant_id: 't', idempotency_key: 'b' }, expected: 'any' },
          ])
          await addKey(inner, 'b', now + 1)
        }
        return inner.write(mutations)
      },
    }
    assert.equal(await expire({ store, now: () => now, log }), 2)
    assert.deepEqual(await keys(inner), ['b'])
  })

  it('runs again and again, survives a store that is away, and stops', async () => {
    const inner = openMemoryStore()
    await addKey(inner, 'a', now - 1)
    const timers: { callback: () => void; ms: number }[] = []
    let away = true
    const events: string[] = []
    const store: Store = {
      ...inner,
      list: (...p) => {
        if (away) throw new Error('away')
        return inner.list(...p)
      },
    }
    const expiry = startExpiry({
      store,
      now: () => now,
      log: (event) => events.push(event),
      intervalMs: 600,
      timer: (callback, ms) => {
        timers.push({ callback, ms })
        return () => {}
      },
    })
    const settle = (): Promise<void> =>
      new Promise((resolve) => {
        setTimeout(resolve, 20)
      })
    timers[0]?.callback()
    await settle()
    assert.deepEqual(events, ['tasks-unavailable'])
    away = false
    timers[1]?.callback()
    await settle()
    assert.deepEqual(
      timers.map(({ ms }) => ms),
      [60, 600, 600],
    )
    assert.deepEqual([events.at(-1), await keys(inner)], ['rows-expired', []])
    await expiry.stop()
  })
})
