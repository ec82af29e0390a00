/** What the pages say of settings, operations and commands is what there is; every link leads somewhere. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { settingDefaults } from '../src/config.ts'
import { routes } from '../src/http/routes/index.ts'
import { call, startTestServer } from './http/harness.ts'

const ROOT = join(import.meta.dirname, '..')
const page = (name: string): string => readFileSync(join(ROOT, name), 'utf8')
/** The cells of all rows whose first one is code or begins with a method. */
const rows = (text: string): string[][] =>
  text
    .split('\n')
    .filter((line) => /^\| (`|GET|HEAD|POST|PUT|DELETE)/.test(line))
    .map((line) => line.slice(2, -2).split(' | '))

test('settings: each is on its page, with its default', () => {
  const documented = new Map(rows(page('docs/settings.md')).map(([name = '', value = '']) => [name.replaceAll('`', ''), value]))
  const defaults = settingDefaults()
  assert.deepEqual([...documented.keys()], [...defaults.keys()])
  for (const [name, value] of defaults) {
    if (Array.isArray(value)) assert.equal(documented.get(name), 'none', name)
    else if (value !== undefined) assert.equal(documented.get(name), `\`${String(value)}\``, name)
  }
})

test('operations: the page lists the routes that there are, and no other', () => {
  const found = rows(page('docs/rest-api.md'))
  const operations = found.filter(([first]) => first!.startsWith('`')).map(([name, at]) => `${name} ${at}`)
  const specified = routes.filter(({ template }) => template.startsWith('/v1/'))
  assert.deepEqual(
    operations.toSorted(),
    specified.map(({ operationId, method, template }) => `\`${operationId}\` ${method} \`${template}\``).toSorted(),
  )
  const others = found.filter(([first]) => !first!.startsWith('`')).map(([at]) => at)
  const managed = routes.filter(({ template }) => !template.startsWith('/v1/'))
  assert.deepEqual(others.toSorted(), managed.map(({ method, template }) => `${method} \`${template}\``).toSorted())
})

test('links between pages lead to pages', () => {
  const pages = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', ...readdirSync(join(ROOT, 'docs')).map((name) => `docs/${name}`)]
  for (const name of pages) {
    for (const [, target = ''] of page(name).matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)) {
      if (/^https?:/.test(target)) continue
      assert.ok(existsSync(join(ROOT, dirname(name), target)), `${name} links to ${target}`)
    }
  }
})

test('warehouses: the commands of the page do what it says', async (t) => {
  const server = await startTestServer(t)
  const commands = [...page('docs/warehouses.md').matchAll(/curl -sS http:\/\/127\.0\.0\.1:8080(\S+) .*? -d '([^']+)'/gs)]
  assert.deepEqual(
    commands.map(([, path]) => path),
    ['/api/v1/warehouses', '/api/v1/catalogs'],
  )
  for (const [, path = '', body = ''] of commands) {
    const answer = await call(server, 'POST', path, { body })
    assert.equal(answer.status, 201, answer.text)
  }
  assert.deepEqual((await call(server, 'GET', '/v1/config?warehouse=sales')).json.overrides, { prefix: 'sales' })
})

test('authentication: the command of the page makes a token with the bounds that it says', async (t) => {
  const server = await startTestServer(t)
  const [command] = page('docs/authentication.md').matchAll(/curl -sS http:\/\/127\.0\.0\.1:8080(\S+) .*? -d '([^']+)'/gs)
  const [, path = '', body = ''] = command ?? []
  const { access, within, description } = JSON.parse(body) as Record<string, unknown>
  const made = await call(server, 'POST', path, { body })
  assert.deepEqual([made.status, made.json.description, made.json.access], [200, description, access], made.text)
  assert.deepEqual(new Set(made.json.within), new Set(within as unknown[]))
  const { token } = made.json
  assert.equal((await call(server, 'GET', '/v1/lake/namespaces/hr/tables/offices', { token })).status, 404)
  assert.equal((await call(server, 'GET', '/v1/lake/namespaces/hr/tables/salaries', { token })).status, 404)
  assert.equal((await call(server, 'POST', '/v1/lake/namespaces', { token, body: { namespace: ['sales'] } })).status, 403)
})
