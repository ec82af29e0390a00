/** A server that starts on a database of the version before, with everything in it. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { migrations } from '../../src/stores/sql/migrations.ts'
import { sqliteDialect } from '../../src/stores/sql/sqlite.ts'
import { startServer } from '../clients/server.ts'
import { setting, viewVersion } from '../requests.ts'

/** Of the version before. */
const RELEASED = 3

const schema = { type: 'struct', fields: [{ id: 1, name: 'id', type: 'long', required: true }] }
const report = {
  'report-type': 'scan-report',
  'table-name': 't',
  'snapshot-id': 1,
  filter: true,
  'schema-id': 0,
  'projected-field-ids': [1],
  'projected-field-names': ['id'],
  metrics: {},
}

/** Takes back what later migrations added, and with it what a newer server noted there. */
function takeBack(path: string, number: number): void {
  const database = new DatabaseSync(path)
  const older = new DatabaseSync(':memory:')
  for (const migration of migrations.slice(0, number)) {
    for (const sql of migration.statements(sqliteDialect)) older.exec(sql)
  }
  const names = (of: DatabaseSync, sql: string, ...values: string[]): string[] =>
    of
      .prepare(sql)
      .all(...values)
      .map(({ name }) => String(name))
  const gone = (sql: string, ...values: string[]): string[] => {
    const kept = names(older, sql, ...values)
    return names(database, sql, ...values).filter((name) => !kept.includes(name))
  }
  const all = (type: string) => `select name from sqlite_schema where type = '${type}' and name not like 'sqlite_%'`
  for (const index of gone(`${all('index')} and tbl_name in (select name from sqlite_schema where name <> 'settings')`))
    database.exec(`drop index "${index}"`)
  for (const table of gone(`${all('table')} and name <> 'schema_migrations'`)) database.exec(`drop table "${table}"`)
  for (const table of names(older, all('table'))) {
    for (const column of gone('select name from pragma_table_info(?)', table))
      database.exec(`alter table "${table}" drop column "${column}"`)
  }
  database.exec(`delete from "schema_migrations" where "number" > ${number}`)
  older.close()
  database.close()
}

test('a server starts on a database of the version before and goes on with what is in it', { timeout: 120_000 }, async (t) => {
  const server = await startServer({ database: 'sqlite' })
  t.after(() => server.stop())
  // oxlint-disable-next-line no-explicit-any -- answers of many shapes
  const ask = async (status: number, method: string, path: string, body?: object): Promise<any> => {
    const headers = { authorization: `Bearer ${server.adminToken}`, 'content-type': 'application/json' }
    const answer = await fetch(server.url + path, { method, headers, ...(body && { body: JSON.stringify(body) }) })
    const text = await answer.text()
    assert.equal(answer.status, status, `${method} ${path}: ${text}`)
    return text === '' ? undefined : JSON.parse(text)
  }
  const at = '/v1/lake/namespaces'
  const told = async (namespace: string): Promise<string> => (await ask(200, 'GET', `${at}/${namespace}`)).properties.location
  await ask(200, 'POST', '/v1/lake/namespaces', { namespace: ['n'] })
  const place = `${await told('n')}-place`
  await ask(200, 'POST', at, { namespace: ['located'], properties: { location: place } })
  const created = await ask(200, 'POST', `${at}/n/tables`, { name: 't', schema })
  for (const name of ['renamed', 'dropped', 'purged', 'purging', 'unregistered']) {
    await ask(200, 'POST', `${at}/n/tables`, { name, schema })
  }
  await ask(200, 'POST', `${at}/n/views`, { name: 'v', schema, 'view-version': viewVersion('n'), properties: {} })
  await ask(204, 'POST', `${at}/n/tables/t/metrics`, report)
  const purging = await ask(200, 'GET', `${at}/n/tables/purging`)

  await server.stop({ keepData: true })
  takeBack(join(server.dataDir, 'pangolin.db'), RELEASED)
  // A purge that was decided and not begun with.
  const database = new DatabaseSync(join(server.dataDir, 'pangolin.db'))
  const row = database.prepare(`select * from "entries" where "name" = 'purging'`).get()!
  const { id: entry_id, catalog_id, location, metadata_location } = row
  const catalog = database.prepare(`select * from "catalogs" where "id" = ?`).get(catalog_id as string)
  const warehouse_name = catalog?.['warehouse_name']
  const payload = { catalog_id, warehouse_name, entry_id, table: 'n.purging', location, metadata_location }
  const task = `insert into "tasks" ("id", "tenant_id", "kind", "payload", "due_at", "attempts", "created_at", "version")
    values ('old', ?, 'purge-table', ?, 0, 0, 0, 1)`
  database.prepare(task).run(row['tenant_id'] as string, JSON.stringify(payload))
  database.exec(`delete from "entries" where "name" = 'purging'`)
  database.close()
  await server.restart()

  const loaded = await ask(200, 'GET', `${at}/n/tables/t`)
  assert.deepEqual([loaded.metadata, loaded['metadata-location']], [created.metadata, created['metadata-location']])
  await ask(200, 'POST', `${at}/n/tables/t`, setting('one'))
  await ask(204, 'POST', '/v1/lake/transactions/commit', {
    'table-changes': [{ identifier: { namespace: ['n'], name: 't' }, ...setting('two') }],
  })
  const { metadata } = await ask(200, 'GET', `${at}/n/tables/t`)
  assert.deepEqual(
    [metadata.properties, metadata['table-uuid']],
    [{ ...created.metadata.properties, one: 'x', two: 'x' }, created.metadata['table-uuid']],
  )
  await ask(200, 'POST', `${at}/n/views/v`, { updates: [{ action: 'set-properties', updates: { a: 'b' } }] })
  const names = { source: { namespace: ['n'], name: 'renamed' }, destination: { namespace: ['n'], name: 'other' } }
  await ask(204, 'POST', '/v1/lake/tables/rename', names)
  await ask(200, 'POST', `${at}/n/tables/other`, setting('one'))
  await ask(204, 'DELETE', `${at}/n/tables/dropped`)
  await ask(204, 'DELETE', `${at}/n/tables/purged?purgeRequested=true`)
  const left = await ask(200, 'POST', `${at}/n/tables/unregistered/unregister`, {})
  await ask(200, 'POST', `${at}/n/register`, { name: 'back', 'metadata-location': left['metadata-location'] })

  // Unchecked as it is now, the property of a namespace is told and has no effect until it is set again.
  assert.equal(await told('located'), place)
  const tableIn = async (name: string): Promise<string> =>
    (await ask(200, 'POST', `${at}/located/tables`, { name, schema })).metadata.location
  assert.equal(await tableIn('a'), `${place.replace(/n-place$/, 'located')}/a`)
  await ask(200, 'POST', `${at}/located/properties`, { updates: { location: place } })
  assert.equal(await tableIn('b'), `${place}/b`)

  await ask(204, 'POST', `${at}/n/tables/t/metrics`, report)
  const reports = await ask(200, 'GET', '/api/v1/catalogs/lake/namespaces/n/tables/t/metrics')
  assert.equal(Object.values(reports).find(Array.isArray)?.length, 2)
  const [warehouse] = Object.values(await ask(200, 'GET', '/api/v1/warehouses')).flat() as { name: string }[]
  assert.ok(warehouse)
  await ask(200, 'PUT', `/api/v1/warehouses/${warehouse.name}`, { table_location_layout: 'suffix' })
  assert.match((await ask(200, 'POST', `${at}/n/tables`, { name: 's', schema })).metadata.location, /\/s-[0-9a-f]{8}$/)
  while (existsSync(fileURLToPath(purging['metadata-location']))) await sleep(50)
})
