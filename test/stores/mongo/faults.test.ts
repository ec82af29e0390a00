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
import type { Mutation } from '../../../src/stores/store.ts'
import { insert, namespace, replace, require } from '../suite/rows.ts'
import { prepare, recover, write } from './explorer.ts'
import { FakeDatabase } from './fake.ts'
import type { Gate } from './fake.ts'

const space = (name: string, created_at = 0): ReturnType<typeof namespace> => namespace({ tenant_id: 't', name, created_at })
type Mode = 'not sent' | 'lost on the way' | 'answer lost'

interface Case {
  readonly batch: (database: FakeDatabase) => readonly Mutation[]
  /** The rows before and after. */
  readonly before: string
  readonly after: string
}

const cases: { readonly [name: string]: Case } = {
  'a batch': {
    batch: () => [require('namespaces', space('a'), 'any'), insert('namespaces', space('b')), insert('namespaces', space('c'))],
    before: 'a0',
    after: 'a0b0c0',
  },
  'a commit': {
    batch: (database) => [
      insert('namespaces', space('k')),
      replace('namespaces', space('a', 1), [...database.rows.values()][0]?.v ?? 0),
      insert('namespaces', space('l')),
    ],
    before: 'a0',
    after: 'a1k0l0',
  },
  'a compare-and-set': {
    batch: (database) => [replace('namespaces', space('a', 1), [...database.rows.values()][0]?.v ?? 0)],
    before: 'a0',
    after: 'a1',
  },
}

async function attempt(
  { batch }: Case,
  at: number,
  mode: Mode,
): Promise<{ operations: number; error: unknown; database: FakeDatabase }> {
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
  const steps = planBatch(batch(database))
  const error = await new Protocol(documents, environment, new Reads(documents, environment)).write(steps).then(
    () => undefined,
    (caught: unknown) => caught,
  )
  await Promise.all(work)
  return { operations, error, database }
}

const rowsIn = (database: FakeDatabase): string =>
  [...database.rows.values()]
    .map(({ c }) => `${String(c?.['name'])}${String(c?.['created_at'])}`)
    .toSorted()
    .join('')

for (const [name, tried] of Object.entries(cases)) {
  for (const mode of ['not sent', 'lost on the way', 'answer lost'] as const) {
    test(`${name} whose connection breaks at any operation: ${mode}`, async () => {
      let outcomes = ''
      for (let at = 0; ; at++) {
        const { operations, error, database } = await attempt(tried, at, mode)
        if (at >= operations) break
        const kind = error instanceof StoreError ? error.kind : error
        // One write is all of a compare-and-set: when it was lost, and the row is what it was, it may still arrive.
        const expected = name === 'a compare-and-set' && mode === 'lost on the way' ? 'unknown' : 'unavailable'
        assert.ok(error === undefined || kind === expected, `${at}: ${String(error)}`)
        await recover(database)
        assert.equal(rowsIn(database), error === undefined ? tried.after : tried.before, `operation ${at}`)
        assert.equal(database.transactions.size, 0)
        await write(database, [require('namespaces', space('a'), 'any'), insert('namespaces', space('d'))])
        outcomes += error === undefined ? '+' : '-'
      }
      assert.match(outcomes, /^-*\+*$/, 'all before the commit fail, all after it do no harm')
      assert.ok(name === 'a compare-and-set' || outcomes.includes('-+'))
    })
  }
}
