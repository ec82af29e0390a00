/**
 * The Iceberg REST compatibility kit, tables and views, against a started server: the referee of the Java clients. Every
 * test of the kit is a subtest here. What the kit itself skips is shown with the kit's reason.
 */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { requireService } from '../services/require.ts'
import { javaEnv } from './java/java.ts'
import { CAPABLE_TESTS, runKit, TABLE_TESTS, VIEW_TESTS, type KitResult } from './java/kit.ts'
import { startServer, type RunningServer } from './server.ts'

/** A catalog whose warehouse lies where the kit asks for tables (file:/tmp/<namespace>/<table>) and views (temporary folders). */
async function catalogAtTmp(server: RunningServer, name: string): Promise<string> {
  const post = async (path: string, body: object): Promise<void> => {
    const headers = { authorization: `Bearer ${server.adminToken}`, 'content-type': 'application/json' }
    const response = await fetch(server.url + path, { method: 'POST', headers, body: JSON.stringify(body) })
    assert.ok(response.ok, `${path}: ${response.status} ${await response.text()}`)
  }
  await post('/api/v1/warehouses', { name, storage_config: { type: 'local', root: '/tmp' } })
  await post('/api/v1/catalogs', { name, warehouse_name: name, storage_location: `file://${server.dataDir}/${name}` })
  return name
}

// One after the other: the kit's table locations are fixed, and its names too.
for (const database of ['memory', 'sqlite'] as const) {
  test(`compatibility kit on ${database}`, async (context) => {
    const env = requireService(context, await javaEnv())
    if (env === undefined) return
    const server = await startServer({ database, env: { PANGOLIN_LOCAL_ROOTS: '/tmp' } })
    try {
      for (const part of ['shipped', 'capable'] as const) {
        // The kit leaves namespaces behind, and refuses to begin where it finds them.
        const warehouse = await catalogAtTmp(server, part)
        await report(context, await runKit(env, { url: server.url, warehouse, token: server.adminToken, part }), part)
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
