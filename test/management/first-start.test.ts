/** First starts at the same moment, and what settings of the first start do at a later one. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test, type TestContext } from 'node:test'
import { startApp, type App } from '../../src/app.ts'
import { banner } from '../../src/cli/banner.ts'
import { loadSettings, SettingsError } from '../../src/config.ts'
import { openStore } from '../../src/stores/open.ts'

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'pangolin-first-'))
  t.after(() => rmSync(path, { recursive: true, force: true }))
  return path
}

interface Started {
  readonly app: App
  readonly text: string
  readonly log: readonly { readonly event: string; readonly details: Readonly<Record<string, unknown>> }[]
}

async function start(t: TestContext, env: Readonly<Record<string, string>>): Promise<Started> {
  const settings = loadSettings({ PORT: '0', PANGOLIN_SHUTDOWN_GRACE_SECS: '1', ...env })
  const log: { event: string; details: Readonly<Record<string, unknown>> }[] = []
  const app = await startApp(settings, (event, details) => void log.push({ event, details: details ?? {} }))
  t.after(() => app.close())
  return { app, text: banner(app, settings), log }
}

test('servers that start at once on one empty database leave one admin.json, whose token is accepted', async (t) => {
  const shared = {
    DATABASE_URL: `sqlite:${join(folder(t), 'shared.db')}`,
    PANGOLIN_ENCRYPTION_KEY: randomBytes(32).toString('base64'),
    PANGOLIN_JWT_SECRET: randomBytes(32).toString('base64'),
  }
  const servers = await Promise.all([0, 1, 2].map(() => start(t, { ...shared, PANGOLIN_DATA: folder(t) })))
  const files = servers.filter(({ app }) => existsSync(app.adminFile))
  assert.equal(files.length, 1)
  const { token } = JSON.parse(readFileSync(files[0]!.app.adminFile, 'utf8')) as { token: string }
  for (const { app, text } of servers) {
    const answer = await fetch(`${app.url}/api/v1/catalogs`, { headers: { authorization: `Bearer ${token}` } })
    assert.equal(answer.status, 200)
    const isHere = existsSync(app.adminFile)
    assert.equal(app.hasAdminFile, isHere)
    assert.equal(text.includes(`credentials in ${app.adminFile}`), isHere, 'a banner names a file that is there')
    assert.equal(text.includes('pangolin admin create-token'), !isHere)
  }
})

test('an admin.json of another database is not named as where the credentials are', async (t) => {
  const data = folder(t)
  const first = await start(t, { PANGOLIN_DATA: data })
  assert.ok(first.app.hasAdminFile)
  const memory = await start(t, { PANGOLIN_DATA: data, DATABASE_URL: 'memory:' })
  assert.ok(memory.app.hasAdminFile, 'a first start takes the credentials that there are')
  rmSync(first.app.adminFile)
  const again = await start(t, { PANGOLIN_DATA: data })
  assert.ok(!again.app.hasAdminFile)
  assert.match(again.text, /not in .*admin\.json/)
})

test('PANGOLIN_ADMIN_PASSWORD of a later start changes nothing, and says so', async (t) => {
  const data = folder(t)
  const env = { PANGOLIN_DATA: data, PANGOLIN_ADMIN_PASSWORD: 'the first password' }
  const idle = ({ log }: Started) => log.filter(({ event }) => event === 'setting-without-effect')
  assert.deepEqual(idle(await start(t, env)), [])
  assert.deepEqual(idle(await start(t, env)), [], 'the same one says nothing')
  const [said, ...more] = idle(await start(t, { ...env, PANGOLIN_ADMIN_PASSWORD: 'another password' }))
  assert.equal(more.length, 0)
  assert.match(String(said?.details['message']), /first start alone, and admin has another password.*reset-password/)
  assert.ok(!JSON.stringify(said).includes('another password"'), 'and does not show it')
})

test('a database that takes one of the writes of a first start badly is told in a line, and the next start goes on', async (t) => {
  for (const table of ['users', 'warehouses', 'catalogs', 'tenants']) {
    const PANGOLIN_DATA = folder(t)
    const file = join(PANGOLIN_DATA, 'pangolin.db')
    const store = openStore(`sqlite:${file}`)
    await store.migrate()
    await store.close()
    const database = new DatabaseSync(file)
    database.exec(`create trigger "refuse" before insert on "${table}" begin select raise(abort, 'no more room'); end`)
    await assert.rejects(start(t, { PANGOLIN_DATA }), (error: unknown) => {
      assert.ok(error instanceof SettingsError, `${table}: ${String(error)}`)
      assert.match(error.message, /^DATABASE_URL: .*no more room/, table)
      return true
    })
    database.exec('drop trigger "refuse"')
    database.close()
    const { app } = await start(t, { PANGOLIN_DATA })
    assert.deepEqual([app.firstStart, app.hasAdminFile], [true, true])
    const { token } = JSON.parse(readFileSync(app.adminFile, 'utf8')) as { token: string }
    const answer = await fetch(`${app.url}/api/v1/commits?order=asc`, { headers: { authorization: `Bearer ${token}` } })
    const lines = (await answer.json()) as { message: string; author: string; principal_id: string }[]
    assert.deepEqual(
      lines.map(({ message, author }) => `${author}: ${message}`),
      ['user admin', 'warehouse local', 'catalog lake', 'tenant default'].map((what) => `operator: Create ${what}`),
    )
  }
})
