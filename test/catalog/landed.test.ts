/** Commits that begin with the row that the one before left: never wrong when others were there since, and seldom in vain. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { updateTable } from '../../src/catalog/update-table.ts'
import { createLandedRows } from '../../src/catalog/commits/landed.ts'
import { renameTable } from '../../src/catalog/rename.ts'
import type { Store } from '../../src/stores/store.ts'
import { bodyOf, ident, newTable, open, rejects, set } from './setup.ts'
import type { Fixture, LoadResult } from './setup.ts'

const commit = async (fixture: Fixture, updates: object[], requirements: object[] = []): Promise<LoadResult> =>
  bodyOf(await updateTable(fixture.context, fixture.call, ident('t'), { requirements, updates }))

const addSchema = (column: string) => ({
  action: 'add-schema',
  schema: { type: 'struct', fields: [{ id: 1, name: column, required: false, type: 'long' }] },
})
const currentSchema = (id: number) => ({ action: 'set-current-schema', 'schema-id': id })
const schemaIs = (id: number) => ({ type: 'assert-current-schema-id', 'current-schema-id': id })

/** Two processes, the first of which has just committed: what it remembers is the state before whatever the second does. */
async function two(
  t: TestContext,
): Promise<{ readonly first: Fixture; readonly second: Fixture; readonly lookUps: () => number }> {
  const first = await open(t, { now: () => 1_700_000_000_000 })
  await newTable(first, 't')
  let lookUps = 0
  const store: Store = {
    ...first.context.store,
    get: (entity, key) => {
      if (entity === 'entries') lookUps++
      return first.context.store.get(entity, key)
    },
  }
  const counted = { ...first, context: { ...first.context, store } }
  await commit(counted, [set({ n: '0' })])
  assert.equal(lookUps, 0, 'the table was made here just now')
  return { first: counted, second: first.another(), lookUps: () => lookUps }
}

test('a commit on a state that is not the current one any more starts over on that', async (t) => {
  const { first, second } = await two(t)
  await commit(second, [set({ other: 'was here' })])
  const { metadata } = await commit(first, [set({ n: '1' })])
  assert.deepEqual([metadata.properties['n'], metadata.properties['other']], ['1', 'was here'])
  assert.equal(metadata['metadata-log'].length, 3)
  assert.equal(first.files().length, 4, 'the file that no pointer names is gone')
})

test('a refusal is true of the current state', async (t) => {
  const { first, second } = await two(t)
  await commit(second, [addSchema('fresh'), currentSchema(-1)])
  const { metadata } = await commit(first, [set({ n: '1' })], [schemaIs(1)])
  assert.equal(metadata.properties['n'], '1', 'it did not hold on the state before')
  await commit(second, [currentSchema(0)])
  await assert.rejects(commit(first, [set({ n: '2' })], [schemaIs(1)]), rejects(409, /^Requirement failed/))
  await renameTable(second.context, second.call, { source: ident('t'), destination: ident('u') })
  await assert.rejects(commit(first, [set({ n: '2' })]), rejects(404, /Table does not exist: ns\.t/))
  assert.equal(first.files().length, 5)
})

test('what changes nothing in the remembered state may change the current one', async (t) => {
  const { first, second } = await two(t)
  await commit(second, [set({ n: '1' })])
  const { metadata } = await commit(first, [set({ n: '0' })])
  assert.equal(metadata.properties['n'], '0')
  assert.equal(metadata['metadata-log'].length, 3)
})

test('after a miss the store is asked for a while', async (t) => {
  const { first, second, lookUps } = await two(t)
  await commit(second, [set({ n: '1' })])
  await commit(first, [set({ n: '2' })])
  assert.equal(lookUps(), 1, 'the second attempt')
  await commit(first, [set({ n: '3' })])
  assert.equal(lookUps(), 2, 'and the next commit at once')
})

test('rows are remembered for a second, and not without end', () => {
  let now = 1000
  const rows = createLandedRows(() => now)
  const row = { id: 'x' } as never
  rows.put('a', row)
  now += 999
  assert.equal(rows.get('a'), row)
  now += 1
  assert.equal(rows.get('a'), undefined)
  rows.missed('a')
  rows.put('a', row)
  assert.equal(rows.get('a'), undefined)
  now += 1000
  rows.put('a', row)
  assert.equal(rows.get('a'), row)
  for (let at = 0; at < 2000; at++) rows.put(`other ${at}`, row)
  assert.equal(rows.get('a'), undefined)
  assert.equal(rows.get('other 0'), row)
})
