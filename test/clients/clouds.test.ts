/**
 * PyIceberg and the Java client on warehouses on Azure and Google Cloud Storage, on their emulators, with nothing but the
 * credentials that the server vends.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { after, test, type TestContext } from 'node:test'
import { promisify } from 'node:util'
import { checkingDrift, startDriftProxy } from '../http/drift-proxy.ts'
import { stopAzurite } from '../services/azurite.ts'
import { stopFakeGcs } from '../services/gcs.ts'
import { requireService } from '../services/require.ts'
import { cloudEnv } from './java/java.ts'
import { azureLake, googleLake, type GoogleLake, type Lake } from './lakes.ts'
import { pythonEnv, requirementsOf } from './python.ts'
import { runPytest } from './pytest.ts'
import { startServer, type RunningServer } from './server.ts'
import { create } from './suite.ts'

after(stopAzurite)
after(stopFakeGcs)

const LEAST_TESTS = 8
const CATALOG = 'lake-in-the-cloud'

/** A server with the one catalog, and a token for it that may only read. */
async function serve({ storageConfig, vendingStrategy }: Lake): Promise<{ server: RunningServer; reader: string }> {
  const server = await startServer({ database: 'memory' })
  try {
    await create(server, 'warehouses', { name: 'cloud', storage_config: storageConfig, vending_strategy: vendingStrategy })
    await create(server, 'catalogs', { name: CATALOG, warehouse_name: 'cloud' })
    return { server, reader: String((await create(server, 'tokens', { access: 'read' }))['token']) }
  } catch (error) {
    await server.stop()
    throw error
  }
}

async function run(context: TestContext, lake: Lake): Promise<void> {
  const python = requireService(context, await pythonEnv(requirementsOf('clouds')))
  if (python === undefined) return
  const { server, reader } = await serve(lake)
  try {
    const properties = { type: 'rest', warehouse: CATALOG, token: server.adminToken }
    const { username, password } = server
    const folder = join(import.meta.dirname, 'clouds')
    const env = { PANGOLIN_TEST_READER_TOKEN: reader }
    const { kind } = lake
    const count = await checkingDrift(context, server.url, (uri) =>
      runPytest(context, python, folder, { properties: { ...properties, uri }, username, password, kind }, { env }),
    )
    assert.ok(count >= LEAST_TESTS, `only ${count} tests ran`)
  } catch (error) {
    context.diagnostic(`the server's last words:\n${server.log.slice(-5_000)}`)
    throw error
  } finally {
    await server.stop()
  }
}

test('PyIceberg (fsspec) on Azurite, with vended signatures for the container', async (context) => {
  const lake = requireService(context, await azureLake())
  if (lake !== undefined) await run(context, lake)
})

async function openGoogle(context: TestContext): Promise<GoogleLake | undefined> {
  const google = requireService(context, await googleLake())
  if (google !== undefined) context.after(google.stop)
  return google
}

test('PyIceberg (PyArrow) on fake-gcs-server, with vended tokens that a proxy of ours enforces', async (context) => {
  const google = await openGoogle(context)
  if (google === undefined) return
  await run(context, google.lake)
  assert.ok(google.identity.requests.exchanges > 0)
})

test('the Java client on fake-gcs-server, with vended tokens that a proxy of ours enforces', async (context) => {
  const env = requireService(context, await cloudEnv())
  if (env === undefined) return
  const google = await openGoogle(context)
  if (google === undefined) return
  const { server, reader } = await serve(google.lake)
  const session = async (url: string, suffix: string): Promise<void> => {
    const flags = ['-Xmx512m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Dorg.slf4j.simpleLogger.defaultLogLevel=off']
    const { stdout } = await promisify(execFile)(env.java, [...flags, '-cp', env.classpath, 'pangolin.CloudSession'], {
      timeout: 5 * 60_000,
      env: {
        PATH: process.env['PATH'],
        HOME: process.env['HOME'],
        CATALOG_URI: url,
        CATALOG_WAREHOUSE: CATALOG,
        CATALOG_TOKEN: server.adminToken,
        CATALOG_READER_TOKEN: reader,
        CATALOG_FILE_IO: 'org.apache.iceberg.gcp.gcs.GCSFileIO',
        CATALOG_SUFFIX: suffix,
      },
    })
    const steps = stdout
      .trim()
      .split('\n')
      .map((line) => line.split('\t'))
    for (const [name = '', outcome] of steps) await context.test(`${name} (${suffix})`, () => assert.equal(outcome, 'ok'))
    assert.equal(steps.length, 5)
  }
  const asked: string[] = []
  const watched = await startDriftProxy(server.url, {
    operations: new Map(),
    check: ({ method, path }) => void asked.push(`${method} ${path.replace(/\?.*/, '')}`),
  })
  const renewals = (): number => asked.filter((request) => /^GET .*\/tables\/[^/]+\/credentials$/.test(request)).length
  try {
    await checkingDrift(context, watched.url, (url) => session(url, '_with_long_tokens'))
    assert.equal(renewals(), 0, asked.join('\n'))
    // So short that the client renews them before it uses them.
    google.identity.lifeSeconds = 2
    await checkingDrift(context, watched.url, (url) => session(url, '_with_short_tokens'))
    assert.ok(renewals() > 0, asked.join('\n'))
  } finally {
    await watched.stop()
    await server.stop()
  }
})
