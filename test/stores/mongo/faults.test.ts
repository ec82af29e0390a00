/**
 * A connection that breaks at any one operation of a batch: before it was sent, or after it was carried out. The answer must
 * say what became of the batch, and whoever comes next must be able to go on.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Protocol } from '../../../src/stores/mongo/protocol.ts'
import { Reads } from '../../../src/stores/mongo/reads.ts'
import { planBatch } from '../../../src/stores/plan.ts'
import { StoreError } from '../../../src/stores/store.ts'
import { insert, namespace, require } from '../suite/rows.ts'
import { prepare, recover, write } from './explorer.ts'
import { FakeDatabase } from './fake.ts'
import type { Gate } from './fake.ts'

const space = (name: string): ReturnType<typeof namespace> => namespace({ tenant_id: 't', name })
type Mode = 'not sent' | 'lost on the way' | 'answer lost'

async function attempt(at: number, mode: Mode): Promise<{ operations: number; error: unknown; database: FakeDatabase }> {
  const database = new FakeDatabase()
  await prepare(database, [insert('namespaces', space('a'))])
  let operations = 0
  const gate: Gate = async (name, act) => {
    const isFaulty = operations++ === at
    const isRead = /^(find|range|committed|old)/.test(name)
    if (isFaulty && mode !== 'answer lost') throw new StoreError(mode === 'not sent' || isRead ? 'unavailable' : 'unknown', name)
    const result = act()
    if (isFaulty) throw new StoreError(isRead ? 'unavailable' : 'unknown', name)
    return result
  }
  const documents = database.documents(gate)
  let clock = 0
  const work: Promise<void>[] = []
  const environment = {
    now: () => clock,
    sleep: async (ms: number) => void (clock += ms),
    newId: () => 'T',
    background: (one: Promise<void>) => void work.push(one.catch(() => undefined)),
  }
  const batch = [require('namespaces', space('a'), 'any'), insert('namespaces', space('b')), insert('namespaces', space('c'))]
  const error = await new Protocol(documents, environment, new Reads(documents)).write(planBatch(batch)).then(
    () => undefined,
    (caught: unknown) => caught,
  )
  await Promise.all(work)
  return { operations, error, database }
}

const names = (database: FakeDatabase): string => [...database.rows.values()].map((row) => String(row.c?.['name'])).join('')

for (const mode of ['not sent', 'lost on the way', 'answer lost'] as const) {
  test(`a batch whose connection breaks at any operation: ${mode}`, async () => {
    let outcomes = ''
    for (let at = 0; ; at++) {
      const { operations, error, database } = await attempt(at, mode)
      if (at >= operations) break
      assert.ok(error === undefined || (error instanceof StoreError && error.kind === 'unavailable'), `${at}: ${String(error)}`)
      await recover(database)
      assert.equal(names(database).split('').toSorted().join(''), error === undefined ? 'abc' : 'a', `operation ${at}`)
      assert.equal(database.transactions.size, 0)
      await write(database, [require('namespaces', space('a'), 'any'), insert('namespaces', space('d'))])
      outcomes += error === undefined ? '+' : '-'
    }
    assert.match(outcomes, /^-+\++$/, 'all before the commit fail, all after it do no harm')
  })
}
