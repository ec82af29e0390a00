/**
 * Explores what the MongoDB engine's protocol may do: runs the real code of a few processes over the fake database, lets one
 * operation happen at a time, and goes through all choices of which, with a crash of a process at any moment among them.
 * A process is known by what it was answered, so two ways to one state of database and processes are explored as one.
 */
import type { Content } from '../../../src/stores/mongo/codec.ts'
import type { Documents } from '../../../src/stores/mongo/documents.ts'
import { encodeKey } from '../../../src/stores/mongo/codec.ts'
import { Protocol } from '../../../src/stores/mongo/protocol.ts'
import { Reads } from '../../../src/stores/mongo/reads.ts'
import { takeOver } from '../../../src/stores/mongo/settle.ts'
import { planBatch } from '../../../src/stores/plan.ts'
import type { Step } from '../../../src/stores/plan.ts'
import type { Mutation } from '../../../src/stores/store.ts'
import { StoreError } from '../../../src/stores/store.ts'
import { tableOf } from '../../../src/stores/tables.ts'
import { FakeDatabase } from './fake.ts'

export type Outcome = { done: true } | { conflict: number } | { failed: string } | { read: string } | undefined

/** What a process does: a batch, or a read of some rows at one moment. */
export type Task =
  | { readonly batch: readonly Mutation[] }
  | { readonly read: readonly { entity: 'tenants' | 'namespaces'; key: object }[] }

interface Waiting {
  readonly process: number
  readonly name: string
  readonly act: () => void
}

export interface Run {
  readonly outcomes: readonly Outcome[]
  /** When each began and ended, in steps of the schedule. */
  readonly spans: readonly { begin: number; end: number }[]
  readonly database: FakeDatabase
  readonly crashed: number | undefined
}

export interface Model {
  readonly prepare: readonly Mutation[]
  readonly tasks: (rows: FakeDatabase) => readonly Task[]
  /** Whether one of the processes may die. */
  readonly crashes: boolean
  /** How often each may lose patience while others could go on: others are slow then, and what they sent comes late. */
  readonly haste: number
  /** A protocol with a fault in it: what becomes of the operations that the true one asks for. */
  readonly fault?: ((documents: Documents) => Documents) | undefined
}

type Choice = { readonly run: number } | { readonly crash: number }

/** When all that is under way counts as left. */
const LATER_MS = 3_600_000

/** How far time goes when somebody sleeps: half as long as anybody waits for a transaction that was left. */
const NAP_MS = 1600

/** One schedule: the choices given, and then the first possible ones unless `stop`. */
class Schedule {
  readonly database = new FakeDatabase()
  readonly outcomes: Outcome[] = []
  readonly spans: { begin: number; end: number }[] = []
  /** What each process was answered. The order doesn't matter: what it did at once, it awaited together. */
  readonly history: string[][] = []
  waiting: Waiting[] = []
  crashed: number | undefined
  #clock = 0
  #steps = 0
  #last: number | undefined
  readonly #haste: number
  readonly #fault: (documents: Documents) => Documents

  constructor({ haste, fault }: Model) {
    this.#haste = haste
    this.#fault = fault ?? ((documents) => documents)
  }

  async begin(planned: readonly (readonly Step[] | undefined)[], tasks: readonly Task[]): Promise<void> {
    for (const [process, task] of tasks.entries()) {
      this.history[process] = []
      this.spans[process] = { begin: -1, end: Infinity }
      let [ids, naps] = [0, 0]
      const documents = this.#fault(this.database.documents((name, act) => this.#gate(process, name, act)))
      const environment = {
        now: () => this.#clock,
        sleep: async () => {
          const name = naps++ < this.#haste ? 'nap' : 'sleep'
          await this.#gate(process, name, () => void (this.#clock += NAP_MS))
        },
        newId: () => `T${process}${'abcdefghijklmnopqrstuvwxyz'[ids++]}`,
        background: (work: Promise<void>) => void work.catch(() => undefined),
      }
      const reads = new Reads(documents, environment)
      const steps = planned[process]
      const work =
        steps !== undefined
          ? new Protocol(documents, environment, reads).write(steps).then((): Outcome => ({ done: true }))
          : readAll(reads, task as Extract<Task, { read: unknown }>)
      void work.catch(asOutcome).then((outcome) => {
        this.outcomes[process] = outcome
        this.spans[process]!.end = this.#steps
      })
    }
    await settled()
  }

  #gate<T>(process: number, name: string, act: () => T): Promise<T> {
    return new Promise((resolve) => {
      this.waiting.push({
        process,
        name,
        act: () => {
          const result = act()
          this.history[process]?.push(`${name}>${JSON.stringify(result) ?? ''}`)
          resolve(result)
        },
      })
    })
  }

  async take(choice: Choice): Promise<void> {
    this.#steps++
    if ('crash' in choice) {
      this.crashed = choice.crash
      this.waiting = this.waiting.filter(({ process }) => process !== choice.crash)
      return
    }
    const [next] = this.waiting.splice(choice.run, 1)
    if (next === undefined) throw new Error('no such choice')
    this.#last = next.process
    const span = this.spans[next.process]!
    if (span.begin < 0) span.begin = this.#steps
    next.act()
    await settled()
  }

  /** Sleepers wait for the others: until nothing else can happen, time stands still. */
  choices(crashes: boolean): Choice[] {
    const awake = this.waiting.flatMap(({ name }, run) => (name === 'sleep' ? [] : [{ run }]))
    // A transaction that nothing refers to yet is seen by nobody: no other order can show a difference.
    const unseen = this.waiting.findIndex(({ name }) => name.startsWith('insert '))
    if (unseen >= 0) return [{ run: unseen }]
    const runs = awake.length > 0 ? awake : this.waiting.map((_, run) => ({ run }))
    // A crash is seen by nobody: who dies later may as well have died right after the last that it did.
    const mortal = this.#last
    if (!crashes || this.crashed !== undefined || mortal === undefined) return runs
    return this.waiting.some(({ process }) => process === mortal) ? [...runs, { crash: mortal }] : runs
  }

  state(): string {
    const pending = this.waiting.map(({ process, name }) => `${process}${name}`).toSorted()
    const rows = [...this.database.rows].toSorted().map((entry) => JSON.stringify(entry))
    const transactions = [...this.database.transactions.values()].map((one) => `${one._id}${one.state}${one.touches.join()}`)
    return [
      ...this.history.map((answers) => answers.toSorted().join('|')),
      pending,
      rows,
      transactions.toSorted(),
      this.crashed,
      this.#clock,
    ].join('\n')
  }
}

async function readAll(reads: Reads, { read }: Extract<Task, { read: unknown }>): Promise<Outcome> {
  const [first] = read
  if (first === undefined) return { read: '' }
  const table = tableOf(first.entity)
  const ids = read.map(({ key }) =>
    encodeKey(
      table,
      table.key.map((i) => (key as Record<string, string>)[table.columns[i]!.name]!),
    ),
  )
  return { read: (await reads.getMany(first.entity, ids)).map(shown).join() }
}

const shown = (content: Content | undefined): string => String(content?.c['created_at'] ?? '-')

function asOutcome(error: unknown): Outcome {
  if (error instanceof StoreError && error.kind === 'conflict') return { conflict: error.step ?? -1 }
  return { failed: String(error) }
}

/** All microtasks have run: whatever a process does next, it waits for at a gate. */
const settled = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))

/** Goes through all schedules, or through those that meet the first `limit` states; answers how many were met. */
export async function explore(model: Model, check: (run: Run) => Promise<void>, limit: number): Promise<number> {
  const seen = new Set<string>()
  const prepared = new FakeDatabase()
  await prepare(prepared, model.prepare)
  const tasks = model.tasks(prepared)
  // Planned once: versions are drawn at random, and must be the same in every schedule.
  const planned = tasks.map((task) => ('batch' in task ? planBatch(task.batch) : undefined))
  const stack: Choice[][] = [[]]
  for (let path = stack.pop(); path !== undefined; path = stack.pop()) {
    const schedule = new Schedule(model)
    for (const [address, row] of prepared.rows) schedule.database.rows.set(address, row)
    await schedule.begin(planned, tasks)
    for (const choice of path) await schedule.take(choice)
    for (;;) {
      const state = schedule.state()
      if (seen.has(state)) break
      seen.add(state)
      if (seen.size >= limit) return seen.size
      const [first, ...others] = schedule.choices(model.crashes)
      for (const other of others) stack.push([...path, other])
      if (first === undefined) {
        const { outcomes, spans, database, crashed } = schedule
        await check({ outcomes, spans, database, crashed })
        break
      }
      path = [...path, first]
      await schedule.take(first)
    }
  }
  return seen.size
}

const direct = <T>(_: string, act: () => T): Promise<T> => Promise.resolve(act())

export async function prepare(database: FakeDatabase, mutations: readonly Mutation[]): Promise<void> {
  if (mutations.length > 0) await write(database, mutations)
}

/** A batch of somebody who comes later, with nobody else about. */
export async function write(database: FakeDatabase, mutations: readonly Mutation[]): Promise<void> {
  const documents = database.documents(direct)
  let clock = 0
  const work: Promise<void>[] = []
  const environment = {
    now: () => clock,
    sleep: async (ms: number) => void (clock += ms),
    newId: () => `later${Math.random()}`,
    background: (one: Promise<void>) => void work.push(one),
  }
  await new Protocol(documents, environment, new Reads(documents, environment)).write(planBatch(mutations))
  await Promise.all(work)
}

/** What whoever comes next does about what was left. */
export async function recover(database: FakeDatabase): Promise<void> {
  const documents = database.documents(direct)
  for (const transaction of await documents.oldTransactions(0, 0)) await takeOver(documents, transaction, true)
  const work: Promise<void>[] = []
  const reads = new Reads(documents, { now: () => LATER_MS, background: (one) => void work.push(one) })
  for (const address of database.rows.keys()) {
    const [collection = '', ...id] = address.split('/')
    await reads.get(collection, id.join('/'))
  }
  await Promise.all(work)
}
