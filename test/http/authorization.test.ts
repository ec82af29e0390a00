/**
 * Every route, asked with every kind of credential, about things inside and outside of its bounds. The table below says what
 * each operation is about, and a route that it does not name fails; what is expected follows from plain paths, not from
 * `access/decide.ts`.
 */
import assert from 'node:assert/strict'
import { before, describe, test, after } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Bound } from '../../src/access/bounds.ts'
import type { Route } from '../../src/http/route.ts'
import { mountings } from '../../src/http/router.ts'
import { routes } from '../../src/http/routes/index.ts'
import { OPERATIONS, schema, change, encoded, MINE, type Operation, type Place } from './operations.ts'
import { call, rawRequest, startTestServer, statusOf, type Answer, type TestServer } from './harness.ts'

/** What nothing can be asked of by plain paths. */
const isElsewhere = ({ about }: Operation): boolean => ['public', 'token', 'file'].includes(about)

/** All paths at which the route answers about the place. */
function pathsOf(route: Route, place: Place): string[] {
  const { query } = OPERATIONS[route.operationId]!
  const name = route.template.includes('warehouses') ? 'local' : route.template.includes('branches') ? 'main' : place.catalog
  const values: Readonly<Record<string, string>> = {
    prefix: place.catalog,
    catalog: place.catalog,
    namespace: encoded(place.namespace),
    table: encodeURIComponent(place.name),
    view: encodeURIComponent(place.name),
    id: 'no-such-token',
    name,
  }
  const fill = (template: string): string => template.replace(/\{(\w+)\}/g, (_, key: string) => values[key] ?? '?')
  return mountings(route.template).map((template) => fill(template) + (query?.(place) ?? ''))
}

const ask = (server: TestServer, token: string | null, route: Route, path: string, place: Place): Promise<Answer> => {
  const body = OPERATIONS[route.operationId]?.body?.(place)
  return call(server, route.method, path, { token, ...(body === undefined ? {} : { body }) })
}

type Bounds = { readonly access: 'read' | 'read-write'; readonly within?: readonly Bound[] }

/** What the operation must be answered; 200 stands for whatever is no refusal. */
function expected({ about, writes, creates }: Operation, { access, within }: Bounds, place: Place): 200 | 403 | 404 {
  if (about === 'catalogs') return 200
  if (about === 'management' || (writes && access === 'read')) return 403
  if (within === undefined) return 200
  const at = (...parts: readonly string[]): string => `${parts.map(encodeURIComponent).join('/')}/`
  const wholes = within.filter(({ table }) => table === undefined).map(({ catalog, namespace = [] }) => at(catalog, ...namespace))
  const tables = within
    .filter(({ table }) => table !== undefined)
    .map((bound) => at(bound.catalog, ...bound.namespace!, bound.table!))
  const all = [...wholes, ...tables]
  const [catalog, namespace] = [at(place.catalog), at(place.catalog, ...place.namespace)]
  const entry = at(place.catalog, ...place.namespace, place.name)
  if (!all.some((path) => path.startsWith(catalog))) return 404
  if (about === 'visible') return 200
  if (about === 'whole' || about === 'log') return wholes.includes(catalog) ? 200 : about === 'log' ? 403 : 404
  const covered = wholes.some((path) => namespace.startsWith(path))
  if (covered) return 200
  // What may not be seen is as if it did not exist; of what is to be made, that is what is around it.
  const sees = (...levels: readonly string[]): boolean => all.some((path) => path.startsWith(at(place.catalog, ...levels)))
  const isInside = wholes.some((path) => at(place.catalog, ...place.namespace.slice(0, -1)).startsWith(path))
  if (about === 'namespace' && creates) return sees(...place.namespace.slice(0, -1)) || isInside ? 403 : 404
  if (about === 'namespace') return sees(...place.namespace) ? 403 : 404
  if (about === 'way') return sees(...place.namespace) ? 200 : 404
  if (creates) return sees(...place.namespace) ? 403 : 404
  return tables.includes(entry) ? 200 : 404
}

const lake = (...bounds: Omit<Bound, 'catalog'>[]): Bound[] => bounds.map((bound) => ({ catalog: 'lake', ...bound }))
const NARROWED: Readonly<Record<string, Bounds>> = {
  'reading everywhere': { access: 'read' },
  'everything in another catalog': { access: 'read-write', within: [{ catalog: 'second' }] },
  'reading one catalog': { access: 'read', within: lake({}) },
  'the namespace': { access: 'read-write', within: lake({ namespace: ['mine'] }) },
  'a namespace whose name begins so': { access: 'read-write', within: lake({ namespace: ['mine2'] }, { namespace: ['min'] }) },
  'a nested namespace': { access: 'read-write', within: lake({ namespace: ['mine', 'inner'] }) },
  'another namespace': { access: 'read-write', within: lake({ namespace: ['other'] }) },
  'one table': { access: 'read-write', within: lake({ namespace: ['mine'], table: 't' }) },
  'reading one table': { access: 'read', within: lake({ namespace: ['mine'], table: 't' }) },
}

const NAMESPACES = [['mine'], ['mine2'], ['min'], ['other'], ['mine', 'inner']]
const PLACES: readonly Place[] = [
  MINE,
  ...NAMESPACES.flatMap((namespace) => ['t', 't2'].map((name) => ({ catalog: 'lake', namespace, name }))).slice(1),
  { catalog: 'second', namespace: ['mine'], name: 't' },
]
/** The same beside things that exist and things that don't. */
const absent = (place: Place): Place[] => [
  { ...place, name: 'never-made' },
  { ...place, namespace: [...place.namespace, 'never-made'] },
  { ...place, namespace: ['never-made'] },
]

describe('who may do what', () => {
  let server: TestServer
  const stops: (() => Promise<void> | void)[] = []
  const tokens = new Map<string, string>()
  const mint = async (bounds: object): Promise<{ token: string; id: string }> => {
    const answer = await call(server, 'POST', '/api/v1/tokens', { body: bounds })
    assert.equal(answer.status, 200, answer.text)
    return answer.json
  }
  /** All that a change could change. */
  const state = async (): Promise<string> => {
    const paths = ['/api/v1/branches/main/commits?catalog=lake&limit=1000', '/api/v1/catalogs', '/api/v1/warehouses']
    return (await Promise.all(paths.map((path) => call(server, 'GET', path)))).map(({ text }) => text).join('\n')
  }

  before(async () => {
    server = await startTestServer({ after: (stop: () => Promise<void>) => void stops.push(stop) } as never)
    const second = { name: 'second', warehouse_name: 'local' }
    assert.equal((await call(server, 'POST', '/api/v1/catalogs', { body: second })).status, 201)
    for (const [catalog, namespaces] of [
      ['lake', NAMESPACES],
      ['second', [['mine']]],
    ] as const) {
      for (const namespace of namespaces) {
        assert.equal((await call(server, 'POST', `/v1/${catalog}/namespaces`, { body: { namespace } })).status, 200)
        for (const name of ['t', 't2']) {
          const made = await call(server, 'POST', `/v1/${catalog}/namespaces/${encoded(namespace)}/tables`, {
            body: { name, schema },
          })
          assert.equal(made.status, 200, made.text)
        }
      }
    }
    for (const [name, bounds] of Object.entries(NARROWED)) tokens.set(name, (await mint(bounds)).token)
  })
  after(async () => {
    for (const stop of stops) await stop()
  })

  test('every route is in the table, and nothing else', () => {
    assert.deepEqual(Object.keys(OPERATIONS).toSorted(), routes.map(({ operationId }) => operationId).toSorted())
    for (const { operationId, action } of routes) assert.equal(OPERATIONS[operationId]?.about === 'public', action === 'public')
  })

  test('without a credential, with one that is over, revoked or made up, nothing is answered', async () => {
    const short = await mint({ access: 'read', expires_in_hours: 1e-9 })
    const revoked = await mint({ access: 'read' })
    assert.equal((await call(server, 'DELETE', `/api/v1/tokens/${revoked.id}`)).status, 204)
    await sleep(20)
    const before = await state()
    const wrong = [null, short.token, revoked.token, `${revoked.token.slice(0, -1)}_`, 'pgl_', 'a.b.c']
    for (const route of routes) {
      if (route.action === 'public') continue
      for (const path of pathsOf(route, MINE)) {
        for (const token of wrong) {
          const answer = await ask(server, token, route, path, MINE)
          assert.equal(answer.status, 401, `${route.method} ${path} ${answer.text}`)
          assert.ok(answer.headers.get('www-authenticate') !== null)
        }
      }
    }
    assert.equal(await state(), before)
  })

  for (const [name, bounds] of Object.entries(NARROWED)) {
    test(`${name}: what is outside is refused in every spelling, whether it exists or not, and changes nothing`, async () => {
      const token = tokens.get(name)!
      const unchanged = await state()
      let refusals = 0
      for (const route of routes) {
        const operation = OPERATIONS[route.operationId]!
        if (isElsewhere(operation)) continue
        for (const place of [...PLACES, ...absent(MINE)]) {
          const status = expected(operation, bounds, place)
          if (status === 200) continue
          for (const path of pathsOf(route, place)) {
            const answer = await ask(server, token, route, path, place)
            assert.equal(answer.status, status, `${route.operationId} ${path} ${answer.text}`)
            assert.equal(answer.headers.get('etag'), null)
            refusals++
          }
        }
      }
      assert.ok(refusals > 100)
      assert.equal(await state(), unchanged)
    })

    test(`${name}: reading what is inside is not refused`, async () => {
      const token = tokens.get(name)!
      for (const route of routes) {
        const operation = OPERATIONS[route.operationId]!
        if (isElsewhere(operation) || operation.writes) continue
        for (const place of PLACES) {
          if (expected(operation, bounds, place) !== 200) continue
          for (const path of pathsOf(route, place)) {
            const answer = await ask(server, token, route, path, place)
            // There are no views, and a local warehouse signs nothing: what may be asked is answered.
            const fine = answer.status < 300 || /View|signRequest/i.test(route.operationId)
            assert.ok(fine && answer.status !== 403, `${route.operationId} ${path} ${answer.status} ${answer.text}`)
          }
        }
      }
    })
  }

  test('a catalog outside is like one that was never made', async () => {
    const token = tokens.get('the namespace')!
    for (const route of routes) {
      if (!route.template.startsWith('/v1/') || isElsewhere(OPERATIONS[route.operationId]!)) continue
      for (const branch of ['', '@main', '~main', '@other']) {
        const paths = pathsOf(route, { ...MINE, catalog: `second${branch}` })
        for (const [at, path] of pathsOf(route, { ...MINE, catalog: `never-made${branch}` }).entries()) {
          const [there, nowhere] = [
            await ask(server, token, route, paths[at]!, MINE),
            await ask(server, token, route, path, MINE),
          ]
          assert.equal(there.text.replaceAll('second', 'X'), nowhere.text.replaceAll('never-made', 'X'), path)
          assert.deepEqual([there.status, nowhere.status], [404, 404], path)
        }
      }
    }
  })

  test('headers and methods that mean something elsewhere mean nothing here', async () => {
    const token = tokens.get('reading one table')!
    const place = { ...MINE, name: 't2' }
    const [readPath, writePath] = ['/v1/lake/namespaces/mine/tables/t', '/v1/lake/namespaces/mine/tables/t2']
    const { tenant_id: tenant } = (await mint({ access: 'read' })) as unknown as { tenant_id: string }
    const spoofs: Readonly<Record<string, string>>[] = [
      { 'x-http-method-override': 'DELETE', 'x-method-override': 'DELETE', 'x-http-method': 'DELETE' },
      { 'x-pangolin-tenant': tenant, 'x-tenant': tenant, 'x-tenant-id': tenant },
      { 'x-pangolin-tenant': '11111111-1111-1111-1111-111111111111' },
      {
        'x-forwarded-for': '127.0.0.1',
        'x-forwarded-user': 'admin',
        'x-forwarded-host': 'localhost',
        forwarded: 'for=127.0.0.1',
      },
      { 'x-original-url': writePath, 'x-rewrite-url': writePath, 'x-forwarded-prefix': '/v1/second' },
      { 'x-user': 'admin', 'x-role': 'root', 'x-iceberg-access-delegation': 'vended-credentials,remote-signing' },
    ]
    for (const headers of spoofs) {
      assert.equal((await call(server, 'GET', readPath, { token, headers })).status, 200)
      assert.equal((await call(server, 'GET', writePath, { token, headers })).status, 404)
      assert.equal((await call(server, 'POST', readPath, { token, headers, body: change(place) })).status, 403)
      assert.equal((await call(server, 'GET', readPath, { token: null, headers })).status, 401)
    }
    const asToken = (line: string, extra: string[] = []) => rawRequest({ ...server, token }, line, extra).then(statusOf)
    assert.equal(await asToken(`GET ${writePath} HTTP/1.1`), 404)
    for (const path of [
      '/v1/lake/namespaces/mine/tables/%742',
      '/v1/lake/namespaces/mine/tables/t%32',
      '/v1/lake/namespaces/%6dine/tables/t2',
    ]) {
      assert.equal(await asToken(`GET ${path} HTTP/1.1`), 404, path)
    }
    for (const path of [
      '/v1/lake/namespaces/mine/tables/t/../t2',
      '/v1/lake/namespaces/mine/tables//t2',
      '//v1/lake/namespaces/mine/tables/t2',
    ]) {
      assert.equal(await asToken(`GET ${path} HTTP/1.1`), 404, path)
    }
    assert.equal(await asToken(`get ${writePath} HTTP/1.1`), 400)
    assert.equal(await asToken(`HEAD ${writePath} HTTP/1.1`), 404)
    assert.equal((await call(server, 'HEAD', '/v1/lake/namespaces/mine/tables/t2')).status, 204, 'it is there still')
  })

  test('an Idempotency-Key belongs to the bounds that it was used with', async () => {
    const headers = { 'idempotency-key': '017f22e2-79b0-7cc3-98c4-dc0c0c073990' }
    const body = { namespace: ['mine', 'keyed'] }
    const create = (token: string) => call(server, 'POST', '/v1/lake/namespaces', { token, headers, body })
    const twin = (await mint({ access: 'read-write', within: [{ catalog: 'lake', namespace: ['mine'] }] })).token
    assert.equal((await create(tokens.get('the namespace')!)).status, 200)
    assert.equal((await create(twin)).status, 200, 'the same bounds: a token that was renewed meanwhile')
    assert.equal((await create(server.token)).status, 422)
    assert.equal((await create(tokens.get('one table')!)).status, 403)
    assert.equal((await create(tokens.get('reading everywhere')!)).status, 403)
  })

  test('two credentials in one request are the first of them, never both', async () => {
    const token = tokens.get('reading one table')!
    const both = await call(server, 'GET', '/v1/lake/namespaces/mine/tables/t2', {
      token,
      headers: { 'x-api-key': server.token },
    })
    assert.equal(both.status, 404)
    const twice = await rawRequest({ ...server, token }, 'GET /v1/lake/namespaces/mine/tables/t2 HTTP/1.1', [
      `Authorization: Bearer ${server.token}`,
    ])
    assert.ok([400, 401, 404].includes(statusOf(twice)), twice)
  })
})
