/** Catalogs as they were, at the socket: which moments there are, who sees what of them, and that nothing changes there. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createCatalogRow } from '../../src/catalog/catalogs.ts'
import type { Route } from '../../src/http/route.ts'
import { mountings } from '../../src/http/router.ts'
import { routes } from '../../src/http/routes/index.ts'
import { change, encoded, OPERATIONS, schema, type Place } from './operations.ts'
import { config, fill, LOG, open, openShared, prefixOf, tables } from './past.ts'

const ABSENT = '01900000-0000-7000-8000-000000000000'

test('a moment is a position, a change or a time, in several spellings; the prefix names the position', async (t) => {
  const past = await open(t)
  await fill(past)
  const lines = await past.log()
  assert.deepEqual(
    lines.map(({ position }) => position),
    [1, 2, 3, 4, 5],
  )
  const { id, timestamp } = lines[2]!
  const iso = new Date(timestamp).toISOString()
  const inDelhi = `${new Date(timestamp + 5.5 * 3_600_000).toISOString().slice(0, -1)}+05:30`
  const moments = ['3', '003', id, id.toUpperCase(), iso, iso.toLowerCase(), inDelhi]
  for (const moment of [...moments, ...moments.map((one) => `main@${one}`)]) {
    for (const name of [`lake@${moment}`, `lake~${moment}`]) {
      const answer = await config(past, name)
      assert.equal(answer.status, 200, answer.text)
      assert.equal(prefixOf(answer), 'lake%403', name)
    }
  }
  assert.equal(prefixOf(await config(past, `lake@${new Date(timestamp - 1).toISOString()}`)), 'lake%402')
  assert.equal(prefixOf(await config(past, `lake@${new Date(lines[4]!.timestamp + 1).toISOString()}`)), 'lake%405')
  for (const prefix of ['lake@3', 'lake%403', 'lake%7e3', `lake@${id}`, 'LAKE@3'.toLowerCase()]) {
    assert.deepEqual(tables(await past.ok('GET', `/v1/${prefix}/namespaces/a/tables`)), ['t'])
  }
})

test('moments that there are not are 404, and say why', async (t) => {
  const past = await openShared(t)
  await fill(past)
  await past.ok('POST', '/api/v1/catalogs', { name: 'other', warehouse_name: 'local' })
  const [ofOther] = (await past.ok('GET', '/api/v1/catalogs/other/commits?limit=1')).json
  const [ofTenant] = (await past.ok('GET', '/api/v1/commits?limit=1')).json
  // The same catalog id and position in another tenant.
  const [line] = await past.store.list('commits', { index: 'primary', where: {}, limit: 100 })
  const { version: _, ...row } = line!
  await past.store.write([
    { op: 'insert', entity: 'tenants', row: { id: 't2', name: 't2', properties: {}, created_at: 0 } },
    { op: 'insert', entity: 'commits', row: { ...row, id: ABSENT, tenant_id: 't2', position: 1, arrival: null } },
  ])
  const missing = async (moment: string, message: RegExp) => {
    for (const at of [() => config(past, `lake@${moment}`), () => past.send('GET', `/v1/lake@${moment}/namespaces`)]) {
      const answer = await at()
      assert.equal(answer.status, 404, `${moment}: ${answer.text}`)
      assert.match(answer.json.error.message, message)
      assert.equal(answer.json.error.code, 404)
    }
  }
  await missing('6', /^Catalog lake has no position 6: its last change has position 5$/)
  await missing('999999999999999', /no position 999999999999999/)
  await missing('0', /^Catalog lake has no position 0: what is kept begins at 1$/)
  await missing('000', /no position 0/)
  for (const id of [ABSENT, ofOther.id, ofTenant.id]) await missing(id, new RegExp(`^Catalog lake has no change ${id}$`))
  await missing('1999-12-31T00:00:00Z', /was not there at 1999-12-31T00:00:00Z: what is kept of it begins at \d/)
  await missing(new Date(Date.now() + 60_000).toISOString(), /has no moment .* yet: it is \d/)
  await missing('2026-13-01T00:00:00Z', /expected a time with its zone/)
  for (const time of ['2026-01-01T25:00:00Z', '2026-01-01', '2026-01-01T00:00:00']) {
    await missing(time, /expected a time with its zone/)
  }
  // What could be no moment is the name of a catalog that does not exist.
  const names = ['', '1.5', '-1', '+1', '1e3', '0x1', ' 1', '1 ', '٣', '1000000000000000', 'latest']
  for (const moment of [...names, '@1', '1@', '1@1', '1@main', 'main@main@1', 'dev@1']) {
    await missing(encodeURIComponent(moment) === moment ? moment : moment, /does not exist/)
  }
  const own = await past.ok('GET', '/api/v1/catalogs/other/commits')
  assert.equal(prefixOf(await config(past, `other@${own.json[0].id}`)), 'other%401')
})

test('of a catalog that a token may not see no moment is told from another, nor from one of no catalog', async (t) => {
  const past = await open(t)
  await fill(past)
  await past.ok('POST', '/api/v1/catalogs', { name: 'mine', warehouse_name: 'local' })
  const token = await past.mint({ access: 'read', within: [{ catalog: 'mine' }] })
  const lines = await past.log()
  const time = new Date(lines[2]!.timestamp).toISOString()
  const moments = [
    '1',
    '5',
    '6',
    '0',
    lines[2]!.id,
    ABSENT,
    time,
    '1999-01-01T00:00:00Z',
    '2999-01-01T00:00:00Z',
    '2026-13-01T00:00:00Z',
  ]
  const paths = (name: string) => [
    `/v1/config?warehouse=${name}`,
    `/v1/${name}/namespaces`,
    `/v1/${name}/namespaces/a/tables/t`,
    `/v1/${name}/v1/namespaces/a`,
    `/v1/${name}/config`,
  ]
  for (const moment of [...moments, 'main@1', '']) {
    const [there, nowhere] = [`lake@${moment}`, `none@${moment}`]
    for (const [at, path] of paths(there).entries()) {
      for (const method of ['GET', 'POST', 'HEAD', 'DELETE']) {
        const [one, other] = [await past.send(method, path, { token }), await past.send(method, paths(nowhere)[at]!, { token })]
        assert.equal(one.status, other.status, `${method} ${path}`)
        assert.equal(one.text.replaceAll('lake', 'none'), other.text, `${method} ${path}`)
        assert.ok(one.status >= 400)
      }
    }
  }
  assert.equal((await config(past, 'mine@1', token)).status, 200)
})

test('a narrowed token sees of the past what it may see now', async (t) => {
  const past = await open(t)
  const { ok, send } = past
  await fill(past)
  await ok('POST', '/v1/lake/namespaces', { namespace: ['secret'] })
  await ok('POST', '/v1/lake/namespaces/secret/tables', { name: 'was-secret', schema })
  const at = await past.head()
  const move = (kind: string, from: string[], to: string[]) =>
    ok('POST', `/v1/lake/${kind}/rename`, {
      source: { namespace: from.slice(0, 1), name: from[1] },
      destination: { namespace: to.slice(0, 1), name: to[1] },
    })
  await move('tables', ['a', 't'], ['secret', 't'])
  await move('views', ['a', 'v'], ['secret', 'v'])
  await move('tables', ['secret', 'was-secret'], ['a', 'open'])
  const token = await past.mint({ access: 'read', within: [{ catalog: 'lake', namespace: ['a'] }] })
  const narrow = (method: string, path: string, prefix = `lake@${at}`) => send(method, `/v1/${prefix}/${path}`, { token })
  for (const path of ['namespaces/a/tables/t', 'namespaces/a/views/v', 'namespaces/a/tables/t/credentials']) {
    const hidden = await narrow('GET', path)
    assert.equal(hidden.status, 404, hidden.text)
    // In the words of what never was.
    const never = await narrow('GET', path.replace(/(tables|views)\/[tv]/, '$1/never'))
    assert.equal(hidden.text.replace(/a\.[tv]/, 'a.never'), never.text)
    assert.equal((await send('GET', `/v1/lake@${at}/${path}`)).status, 200, 'for who may read all')
  }
  for (const path of ['namespaces/a/tables/t', 'namespaces/a/views/v']) assert.equal((await narrow('HEAD', path)).status, 404)
  const report = { token, body: { 'report-type': 'scan-report' } }
  assert.equal((await send('POST', `/v1/lake@${at}/namespaces/a/tables/t/metrics`, report)).status, 404)
  const managed = await send('GET', `/api/v1/catalogs/lake@${at}/namespaces/a/tables/t/protection`, { token })
  assert.equal(managed.status, 400, managed.text)
  assert.equal((await narrow('GET', 'namespaces/a/tables/u')).status, 200)
  // Listings leave out what can not be read, also page by page.
  assert.deepEqual(tables(await narrow('GET', 'namespaces/a/tables')), ['u'])
  assert.deepEqual(tables(await narrow('GET', 'namespaces/a/tables?pageSize=1&pageToken=')), ['u'])
  assert.deepEqual(tables(await narrow('GET', 'namespaces/a/views')), [])
  assert.deepEqual(tables(await send('GET', `/v1/lake@${at}/namespaces/a/tables`)), ['t', 'u'])
  // What it may read now it may not read by a name at which it may read nothing.
  for (const path of ['namespaces/secret/tables/was-secret', 'namespaces/secret/tables', 'namespaces/secret']) {
    assert.equal((await narrow('GET', path)).status, 404, path)
  }
  const { namespaces } = (await narrow('GET', 'namespaces')).json
  assert.deepEqual(namespaces, [['a']])
  const one = await past.mint({ access: 'read', within: [{ catalog: 'lake', namespace: ['a'], table: 't' }] })
  assert.equal((await send('GET', `/v1/lake@${at}/namespaces/a/tables/t`, { token: one })).status, 404)
  assert.deepEqual(tables(await send('GET', `/v1/lake@${at}/namespaces/a/tables`, { token: one })), [])
})

test('what a narrowed token may not read by the last name of what is gone it may not read by the one before', async (t) => {
  const past = await open(t)
  const { ok, send } = past
  await fill(past)
  await ok('POST', '/v1/lake/namespaces', { namespace: ['secret'] })
  const body = { name: 'w', schema }
  await ok('POST', '/v1/lake/namespaces/a/tables', body)
  const at = await past.head()
  const token = await past.mint({ access: 'read', within: [{ catalog: 'lake', namespace: ['a'] }] })
  const rename = (name: string, from: string, to: string) =>
    ok('POST', '/v1/lake/tables/rename', { source: { namespace: [from], name }, destination: { namespace: [to], name } })
  const seen = async () => {
    const load = (name: string) => send('GET', `/v1/lake@${at}/namespaces/a/tables/${name}`, { token })
    const loaded = await Promise.all(['t', 'u', 'w'].map(async (name) => ((await load(name)).status === 200 ? [name] : [])))
    assert.deepEqual(tables(await send('GET', `/v1/lake@${at}/namespaces/a/tables`, { token })), loaded.flat())
    return loaded.flat()
  }
  for (const name of ['t', 'u']) await rename(name, 'a', 'secret')
  assert.deepEqual(await seen(), ['w'])
  await ok('DELETE', '/v1/lake/namespaces/secret/tables/t')
  await ok('POST', '/v1/lake/namespaces/secret/tables/u/unregister', {})
  await ok('DELETE', '/v1/lake/namespaces/a/tables/w')
  assert.deepEqual(await seen(), ['w'])
  // Its name is another table's now, which the token may read.
  await ok('POST', '/v1/lake/namespaces/a/tables', { name: 't', schema })
  assert.deepEqual(await seen(), ['w'])
})

test('no route changes anything below a moment', async (t) => {
  const past = await open(t)
  await fill(past)
  const place: Place = { catalog: 'lake@5', namespace: ['a'], name: 't' }
  const state = async (): Promise<string> => {
    const paths = [`${LOG}?limit=1000`, '/api/v1/commits?limit=1000', '/v1/lake/namespaces', '/v1/lake/namespaces/a']
    const loads = ['tables', 'views', 'tables/t', 'tables/u', 'views/v'].map((path) => `/v1/lake/namespaces/a/${path}`)
    const answers = await Promise.all([...paths, ...loads].map((path) => past.ok('GET', path)))
    return answers.map(({ text }) => text).join('\n')
  }
  const fillIn = (template: string, prefix: string, name: string): string => {
    const values: Record<string, string> = {
      prefix,
      catalog: prefix,
      namespace: encoded(place.namespace),
      table: name,
      view: name,
    }
    return template.replace(/\{(\w+)\}/g, (_, key: string) => values[key]!)
  }
  const before = await state()
  const mutations = routes.filter((route: Route) => route.mutation === true && route.template.startsWith('/v1/{prefix}/'))
  assert.ok(mutations.length >= 15, String(mutations.length))
  assert.ok(mutations.every(({ iceberg }) => iceberg === true))
  for (const route of mutations) {
    const body = OPERATIONS[route.operationId]!.body?.({ ...place, catalog: 'lake' })
    for (const prefix of ['lake@5', 'lake%405', 'lake~3', 'lake@main@5']) {
      for (const path of mountings(route.template).map((template) =>
        fillIn(template, prefix, route.template.includes('view') ? 'v' : 't'),
      )) {
        const idempotency = { 'idempotency-key': '01900000-0000-7000-8000-000000000001' }
        const answer = await past.send(route.method, path, { headers: idempotency, ...(body && { body }) })
        assert.equal(answer.status, 403, `${route.method} ${path}: ${answer.text}`)
        assert.equal(answer.json.error.type, 'ForbiddenException')
        assert.match(answer.json.error.message, /^The catalog is read as it was at position [35], where nothing can be changed$/)
      }
    }
  }
  for (const wanted of [true, false]) {
    for (const path of [
      'protection',
      'namespaces/a/protection',
      'namespaces/a/tables/t/protection',
      'namespaces/a/views/v/protection',
    ]) {
      const answer = await past.send('PUT', `/api/v1/catalogs/lake@5/${path}`, { body: { protected: wanted } })
      assert.equal(answer.status, path === 'protection' ? 404 : 403, `${path}: ${answer.text}`)
    }
  }
  for (const [method, path, body] of [
    ['POST', 'lake@5/undrop', { id: 'none' }],
    ['PUT', 'lake@5', { properties: { a: 'b' } }],
  ] as const) {
    const answer = await past.send(method, `/api/v1/catalogs/${path}`, { body })
    assert.ok([403, 404].includes(answer.status), `${path}: ${answer.text}`)
  }
  assert.equal((await past.send('DELETE', '/api/v1/catalogs/lake@5')).status, 404)
  // Reports of clients that only read are taken, and nothing is kept of them.
  const report = { 'report-type': 'scan-report' }
  assert.equal((await past.send('POST', '/v1/lake@5/namespaces/a/tables/t/metrics', { body: report })).status, 204)
  assert.equal(await state(), before)
  assert.equal(
    (await past.send('POST', '/v1/lake/namespaces/a/tables/t', { body: change({ ...place, catalog: 'lake' }) })).status,
    200,
  )
})

test('a catalog whose name has the sign of a moment is found by its name, and has a past of its own', async (t) => {
  const past = await openShared(t)
  const { ok, send, store } = past
  await fill(past)
  for (const name of ['sales@5', 'sales~5']) {
    assert.equal((await send('POST', '/api/v1/catalogs', { body: { name, warehouse_name: 'local' } })).status, 400, name)
  }
  // Rows that were made elsewhere may have such names.
  const [lake] = await store.list('catalogs', { index: 'primary', where: {}, limit: 1 })
  const { version: _, ...row } = lake!
  for (const [at, name] of ['lake@2', 'lake~3'].entries()) {
    const storage_location = `file://${past.server.dataDirectory}/warehouse/named-${at}`
    await store.write(createCatalogRow({ ...row, id: `c-${at}`, name, storage_location }))
    const prefix = encodeURIComponent(name)
    assert.equal(decodeURIComponent(prefixOf(await config(past, name))), name)
    await ok('POST', `/v1/${prefix}/namespaces`, { namespace: [`own-${at}`] })
    await ok('POST', `/v1/${prefix}/namespaces`, { namespace: ['second'] })
    assert.deepEqual((await ok('GET', `/v1/${prefix}/namespaces`)).json.namespaces, [[`own-${at}`], ['second']])
    assert.deepEqual((await ok('GET', `/v1/${prefix}@1/namespaces`)).json.namespaces, [[`own-${at}`]])
    assert.equal(decodeURIComponent(prefixOf(await config(past, `${name}@1`))), `${name}@1`)
    assert.equal((await config(past, `${name}@3`)).status, 404)
    assert.equal((await send('POST', `/v1/${prefix}@1/namespaces`, { body: { namespace: ['x'] } })).status, 403)
  }
  // The other sign still leads to the catalog's past.
  assert.deepEqual((await ok('GET', '/v1/lake~2/namespaces')).json.namespaces, [['a'], ['default']])
  assert.deepEqual(tables(await ok('GET', '/v1/lake@3/namespaces/a/tables')), ['t'])
})

test('a URI that names the moment works in its doubled form', async (t) => {
  const past = await open(t)
  const { ok, send } = past
  await fill(past)
  for (const name of ['lake@3', 'lake%403', 'lake~3']) {
    for (const base of [`/v1/${name}/v1`, `/v1/${name}/v1/${name}`, `/v1/${name}`]) {
      assert.deepEqual(tables(await ok('GET', `${base}/namespaces/a/tables`)), ['t'], base)
      assert.equal((await send('GET', `${base}/namespaces/a/tables/u`)).status, 404)
    }
    for (const path of [`/v1/${name}/config`, `/v1/${name}/v1/config`]) {
      assert.deepEqual((await ok('GET', path)).json.overrides, {}, path)
      for (const warehouse of ['lake@3', 'lake~3', 'lake@main@3']) {
        assert.deepEqual((await ok('GET', `${path}?warehouse=${warehouse}`)).json.overrides, {})
      }
      for (const warehouse of ['lake', 'lake@2']) assert.equal((await send('GET', `${path}?warehouse=${warehouse}`)).status, 400)
    }
  }
  assert.equal((await send('GET', '/v1/lake@3/v1/lake@4/namespaces')).status, 404)
  assert.equal((await send('GET', '/v1/lake@3/v1/lake/namespaces')).status, 404)
})

test('ETags and HEAD are of what was', async (t) => {
  const past = await open(t)
  const { ok, send } = past
  await fill(past)
  const body = change({ catalog: 'lake', namespace: ['a'], name: 't' })
  await ok('POST', '/v1/lake/namespaces/a/tables/t', body)
  for (const query of ['', '?snapshots=refs']) {
    const load = (prefix: string, etag?: string) =>
      send('GET', `/v1/${prefix}/namespaces/a/tables/t${query}`, etag === undefined ? {} : { headers: { 'if-none-match': etag } })
    const [then, now] = [await load('lake@5'), await load('lake')]
    const [old, fresh] = [then.headers.get('etag')!, now.headers.get('etag')!]
    assert.notEqual(old, fresh)
    assert.notEqual(then.json['metadata-location'], now.json['metadata-location'])
    for (const prefix of ['lake@3', 'lake@4', 'lake@5']) {
      const same = await load(prefix, old)
      assert.deepEqual([same.status, same.text, same.headers.get('etag')], [304, '', old])
      assert.equal((await load(prefix, fresh)).text, then.text)
    }
    assert.equal((await load('lake@6', fresh)).status, 304)
    assert.equal((await load('lake', old)).status, 200)
    assert.equal((await load('lake@2', old)).status, 404)
  }
  await ok('DELETE', '/v1/lake/namespaces/a/tables/t')
  await ok('DELETE', '/v1/lake/namespaces/a/views/v')
  const at = async (path: string, statuses: readonly [number, number, number]) => {
    for (const [position, status] of [
      [2, statuses[0]],
      [5, statuses[1]],
      [8, statuses[2]],
    ] as const) {
      const head = await send('HEAD', `/v1/lake@${position}/${path}`)
      assert.deepEqual([head.status, head.text], [status, ''], `${path} at ${position}`)
    }
  }
  await at('namespaces/a/tables/t', [404, 204, 404])
  await at('namespaces/a/tables/u', [404, 204, 204])
  await at('namespaces/a/views/v', [404, 204, 404])
  await at('namespaces/a', [204, 204, 204])
  await at('namespaces/b', [404, 404, 404])
  assert.equal((await send('HEAD', '/v1/lake@1/namespaces/a')).status, 404)
})

test('a page of a listing goes on at its own moment only', async (t) => {
  const past = await open(t)
  const { ok, send } = past
  await fill(past)
  for (const name of ['w', 'x']) await ok('POST', '/v1/lake/namespaces/a/tables', { name, schema })
  await ok('POST', '/v1/lake/namespaces', { namespace: ['b'] })
  const first = await ok('GET', '/v1/lake@7/namespaces/a/tables?pageSize=2&pageToken=')
  assert.deepEqual(tables(first), ['t', 'u'])
  const token = first.json['next-page-token']
  // What comes and goes meanwhile is of another moment.
  await ok('DELETE', '/v1/lake/namespaces/a/tables/w')
  await ok('POST', '/v1/lake/namespaces/a/tables', { name: 'ww', schema })
  for (const prefix of ['lake@7', 'lake~7', 'lake@main@7']) {
    const next = await ok('GET', `/v1/${prefix}/namespaces/a/tables?pageSize=2&pageToken=${token}`)
    assert.deepEqual([tables(next), next.json['next-page-token']], [['w', 'x'], null])
  }
  const ofNow = (await ok('GET', '/v1/lake/namespaces/a/tables?pageSize=2&pageToken=')).json['next-page-token']
  for (const [prefix, wrong] of [
    ['lake@8', token],
    ['lake@6', token],
    ['lake', token],
    ['lake@7', ofNow],
    ['lake@10', ofNow],
  ]) {
    const refused = await send('GET', `/v1/${prefix}/namespaces/a/tables?pageSize=2&pageToken=${wrong}`)
    assert.deepEqual([refused.status, refused.json.error.type], [400, 'BadRequestException'], prefix)
    assert.match(refused.json.error.message, /^Invalid pageToken/)
  }
  const spaces = (await ok('GET', '/v1/lake@8/namespaces?pageSize=2&pageToken=')).json
  assert.deepEqual(spaces.namespaces, [['a'], ['b']])
  assert.deepEqual((await ok('GET', `/v1/lake@8/namespaces?pageToken=${spaces['next-page-token']}`)).json.namespaces, [
    ['default'],
  ])
  assert.equal((await send('GET', `/v1/lake@7/namespaces?pageToken=${spaces['next-page-token']}`)).status, 400)
})
