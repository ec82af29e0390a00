/** A server of the version before that goes on beside one of this version, on one database: its changes have a past too. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test, type TestContext } from 'node:test'
import { verifyLogs } from '../../src/history/verify.ts'
import { openStore } from '../../src/stores/open.ts'
import { startServer, type ServerOptions } from '../clients/server.ts'
import { newDatabase, stopDatabases } from '../services/databases.ts'
import { askingOf, makeOldChanges, pictureOf } from './old-changes.ts'
import { releasedProgram } from './released.ts'

after(stopDatabases)

async function goesOnBeside(t: TestContext, options: Omit<ServerOptions, 'dataDir'>): Promise<void> {
  const program = releasedProgram()
  if ('missing' in program) return t.skip(program.missing)
  const dataDir = mkdtempSync(join(tmpdir(), 'pangolin-beside-'))
  t.after(() => rmSync(dataDir, { recursive: true, force: true }))
  const old = await startServer({ ...options, dataDir, root: program.value })
  t.after(() => old.stop())
  const tell = askingOf(old)
  await tell('POST', '/v1/lake/namespaces', { namespace: ['before'] })
  const fresh = await startServer({ ...options, dataDir })
  t.after(() => fresh.stop())
  const ask = askingOf(fresh)

  const moments = await makeOldChanges(tell)
  await ask('POST', '/v1/lake/namespaces', { namespace: ['new'], properties: { by: 'this version' } })
  await tell('POST', '/v1/lake/namespaces/new/properties', { updates: { by: 'the version before' }, removals: [] })
  const lines = (await ask('GET', '/api/v1/catalogs/lake/commits')) as { id: string; position: number }[]
  const positionOf = (id: string): number => lines.find((line) => line.id === id)!.position
  for (const { id, what, ...expected } of moments) {
    // Those that were purged since can't be loaded any more; all others are what they were.
    if (Object.hasOwn(expected.tables, 'n.purged')) continue
    assert.deepEqual(await pictureOf(ask, `lake@${positionOf(id)}`), expected, what)
  }
  assert.deepEqual(
    lines.map(({ position }) => position),
    lines.map((_, n) => lines.length - n),
  )
  const last = await ask('GET', '/v1/lake/namespaces/new')
  assert.equal(last.properties.by, 'the version before')

  const store = openStore(options.databaseUrl ?? `sqlite://${dataDir}/pangolin.db`)
  t.after(() => store.close())
  const { faults, pending } = await verifyLogs(store)
  assert.deepEqual([faults, pending], [[], 0])
}

test('on SQLite, changes of both versions get positions and are seen in the past', { timeout: 120_000 }, (t) =>
  goesOnBeside(t, { database: 'sqlite' }),
)

test('on PostgreSQL, changes of both versions get positions and are seen in the past', { timeout: 120_000 }, async (t) => {
  const databaseUrl = await newDatabase(t, 'postgres')
  if (databaseUrl !== undefined) await goesOnBeside(t, { database: 'postgres', databaseUrl })
})
