/**
 * A store whose calls are carried out by several other processes in turn, for the conformance suite: what one process writes
 * the next one reads. This file is also what those processes run.
 */
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { openStore } from '../../src/stores/open.ts'
import { planBatch, planKey, planList } from '../../src/stores/plan.ts'
import { lookUpIn, StoreError, type LookUp, type Store, type StoreErrorKind } from '../../src/stores/store.ts'
import { tableOf } from '../../src/stores/tables.ts'
import '../services/unproven.ts'

type Method = 'get' | 'getMany' | 'list' | 'write' | 'migrate' | 'close'
interface Request {
  readonly id: number
  readonly method: Method
  readonly parameters: readonly unknown[]
}
type Response = { readonly id: number } & (
  | { readonly value: unknown }
  | { readonly kind: StoreErrorKind; readonly message: string; readonly step: number | undefined }
  | { readonly bug: string }
)

export async function openProcessesStore(url: string, count: number): Promise<Store> {
  const processes = Array.from({ length: count }, () => new RemoteStore(url))
  const state = { next: 0, closing: undefined as Promise<unknown> | undefined }
  const call = async (method: Method, ...parameters: unknown[]): Promise<unknown> => {
    if (state.closing !== undefined) throw new StoreError('unavailable', 'The store is closed')
    return processes[state.next++ % count]?.call(method, parameters)
  }
  // What breaks the contract is refused here, because not all of it can be sent.
  const store = {
    get: async (entity: string, key: object) => {
      return call('get', entity, bareKey(entity, key))
    },
    getMany: async (entity: string, keys: readonly object[]) => {
      const bare = keys.map((key) => bareKey(entity, key))
      return call('getMany', entity, bare)
    },
    list: async (...parameters: Parameters<Store['list']>) => {
      planList(...parameters)
      return call('list', ...parameters)
    },
    write: async (mutations: Parameters<Store['write']>[0]) => {
      planBatch(mutations)
      return call('write', mutations)
    },
    migrate: async () => void (await Promise.all(processes.map((remote) => remote.call('migrate', [])))),
    close: async () => void (await (state.closing ??= Promise.all(processes.map((remote) => remote.close())))),
  }
  return store as unknown as Store
}

/** A caller's key may be a whole row, with values that can't be sent. */
function bareKey(entity: string, key: object): object {
  const table = tableOf(entity)
  const values = planKey(table, key)
  return Object.fromEntries(table.key.map((position, i) => [table.columns[position]?.name, values[i]]))
}

/** Rows lose it on the way. */
function frozen(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  for (const member of Object.values(value)) frozen(member)
  return Object.freeze(value)
}

class RemoteStore {
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>()
  #calls = 0

  constructor(url: string) {
    this.#child = fork(import.meta.filename, [url], {
      serialization: 'advanced',
      execArgv: ['--disable-warning=ExperimentalWarning'],
      env: { PATH: process.env['PATH'] },
    })
    this.#child.on('exit', () => {
      for (const { reject } of this.#waiting.values()) reject(new Error('the process ended'))
    })
    this.#child.on('message', (response: Response) => {
      const caller = this.#waiting.get(response.id)
      this.#waiting.delete(response.id)
      if ('value' in response) caller?.resolve(frozen(response.value))
      else if ('bug' in response) caller?.reject(new TypeError(response.bug))
      else
        caller?.reject(
          new StoreError(response.kind, response.message, response.step === undefined ? {} : { step: response.step }),
        )
    })
  }

  call(method: Method, parameters: readonly unknown[]): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const id = this.#calls++
      this.#waiting.set(id, { resolve, reject })
      this.#child.send({ id, method, parameters } satisfies Request, (error) => error && reject(error))
    })
  }

  async close(): Promise<void> {
    const ended = once(this.#child, 'exit')
    await this.call('close', [])
    this.#child.disconnect()
    await ended
  }
}

/** A row that is read once more is read by the look-up that read it before: it must see what other processes did since. */
function repeatedGet(store: Store): (entity: 'tenants', key: { readonly id: string }) => Promise<unknown> {
  const lookUps = new Map<string, LookUp<'tenants'>>()
  return async (entity, key) => {
    const name = JSON.stringify([entity, key])
    const lookUp = lookUps.get(name) ?? lookUpIn(store, entity, key)
    lookUps.set(name, lookUp)
    return lookUp.get()
  }
}

function serve(store: Store): void {
  // However the process of the test ends. One that stayed would keep open what it inherited, and the runner waits for that.
  process.on('disconnect', () => process.exit())
  // The methods are generic over the entity in the contract only.
  const methods = {
    get: repeatedGet(store),
    getMany: (...parameters: Parameters<Store['getMany']>) => store.getMany(...parameters),
    list: (...parameters: Parameters<Store['list']>) => store.list(...parameters),
    write: (...parameters: Parameters<Store['write']>) => store.write(...parameters),
    migrate: () => store.migrate(),
    close: () => store.close(),
  } as unknown as Record<Method, (...parameters: readonly unknown[]) => Promise<unknown>>
  process.on('message', ({ id, method, parameters }: Request) => {
    methods[method](...parameters).then(
      (value) => process.send?.({ id, value } satisfies Response),
      (error: unknown) => {
        const response: Response =
          error instanceof StoreError
            ? { id, kind: error.kind, message: error.message, step: error.step }
            : { id, bug: String(error) }
        process.send?.(response)
      },
    )
  })
}

const [, file, url] = process.argv
if (file === import.meta.filename && url !== undefined && process.send !== undefined) serve(openStore(url))
