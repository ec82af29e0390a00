/** Batches that meet on PostgreSQL, where they run side by side: each pair is brought into the order in which it would go wrong. */
import assert from 'node:assert/strict'
import { after, test, type TestContext } from 'node:test'
import type { Mutation, Store } from '../../../src/stores/store.ts'
import { stopSharedPostgres } from '../../services/postgres.ts'
import { entry, insert, namespace, remove, replace, require, storeError, tenant, winners, writeOne } from '../suite/rows.ts'
import { fixture, holdRow, untilWaiting } from './postgres-fixture.ts'

after(stopSharedPostgres)

/**
 * Starts `first` with `pause` in it, a step that waits; carries out or starts `second` meanwhile; then lets `first` go on.
 * Answers which of them were carried out.
 */
async function meet(
  t: TestContext,
  batches: (store: Store, pause: Mutation) => Promise<{ first: Mutation[]; second: Mutation[]; secondWaits: boolean }>,
): Promise<{ outcomes: [number, number]; store: Store } | undefined> {
  const use = await fixture(t)
  if (use === undefined) return undefined
  const store = use.open()
  const held = tenant()
  const pause = replace('tenants', held, await writeOne(store, insert('tenants', held)))
  const { first, second, secondWaits } = await batches(store, pause)
  const letGo = await holdRow(use, held.id)
  const one = winners([store.write(first)])
  await untilWaiting(use, 1)
  const two = winners([store.write(second)])
  if (secondWaits) await untilWaiting(use, 2)
  else await two
  await letGo()
  return { outcomes: [await one, await two], store }
}

test('postgres: a row that was required stays until the batch is done', async (t) => {
  for (const change of ['remove', 'replace'] as const) {
    const space = namespace()
    const met = await meet(t, async (store, pause) => {
      const version = await writeOne(store, insert('namespaces', space))
      const { tenant_id } = space
      return {
        first: [require('namespaces', space, 'any'), pause, insert('entries', entry({ tenant_id }))],
        second: [
          change === 'remove' ? remove('namespaces', space, version) : replace('namespaces', space, version),
          { op: 'requireEmpty', entity: 'entries', index: 'primary', where: { tenant_id } },
        ],
        secondWaits: true,
      }
    })
    if (met === undefined) return
    assert.deepEqual(met.outcomes, [1, 0], change)
  }
})

test('postgres: a key that was required to be free stays free until the batch is done', async (t) => {
  const [space, table] = [namespace(), entry()]
  const met = await meet(t, async (store, pause) => {
    const version = await writeOne(store, insert('namespaces', space))
    return {
      first: [require('entries', table, 'none'), pause, replace('namespaces', space, version)],
      second: [require('namespaces', space, version), insert('entries', table)],
      secondWaits: true,
    }
  })
  if (met === undefined) return
  // Each waits for the other in the end; whichever is sent again loses or wins, but not both.
  assert.equal(met.outcomes[0] + met.outcomes[1], 1)
})

test('postgres: of two batches that change one row from the same version, the second one fails', async (t) => {
  const row = tenant()
  const met = await meet(t, async (store, pause) => {
    const version = await writeOne(store, insert('tenants', row))
    return {
      first: [replace('tenants', { ...row, created_at: 1 }, version), pause],
      second: [insert('tenants', tenant()), replace('tenants', { ...row, created_at: 2 }, version)],
      secondWaits: true,
    }
  })
  if (met === undefined) return
  assert.deepEqual(met.outcomes, [1, 0])
  assert.equal((await met.store.get('tenants', row))?.created_at, 1)
})

test('postgres: of two batches that insert one row, the second one waits and fails', async (t) => {
  const row = tenant()
  const met = await meet(t, async (_, pause) => ({
    first: [insert('tenants', row), pause],
    second: [insert('tenants', tenant({ name: row.name }))],
    secondWaits: true,
  }))
  if (met === undefined) return
  assert.deepEqual(met.outcomes, [1, 0])
})

test('postgres: what a batch changed is not seen before it is done', async (t) => {
  const row = tenant()
  const met = await meet(t, async (_, pause) => ({
    first: [insert('tenants', row), pause],
    second: [{ op: 'requireEmpty', entity: 'tenants', index: 'by_name', where: { name: row.name } }],
    secondWaits: false,
  }))
  if (met === undefined) return
  assert.deepEqual(met.outcomes, [1, 1])
})

test('postgres: a lock that lasts makes a batch unavailable; readers are not kept waiting by writers', async (t) => {
  const use = await fixture(t)
  if (use === undefined) return
  const store = use.open({ statementTimeoutMs: 400, maxConnections: 2 })
  const [locked, other] = [tenant(), tenant()]
  const version = await writeOne(store, insert('tenants', locked))
  const letGo = await holdRow(use, locked.id)
  const change = [insert('tenants', other), remove('tenants', locked, version)]
  const writes = [0, 1, 2].map(() => assert.rejects(store.write(change), storeError('unavailable')))
  assert.equal((await store.get('tenants', locked))?.id, locked.id)
  await Promise.all(writes)
  await letGo()
  await store.write(change)
  assert.equal((await store.get('tenants', other))?.id, other.id)
})

test('postgres: batches that deadlock are carried out one after the other', async (t) => {
  const use = await fixture(t)
  if (use === undefined) return
  await use.server.query(`alter database ${new URL(use.url).pathname.slice(1)} set deadlock_timeout = '20ms'`)
  const store = use.open()
  const rows = [tenant(), tenant()]
  let versions = await store.write(rows.map((row) => insert('tenants', row)))
  for (let round = 0; round < 10; round++) {
    const steps = rows.map((row, i) => replace('tenants', { ...row, created_at: round }, versions[i] ?? 0))
    const outcomes = await Promise.allSettled([store.write(steps), store.write(steps.toReversed())])
    const won = outcomes.filter((outcome) => outcome.status === 'fulfilled')
    assert.equal(won.length, 1)
    await winners(
      outcomes.map((outcome) => (outcome.status === 'fulfilled' ? Promise.resolve() : Promise.reject(outcome.reason as Error))),
    )
    versions = (await store.getMany('tenants', rows)).map((row) => row?.version)
  }
})
