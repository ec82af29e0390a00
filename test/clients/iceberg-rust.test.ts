/** The suites that iceberg-rust holds its own catalogs to, on a local warehouse: its REST catalog, talking to this server. */
import assert from 'node:assert/strict'
import { basename } from 'node:path'
import { test } from 'node:test'
import { checkingDrift } from '../http/drift-proxy.ts'
import { requireService } from '../services/require.ts'
import { runNative } from './built.ts'
import { icebergRust, rustOutcomes } from './iceberg-rust/rust.ts'
import { startServer } from './server.ts'

const LEAST_TESTS = 24

test("iceberg-rust's catalog suites", async (context) => {
  const programs = requireService(context, await icebergRust())
  if (programs === undefined) return
  // They have no way to be told a token.
  const server = await startServer({ database: 'sqlite', env: { PANGOLIN_NO_AUTH: 'true' } })
  try {
    let passed = 0
    await checkingDrift(context, server.url, async (url) => {
      for (const program of programs) {
        await context.test(basename(program), async (suite) => {
          passed += await runNative(suite, [program, 'rest_catalog'], { CATALOG_URI: url }, rustOutcomes)
        })
      }
    })
    assert.ok(passed >= LEAST_TESTS, `only ${passed} tests passed`)
  } finally {
    await server.stop()
  }
})
