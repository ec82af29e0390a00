/**
 * The Iceberg REST compatibility kit, tables and views, against a started server: the referee of the Java clients. Every
 * test of the kit is a subtest here. What the kit itself skips is shown with the kit's reason.
 */
import assert from 'node:assert/strict'
import { after, test, type TestContext } from 'node:test'
import { checkingDrift } from '../http/drift-proxy.ts'
import { newDatabase, serverDatabases, stopDatabases } from '../services/databases.ts'
import { requireService } from '../services/require.ts'
import { javaEnv } from './java/java.ts'
import { CAPABLE_TESTS, runKit, TABLE_TESTS, VIEW_TESTS, type KitResult } from './java/kit.ts'
import { makeLocalCatalog } from './local-catalog.ts'
import { startServer } from './server.ts'

after(stopDatabases)

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

async function report(context: TestContext, results: readonly KitResult[], part: 'shipped' | 'capable'): Promise<void> {
  for (const { suite, name, outcome, reason } of results) {
    await context.test(`${suite} ${name}`, (subtest) => {
      if (outcome === 'skipped') subtest.skip(reason)
      assert.notEqual(outcome, 'failed', reason)
    })
  }
  const expected = part === 'shipped' ? { [TABLE_TESTS]: 90, [VIEW_TESTS]: 40 } : { [CAPABLE_TESTS]: 4 }
  for (const [suite, least] of Object.entries(expected)) {
    const passed = results.filter((result) => suite.endsWith(`.${result.suite}`) && result.outcome === 'passed').length
    assert.ok(passed >= least, `only ${passed} tests of ${suite} passed, expected at least ${least}`)
  }
}
