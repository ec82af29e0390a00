import assert from 'node:assert/strict'
import { test } from 'node:test'
import { updateTable } from '../../src/catalog/update-table.ts'
import { dropTable } from '../../src/catalog/drop.ts'
import { createNamespace, dropNamespace, updateProperties } from '../../src/catalog/namespaces.ts'
import { registerTable, unregisterTable } from '../../src/catalog/register.ts'
import { renameTable } from '../../src/catalog/rename.ts'
import { createTable, loadTable } from '../../src/catalog/tables.ts'
import { commitTransaction } from '../../src/catalog/transactions.ts'
import { StoreError } from '../../src/stores/store.ts'
import { bodyOf, ident, key7, newTable, open, rejects, schema, set, withKey } from './setup.ts'

test('each mutation, repeated with its key, happens once and is answered alike', async (t) => {
  const fixture = await open(t)
  const { context, call } = fixture
  const twice = async <T>(n: number, request: (keyed: typeof call) => Promise<T>): Promise<T> => {
    const first = await request(withKey(call, key7(n)))
    const second = await request(withKey(call, key7(n).toUpperCase()))
    assert.deepEqual(second, first)
    return first
  }
  await twice(1, (keyed) => createNamespace(context, keyed, { namespace: ['x'], properties: { a: 'b' } }))
  await twice(2, (keyed) => updateProperties(context, keyed, ['x'], { removals: ['a'] }))
  await twice(3, (keyed) => dropNamespace(context, keyed, ['x']))
  const staged = await twice(11, (keyed) => createTable(context, keyed, ['ns'], { name: 't', schema, 'stage-create': true }))
  assert.equal(bodyOf(staged)['metadata-location'], null)
  await twice(4, (keyed) => createTable(context, keyed, ['ns'], { name: 't', schema }))
  const committed = await twice(5, (keyed) =>
    updateTable(context, keyed, ident('t'), { requirements: [], updates: [set({ a: '1' })] }),
  )
  await twice(6, (keyed) => renameTable(context, keyed, { source: ident('t'), destination: ident('u') }))
  const changes = { 'table-changes': [{ identifier: ident('u'), requirements: [], updates: [set({ b: '1' })] }] }
  await twice(7, (keyed) => commitTransaction(context, keyed, changes))
  const left = await twice(8, (keyed) => unregisterTable(context, keyed, ident('u')))
  const file = bodyOf(left)['metadata-location'] as string
  assert.notEqual(file, bodyOf(committed)['metadata-location'])
  await twice(9, (keyed) => registerTable(context, keyed, ['ns'], { name: 'v', 'metadata-location': file }))
  await twice(10, (keyed) => dropTable(context, keyed, ident('v'), { purgeRequested: true }))
  assert.equal((await fixture.store.list('tasks', { index: 'by_due', where: {}, limit: 10 })).length, 1)
})

test('a key is of version 7, and belongs to the request that used it first', async (t) => {
  const { context, call } = await open(t)
  const create = (key: string, fingerprint: string) =>
    createNamespace(context, withKey(call, key, fingerprint), { namespace: ['a'] })
  for (const bad of ['', 'x', '017f22e2-79b0-4cc3-98c4-dc0c0c07398f', '017f22e2-79b0-7cc3-18c4-dc0c0c07398f', `${key7(1)} `]) {
    await assert.rejects(create(bad, 'f'), rejects(400, /Idempotency-Key/))
  }
  await create(key7(1), 'one body')
  await assert.rejects(create(key7(1), 'another body'), rejects(422, /another request/, 'UnprocessableEntityException'))
  // Another tenant's keys are other keys.
  const principal = { ...call.principal, tenantId: 't2' }
  const foreign = withKey({ principal, catalog: { ...call.catalog, tenantId: 't2' } }, key7(1), 'another body')
  await assert.rejects(createNamespace(context, foreign, { namespace: ['a'] }), rejects(404, /Warehouse does not exist/))
})

test('terminal refusals are remembered, also when they would no longer happen', async (t) => {
  const fixture = await open(t)
  const { context, call } = fixture
  const create = (n: number) => createTable(context, withKey(call, key7(n)), ['ns'], { name: 't', schema })
  await newTable(fixture, 't')
  await assert.rejects(create(1), rejects(409, /Table already exists: ns\.t/, 'AlreadyExistsException'))
  await dropTable(context, call, ident('t'))
  await assert.rejects(create(1), rejects(409, /Table already exists: ns\.t/, 'AlreadyExistsException'))
  await create(2)
})

test('5xx is not remembered: the same key may try again', async (t) => {
  const fixture = await open(t)
  const { context, call, hooks } = fixture
  await newTable(fixture, 't')
  const commit = () => updateTable(context, withKey(call, key7(1)), ident('t'), { requirements: [], updates: [set({ a: '1' })] })
  hooks.write = async () => {
    throw new StoreError('unavailable', 'down')
  }
  await assert.rejects(commit(), rejects(503, /./))
  hooks.write = undefined
  assert.equal(bodyOf(await commit()).metadata.properties.a, '1')
})

test('after an unknown outcome the key tells what became of it', async (t) => {
  for (const landed of [true, false]) {
    const fixture = await open(t)
    const { context, call, hooks } = fixture
    await newTable(fixture, 't')
    const commit = () =>
      updateTable(context, withKey(call, key7(1)), ident('t'), { requirements: [], updates: [set({ a: '1' })] })
    let late: (() => Promise<unknown>) | undefined
    hooks.write = async (mutations, next) => {
      late = () => next(mutations)
      throw new StoreError('unknown', 'lost')
    }
    await assert.rejects(commit(), rejects(500, /not known/, 'CommitStateUnknownException'))
    hooks.write = undefined
    if (landed) await late?.()
    const answer = bodyOf(await commit())
    assert.equal(answer.metadata.properties.a, '1')
    assert.match(answer['metadata-location'] as string, /\/00001-/, 'done once, not twice')
  }
})

test('the same request many times at once, in two processes: one takes effect, all are answered alike', async (t) => {
  const one = await open(t)
  const two = one.another()
  await newTable(one, 't')
  const append = (n: number) => {
    const { context, call } = n % 2 ? one : two
    return createTable(context, withKey(call, key7(1)), ['ns'], { name: 'once', schema })
  }
  const answers = await Promise.all(Array.from({ length: 12 }, (_, n) => append(n)))
  assert.equal(new Set(answers.map((answer) => bodyOf(answer).metadata['table-uuid'])).size, 1)
  assert.equal(one.files().length, 2)
})

test('a record and its change are one batch: no record without the change', async (t) => {
  const fixture = await open(t)
  const { context, call, hooks, store } = fixture
  const batches: string[][] = []
  hooks.write = (mutations, next) => {
    batches.push(mutations.map(({ op, entity }) => `${op} ${entity}`))
    return next(mutations)
  }
  await createNamespace(context, withKey(call, key7(1)), { namespace: ['a'] })
  assert.deepEqual(batches, [['insert idempotency', 'require branches', 'insert namespaces', 'insert commits']])
  const row = await store.get('idempotency', { tenant_id: 't1', idempotency_key: key7(1) })
  assert.equal(row?.status, 200)
})

test('a key is forgotten after its lifetime', async (t) => {
  let now = 1_000_000
  const { context, call } = await open(t, { now: () => now })
  const create = (fingerprint: string, name: string) =>
    createNamespace(context, withKey(call, key7(1), fingerprint), { namespace: [name] })
  await create('one', 'a')
  now += 30 * 60_000
  await assert.rejects(create('two', 'b'), rejects(422, /./))
  now += 6 * 60_000
  await create('two', 'b')
  await assert.rejects(create('one', 'a'), rejects(422, /./))
})

test('an expired record that is swept away meanwhile is no obstacle', async (t) => {
  let now = 1_000_000
  const { context, call, hooks, store } = await open(t, { now: () => now })
  const create = (name: string) => createNamespace(context, withKey(call, key7(1), name), { namespace: [name] })
  await create('a')
  now += 3_600_000
  hooks.write = async (mutations, next) => {
    hooks.write = undefined
    const key = { tenant_id: 't1', idempotency_key: key7(1) }
    await store.write([{ op: 'remove', entity: 'idempotency', key, expected: 'any' }])
    return next(mutations)
  }
  await create('b')
  assert.deepEqual(await create('b'), { namespace: ['b'], properties: { location: `${call.catalog.root}/b` } })
})

test('a request that changes nothing is remembered too', async (t) => {
  const fixture = await open(t)
  const { context, call } = fixture
  await newTable(fixture, 't', { a: '1' })
  const commit = () => updateTable(context, withKey(call, key7(1)), ident('t'), { requirements: [], updates: [set({ a: '1' })] })
  const first = await commit()
  await updateTable(context, call, ident('t'), { requirements: [], updates: [set({ a: '2' })] })
  await commit()
  assert.equal(bodyOf(await loadTable(context, call, ident('t'))).metadata.properties.a, '2')
  assert.ok(first.body)
})

test('a repetition whose metadata file is gone meanwhile is told what became of the table', async (t) => {
  const fixture = await open(t)
  const { context, call } = fixture
  await newTable(fixture, 't')
  const request = { requirements: [], updates: [set({ a: '1' })] }
  const first = bodyOf(await updateTable(context, withKey(call, key7(1)), ident('t'), request))
  const later = bodyOf(await updateTable(context, call, ident('t'), { requirements: [], updates: [set({ b: '2' })] }))
  await call.catalog.storage.delete([first['metadata-location'] as string])
  const other = fixture.another()
  const again = await updateTable(other.context, withKey(other.call, key7(1)), ident('t'), request)
  assert.deepEqual(bodyOf(again), later)
  await dropTable(context, call, ident('t'))
  const gone = updateTable(other.context, withKey(other.call, key7(1)), ident('t'), request)
  await assert.rejects(gone, rejects(404, /Table does not exist: ns\.t/, 'NoSuchTableException'))
})
