/**
 * A store that fails on demand, for tests of what stands on a store. Without faults it changes nothing: the conformance
 * suite runs on it.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { StoreError } from '../../src/stores/store.ts'
import type { Mutation, Store } from '../../src/stores/store.ts'

export type StoreMethod = 'get' | 'getMany' | 'list' | 'write'

export interface Fault {
  readonly method: StoreMethod
  /**
   * `before`: fails as unavailable, and nothing happened. `after`: happens, and then fails as unknown (a write) or unavailable
   * (a read). `delay`: happens `delayMs` late. `pause`: happens when `until` resolves.
   */
  readonly mode: 'before' | 'after' | 'delay' | 'pause'
  readonly delayMs?: number
  readonly until?: Promise<unknown>
  /** How many calls it befalls; 1 unless told. */
  readonly times?: number
  /** How many matching calls pass before it begins; 0 unless told. */
  readonly skip?: number
  /** Which calls it befalls, by their arguments; all unless told. */
  readonly when?: (...parameters: readonly unknown[]) => boolean
}

export interface FaultyStore extends Store {
  inject(fault: Fault): void
  /** Takes back all faults that have not come to pass. */
  heal(): void
  /** Calls so far, those that failed included. */
  readonly calls: Readonly<Record<StoreMethod, number>>
}

interface Armed {
  readonly fault: Fault
  skip: number
  times: number
}

export function faultyStore(inner: Store): FaultyStore {
  let armed: Armed[] = []
  const calls = { get: 0, getMany: 0, list: 0, write: 0 }

  const takeFault = (method: StoreMethod, parameters: readonly unknown[]): Fault | undefined => {
    const match = armed.find(({ fault }) => fault.method === method && fault.when?.(...parameters) !== false)
    if (match === undefined) return undefined
    if (match.skip > 0) {
      match.skip--
      return undefined
    }
    if (--match.times === 0) armed = armed.filter((other) => other !== match)
    return match.fault
  }

  const through = async <T>(method: StoreMethod, parameters: readonly unknown[], call: () => Promise<T>): Promise<T> => {
    calls[method]++
    const fault = takeFault(method, parameters)
    if (fault?.mode === 'before') throw new StoreError('unavailable', `Injected: ${method} not done`)
    if (fault?.mode === 'delay') await sleep(fault.delayMs ?? 1)
    if (fault?.mode === 'pause') await fault.until
    const result = await call()
    if (fault?.mode === 'after') {
      throw new StoreError(method === 'write' ? 'unknown' : 'unavailable', `Injected: ${method} done, answer lost`)
    }
    return result
  }

  return {
    get: (entity, key) => through('get', [entity, key], () => inner.get(entity, key)),
    getMany: (entity, keys) => through('getMany', [entity, keys], () => inner.getMany(entity, keys)),
    list: (entity, options) => through('list', [entity, options], () => inner.list(entity, options)),
    write: (mutations: readonly Mutation[]) => through('write', [mutations], () => inner.write(mutations)),
    migrate: () => inner.migrate(),
    close: () => inner.close(),
    inject: (fault) => {
      armed.push({ fault, skip: fault.skip ?? 0, times: fault.times ?? 1 })
    },
    heal: () => {
      armed = []
    },
    calls,
  }
}
