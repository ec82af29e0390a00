/** The schema: what migrations make is what `entities.ts` declares, and every listing has an index that serves it. */
import assert from 'node:assert/strict'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, before, describe, test } from 'node:test'
import { entities } from '../../../src/stores/entities.ts'
import type { Listing } from '../../../src/stores/plan.ts'
import { createAll, migrateSchema, migrations } from '../../../src/stores/sql/migrations.ts'
import type { Migration, MigrationSession } from '../../../src/stores/sql/migrations.ts'
import { openSqliteStore, sqliteDialect } from '../../../src/stores/sql/sqlite.ts'
import type { SqlValue } from '../../../src/stores/sql/dialect.ts'
import { Statements } from '../../../src/stores/sql/statements.ts'
import { allTables, compileTable } from '../../../src/stores/tables.ts'
import type { Value } from '../../../src/stores/tables.ts'
import { temporaryFolder } from '../folder.ts'
import { insert, storeError, tenant, user } from '../suite/rows.ts'

let folder = ''
before(async () => {
  folder = await temporaryFolder()
})
after(() => rm(folder, { recursive: true, force: true }))

function sessionOf(database: DatabaseSync): MigrationSession {
  return {
    execute: (sql) => database.exec(sql),
    rows: (sql) =>
      database
        .prepare(sql)
        .all()
        .map((row) => Object.values(row) as SqlValue[]),
  }
}

/** Tables, columns, keys and indexes, without the order in which columns were added. */
function describeSchema(database: DatabaseSync): unknown {
  const all = (sql: string, ...values: string[]): Record<string, unknown>[] => database.prepare(sql).all(...values)
  const tables = all(`select name from sqlite_schema where type = 'table' and name not in ('schema_migrations') order by name`)
  return tables.map(({ name }) => [
    name,
    all('select "name", "type", "notnull", "pk" from pragma_table_info(?) order by name', String(name)),
    all('select "name", "unique" from pragma_index_list(?) order by name', String(name)).map((index) => [
      index,
      all('select "name" from pragma_index_info(?) order by seqno', String(index['name'])),
    ]),
  ])
}

describe('schema', () => {
  test('the migrations together make what the entities declare', async () => {
    const [migrated, declared] = [new DatabaseSync(':memory:'), new DatabaseSync(':memory:')]
    await migrateSchema(sqliteDialect, sessionOf(migrated))
    for (const sql of createAll(sqliteDialect, entities)) declared.exec(sql)
    assert.deepEqual(describeSchema(migrated), describeSchema(declared))
  })

  test('migrations are numbered from 1, and a database is taken through those that it lacks', async () => {
    assert.deepEqual(
      migrations.map(({ number }) => number),
      migrations.map((_, i) => i + 1),
    )
    const database = new DatabaseSync(':memory:')
    const session = sessionOf(database)
    const step = (number: number): Migration => ({
      number,
      name: `m${number}`,
      statements: () => [`create table t${number} (x)`],
    })
    await migrateSchema(sqliteDialect, session, [step(1)])
    await migrateSchema(sqliteDialect, session, [step(1), step(2), step(3)])
    await migrateSchema(sqliteDialect, session, [step(1), step(2), step(3)])
    assert.deepEqual(await session.rows('select "number", "name" from "schema_migrations" order by 1'), [
      [1, 'm1'],
      [2, 'm2'],
      [3, 'm3'],
    ])
  })

  test('a database of before has tokens without bounds, and a program of before goes on making them', async () => {
    const path = join(folder, 'before.db')
    const database = new DatabaseSync(path)
    await migrateSchema(sqliteDialect, sessionOf(database), migrations.slice(0, 1))
    const add = (id: string): void =>
      void database
        .prepare(
          `insert into "tokens" ("id", "tenant_id", "user_id", "secret_hash", "description", "created_at", "expires_at", "version")
          values (?, 't', 'u', 'ab', null, 1, null, 7)`,
        )
        .run(id)
    add('before')
    const store = openSqliteStore({ path })
    await store.migrate()
    add('meanwhile')
    for (const id of ['before', 'meanwhile']) assert.equal((await store.get('tokens', { id }))?.bounds, null)
    database.close()
    await store.close()
  })

  test('names of users are of their tenant, also where a program of before made them and goes on beside', async () => {
    const path = join(folder, 'names.db')
    const database = new DatabaseSync(path)
    await migrateSchema(sqliteDialect, sessionOf(database), migrations.slice(0, 14))
    database.exec(`insert into "users" values ('u1', 'a', 'ada', null, null, 'tenant-admin', 1, 1, 1, 7)`)
    const store = openSqliteStore({ path })
    await store.migrate()
    const row = user({ tenant_id: 'a', username: 'ada' })
    await assert.rejects(store.write([insert('users', row)]), storeError('conflict'))
    await store.write([insert('users', { ...row, tenant_id: 'b' })])
    // As that program does it: by the name alone, and a password by the id.
    database.exec(`update "users" set "password_hash" = 'x', "version" = 8 where "id" = 'u1' and "version" = 7`)
    const found = database.prepare(`select "id" from "users" where "username" = 'ada' order by "username", "id" limit 2`).all()
    assert.deepEqual(found.map(({ id }) => id).toSorted(), [row.id, 'u1'].toSorted())
    assert.equal((await store.get('users', { id: 'u1' }))?.password_hash, 'x')
    database.close()
    await store.close()
  })

  test('a schema newer than the program is refused, and left as it is', async () => {
    const path = join(folder, 'newer.db')
    const store = openSqliteStore({ path })
    await store.migrate()
    const database = new DatabaseSync(path)
    database.exec(`insert into "schema_migrations" values (${migrations.length + 1}, 'of the future')`)
    await assert.rejects(store.migrate(), (error: Error) => {
      storeError('unavailable')(error)
      assert.match(error.message, new RegExp(`schema version ${migrations.length + 1}.*up to ${migrations.length}`))
      return true
    })
    assert.equal(database.prepare('select count(*) n from "schema_migrations"').get()?.['n'], migrations.length + 1)
    database.close()
    await store.close()
  })

  test('a migration that fails leaves nothing', async () => {
    const path = join(folder, 'failing.db')
    const database = new DatabaseSync(path)
    database.exec('create table "entries" (x)')
    const store = openSqliteStore({ path })
    await assert.rejects(store.migrate(), storeError('unavailable'))
    assert.equal(database.prepare(`select count(*) n from sqlite_schema where type = 'table'`).get()?.['n'], 1)
    database.exec('drop table "entries"')
    await store.migrate()
    await store.write([insert('tenants', tenant())])
    database.close()
    await store.close()
  })

  test('declarations that engines could not keep alike are refused', () => {
    const columns = { a: 'text', b: 'json', c: 'text?' } as const
    assert.throws(() => compileTable('t', { columns, key: ['x'], indexes: {} }), TypeError)
    assert.throws(() => compileTable('t', { columns, key: ['a'], indexes: { i: { columns: ['b'] } } }), TypeError)
    assert.throws(() => compileTable('t', { columns, key: ['c'], indexes: {} }), TypeError)
  })
})

describe('sqlite: query plans', () => {
  const database = new DatabaseSync(':memory:')
  for (const sql of createAll(sqliteDialect, entities)) database.exec(sql)
  const statements = new Statements(sqliteDialect)
  const planOf = (sql: string): string =>
    database
      .prepare(`explain query plan ${sql}`)
      .all()
      .map((row) => String(row['detail']))
      .join('\n')

  for (const table of allTables) {
    for (const index of table.indexes) {
      const sample = (position: number): Value => (table.columns[position]?.type === 'text' ? 'x' : 1)
      test(`${table.entity}.${index.name} serves its listings without sorting`, () => {
        for (let leading = 0; leading <= index.columns.length; leading++) {
          const equal = index.columns.slice(0, leading).map(sample)
          for (const after of [undefined, index.order.slice(leading).map(sample)]) {
            for (const descending of [false, true]) {
              const listing: Listing = { table, index, equal, after, descending, limit: 10 }
              const { statement } = statements.list(listing).query
              const plan = planOf(statement.sql)
              assert.doesNotMatch(plan, /TEMP B-TREE/, statement.sql)
              if (leading > 0) assert.match(plan, /^SEARCH /, statement.sql)
              const wanted =
                index.name === 'primary' ? /PRIMARY KEY|^SCAN \w+$/ : new RegExp(`INDEX ${table.entity}_${index.name}`)
              assert.match(plan, wanted, statement.sql)
            }
          }
          const { statement } = statements.step({ op: 'requireEmpty', table, index, equal })
          if (leading > 0) assert.match(planOf(statement.sql), /^SEARCH /)
        }
        assert.match(planOf(statements.get(table).statement.sql), /PRIMARY KEY/)
      })
    }
  }
})
