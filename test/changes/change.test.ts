/** The door for change: what is kept, taken back and answered, whatever becomes of the batch. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { change, type Attempt, type Unlogged } from '../../src/changes/change.ts'
import { tenantLog, type ChangeContext } from '../../src/changes/context.ts'
import { createKeyedQueue } from '../../src/changes/keyed-queue.ts'
import { createUuidV7 } from '../../src/changes/uuid.ts'
import { openMemoryStore } from '../../src/stores/memory.ts'
import { StoreError, type Mutation, type Store } from '../../src/stores/store.ts'
import { key7, rejects } from '../catalog/setup.ts'

type Fault = 'none' | 'before' | 'after' | 'refused' | 'lost'
const principal = { id: 'u1', name: 'ada', tenantId: 't1', role: 'tenant-admin' } as const

function setup(faults: Fault[] = []) {
  const store = openMemoryStore()
  const broken: Store = Object.assign(Object.create(store) as Store, {
    write: async (steps: readonly Mutation[]) => {
      const fault = faults.shift() ?? 'none'
      if (fault === 'refused') throw new StoreError('unavailable', 'down')
      if (fault === 'lost') {
        const step = steps.findIndex(({ entity }) => entity === 'settings')
        throw new StoreError('conflict', 'lost', { step })
      }
      if (fault === 'before') throw new StoreError('unknown', 'broken')
      const versions = await store.write(steps)
      if (fault === 'after') throw new StoreError('unknown', 'broken')
      return versions
    },
  })
  const context: ChangeContext = {
    store: broken,
    queue: createKeyedQueue(),
    now: Date.now,
    uuidV7: createUuidV7(Date.now),
    random: () => 0,
    sleep: async () => {},
    log: () => {},
    taskStored: () => {},
    changed: () => {},
  }
  const events: string[] = []
  let tries = 0
  const attempt = async (): Promise<Attempt<string>> => {
    const name = `setting-${(tries += 1)}`
    return {
      message: `Set ${name}`,
      operations: [{ operation: 'set', name }],
      steps: [{ op: 'insert', entity: 'settings', row: { name, value: 1, updated_at: 0 } }],
      status: 200,
      outcome: name,
      prepare: async () => void events.push('prepare'),
      undo: async () => void events.push('undo'),
      landed: () => void events.push('landed'),
      answer: () => name,
    }
  }
  const aside = async (): Promise<Unlogged<string>> => {
    const { steps, status, outcome, answer } = await attempt()
    return { steps, status, outcome, answer }
  }
  type Key = { readonly key: string; readonly fingerprint: string } | undefined
  const run = (idempotency?: Key) => changing(attempt, idempotency)
  const runAside = (idempotency?: Key) => changing(aside, idempotency)
  const changing = (attempted: typeof attempt | typeof aside, idempotency: Key) =>
    change<string>(
      context,
      { principal, idempotency },
      {
        what: 'the settings',
        log: tenantLog('t1'),
        lanes: ['settings'],
        attempt: attempted,
        lost: async (step) => void events.push(`lost ${step}`),
        replay: (outcome) => `again ${outcome as string}`,
      },
    )
  const names = async () => (await store.list('settings', { index: 'primary', where: {}, limit: 9 })).map(({ name }) => name)
  const where = { tenant_id: 't1', catalog_id: '', branch: '' }
  const log = async () => (await store.list('commits', { index: 'primary', where, limit: 9 })).map(({ message }) => message)
  const records = async () => (await store.list('idempotency', { index: 'primary', where: {}, limit: 9 })).length
  return { run, runAside, events, names, log, records }
}

test('a change lands with its line in the log', async () => {
  const { run, events, names, log } = setup()
  assert.equal(await run(), 'setting-1')
  assert.deepEqual(events, ['prepare', 'landed'])
  assert.deepEqual(await names(), ['setting-1'])
  assert.deepEqual(await log(), ['Set setting-1'])
})

test('a lost race is taken back, explained and tried again', async () => {
  const { run, events, names, log } = setup(['lost'])
  assert.equal(await run(), 'setting-2')
  assert.deepEqual(events, ['prepare', 'undo', 'lost 0', 'prepare', 'landed'])
  assert.deepEqual(await names(), ['setting-2'])
  assert.deepEqual(await log(), ['Set setting-2'])
})

test('what the store refused is taken back, and nothing is recorded under its key', async () => {
  const { run, events, names } = setup(['refused'])
  const key = { key: key7(1), fingerprint: 'f' }
  await assert.rejects(run(key), rejects(503, /nothing was changed/))
  assert.deepEqual(events, ['prepare', 'undo'])
  assert.equal(await run(key), 'setting-2')
  assert.deepEqual(await names(), ['setting-2'])
})

test('an outcome that got lost is read back from the log', async () => {
  const { run, events, names } = setup(['after'])
  assert.equal(await run(), 'setting-1')
  assert.deepEqual(events, ['prepare'])
  assert.deepEqual(await names(), ['setting-1'])
})

test('an outcome that stays unknown is said, and nothing is taken back', async () => {
  const { run, events } = setup(['before'])
  await assert.rejects(run(), rejects(500, /not known/, 'CommitStateUnknownException'))
  assert.deepEqual(events, ['prepare'])
})

test('a repetition under the same key is answered from the record, of an unknown outcome that landed too', async () => {
  const { run, names } = setup(['after'])
  const key = { key: key7(1), fingerprint: 'f' }
  assert.equal(await run(key), 'setting-1')
  assert.equal(await run(key), 'again setting-1')
  assert.deepEqual(await names(), ['setting-1'])
  await assert.rejects(run({ ...key, fingerprint: 'g' }), rejects(422, /another request/))
})

test('what no log tells of lands with its record, and without a line', async () => {
  const { runAside, names, log, records } = setup()
  const key = { key: key7(1), fingerprint: 'f' }
  assert.equal(await runAside(key), 'setting-1')
  assert.deepEqual([await names(), await log(), await records()], [['setting-1'], [], 1])
  assert.equal(await runAside(key), 'again setting-1')
  assert.equal(await runAside(), 'setting-2')
  assert.deepEqual([await names(), await log(), await records()], [['setting-1', 'setting-2'], [], 1])
})

test('what no log tells of starts over after a lost race and after an answer that got lost', async () => {
  const lost = setup(['lost'])
  assert.equal(await lost.runAside(), 'setting-2')
  assert.deepEqual([await lost.names(), lost.events], [['setting-2'], ['lost 0']])
  // Nothing tells whether it landed: it may be there twice.
  const twice = setup(['after'])
  assert.equal(await twice.runAside(), 'setting-2')
  assert.deepEqual(await twice.names(), ['setting-1', 'setting-2'])
  const never = setup(['before'])
  assert.equal(await never.runAside(), 'setting-2')
  assert.deepEqual(await never.names(), ['setting-2'])
  // With a record there is something that tells.
  const recorded = setup(['after'])
  assert.equal(await recorded.runAside({ key: key7(1), fingerprint: 'f' }), 'again setting-1')
  assert.deepEqual([await recorded.names(), await recorded.records()], [['setting-1'], 1])
})

test('what no log tells of is refused while the store is down, and nothing is recorded', async () => {
  const { runAside, names, records } = setup(['refused'])
  const key = { key: key7(1), fingerprint: 'f' }
  await assert.rejects(runAside(key), rejects(503, /nothing was changed/))
  assert.deepEqual([await names(), await records()], [[], 0])
  assert.equal(await runAside(key), 'setting-2')
})
