/** PostgreSQL as others run it: with TLS, behind PgBouncer, and with two versions of this program on one database. */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'pg'
import { migrateSchema, migrations } from '../../../src/stores/sql/migrations.ts'
import { openPostgresStore, postgresDialect } from '../../../src/stores/sql/postgres.ts'
import type { StoreError } from '../../../src/stores/store.ts'
import { startPgBouncer } from '../../services/pgbouncer.ts'
import { launchPostgres, startPostgres, stopSharedPostgres } from '../../services/postgres.ts'
import { requireService } from '../../services/require.ts'
import { entry, insert, replace, storeError, tenant, writeOne } from '../suite/rows.ts'
import { fixture } from './postgres-fixture.ts'

after(stopSharedPostgres)

interface Certificate {
  readonly certificate: string
  readonly key: string
  /** Of the authority that signed it. */
  readonly authority: string
}

const openssl = spawnSync('openssl', ['version']).status === 0 ? { value: true } : { missing: 'no openssl on the PATH' }

/** A certificate for a host name, by an authority of its own. */
function certify(folder: string, hostName: string): Certificate {
  const run = (...parameters: string[]): void => void execFileSync('openssl', parameters, { cwd: folder, stdio: 'pipe' })
  const read = (name: string): string => readFileSync(join(folder, name), 'utf8')
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  run('req', '-x509', ...newKey, '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '2', '-subj', '/CN=authority of a test')
  run('req', ...newKey, '-keyout', 'server.key', '-out', 'server.csr', '-subj', '/CN=server of a test')
  writeFileSync(join(folder, 'names'), `subjectAltName=DNS:${hostName}\n`)
  const signing = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2', '-extfile', 'names']
  run('x509', '-req', '-in', 'server.csr', '-out', 'server.pem', ...signing)
  return { certificate: read('server.pem'), key: read('server.key'), authority: join(folder, 'ca.pem') }
}

function temporary(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'pangolin-tls-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

test('postgres: TLS is checked as far as the URL asks for it', async (t) => {
  if (requireService(t, openssl) === undefined) return
  const ours = certify(temporary(t), 'localhost')
  const foreign = certify(temporary(t), 'localhost')
  const server = requireService(t, await launchPostgres({ isDurable: false, tls: ours }))
  if (server === undefined) return
  t.after(() => server.stop())
  const database = new URL(await server.createDatabase())
  const open = (host: string, parameters: Record<string, string>) => {
    const url = Object.assign(new URL(database), { hostname: host, search: new URLSearchParams(parameters).toString() }).href
    const store = openPostgresStore({ url })
    t.after(() => store.close())
    return store
  }
  const encrypted = `select count(*) from pg_stat_ssl join pg_stat_activity using (pid)
    where ssl and application_name = 'pangolin' and datname = '${database.pathname.slice(1)}'`

  const checked = open('localhost', { sslmode: 'verify-full', sslrootcert: ours.authority })
  await checked.migrate()
  await checked.write([insert('tenants', tenant())])
  const count = async (): Promise<number> => Number((await server.query(encrypted))[0]?.[0])
  assert.equal(await count(), 1, 'the connection is encrypted')
  await open('localhost', { sslmode: 'no-verify' }).get('tenants', tenant())
  assert.equal(await count(), 2, 'encrypted, and not checked')

  const refused = async (host: string, parameters: Record<string, string>, reason: RegExp): Promise<void> => {
    await assert.rejects(open(host, parameters).get('tenants', tenant()), (error: Error) => {
      assert.match(error.message, reason)
      assert.ok(!error.message.includes(database.password), 'the message holds the password')
      return storeError('unavailable')(error)
    })
  }
  await refused('localhost', { sslmode: 'verify-full', sslrootcert: foreign.authority }, /certificate|signature/)
  await refused('localhost', { sslmode: 'verify-full' }, /certificate/)
  await refused('127.0.0.1', { sslmode: 'verify-full', sslrootcert: ours.authority }, /altnames|IP: 127\.0\.0\.1/)
  assert.equal(await count(), 2, 'whoever could not be checked was sent nothing')
})

test('postgres: without TLS on the server verify-full is refused, and nothing is sent in the clear', async (t) => {
  const use = await fixture(t)
  if (use === undefined) return
  const store = use.open({ url: `${use.url}?sslmode=verify-full` })
  await assert.rejects(store.get('tenants', tenant()), storeError('unavailable'))
})

test('postgres: behind PgBouncer clients meet what others have prepared, and it is what they would have', async (t) => {
  const use = await fixture(t)
  if (use === undefined) return
  const bouncer = requireService(t, await startPgBouncer(use.url))
  if (bouncer === undefined) return
  t.after(() => bouncer.stop())
  const stores = Array.from({ length: 3 }, () => use.open({ url: bouncer.urlOf(use.url), maxConnections: 4 }))
  const rows = Array.from({ length: 60 }, (_, n) => tenant({ created_at: n }))
  await Promise.all(
    rows.map(async (row, n) => {
      const store = stores[n % 3]!
      const version = await writeOne(store, insert('tenants', row))
      await store.write([replace('tenants', { ...row, properties: { n: String(n) } }, version), insert('entries', entry())])
      const others = await stores[(n + 1) % 3]!.getMany('tenants', [row, rows[(n + 1) % 60]!])
      assert.deepEqual(others[0]?.properties, { n: String(n) })
      await assert.rejects(stores[(n + 2) % 3]!.write([insert('tenants', row)]), storeError('conflict'))
    }),
  )
  const all = await stores[0]!.list('tenants', { index: 'primary', where: {}, limit: 1000 })
  assert.equal(all.length, 60)
})

test('postgres: a database that acknowledges too early is told not to, in each transaction', async (t) => {
  const use = await fixture(t)
  if (use === undefined) return
  const name = new URL(use.url).pathname.slice(1)
  await use.server.query(`alter database ${name} set synchronous_commit = off`)
  // What is in force when a row is written ends up in the row.
  await use.server.query(
    `create function note() returns trigger language plpgsql as $$ begin
       new.name = new.name || ' ' || current_setting('synchronous_commit'); return new; end $$;
     create trigger note before insert on tenants for each row execute function note()`,
    use.url,
  )
  const store = use.open()
  const row = tenant()
  await store.write([insert('tenants', row)])
  assert.equal((await store.get('tenants', row))?.name, `${row.name} on`)
})

/** What a newer version may do to a schema that an older one is using: add. */
const newer = [
  ...migrations,
  {
    number: migrations.length + 1,
    name: 'of the next version',
    statements: () => [
      'alter table "entries" add column "note" text',
      `alter table "tenants" add column "rank" bigint not null default 0`,
      'create index "entries_by_note" on "entries" ("note")',
      'create table "notes" ("id" text not null primary key)',
    ],
  },
]

test('postgres: a server goes on while a newer one changes the schema; started again it refuses', async (t) => {
  const use = await fixture(t)
  if (use === undefined) return
  const old = use.open()
  const row = tenant()
  let version = await writeOne(old, insert('tenants', row))
  const state = { isOver: false, changes: 0 }
  const load = (async () => {
    while (!state.isOver) {
      const [next] = await old.write([
        replace('tenants', { ...row, created_at: ++state.changes }, version),
        insert('entries', entry({ tenant_id: randomUUID() })),
      ])
      version = next ?? 0
      assert.equal((await old.get('tenants', row))?.created_at, state.changes)
      await old.list('entries', { index: 'primary', where: {}, limit: 5 })
    }
  })()
  load.catch(() => undefined)
  while (state.changes < 20) await old.get('tenants', row)
  const client = new Client({ connectionString: use.url })
  await client.connect()
  t.after(() => client.end())
  const session = {
    execute: async (sql: string) => void (await client.query(sql)),
    rows: async (sql: string) => (await client.query<(string | null)[]>({ text: sql, rowMode: 'array' })).rows,
  }
  // Of the two, the database may break off this one: then it is begun anew, as a server does.
  for (let isDone = false; !isDone;) {
    await client.query('begin')
    try {
      await migrateSchema(postgresDialect, session, newer)
      isDone = true
    } catch (error) {
      if ((error as { code?: string }).code !== '40P01') throw error
    }
    await client.query(isDone ? 'commit' : 'rollback')
  }
  const at = state.changes
  while (state.changes < at + 20) await Promise.race([load, old.get('tenants', row)])
  state.isOver = true
  await load
  assert.deepEqual(await use.server.query(`select rank, created_at from tenants where id = '${row.id}'`, use.url), [
    ['0', String(state.changes)],
  ])
  await assert.rejects(use.open().migrate(), (error: StoreError) => {
    const { length } = migrations
    assert.match(error.message, new RegExp(`schema version ${length + 1}; this program knows versions up to ${length}\\b`))
    return storeError('unavailable')(error)
  })
})

test('postgres: a migration that a running server deadlocks with is begun anew', async (t) => {
  const use = requireService(t, await startPostgres())
  if (use === undefined) return
  const url = await use.createDatabase()
  const server = new Client({ connectionString: url })
  await server.connect()
  t.after(() => server.end())
  const session = {
    execute: async (sql: string) => void (await server.query(sql)),
    rows: async (sql: string) => (await server.query<(string | null)[]>({ text: sql, rowMode: 'array' })).rows,
  }
  await migrateSchema(postgresDialect, session, migrations.slice(0, 12))
  // As a change of a warehouse does, which comes to its line in the log last.
  await server.query('begin')
  await server.query('lock table "warehouses" in row exclusive mode')
  const store = openPostgresStore({ url })
  t.after(() => store.close())
  const migrated = store.migrate()
  migrated.catch(() => undefined)
  const held = `select count(*) from pg_locks where granted and relation = '"commits"'::regclass and mode = 'AccessExclusiveLock'`
  const waits = `select count(*) from pg_locks where not granted and relation = '"warehouses"'::regclass`
  for (const query of [held, waits]) while (Number((await session.rows(query))[0]?.[0]) === 0) await sleep(10)
  // Of the two, the database breaks off the one that finds out first.
  await server.query('set local deadlock_timeout = 20000')
  await server.query('lock table "commits" in row exclusive mode')
  await server.query('commit')
  await migrated
  assert.equal((await session.rows('select max("number") from "schema_migrations"'))[0]?.[0], String(migrations.length))
})
