/**
 * A process that stops for good between any two writes of a batch, on a running server; and another one that comes next. It
 * reads all rows as they were or all as they shall be, the same again later, and can change each of them.
 */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { MongoClient } from 'mongodb'
import type { Row } from '../../../src/stores/entities.ts'
import { openMemoryStore } from '../../../src/stores/memory.ts'
import { openMongoStore } from '../../../src/stores/mongo.ts'
import type { Documents } from '../../../src/stores/mongo/documents.ts'
import { MongoDocuments } from '../../../src/stores/mongo/driver.ts'
import { Protocol } from '../../../src/stores/mongo/protocol.ts'
import { Reads } from '../../../src/stores/mongo/reads.ts'
import { planBatch } from '../../../src/stores/plan.ts'
import type { Mutation, Store } from '../../../src/stores/store.ts'
import { startMongo, stopMongo } from '../../services/mongo.ts'
import { insert, namespace, remove, replace, require, tenant } from '../suite/rows.ts'

const server = await startMongo()
const isSkipped = 'missing' in server && process.env['CI'] !== 'true' ? server.missing : false
after(stopMongo)

interface Prepared {
  readonly id: string
  readonly tenant: Row<'tenants'>
  readonly rows: ReadonlyMap<string, Row<'namespaces'>>
}

const space = (tenant_id: string, name: string, created_at = 0): ReturnType<typeof namespace> =>
  namespace({ tenant_id, name, id: name, created_at })

/** On a tenant with the namespaces a and b. */
const batches: { readonly [name: string]: (given: Prepared) => readonly Mutation[] } = {
  'an insert': ({ id }) => [insert('namespaces', space(id, 'c', 1))],
  'a replacement': ({ id, rows }) => [replace('namespaces', space(id, 'a', 1), rows.get('a')!.version)],
  'a removal': ({ rows }) => [remove('namespaces', rows.get('a')!, 'any')],
  'a commit, which replaces a row and inserts others': ({ id, rows }) => [
    insert('namespaces', space(id, 'c', 1)),
    replace('namespaces', space(id, 'a', 1), rows.get('a')!.version),
    insert('namespaces', space(id, 'd', 1)),
  ],
  'a creation, which requires a row': ({ id, rows }) => [
    require('namespaces', rows.get('a')!, 'any'),
    insert('namespaces', space(id, 'c', 1)),
    insert('namespaces', space(id, 'd', 1)),
  ],
  'changes of several rows': ({ id, rows }) => [
    replace('namespaces', space(id, 'a', 1), rows.get('a')!.version),
    replace('namespaces', space(id, 'b', 1), rows.get('b')!.version),
    insert('namespaces', space(id, 'c', 1)),
  ],
  'a drop, which inserts an entry in a log': ({ id, rows }) => [
    remove('namespaces', rows.get('a')!, rows.get('a')!.version),
    insert('namespaces', space(id, 'c', 1)),
  ],
  'another name, which is unique': ({ tenant: row }) => [replace('tenants', renamed(row, `${row.name} 2`), row.version)],
  'another name, and all else that there is': ({ id, tenant: row, rows }) => [
    replace('tenants', renamed(row, `${row.name} 2`), row.version),
    remove('namespaces', rows.get('a')!, 'any'),
    replace('namespaces', space(id, 'b', 1), rows.get('b')!.version),
    insert('namespaces', space(id, 'c', 1)),
  ],
}

const renamed = (row: Row<'tenants'>, name: string): ReturnType<typeof tenant> => {
  const { version: _, ...rest } = row
  return { ...rest, name }
}

async function prepare(store: Store, id: string): Promise<Prepared> {
  await store.write([insert('tenants', tenant({ id })), ...['a', 'b'].map((name) => insert('namespaces', space(id, name)))])
  return { id, ...(await rowsOf(store, id)) }
}

async function rowsOf(store: Store, id: string): Promise<Omit<Prepared, 'id'>> {
  const rows = await store.list('namespaces', { index: 'primary', where: { tenant_id: id }, limit: 100 })
  return { tenant: (await store.get('tenants', { id }))!, rows: new Map(rows.map((row) => [row.name, row])) }
}

/** The tenant is read before the namespaces or after: either must be whole, and together they may be of two moments. */
const shownRows = ({ rows }: Pick<Prepared, 'rows'>): string =>
  [...rows.values()].map(({ name, created_at }) => `${name}${created_at}`).join(' ')
const shown = (given: Pick<Prepared, 'rows' | 'tenant'>): string => `${given.tenant.name}: ${shownRows(given)}`

/** What a store that can't be interrupted makes of it. */
async function expectedOf(batch: (given: Prepared) => readonly Mutation[], id: string): Promise<{ was: string; will: string }> {
  const store = openMemoryStore()
  const given = await prepare(store, id)
  await store.write(batch(given))
  return { was: shown(given), will: shown(await rowsOf(store, id)) }
}

interface Process {
  readonly write: (steps: readonly Mutation[]) => Promise<void>
  readonly writes: number
}

/** A process that stops for good before the write of this number: nothing of it is carried out or answered any more. */
function mortal(inner: Documents, life: number): Process {
  const state = { writes: 0 }
  let stop = (): void => {}
  const stopped = new Promise<void>((resolve) => (stop = resolve))
  const never = new Promise<never>(() => {})
  const write = <T>(act: () => Promise<T>): Promise<T> => {
    if (state.writes >= life) {
      stop()
      return never
    }
    state.writes++
    return act()
  }
  const documents: Documents = {
    ...readsOf(inner),
    apply: async (operations) => {
      const done: boolean[] = []
      // One by one: it may stop between any two.
      for (const operation of operations) done.push(...(await write(() => inner.apply([operation]))))
      return done
    },
    insertTransaction: (transaction) => write(() => inner.insertTransaction(transaction)),
    decide: (id, to) => write(() => inner.decide(id, to)),
    finishTransaction: (id) => write(() => inner.finishTransaction(id)),
    removeTransaction: (id) => write(() => inner.removeTransaction(id)),
  }
  const work: Promise<void>[] = []
  const background = (one: Promise<void>): void => void work.push(one)
  const environment = { now: () => Date.now(), sleep: (ms: number) => sleep(ms), newId: () => randomUUID(), background }
  const protocol = new Protocol(documents, environment, new Reads(documents, environment))
  return {
    write: async (mutations) => {
      const all = protocol.write(planBatch(mutations)).then(() => Promise.all(work))
      await Promise.race([all, stopped])
    },
    get writes() {
      return state.writes
    },
  }
}

const readsOf = (inner: Documents): Pick<Documents, Exclude<keyof Documents, WriteName>> => ({
  find: (collection, id) => inner.find(collection, id),
  findMany: (collection, ids) => inner.findMany(collection, ids),
  range: (range) => inner.range(range),
  findTransaction: (id) => inner.findTransaction(id),
  committedTransactions: (collection) => inner.committedTransactions(collection),
  oldTransactions: (left, forgotten) => inner.oldTransactions(left, forgotten),
})
type WriteName = 'apply' | 'insertTransaction' | 'decide' | 'finishTransaction' | 'removeTransaction'

describe('mongo, a process that stops for good', { skip: isSkipped }, () => {
  let url = ''
  let documents: MongoDocuments
  let next: Store
  before(async () => {
    if ('missing' in server) throw new Error(server.missing)
    url = server.value.createDatabase()
    next = openMongoStore({ url })
    await next.migrate()
    documents = new MongoDocuments({ url })
  })
  after(async () => {
    await documents.close()
    await next.close()
  })

  for (const [name, batch] of Object.entries(batches)) {
    test(`at any write of ${name}`, async () => {
      const whole = await stopAt(Infinity)
      assert.ok(whole.isDone)
      const outcomes = await Promise.all(Array.from({ length: whole.writes }, (_, life) => stopAt(life)))
      const text = outcomes.map(({ isDone }) => (isDone ? '+' : '-')).join('')
      assert.match(text, /^-+\+*$/, 'one write decides, and all after it do no harm')
    })

    async function stopAt(life: number): Promise<{ writes: number; isDone: boolean }> {
      const id = randomUUID()
      const { was, will } = await expectedOf(batch, id)
      const given = await prepare(next, id)
      assert.equal(shown(given), was)
      const process = mortal(documents, life)
      const state = { isOver: false }
      const watching = watch(id, [was, will], state)
      await process.write(batch(given))
      state.isOver = true
      await watching
      const found = await rowsOf(next, id)
      assert.ok([was, will].includes(shown(found)), `stopped before write ${life}: ${shown(found)} is neither ${was} nor ${will}`)
      await changeEach(found, id)
      return { writes: process.writes, isDone: shown(found) === will }
    }
  }

  /** A reader beside it: what it sees is one or the other, and never the first again after the second. */
  async function watch(id: string, [was, will]: [string, string], state: { isOver: boolean }): Promise<void> {
    const rowsIn = (text: string): string => text.slice(text.indexOf(': ') + 2)
    let seen = rowsIn(was)
    while (!state.isOver) {
      const rows = shownRows(await rowsOf(next, id))
      assert.ok(rows === rowsIn(will) || rows === seen, `${rows} after ${seen}`)
      seen = rows
    }
  }

  /** Changes all that there is, creates all that is not; each waits for what was left no longer than it must. */
  async function changeEach({ tenant: owner, rows }: Omit<Prepared, 'id'>, id: string): Promise<void> {
    const all = ['a', 'b', 'c', 'd']
    const first = owner.name.replace(/ 2$/, '')
    await next.write([insert('tenants', tenant({ name: owner.name === first ? `${first} 2` : first }))])
    await next.write([replace('tenants', renamed(owner, `${first} 3`), owner.version)])
    for (const name of all) {
      const row = rows.get(name)
      await next.write([
        row === undefined ? insert('namespaces', space(id, name, 9)) : replace('namespaces', space(id, name, 9), row.version),
      ])
    }
    const now = await rowsOf(next, id)
    assert.equal(shown(now), `${first} 3: ${all.map((name) => `${name}9`).join(' ')}`)
  }

  test('nothing is left in any document', async () => {
    const client = new MongoClient(url)
    try {
      for (const collection of ['tenants', 'tenants.by_name', 'namespaces']) {
        const left = { $or: [{ m: { $exists: true } }, { d: { $exists: true } }, { 'r.0': { $exists: true } }] }
        const found = await client.db().collection(collection).find(left).toArray()
        assert.deepEqual(found, [], collection)
      }
    } finally {
      await client.close()
    }
  })
})
