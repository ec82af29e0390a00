/** Bounds: what is within them, what is beside them, and what never gets in. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { formatApiToken, hashSecret, newApiToken, secretMatches } from '../../src/access/api-tokens.ts'
import { boundsJson, createBounds, readBounds, type Bound } from '../../src/access/bounds.ts'
import {
  boundsIn,
  isAllowed,
  mayEver,
  namesWithin,
  namespacesAround,
  type Action,
  type Resource,
} from '../../src/access/decide.ts'
import type { Principal } from '../../src/access/principal.ts'

const tenantId = 't1'
const principal: Principal = { id: 'u', name: 'ada', tenantId, role: 'tenant-admin', tokenId: 'mine' }
const narrowed = (access: 'read' | 'read-write', within?: readonly Bound[]): Principal => ({
  ...principal,
  bounds: createBounds(access, within),
})
const inLake = (...parts: Omit<Bound, 'catalog'>[]): Bound[] => parts.map((part) => ({ catalog: 'lake', ...part }))
const lake = { name: 'lake', id: 'lake-id' }
const at = (names: readonly string[], name?: string, catalog = lake): Resource => ({
  tenantId,
  catalog,
  namespace: { names, ids: [] },
  entry: name === undefined ? undefined : { name },
})

describe('decisions', () => {
  test("what is another tenant's is forbidden, and so is every other role", () => {
    assert.equal(isAllowed(principal, 'table.read', at(['a'], 't')), true)
    for (const who of [principal, narrowed('read-write')]) {
      assert.equal(isAllowed(who, 'table.read', { ...at(['a'], 't'), tenantId: 't2' }), false)
    }
    const reader = { ...principal, role: 'reader' as 'tenant-admin' }
    assert.equal(isAllowed(reader, 'table.read', at(['a'], 't')), false)
    assert.equal(mayEver(reader, 'table.read'), false)
  })

  test('reading only is reading only, everywhere', () => {
    const reader = narrowed('read')
    const changes: Action[] = ['table.create', 'table.commit', 'table.rename', 'table.drop', 'view.create', 'view.commit']
    for (const action of [
      ...changes,
      'view.rename',
      'view.drop',
      'namespace.create',
      'namespace.update',
      'namespace.drop',
    ] as const) {
      assert.equal(mayEver(reader, action), false, action)
      assert.equal(isAllowed(reader, action, at(['a'], 't')), false, action)
      assert.equal(isAllowed(narrowed('read-write'), action, at(['a'], 't')), true, action)
    }
    for (const action of ['table.read', 'view.read', 'table.metrics', 'table.list', 'config.read'] as const) {
      assert.equal(isAllowed(reader, action, at(['a'], 't')), true, action)
    }
  })

  test('whoever is narrowed manages nothing, whatever the access', () => {
    for (const action of ['catalog.manage', 'warehouse.read', 'warehouse.manage', 'token.create'] as const) {
      for (const who of [narrowed('read-write'), narrowed('read-write', inLake({}))]) {
        assert.equal(mayEver(who, action), false, action)
        assert.equal(isAllowed(who, action, { tenantId, catalog: lake }), false, action)
      }
    }
    assert.equal(isAllowed(narrowed('read', inLake({})), 'token.revoke', { tenantId, tokenId: 'mine' }), true)
    assert.equal(isAllowed(narrowed('read', inLake({})), 'token.revoke', { tenantId, tokenId: 'another' }), false)
    assert.equal(isAllowed({ ...narrowed('read'), tokenId: undefined }, 'token.revoke', { tenantId }), false)
  })

  test('what is not named is not allowed', () => {
    const whole = narrowed('read-write')
    assert.equal(isAllowed(whole, 'table.read', { tenantId }), false)
    assert.equal(isAllowed(whole, 'table.read', { tenantId, catalog: lake }), false)
    assert.equal(isAllowed(whole, 'table.read', at(['a'])), false)
    assert.equal(isAllowed(whole, 'namespace.read', { tenantId, catalog: lake }), false)
    assert.equal(isAllowed(whole, 'namespace.list', { tenantId, catalog: lake }), false)
  })

  test('a namespace covers itself and what is below, not its siblings, parents or prefixes', () => {
    const who = narrowed('read-write', inLake({ namespace: ['a', 'b'] }))
    for (const namespace of [
      ['a', 'b'],
      ['a', 'b', 'c'],
    ]) {
      assert.equal(isAllowed(who, 'table.commit', at(namespace, 't')), true)
      assert.equal(isAllowed(who, 'namespace.drop', at(namespace)), true)
    }
    for (const namespace of [
      [],
      ['a'],
      ['b'],
      ['a', 'bc'],
      ['a', 'B'],
      ['a.b'],
      ['a\u001fb'],
      ['a', 'b '],
      ['ab'],
      ['x', 'a', 'b'],
    ]) {
      assert.equal(isAllowed(who, 'table.read', at(namespace, 't')), false, String(namespace))
      assert.equal(isAllowed(who, 'namespace.read', at(namespace)), false, String(namespace))
    }
    assert.equal(isAllowed(who, 'table.read', at(['a', 'b'], 't', { name: 'Lake', id: 'lake-id' })), false)
    assert.equal(isAllowed(who, 'catalog.read', { tenantId, catalog: lake }), false)
    for (const namespace of [[], ['a']]) {
      assert.equal(isAllowed(who, 'namespace.list', at(namespace)), true, 'on the way')
      assert.equal(isAllowed(who, 'table.list', at(namespace)), true, 'on the way')
    }
    assert.equal(isAllowed(who, 'table.list', at(['ab'])), false)
  })

  test('a table is that one name in that one namespace', () => {
    const who = narrowed('read-write', inLake({ namespace: ['a'], table: 't' }))
    assert.equal(isAllowed(who, 'table.commit', at(['a'], 't')), true)
    assert.equal(isAllowed(who, 'view.read', at(['a'], 't')), true)
    for (const [namespace, name] of [
      [['a'], 't2'],
      [['a'], 'T'],
      [['a', 'b'], 't'],
      [['b'], 't'],
      [[], 't'],
      [['a', 't'], ''],
    ] as const) {
      assert.equal(isAllowed(who, 'table.read', at(namespace, name)), false, `${namespace.join()} ${name}`)
    }
    for (const action of ['namespace.read', 'namespace.update', 'namespace.drop', 'namespace.create'] as const) {
      assert.equal(isAllowed(who, action, at(['a'])), false, action)
    }
    assert.equal(isAllowed(who, 'namespace.see', at(['a'])), true)
    assert.equal(isAllowed(who, 'namespace.see', at(['a', 'b'])), false)
    assert.equal(isAllowed(who, 'table.create', at(['a', 't'], 'x')), false)
  })

  test('listings show what is within, and the way there', () => {
    const who = narrowed('read', inLake({ namespace: ['a', 'b'] }, { namespace: ['a'], table: 't' }, { namespace: ['c'] }))
    const within = boundsIn(who, lake)
    const names = (namespace: string[], what: 'namespaces' | 'entries') => namesWithin(within, namespace, what)
    assert.deepEqual(names([], 'namespaces')?.toSorted(), ['a', 'c'])
    assert.deepEqual(names([], 'entries'), [])
    assert.deepEqual(names(['a'], 'namespaces'), ['b'])
    assert.deepEqual(names(['a'], 'entries'), ['t'])
    assert.equal(names(['a', 'b'], 'namespaces'), undefined)
    assert.equal(names(['a', 'b', 'c'], 'entries'), undefined)
    assert.deepEqual(namesWithin(boundsIn(who, { name: 'other', id: 'lake-id' }), [], 'namespaces'), [])
    assert.equal(namesWithin(boundsIn(principal, lake), [], 'namespaces'), undefined)
    assert.equal(namesWithin(boundsIn(narrowed('read'), lake), [], 'namespaces'), undefined)
    assert.deepEqual(namespacesAround(within, ['a', 'b', 'c']), [['a', 'b']])
    assert.deepEqual(namespacesAround(within, ['a']), [])
    assert.deepEqual(namespacesAround(boundsIn(narrowed('read', inLake({})), lake), ['a']), [[]])
    assert.equal(namespacesAround(boundsIn(principal, lake), ['a']), undefined)
  })

  test('what is bound by its id is that thing under any name, and no other under its name', () => {
    const table = { catalog: 'lake', namespace: ['a'], table: 't', ids: { catalog: 'lake-id', namespace: 'a-id', table: 't-id' } }
    const who = narrowed('read-write', [table])
    const is = (names: string[], ids: string[], entry: { name: string; id?: string }, catalog = lake) =>
      isAllowed(who, 'table.commit', { tenantId, catalog, namespace: { names, ids }, entry })
    assert.equal(is(['a'], ['a-id'], { name: 't', id: 't-id' }), true)
    assert.equal(is(['z', 'y'], [], { name: 'x', id: 't-id' }), true, 'renamed')
    assert.equal(is(['a'], ['a-id'], { name: 't', id: 'another' }), false)
    assert.equal(is(['a'], ['a-id'], { name: 't' }), false, 'nothing has the name')
    assert.equal(is(['a'], ['a-id'], { name: 't', id: 't-id' }, { name: 'lake', id: 'another' }), false)
    assert.equal(is(['a'], ['a-id'], { name: 't', id: 't-id' }, { name: 'sea', id: 'lake-id' }), true)

    const inA = narrowed('read', [{ catalog: 'lake', namespace: ['a'], ids: { catalog: 'lake-id', namespace: 'a-id' } }])
    const sees = (names: string[], ids: string[]) =>
      isAllowed(inA, 'namespace.read', { tenantId, catalog: lake, namespace: { names, ids } })
    assert.equal(sees(['a'], ['a-id']), true)
    assert.equal(sees(['a', 'b'], ['a-id', 'b-id']), true)
    assert.equal(sees(['z'], ['a-id']), true)
    assert.equal(sees(['a'], ['another']), false)
    assert.equal(sees(['a'], []), false, 'not looked up, or gone')
    assert.equal(isAllowed(inA, 'namespace.see', { tenantId, catalog: lake, namespace: { names: [], ids: [] } }), false)

    const soon = narrowed('read', [
      { catalog: 'lake', namespace: ['a'], table: 't', ids: { catalog: 'lake-id', namespace: 'a-id' } },
    ])
    const reads = (ids: string[], name = 't') =>
      isAllowed(soon, 'table.read', { tenantId, catalog: lake, namespace: { names: ['a'], ids }, entry: { name, id: 'any' } })
    assert.equal(reads(['a-id']), true, 'by its name, in the namespace that was there')
    assert.equal(reads(['another']), false)
    assert.equal(reads(['a-id'], 'u'), false)
  })

  test('names that mean something elsewhere mean nothing here', () => {
    const hostile = ['*', '?', '%', '__proto__', 'constructor', 'a/b', 'a%2Fb', "a'b", '${aws:username}', 'ａ', 'e\u0301', '.*']
    const plain = ['a', 'ab', 'prototype', 'é', 'toString', 'anything']
    for (const level of hostile) {
      const who = narrowed('read', inLake({ namespace: [level] }, { namespace: ['n'], table: level }))
      assert.equal(isAllowed(who, 'table.read', at([level], 't')), true, level)
      for (const other of [...plain, ...hostile.filter((name) => name !== level)]) {
        assert.equal(isAllowed(who, 'table.read', at([other], 't')), false, `${level} ${other}`)
        assert.equal(isAllowed(who, 'table.read', at(['n'], other)), false, `${level} ${other}`)
      }
    }
    for (const name of ['', '.', '..', 'a\u001fb', 'a\0', '\ud800', 'x'.repeat(300)]) {
      assert.throws(() => createBounds('read', inLake({ namespace: [name] })), { code: 400 }, JSON.stringify(name))
      assert.throws(() => createBounds('read', inLake({ namespace: ['a'], table: name })), { code: 400 }, JSON.stringify(name))
    }
    assert.throws(() => createBounds('read', inLake({ table: 't' })), { code: 400 })
    const long = Array.from({ length: 32 }, () => 'x'.repeat(250))
    assert.throws(
      () => createBounds('read', inLake(...['a', 'b', 'c', 'd', 'e'].map((one) => ({ namespace: [...long.slice(1), one] })))),
      {
        code: 400,
      },
    )
  })
})

describe('bounds in rows', () => {
  const within = inLake({ namespace: ['b'] }, { namespace: ['a'], table: 't' }, { namespace: ['b'] })

  test('read back as they were, the same text for the same bounds', () => {
    const bounds = createBounds('read', within)
    assert.deepEqual(readBounds(JSON.parse(JSON.stringify(boundsJson(bounds)))), bounds)
    assert.equal(createBounds('read', within.toReversed()).text, bounds.text)
    const byId = createBounds('read', [{ catalog: 'lake', namespace: ['b'], ids: { catalog: 'i', namespace: 'j' } }])
    assert.deepEqual(
      readBounds({ within: [{ ids: { namespace: 'j', catalog: 'i' }, namespace: ['b'], catalog: 'lake' }], access: 'read' }),
      byId,
    )
    assert.notEqual(byId.text, createBounds('read', inLake({ namespace: ['b'] })).text)
    const texts = [
      bounds,
      createBounds('read-write', within),
      createBounds('read', undefined),
      createBounds('read', within.slice(1, 2)),
    ]
    assert.equal(new Set(texts.map(({ text }) => text)).size, 4)
    assert.notEqual(
      createBounds('read', inLake({ namespace: ['a', 'b'] })).text,
      createBounds('read', inLake({ namespace: ['a'] }, { namespace: ['b'] })).text,
    )
  })

  test('what we would not have written is none', () => {
    const wrong = [
      null,
      undefined,
      {},
      [],
      'read',
      { access: 'write' },
      { access: 'read', within: [] },
      { access: 'read', within: null },
    ]
    const odd = [
      { access: 'read', within: [{ catalog: 'a', ids: { catalog: 'i', also: 'j' } }] },
      { access: 'read', within: [{ catalog: 'a', ids: 'i' }] },
      { access: 'read', also: 1 },
      { access: 'read', within: [{ catalog: 'a', table: 't' }] },
      { access: 'read', within: [{}] },
    ]
    for (const json of [...wrong, ...odd]) assert.equal(readBounds(json), undefined, JSON.stringify(json))
  })

  test('a token does not work without the bounds that it was made with', () => {
    const { secret } = newApiToken()
    const bounds = createBounds('read', within)
    const hash = hashSecret(secret, bounds)
    assert.equal(secretMatches(secret, hash, bounds), true)
    assert.equal(secretMatches(secret, hash), false)
    assert.equal(secretMatches(secret, hash, createBounds('read-write', within)), false)
    assert.equal(secretMatches(secret, hashSecret(secret), bounds), false)
    assert.ok(!formatApiToken({ id: 'x', secret }).includes(hash))
  })
})
