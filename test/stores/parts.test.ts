/** The parts that engines are made of, and the choice of an engine. */
import assert from 'node:assert/strict'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import * as fc from 'fast-check'
import { openMemoryStore } from '../../src/stores/memory.ts'
import { decodeContent } from '../../src/stores/mongo/codec.ts'
import { openStore } from '../../src/stores/open.ts'
import { SortedList } from '../../src/stores/sorted-list.ts'
import { compareValues, tableOf } from '../../src/stores/tables.ts'
import { newVersion } from '../../src/stores/versions.ts'
import { faultyStore } from './faulty.ts'
import { temporaryFolder } from './folder.ts'
import { insert, storeError, tenant } from './suite/rows.ts'

test('text compares as its UTF-8 bytes do', () => {
  const text = fc.string({
    unit: fc.oneof(
      fc.constantFrom('a', 'b', '\u0000', '\uD7FF', '\uE000', '\uFFFF', '\u{10000}', '😀'),
      fc.string({ unit: 'binary' }),
    ),
  })
  fc.assert(
    fc.property(text, text, (left, right) => {
      const expected = Buffer.compare(Buffer.from(left), Buffer.from(right))
      assert.equal(Math.sign(compareValues(left, right)), expected)
    }),
    { numRuns: 2000 },
  )
})

test('a document of MongoDB that is older than a column has nothing in it', () => {
  const columns = { id: 'a', tenant_id: 't', user_id: 'u', secret_hash: 'ab', description: null, created_at: 1, expires_at: null }
  assert.deepEqual(decodeContent(tableOf('tokens'), { v: 7, c: columns, i: {} }), { ...columns, bounds: null, version: 7 })
})

test('a sorted list is a sorted array, at sizes that split and empty its chunks', () => {
  const model: number[] = []
  const list = new SortedList<number>((left, right) => left - right)
  const check = (): void => {
    assert.deepEqual([...list.ascending(() => false)], model)
    assert.deepEqual([...list.descending(() => true)], model.toReversed())
    const middle = model[model.length >> 1] ?? 0
    assert.equal(
      list.first((item) => item < middle),
      model[model.length >> 1],
    )
    assert.deepEqual(
      [...list.ascending((item) => item <= middle)],
      model.filter((item) => item > middle),
    )
    assert.deepEqual([...list.descending((item) => item <= middle)], model.filter((item) => item <= middle).toReversed())
  }
  check()
  const numbers = Array.from({ length: 3000 }, (_, i) => i)
  const orders = [numbers, numbers.toReversed(), numbers.toSorted(() => Math.random() - 0.5)]
  for (const order of orders) {
    for (const item of order) {
      list.insert(item)
      model.push(item)
    }
    model.sort((left, right) => left - right)
    check()
    for (const item of orders[2]?.slice(0, 2900) ?? []) {
      list.delete(item)
      model.splice(model.indexOf(item), 1)
    }
    check()
    assert.throws(() => list.delete(-1), RangeError)
    for (const item of model.splice(0)) list.delete(item)
    check()
  }
})

test('versions are safe integers, use their 53 bits, and do not repeat', () => {
  const versions = Array.from({ length: 20_000 }, newVersion)
  assert.equal(new Set(versions).size, versions.length)
  assert.ok(versions.every((version) => Number.isSafeInteger(version) && version > 0))
  assert.ok(versions.some((version) => version >= 2 ** 52) && versions.some((version) => version % 2 === 1))
})

describe('a database URL', () => {
  let folder = ''
  before(async () => {
    folder = await temporaryFolder()
  })
  after(() => rm(folder, { recursive: true, force: true }))

  test('opens the store that it names', async () => {
    const path = join(folder, 'a b.db')
    const encoded = path.replace(' ', '%20')
    const row = tenant()
    const first = openStore(`sqlite://${encoded}`)
    await first.migrate()
    await first.write([insert('tenants', row)])
    for (const url of [`sqlite:${encoded}`, `sqlite://${encoded}?mode=rwc`, path, `file://${encoded}`]) {
      const store = openStore(url)
      assert.equal((await store.get('tenants', row))?.id, row.id, url)
      await store.close()
    }
    await first.close()
    for (const url of ['memory:', 'memory://']) {
      const store = openStore(url)
      assert.equal(await store.get('tenants', row), undefined)
      await store.close()
    }
  })

  test('that names none is refused, and what it holds is not shown', () => {
    const urls = [
      'mysql://admin:s3cret@host/db',
      'postgres:admin:s3cret@host/db',
      'postgres://admin:s3cret@host:port/db',
      'oracle:admin/s3cret@host',
      'mongodb:admin:s3cret@host/db',
      'mongodb://',
      'sqlite:',
      'sqlite://',
      'sqlite::memory:',
      'sqlite:///x.db?key=s3cret',
      'sqlite:%E0%A4%A',
      'memory:s3cret',
      's3cret',
      '',
    ]
    for (const url of urls) {
      assert.throws(
        () => openStore(url),
        (error: Error) => {
          assert.ok(error instanceof TypeError)
          assert.match(error.message, /sqlite:|postgres:|mongodb:/)
          assert.doesNotMatch(error.message, /s3cret|admin/)
          return true
        },
        url,
      )
    }
  })
})

describe('the store for faults', () => {
  test('fails before, after, late, and only as often and where it was told', async () => {
    const store = faultyStore(openMemoryStore())
    const [a, b, c] = [tenant(), tenant(), tenant()]
    store.inject({ method: 'write', mode: 'before' })
    await assert.rejects(store.write([insert('tenants', a)]), storeError('unavailable'))
    assert.equal(await store.get('tenants', a), undefined)
    store.inject({ method: 'write', mode: 'after', skip: 1 })
    await store.write([insert('tenants', a)])
    await assert.rejects(store.write([insert('tenants', b)]), storeError('unknown'))
    assert.equal((await store.get('tenants', b))?.id, b.id)
    store.inject({ method: 'get', mode: 'before', times: 2, when: (_, key) => (key as { id: string }).id === a.id })
    await assert.rejects(store.get('tenants', a), storeError('unavailable'))
    assert.ok(await store.get('tenants', b))
    await assert.rejects(store.get('tenants', a), storeError('unavailable'))
    assert.ok(await store.get('tenants', a))
    const gate = Promise.withResolvers<void>()
    store.inject({ method: 'write', mode: 'pause', until: gate.promise })
    const paused = store.write([insert('tenants', c)])
    assert.equal(await store.get('tenants', c), undefined)
    gate.resolve()
    await paused
    store.inject({ method: 'list', mode: 'after', times: 9 })
    store.heal()
    assert.equal((await store.list('tenants', { index: 'primary', where: {}, limit: 9 })).length, 3)
    assert.deepEqual(store.calls, { get: 7, getMany: 0, list: 1, write: 4 })
  })
})
