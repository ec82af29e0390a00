/**
 * What a server for the PostgreSQL engine is proven with: transactions as batches are, on connections of their own, against
 * one table. Databases that speak PostgreSQL's protocol need not keep its promises.
 */
import { prove, RIVALS } from '../proof.ts'
import type { Arena } from '../proof.ts'
import type { MigrationSession } from './migrations.ts'
import { unavailable } from './postgres-connection.ts'
import type { Connection, Item } from './postgres-connection.ts'
import type { SqlValue } from './dialect.ts'

const CONNECTIONS = 8
const SETUP = [
  'create table if not exists "schema_probe" ("id" varchar(100) not null primary key, "value" bigint not null)',
  'create table if not exists "schema_proofs" ("server" varchar(500) not null primary key)',
]

const sqls = {
  insert: 'insert into "schema_probe" ("id", "value") values ($1, $2) returning 1',
  replace: 'update "schema_probe" set "value" = $3 where "id" = $1 and "value" = $2 returning 1',
  remove: 'delete from "schema_probe" where "id" = $1 and "value" = $2 returning 1',
  read: 'select "value" from "schema_probe" where "id" = $1',
}
const COMMIT: Item = { name: 'commit', sql: 'commit', parameters: [] }
const ROLLBACK: Item = { name: 'rollback', sql: 'rollback', parameters: [] }
/** Another one had the key, the version or the lock, and the server says so by an error. */
const LOST = new Set(['23505', '40001', '40P01'])

/** Each request takes a connection that is free, so as many are under way as there are connections. */
class Connections implements Arena {
  readonly #free: Connection[]
  readonly rivals: number

  constructor(connections: readonly Connection[]) {
    this.#free = [...connections]
    this.rivals = Math.min(RIVALS, connections.length)
  }

  insert(key: string, version: number): Promise<boolean> {
    return this.#change('insert', [key, version])
  }

  replace(key: string, expected: number, version: number): Promise<boolean> {
    return this.#change('replace', [key, expected, version])
  }

  remove(key: string, expected: number): Promise<boolean> {
    return this.#change('remove', [key, expected])
  }

  async read(key: string): Promise<number | undefined> {
    const value = (await this.#run('read', [key]))?.[0]?.[0]
    return value === undefined ? undefined : Number(value)
  }

  async #change(name: keyof typeof sqls, parameters: readonly SqlValue[]): Promise<boolean> {
    return ((await this.#run(name, parameters)) ?? []).length === 1
  }

  /** The rows of a transaction that was committed; undefined for one that lost. */
  async #run(name: keyof typeof sqls, parameters: readonly SqlValue[]) {
    const connection = this.#free.pop()
    if (connection === undefined) throw new TypeError('A proof has as many rivals as connections')
    const items = [...connection.opening, { name: `proof ${name}`, sql: sqls[name], parameters }, COMMIT]
    const outcome = await connection.run(items)
    if (outcome.kind === 'refused') await connection.run([ROLLBACK])
    this.#free.push(connection)
    if (outcome.kind === 'done') return outcome.replies.at(-1)?.tag === 'COMMIT' ? outcome.replies.at(-2)?.rows : undefined
    if (outcome.kind === 'refused' && LOST.has(outcome.error.code)) return undefined
    const why = outcome.kind === 'lost' ? outcome.message : `${outcome.error.message} (${outcome.error.code})`
    throw unavailable(`the server could not be proven: ${why}`)
  }
}

/** @throws StoreError `unavailable` when two of concurrent changes win, or there are no two connections to be had */
export async function provePostgres(connect: () => Promise<Connection>): Promise<void> {
  const attempts = await Promise.allSettled(Array.from({ length: CONNECTIONS }, connect))
  const connections = attempts.flatMap((attempt) => (attempt.status === 'fulfilled' ? [attempt.value] : []))
  try {
    if (connections.length < 2) throw attempts.find((attempt) => attempt.status === 'rejected')?.reason
    await prove(new Connections(connections), 'The server for PostgreSQL')
  } finally {
    for (const connection of connections) connection.close()
  }
}

/** Proves the server unless that was done from this database. The session is in no transaction. */
export async function proveOnce(session: MigrationSession, connect: () => Promise<Connection>): Promise<void> {
  for (const sql of SETUP) await session.execute(sql)
  const isKnown = 'select 1 from "schema_proofs" where "server" = substr(version(), 1, 500)'
  if ((await session.rows(isKnown)).length > 0) return
  await provePostgres(connect)
  await session.execute('insert into "schema_proofs" ("server") values (substr(version(), 1, 500)) on conflict do nothing')
}
