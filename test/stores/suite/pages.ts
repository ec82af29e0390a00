/** Listings: order, direction, where a page starts and ends. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { NewRow } from '../../../src/stores/entities.ts'
import { listColumn, type ListOptions, type Store } from '../../../src/stores/store.ts'
import type { Backend } from '../backends.ts'
import { entry, insert, mutation, remove, tenant, useStore, user } from './rows.ts'

/** Names whose order by UTF-16 units, by locale and by code point differ; here by code point. */
const NAMES = [
  '',
  ' ',
  '\u0000',
  '\u0000a',
  'A',
  'B',
  'Z',
  'a',
  'a\u0000',
  'a\u0001',
  'aa',
  'z',
  'é',
  'ÿ',
  'Ω',
  '日',
  '\uE000',
  '\uFF5E',
  '\uFFFD',
  '\u{10000}',
  '😀',
  '\u{10FFFF}',
]

const utf8 = (left: string, right: string): number => Buffer.compare(Buffer.from(left), Buffer.from(right))

/** All rows, page by page. */
async function allPages(store: Store, options: Omit<ListOptions<'entries'>, 'after'>): Promise<string[]> {
  const names: string[] = []
  for (let after: ListOptions<'entries'>['after']; ;) {
    const page = await store.list('entries', { ...options, ...(after && { after }) })
    assert.ok(page.length <= options.limit)
    names.push(...page.map(({ name }) => name))
    after = page.at(-1)
    if (page.length < options.limit || after === undefined) return names
  }
}

export function pages(backend: Backend): void {
  const use = useStore(backend)

  test('one column of a page is what the whole rows have in it', async () => {
    const { store } = use
    const where = { tenant_id: randomUUID(), catalog_id: 'lake', branch: 'main', namespace: 'ns' }
    await store.write(NAMES.map((name, n) => insert('entries', entry({ ...where, name, deleted: n % 2 === 0 }))))
    const [kind] = await listColumn(store, 'entries', 'kind', { index: 'primary', where, limit: 1 })
    const listings: ListOptions<'entries'>[] = [
      { index: 'primary', where, limit: 100 },
      { index: 'primary', where, limit: 3, after: { ...where, name: NAMES[4]! } },
      { index: 'primary', where, limit: 3, after: { name: NAMES[4]! }, descending: true },
      { index: 'by_kind', where: { ...where, kind: kind! }, limit: 5, after: { name: 'Z' } },
      { index: 'primary', where, limit: 0 },
      { index: 'primary', where: { ...where, namespace: 'none' }, limit: 5 },
    ]
    const columns = Object.keys((await store.list('entries', listings[0]!))[0]!).filter((name) => name !== 'version')
    for (const listing of listings) {
      const rows = await store.list('entries', listing)
      for (const column of columns as (keyof NewRow<'entries'>)[]) {
        assert.deepEqual(
          await listColumn(store, 'entries', column, listing),
          rows.map((row) => row[column]),
          column,
        )
      }
    }
    const properties = [{ a: [1, { b: null }] }, {}]
    const tenants = properties.map((value) => ({ ...tenant(), properties: value }))
    await store.write(tenants.map((row) => insert('tenants', row)))
    for (const { id, properties: written } of tenants) {
      const [read] = await listColumn(store, 'tenants', 'properties', { index: 'primary', where: { id }, limit: 1 })
      assert.deepEqual(read, written)
      assert.ok(Object.isFrozen(read))
    }
  })

  test('by code point, in both directions, in pages of any size', async () => {
    const { store } = use
    const tenant_id = randomUUID()
    const shuffled = NAMES.toSorted(() => Math.random() - 0.5)
    await store.write(shuffled.map((name) => insert('entries', entry({ tenant_id, name }))))
    const sorted = NAMES.toSorted(utf8)
    const where = { tenant_id, catalog_id: 'lake', branch: 'main', namespace: 'ns' }
    for (const limit of [1, 2, 3, NAMES.length - 1, NAMES.length, 1000]) {
      for (const index of ['primary', 'by_kind'] as const) {
        const options = { index, where: index === 'primary' ? where : { ...where, kind: 'table' }, limit }
        assert.deepEqual(await allPages(store, options), sorted)
        assert.deepEqual(await allPages(store, { ...options, descending: true }), sorted.toReversed())
      }
    }
  })

  test('only rows with the values of `where`', async () => {
    const { store } = use
    const tenant_id = randomUUID()
    const spaces = ['', 'a', 'a\u001fb', 'ab', 'b']
    await store.write(
      spaces.flatMap((namespace) => ['x', 'y'].map((name) => insert('entries', entry({ tenant_id, namespace, name })))),
    )
    for (const namespace of spaces) {
      const where = { tenant_id, catalog_id: 'lake', branch: 'main', namespace }
      const rows = await store.list('entries', { index: 'primary', where, limit: 100 })
      assert.deepEqual(
        rows.map((row) => [row.namespace, row.name]),
        [
          [namespace, 'x'],
          [namespace, 'y'],
        ],
      )
      assert.deepEqual(
        await store.list('entries', { index: 'primary', where: { ...where, name: 'x' }, limit: 9 }),
        rows.slice(0, 1),
      )
    }
    const all = await store.list('entries', { index: 'primary', where: { tenant_id }, limit: 100 })
    assert.deepEqual(
      all.map(({ namespace }) => namespace),
      spaces.flatMap((space) => [space, space]),
    )
    assert.deepEqual(await store.list('entries', { index: 'primary', where: { tenant_id: randomUUID() }, limit: 1 }), [])
  })

  test('a page starts behind a row that is not, or no longer, there', async () => {
    const { store } = use
    const tenant_id = randomUUID()
    await store.write(['b', 'd', 'f'].map((name) => insert('entries', entry({ tenant_id, name }))))
    await store.write([remove('entries', entry({ tenant_id, name: 'd' }), 'any')])
    const where = { tenant_id, catalog_id: 'lake', branch: 'main', namespace: 'ns' }
    const names = async (after: string, descending: boolean): Promise<string> =>
      (await store.list('entries', { index: 'primary', where, after: { name: after }, descending, limit: 5 }))
        .map(({ name }) => name)
        .join('')
    assert.equal(await names('', false), 'bf')
    assert.equal(await names('b', false), 'f')
    assert.equal(await names('c', false), 'f')
    assert.equal(await names('d', false), 'f')
    assert.equal(await names('f', false), '')
    assert.equal(await names('z', true), 'fb')
    assert.equal(await names('f', true), 'b')
    assert.equal(await names('d', true), 'b')
    assert.equal(await names('b', true), '')
  })

  test('a row that changes its place in an index leaves its old one', async () => {
    const { store } = use
    const row = entry()
    const { tenant_id } = row
    const [version] = await store.write([insert('entries', row)])
    const located = async (location: string): Promise<number> =>
      (await store.list('entries', { index: 'by_location', where: { tenant_id, location }, limit: 5 })).length
    assert.equal(await located(row.location), 1)
    await store.write([mutation({ op: 'replace', entity: 'entries', row: { ...row, location: 'elsewhere' }, expected: version })])
    assert.deepEqual([await located(row.location), await located('elsewhere')], [0, 1])
    await store.write([remove('entries', row, 'any')])
    assert.deepEqual([await located(row.location), await located('elsewhere')], [0, 0])
  })

  test('what an index does not serve is refused', async () => {
    const { store } = use
    const where = { tenant_id: 't', catalog_id: 'lake', branch: 'main', namespace: 'ns' }
    const bugs = [
      { index: 'by_name', where: {}, limit: 1 },
      { index: 'primary', where: { catalog_id: 'lake' }, limit: 1 },
      { index: 'primary', where: { tenant_id: 't', branch: 'main' }, limit: 1 },
      { index: 'primary', where: { kind: 'table' }, limit: 1 },
      { index: 'primary', where: { tenant_id: undefined }, limit: 1 },
      { index: 'primary', where: { tenant_id: null }, limit: 1 },
      { index: 'by_id', where: { tenant_id: 't', id: 'i', name: 'n' }, limit: 1 },
      { index: 'primary', where, after: {}, limit: 1 },
      { index: 'primary', where, after: { name: 1 }, limit: 1 },
      { index: 'primary', where, after: { namespace: 'other', name: 'a' }, limit: 1 },
      { index: 'primary', where, limit: -1 },
      { index: 'primary', where, limit: 0.5 },
      { index: 'primary', where, limit: Number.NaN },
    ]
    for (const bug of bugs) {
      await assert.rejects(store.list('entries', bug as unknown as ListOptions<'entries'>), TypeError, JSON.stringify(bug))
    }
    assert.deepEqual(await store.list('entries', { index: 'primary', where, limit: 0 }), [])
  })

  test('any rows, null among them, in any pages: as a sorted list would have them', async () => {
    const text = fc.oneof(
      fc.constantFrom('', 'a', 'b', 'B', '\uFF5E', '😀', '\u0000'),
      fc.string({ unit: 'grapheme', maxLength: 3 }),
    )
    const people = fc.uniqueArray(fc.record({ tenant_id: fc.constantFrom(null, '', 'a', '😀'), username: text }), {
      maxLength: 12,
      selector: ({ username }) => username,
    })
    await fc.assert(
      fc.asyncProperty(people, fc.integer({ min: 1, max: 5 }), fc.boolean(), async (drawn, limit, descending) => {
        const { store } = use
        const rows = drawn.map((values) => user(values))
        await store.write(rows.map((row) => insert('users', row)))
        try {
          const order = (left: NewRow<'users'>, right: NewRow<'users'>): number =>
            nullFirst(left.tenant_id, right.tenant_id) || utf8(left.username, right.username)
          const ids = (list: readonly NewRow<'users'>[]): string[] => list.map(({ id }) => id)
          const expected = rows.toSorted(order)
          if (descending) expected.reverse()
          const wheres: { tenant_id?: string | null }[] = [{}, ...rows.map(({ tenant_id }) => ({ tenant_id }))]
          for (const where of wheres) {
            const matching = expected.filter(({ tenant_id }) => !('tenant_id' in where) || where.tenant_id === tenant_id)
            for (let start = 0; start <= matching.length; start++) {
              const after = matching[start - 1]
              const page = await store.list('users', { index: 'by_tenant', where, descending, limit, ...(after && { after }) })
              assert.deepEqual(ids(page), ids(matching.slice(start, start + limit)))
            }
          }
        } finally {
          await store.write(rows.map((row) => remove('users', row, 'any')))
        }
      }),
      { numRuns: 60 },
    )
  })
}

function nullFirst(left: string | null, right: string | null): number {
  if (left === null || right === null) return Number(right === null) - Number(left === null)
  return utf8(left, right)
}
