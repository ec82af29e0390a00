/**
 * PyIceberg's own integration tests, as they come with its source distribution, on MinIO with the storage's own keys; Spark
 * writes what they read, and reads what they write.
 * `pyiceberg_suite/deselected.txt` says which of them are not run, and why.
 */
import assert from 'node:assert/strict'
import { delimiter, join } from 'node:path'
import { after, test } from 'node:test'
import { checkingDrift } from '../http/drift-proxy.ts'
import { startMinio } from '../services/minio.ts'
import { requireService } from '../services/require.ts'
import { pythonEnv, requirementsOf } from './python.ts'
import { pyicebergTests } from './pyiceberg_suite/sdist.ts'
import { runPytest } from './pytest.ts'
import { startServer } from './server.ts'
import { sparkJars } from './spark/jars.ts'
import { s3Catalog, stopMinio } from './suite.ts'

const LEAST_TESTS = 600
const HERE = join(import.meta.dirname, 'pyiceberg_suite')

after(stopMinio)

test("PyIceberg's own integration suite", async (context) => {
  const python = requireService(context, await pythonEnv(requirementsOf('pyiceberg_suite')))
  if (python === undefined) return
  const tests = requireService(context, await pyicebergTests(python))
  if (tests === undefined) return
  const jars = requireService(context, await sparkJars())
  if (jars === undefined) return
  const minio = requireService(context, await startMinio())
  if (minio === undefined) return
  const server = await startServer({ database: 'sqlite' })
  try {
    const catalog = await s3Catalog(server, minio, { bucket: 'warehouse', prefix: '' })
    const env = { ...jars, PYTHONPATH: [import.meta.dirname, HERE, tests].join(delimiter), PYICEBERG_SUITE: tests }
    const selection = ['-p', 'pangolin_services', '-m', 'integration']
    const count = await checkingDrift(context, server.url, (uri) =>
      runPytest(
        context,
        python,
        join(tests, 'tests', 'integration'),
        { ...catalog, properties: { ...catalog.properties, uri } },
        { env, selection },
      ),
    )
    assert.ok(count >= LEAST_TESTS, `only ${count} tests ran`)
  } catch (error) {
    context.diagnostic(`the server's last words:\n${server.log.slice(-5_000)}`)
    throw error
  } finally {
    await server.stop()
  }
})
