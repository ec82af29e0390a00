/**
 * What the exploration of the MongoDB engine's protocol goes through: small batches side by side, every order of their
 * single-document operations, a crash at every moment. Whatever happened must be explained by the batches one after the
 * other, each whole or not at all. This file is also what the threads run that explore.
 */
import assert from 'node:assert/strict'
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads'
import { openMemoryStore } from '../../../src/stores/memory.ts'
import { StoreError } from '../../../src/stores/store.ts'
import type { Mutation, Store } from '../../../src/stores/store.ts'
import { Reads } from '../../../src/stores/mongo/reads.ts'
import type { RowDocument } from '../../../src/stores/mongo/documents.ts'
import { insert, namespace, remove, replace, require } from '../suite/rows.ts'
import { explore, recover } from './explorer.ts'
import type { Model, Outcome, Run, Task } from './explorer.ts'
import { faults } from './planted-faults.ts'
import type { FakeDatabase } from './fake.ts'

/** Rows without unique indexes keep the number of states small; the version is what the preparation gave. */
const space = (name: string, created_at = 0): ReturnType<typeof namespace> =>
  namespace({ tenant_id: 't', name, id: name, created_at })
const versionOf = (database: FakeDatabase, name: string): number =>
  [...database.rows.values()].find((row) => row.c?.['name'] === name)?.v ?? 0

const changing = (database: FakeDatabase, name: string, created_at: number): Mutation =>
  replace('namespaces', space(name, created_at), versionOf(database, name))

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

/** More would mean that it does not end. */
const LIMIT = 100_000

export interface Exploration {
  readonly pair: string
  readonly crashes: boolean
  readonly haste: number
  readonly fault?: string
}

export interface Explored {
  readonly states: number
  /** What came of it in all schedules: answers and rows. */
  readonly outcomes: readonly string[]
  /** Of the first schedule that no order explains. */
  readonly failure?: string
}

async function verify(model: Model): Promise<Explored> {
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
    const before = await rowsIn(run.database)
    assertAnswered(run)
    await recover(run.database)
    assert.equal(await rowsIn(run.database), before, 'recovery changes nothing that could be read')
    for (const row of run.database.rows.values()) assertFree(row)
    assert.equal(run.database.transactions.size, 0)
    const explained = possible.some((serial) => explains(serial, run, before))
    assert.ok(explained, `${JSON.stringify(run.outcomes)} crashed ${run.crashed}: ${before} is no serial execution`)
    outcomes.add(`${JSON.stringify(run.outcomes)} ${before}`)
  }
  const states = await explore(watched, check, LIMIT)
  assert.ok(states < LIMIT, 'not all was explored')
  return { states, outcomes: [...outcomes] }
}

function assertAnswered({ crashed, outcomes, database }: Run): void {
  for (const [i, outcome] of outcomes.entries()) {
    if (i !== crashed) assert.ok(outcome !== undefined && !('failed' in outcome), `process ${i}: ${JSON.stringify(outcome)}`)
  }
  if (crashed !== undefined) return
  assert.equal(database.transactions.size, 0, 'nothing is left behind')
  for (const { m, o = [] } of database.rows.values()) assert.deepEqual([m, o], [undefined, []], 'nothing is left in a document')
}

function assertFree({ _id, v, m, d, r = [] }: RowDocument): void {
  assert.deepEqual([m, d, r], [undefined, undefined, []], `${_id} is free`)
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
  const nothing = { now: () => 0, background: () => assert.fail('nobody has left anything') }
  const reads = new Reads(
    database.documents((_, act) => Promise.resolve(act())),
    nothing,
  )
  const ids = [...database.rows].flatMap(([address, row]) => (address.startsWith('namespaces/') ? [row._id] : []))
  const rows = await reads.getMany('namespaces', ids.toSorted())
  return rows.flatMap((row) => (row === undefined ? [] : [`${String(row.c['name'])}=${String(row.c['created_at'])}`])).join()
}

const rows = [insert('namespaces', space('a')), insert('namespaces', space('b'))]
const reading = (...names: string[]): Task => ({ read: names.map((name) => ({ entity: 'namespaces', key: space(name) })) })

/** Each writes what nobody else does, so that what is found tells who has written it. */
export const pairs: { readonly [name: string]: Model['tasks'] } = {
  'two batches over the same two rows, in opposite order': (database) => [
    { batch: [changing(database, 'a', 1), changing(database, 'b', 1)] },
    { batch: [changing(database, 'b', 2), changing(database, 'a', 2)] },
  ],
  'creating below what is dropped': (database) => [
    { batch: [require('namespaces', space('a'), 'any'), insert('namespaces', space('c', 1))] },
    { batch: [remove('namespaces', space('a'), versionOf(database, 'a')), require('namespaces', space('c'), 'none')] },
  ],
  'one compare-and-set against a batch': (database) => [
    { batch: [changing(database, 'a', 1)] },
    { batch: [changing(database, 'a', 2), changing(database, 'b', 2)] },
  ],
  'one compare-and-set against a commit': (database) => [
    { batch: [changing(database, 'a', 1)] },
    { batch: [insert('namespaces', space('c', 2)), changing(database, 'a', 2)] },
  ],
  'two commits of one row': (database) => [
    { batch: [changing(database, 'a', 1), insert('namespaces', space('c', 1))] },
    { batch: [changing(database, 'a', 2), insert('namespaces', space('d', 2))] },
  ],
  'two commits of one row under one key': (database) => [
    { batch: [insert('namespaces', space('k', 1)), changing(database, 'a', 1)] },
    { batch: [insert('namespaces', space('k', 2)), changing(database, 'a', 2)] },
  ],
  'commits of two rows under one key': (database) => [
    { batch: [insert('namespaces', space('k', 1)), changing(database, 'a', 1)] },
    { batch: [insert('namespaces', space('k', 2)), changing(database, 'b', 2)] },
  ],
  'a commit against a batch over its row and another': (database) => [
    { batch: [changing(database, 'a', 1), insert('namespaces', space('c', 1))] },
    { batch: [changing(database, 'a', 2), changing(database, 'b', 2)] },
  ],
  'a commit of what is dropped': (database) => [
    { batch: [changing(database, 'a', 1), insert('namespaces', space('c', 1))] },
    { batch: [remove('namespaces', space('a'), 'any'), insert('namespaces', space('d', 2))] },
  ],
  'a commit and one who drops what it inserts': (database) => [
    { batch: [changing(database, 'a', 1), insert('namespaces', space('c', 1))] },
    { batch: [remove('namespaces', space('c'), 'any')] },
  ],
  'a batch and a reader of its rows': (database) => [
    { batch: [changing(database, 'a', 1), changing(database, 'b', 1)] },
    reading('a', 'b'),
  ],
  'a commit and a reader of its rows': (database) => [
    { batch: [changing(database, 'a', 1), insert('namespaces', space('c', 1))] },
    reading('a', 'c'),
  ],
}

/** Explores in a thread of its own: there nobody watches each promise, as the test runner does. */
export async function exploreAside(exploration: Exploration): Promise<Explored> {
  const worker = new Worker(new URL(import.meta.url), { workerData: exploration })
  return new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject))
}

async function exploreHere({ pair, crashes, haste, fault }: Exploration): Promise<Explored> {
  const tasks = pairs[pair]
  if (tasks === undefined) throw new TypeError(`no such pair: ${pair}`)
  try {
    return await verify({ prepare: rows, tasks, crashes, haste, fault: fault === undefined ? undefined : faults[fault] })
  } catch (error) {
    if (!(error instanceof assert.AssertionError)) throw error
    return { states: 0, outcomes: [], failure: error.message }
  }
}

if (!isMainThread) {
  const explored = await exploreHere(workerData as Exploration)
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- that is for windows
  parentPort?.postMessage(explored)
}
