/** What `/health/ready` knows: each fault that keeps commits from succeeding is made, and taken away again. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createReadiness } from '../../src/management/readiness.ts'
import { openMemoryStore } from '../../src/stores/memory.ts'
import { watchWrites } from '../../src/stores/watched.ts'
import { launchMongo } from '../services/mongo.ts'
import { launchPostgres } from '../services/postgres.ts'
import { requireService } from '../services/require.ts'
import { faultyStore } from '../stores/faulty.ts'
import { call, startTestServer, type Answer, type TestServer } from './harness.ts'

/** What is promised, and what a busy machine may add to it. */
const [WITHIN_MS, BUSY_MS] = [2000, 1500]

async function ready(server: TestServer): Promise<Answer> {
  const startedAt = performance.now()
  const answer = await call(server, 'GET', '/health/ready', { token: null })
  const ms = performance.now() - startedAt
  assert.ok(ms < WITHIN_MS + BUSY_MS, `answered after ${ms} ms`)
  return answer
}

async function turns(server: TestServer, status: number, seconds = 30): Promise<Answer> {
  const end = performance.now() + seconds * 1000
  for (;;) {
    const answer = await ready(server)
    if (answer.status === status) return answer
    assert.ok(performance.now() < end, `still ${answer.status}: ${answer.text}\n${server.log.slice(-5).join('')}`)
    await sleep(200)
  }
}

const schema = { type: 'struct', fields: [] }
const TABLE = '/v1/lake/namespaces/n/tables/t'
async function withTable(server: TestServer): Promise<void> {
  await call(server, 'POST', '/v1/lake/namespaces', { body: { namespace: ['n'] } })
  assert.equal((await call(server, 'POST', '/v1/lake/namespaces/n/tables', { body: { name: 't', schema } })).status, 200)
}
const commit = (server: TestServer) =>
  call(server, 'POST', TABLE, {
    body: { requirements: [], updates: [{ action: 'set-properties', updates: { a: `${Math.random()}` } }] },
  })

test('SQLite that another process has locked', async (t) => {
  const server = await startTestServer(t, { DATABASE_URL: '', PANGOLIN_REQUEST_TIMEOUT_SECS: '5' })
  await withTable(server)
  assert.equal((await turns(server, 200)).json.store, 'ok')
  const other = new DatabaseSync(join(server.dataDirectory, 'pangolin.db'))
  other.exec('begin immediate')
  const answer = await turns(server, 503)
  assert.deepEqual([answer.json.status, answer.json.store], ['unready', 'unavailable'])
  assert.equal((await call(server, 'GET', '/health/live', { token: null })).status, 200)
  assert.equal((await call(server, 'GET', TABLE)).status, 200, 'reads go on')
  other.exec('rollback')
  other.close()
  await turns(server, 200)
  assert.equal((await commit(server)).status, 200)
})

test('a data folder that was moved away is 503 everywhere, and not 403 or 404', async (t) => {
  const server = await startTestServer(t, { DATABASE_URL: '' })
  await withTable(server)
  await turns(server, 200)
  const away = `${server.dataDirectory}-away`
  renameSync(server.dataDirectory, away)
  t.after(() => rmSync(away, { recursive: true, force: true }))
  try {
    await turns(server, 503)
    const asked: [string, string, unknown?][] = [
      ['GET', TABLE],
      ['POST', TABLE, { requirements: [], updates: [{ action: 'set-properties', updates: { a: 'b' } }] }],
      ['POST', '/v1/lake/namespaces/n/tables', { name: 'u', schema }],
      ['POST', '/v1/lake/namespaces/n/tables', { name: 'u', schema, 'stage-create': true }],
      [
        'POST',
        '/v1/lake/namespaces/n/register',
        { name: 'v', 'metadata-location': `file://${server.dataDirectory}/warehouse/lake/n/x.metadata.json` },
      ],
    ]
    for (const [method, path, body] of asked) {
      const answer = await call(server, method, path, { body })
      assert.equal(answer.status, 503, `${method} ${path}: ${answer.text}`)
    }
  } finally {
    renameSync(away, server.dataDirectory)
  }
  await turns(server, 200)
  assert.equal((await commit(server)).status, 200)
})

test('a folder of local warehouses that is gone, beside a database that is there', async (t) => {
  const server = await startTestServer(t)
  await withTable(server)
  await turns(server, 200)
  const [folder, away] = [join(server.dataDirectory, 'warehouse'), join(server.dataDirectory, 'away')]
  renameSync(folder, away)
  await turns(server, 503)
  assert.equal((await call(server, 'GET', TABLE)).status, 503)
  renameSync(away, folder)
  await turns(server, 200)
  await sleep(100)
  assert.deepEqual(
    readdirSync(folder).filter((name) => name.startsWith('.')),
    [],
    'a probe leaves nothing',
  )
})

/** A small disk of this test's own; undefined where that needs rights that this user does not have. */
function smallDisk(t: TestContext): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'pangolin-disk-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', folder], { stdio: 'pipe' })
  } catch {
    t.skip('a disk can not be mounted here')
    rmSync(folder, { recursive: true })
    return undefined
  }
  return folder
}

/** After everything that is on it has ended. */
function removeDisk(t: TestContext, folder: string): void {
  t.after(() => {
    execFileSync('umount', ['--lazy', folder])
    rmSync(folder, { recursive: true })
  })
}

test('a full disk, and one that can only be read', async (t) => {
  const disk = smallDisk(t)
  if (disk === undefined) return
  const server = await startTestServer(t, { DATABASE_URL: '', PANGOLIN_DATA: disk })
  removeDisk(t, disk)
  await withTable(server)
  await turns(server, 200)
  const filling = join(disk, 'filling')
  for (let bytes = 1 << 20; bytes >= 1; bytes >>= 1) {
    for (;;) {
      try {
        writeFileSync(filling, Buffer.alloc(bytes), { flag: 'a' })
      } catch {
        break
      }
    }
  }
  await turns(server, 503)
  const refused = await commit(server)
  assert.equal(refused.status, 503, refused.text)
  rmSync(filling)
  await turns(server, 200)
  assert.equal((await commit(server)).status, 200)
  const warehouses = join(disk, 'warehouse')
  execFileSync('mount', ['--bind', warehouses, warehouses])
  execFileSync('mount', ['-o', 'remount,ro,bind', warehouses])
  try {
    await sleep(5000)
    await turns(server, 503)
    const unwritable = await commit(server)
    assert.equal(unwritable.status, 503, unwritable.text)
  } finally {
    execFileSync('umount', [warehouses])
  }
  await turns(server, 200)
  assert.equal((await commit(server)).status, 200)
})

test('PostgreSQL that hangs, and that is gone', async (t) => {
  const postgres = requireService(t, await launchPostgres({ isDurable: false }))
  if (postgres === undefined) return
  t.after(() => postgres.stop())
  const url = await postgres.createDatabase()
  const [[folder = '']] = (await postgres.query('show data_directory')) as [[string]]
  const main = Number(readFileSync(join(folder, 'postmaster.pid'), 'utf8').split('\n')[0])
  const server = await startTestServer(t, { DATABASE_URL: url })
  await withTable(server)
  await turns(server, 200)
  const all = (): number[] => [main, ...readFileSync(`/proc/${main}/task/${main}/children`, 'utf8').trim().split(' ').map(Number)]
  const stopped = all()
  for (const pid of stopped) process.kill(pid, 'SIGSTOP')
  try {
    await turns(server, 503)
    await ready(server)
  } finally {
    for (const pid of stopped) process.kill(pid, 'SIGCONT')
  }
  await turns(server, 200, 60)
  await postgres.kill()
  await turns(server, 503)
  await postgres.start()
  await turns(server, 200, 60)
  assert.equal((await commit(server)).status, 200)
  await postgres.query('alter system set default_transaction_read_only = on', url)
  await postgres.query('select pg_reload_conf()', url)
  await turns(server, 503)
  await postgres
    .query('set default_transaction_read_only = off; alter system reset default_transaction_read_only', url)
    .catch(() => undefined)
})

test('MongoDB (a stand-in) that is gone', async (t) => {
  const mongo = requireService(t, await launchMongo({ isDurable: true }))
  if (mongo === undefined) return
  t.after(() => mongo.stop())
  const server = await startTestServer(t, { DATABASE_URL: mongo.createDatabase() })
  await withTable(server)
  await sleep(6000)
  await turns(server, 200)
  await mongo.kill()
  await turns(server, 503)
  await mongo.start()
  await turns(server, 200, 60)
})

async function setUp(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'pangolin-readiness-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const inner = openMemoryStore()
  await inner.migrate()
  const faulty = faultyStore(inner)
  const { store, writes } = watchWrites(faulty)
  const lines: string[] = []
  const log = (event: string): void => void lines.push(event)
  const readiness = createReadiness({ store, writes, needed: [folder], warehouses: join(folder, 'warehouse'), log })
  return { faulty, store, readiness, lines, inner }
}

test('the state is known from the writes of requests, and a probe is rare and leaves nothing', async (t) => {
  const { faulty, store, readiness, lines, inner } = await setUp(t)
  const row = { id: 'a', name: 'a', properties: {}, created_at: 0 }
  await store.write([{ op: 'insert', entity: 'tenants', row }])
  for (let round = 0; round < 3; round++) {
    assert.equal((await readiness.check()).isReady, true)
    await sleep(600)
  }
  assert.equal(faulty.calls.write, 1, 'no probe')
  faulty.inject({ method: 'write', mode: 'before', times: 2 })
  await store.write([{ op: 'remove', entity: 'tenants', key: { id: 'a' }, expected: 'any' }]).catch(() => undefined)
  await sleep(600)
  assert.deepEqual(await readiness.check(), { isReady: false, store: 'unavailable', reason: 'writes fail' })
  const writes = faulty.calls.write
  for (let ask = 0; ask < 100; ask++) await readiness.check()
  assert.equal(faulty.calls.write, writes, 'however often it is asked')
  await sleep(600)
  assert.equal((await readiness.check()).isReady, true, 'by itself, once the cause is gone')
  assert.deepEqual(lines, ['not-ready', 'ready-again'])
  assert.equal((await inner.list('tenants', { index: 'primary', where: {}, limit: 10 })).length, 1)
})

test('what hangs is said within two seconds, to however many ask', async (t) => {
  for (const method of ['get', 'write'] as const) {
    const { faulty, readiness } = await setUp(t)
    let release = (): void => undefined
    const until = new Promise<void>((resolve) => (release = resolve))
    faulty.inject({ method, mode: 'pause', until, times: 1000 })
    const startedAt = performance.now()
    const verdicts = await Promise.all(Array.from({ length: 50 }, () => readiness.check()))
    assert.ok(verdicts.every(({ isReady }) => !isReady))
    assert.ok(performance.now() - startedAt < WITHIN_MS + BUSY_MS)
    for (let round = 0; round < 4; round++) {
      await sleep(600)
      assert.equal((await readiness.check()).isReady, false)
    }
    assert.ok(faulty.calls[method] <= 5)
    faulty.heal()
    release()
    const end = performance.now() + 20_000
    while (!(await readiness.check()).isReady && performance.now() < end) await sleep(100)
    assert.equal((await readiness.check()).isReady, true)
  }
})
