/** Databases that several processes can share, for tests that run on each of them. */
import type { TestContext } from 'node:test'
import { MONGO_TITLE, startMongo, stopMongo } from './mongo.ts'
import { startPostgres, stopSharedPostgres } from './postgres.ts'
import { requireService } from './require.ts'

export type ServerDatabase = 'postgres' | 'mongo'

/** As they are called in the names of tests. */
export const serverDatabases: readonly { readonly database: ServerDatabase; readonly title: string }[] = [
  { database: 'postgres', title: 'postgres' },
  { database: 'mongo', title: MONGO_TITLE },
]

/** The URL of a new database in this process's server; nothing after the test was marked as skipped. */
export async function newDatabase(t: TestContext, database: ServerDatabase): Promise<string | undefined> {
  if (database === 'postgres') return requireService(t, await startPostgres())?.createDatabase()
  return requireService(t, await startMongo())?.createDatabase()
}

/** Of those servers that were started. */
export async function stopDatabases(): Promise<void> {
  await Promise.all([stopSharedPostgres(), stopMongo()])
}
