/** Values that some database, encoding or object would change, cut or trip over. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { Json } from '../../../src/stores/entities.ts'
import type { Backend } from '../backends.ts'
import { insert, metricsReport, remove, tenant, useStore, user, writeOne } from './rows.ts'

const TEXTS = [
  '',
  '\u0000',
  'a\u0000b',
  '\u0000\u0001\u0002',
  `'; drop table tenants; --`,
  '"quoted" `names` [too]',
  '\\',
  '\\u0000',
  '%_?$1:name@x',
  '\r\n\t\u007f\u0085\u2028\u2029',
  'é vs e\u0301',
  '\ufeffmark',
  '😀\u{10FFFF}\uFFFF',
  '__proto__',
  'constructor',
  '9007199254740993',
  'null',
]

export function hostileValues(backend: Backend): void {
  const use = useStore(backend)

  for (const text of TEXTS) {
    test(`text ${JSON.stringify(text)} in a key, an index, a column and JSON`, async () => {
      const { store } = use
      const row = tenant({ id: text, name: `${text} ${randomUUID()}`, properties: { [text]: text, list: [text] } })
      const version = await writeOne(store, insert('tenants', row))
      const expected = { ...row, version }
      assert.deepEqual(await store.get('tenants', { id: text }), expected)
      assert.deepEqual(await store.list('tenants', { index: 'by_name', where: { name: row.name }, limit: 2 }), [expected])
      await store.write([remove('tenants', { id: text }, version)])
      assert.equal(await store.get('tenants', { id: text }), undefined)
    })
  }

  test('all of them in one batch, beside what is null', async () => {
    const { store } = use
    const texts = [...TEXTS, 'NULL', '{', '}', ',', '{"a",NULL}', '\\"']
    const rows = texts.map((text, i) =>
      user({
        id: `${text} ${randomUUID()}`,
        tenant_id: i % 3 === 0 ? null : text,
        email: i % 3 === 1 ? null : text,
        password_hash: text,
        active: i % 2 === 0,
        created_at: i % 2 === 0 ? Number.MAX_SAFE_INTEGER : -i,
      }),
    )
    const tenants = texts.map((text) =>
      tenant({ id: `${text} ${randomUUID()}`, properties: { [text]: [text, null, true, 1.5] } }),
    )
    const versions = await store.write([
      ...rows.map((row) => insert('users', row)),
      ...tenants.map((row) => insert('tenants', row)),
    ])
    assert.deepEqual(
      await store.getMany('users', rows),
      rows.map((row, i) => ({ ...row, version: versions[i] })),
    )
    assert.deepEqual(
      await store.getMany('tenants', tenants),
      tenants.map((row, i) => ({ ...row, version: versions[rows.length + i] })),
    )
  })

  test('texts that look alike are different keys', async () => {
    const { store } = use
    const ids = ['a', 'A', 'a ', ' a', 'a\u0000', 'á', 'a\u0301', 'ａ', '1', '01', '1.0', '+1'].map((id) => `alike ${id} `)
    await store.write(ids.map((id) => insert('tenants', tenant({ id }))))
    const rows = await store.getMany(
      'tenants',
      ids.map((id) => ({ id })),
    )
    assert.deepEqual(
      rows.map((row) => row?.name),
      ids.map((id) => `tenant ${id}`),
    )
  })

  test('a megabyte of text', async () => {
    const { store } = use
    const row = metricsReport({ report: 'ü\u0000😀"'.repeat(150_000) })
    await store.write([insert('metrics', row)])
    assert.equal((await store.get('metrics', row))?.report, row.report)
  })

  test('a lone surrogate is no text, wherever it stands', async () => {
    const { store } = use
    for (const bad of ['\ud800', 'a\udc00b', '\udc00\ud800']) {
      const id = randomUUID()
      const rows = [
        { id, name: bad },
        { id, properties: { key: bad } },
        { id, properties: { [bad]: 1 } },
        { id, properties: [[bad]] },
      ]
      for (const values of rows) await assert.rejects(store.write([insert('tenants', tenant(values))]), TypeError)
      assert.equal(await store.get('tenants', { id }), undefined)
      await assert.rejects(store.get('tenants', { id: bad }), TypeError)
      await assert.rejects(store.getMany('tenants', [{ id: bad }]), TypeError)
      await assert.rejects(store.list('tenants', { index: 'by_name', where: { name: bad }, limit: 1 }), TypeError)
      await assert.rejects(store.list('tenants', { index: 'primary', where: {}, after: { id: bad }, limit: 1 }), TypeError)
    }
  })

  test('integers to the edge of what is safe, and nothing else', async () => {
    const { store } = use
    for (const created_at of [0, -1, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, 2 ** 31, 2 ** 32, -(2 ** 31) - 1]) {
      const row = tenant({ created_at })
      await store.write([insert('tenants', row)])
      assert.equal((await store.get('tenants', row))?.created_at, created_at)
    }
    const zero = tenant({ created_at: -0 })
    await store.write([insert('tenants', zero)])
    assert.ok(Object.is((await store.get('tenants', zero))?.created_at, 0), 'no negative zero')
    for (const bad of [2 ** 53, 0.5, Number.NaN, Infinity, 1n, '1', true, null, undefined]) {
      await assert.rejects(store.write([insert('tenants', tenant({ created_at: bad as number }))]), TypeError, String(bad))
    }
  })

  test('booleans are booleans', async () => {
    const { store } = use
    for (const active of [true, false]) {
      const row = user({ active })
      await store.write([insert('users', row)])
      assert.equal((await store.get('users', row))?.active, active)
    }
    for (const bad of [0, 1, 'true', null]) {
      await assert.rejects(store.write([insert('users', user({ active: bad as unknown as boolean }))]), TypeError)
    }
  })

  test('a __proto__ member is a member and pollutes nothing', async () => {
    const { store } = use
    const properties = JSON.parse('{"__proto__": {"polluted": true}, "toString": 1, "a": {"__proto__": null}}') as Json
    const row = tenant({ properties })
    await store.write([insert('tenants', row)])
    const read = (await store.get('tenants', row))?.properties
    assert.equal(JSON.stringify(read), JSON.stringify(properties))
    assert.ok(Object.hasOwn(read as object, '__proto__'))
    assert.equal(({} as { polluted?: boolean }).polluted, undefined)
  })

  test('any JSON comes back as it was', async () => {
    const { store } = use
    const json = fc
      .jsonValue({ stringUnit: 'binary', depthSize: 'medium' })
      .filter((value) => !JSON.stringify(value).includes('-0'))
    await fc.assert(
      fc.asyncProperty(json, async (value) => {
        const row = tenant({ properties: value as Json })
        await store.write([insert('tenants', row)])
        assert.equal(JSON.stringify((await store.get('tenants', row))?.properties), JSON.stringify(value))
      }),
      { numRuns: 60 },
    )
  })

  test('what JSON can not say is refused, not changed', async () => {
    const { store } = use
    const bad = [
      Number.NaN,
      Infinity,
      1n,
      undefined,
      () => 1,
      Symbol('s'),
      new Date(0),
      new Map(),
      { toJSON: () => 1 },
      [undefined],
      { a: undefined },
    ]
    for (const value of bad) {
      const row = tenant({ properties: value as unknown as Json })
      await assert.rejects(store.write([insert('tenants', row)]), TypeError, typeof value)
      assert.equal(await store.get('tenants', row), undefined)
    }
  })

  test('JSON null in a column that must have JSON is JSON', async () => {
    const { store } = use
    const row = tenant({ properties: null })
    await store.write([insert('tenants', row)])
    assert.equal((await store.get('tenants', row))?.properties, null)
  })
}
