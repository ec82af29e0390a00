/**
 * Trino's half that talks to the catalog: the Java client in the version that Trino 476 contains, used as its connector uses
 * it (see TrinoSession.java). Trino itself needs a newer Java than most machines have.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { checkingDrift } from '../http/drift-proxy.ts'
import { requireService } from '../services/require.ts'
import { trinoEnv } from './java/java.ts'
import { startServer } from './server.ts'

const run = promisify(execFile)

test("Trino's client", async (context) => {
  const env = requireService(context, await trinoEnv())
  if (env === undefined) return
  const server = await startServer({ database: 'sqlite' })
  try {
    const output = await checkingDrift(context, server.url, async (url) => {
      const flags = ['-Xmx512m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Dorg.slf4j.simpleLogger.defaultLogLevel=off']
      const { stdout } = await run(env.java, [...flags, '-cp', env.classpath, 'pangolin.TrinoSession'], {
        timeout: 5 * 60_000,
        env: {
          PATH: process.env['PATH'],
          HOME: process.env['HOME'],
          CATALOG_URI: url,
          CATALOG_TOKEN: server.adminToken,
          CATALOG_CREDENTIAL: `${server.username}:${server.password}`,
        },
      })
      return stdout
    })
    const steps = output
      .trim()
      .split('\n')
      .map((line) => line.split('\t'))
    for (const [name = '', outcome] of steps) await context.test(name, () => assert.equal(outcome, 'ok'))
    assert.equal(steps.length, 2 * 3 * 7)
  } finally {
    await server.stop()
  }
})
