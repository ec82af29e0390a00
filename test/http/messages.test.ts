/** What a refusal says: the object, what was expected, and what to do, and nothing of what the caller may not see. */
import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { startApp } from '../../src/app.ts'
import { loadSettings, SettingsError } from '../../src/config.ts'
import { sslModeWarning } from '../../src/stores/sql/postgres-connection.ts'
import { call, startTestServer, type TestServer } from './harness.ts'

const schema = { type: 'struct', 'schema-id': 0, fields: [{ id: 1, name: 'id', type: 'int', required: false }] }

async function refused(
  server: TestServer,
  [method, path, body]: readonly [string, string, object?],
  status: number,
  message: RegExp,
  token?: string,
): Promise<string> {
  const answer = await call(server, method, path, { ...(body && { body }), ...(token !== undefined && { token }) })
  assert.equal(answer.status, status, answer.text)
  assert.match(answer.json.error.message, message)
  return answer.json.error.message
}

async function narrowed(server: TestServer, body: object): Promise<{ id: string; token: string }> {
  const { status, json, text } = await call(server, 'POST', '/api/v1/tokens', { body })
  assert.equal(status, 200, text)
  return json
}

test('a catalog that does not exist: the nearest, a warehouse of that name, a URI that ends in /v1', async (t) => {
  const server = await startTestServer(t)
  const config = (name: string) => ['GET', `/v1/config?warehouse=${name}`] as const
  await refused(server, config('lakee'), 404, /^Warehouse does not exist: lakee \(did you mean "lake"\?\)$/)
  await refused(
    server,
    config('local'),
    404,
    /local: that is a warehouse of this server, and clients name a catalog; in it are "lake"$/,
  )
  await refused(server, config('zzzzzz'), 404, /^Warehouse does not exist: zzzzzz$/)
  await refused(server, ['GET', '/v1/v1/namespaces'], 404, /v1: a client's URI ends before \/v1; leave that away$/)
  await refused(server, ['GET', '/v1/lak/namespaces/n'], 404, /did you mean "lake"/)
  // A hidden catalog is answered as an absent one, and not suggested.
  await call(server, 'POST', '/api/v1/catalogs', { body: { name: 'secrets', warehouse_name: 'local' } })
  const { token } = await narrowed(server, { access: 'read', within: [{ catalog: 'lake', namespace: ['n'] }] })
  await refused(server, config('secrets'), 404, /^Warehouse does not exist: secrets$/, token)
  await refused(server, config('secret'), 404, /^Warehouse does not exist: secret$/, token)
  await refused(server, config('local'), 404, /^Warehouse does not exist: local$/, token)
  await refused(server, config('lakes'), 404, /did you mean "lake"/, token)
})

test('a narrowed token: which one it is, and what it allows', async (t) => {
  const server = await startTestServer(t)
  const within = [
    { catalog: 'lake', namespace: ['a', 'b'] },
    { catalog: 'lake', namespace: ['c'], table: 't' },
  ]
  const { id, token } = await narrowed(server, { access: 'read', within })
  const allows = `token ${id} does not allow .*; it allows read within lake\\.a\\.b\\.\\*, lake\\.c\\.t$`
  const hint = `\\(admin's token ${id} allows read within lake\\.a\\.b\\.\\*, lake\\.c\\.t\\)$`
  await refused(server, ['GET', '/v1/lake/namespaces/x/tables/t'], 404, new RegExp(`^Table does not exist: x.t ${hint}`), token)
  await refused(server, ['GET', '/v1/lake/namespaces/x'], 404, new RegExp(`^Namespace does not exist: x ${hint}`), token)
  await refused(server, ['POST', '/v1/lake/namespaces', { namespace: ['x'] }], 403, new RegExp(allows), token)
  await refused(server, ['GET', '/api/v1/warehouses'], 403, new RegExp(allows), token)
  const reader = await narrowed(server, { access: 'read' })
  await refused(server, ['POST', '/v1/lake/namespaces', { namespace: ['x'] }], 403, /it allows read everywhere$/, reader.token)
})

test('a choice names what may be chosen', async (t) => {
  const server = await startTestServer(t)
  await refused(server, ['POST', '/api/v1/tokens', { access: 'reed' }], 400, /access must be one of "read", "read-write"/)
})

test('a location that is taken names the table to those who see it, and the places that are allowed', async (t) => {
  const server = await startTestServer(t)
  for (const namespace of ['a', 'b']) await call(server, 'POST', '/v1/lake/namespaces', { body: { namespace: [namespace] } })
  const made = await call(server, 'POST', '/v1/lake/namespaces/a/tables', { body: { name: 't', schema } })
  const { location } = made.json.metadata
  const inside = { name: 'u', schema, location: `${location}/inside` }
  const create = ['POST', '/v1/lake/namespaces/b/tables', inside] as const
  await refused(
    server,
    create,
    400,
    /overlaps the location of another table or view, a\.t at file:\/\/.*; expected a free place below file:\/\//,
  )
  const elsewhere = ['POST', '/v1/lake/namespaces/b/tables', { ...inside, location: 's3://elsewhere/x' }] as const
  await refused(server, elsewhere, 400, /expected a place below file:\/\/.*\/lake.*allowed locations, got s3:\/\/elsewhere\/x/)
})

const start = (env: Readonly<Record<string, string>>) => startApp(loadSettings({ PORT: '0', ...env }), () => {})

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'pangolin-messages-'))
  t.after(() => {
    chmodSync(path, 0o700)
    rmSync(path, { recursive: true, force: true })
  })
  return path
}

test('a database file that can not be opened: which, and why', async (t) => {
  const place = folder(t)
  mkdirSync(join(place, 'a-folder'))
  writeFileSync(join(place, 'a-file'), '')
  for (const [path, message] of [
    ['missing/pangolin.db', /the folder .*missing of the database file does not exist/],
    ['a-folder', /a-folder is a folder, and a database is a file/],
    ['a-file/pangolin.db', /a-file is no folder/],
  ] as const) {
    await assert.rejects(start({ PANGOLIN_DATA: join(place, 'data'), DATABASE_URL: `sqlite:${join(place, path)}` }), (error) => {
      assert.ok(error instanceof SettingsError, String(error))
      assert.match(error.message, message)
      assert.doesNotMatch(error.message, /\n/)
      return true
    })
  }
})

test('settings that are nearly ours are refused where ours is not given, and others are not', () => {
  const refusedAs = (env: Readonly<Record<string, string>>, name: string) =>
    assert.throws(() => loadSettings(env), {
      message: `the environment: there is no setting ${Object.keys(env)[0]}. Did you mean ${name}?`,
    })
  refusedAs({ DATABASE_URI: 'postgres://h/d' }, 'DATABASE_URL')
  refusedAs({ DATABASE_ULR: 'x' }, 'DATABASE_URL')
  refusedAs({ PANGOLN_DATA: '/x' }, 'PANGOLIN_DATA')
  refusedAs({ PANGOLIN_DATAA: '/x' }, 'PANGOLIN_DATA')
  loadSettings({ DATABASE_URI: 'for another program', DATABASE_URL: 'memory:' })
  loadSettings({ PORTS: '1', HOSTNAME: 'h', DATABASE: 'd', DB_URL: 'x', MY_DATA: 'd', LOG_FORMATTER: 'x' })
})

test('sslmode=require is said in a line', () => {
  assert.match(
    sslModeWarning('postgres://h/d?sslmode=require') ?? '',
    /^sslmode=require is taken as verify-full: [^\n]*no-verify/,
  )
  assert.match(sslModeWarning('postgres://h/d?a=b&sslmode=verify-ca&c=d') ?? '', /^sslmode=verify-ca/)
  for (const mode of ['verify-full', 'disable', 'no-verify'])
    assert.equal(sslModeWarning(`postgres://h/d?sslmode=${mode}`), undefined)
  assert.equal(sslModeWarning('postgres://h/d'), undefined)
})
