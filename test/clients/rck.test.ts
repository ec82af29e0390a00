/**
 * The Iceberg REST compatibility kit, tables and views, against a started server: the referee of the Java clients. Every
 * test of the kit is a subtest here. What the kit itself skips is shown with the kit's reason.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { requireService } from '../services/require.ts'
import { javaEnv } from './java/java.ts'
import { runKit, TABLE_TESTS, VIEW_TESTS } from './java/kit.ts'
import { startServer } from './server.ts'

// One after the other: the kit's table locations are fixed, and its names too.
for (const database of ['memory', 'sqlite'] as const) {
  test(`compatibility kit on ${database}`, async (context) => {
    const env = requireService(context, await javaEnv())
    if (env === undefined) return
    // The kit asks for tables at file:/tmp/<namespace>/<table>, and for views below the system's temporary folder.
    const server = await startServer({ database, env: { PANGOLIN_LOCAL_ROOTS: '/tmp' } })
    try {
      const target = { url: server.url, warehouse: 'lake', token: server.adminToken, capable: true }
      const results = await runKit(env, target)
      for (const { suite, name, outcome, reason } of results) {
        await context.test(`${suite} ${name}`, (subtest) => {
          if (outcome === 'skipped') subtest.skip(reason)
          assert.notEqual(outcome, 'failed', reason)
        })
      }
      for (const suite of [TABLE_TESTS, VIEW_TESTS].map((name) => name.split('.').at(-1))) {
        const passed = results.filter((result) => result.suite === suite && result.outcome === 'passed')
        assert.ok(passed.length > 40, `only ${passed.length} tests of ${suite} ran`)
      }
    } finally {
      await server.stop()
    }
  })
}
