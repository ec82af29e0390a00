import assert from 'node:assert/strict'
import { test } from 'node:test'
import { commitEntries } from '../../src/catalog/commits/commit.ts'
import { updateTable } from '../../src/catalog/update-table.ts'
import type { Plan } from '../../src/catalog/commits/commit.ts'
import { loadTable } from '../../src/catalog/tables.ts'
import { commitTransaction } from '../../src/catalog/transactions.ts'
import { StorageError } from '../../src/storage/storage.ts'
import { StoreError } from '../../src/stores/store.ts'
import { NEW_TABLE, bodyOf, ident, newTable, open, rejects, set } from './setup.ts'
import type { Fixture } from './setup.ts'

const change = (name: string, updates: object[], requirements: object[] = []) => ({
  identifier: ident(name),
  requirements,
  updates,
})
const commit = ({ context, call }: Fixture, ...changes: ReturnType<typeof change>[]) =>
  commitTransaction(context, call, { 'table-changes': changes })
const value = async ({ context, call }: Fixture, name: string, key: string): Promise<string | undefined> =>
  bodyOf(await loadTable(context, call, ident(name))).metadata.properties[key]

const three = async (fixture: Fixture): Promise<void> => {
  for (const name of ['a', 'b', 'c']) await newTable(fixture, name)
}

test('all tables change in one batch, and unchanged ones stay as they are', async (t) => {
  const fixture = await open(t)
  await three(fixture)
  let batches = 0
  fixture.hooks.write = (mutations, next) => {
    batches += 1
    return next(mutations)
  }
  await commit(fixture, change('a', [set({ k: '1' })]), change('b', [set({ k: '1' })]), change('c', []))
  assert.equal(batches, 1)
  assert.deepEqual([await value(fixture, 'a', 'k'), await value(fixture, 'b', 'k')], ['1', '1'])
  assert.equal(fixture.files().length, 5)
})

test('one requirement that fails fails all, and the answer names its table', async (t) => {
  const fixture = await open(t)
  await three(fixture)
  const failing = [{ type: 'assert-current-schema-id', 'current-schema-id': 9 }]
  const refused = commit(fixture, change('a', [set({ k: '1' })]), change('b', [set({ k: '1' })], failing))
  await assert.rejects(refused, rejects(409, /^Requirement failed: .*\(table ns\.b\)$/, 'CommitFailedException'))
  await assert.rejects(commit(fixture, change('a', [set({ k: '1' })]), change('none', [])), rejects(404, /ns\.none/))
  await assert.rejects(commit(fixture, change('a', []), change('b', [{ action: 'nonsense' }])), rejects(400, /nonsense.*ns\.b/))
  await assert.rejects(commit(fixture, change('a', []), change('a', [])), rejects(400, /ns\.a is in table-changes twice/))
  assert.equal(fixture.files().length, 3)
  assert.equal(await value(fixture, 'a', 'k'), undefined)
})

test('no fault lets a part of a transaction through', async (t) => {
  const fixture = await open(t)
  await three(fixture)
  const all = (k: string) => commit(fixture, ...['a', 'b', 'c'].map((name) => change(name, [set({ k })])))
  const values = () => Promise.all(['a', 'b', 'c'].map((name) => value(fixture.another(), name, 'k')))
  let creates = 0
  fixture.hooks.create = async (location, bytes, next) => {
    if ((creates += 1) === 2) throw new StorageError('unavailable', 'second file')
    return next(location, bytes)
  }
  await assert.rejects(all('storage'), rejects(503, /nothing was changed/))
  fixture.hooks.create = undefined
  assert.equal(fixture.files().length, 3)

  for (const kind of ['unavailable', 'unknown'] as const) {
    fixture.hooks.write = async () => {
      throw new StoreError(kind, kind)
    }
    await assert.rejects(all(kind), rejects(kind === 'unknown' ? 500 : 503, /./))
    assert.deepEqual(await values(), [undefined, undefined, undefined])
  }
  assert.equal(fixture.files().length, 6, 'the files of the unknown outcome are kept')

  fixture.hooks.write = async (mutations, next) => {
    fixture.hooks.write = undefined
    await next(mutations)
    throw new StoreError('unknown', 'lost answer')
  }
  await all('landed')
  assert.deepEqual(await values(), ['landed', 'landed', 'landed'])
})

test('a race on one table makes the whole transaction try again', async (t) => {
  const fixture = await open(t)
  const other = fixture.another()
  await three(fixture)
  fixture.hooks.write = async (mutations, next) => {
    fixture.hooks.write = undefined
    await updateTable(other.context, other.call, ident('b'), { requirements: [], updates: [set({ theirs: '1' })] })
    return next(mutations)
  }
  await commit(fixture, change('a', [set({ k: '1' })]), change('b', [set({ k: '1' })]))
  assert.deepEqual([await value(fixture, 'b', 'theirs'), await value(fixture, 'b', 'k')], ['1', '1'])
  assert.equal(fixture.files().length, 6)
})

test('crossing transactions of two processes all land, each whole', async (t) => {
  const one = await open(t)
  const two = one.another()
  await three(one)
  const names = ['a', 'b', 'c']
  const transactions = Array.from({ length: 30 }, (_, n) => {
    const order = n % 2 ? names : names.toReversed()
    return commit(n % 3 ? one : two, ...order.map((name) => change(name, [set({ [`k${n}`]: 'v' })])))
  })
  await Promise.all(transactions)
  for (const name of names) for (let n = 0; n < 30; n += 1) assert.equal(await value(one, name, `k${n}`), 'v')
})

test('tables can be created in a transaction, not at overlapping places', async (t) => {
  const fixture = await open(t)
  await newTable(fixture, 'a')
  const create = (location: string) => [
    ...NEW_TABLE,
    { action: 'set-location', location: `file://${fixture.folder}/extra/${location}` },
  ]
  const absent = [{ type: 'assert-create' }]
  const clash = commit(fixture, change('x', create('p'), absent), change('y', create('p/q'), absent))
  await assert.rejects(clash, rejects(400, /overlaps/))
  await commit(fixture, change('x', create('p'), absent), change('y', create('q'), absent), change('a', [set({ k: '1' })]))
  assert.match(bodyOf(await loadTable(fixture.context, fixture.call, ident('x'))).metadata.location, /extra\/p$/)
  const again = commit(fixture, change('x', create('r'), absent), change('a', [set({ k: '2' })]))
  await assert.rejects(again, rejects(409, /table already exists \(table ns\.x\)/))
  assert.equal(await value(fixture, 'a', 'k'), '1')
})

test('a transaction is planned some tables at a time, and may not need more memory than one huge table', async (t) => {
  const { context, call } = await open(t)
  let planning = 0
  let most = 0
  const document = { json: Buffer.alloc(4 * 1024 * 1024) }
  const identifiers = Array.from({ length: 200 }, (_, n) => ident(`t${n}`))
  const plan = async (): Promise<Plan> => {
    most = Math.max(most, (planning += 1))
    await context.sleep(1)
    planning -= 1
    return { document, file: 'f' } as unknown as Plan
  }
  const committed = commitEntries(context, call, {
    identifiers,
    plan,
    message: '',
    status: 204,
    outcome: () => null,
    answer: () => undefined,
    replay: () => undefined,
  })
  await assert.rejects(committed, rejects(400, /more than 134217728 bytes; commit fewer tables/))
  assert.ok(most > 1 && most <= 16, `${most} at once`)
})
