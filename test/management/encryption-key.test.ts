/** A database keeps the id of its encryption key: another key stops the start, and a key is changed without losing a secret. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, test, type TestContext } from 'node:test'
import { openSecretBox } from '../../src/access/secrets.ts'
import { openWarehouses, rekeyParts, startApp, type App } from '../../src/app.ts'
import { storeCommand } from '../../src/cli/store.ts'
import { loadSettings, SettingsError } from '../../src/config.ts'
import { agreeOnKey, keyOfDatabase } from '../../src/management/encryption-key.ts'
import { openMemoryStore } from '../../src/stores/memory.ts'
import { openStore } from '../../src/stores/open.ts'

const newKey = (): string => randomBytes(32).toString('base64')
const ROTATED = { PANGOLIN_PREVIOUS_ENCRYPTION_KEYS: '' }

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'pangolin-keys-'))
  t.after(() => rmSync(path, { recursive: true, force: true }))
  return path
}

type Env = Readonly<Record<string, string>>
const running = new Set<App>()
afterEach(async () => {
  for (const app of running) await app.close()
  running.clear()
})
async function start(data: string, env: Env = {}): Promise<App> {
  const app = await startApp(
    loadSettings({ PORT: '0', PANGOLIN_DATA: data, PANGOLIN_SHUTDOWN_GRACE_SECS: '1', ...env }),
    () => {},
  )
  running.add(app)
  return app
}
async function stop(app: App): Promise<void> {
  running.delete(app)
  await app.close()
}
async function seal(app: App): Promise<void> {
  const answer = await ask(app, 'POST', '/api/v1/warehouses', sealed)
  assert.equal(answer.status, 201, await answer.text())
}

async function ask(app: { url: string; adminFile: string }, method: string, path: string, body?: object): Promise<Response> {
  const { token } = JSON.parse(readFileSync(app.adminFile, 'utf8')) as { token: string }
  return fetch(`${app.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body && { body: JSON.stringify(body) }),
  })
}

const sealed = {
  name: 'sealed',
  storage_config: {
    's3.bucket': 'bucket',
    's3.endpoint': 'http://127.0.0.1:1',
    's3.access-key-id': 'id',
    's3.secret-access-key': 'hush',
  },
}

async function rekey(data: string, env: Env): Promise<{ code: number; out: string; err: string }> {
  const text = { out: '', err: '' }
  const code = await storeCommand(['rekey'], {
    environment: { PANGOLIN_DATA: data, ...env },
    openWarehouses,
    rekeyParts,
    out: (line) => (text.out += line),
    err: (line) => (text.err += line),
  })
  return { code, ...text }
}

const refusedKey = (error: unknown): true => {
  assert.ok(error instanceof SettingsError, String(error))
  assert.match(error.message, /sealed with the encryption key [0-9a-f]{12}, and the key given is [0-9a-f]{12}\. .*store rekey/)
  return true
}

test('a key is changed with both keys given, by store rekey, and the old one is refused from then on', async (t) => {
  const data = folder(t)
  const [old, next] = [newKey(), newKey()]
  const before = await start(data, { PANGOLIN_ENCRYPTION_KEY: old })
  await seal(before)
  await stop(before)
  await assert.rejects(start(data, { PANGOLIN_ENCRYPTION_KEY: next }), refusedKey)
  const both = { PANGOLIN_ENCRYPTION_KEY: next, PANGOLIN_PREVIOUS_ENCRYPTION_KEYS: old }
  const during = await start(data, both)
  const opens = async (app: App) => {
    const answer = await ask(app, 'POST', '/api/v1/warehouses/sealed/test')
    assert.equal(answer.status, 200, await answer.text())
  }
  await opens(during)
  // Beside the running server.
  assert.deepEqual(await rekey(data, both), {
    code: 0,
    out: '1 of 2 warehouses sealed anew. The key before is not needed any more, but for older backups.\n',
    err: '',
  })
  await opens(during)
  await stop(during)
  await assert.rejects(start(data, { PANGOLIN_ENCRYPTION_KEY: old }), refusedKey)
  const after = await start(data, { PANGOLIN_ENCRYPTION_KEY: next, ...ROTATED })
  await opens(after)
  await stop(after)
  assert.match((await rekey(data, { PANGOLIN_ENCRYPTION_KEY: next })).out, /^0 of 2 warehouses/)
  assert.match((await rekey(data, { PANGOLIN_ENCRYPTION_KEY: old })).err, /is not among the keys given|sealed with/)
})

test('a server with another data folder does not start beside the secrets of the first, and leaves no key behind', async (t) => {
  const [data, other] = [folder(t), folder(t)]
  await stop(await start(data))
  const url = `sqlite:${join(data, 'pangolin.db')}`
  const message = /are sealed with the encryption key [0-9a-f]{12}, and none is given: .*keys\/encryption/
  await assert.rejects(
    start(other, { DATABASE_URL: url }),
    (error) => error instanceof SettingsError && message.test(error.message),
  )
  assert.ok(!existsSync(join(other, 'keys', 'encryption')))
})

test('a database of before takes the key that opens its secrets, and no other', async (t) => {
  const data = folder(t)
  const app = await start(data)
  await seal(app)
  await stop(app)
  const store = openStore(`sqlite:${join(data, 'pangolin.db')}`)
  const row = await store.get('settings', { name: 'encryption-key' })
  await store.write([{ op: 'remove', entity: 'settings', key: { name: 'encryption-key' }, expected: row!.version }])
  await assert.rejects(start(data, { PANGOLIN_ENCRYPTION_KEY: newKey() }), refusedKey)
  assert.equal(await keyOfDatabase(store), undefined, 'a refused server names no key')
  await stop(await start(data))
  assert.equal(await keyOfDatabase(store), row!.value)
  await store.close()
})

test('of two first starts with different keys one names its key, and the other is refused', async () => {
  for (let round = 0; round < 20; round++) {
    const store = openMemoryStore()
    await store.migrate()
    const boxes = [1, 2, 3].map(() => openSecretBox({ key: randomBytes(32) }))
    const outcomes = await Promise.allSettled(boxes.map((box) => agreeOnKey(store, box, Date.now)))
    assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1)
    const known = await keyOfDatabase(store)
    assert.ok(boxes.some(({ keyId }, i) => keyId === known && outcomes[i]!.status === 'fulfilled'))
  }
})
