/** The management API speaks of catalogs as they are: of a moment it is refused, in whatever route a catalog is named. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { routes } from '../../src/http/routes/index.ts'
import { fill, open } from './past.ts'

const CATALOG = '/api/v1/catalogs/{name}'
const VALUES = { name: 'lake@5', namespace: 'a', table: 't', view: 'v' }

test('no route of the management API answers today for a moment', async (t) => {
  const past = await open(t)
  await fill(past)
  await past.ok('DELETE', '/v1/lake/namespaces/a/tables/u')
  const named = routes.filter(({ template }) => template.startsWith(CATALOG))
  const statuses = new Map<string, number>()
  for (const { method, template } of named) {
    const path = template.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(VALUES[name as keyof typeof VALUES]))
    for (const body of method === 'GET' ? [undefined] : [{}, { protected: true }, { id: 'x' }]) {
      const { status, json, text } = await past.send(method, path, body === undefined ? {} : { body })
      assert.ok(status >= 400 && status < 500, `${method} ${path}: ${text}`)
      if (method !== 'GET') continue
      statuses.set(template.slice(CATALOG.length), status)
      if (status === 404) assert.match(json.error.message, /lake@5/)
      else assert.equal(json.error.message, 'This is about a catalog as it is, not as it was at position 5: ask for lake')
    }
  }
  assert.deepEqual(
    ['/dropped', '/namespaces/{namespace}/protection', '/namespaces/{namespace}/tables/{table}/metrics', '', '/commits'].map(
      (rest) => statuses.get(rest),
    ),
    [400, 400, 400, 404, 404],
  )
  assert.equal((await past.ok('GET', '/api/v1/catalogs/lake/dropped')).json.length, 1)
})
