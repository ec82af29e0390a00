/** The schema on PostgreSQL: what migrations make is what `entities.ts` declares, and every statement has an index that serves it. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, test } from 'node:test'
import { Client } from 'pg'
import { entities } from '../../../src/stores/entities.ts'
import { createAll } from '../../../src/stores/sql/migrations.ts'
import { postgresDialect } from '../../../src/stores/sql/postgres.ts'
import { Statements } from '../../../src/stores/sql/statements.ts'
import { allTables } from '../../../src/stores/tables.ts'
import type { Table, Value } from '../../../src/stores/tables.ts'
import { startPostgres, stopSharedPostgres } from '../../services/postgres.ts'
import { requireService } from '../../services/require.ts'
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

const sample =
  (table: Table) =>
  (position: number): Value =>
    ({ text: 'x', json: '{}', integer: 1, boolean: true })[table.columns[position]?.type ?? 'text']

test('postgres: every row is found by its key, every listing by its index', async (t) => {
  const server = requireService(t, await startPostgres())
  if (server === undefined) return
  const url = await server.createDatabase()
  const client = new Client({ connectionString: url })
  await client.connect()
  t.after(() => client.end())
  for (const sql of createAll(postgresDialect, entities)) await client.query(sql)
  // Empty tables are read whole, unless that is out of the question. Plans are those that hold for any value.
  await client.query('set enable_seqscan = off; set enable_bitmapscan = off; set plan_cache_mode = force_generic_plan')
  const planOf = async (sql: string, parameters: number): Promise<string> => {
    await client.query(`prepare asked as ${sql}`)
    const values = parameters === 0 ? '' : `(${Array.from({ length: parameters }, () => 'null').join(', ')})`
    const { rows } = await client.query<[string]>({ text: `explain execute asked${values}`, rowMode: 'array' })
    await client.query('deallocate asked')
    return rows.map(([line]) => line).join('\n')
  }
  const statements = new Statements(postgresDialect)
  for (const table of allTables) {
    const key = table.key.map(sample(table))
    const values = table.columns.map((_, position) => sample(table)(position))
    const steps = [
      statements.step({ op: 'replace', table, values, expected: 1, version: 2 }),
      statements.step({ op: 'remove', table, key, expected: 1 }),
      statements.step({ op: 'remove', table, key, expected: 'any' }),
      statements.step({ op: 'require', table, key, expected: 'any' }),
    ]
    for (const { sql, parameters } of [statements.get(table).statement, ...steps.map(({ statement }) => statement)]) {
      assert.match(await planOf(sql, parameters), new RegExp(`Index (Only )?Scan using ${table.entity}_pkey`))
    }
    for (const index of table.indexes) {
      const name = index.name === 'primary' ? `${table.entity}_pkey` : `${table.entity}_${index.name}`
      for (let leading = 0; leading <= index.columns.length; leading++) {
        const equal = index.columns.slice(0, leading).map(sample(table))
        // Only the rows that are equal by the whole index may have to be sorted.
        await client.query(`set enable_sort = ${leading < index.columns.length ? 'off' : 'on'}`)
        for (const after of [undefined, index.order.slice(leading).map(sample(table))]) {
          for (const descending of [false, true]) {
            const { statement } = statements.list({ table, index, equal, after, descending, limit: 10 }).query
            const plan = await planOf(statement.sql, statement.parameters)
            const isSorted = /(?<!Incremental )Sort {2}\(/.test(plan) && leading < index.columns.length
            assert.ok(!isSorted, `${statement.sql}\n${plan}`)
            if (leading === 0) assert.match(plan, new RegExp(`using ${name} `), `${statement.sql}\n${plan}`)
            else assert.match(plan, /Index Cond: /, `${statement.sql}\n${plan}`)
          }
        }
        const { statement } = statements.step({ op: 'requireEmpty', table, index, equal })
        if (leading > 0) assert.match(await planOf(statement.sql, statement.parameters), /Index Cond: /, statement.sql)
      }
    }
  }
})
