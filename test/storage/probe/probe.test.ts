/** The test of a warehouse when storage breaks in the middle of it: what it says, and that it leaves nothing behind. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { canonicalLocation } from '../../../src/iceberg/location.ts'
import type { Fault } from '../../../src/storage/probe/fault.ts'
import { probeWarehouse, type ProbeTarget } from '../../../src/storage/probe/probe.ts'
import { StorageError, type ObjectStore } from '../../../src/storage/storage.ts'
import { VendingError, type Vending } from '../../../src/storage/vending/vending.ts'
import { PRINCIPAL } from '../vending/scope.ts'

const root = canonicalLocation('s3://lake/root')

/** Objects in memory. `may`: what a client's credential opens. */
function memory(objects = new Map<string, Uint8Array>(), may: (what: string, location: string) => boolean = () => true) {
  const check = (what: string, location: string): void => {
    if (!may(what, location)) throw new StorageError('forbidden', `Can't ${what} ${location}`)
  }
  let closed = 0
  const store: ObjectStore = {
    read: async (location) => {
      check('read', location)
      const bytes = objects.get(location)
      if (bytes === undefined) throw new StorageError('missing', `Can't read ${location}`)
      return Buffer.from(bytes)
    },
    create: async (location, bytes) => {
      check('write', location)
      if (objects.has(location)) throw new StorageError('exists', `Can't create ${location}`)
      objects.set(location, bytes)
    },
    delete: async (locations) => {
      for (const location of locations) {
        check('delete', location)
        objects.delete(location)
      }
    },
    async *list(prefix) {
      check('list', prefix)
      for (const [location, { length }] of objects) if (location.startsWith(prefix)) yield { location, sizeBytes: length }
    },
    prepare: async () => undefined,
    close: async () => void closed++,
  }
  return { store, objects, closes: () => closed }
}

interface Lake {
  readonly server: ObjectStore
  readonly vending?: Vending
  readonly client?: (config: Readonly<Record<string, string>>) => ObjectStore
}

const faults: Fault[] = []
const target = ({ server, vending, client }: Lake): ProbeTarget => ({
  root,
  store: server,
  vending,
  openClient: (config) => client?.(config),
  unbounded: undefined,
  signed: undefined,
  advise: (fault) => {
    faults.push(fault)
    return undefined
  },
})
/** Long enough for a machine that stands still now and then: only what never answers runs into the first. */
const limits = { stepMs: 200, totalMs: 600_000, sweepMs: 3000 }
const probe = (lake: Lake) => probeWarehouse(target(lake), { id: randomUUID(), principal: PRINCIPAL, limits })

const vending = (vend: Vending['vendor']['vend']): Vending => ({
  always: false,
  refreshKeys: undefined,
  vendor: { lifetime: { seconds: 3600, leastSeconds: 900 }, vend, close: async () => undefined },
})
/** Says in the config what may be done, and where. */
const honest = vending(async ({ prefixes, access }) => ({
  credentials: [{ prefix: prefixes[0]!, config: { place: `${prefixes[0]}/`, access } }],
  expiresAtMs: 1,
}))

describe('the test of a warehouse', () => {
  for (const method of ['read', 'list', 'delete'] as const) {
    it(`removes what it wrote when to ${method} fails, as far as it can`, async () => {
      const { store, objects, closes } = memory()
      let failing = true
      const fail = (): never => {
        throw new StorageError('unavailable', 'secret-free')
      }
      const broken: ObjectStore = {
        ...store,
        ...(method === 'read' && { read: async () => fail() }),
        ...(method === 'list' && {
          list: () => fail(),
        }),
        ...(method === 'delete' && { delete: async (locations) => (failing ? fail() : store.delete(locations)) }),
      }
      const { ok, checks } = await probe({ server: broken })
      assert.ok(!ok)
      const failed = checks.filter(({ status }) => status === 'failed')
      assert.ok(failed.some(({ name }) => name === `server.${method}`))
      assert.ok(failed.every(({ fix }) => fix !== null))
      const cleanup = checks.at(-1)
      if (method === 'delete') {
        assert.ok(objects.size > 0)
        assert.match(
          `${cleanup?.status} ${cleanup?.fix}`,
          /^failed Remove s3:\/\/lake\/root\/pangolin-test-[0-9a-f-]{36}\/ by hand/,
        )
        failing = false
      } else {
        assert.equal(objects.size, 0)
        assert.equal(cleanup?.status, 'passed')
      }
      await sleep(1)
      assert.equal(closes(), 1)
    })
  }

  it('waits for a write that it gave up before it removes, since that may still land', async () => {
    const { store, objects } = memory()
    const late: ObjectStore = {
      ...store,
      create: async (location, bytes) => {
        await sleep(600)
        await store.create(location, bytes)
      },
    }
    const { checks } = await probe({ server: late })
    assert.match(checks[0]?.message ?? '', /no answer in 1 seconds/)
    assert.equal(checks.at(-1)?.status, 'passed')
    await sleep(50)
    assert.equal(objects.size, 0)
  })

  it('ends in time when nothing ever answers', async () => {
    const { store } = memory()
    const { ok, checks } = await probe({
      server: { ...store, read: () => new Promise(() => undefined), list: store.list.bind(store) },
      vending: vending(() => new Promise(() => undefined)),
    })
    assert.ok(!ok)
    assert.deepEqual(
      checks.filter(({ status }) => status === 'failed').map(({ name }) => name),
      ['server.read', 'server.delete', 'writer.vend', 'reader.vend', 'cleanup'],
    )
  })

  it('finds a store that overwrites, one that changes bytes and one whose listings lag', async () => {
    const failed = async (change: (store: ObjectStore, objects: Map<string, Uint8Array>) => Partial<ObjectStore>) => {
      const { store, objects } = memory()
      const { checks } = await probe({ server: { ...store, ...change(store, objects) } })
      assert.equal(objects.size, 0)
      return checks.filter(({ status }) => status === 'failed').map(({ name, fix }) => `${name}: ${fix}`)
    }
    const overwrites = await failed((_, objects) => ({ create: async (location, bytes) => void objects.set(location, bytes) }))
    assert.equal(overwrites.length, 1)
    assert.match(overwrites[0] ?? '', /^server\.overwrite: .*conditional writes/)
    const changes = await failed(() => ({ read: async () => Buffer.from('other') }))
    assert.deepEqual(
      changes.map((line) => line.split(':')[0]),
      ['server.read', 'server.delete'],
    )
    const lags = await failed(() => ({ list: async function* () {} }))
    assert.match(lags.join(), /^server\.list: /)
  })

  it('proves bounds where they hold, for whoever writes and whoever reads', async () => {
    const { store, objects } = memory()
    const client: Lake['client'] = ({ place = '', access }) =>
      memory(
        objects,
        (what, location) => location.startsWith(place) && (access === 'read-write' || ['read', 'list'].includes(what)),
      ).store
    const { ok, checks } = await probe({ server: store, vending: honest, client })
    assert.ok(ok, JSON.stringify(checks))
    assert.ok(checks.every(({ status }) => status === 'passed'))
    assert.equal(objects.size, 0)
  })

  it('finds each way out of the table', async () => {
    type May = (what: string, location: string, place: string) => boolean
    const failed = async (may: May): Promise<string[]> => {
      const { store, objects } = memory()
      const client: Lake['client'] = ({ place = '', access }) =>
        memory(objects, (what, location) => {
          const within = location.startsWith(place) && (access === 'read-write' || ['read', 'list'].includes(what))
          return within || may(what, location, place)
        }).store
      const { checks } = await probe({ server: store, vending: honest, client })
      assert.equal(objects.size, 0, 'also what should not have been possible to write is removed')
      return checks.filter(({ status }) => status === 'failed').map(({ name }) => name)
    }
    const withoutSlash = (place: string): string => place.slice(0, -1)
    const sibling = ['writer.sibling', 'reader.sibling']
    for (const method of ['read', 'list', 'write', 'delete']) {
      const found = await failed((what, location, place) => what === method && location.startsWith(`${withoutSlash(place)}-2`))
      assert.deepEqual(found, sibling, method)
    }
    const beside = await failed((what, location, place) => what === 'read' && location === `${place.slice(0, -2)}file`)
    assert.deepEqual(beside, ['writer.neighbour', 'reader.neighbour'])
    const above = await failed((what, location, place) => what === 'list' && place.startsWith(location))
    assert.deepEqual(above, ['writer.above', 'reader.above'])
    const writes = await failed((what, location, place) => what === 'write' && location.startsWith(place))
    assert.deepEqual(writes, ['reader.no-write'])
  })

  it('takes an error for no proof that something is refused', async () => {
    const { store, objects } = memory()
    const client: Lake['client'] = ({ place = '' }) => {
      const own = memory(objects).store
      return {
        ...own,
        read: async (location, options) => {
          if (location.startsWith(place)) return own.read(location, options)
          throw new StorageError('unavailable', 'busy')
        },
      }
    }
    const { checks } = await probe({ server: store, vending: honest, client })
    assert.ok(checks.some(({ name, status }) => name === 'writer.neighbour' && status === 'failed'))
    assert.equal(objects.size, 0)
  })

  it('passes on codes and nothing else that a service writes', async () => {
    const hostile = Object.assign(new Error('hunter2'), {
      name: 'AccessDenied<script>\nhunter2',
      Code: 'x'.repeat(500),
      $metadata: { httpStatusCode: 403 },
    })
    const { store } = memory()
    const refuse = async (): Promise<never> => {
      throw new StorageError('forbidden', 'forbidden', hostile)
    }
    const { checks } = await probe({
      server: { ...store, read: refuse },
      vending: vending(async () => {
        throw new VendingError('refused', 'The token service says no: AccessDenied', hostile)
      }),
    })
    assert.doesNotMatch(JSON.stringify(checks), /hunter2|script|xxx/)
    assert.match(checks.find(({ name }) => name === 'server.read')?.message ?? '', /^Can't read s3:\S+: status 403$/)
    assert.equal(checks.find(({ name }) => name === 'writer.vend')?.message, 'The token service says no: AccessDenied')
  })
})
