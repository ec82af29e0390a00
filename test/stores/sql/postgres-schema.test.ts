/** The schema on PostgreSQL: what migrations make is what `entities.ts` declares. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, test } from 'node:test'
import { entities } from '../../../src/stores/entities.ts'
import { createAll } from '../../../src/stores/sql/migrations.ts'
import { postgresDialect } from '../../../src/stores/sql/postgres.ts'
import { stopSharedPostgres } from '../../services/postgres.ts'
import { entry, insert, namespace } from '../suite/rows.ts'
import { fixture } from './postgres-fixture.ts'

after(stopSharedPostgres)

test('postgres: the migrations together make what the entities declare', async (t) => {
  const use = await fixture(t)
  if (use === undefined) return
  const declared = await use.server.createDatabase()
  for (const sql of createAll(postgresDialect, entities)) await use.server.query(sql, declared)
  const queries = [
    `select table_name, column_name, data_type, collation_name, is_nullable from information_schema.columns
      where table_schema = 'public' and table_name not like 'schema_%' order by 1, 2`,
    `select tablename, indexdef from pg_indexes where schemaname = 'public' and tablename not like 'schema_%' order by 1, 2`,
  ]
  for (const sql of queries) {
    const rows = await use.server.query(sql, use.url)
    assert.ok(rows.length > 20)
    assert.deepEqual(rows, await use.server.query(sql, declared))
  }
})

test('postgres: keys of the greatest length that the catalog lets through fit into every index', async (t) => {
  const use = await fixture(t)
  if (use === undefined) return
  const store = use.open()
  // Random, so that the server can't make them shorter.
  const text = (bytes: number): string => randomBytes(bytes).toString('base64url').slice(0, bytes)
  const ids = { tenant_id: text(36), catalog_id: text(36), branch: text(256) }
  const [path, name, location] = [text(1024), text(1024), `s3://${text(1019)}`]
  await store.write([
    insert('namespaces', namespace({ ...ids, parent: path, name })),
    insert('entries', entry({ ...ids, namespace: path, name, location, metadata_location: location })),
  ])
  const { tenant_id } = ids
  assert.equal((await store.list('entries', { index: 'by_location', where: { tenant_id, location }, limit: 2 })).length, 1)
})
