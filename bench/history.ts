/** The history of a catalog: loads at a position, what the sequencer costs, and how far it falls behind. */
import type { CatalogHandle } from '../src/catalog/call.ts'
import { positionOf } from '../src/catalog/moments.ts'
import { createNamespace as makeNamespace } from '../src/catalog/namespaces.ts'
import { createTable as makeTable, loadTable } from '../src/catalog/tables.ts'
import { openStore } from '../src/stores/open.ts'
import type { Store } from '../src/stores/store.ts'
import { ident, schema } from '../test/catalog/setup.ts'
import { startServer } from '../test/clients/server.ts'
import { makeLake, processesOn } from '../test/history/lake.ts'
import { compare, type Contender } from './compare.ts'
import { createNamespace, createTable, growBySnapshots, headPosition } from './fixtures.ts'
import { benchPastPages, benchPastPagesOnPostgres } from './history-pages.ts'
import { httpRequest } from './load.ts'
import { print, times, us } from './measure.ts'
import { targetOf } from './scale.ts'
import { benchSequencing } from './sequencing.ts'

export async function benchHistory(): Promise<void> {
  await benchPastLoads()
  await benchRoundTrips()
  await benchSequencing()
  await benchPastPages()
  await benchPastPagesOnPostgres()
}

/** At a position, in turn with the same table as it is now. */
async function benchPastLoads(): Promise<void> {
  const server = await startServer({ database: 'sqlite', dist: true })
  const target = targetOf(server)
  await createNamespace(target, 'reads')
  const path = await createTable(target, 'reads', 'warm', 20)
  await growBySnapshots(target, path, 20_000)
  const request = (of: string): Buffer => httpRequest('GET', of, { Authorization: `Bearer ${target.token}` })
  const head: Contender = { pid: server.pid, port: target.port, request: request(path) }
  const past: Contender = { ...head, request: request(path.replace('/v1/lake/', `/v1/lake@${await headPosition(target)}/`)) }
  const { base, contender, ratio } = await compare(head, past, { clients: 8, requests: 50_000, warmUp: 40_000 })
  print({
    what: 'loadTable at a position, warm',
    figures: `${us(contender)}, ${times(ratio)} of now (${us(base)})`,
    target: { text: 'at most 1.3x', met: ratio <= 1.3 },
  })
  await server.stop()
}

/** A store that counts its reads, and those among them that nothing else was under way beside: they can't share a round trip. */
function counted(store: Store): { readonly store: Store; readonly take: () => { reads: number; trips: number } } {
  let [underWay, reads, trips] = [0, 0, 0]
  const counts = async <T>(read: () => Promise<T>): Promise<T> => {
    reads++
    if (underWay++ === 0) trips++
    try {
      return await read()
    } finally {
      underWay--
    }
  }
  const wrapped: Store = {
    get: (entity, key) => counts(() => store.get(entity, key)),
    getMany: (entity, keys) => counts(() => store.getMany(entity, keys)),
    list: (entity, options) => counts(() => store.list(entity, options)),
    write: (mutations) => store.write(mutations),
    ...(store.snapshot && { snapshot: () => store.snapshot!() }),
    migrate: () => store.migrate(),
    close: () => store.close(),
  }
  const take = () => {
    const taken = { reads, trips }
    reads = trips = 0
    return taken
  }
  return { store: wrapped, take }
}

/** Of a load at a position, a change and a time that were never asked for, of a catalog that is known. */
async function benchRoundTrips(): Promise<void> {
  const ends: (() => unknown)[] = []
  const { store, take } = counted(openStore('memory:'))
  await makeLake(store)
  const [one] = processesOn({ after: (end: () => unknown) => void ends.push(end) } as never, [store], [0])
  const { context, catalog, call: by } = one!
  await makeNamespace(context, by, { namespace: ['n'] })
  for (let n = 0; n < 200; n++) await makeTable(context, by, ['n'], { name: `t${n}`, schema })
  await context.sequencer.settle()
  const where = { tenant_id: catalog.tenantId, catalog_id: catalog.id, branch: catalog.branch }
  const [place] = await store.list('positions', { index: 'primary', where, after: { ...where, position: 100 }, limit: 1 })
  const moments = { position: '100', change: place!.commit_id, time: new Date(place!.at).toISOString() }
  for (const [n, [kind, moment]] of Object.entries(moments).entries()) {
    take()
    const past: CatalogHandle = { ...catalog, at: await positionOf(context, catalog, moment) }
    const resolving = take()
    await loadTable(context, { ...by, catalog: past }, ident(`t${n}`, 'n'))
    const loading = take()
    print({
      what: `loadTable at a ${kind}, cold`,
      figures: `${resolving.trips + loading.trips} round trips (${resolving.reads} reads for the moment, ${loading.reads} for the table)`,
      ...(kind === 'position' && { target: { text: 'at most 3', met: resolving.trips + loading.trips <= 3 } }),
    })
  }
  for (const end of ends) await end()
  await store.close()
}
