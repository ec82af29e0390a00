/**
 * The protocol of the MongoDB engine, explored: small batches side by side, every order of their single-document operations,
 * a crash at every moment. Whatever happened must be explained by the batches one after the other, each whole or not at all.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openMemoryStore } from '../../../src/stores/memory.ts'
import { StoreError } from '../../../src/stores/store.ts'
import type { Mutation, Store } from '../../../src/stores/store.ts'
import { Reads } from '../../../src/stores/mongo/reads.ts'
import type { RowDocument } from '../../../src/stores/mongo/documents.ts'
import { insert, namespace, remove, replace, require } from '../suite/rows.ts'
import { explore, recover } from './explorer.ts'
import type { Model, Outcome, Run, Task } from './explorer.ts'
import type { FakeDatabase } from './fake.ts'

/** Rows without unique indexes keep the number of states small; the version is what the preparation gave. */
const space = (name: string, created_at = 0): ReturnType<typeof namespace> =>
  namespace({ tenant_id: 't', name, id: name, created_at })
const versionOf = (database: FakeDatabase, name: string): number =>
  [...database.rows.values()].find((row) => row.c?.['name'] === name)?.v ?? 0

/** What each task would do in a store that does one thing at a time: the mutations with versions of that store. */
type Abstract = (store: Store) => Promise<Outcome>

function abstract(task: Task, versions: ReadonlyMap<number, string>): Abstract {
  if ('read' in task) {
    return async (store) => {
      const rows = await store.getMany('namespaces', task.read.map(({ key }) => key) as never)
      return { read: rows.map((row) => String(row?.created_at ?? '-')).join() }
    }
  }
  return async (store) => {
    const translated = await Promise.all(task.batch.map((mutation) => translate(store, mutation, versions)))
    try {
      await store.write(translated)
      return { done: true }
    } catch (error) {
      if (error instanceof StoreError && error.kind === 'conflict') return { conflict: error.step ?? -1 }
      throw error
    }
  }
}

const prepared = new WeakMap<Store, Map<string, number>>()

async function translate(store: Store, mutation: Mutation, versions: ReadonlyMap<number, string>): Promise<Mutation> {
  if (!('expected' in mutation) || typeof mutation.expected !== 'number') return mutation
  const name = versions.get(mutation.expected) ?? ''
  return { ...mutation, expected: prepared.get(store)?.get(name) ?? 1 } as Mutation
}

async function serialOutcome(model: Model, order: readonly Abstract[]): Promise<{ outcomes: Outcome[]; rows: string }> {
  const store = openMemoryStore()
  const versions = new Map<string, number>()
  if (model.prepare.length > 0) {
    const given = await store.write(model.prepare)
    model.prepare.forEach(
      (mutation, i) => 'row' in mutation && versions.set((mutation.row as { name: string }).name, given[i] ?? 0),
    )
  }
  prepared.set(store, versions)
  const outcomes: Outcome[] = []
  for (const one of order) outcomes.push(await one(store))
  const rows = await store.list('namespaces', { index: 'primary', where: {}, limit: 100 })
  return { outcomes, rows: rows.map((row) => `${row.name}=${row.created_at}`).join() }
}

function* permutations(items: readonly number[]): Generator<number[]> {
  if (items.length === 0) yield []
  for (const item of items) for (const rest of permutations(items.filter((other) => other !== item))) yield [item, ...rest]
}

/** All serial executions: which tasks, in which order, with what outcome. */
async function serials(
  model: Model,
  tasks: readonly Task[],
  versions: ReadonlyMap<number, string>,
): Promise<{ order: number[]; outcomes: Outcome[]; rows: string }[]> {
  const all = tasks.map((_, i) => i)
  const subsets = [all, ...all.map((left) => all.filter((i) => i !== left))]
  const found = []
  for (const subset of subsets) {
    for (const order of permutations(subset)) {
      const done = await serialOutcome(
        model,
        order.map((i) => abstract(tasks[i] as Task, versions)),
      )
      found.push({ order, ...done })
    }
  }
  return found
}

/** Without crashes all is explored, which a test holds; with them, two writers meet more states than a test run can visit. */
const LIMIT = 4000

async function verify(model: Model, expectAll: boolean): Promise<{ states: number; outcomes: Set<string> }> {
  let possible: Awaited<ReturnType<typeof serials>> | undefined
  const outcomes = new Set<string>()
  let tasks: readonly Task[] = []
  const versions = new Map<number, string>()
  const watched: Model = {
    ...model,
    tasks: (database) => {
      tasks = model.tasks(database)
      for (const row of database.rows.values()) versions.set(row.v ?? 0, String(row.c?.['name']))
      return tasks
    },
  }
  const check = async (run: Run): Promise<void> => {
    possible ??= await serials(model, tasks, versions)
    const { crashed } = run
    if (crashed === undefined) assert.equal(run.database.transactions.size, 0, 'nothing is left behind')
    for (const [i, outcome] of run.outcomes.entries())
      if (i !== crashed) assert.ok(outcome && !('failed' in outcome), JSON.stringify(outcome))
    for (const i of tasks.keys()) if (i !== crashed) assert.ok(run.outcomes[i] !== undefined, `process ${i} is stuck`)
    const before = await rowsIn(run.database)
    await recover(run.database)
    assert.equal(await rowsIn(run.database), before, 'recovery changes nothing that could be read')
    for (const row of run.database.rows.values()) assertFree(row)
    assert.equal(run.database.transactions.size, 0)
    const explained = possible.some((serial) => explains(serial, run, before))
    assert.ok(explained, `${JSON.stringify(run.outcomes)} crashed ${crashed}: ${before} is no serial execution`)
    outcomes.add(`${JSON.stringify(run.outcomes)} ${before}`)
  }
  const states = await explore(watched, check, LIMIT)
  assert.ok(!expectAll || outcomes.size > 1, 'the order matters')
  return { states, outcomes }
}

function assertFree({ _id, v, m, r = [] }: RowDocument): void {
  assert.deepEqual([m, r], [undefined, []], `${_id} is free`)
  assert.ok(v !== undefined, `${_id} is a row`)
}

function explains(serial: { order: number[]; outcomes: Outcome[]; rows: string }, run: Run, rows: string): boolean {
  if (serial.rows !== rows) return false
  const { crashed, spans } = run
  const isSame = run.outcomes.every((outcome, i) => {
    const position = serial.order.indexOf(i)
    if (outcome === undefined) return true
    return position >= 0 && JSON.stringify(serial.outcomes[position]) === JSON.stringify(outcome)
  })
  // All that were answered have their place, and none of them stands behind one that began after it had ended.
  const isWhole = spans.every((_, i) => serial.order.includes(i) || (i === crashed && run.outcomes[i] === undefined))
  return (
    isSame && isWhole && serial.order.every((i, p) => serial.order.slice(p + 1).every((j) => spans[j]!.end > spans[i]!.begin))
  )
}

async function rowsIn(database: FakeDatabase): Promise<string> {
  const reads = new Reads(database.documents((_, act) => Promise.resolve(act())))
  const ids = [...database.rows].flatMap(([address, row]) => (address.startsWith('namespaces/') ? [row._id] : []))
  const rows = await reads.getMany('namespaces', ids.toSorted())
  return rows.flatMap((row) => (row === undefined ? [] : [`${String(row.c['name'])}=${String(row.c['created_at'])}`])).join()
}

const both: Model['tasks'] = (database) => [
  {
    batch: [
      replace('namespaces', space('a', 1), versionOf(database, 'a')),
      replace('namespaces', space('b', 1), versionOf(database, 'b')),
    ],
  },
  {
    batch: [
      replace('namespaces', space('b', 2), versionOf(database, 'b')),
      replace('namespaces', space('a', 2), versionOf(database, 'a')),
    ],
  },
]
const rows = [insert('namespaces', space('a')), insert('namespaces', space('b'))]

for (const crashes of [false, true]) {
  const when = crashes ? ', one of them crashing' : ''

  test(`two batches over the same two rows, in opposite order${when}`, async () => {
    const { states } = await verify({ prepare: rows, tasks: both, crashes }, true)
    assert.ok(crashes || states < LIMIT, 'all was explored')
  })

  test(`creating below what is dropped${when}`, async () => {
    const tasks: Model['tasks'] = (database) => [
      { batch: [require('namespaces', space('a'), 'any'), insert('namespaces', space('c', 1))] },
      { batch: [remove('namespaces', space('a'), versionOf(database, 'a')), require('namespaces', space('c'), 'none')] },
    ]
    const { states } = await verify({ prepare: rows.slice(0, 1), tasks, crashes }, true)
    assert.ok(crashes || states < LIMIT, 'all was explored')
  })

  test(`one compare-and-set against a batch${when}`, async () => {
    const tasks: Model['tasks'] = (database) => [
      { batch: [replace('namespaces', space('a', 1), versionOf(database, 'a'))] },
      { batch: [insert('namespaces', space('c', 2)), replace('namespaces', space('a', 2), versionOf(database, 'a'))] },
    ]
    const { states } = await verify({ prepare: rows, tasks, crashes }, true)
    assert.ok(states < LIMIT, 'all was explored')
  })

  test(`a batch and a reader of its rows${when}`, async () => {
    const tasks: Model['tasks'] = (database) => [
      both(database)[0] as Task,
      {
        read: [
          { entity: 'namespaces', key: space('a') },
          { entity: 'namespaces', key: space('b') },
        ],
      },
    ]
    const { states } = await verify({ prepare: rows, tasks, crashes }, true)
    assert.ok(states < LIMIT, 'all was explored')
  })
}
