/**
 * The order of the log against what clients saw: several processes, whose clocks disagree, change one catalog and put the changes
 * in order; each position must be what a simple replay in memory says, and what was acknowledged must come before what began later.
 */
import assert from 'node:assert/strict'
import { after, describe, test, type TestContext } from 'node:test'
import { listCommits } from '../../src/catalog/history.ts'
import { positionOf } from '../../src/catalog/moments.ts'
import { createNamespace, listNamespaces, loadNamespaceMetadata } from '../../src/catalog/namespaces.ts'
import { listTables, loadTable } from '../../src/catalog/tables.ts'
import { verifyLogs } from '../../src/history/verify.ts'
import { IcebergError } from '../../src/iceberg/errors.ts'
import type { Store } from '../../src/stores/store.ts'
import { bodyOf, ident } from '../catalog/setup.ts'
import { misplaced } from '../consistency/order.ts'
import { stopSharedPostgres } from '../services/postgres.ts'
import { backends, type Backend } from '../stores/backends.ts'
import { faultyStore } from '../stores/faulty.ts'
import { changeAtRandom, emptyModel, LOG, makeLake, processesOn, type Done, type Model, type Process } from './lake.ts'

const HOUR = 3_600_000
const SKEWS = [0, HOUR, -HOUR]
const CHANGES = 60
/** Positions at which all is compared. */
const LOOKED_AT = 40

after(() => stopSharedPostgres())

const TRIED = new Set(['memory', 'sqlite', 'postgres', 'mongo, on a stand-in'])

async function storesOf(t: TestContext, backend: Backend): Promise<Store[]> {
  const opened = await backend.open()
  t.after(() => opened.dispose())
  const another = (): Promise<Store> => (backend.isShared ? opened.openAnother() : Promise.resolve(opened.store))
  return [opened.store, await another(), await another()]
}

/** The lines of the log, oldest first. */
async function linesOf({ context, call }: Process) {
  const lines = []
  for (let pageToken = ''; ;) {
    const page = await listCommits(context, call, { order: 'asc', pageSize: 1000, pageToken })
    lines.push(...page.commits)
    if (page['next-page-token'] === null) return lines
    pageToken = page['next-page-token']
  }
}

async function stateAt({ context, call, catalog }: Process, at: number): Promise<Model> {
  const past = { ...call, catalog: { ...catalog, at } }
  const model = emptyModel()
  const { namespaces } = await listNamespaces(context, past, undefined, {})
  for (const levels of namespaces) {
    const { properties } = await loadNamespaceMetadata(context, past, levels)
    model.namespaces.set(levels[0]!, properties)
    for (const { name } of (await listTables(context, past, levels, {})).identifiers) {
      const { 'metadata-location': file } = bodyOf(await loadTable(context, past, ident(name, ...levels)))
      model.tables.set(`${levels[0]}.${name}`, file!)
    }
  }
  return model
}

async function assertPast(process: Process, done: readonly Done[]): Promise<void> {
  const lines = await linesOf(process)
  const acknowledged = new Map(done.map((one) => [one.id, one]))
  const positionOfRequest = new Map(lines.map(({ request_id, position }) => [request_id!, position]))
  assert.deepEqual(
    lines.map(({ position }) => position),
    lines.map((_, at) => at + 1),
  )
  assert.equal(lines.length, done.length)
  assert.equal(misplaced(done, positionOfRequest), undefined)
  const model = emptyModel()
  const looked = new Set(Array.from({ length: LOOKED_AT }, () => 1 + Math.floor(Math.random() * lines.length)))
  for (const [n, { request_id, position, parent_id }] of lines.entries()) {
    assert.equal(parent_id, lines[n - 1]?.id ?? null)
    acknowledged.get(request_id!)!.apply(model)
    if (!looked.has(position) && position !== lines.length) continue
    assert.deepEqual(await stateAt(process, position), model, `at position ${position}`)
    assert.equal(await positionOf(process.context, process.catalog, lines[n]!.id), position)
    const last = lines.findLast(({ timestamp }) => timestamp <= lines[n]!.timestamp)!
    if (last.timestamp > Date.now()) continue
    assert.equal(await positionOf(process.context, process.catalog, new Date(last.timestamp).toISOString()), last.position)
  }
}

for (const backend of backends.filter(({ name }) => TRIED.has(name))) {
  describe(`the past on ${backend.name}`, { skip: backend.skip ?? false }, () => {
    test('is at each position what a replay of what clients were told says', { timeout: 240_000 }, async (t) => {
      const stores = await storesOf(t, backend)
      await makeLake(stores[0]!)
      const processes = processesOn(t, stores, SKEWS)
      for (const { context } of processes) context.sequencer.start()
      t.after(() => Promise.all(processes.map(({ context }) => context.sequencer.stop())))
      const done: Done[] = []
      await Promise.all(processes.map((process, n) => changeAtRandom(process, `p${n}`, CHANGES, done)))
      await assertPast(processes[0]!, done)
      const { faults, pending, lines } = await verifyLogs(stores[0]!)
      assert.deepEqual([faults, pending, lines], [[], 0, done.length])
    })
  })
}

describe('a sequencer that is broken off', () => {
  test('at each of its writes, before and after, loses and doubles nothing', { timeout: 240_000 }, async (t) => {
    const backend = backends.find(({ name }) => name === 'sqlite')!
    const [first, ...others] = await storesOf(t, backend)
    await makeLake(first!)
    const faulty = faultyStore(first!)
    const isRound = (steps: unknown): boolean => (steps as { entity: string }[]).some(({ entity }) => entity === 'logs')
    const [broken, ...sound] = processesOn(t, [faulty, ...others], SKEWS)
    const done: Done[] = []
    let failures = 0
    for (let round = 0; round < 20; round++) {
      const both = [broken!, sound[0]!].map((process, n) => changeAtRandom(process, `r${round}p${n}`, 4, done))
      await Promise.all(both)
      faulty.inject({ method: 'write', mode: round % 2 === 0 ? 'before' : 'after', when: isRound })
      // Two at once, of which one fails.
      const settled = await Promise.allSettled([broken!, sound[1]!].map(({ context }) => context.sequencer.settle()))
      failures += settled.filter(({ status }) => status === 'rejected').length
      faulty.heal()
    }
    t.diagnostic(`${failures} rounds failed`)
    await assertPast(sound[0]!, done)
    assert.deepEqual((await verifyLogs(first!)).faults, [])
  })

  for (const [title, ms] of [
    ['is gone', 700],
    ['is gone and whose clock was ahead', HOUR],
  ] as const) {
    test(`by a process that has the lease and ${title}: another one goes on within the time of a lease`, async (t) => {
      const [first, second] = await storesOf(
        t,
        backends.find(({ name }) => name === 'sqlite')!,
      )
      await makeLake(first!)
      const row = { name: 'sequencer', value: { owner: 'one that is gone', until: Date.now() + ms }, updated_at: Date.now() }
      await first!.write([{ op: 'insert', entity: 'settings', row }])
      const [process] = processesOn(t, [second!], [0])
      process!.context.sequencer.start()
      t.after(() => process!.context.sequencer.stop())
      await changeAtRandom(process!, 'p', 5, [])
      for (let waited = 0; ; waited += 50) {
        const rows = await first!.list('commits', { index: 'pending', where: { position: null }, limit: 1 })
        if (rows.length === 0) break
        assert.ok(waited < 10_000, 'nothing was put in order')
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
      assert.equal((await first!.get('logs', LOG))?.position, 5)
    })
  }
})

describe('a catalog that is read as it was', () => {
  test('takes no changes by any use case', async (t) => {
    const [store] = await storesOf(
      t,
      backends.find(({ name }) => name === 'memory')!,
    )
    await makeLake(store!)
    const [process] = processesOn(t, [store!], [0])
    await changeAtRandom(process!, 'p', 10, [])
    const past: Process = { ...process!, call: { ...process!.call, catalog: { ...process!.catalog, at: 5 } } }
    await process!.context.sequencer.settle()
    const done: Done[] = []
    await changeAtRandom(past, 'past', 20, done)
    assert.deepEqual(done, [])
    const isRefused = (error: unknown): boolean => error instanceof IcebergError && error.code === 403
    await assert.rejects(createNamespace(past.context, past.call, { namespace: ['new'] }), isRefused)
  })
})
