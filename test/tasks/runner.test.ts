import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { describe, it } from 'node:test'
import { NEVER } from '../../src/catalog/background.ts'
import { startRunner, TaskRefused, type Runner, type RunnerOptions, type TaskHandler } from '../../src/tasks/runner.ts'
import type { Row } from '../../src/stores/entities.ts'
import { openMemoryStore } from '../../src/stores/memory.ts'
import { StoreError, type Store } from '../../src/stores/store.ts'
import { taskRow } from './tables.ts'

/** A clock that only moves when told, and timers on it. */
class Clock {
  time = 1_000_000
  #timers = new Map<number, { at: number; callback: () => void }>()
  #next = 0
  readonly now = (): number => this.time
  readonly timer = (callback: () => void, ms: number): (() => void) => {
    const id = (this.#next += 1)
    this.#timers.set(id, { at: this.time + ms, callback })
    return () => this.#timers.delete(id)
  }

  async advance(ms: number): Promise<void> {
    const end = this.time + ms
    for (;;) {
      await settle()
      const [first] = [...this.#timers].sort(([, a], [, b]) => a.at - b.at)
      if (first === undefined || first[1].at > end) break
      this.#timers.delete(first[0])
      this.time = Math.max(this.time, first[1].at)
      first[1].callback()
    }
    this.time = end
    await settle()
  }
}
const tick = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve)
  })
/** Long enough for what needs no timer to finish. */
const settle = async (): Promise<void> => {
  for (let i = 0; i < 100; i += 1) await tick()
}

interface World {
  readonly store: Store
  readonly clock: Clock
  readonly events: string[]
  readonly run: (handlers: Record<string, TaskHandler>, options?: Partial<RunnerOptions>) => Runner
  readonly add: (kind: string, changes?: Partial<Row<'tasks'>>) => Promise<string>
  readonly tasks: () => Promise<Row<'tasks'>[]>
}
function world(store: Store = openMemoryStore()): World {
  const clock = new Clock()
  const events: string[] = []
  return {
    store,
    clock,
    events,
    run: (handlers, options = {}) =>
      startRunner({
        store,
        handlers,
        now: clock.now,
        timer: clock.timer,
        owner: randomUUID(),
        leaseMs: 60_000,
        pollMs: 10_000,
        log: (event) => events.push(event),
        ...options,
      }),
    add: async (kind, changes = {}) => {
      const row = taskRow(kind, { n: 1 }, { due_at: clock.time, ...changes })
      await store.write([{ op: 'insert', entity: 'tasks', row }])
      return row.id
    },
    tasks: () => store.list('tasks', { index: 'by_due', where: {}, limit: 100 }),
  }
}
const hang: TaskHandler = (_, { signal }) =>
  new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))

describe('task runner', () => {
  it('runs what is stored, when told and without being told, and removes it', async () => {
    const { clock, run, add, tasks, events } = world()
    const ran: string[] = []
    await add('k')
    const runner = run({ k: async ({ id }) => void ran.push(id) })
    await settle()
    assert.equal(ran.length, 1)
    await add('k')
    runner.stored()
    await settle()
    assert.equal(ran.length, 2)
    await add('k')
    await settle()
    assert.equal(ran.length, 2)
    await clock.advance(10_000)
    assert.equal(ran.length, 3)
    assert.deepEqual(await tasks(), [])
    assert.deepEqual(events, ['task-done', 'task-done', 'task-done'])
    await runner.stop()
  })

  it('tells when a task has ended, here or elsewhere, was put off, or takes longer than one would wait', async () => {
    const { store, clock, run, add } = world()
    let release = (): void => {}
    const slow: TaskHandler = () => new Promise((resolve) => (release = resolve))
    const failing: TaskHandler = async () => {
      throw new Error('no luck')
    }
    const runner = run({ k: async () => {}, slow, failing }, { concurrency: 1 })
    const ended = async (id: string): Promise<() => boolean> => {
      let done = false
      void runner.ended(id, 1000).then(() => (done = true))
      runner.stored()
      await settle()
      return () => done
    }
    assert.ok((await ended(await add('k')))())
    assert.ok((await ended(await add('failing')))())
    const one = await add('slow')
    const isDone = await ended(one)
    assert.ok(!isDone())
    await clock.advance(999)
    assert.ok(!isDone())
    await clock.advance(1)
    assert.ok(isDone(), 'after a second')
    await clock.advance(1000)
    assert.ok((await ended(await add('k')))(), 'at once where all that runs has run for long')
    release()
    await settle()
    // Another process takes it, and ends it.
    const other = await add('unknown here')
    const isOtherDone = await ended(other)
    assert.ok(!isOtherDone())
    await store.write([{ op: 'remove', entity: 'tasks', key: { id: other }, expected: 'any' }])
    await clock.advance(500)
    assert.ok(isOtherDone())
    const last = await add('unknown here')
    const isLastDone = await ended(last)
    await runner.stop()
    await settle()
    assert.ok(isLastDone(), 'when the process stops')
  })

  it('waits until a task is due', async () => {
    const { clock, run, add } = world()
    let ran = 0
    await add('k', { due_at: clock.time + 3_000 })
    const runner = run({ k: async () => void (ran += 1) })
    await clock.advance(2_999)
    assert.equal(ran, 0)
    await clock.advance(1)
    assert.equal(ran, 1)
    await runner.stop()
  })

  it('runs each task once, however many processes there are', async () => {
    const { run, add, tasks, clock } = world()
    const ran: string[] = []
    const ids = []
    for (let i = 0; i < 100; i += 1) ids.push(await add('k'))
    const runners = Array.from({ length: 5 }, () =>
      run({
        k: async ({ id }) => {
          ran.push(id)
          await tick()
        },
      }),
    )
    await clock.advance(60_000)
    assert.deepEqual(ran.sort(), ids.sort())
    assert.deepEqual(await tasks(), [])
    await Promise.all(runners.map((runner) => runner.stop()))
  })

  it('runs no more at a time than it may', async () => {
    const { run, add, clock } = world()
    let [now, most, ran] = [0, 0, 0]
    for (let i = 0; i < 10; i += 1) await add('k')
    const runner = run(
      {
        k: async () => {
          now += 1
          most = Math.max(most, now)
          await tick()
          now -= 1
          ran += 1
        },
      },
      { concurrency: 3 },
    )
    await clock.advance(10_000)
    assert.deepEqual([most, ran], [3, 10])
    await runner.stop()
  })

  it('tries again with growing pauses, then gives up and keeps the task', async () => {
    const { run, add, clock, tasks, events } = world()
    const times: number[] = []
    await add('k')
    const runner = run(
      {
        k: async () => {
          times.push(clock.time)
          throw new Error('no luck')
        },
      },
      { maxAttempts: 4 },
    )
    await clock.advance(200_000)
    assert.deepEqual(
      times.map((time) => time - 1_000_000),
      [0, 1000, 5000, 21_000],
    )
    const [task] = await tasks()
    assert.deepEqual([task?.due_at, task?.owner, task?.attempts, task?.last_error], [NEVER, null, 4, 'Error: no luck'])
    assert.deepEqual(events, ['task-failed', 'task-failed', 'task-failed', 'task-given-up'])
    await runner.stop()
  })

  it('does not try again what was refused', async () => {
    const { run, add, clock, tasks } = world()
    let ran = 0
    await add('k')
    const runner = run({
      k: async () => {
        ran += 1
        throw new TaskRefused('broken for good')
      },
    })
    await clock.advance(10_000_000)
    assert.equal(ran, 1)
    assert.equal((await tasks())[0]?.last_error, 'TaskRefused: broken for good')
    await runner.stop()
  })

  it('leaves kinds that it does not know to others, also when they fill the first page', async () => {
    const { run, add, clock, tasks } = world()
    let ran = 0
    for (let i = 0; i < 70; i += 1) await add(i % 2 ? 'newer' : 'toString', { due_at: 1 })
    await add('k')
    const runner = run({ k: async () => void (ran += 1) })
    await clock.advance(20_000)
    assert.equal(ran, 1)
    assert.ok((await tasks()).every(({ attempts, owner }) => attempts === 0 && owner === null))
    await runner.stop()
  })

  it('keeps its lease while it works, however long', async () => {
    const { run, add, clock } = world()
    const started: string[] = []
    let finish: () => void = () => {}
    await add('k')
    const work: TaskHandler = ({ id }) => {
      started.push(id)
      return new Promise((resolve) => {
        finish = resolve
      })
    }
    const runners = [run({ k: work }), run({ k: work })]
    await clock.advance(1_000_000)
    assert.equal(started.length, 1)
    finish()
    await Promise.all(runners.map((runner) => runner.stop()))
  })

  it('takes over from a process that died, and counts that as an attempt', async () => {
    const { run, add, clock, tasks } = world()
    let ran = 0
    await add('k', { owner: 'dead', due_at: 1_000_000 + 60_000, attempts: 1 })
    const runner = run({
      k: async ({ attempts }) => {
        ran += 1
        assert.equal(attempts, 2)
      },
    })
    await clock.advance(59_000)
    assert.equal(ran, 0)
    await clock.advance(10_000)
    assert.equal(ran, 1)
    assert.deepEqual(await tasks(), [])
    await add('k', { owner: 'dead', due_at: clock.time, attempts: 10 })
    await clock.advance(20_000)
    assert.equal(ran, 1)
    const [task] = await tasks()
    assert.deepEqual([task?.due_at, task?.last_error], [NEVER, 'its process died each time'])
    await runner.stop()
  })

  it('stops working on a task that another process took over, and leaves its row alone', async () => {
    const { run, add, clock, store, tasks, events } = world()
    const id = await add('k')
    let reason = ''
    const runner = run({
      k: (task, context) =>
        hang(task, context).catch((error: Error) => {
          reason = error.message
          throw error
        }),
    })
    await settle()
    const { version, ...row } = (await store.get('tasks', { id })) as Row<'tasks'>
    await store.write([
      { op: 'replace', entity: 'tasks', row: { ...row, owner: 'other', due_at: clock.time + 500_000 }, expected: version },
    ])
    await clock.advance(30_000)
    assert.equal(reason, 'Another process took the task over')
    assert.deepEqual(
      (await tasks()).map(({ owner, attempts, last_error }) => [owner, attempts, last_error]),
      [['other', 1, null]],
    )
    assert.ok(events.includes('task-lost'))
    await runner.stop()
  })

  it('stops when told, and gives what it was at back without blame', async () => {
    const { run, add, clock, tasks } = world()
    await add('k')
    await add('k')
    await add('k')
    const runner = run({ k: hang })
    await settle()
    await runner.stop()
    const left = await tasks()
    assert.deepEqual(
      left.map(({ owner, attempts, last_error, due_at }) => [owner, attempts, last_error, due_at]),
      Array.from({ length: 3 }, () => [null, 0, null, clock.time]),
    )
    runner.stored()
    await clock.advance(100_000)
    assert.ok((await tasks()).every(({ owner }) => owner === null))
  })

  it('survives a store that is away, at any call', async () => {
    for (let failAt = 1; failAt <= 6; failAt += 1) {
      for (const kind of ['unavailable', 'unknown'] as const) {
        const inner = openMemoryStore()
        let [calls, ran] = [0, 0]
        const fail = async <T>(call: () => Promise<T>): Promise<T> => {
          calls += 1
          if (calls === failAt && kind === 'unknown') await call()
          if (calls === failAt) throw new StoreError(kind, 'away')
          return call()
        }
        const store: Store = {
          ...inner,
          list: (...p) => fail(() => inner.list(...p)),
          write: (...p) => fail(() => inner.write(...p)),
        }
        const { run, add, clock, tasks } = world(store)
        const setUp = calls
        calls = -1000
        await add('k')
        calls = setUp
        const runner = run({ k: async () => void (ran += 1) })
        await clock.advance(200_000)
        calls = 1000
        assert.ok(ran >= 1, `${kind} at ${failAt}`)
        assert.deepEqual(await tasks(), [])
        await runner.stop()
      }
    }
  })
})
