import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Route } from '../../src/http/route.ts'
import { createRouter, mountings } from '../../src/http/router.ts'
import { IcebergError } from '../../src/iceberg/errors.ts'

const route = (method: Route['method'], template: string): Route => ({
  method,
  template,
  operationId: `${method} ${template}`,
  action: 'public',
  handler: async () => ({ status: 204, body: undefined }),
})
const router = createRouter([
  route('GET', '/v1/config'),
  route('GET', '/v1/{prefix}/namespaces'),
  route('POST', '/v1/{prefix}/namespaces'),
  route('GET', '/v1/{prefix}/namespaces/{namespace}/tables/{table}'),
  route('HEAD', '/v1/{prefix}/namespaces/{namespace}/tables/{table}'),
  route('POST', '/v1/{prefix}/tables/rename'),
  route('POST', '/v1/aws/s3/sign'),
  route('POST', '/v1/{prefix}/aws/s3/sign'),
  route('GET', '/api/v1/catalogs/{name}'),
  { ...route('POST', '/api/v1/catalogs/test'), maybeName: true },
  route('POST', '/api/v1/catalogs/{name}/test'),
])
const found = (method: string, path: string): [string, ...string[]] => {
  const { route, parameters } = router.match(method, path)
  return [route.operationId, ...parameters]
}
const refused = (method: string, path: string): IcebergError => {
  try {
    router.match(method, path)
  } catch (error) {
    assert.ok(error instanceof IcebergError)
    return error
  }
  return assert.fail(`${method} ${path} was found`)
}

test('a path is split before anything is decoded', () => {
  const table = 'GET /v1/{prefix}/namespaces/{namespace}/tables/{table}'
  assert.deepEqual(found('GET', '/v1/lake/namespaces/a%2Fb%1Fc/tables/t%2f1'), [table, 'lake', 'a%2Fb%1Fc', 't%2f1'])
  assert.deepEqual(found('GET', '/v1/lake/namespaces/tables/tables/tables'), [table, 'lake', 'tables', 'tables'])
})

test('every form in which a client may name the catalog', () => {
  const list = 'GET /v1/{prefix}/namespaces'
  assert.deepEqual(found('GET', '/v1/lake/namespaces'), [list, 'lake'])
  assert.deepEqual(found('GET', '/v1/lake/v1/namespaces'), [list, 'lake'])
  assert.deepEqual(found('GET', '/v1/lake/v1/lake/namespaces'), [list, 'lake', 'lake'])
  for (const path of ['/v1/config', '/v1/lake/config', '/v1/lake/v1/config'])
    assert.equal(found('GET', path)[0], 'GET /v1/config')
  assert.deepEqual(mountings('/api/v1/catalogs/{name}'), ['/api/v1/catalogs/{name}'])
})

test('a catalog may be called as a literal is', () => {
  const list = 'GET /v1/{prefix}/namespaces'
  for (const name of ['aws', 'config', 'oauth', 'v1', 'namespaces']) {
    assert.deepEqual(found('GET', `/v1/${name}/namespaces`), [list, name])
    assert.deepEqual(found('GET', `/v1/${name}/v1/namespaces`), [list, name])
    assert.deepEqual(found('GET', `/v1/lake/v1/${name}/namespaces`), [list, 'lake', name])
  }
  assert.deepEqual(found('POST', '/v1/aws/s3/sign'), ['POST /v1/aws/s3/sign'])
  for (const path of ['/v1/aws/aws/s3/sign', '/v1/aws/v1/aws/s3/sign']) {
    assert.deepEqual(found('POST', path), ['POST /v1/{prefix}/aws/s3/sign', 'aws'])
  }
  assert.equal(refused('GET', '/v1/aws/s3/nothing').code, 404)
})

test('a literal that may be a name is one wherever it has no route of its own', () => {
  assert.equal(found('POST', '/api/v1/catalogs/test')[0], 'POST /api/v1/catalogs/test')
  assert.deepEqual(found('GET', '/api/v1/catalogs/test'), ['GET /api/v1/catalogs/{name}', 'test'])
  assert.deepEqual(found('GET', '/api/v1/catalogs/%74est'), ['GET /api/v1/catalogs/{name}', '%74est'])
  assert.deepEqual(found('POST', '/api/v1/catalogs/test/test'), ['POST /api/v1/catalogs/{name}/test', 'test'])
  assert.deepEqual(found('POST', '/api/v1/catalogs/lake/test'), ['POST /api/v1/catalogs/{name}/test', 'lake'])
  assert.equal(refused('POST', '/api/v1/catalogs/lake').code, 405)
  assert.equal(refused('PUT', '/api/v1/catalogs/test').details['allow'], 'GET, HEAD, OPTIONS, POST')
  assert.equal(refused('GET', '/api/v1/catalogs/test/other').code, 404)
})

test('a path is read in one way, whatever the method', () => {
  const table = createRouter([
    route('GET', '/v1/{prefix}/namespaces/{namespace}/tables'),
    route('DELETE', '/v1/{prefix}/namespaces/{namespace}'),
  ])
  const path = '/v1/lake/v1/namespaces/namespaces/tables'
  assert.deepEqual(table.match('GET', path).parameters, ['lake', 'namespaces'])
  assert.throws(() => table.match('DELETE', path), { code: 405 })
})

test('what is no path is 404', () => {
  const paths = [
    '/',
    '',
    '*',
    '/v1',
    '/v1/',
    '/v1/lake',
    '/v1/lake/namespaces/',
    '/v1//namespaces',
    '//v1/lake/namespaces',
    '/v1/lake//namespaces',
    '/v1/../namespaces',
    '/v1/lake/./namespaces',
    '/V1/lake/namespaces',
    '/v1/lake/Namespaces',
    '/v1/lake/name%73paces',
    '/v1/lake/namespaces/n/%74ables/t',
    '/v1/lake/namespaces;x=1',
    '/v1/lake/v1/lake/v1/namespaces',
    '/v2/lake/namespaces',
    '/constructor',
    '/v1/lake/__proto__',
    '/v1/lake/namespaces/n/tables/t/',
    'http://other/v1/config',
  ]
  for (const path of paths) assert.equal(refused('GET', path).code, 404, path)
})

test('a wrong method is 405 and names the right ones', () => {
  const error = refused('DELETE', '/v1/lake/namespaces')
  assert.equal(error.code, 405)
  assert.equal(error.details['allow'], 'GET, HEAD, OPTIONS, POST')
  assert.equal(refused('GET', '/v1/lake/tables/rename').details['allow'], 'OPTIONS, POST')
  assert.equal(router.allowed('/v1/lake/namespaces'), 'GET, HEAD, OPTIONS, POST')
  assert.equal(router.allowed('/nothing'), undefined)
})

test('HEAD is a route of its own, or what GET would say', () => {
  assert.match(found('HEAD', '/v1/lake/namespaces/n/tables/t')[0], /^HEAD /)
  assert.equal(found('HEAD', '/v1/lake/namespaces')[0], 'GET /v1/{prefix}/namespaces')
})

test('two routes at one place are a bug that shows at the start', () => {
  assert.throws(() => createRouter([route('GET', '/a/{b}'), route('GET', '/a/{c}')]), TypeError)
})
