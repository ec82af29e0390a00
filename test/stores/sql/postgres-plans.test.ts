/**
 * Every statement has an index that serves it, on PostgreSQL: while the planner knows nothing of the rows, and when it knows
 * that they are many, all of them of one tenant, one catalog, one namespace.
 */
import assert from 'node:assert/strict'
import { after, test, type TestContext } from 'node:test'
import { Client } from 'pg'
import { entities } from '../../../src/stores/entities.ts'
import type { SqlValue } from '../../../src/stores/sql/dialect.ts'
import { createAll } from '../../../src/stores/sql/migrations.ts'
import { postgresDialect } from '../../../src/stores/sql/postgres.ts'
import { Statements } from '../../../src/stores/sql/statements.ts'
import type { BoundStatement } from '../../../src/stores/sql/statements.ts'
import { allTables } from '../../../src/stores/tables.ts'
import type { Table, Value } from '../../../src/stores/tables.ts'
import { startPostgres, stopSharedPostgres } from '../../services/postgres.ts'
import { requireService } from '../../services/require.ts'

after(stopSharedPostgres)

const ROWS = 20_000
/** As statistics of so many rows would be: plans depend on what is estimated, not on what is there. */
const PRETENDED_ROWS = 1_000_000
/** More than the largest page. */
const LIMIT = 1001

interface Asked extends BoundStatement {
  readonly table: Table
  /** `key`: by the primary key. `some`: by an index, which may be another one that serves as well. */
  readonly by: 'key' | 'some'
  /** Whether rows come in an order that only the index can give. */
  readonly isOrdered: boolean
  /** Further pages of all rows by an index whose values repeat: nobody asks for them. */
  readonly isUnused?: boolean
}

/** A column whose values are all different: the last one of an index. What indexes begin with is the same everywhere. */
const isDistinct = (table: Table, position: number): boolean => table.indexes.some(({ columns }) => columns.at(-1) === position)

const sample =
  (table: Table) =>
  (position: number): Value => {
    const type = table.columns[position]?.type ?? 'text'
    if (type === 'text') return isDistinct(table, position) ? `x${String(ROWS / 2).padStart(7, '0')}` : 'x'
    return { json: '{}', integer: ROWS / 2, boolean: true }[type]
  }

function* everyStatement(table: Table): Generator<Asked> {
  const statements = new Statements(postgresDialect)
  const key = table.key.map(sample(table))
  const values = table.columns.map((_, position) => sample(table)(position))
  const byKey = [
    statements.step({ op: 'replace', table, values, expected: 1, version: 2 }),
    statements.step({ op: 'remove', table, key, expected: 1 }),
    statements.step({ op: 'remove', table, key, expected: 'any' }),
    statements.step({ op: 'require', table, key, expected: 'any' }),
    { statement: statements.get(table).statement, parameters: statements.encode(table, table.key, key) },
  ]
  for (const one of byKey) yield { ...one, table, by: 'key', isOrdered: false }
  for (const index of table.indexes) {
    for (let leading = 0; leading <= index.columns.length; leading++) {
      const equal = index.columns.slice(0, leading).map(sample(table))
      // Only the rows that are equal by the whole index may have to be sorted.
      const isOrdered = leading < index.columns.length
      for (const after of [undefined, index.order.slice(leading).map(sample(table))]) {
        for (const descending of [false, true]) {
          const { query, parameters } = statements.list({ table, index, equal, after, descending, limit: LIMIT })
          const isUnused = after !== undefined && leading === 0 && index.columns.length < index.order.length
          yield { statement: query.statement, parameters, table, by: 'some', isOrdered, isUnused }
        }
      }
      if (leading > 0) {
        yield { ...statements.step({ op: 'requireEmpty', table, index, equal }), table, by: 'some', isOrdered: false }
      }
    }
  }
}

type Plan = (asked: Asked) => Promise<string>

async function planner(t: TestContext, settings: string): Promise<{ client: Client; plan: Plan } | undefined> {
  const server = requireService(t, await startPostgres())
  if (server === undefined) return undefined
  const client = new Client({ connectionString: await server.createDatabase() })
  await client.connect()
  t.after(() => client.end())
  for (const sql of createAll(postgresDialect, entities)) await client.query(sql)
  await client.query(settings)
  const plan: Plan = async ({ statement: { sql }, parameters }) => {
    await client.query(`prepare asked as ${sql}`)
    const values = parameters.length === 0 ? '' : `(${parameters.map(literal).join(', ')})`
    const { rows } = await client.query<[string]>({ text: `explain execute asked${values}`, rowMode: 'array' })
    await client.query('deallocate asked')
    return rows.map(([line]) => line).join('\n')
  }
  return { client, plan }
}

const literal = (value: SqlValue): string => (typeof value === 'string' ? `'${value}'` : String(value))

async function checkAll(plan: Plan, { withUnused }: { readonly withUnused: boolean }): Promise<void> {
  let statements = 0
  for (const table of allTables) {
    for (const asked of everyStatement(table)) {
      if (asked.isUnused === true && !withUnused) continue
      const text = await plan(asked)
      const what = `${asked.statement.sql}\n${text}`
      assert.doesNotMatch(text, /Seq Scan/, what)
      assert.match(text, /Index (Only )?Scan/, what)
      if (asked.by === 'key') assert.match(text, new RegExp(`using ${table.entity}_pkey|Index Cond: `), what)
      // One that is incremental sorts only what is equal by the index; so does one of a row or two.
      if (asked.isOrdered) assert.doesNotMatch(text, /(?<!Incremental )Sort {2}\((?!.*rows=[12] )/, what)
      statements++
    }
  }
  assert.ok(statements > 200, `only ${statements} statements`)
}

test('postgres: every statement is served by an index before there are rows, with a plan that holds for any value', async (t) => {
  // Empty tables are read whole, unless that is out of the question.
  const settings =
    'set enable_seqscan = off; set enable_bitmapscan = off; set enable_sort = off; set plan_cache_mode = force_generic_plan'
  const planning = await planner(t, settings)
  if (planning !== undefined) await checkAll(planning.plan, { withUnused: true })
})

test('postgres: every statement is served by an index among a million rows of one namespace', async (t) => {
  const planning = await planner(t, 'set enable_bitmapscan = on')
  if (planning === undefined) return
  const { client, plan } = planning
  for (const table of allTables) await fill(client, table)
  for (const mode of ['force_custom_plan', 'force_generic_plan']) {
    await client.query(`set plan_cache_mode = ${mode}`)
    await checkAll(plan, { withUnused: false })
  }
})

async function fill(client: Client, table: Table): Promise<void> {
  const columns = table.columns.map(({ name, type }, position) => {
    const value = {
      text: isDistinct(table, position) ? `'x' || lpad(n::text, 7, '0')` : `'x'`,
      json: `'{}'`,
      integer: 'n',
      boolean: 'true',
    }[type]
    return { name: `"${name}"`, value }
  })
  const names = [...columns.map(({ name }) => name), '"version"'].join(', ')
  const values = [...columns.map(({ value }) => value), '1'].join(', ')
  await client.query(`insert into "${table.entity}" (${names}) select ${values} from generate_series(1, ${ROWS}) n`)
  await client.query(`analyze "${table.entity}"`)
  // The planner multiplies the density of rows by the size of the file.
  await client.query(
    `update pg_class set reltuples = ${PRETENDED_ROWS} where oid in
      (select '"${table.entity}"'::regclass union select indexrelid from pg_index where indrelid = '"${table.entity}"'::regclass)`,
  )
}
