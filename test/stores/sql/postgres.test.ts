/** What is particular to PostgreSQL: connections that break, a server that dies, round trips, processes, other servers. */
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { after, test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { migrations } from '../../../src/stores/sql/migrations.ts'
import { variantOf } from '../../../src/stores/sql/postgres-variants.ts'
import { openPostgresStore } from '../../../src/stores/sql/postgres.ts'
import { StoreError, type Store } from '../../../src/stores/store.ts'
import { launchPostgres, startPostgres, stopSharedPostgres } from '../../services/postgres.ts'
import { requireService } from '../../services/require.ts'
import { startTcpProxy, type TcpProxy } from '../../services/tcp-proxy.ts'
import { conflict, entry, insert, namespace, remove, replace, require, storeError, tenant, writeOne } from '../suite/rows.ts'
import { fixture, holdRow, type Fixture } from './postgres-fixture.ts'

after(stopSharedPostgres)

async function proxied(t: TestContext, { url, open }: Fixture): Promise<{ proxy: TcpProxy; store: Store }> {
  const proxy = await startTcpProxy(url)
  const store = open({ url: proxy.urlOf(url), maxConnections: 4 })
  t.after(() => proxy.close())
  return { proxy, store }
}

test('postgres: each call is one round trip, and calls at once share them', async (t) => {
  const use = await fixture(t)
  if (use === undefined) return
  const { proxy, store } = await proxied(t, use)
  const tripsOf = async (calls: () => Promise<unknown>): Promise<number> => {
    await calls().catch(() => undefined)
    // What the pool does on the side, such as opening a connection when an answer is slow, is not of a call: the least counts.
    const seen: number[] = []
    for (let round = 0; round < 3; round++) {
      await sleep(30)
      const trips = proxy.roundTrips
      await calls().catch(() => undefined)
      seen.push(proxy.roundTrips - trips)
    }
    return Math.min(...seen)
  }
  const rows = Array.from({ length: 50 }, () => tenant())
  await store.write(rows.map((row) => insert('tenants', row)))
  const space = namespace()
  const version = await writeOne(store, insert('namespaces', space))
  const batch = (): Promise<unknown> =>
    store.write([
      require('namespaces', space, version),
      insert('entries', entry()),
      require('entries', entry(), 'none'),
      { op: 'requireEmpty', entity: 'entries', index: 'primary', where: { tenant_id: randomUUID() } },
      insert('tenants', tenant()),
    ])
  assert.equal(await tripsOf(() => store.get('tenants', rows[0] ?? tenant())), 1)
  assert.equal(await tripsOf(() => store.getMany('tenants', rows)), 1)
  assert.equal(await tripsOf(() => store.list('tenants', { index: 'by_name', where: {}, limit: 100 })), 1)
  assert.equal(await tripsOf(batch), 1)
  assert.equal(await tripsOf(() => store.write([insert('tenants', tenant()), insert('tenants', rows[0] ?? tenant())])), 1)
  const together = await tripsOf(() => Promise.all(rows.map((row) => store.get('tenants', row))))
  assert.ok(together <= 2, `${together} round trips for 50 reads`)
})

test('postgres: a connection that breaks makes a write unknown, and changes no read', async (t) => {
  const use = await fixture(t)
  if (use === undefined) return
  const { proxy, store } = await proxied(t, use)
  const direct = use.open()
  for (let round = 0; round < 5; round++) {
    const [first, second, third] = [tenant(), tenant(), tenant()]
    await store.write([insert('tenants', first)])
    proxy.breakNext('request')
    await assert.rejects(store.write([insert('tenants', second)]), storeError('unknown'))
    assert.equal(await store.get('tenants', second), undefined)
    proxy.breakNext('answer')
    await assert.rejects(store.write([insert('tenants', third)]), storeError('unknown'))
    assert.equal((await store.get('tenants', third))?.id, third.id)
    proxy.breakNext(round % 2 === 0 ? 'request' : 'answer')
    const reads = await Promise.all([first, second, third].map((row) => store.get('tenants', row)))
    assert.deepEqual(
      reads.map((row) => row?.id),
      [first.id, undefined, third.id],
    )
    proxy.breakNext('answer')
    assert.equal((await store.getMany('tenants', [first, third])).length, 2)
    proxy.breakNext('request', 100)
    await assert.rejects(store.get('tenants', first), storeError('unavailable'))
    await assert.rejects(store.list('tenants', { index: 'primary', where: {}, limit: 1 }), storeError('unavailable'))
    proxy.breakNext('request', 0)
    assert.deepEqual(await store.get('tenants', first), await direct.get('tenants', first))
  }
})

test('postgres: a backend that is ended in the middle of a batch makes it unavailable, and nothing of it is there', async (t) => {
  const use = await fixture(t)
  if (use === undefined) return
  const store = use.open({ maxConnections: 3 })
  const [locked, other] = [tenant(), tenant()]
  const version = await writeOne(store, insert('tenants', locked))
  const letGo = await holdRow(use, locked.id)
  const write = store.write([insert('tenants', other), replace('tenants', { ...locked, created_at: 1 }, version)])
  const rejection = assert.rejects(write, storeError('unavailable'))
  const waiting = `select pid from pg_stat_activity where wait_event_type = 'Lock' and application_name = 'pangolin'`
  while ((await use.server.query(waiting, use.url)).length === 0) await sleep(10)
  assert.equal((await store.get('tenants', locked))?.created_at, locked.created_at, 'reads go on')
  await use.server.query(`select pg_terminate_backend(pid) from (${waiting}) waiting`, use.url)
  await rejection
  await letGo()
  assert.equal(await store.get('tenants', other), undefined)
  await store.write([insert('tenants', other), replace('tenants', { ...locked, created_at: 1 }, version)])
  await use.server.query(
    `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'pangolin' and datname = current_database()`,
    use.url,
  )
  await sleep(50)
  assert.equal((await store.get('tenants', locked))?.created_at, 1, 'ended while they were idle')
  await store.write([insert('tenants', tenant())])
})

test('postgres: one connection is enough, and more writers than connections wait', async (t) => {
  const use = await fixture(t)
  if (use === undefined) return
  const store = use.open({ maxConnections: 1, minConnections: 0 })
  const rows = Array.from({ length: 30 }, () => tenant())
  await Promise.all(rows.map((row) => store.write([insert('tenants', row)])))
  assert.ok((await Promise.all(rows.map((row) => store.get('tenants', row)))).every((row) => row !== undefined))
  const name = new URL(use.url).pathname.slice(1)
  const [[count] = []] = await use.server.query(
    `select count(*) from pg_stat_activity where datname = '${name}' and application_name = 'pangolin'`,
  )
  // The store that migrated has one, too.
  assert.ok(Number(count) <= 2, `${count} connections`)
  const impatient = use.open({ maxConnections: 1, connectTimeoutMs: 300, statementTimeoutMs: 3000 })
  const locked = rows[0] ?? tenant()
  const letGo = await holdRow(use, locked.id)
  const blocked = impatient.write([remove('tenants', locked, 'any')])
  await assert.rejects(impatient.get('tenants', locked), storeError('unavailable'))
  await letGo()
  await blocked
})

const childFile = new URL('child.ts', import.meta.url).pathname

function startChild(task: string, url: string, argument = ''): ChildProcess {
  return spawn(process.execPath, ['--disable-warning=ExperimentalWarning', childFile, task, url, argument], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}

test('postgres: a server that falls silent is not waited for', async (t) => {
  const use = await fixture(t)
  if (use === undefined) return
  const proxy = await startTcpProxy(use.url)
  t.after(() => proxy.close())
  const store = use.open({ url: proxy.urlOf(use.url), statementTimeoutMs: 200, connectTimeoutMs: 1000 })
  const row = tenant()
  await store.write([insert('tenants', tenant())])
  proxy.breakNext('silence')
  await assert.rejects(store.write([insert('tenants', row)]), storeError('unknown'))
  assert.equal((await store.get('tenants', row))?.id, row.id)
  proxy.breakNext('silence')
  assert.equal((await store.get('tenants', row))?.id, row.id)
  proxy.breakNext('silence', 100)
  await assert.rejects(store.get('tenants', row), storeError('unavailable'))
  await assert.rejects(store.write([insert('tenants', tenant())]), storeError('unavailable'), 'no connection')
  proxy.breakNext('silence', 0)
  await store.write([insert('tenants', tenant())])
})

test("postgres: the client's library is loaded at first use, and a store at rest does not keep the process alive", async (t) => {
  const use = await fixture(t)
  if (use === undefined) return
  const code = `
    import { createRequire } from 'node:module'
    const { openStore } = await import(${JSON.stringify(new URL('../../../src/stores/open.ts', import.meta.url).href)})
    const loaded = () => Object.keys(createRequire(import.meta.url).cache).some((file) => /node_modules.pg.lib/.test(file))
    const store = openStore(process.env.URL)
    const before = loaded()
    await store.get('tenants', { id: 'a' })
    process.exitCode = !before && loaded() ? 0 : 1`
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
    env: { ...process.env, URL: use.url },
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  assert.deepEqual((await once(child, 'close'))[0], 0)
})

test('postgres: several processes start on an empty database at once, and their counters lose nothing', async (t) => {
  const server = requireService(t, await startPostgres())
  if (server === undefined) return
  const url = await server.createDatabase()
  const finish = async (child: ChildProcess): Promise<void> => {
    child.stdout?.resume()
    const [code] = await once(child, 'close')
    assert.equal(code, 0)
  }
  const stores = Array.from({ length: 6 }, () => openPostgresStore({ url }))
  t.after(() => Promise.all(stores.map((store) => store.close())))
  await Promise.all([...stores.map((store) => store.migrate()), ...[1, 2].map(() => finish(startChild('migrate', url)))])
  const [store] = stores
  assert.ok(store)
  const row = tenant({ created_at: 0 })
  await store.write([insert('tenants', row)])
  await Promise.all([1, 2, 3].map(() => finish(startChild('increment', url, row.id))))
  assert.equal((await store.get('tenants', row))?.created_at, 300)
})

test('postgres: a server that is killed under load and started again has all that was acknowledged, and no half of a batch', async (t) => {
  const server = requireService(t, await launchPostgres({ isDurable: true }))
  if (server === undefined) return
  t.after(() => server.stop())
  const url = await server.createDatabase()
  const store = openPostgresStore({ url })
  t.after(() => store.close())
  await store.migrate()
  const acknowledged: string[] = []
  const unknown: string[] = []
  const refused: string[] = []
  const state = { writing: true }
  const writer = async (): Promise<void> => {
    while (state.writing) {
      const id = randomUUID()
      try {
        await store.write([insert('tenants', tenant({ id })), insert('entries', entry({ tenant_id: id }))])
        acknowledged.push(id)
      } catch (error) {
        assert.ok(error instanceof StoreError && error.kind !== 'conflict', String(error))
        ;(error.kind === 'unknown' ? unknown : refused).push(id)
        await sleep(5)
      }
    }
  }
  const writers = Promise.all(Array.from({ length: 8 }, writer))
  for (let round = 0; round < 3; round++) {
    const before = acknowledged.length
    while (acknowledged.length < before + 50) await sleep(5)
    await server.kill()
    await server.start()
    const after = acknowledged.length
    while (acknowledged.length < after + 10) await sleep(5)
  }
  state.writing = false
  await writers
  const ids = (await store.list('tenants', { index: 'primary', where: {}, limit: 1_000_000 })).map(({ id }) => id)
  const entries = await store.list('entries', { index: 'primary', where: {}, limit: 1_000_000 })
  assert.deepEqual(
    entries.map(({ tenant_id }) => tenant_id),
    ids,
  )
  const there = new Set(ids)
  assert.deepEqual(
    acknowledged.filter((id) => !there.has(id)),
    [],
    'acknowledged and lost',
  )
  assert.deepEqual(
    refused.filter((id) => there.has(id)),
    [],
    'said to have changed nothing, and there',
  )
  t.diagnostic(
    `${acknowledged.length} acknowledged; ${unknown.length} unknown, of which ${unknown.filter((id) => there.has(id)).length} are there; ${refused.length} refused`,
  )
})

test('postgres: a newer schema is refused and left as it is; a migration that fails leaves nothing', async (t) => {
  const use = await fixture(t)
  if (use === undefined) return
  const number = migrations.length + 1
  await use.server.query(`insert into "schema_migrations" values (${number}, 'of the future')`, use.url)
  await assert.rejects(use.open().migrate(), (error: Error) => {
    storeError('unavailable')(error)
    assert.match(error.message, new RegExp(`schema version ${number}.*up to ${migrations.length}`))
    return true
  })
  const url = await use.server.createDatabase()
  await use.server.query('create table "entries" (x int)', url)
  const store = use.open({ url })
  await assert.rejects(store.migrate(), storeError('unavailable'))
  const tables = `select table_name from information_schema.tables where table_schema = 'public' order by 1`
  assert.deepEqual(await use.server.query(tables, url), [['entries'], ['schema_lock']])
  await use.server.query('drop table "entries"', url)
  await store.migrate()
  await store.write([insert('tenants', tenant())])
})

test('postgres: a server that could not keep the promises is refused', async (t) => {
  const use = await fixture(t)
  if (use === undefined) return
  const { server } = use
  await server.query(`create database ascii encoding 'SQL_ASCII' template template0`)
  await server.query('create database readonly')
  await server.query('alter database readonly set default_transaction_read_only = on')
  const refused = async (database: string, message: RegExp): Promise<void> => {
    const url = Object.assign(new URL(use.url), { pathname: `/${database}` }).href
    await assert.rejects(
      use.open({ url }).migrate(),
      (error: Error) => storeError('unavailable')(error) && message.test(error.message),
    )
  }
  await refused('ascii', /UTF8/)
  await refused('readonly', /standby|read-only/)
})

test('postgres: errors hold nothing of the secrets in the URL', async (t) => {
  const use = await fixture(t)
  if (use === undefined) return
  const { host } = new URL(use.url)
  const urls = [
    `postgres://tests:hush-word@${host}/postgres`,
    `postgres://hush-user:hush-word@${host}/postgres`,
    `postgres://hush-user:hush-word@127.0.0.1:1/postgres`,
    `postgres://tests:hush-word@${host}/missing`,
    `postgresql://tests:hush-word@${host}/postgres?sslmode=verify-full`,
    `postgres://tests@${host}/postgres?password=hush-word&sslrootcert=hush-word`,
    `postgres://tests:hush%2Dword@host.invalid/postgres`,
  ]
  for (const url of urls) {
    await assert.rejects(use.open({ url }).get('tenants', tenant()), (error: StoreError) => {
      storeError('unavailable')(error)
      assert.equal(error.cause, undefined)
      assert.match(error.message, /no connection: ./)
      assert.doesNotMatch(`${error.message} ${error.stack}`, /hush/, url)
      return true
    })
  }
  assert.throws(
    () => openPostgresStore({ url: 'postgres://hush:hush@:x:y/d' }),
    (error: Error) => error instanceof TypeError && !/hush/.test(error.message),
  )
})

test('postgres: a lost race is a conflict that names its step, however often', async (t) => {
  const use = await fixture(t)
  if (use === undefined) return
  const store = use.open({ maxConnections: 2 })
  const row = tenant()
  const version = await writeOne(store, insert('tenants', row))
  for (let i = 0; i < 20; i++) {
    await assert.rejects(store.write([insert('tenants', tenant()), replace('tenants', row, version - 1)]), conflict(1))
    await assert.rejects(
      store.write([require('tenants', row, version), insert('tenants', tenant({ name: row.name }))]),
      conflict(1),
    )
  }
})

test('databases of the same protocol are told apart', () => {
  const postgres = variantOf('PostgreSQL 15.18 (Debian 15.18-0+deb12u1) on x86_64-pc-linux-gnu')
  assert.deepEqual(postgres, { checksVersion: true, text: 'text collate "C"' })
  assert.equal(variantOf('CockroachDB CCL v25.2.0 (x86_64-pc-linux-gnu)').text, 'text')
  assert.equal(variantOf('PostgreSQL 11.2-YB-2.20.1.0-b0 on x86_64-pc-linux-gnu').checksVersion, false)
})
