/** iceberg-go: the suite that it holds all its catalogs to, its integration tests, and its command line. */
import assert from 'node:assert/strict'
import { after, test, type TestContext } from 'node:test'
import { checkingDrift } from '../http/drift-proxy.ts'
import { startMinio } from '../services/minio.ts'
import { requireService } from '../services/require.ts'
import { finished, runNative } from './built.ts'
import { goOutcomes, icebergGo, icebergGoTests } from './iceberg-go/go.ts'
import { startServer, type RunningServer } from './server.ts'
import { s3Catalog, stopMinio } from './suite.ts'

after(stopMinio)

const LEAST_TESTS = 30
/** Tests that are not run, each with the reason. */
const NOT_RUN = {
  'TestRestIntegration/TestUpdateView': "puts a view where a table lies, in which the table's writers could change it: refused",
}

test("iceberg-go's conformance suite and integration tests, on MinIO with vended credentials", async (context) => {
  const programs = requireService(context, await icebergGoTests())
  const minio = programs && requireService(context, await startMinio())
  if (programs === undefined || minio === undefined) return
  // They have no way to be told a token.
  const server = await startServer({ database: 'sqlite', env: { PANGOLIN_NO_AUTH: 'true' } })
  try {
    const { properties } = await s3Catalog(server, minio, { bucket: 'warehouse', prefix: '' })
    const suites = [
      [programs.rest, '^(TestRestCatalogConformance|TestEndpointNegotiation|TestRestIntegration)$'],
      [programs.table, '^TestOrphanCleanupIntegration$'],
    ] as const
    let passed = 0
    await checkingDrift(context, server.url, async (url) => {
      const env = { CATALOG_URI: `${url}/v1/${properties['warehouse']}` }
      const skip = Object.keys(NOT_RUN).map((name) =>
        name
          .split('/')
          .map((part) => `^${part}$`)
          .join('/'),
      )
      for (const [program, names] of suites) {
        const command = [program, '-test.v', '-test.run', names, '-test.skip', skip.join('|')] as const
        passed += await runNative(context, command, env, goOutcomes)
      }
      for (const [name, reason] of Object.entries(NOT_RUN)) await context.test(name, { skip: reason }, () => {})
    })
    assert.ok(passed >= LEAST_TESTS, `only ${passed} tests passed`)
  } finally {
    await server.stop()
  }
})

/** What a person types, and what is to be said then: a pattern for both streams, and the exit code where it is not 0. */
type Step = readonly [command: readonly string[], says: RegExp, code?: number]

const FIELDS = JSON.stringify([
  { id: 1, name: 'id', type: 'long', required: true },
  { id: 2, name: 'day', type: 'date', required: false },
])

const session = (location: RegExp): readonly Step[] => [
  [['create', 'namespace', 'go', '--description', 'made by iceberg-go'], /Namespace go created/],
  [['create', 'namespace', 'go'], /already exists/i, 1],
  [['describe', 'namespace', 'go'], /made by iceberg-go/],
  [['list'], /go/],
  [['list', '--page-size', '1'], /default[^]*go|go[^]*default/],
  [['properties', 'set', 'namespace', 'go', 'owner', 'ada'], /Updated owner/],
  [['properties', 'get', 'namespace', 'go', 'owner'], /ada/],
  [['properties', 'remove', 'namespace', 'go', 'owner'], /Removed owner/],
  [['properties', 'get', 'namespace', 'go', 'owner'], /could not find property owner/, 1],
  [
    [
      'create',
      'table',
      'go.orders',
      '--schema',
      FIELDS,
      '--partition-spec',
      'day',
      '--sort-order',
      'id:desc',
      '--properties',
      'a=b',
    ],
    /Table go\.orders created/,
  ],
  [['create', 'table', 'go.orders', '--schema', FIELDS], /already exists/i, 1],
  [['list', 'go'], /orders/],
  [['describe', 'go.orders'], /day/],
  [['schema', 'go.orders'], /id[^]*long/],
  [['spec', 'go.orders'], /day/],
  [['uuid', 'go.orders'], /[0-9a-f]{8}-[0-9a-f]{4}/],
  [['location', 'go.orders'], location],
  [['files', 'go.orders'], /go/],
  [['info', 'go.orders'], /orders/],
  [['snapshots', 'go.orders'], /./],
  [['refs', 'go.orders'], /./],
  // With `"requirements": null` in the commit.
  [['properties', 'set', 'table', 'go.orders', 'owner', 'ada'], /Updated owner/],
  [['properties', 'get', 'table', 'go.orders', 'owner'], /ada/],
  [['properties', 'remove', 'table', 'go.orders', 'owner'], /Removed owner/],
  [['upgrade', 'go.orders', '3', '--yes'], /3/],
  [['clean-orphan-files', 'go.orders', '--dry-run'], /./],
  [['rename', 'go.orders', 'go.sales'], /go\.sales/],
  [['drop', 'namespace', 'go'], /not empty/i, 1],
  [['drop', 'table', 'go.sales', '--purge'], /purged successfully/],
  [['describe', 'go.sales'], /not/, 1],
  [['drop', 'namespace', 'go'], /dropped successfully/],
]

async function commandLine(context: TestContext, iceberg: string, server: RunningServer, warehouse: string): Promise<void> {
  const location = warehouse === 'lake' ? /^file:\/\/.*orders/ : /^s3:\/\/.*orders/
  await checkingDrift(context, server.url, async (url) => {
    for (const [command, says, expected = 0] of session(location)) {
      await context.test(`iceberg ${command.slice(0, 4).join(' ')}`, async () => {
        const options = ['--uri', url, '--warehouse', warehouse, '--token', server.adminToken]
        const { code, output } = await finished(iceberg, [...options, ...command], {})
        assert.match(output, says)
        assert.equal(code, expected, output)
      })
    }
  })
}

test("iceberg-go's command line, on a local warehouse and on MinIO with vended credentials", async (context) => {
  const iceberg = requireService(context, await icebergGo())
  if (iceberg === undefined) return
  const minio = requireService(context, await startMinio())
  if (minio === undefined) return
  const server = await startServer({ database: 'sqlite' })
  try {
    await context.test('local', (suite) => commandLine(suite, iceberg, server, 'lake'))
    const { properties } = await s3Catalog(server, minio)
    await context.test('MinIO', (suite) => commandLine(suite, iceberg, server, String(properties['warehouse'])))
  } finally {
    await server.stop()
  }
})
