import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { test } from 'node:test'
import { loadSettings, SettingsError } from '../../src/config.ts'

const refused = (environment: Record<string, string>, message: RegExp): void =>
  assert.throws(
    () => loadSettings({ PANGOLIN_DATA: '/nonexistent', ...environment }),
    (error) => error instanceof SettingsError && message.test(error.message),
  )

test('what holds when nothing is set', () => {
  const settings = loadSettings({})
  assert.equal(settings.port, 8080)
  assert.equal(settings.bindAddress, '127.0.0.1')
  assert.equal(settings.noAuth, false)
  assert.equal(settings.dataDirectory, resolve('data'))
  assert.equal(settings.databaseUrl, `sqlite:${resolve('data/pangolin.db')}`)
  assert.equal(settings.maxBodyBytes, 16 * 1024 * 1024)
})

test('a name that is not known stops the start and names the nearest', () => {
  refused({ PANGOLIN_BIND_ADRESS: '::1' }, /Did you mean PANGOLIN_BIND_ADDRESS\?/)
  refused({ PANGOLIN_NOAUTH: 'true' }, /Did you mean PANGOLIN_NO_AUTH\?/)
  refused({ PANGOLIN_MAX_BODY: '1' }, /Did you mean PANGOLIN_MAX_BODY_BYTES\?/)
  refused({ PANGOLIN_ROOT_USER: 'root' }, /PANGOLIN_ROOT_USER is not supported yet/)
  refused({ PANGOLIN_GOOGLE_CLIENT_SECRET: 'hush' }, /not supported yet/)
  assert.ok(loadSettings({ PANGOLIN_TEST_POSTGRES_URL: 'x', PANGOLIN_URL: 'x', HOME: '/', RUST_LOG: 'a=b' }))
})

test('a value that can not be used says what was expected', () => {
  refused({ PORT: '80x' }, /PORT must be an integer from 0 to 65535/)
  refused({ PORT: '65536' }, /PORT/)
  refused({ PANGOLIN_NO_AUTH: 'maybe' }, /true or false/)
  refused({ LOG_FORMAT: 'xml' }, /pretty, json/)
  refused({ PANGOLIN_BIND_ADDRESS: 'my host' }, /IP address/)
  refused({ PANGOLIN_STORAGE_TYPE: 'mongo' }, /DATABASE_URL.*mongodb:/)
  refused({ PANGOLIN_STORAGE_TYPE: 'mongo', DATABASE_URL: 'postgres://u:hush@h/d' }, /DATABASE_URL.*mongodb:/)
  refused({ MONGO_MAX_POOL_SIZE: '0' }, /MONGO_MAX_POOL_SIZE/)
  refused({ PANGOLIN_STORAGE_TYPE: 'postgres' }, /DATABASE_URL.*postgres:/)
  refused({ PANGOLIN_STORAGE_TYPE: 'postgres', DATABASE_URL: 'mysql://u:hush@h/d' }, /DATABASE_URL.*postgres:/)
  refused({ DATABASE_MAX_CONNECTIONS: '0' }, /DATABASE_MAX_CONNECTIONS/)
  refused({ DATABASE_URL: 'oracle://u:hush@h' }, /sqlite:<path>, postgres:.*, mongodb:.* or memory:/)
  refused({ PANGOLIN_CONFIG: '/nonexistent/file' }, /does not exist/)
})

test('no authentication is for loopback only', () => {
  refused({ PANGOLIN_NO_AUTH: 'true', PANGOLIN_BIND_ADDRESS: '0.0.0.0' }, /loopback/)
  refused({ PANGOLIN_NO_AUTH: 'true', PANGOLIN_BIND_ADDRESS: '::' }, /loopback/)
  for (const address of ['127.0.0.1', '::1', 'localhost', '127.8.8.8']) {
    assert.equal(loadSettings({ PANGOLIN_NO_AUTH: 'true', PANGOLIN_BIND_ADDRESS: address }).noAuth, true)
  }
})

test('secrets are not echoed', () => {
  for (const name of ['PANGOLIN_JWT_SECRET', 'PANGOLIN_ENCRYPTION_KEY', 'PANGOLIN_ADMIN_PASSWORD']) {
    assert.throws(
      () => loadSettings({ [name]: 'hush-hush' }),
      (error: Error) => error.message.includes(name) && !error.message.includes('hush'),
    )
  }
})

test('ways of naming a database', () => {
  const url = (text: string, type?: string): string =>
    loadSettings({ DATABASE_URL: text, ...(type === undefined ? {} : { PANGOLIN_STORAGE_TYPE: type }) }).databaseUrl
  assert.equal(url('memory:'), 'memory:')
  assert.equal(url('sqlite::memory:'), 'memory:')
  assert.equal(url('sqlite:///a/b.db'), 'sqlite:///a/b.db')
  assert.equal(url('/a/b c?.db'), 'sqlite:/a/b%20c%3F.db')
  assert.equal(url('x.db'), `sqlite:${resolve('x.db')}`)
  assert.equal(loadSettings({ PANGOLIN_STORAGE_TYPE: 'memory' }).databaseUrl, 'memory:')
})

test('a file of settings: below the environment, unknown names refused with their line', () => {
  const folder = mkdtempSync(join(tmpdir(), 'pangolin-config-'))
  try {
    const file = join(folder, 'pangolin.env')
    writeFileSync(file, '# comment\n\nPORT=9000\nexport LOG_FORMAT="json"\nPANGOLIN_ADMIN_USER=\'a b\'\n')
    const settings = loadSettings({ PANGOLIN_DATA: folder, PORT: '9001' })
    assert.deepEqual([settings.port, settings.logFormat, settings.adminUser], [9001, 'json', 'a b'])
    assert.equal(loadSettings({ PANGOLIN_CONFIG: file }).port, 9000)
    writeFileSync(file, 'PORT=9000\nPORTS=1\n')
    assert.throws(
      () => loadSettings({ PANGOLIN_DATA: folder }),
      /pangolin\.env:2: there is no setting PORTS. Did you mean PORT\?/,
    )
    writeFileSync(file, 'what is this\n')
    assert.throws(() => loadSettings({ PANGOLIN_DATA: folder }), /:1: expected NAME=value/)
    writeFileSync(file, 'PANGOLIN_DATA=/x\n')
    assert.throws(() => loadSettings({ PANGOLIN_DATA: folder }), /only be set in the environment/)
  } finally {
    rmSync(folder, { recursive: true })
  }
})
