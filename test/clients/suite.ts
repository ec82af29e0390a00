/**
 * Runs a client's Python suite against a started server, with every answer checked against the specification on its way to
 * the client.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { checkingDrift } from '../http/drift-proxy.ts'
import { newDatabase } from '../services/databases.ts'
import { startMinio, type Minio } from '../services/minio.ts'
import { requireService, type Availability } from '../services/require.ts'
import { pythonEnv, requirementsOf } from './python.ts'
import { runPytest, type CatalogSettings } from './pytest.ts'
import { startServer, type Database, type RunningServer } from './server.ts'

export interface ClientSuite {
  /** Beside this file: its tests, their `requirements.txt`. */
  readonly folder: string
  /** Another suite's folder, if this one needs the same packages as that. */
  readonly packagesOf?: string
  /** Arguments for pytest that choose among its tests. */
  readonly selection?: readonly string[]
  /** Fewer would mean that a file of the suite was not found. */
  readonly leastTests: number
  /** What the suite needs beside Python packages, handed over as environment variables. */
  readonly tools?: () => Promise<Availability<Readonly<Record<string, string>>>>
}

export const WAREHOUSES = ['local', 's3'] as const

export interface Target {
  readonly database: Database
  readonly warehouse: (typeof WAREHOUSES)[number]
}

/** The body of a client's test. Servers that it may start are for the caller to stop when all are done. */
export async function runClient(context: TestContext, suite: ClientSuite, { database, warehouse }: Target): Promise<void> {
  const folder = join(import.meta.dirname, suite.folder)
  const { selection = [], packagesOf = suite.folder } = suite
  const python = requireService(context, await pythonEnv(requirementsOf(packagesOf)))
  if (python === undefined) return
  const env = suite.tools === undefined ? {} : requireService(context, await suite.tools())
  if (env === undefined) return
  const isServer = database === 'postgres' || database === 'mongo'
  const databaseUrl = isServer ? await newDatabase(context, database) : ''
  if (databaseUrl === undefined) return
  // The suites log in more often than a person would.
  const server = await startServer({ database, databaseUrl, env: { PANGOLIN_AUTH_RATE_LIMIT: '0' } })
  try {
    const catalog = await (warehouse === 'local' ? localCatalog(server) : onMinio(context, server))
    if (catalog === undefined) return
    const count = await checkingDrift(context, server.url, (uri) =>
      runPytest(context, python, folder, { ...catalog, properties: { ...catalog.properties, uri } }, { env, selection }),
    )
    assert.ok(count >= suite.leastTests, `only ${count} tests ran`)
  } catch (error) {
    context.diagnostic(`the server's last words:\n${server.log.slice(-5_000)}`)
    throw error
  } finally {
    await server.stop()
  }
}

export async function stopMinio(): Promise<void> {
  const minio = await startMinio()
  if ('value' in minio) await minio.value.stop()
}

/** The catalog that the first start makes. */
export function localCatalog(server: RunningServer): CatalogSettings {
  const properties = { type: 'rest', uri: server.url, warehouse: 'lake', token: server.adminToken }
  return { properties, username: server.username, password: server.password, kind: 'local' }
}

async function onMinio(context: TestContext, server: RunningServer): Promise<CatalogSettings | undefined> {
  const minio = requireService(context, await startMinio())
  return minio && s3Catalog(server, minio)
}

/** Where suites that others wrote expect their tables. */
export interface S3Place {
  /** Of a MinIO that has no such bucket yet. */
  readonly bucket?: string
  /** Empty for the bucket's root. */
  readonly prefix?: string
}

/** A warehouse in a bucket of its own. All that the client knows of it comes from the server, credentials for each table too. */
export async function s3Catalog(server: RunningServer, minio: Minio, where: S3Place = {}): Promise<CatalogSettings> {
  const { bucket = `clients-${process.pid}-${Date.now()}`, prefix = 'some/prefix' } = where
  await minio.createBucket(bucket)
  const { endpoint, region, accessKey, secretKey } = minio
  const keys = { 's3.access-key-id': accessKey, 's3.secret-access-key': secretKey }
  await create(server, 'warehouses', {
    name: 'minio',
    storage_config: {
      's3.bucket': bucket,
      's3.endpoint': endpoint,
      's3.region': region,
      's3.path-style-access': 'true',
      ...keys,
    },
    vending_strategy: { AwsSts: { role_arn: 'arn:aws:iam::123456789012:role/lake' } },
  })
  const storage_location = prefix === '' ? `s3://${bucket}` : `s3://${bucket}/${prefix}`
  await create(server, 'catalogs', { name: 'bucket', warehouse_name: 'minio', storage_location })
  const properties = { type: 'rest', uri: server.url, warehouse: 'bucket', token: server.adminToken }
  const storage = { endpoint, region, bucket, accessKey, secretKey }
  return { properties, username: server.username, password: server.password, kind: 's3', storage }
}

/** A catalog in a bucket of its own, whose warehouse hands out nothing and signs requests instead. */
export async function signingCatalog(
  server: RunningServer,
  { createBucket, endpoint, region, accessKey, secretKey }: Minio,
): Promise<{ readonly warehouse: string; readonly location: string }> {
  const bucket = `signed-${process.pid}-${Date.now()}`
  await createBucket(bucket)
  const keys = { access_key_id: accessKey, secret_access_key: secretKey }
  await create(server, 'warehouses', {
    name: 'signed',
    storage_config: { type: 's3', bucket, endpoint, region, ...keys },
    vending_strategy: { AwsSigning: {} },
  })
  await create(server, 'catalogs', { name: 'signed', warehouse_name: 'signed' })
  return { warehouse: 'signed', location: `s3://${bucket}` }
}

/** Makes one through the management API, as the administrator. */
export async function create(
  server: RunningServer,
  what: 'warehouses' | 'catalogs' | 'tokens',
  body: object,
): Promise<Readonly<Record<string, unknown>>> {
  const answer = await fetch(`${server.url}/api/v1/${what}`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${server.adminToken}`, 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  })
  const text = await answer.text()
  assert.ok(answer.ok, text)
  return JSON.parse(text) as Readonly<Record<string, unknown>>
}
