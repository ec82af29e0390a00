/** Lists of names of the past, where most of what ever had a name was not there at the time. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import type { CatalogCall, CatalogContext } from '../../src/catalog/call.ts'
import { listTables } from '../../src/catalog/tables.ts'
import type { NewRow } from '../../src/stores/entities.ts'
import type { Store } from '../../src/stores/store.ts'
import { open, rejects } from './setup.ts'

const AT = 1_000_000
const GONE = 25_000
/** That a page may look at, and a page of rows beside them. */
const MOST = 11_000

interface Past {
  readonly context: CatalogContext
  readonly call: CatalogCall
  /** Rows of states that were read since this was asked last. */
  readonly scanned: () => number
}

type State = Pick<NewRow<'states'>, 'name' | 'since' | 'until'>

/** A catalog at a moment with these tables of the namespace `ns`, and that namespace. */
async function past(t: TestContext, states: readonly State[]): Promise<Past> {
  const { context, call, catalog, store: inner } = await open(t)
  const log = { tenant_id: catalog.tenantId, catalog_id: catalog.id, branch: catalog.branch }
  const none = { id: null, uuid: null, location: null, properties: null }
  const space = { ...log, ...none, kind: 'namespace', parent: '', name: 'ns', since: 0, until: null }
  await inner.write([{ op: 'insert', entity: 'states', row: space }])
  for (let from = 0; from < states.length; from += 500) {
    const rows = states.slice(from, from + 500).map((state) => ({ ...log, ...none, kind: 'table', parent: 'ns', ...state }))
    await inner.write(rows.map((row) => ({ op: 'insert', entity: 'states', row })))
  }
  let read = 0
  const store: Store = {
    ...inner,
    get: (entity, key) => inner.get(entity, key),
    getMany: (entity, keys) => inner.getMany(entity, keys),
    list: async (entity, options) => {
      const rows = await inner.list(entity, options)
      if (entity === 'states') read += rows.length
      return rows
    },
    write: (steps) => inner.write(steps),
  }
  const scanned = (): number => {
    const rows = read
    read = 0
    return rows
  }
  return { context: { ...context, store }, call: { ...call, catalog: { ...catalog, at: AT } }, scanned }
}

const nameOf = (n: number): string => `n${String(n).padStart(6, '0')}`

interface Walked {
  readonly names: readonly string[]
  readonly pages: readonly number[]
}

/** All pages, each bounded. */
async function walk({ context, call, scanned }: Past, pageSize: number): Promise<Walked> {
  const [names, pages]: [string[], number[]] = [[], []]
  for (let pageToken: string | null = ''; pageToken !== null;) {
    scanned()
    const { identifiers, 'next-page-token': next } = await listTables(context, call, ['ns'], { pageToken, pageSize })
    const rows = scanned()
    assert.ok(rows <= MOST, `${rows} rows for one page`)
    assert.ok(identifiers.length <= pageSize)
    names.push(...identifiers.map(({ name }) => name))
    pages.push(identifiers.length)
    assert.ok(pages.length < 100)
    pageToken = next ?? null
  }
  return { names, pages }
}

test('a page ends early where thousands of names that were dropped stand before the first that was there', async (t) => {
  const gone = Array.from({ length: GONE }, (_, n) => ({ name: nameOf(n), since: 1, until: 2 }))
  const there = [0, 1, 2].map((n) => ({ name: `z${n}`, since: 1, until: null }))
  const fixture = await past(t, [...gone, ...there])
  const { names, pages } = await walk(fixture, 2)
  assert.deepEqual(names, ['z0', 'z1', 'z2'])
  assert.deepEqual(pages, [0, 0, 2, 1])
  // Clients that know no pages get all of it.
  const { identifiers, rest } = await listTables(fixture.context, fixture.call, ['ns'], {})
  assert.equal(rest, undefined)
  assert.deepEqual(
    identifiers.map(({ name }) => name),
    ['z0', 'z1', 'z2'],
  )
})

test('it goes on within a name that came and went thousands of times', async (t) => {
  const again = Array.from({ length: GONE }, (_, n) => ({ name: 'a', since: 2 * n, until: 2 * n + 1 }))
  const fixture = await past(t, [
    { name: 'A', since: 1, until: null },
    ...again,
    { name: 'a', since: AT - 1, until: AT + 1 },
    { name: 'b', since: 1, until: null },
  ])
  for (const pageSize of [1, 2, 3, 10]) assert.deepEqual((await walk(fixture, pageSize)).names, ['A', 'a', 'b'])
})

test('pages are as long as asked for where names are there, and the last one says so', async (t) => {
  const states = Array.from({ length: 50 }, (_, n) => ({ name: nameOf(n), since: 1, until: n % 2 === 0 ? null : 2 }))
  const fixture = await past(t, states)
  for (const [pageSize, pages] of [
    [10, [10, 10, 5]],
    [5, [5, 5, 5, 5, 5]],
    [25, [25]],
    [1000, [25]],
    [2000, [25]],
  ] as const) {
    const walked = await walk(fixture, pageSize)
    assert.deepEqual(walked.pages, pages)
    assert.deepEqual(
      walked.names,
      states.filter(({ until }) => until === null).map(({ name }) => name),
    )
  }
  const { context, call } = fixture
  await assert.rejects(async () => listTables(context, call, ['ns'], { pageToken: '', pageSize: 0 }), rejects(400, /pageSize/))
  await assert.rejects(async () => listTables(context, call, ['ns'], { pageToken: 'x' }), rejects(400, /pageToken/))
})
