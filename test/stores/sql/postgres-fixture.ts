/** A PostgreSQL database for one test, and a way to hold one of its rows. */
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { openPostgresStore, type PostgresOptions } from '../../../src/stores/sql/postgres.ts'
import type { Store } from '../../../src/stores/store.ts'
import { startPostgres, type PostgresServer } from '../../services/postgres.ts'
import { requireService } from '../../services/require.ts'

export interface Fixture {
  readonly server: PostgresServer
  readonly url: string
  /** Opened without a migration; closed after the test. */
  open(options?: Partial<PostgresOptions>): Store
}

export async function fixture(t: TestContext): Promise<Fixture | undefined> {
  const server = requireService(t, await startPostgres())
  if (server === undefined) return undefined
  const url = await server.createDatabase()
  const open = (options: Partial<PostgresOptions> = {}): Store => {
    const store = openPostgresStore({ url, ...options })
    t.after(() => store.close())
    return store
  }
  await open().migrate()
  return { server, url, open }
}

/** Holds a row's lock in a transaction of its own until it is let go. */
export async function holdRow({ server, url }: Fixture, id: string): Promise<() => Promise<void>> {
  const held = server.query(`begin; select 1 from tenants where id = '${id}' for update; select pg_sleep(30)`, url)
  held.catch(() => undefined)
  const backends = `select pid from pg_stat_activity where query like '%${id}%pg_sleep(30)' and pid <> pg_backend_pid()`
  while ((await server.query(`${backends} and wait_event = 'PgSleep'`, url)).length === 0) await sleep(10)
  return async () => {
    await server.query(`select pg_terminate_backend(pid) from (${backends}) holder`, url)
    await held.catch(() => undefined)
  }
}

/** Waits until so many transactions of the store wait for locks. */
export async function untilWaiting({ server, url }: Fixture, count: number): Promise<void> {
  const waiting = `select 1 from pg_stat_activity where wait_event_type = 'Lock' and application_name = 'pangolin' and datname = current_database()`
  while ((await server.query(waiting, url)).length !== count) await sleep(5)
}
