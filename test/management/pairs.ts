/** Two servers on one database, of each kind. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { startApp } from '../../src/app.ts'
import { loadSettings } from '../../src/config.ts'
import { createLog } from '../../src/log.ts'
import { startTestServer, type TestServer } from '../http/harness.ts'
import { startMongo } from '../services/mongo.ts'
import { startPostgres } from '../services/postgres.ts'
import { requireService } from '../services/require.ts'

/** Two servers on one database. */
export type Pair = readonly [TestServer, TestServer]

export async function pairOn(t: TestContext, DATABASE_URL: string, env: Readonly<Record<string, string>> = {}): Promise<Pair> {
  const one = await startTestServer(t, { DATABASE_URL, ...env })
  const settings = loadSettings({
    PORT: '0',
    PANGOLIN_DATA: one.dataDirectory,
    DATABASE_URL,
    PANGOLIN_SHUTDOWN_GRACE_SECS: '1',
    ...env,
  })
  const app = await startApp(settings, createLog({ format: 'json', level: 'error', write: () => {} }))
  t.after(() => app.close())
  return [one, { ...one, app, url: app.url, port: Number(new URL(app.url).port) }]
}

export const DATABASES: Readonly<Record<string, (t: TestContext) => Promise<string | undefined>>> = {
  sqlite: async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'pangolin-changes-'))
    t.after(() => rmSync(folder, { recursive: true, force: true }))
    return `sqlite:${join(folder, 'shared.db')}`
  },
  postgres: async (t) => requireService(t, await startPostgres())?.createDatabase(),
  mongo: async (t) => requireService(t, await startMongo())?.createDatabase(),
}
