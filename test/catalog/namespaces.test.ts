import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  createNamespace,
  dropNamespace,
  listNamespaces,
  loadNamespaceMetadata,
  namespaceExists,
  updateProperties,
} from '../../src/catalog/namespaces.ts'
import { StoreError } from '../../src/stores/store.ts'
import { newTable, open, rejects } from './setup.ts'

const US = '\u001f'

test('a namespace is created, loaded, listed and dropped', async (t) => {
  const { context, call, catalog } = await open(t)
  const created = await createNamespace(context, call, { namespace: ['a'], properties: { owner: 'ada' } })
  assert.deepEqual(created, { namespace: ['a'], properties: { owner: 'ada', location: `${catalog.root}/a` } })
  await createNamespace(context, call, { namespace: ['a', 'b.c'], properties: null })
  assert.deepEqual(await loadNamespaceMetadata(context, call, ['a']), created)
  assert.deepEqual(await listNamespaces(context, call, undefined, {}), { namespaces: [['a'], ['ns']], 'next-page-token': null })
  assert.deepEqual((await listNamespaces(context, call, ['a'], {})).namespaces, [['a', 'b.c']])
  await assert.rejects(
    dropNamespace(context, call, ['a']),
    rejects(409, /Namespace a is not empty/, 'NamespaceNotEmptyException'),
  )
  await dropNamespace(context, call, ['a', 'b.c'])
  await dropNamespace(context, call, ['a'])
  await assert.rejects(async () => namespaceExists(context, call, ['a']), rejects(404, /^Namespace does not exist: a$/))
  await assert.rejects(dropNamespace(context, call, ['a']), rejects(404, /Namespace does not exist: a/))
})

test('what can not be created says why', async (t) => {
  const { context, call } = await open(t)
  const create = (...namespace: string[]) => createNamespace(context, call, { namespace })
  await assert.rejects(create('ns'), rejects(409, /^Namespace already exists: ns$/, 'AlreadyExistsException'))
  await assert.rejects(create('x', 'y'), rejects(404, /^Namespace does not exist: x$/))
  for (const level of ['', '.', '..', `a${US}b`, 'a\nb', '\ud800', 'x'.repeat(257)]) {
    await assert.rejects(create(level), rejects(400, /Namespace level /))
  }
  await assert.rejects(create(...Array.from({ length: 33 }, () => 'n')), rejects(400, /33 levels/))
  await assert.rejects(
    create(...Array.from({ length: 5 }, () => 'é'.repeat(128))),
    rejects(400, /1284 bytes, expected at most 1024/),
  )
  await assert.rejects(listNamespaces(context, call, ['none'], {}), rejects(404, /none/))
})

test('names that are properties of every object are names like others', async (t) => {
  const { context, call, catalog } = await open(t)
  const properties = JSON.parse('{"__proto__":"p","constructor":"c"}') as Record<string, string>
  for (const name of ['__proto__', 'constructor', 'toString'])
    await createNamespace(context, call, { namespace: [name], properties })
  const loaded = await loadNamespaceMetadata(context, call, ['__proto__'])
  assert.deepEqual(Object.entries(loaded.properties), [
    ['__proto__', 'p'],
    ['constructor', 'c'],
    ['location', `${catalog.root}/__proto__`],
  ])
  const answer = await updateProperties(context, call, ['__proto__'], {
    removals: ['__proto__', 'toString'],
    updates: { x: 'y' },
  })
  assert.deepEqual(answer, { updated: ['x'], removed: ['__proto__'], missing: ['toString'] })
})

test('properties: updated, removed, missing, and 422 for both at once', async (t) => {
  const { context, call } = await open(t)
  await createNamespace(context, call, { namespace: ['p'], properties: { a: '1', b: '2' } })
  const answer = await updateProperties(context, call, ['p'], { removals: ['a', 'a', 'zz'], updates: { c: '3' } })
  assert.deepEqual(answer, { updated: ['c'], removed: ['a'], missing: ['zz'] })
  const location = `${call.catalog.root}/p`
  assert.deepEqual((await loadNamespaceMetadata(context, call, ['p'])).properties, { b: '2', c: '3', location })
  const both = updateProperties(context, call, ['p'], { removals: ['b'], updates: { b: '4' } })
  await assert.rejects(both, rejects(422, /property b/, 'UnprocessableEntityException'))
  await assert.rejects(updateProperties(context, call, ['none'], {}), rejects(404, /none/))
})

test('properties are few, small and no secrets: every look-up of a table in the namespace reads them', async (t) => {
  const { context, call } = await open(t)
  const many = (count: number, from = 0) => Object.fromEntries(Array.from({ length: count }, (_, n) => [`k${from + n}`, 'v']))
  const create = (properties: Record<string, string>) => createNamespace(context, call, { namespace: ['p'], properties })
  const update = (updates: Record<string, string>) => updateProperties(context, call, ['p'], { updates })
  await assert.rejects(create(many(10_001)), rejects(400, /at most 10000/))
  await assert.rejects(create({ a: 'x'.repeat(300_000) }), rejects(400, /300001 characters in all/))
  await assert.rejects(create({ 's3.secret-access-key': 'x' }), rejects(400, /no place for secrets/))
  await create(many(9_999))
  await update({ last: 'v' })
  await assert.rejects(update({ more: 'v' }), rejects(400, /at most 10000, got 10001/))
  await assert.rejects(update({ k0: 'x'.repeat(250_000) }), rejects(400, /characters in all/))
  await assert.rejects(update({ 'db.password': 'x' }), rejects(400, /no place for secrets/))
  assert.equal(Object.keys((await loadNamespaceMetadata(context, call, ['p'])).properties).length, 10_000 + 1)
})

test('concurrent property updates are all kept', async (t) => {
  const one = await open(t)
  const two = one.another()
  const update = ({ context, call }: typeof one, n: number) =>
    updateProperties(context, call, ['ns'], { updates: { [`k${n}`]: 'v' } })
  await Promise.all(Array.from({ length: 20 }, (_, n) => update(n % 2 ? one : two, n)))
  assert.equal(Object.keys((await loadNamespaceMetadata(one.context, one.call, ['ns'])).properties).length, 20 + 1)
})

test('a namespace dropped while a table is created in it: one of the two is refused', async (t) => {
  for (let round = 0; round < 20; round += 1) {
    const one = await open(t)
    const two = one.another()
    const [dropped, created] = await Promise.allSettled([dropNamespace(one.context, one.call, ['ns']), newTable(two, 't')])
    assert.equal([dropped, created].filter(({ status }) => status === 'fulfilled').length, 1, `round ${round}`)
  }
})

test('a race inside the drop itself is seen', async (t) => {
  const fixture = await open(t)
  const other = fixture.another()
  fixture.hooks.write = async (mutations, next) => {
    fixture.hooks.write = undefined
    await createNamespace(other.context, other.call, { namespace: ['ns', 'late'] })
    return next(mutations)
  }
  await assert.rejects(dropNamespace(fixture.context, fixture.call, ['ns']), rejects(409, /not empty/))
})

test('the store away is 503, and nothing happened', async (t) => {
  const { context, call, hooks } = await open(t)
  hooks.write = async () => {
    throw new StoreError('unavailable', 'gone')
  }
  await assert.rejects(createNamespace(context, call, { namespace: ['a'] }), rejects(503, /nothing was changed/))
  hooks.write = undefined
  await createNamespace(context, call, { namespace: ['a'] })
})

test('pages go on where the last one ended, also when names come and go', async (t) => {
  const { context, call } = await open(t)
  for (const name of ['a', 'b', 'c', 'd']) await createNamespace(context, call, { namespace: [name] })
  const first = await listNamespaces(context, call, undefined, { pageToken: '', pageSize: 2 })
  assert.deepEqual(first.namespaces, [['a'], ['b']])
  await dropNamespace(context, call, ['b'])
  await createNamespace(context, call, { namespace: ['bb'] })
  const second = await listNamespaces(context, call, undefined, { pageToken: first['next-page-token'] as string, pageSize: 2 })
  assert.deepEqual(second.namespaces, [['bb'], ['c']])
  const third = await listNamespaces(context, call, undefined, { pageToken: second['next-page-token'] as string, pageSize: 2 })
  assert.deepEqual(third, { namespaces: [['d'], ['ns']], 'next-page-token': null })
  // A client that sends no token knows no pages.
  assert.equal((await listNamespaces(context, call, undefined, { pageSize: 1 })).namespaces.length, 5)
})

test('hostile page tokens are 400', async (t) => {
  const { context, call, catalog } = await open(t)
  for (const name of ['a', 'b', 'c']) await createNamespace(context, call, { namespace: [name] })
  const token = (await listNamespaces(context, call, undefined, { pageToken: '', pageSize: 1 }))['next-page-token'] as string
  const list = (pageToken: string, pageSize?: number) => listNamespaces(context, call, undefined, { pageToken, pageSize })
  assert.equal((await list(token)).namespaces.length, 3)
  const flipped = `${token[0] === 'A' ? 'B' : 'A'}${token.slice(1)}`
  for (const bad of [
    flipped,
    `${token}A`,
    token.slice(0, -1),
    'x',
    '!!!',
    Buffer.from('1').toString('base64'),
    'A'.repeat(5000),
  ]) {
    await assert.rejects(list(bad), rejects(400, /Invalid pageToken/))
  }
  const elsewhere = { principal: { ...call.principal, tenantId: 't2' }, catalog: { ...catalog, tenantId: 't2' } }
  await assert.rejects(listNamespaces(context, elsewhere, undefined, { pageToken: token }), rejects(400, /pageToken/))
  await assert.rejects(listNamespaces(context, call, ['a'], { pageToken: token }), rejects(400, /pageToken/))
  for (const size of [0, -1, 1.5, Number.NaN]) await assert.rejects(list('', size), rejects(400, /Invalid pageSize/))
})
