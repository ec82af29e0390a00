/**
 * One client under load, on objects of its own, and what it knows: the state that was acknowledged, and at most one change
 * whose answer never came. After a crash the server must show the one or the other, whole.
 */
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { NotReadable, type Answer, type Api, type Operation } from './api.ts'

export interface Change<S> {
  readonly operation: Operation
  readonly status: number
  /** What the server shows once the change is carried out. */
  readonly state: S
}

/** What kind of work; the states are plain data, compared deeply. */
export interface Work<S> {
  readonly name: string
  /** Makes what the work is done on, before any crash. */
  prepare(api: Api): Promise<S>
  next(api: Api, state: S, random: () => number): Promise<Change<S>>
  /** What the server shows now. */
  read(api: Api): Promise<S>
  /** Whether the answer to an earlier request can still be given: its files may have been purged since. */
  repeatable?(operation: Operation, now: S): boolean
  /** Checks beyond the state: histories, files. */
  verify?(api: Api, state: S): Promise<void>
}

export interface Worker {
  readonly name: string
  prepare(api: Api): Promise<void>
  /** One change, which must be carried out; throws `ConnectionLost` when the server goes away. */
  step(api: Api, random: () => number): Promise<void>
  /**
   * One change, of a server that may have lost its database. Any other answer than that it was done, that nothing was changed,
   * or that nobody knows is a lie. After one that nobody knows, `settle` comes next.
   */
  attempt(api: Api, random: () => number): Promise<Outcome>
  /** After a restart: checks what the server shows against what is known, and takes it over. */
  settle(api: Api): Promise<void>
  readonly acknowledged: number
  /** How many changes were without an answer, and how many of these the server had carried out. */
  readonly unanswered: { total: number; landed: number }
}

export type Outcome = 'done' | 'nothing' | 'unknown'

interface Keyed {
  readonly operation: Operation
  readonly answer: Answer
}

export function createWorker<S>(work: Work<S>): Worker {
  let state: S
  let pending: Change<S> | undefined
  let lastKeyed: Keyed | undefined
  let acknowledged = 0
  const unanswered = { total: 0, landed: 0 }

  const replay = async (api: Api): Promise<void> => {
    if (lastKeyed === undefined) return
    const { operation, answer } = lastKeyed
    if (work.repeatable?.(operation, await work.read(api)) === false) return
    const again = await api.send(operation)
    const what = `${work.name}: ${operation.method} ${operation.path} with the key of an acknowledged request`
    assert.equal(again.status, answer.status, `${what}: ${JSON.stringify(again.body)}`)
    if (answer.body !== undefined) assert.equal(uuidOf(again), uuidOf(answer), what)
  }

  const prepareNext = async (api: Api, random: () => number): Promise<Change<S>> => {
    pending = undefined
    return (pending = await work.next(api, state, random))
  }

  const acknowledge = (answer: Answer): void => {
    const { operation, state: reached } = pending!
    state = reached
    pending = undefined
    acknowledged++
    if (operation.idempotencyKey !== undefined) lastKeyed = { operation, answer }
  }

  return {
    name: work.name,
    unanswered,
    get acknowledged() {
      return acknowledged
    },
    async prepare(api) {
      state = await work.prepare(api)
    },
    async step(api, random) {
      const { operation, status } = await prepareNext(api, random)
      const answer = await api.send(operation)
      assert.equal(answer.status, status, `${work.name}: ${operation.method} ${operation.path}: ${JSON.stringify(answer.body)}`)
      acknowledge(answer)
    },
    async attempt(api, random) {
      let change: Change<S>
      try {
        change = await prepareNext(api, random)
      } catch (error) {
        if (error instanceof NotReadable) return 'nothing'
        throw error
      }
      const { operation, status } = change
      const answer = await api.send(operation)
      const outcome = answer.status === status ? 'done' : meaningOf(answer)
      const what = `${work.name}: ${operation.method} ${operation.path}: ${answer.status} ${JSON.stringify(answer.body)}`
      assert.ok(outcome !== undefined, what)
      if (outcome === 'done') acknowledge(answer)
      if (outcome === 'nothing') {
        pending = undefined
        assert.deepEqual(await whenReadable(() => work.read(api)), state, `${what}, but something was changed`)
      }
      return outcome
    },
    async settle(api) {
      await replay(api)
      const actual = await work.read(api)
      if (pending === undefined) {
        assert.deepEqual(actual, state, `${work.name}: what was acknowledged is there, and nothing else`)
      } else {
        unanswered.total++
        const landed = isDeepEqual(actual, pending.state)
        if (landed) unanswered.landed++
        else assert.deepEqual(actual, state, `${work.name}: a change without an answer is there wholly or not at all`)
        state = await finish(api, work, pending, actual)
      }
      pending = undefined
      await work.verify?.(api, state)
    },
  }
}

async function whenReadable<T>(read: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await read()
    } catch (error) {
      if (!(error instanceof NotReadable)) throw error
    }
    await sleep(50)
  }
}

/** What a refusal promises; nothing when it is none that a lost database explains. */
function meaningOf({ status, body }: Answer): Outcome | undefined {
  const type = (body as { error?: { type?: string } } | undefined)?.error?.type
  if (status === 503 || status === 429) return 'nothing'
  return status === 500 && type === 'CommitStateUnknownException' ? 'unknown' : undefined
}

/** A change with a key may be sent again: it succeeds, and has happened once, whether or not it had happened before. */
async function finish<S>(api: Api, work: Work<S>, { operation, status, state }: Change<S>, actual: S): Promise<S> {
  if (operation.idempotencyKey === undefined) return actual
  const answer = await api.send(operation)
  const what = `${work.name}: ${operation.method} ${operation.path}, sent again with its key`
  assert.equal(answer.status, status, `${what}: ${JSON.stringify(answer.body)}`)
  assert.deepEqual(await work.read(api), state, what)
  return state
}

const uuidOf = ({ body }: Answer): unknown =>
  (body as { metadata?: { 'table-uuid'?: string } } | undefined)?.metadata?.['table-uuid']

function isDeepEqual(left: unknown, right: unknown): boolean {
  try {
    assert.deepStrictEqual(left, right)
    return true
  } catch {
    return false
  }
}
