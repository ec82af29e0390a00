/**
 * The Iceberg REST compatibility kit, tables and views, against a started server: the referee of the Java clients. Every
 * test of the kit is a subtest here. What the kit itself skips is shown with the kit's reason.
 */
import assert from 'node:assert/strict'
import { after, test, type TestContext } from 'node:test'
import { checkingDrift } from '../http/drift-proxy.ts'
import { newDatabase, serverDatabases, stopDatabases } from '../services/databases.ts'
import { startMinio } from '../services/minio.ts'
import { requireService } from '../services/require.ts'
import { javaEnv } from './java/java.ts'
import { CAPABLE_TESTS, runKit, SIGNING_TESTS, TABLE_TESTS, VIEW_TESTS, type KitPart, type KitResult } from './java/kit.ts'
import { makeLocalCatalog } from './local-catalog.ts'
import { startServer } from './server.ts'
import { signingCatalog, stopMinio } from './suite.ts'

after(async () => {
  await stopDatabases()
  await stopMinio()
})

// One after the other: the kit's table locations are fixed, and its names too.
const embedded = [
  { database: 'memory', title: 'memory' },
  { database: 'sqlite', title: 'sqlite' },
] as const
for (const { database, title } of [...embedded, ...serverDatabases]) {
  test(`compatibility kit on ${title}`, async (context) => {
    const env = requireService(context, await javaEnv())
    if (env === undefined) return
    const databaseUrl = database === 'memory' || database === 'sqlite' ? '' : await newDatabase(context, database)
    if (databaseUrl === undefined) return
    const server = await startServer({ database, databaseUrl, env: { PANGOLIN_LOCAL_ROOTS: '/tmp' } })
    try {
      for (const part of ['shipped', 'capable'] as const) {
        // The kit asks for tables at file:/tmp/<namespace>/<table> and for views in temporary folders. It leaves its
        // namespaces behind, and refuses to begin where it finds them: hence a catalog for each part.
        await makeLocalCatalog(server, { name: part, folder: '/tmp', home: `${server.dataDir}/${part}` })
        const run = (url: string) => runKit(env, { url, warehouse: part, token: server.adminToken, part })
        await report(context, await checkingDrift(context, server.url, run), part)
      }
    } finally {
      await server.stop()
    }
  })
}

// A replacement that takes a table elsewhere writes there before it commits: the kit's two tests of that are among these.
test('compatibility kit without keys, on requests that the server signs', async (context) => {
  const env = requireService(context, await javaEnv())
  const minio = requireService(context, await startMinio())
  if (env === undefined || minio === undefined) return
  const server = await startServer({ database: 'sqlite' })
  try {
    const { warehouse, location } = await signingCatalog(server, minio)
    const target = { warehouse, token: server.adminToken, part: 'signing', tables: `${location}/chosen` } as const
    const results = await checkingDrift(context, server.url, (url) => runKit(env, { ...target, url }))
    await report(context, results, 'signing')
    const passed = new Set(results.filter(({ outcome }) => outcome === 'passed').map(({ name }) => name))
    for (const name of MOVES) assert.ok(passed.has(name), `${name} did not pass`)
  } finally {
    await server.stop()
  }
})

const MOVES = ['testCompleteReplaceTransaction()', 'testCompleteCreateOrReplaceTransactionReplace()']
const LEAST: Readonly<Record<KitPart, Readonly<Record<string, number>>>> = {
  shipped: { [TABLE_TESTS]: 90, [VIEW_TESTS]: 40 },
  capable: { [CAPABLE_TESTS]: 4 },
  signing: { [SIGNING_TESTS]: 88 },
}

async function report(context: TestContext, results: readonly KitResult[], part: KitPart): Promise<void> {
  for (const { suite, name, outcome, reason } of results) {
    await context.test(`${suite} ${name}`, (subtest) => {
      if (outcome === 'skipped') subtest.skip(reason)
      assert.notEqual(outcome, 'failed', reason)
    })
  }
  for (const [suite, least] of Object.entries(LEAST[part])) {
    const passed = results.filter((result) => suite.endsWith(`.${result.suite}`) && result.outcome === 'passed').length
    assert.ok(passed >= least, `only ${passed} tests of ${suite} passed, expected at least ${least}`)
  }
}
