/**
 * The verification matrix: what PyIceberg can do on every database and every storage, from a run on this machine. Each
 * combination is a server process of its own and four tests; what the machine lacks is skipped, and says why.
 */
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { startFerret } from '../../services/ferret.ts'
import { MONGO_TITLE, startMongo } from '../../services/mongo.ts'
import { startMinio } from '../../services/minio.ts'
import { startPostgres } from '../../services/postgres.ts'
import type { Availability } from '../../services/require.ts'
import { pythonEnv, requirementsOf } from '../python.ts'
import { pytestOutcomes, type CatalogSettings } from '../pytest.ts'
import { startServer, type Database, type RunningServer } from '../server.ts'
import { azureLake, googleLake, type Lake } from '../lakes.ts'
import { create, localCatalog, s3Catalog } from '../suite.ts'

export const STORAGES = ['local', 's3', 'azure', 'gcs'] as const
export type Storage = (typeof STORAGES)[number]
export const DATABASES = ['memory', 'sqlite', 'postgres', 'mongo', 'ferret'] as const satisfies readonly Database[]
export const TITLES: Readonly<Record<Database | Storage, string>> = {
  memory: 'memory',
  sqlite: 'SQLite',
  postgres: 'PostgreSQL',
  mongo: MONGO_TITLE.replace('mongo', 'MongoDB'),
  ferret: 'MongoDB engine on FerretDB, one request at a time',
  local: 'local disk',
  s3: 'S3 (MinIO)',
  azure: 'Azure (Azurite)',
  gcs: 'Google (fake-gcs-server)',
}
/** The columns, each with its test. */
export const STEPS = [
  ['table creation', 'test_table_creation'],
  ['data write', 'test_data_write'],
  ['data read', 'test_data_read'],
  ['schema update', 'test_schema_update'],
] as const

export interface Cell {
  readonly step: string
  readonly outcome: 'passed' | 'failed' | 'skipped'
  /** Why it did not pass. */
  readonly reason: string | undefined
}

export interface Row {
  readonly database: Database
  readonly storage: Storage
  readonly cells: readonly Cell[]
}

export interface Combination {
  readonly database: Database
  readonly storage: Storage
}

/** What is run: FerretDB takes a second for a change, and is no database to keep a lake in. */
export const EVERY: readonly Combination[] = DATABASES.flatMap((database) =>
  STORAGES.filter((storage) => database !== 'ferret' || storage === 'local').map((storage) => ({ database, storage })),
)

const FOLDER = join(import.meta.dirname, '..', 'pyiceberg')
const SELECTION = ['-k', 'test_matrix']

const all = (outcome: Cell['outcome'], reason: string): Cell[] => STEPS.map(([step]) => ({ step, outcome, reason }))

async function databaseUrl(database: Database): Promise<Availability<string>> {
  if (database === 'postgres') {
    const server = await startPostgres()
    return 'missing' in server ? server : { value: await server.value.createDatabase() }
  }
  if (database === 'mongo') {
    const server = await startMongo()
    return 'missing' in server ? server : { value: server.value.createDatabase() }
  }
  if (database === 'ferret') {
    const server = await startFerret()
    return 'missing' in server ? server : { value: server.value.urlOf(`matrix-${randomUUID()}`) }
  }
  return { value: '' }
}

/** As the client reaches it. */
interface Reached {
  readonly catalog: CatalogSettings
  readonly stop?: () => Promise<void>
}

/** A catalog for which the client gets credentials from the server, with the one of PyIceberg's file IOs that knows the emulator. */
async function cloudCatalog(server: RunningServer, { kind, storageConfig, vendingStrategy }: Lake): Promise<CatalogSettings> {
  await create(server, 'warehouses', { name: 'cloud', storage_config: storageConfig, vending_strategy: vendingStrategy })
  await create(server, 'catalogs', { name: 'cloud', warehouse_name: 'cloud' })
  const io = kind === 'azure' ? 'pyiceberg.io.fsspec.FsspecFileIO' : 'pyiceberg.io.pyarrow.PyArrowFileIO'
  const local = localCatalog(server)
  return { ...local, kind, properties: { ...local.properties, warehouse: 'cloud', 'py-io-impl': io } }
}

async function reach(server: RunningServer, storage: Storage): Promise<Availability<Reached>> {
  if (storage === 'local') return { value: { catalog: localCatalog(server) } }
  if (storage === 's3') {
    const minio = await startMinio()
    return 'missing' in minio ? minio : { value: { catalog: await s3Catalog(server, minio.value) } }
  }
  if (storage === 'azure') {
    const lake = await azureLake()
    return 'missing' in lake ? lake : { value: { catalog: await cloudCatalog(server, lake.value) } }
  }
  const google = await googleLake()
  if ('missing' in google) return google
  return { value: { catalog: await cloudCatalog(server, google.value.lake), stop: google.value.stop } }
}

/** Libraries of clouds other than Amazon's are in an environment of their own. */
export const environmentFor = (storage: Storage): Promise<Availability<string>> =>
  pythonEnv(requirementsOf(storage === 'azure' || storage === 'gcs' ? 'clouds' : 'pyiceberg'))

async function cellsOf(python: string, catalog: CatalogSettings): Promise<Cell[]> {
  const outcomes = new Map<string, Cell>()
  for await (const { name, failure, skipped } of pytestOutcomes(python, FOLDER, catalog, { selection: SELECTION })) {
    const step = STEPS.find(([, test]) => name.endsWith(`::${test}`))?.[0]
    if (step === undefined) throw new Error(`the matrix has no column for ${name}`)
    const outcome = failure !== null ? 'failed' : skipped !== null ? 'skipped' : 'passed'
    outcomes.set(step, { step, outcome, reason: failure ?? skipped ?? undefined })
  }
  return STEPS.map(([step]) => outcomes.get(step) ?? { step, outcome: 'failed', reason: 'its test did not run' })
}

/** Never throws: what breaks a run is what its cells say. */
export async function runCombination({ database, storage }: Combination): Promise<Row> {
  const row = (cells: readonly Cell[]): Row => ({ database, storage, cells })
  let server: RunningServer | undefined
  let reached: Reached | undefined
  try {
    const python = await environmentFor(storage)
    if ('missing' in python) return row(all('skipped', python.missing))
    const url = await databaseUrl(database)
    if ('missing' in url) return row(all('skipped', url.missing))
    server = await startServer({ database, databaseUrl: url.value, env: { PANGOLIN_AUTH_RATE_LIMIT: '0' } })
    const made = await reach(server, storage)
    if ('missing' in made) return row(all('skipped', made.missing))
    reached = made.value
    return row(await cellsOf(python.value, reached.catalog))
  } catch (error) {
    return row(all('failed', error instanceof Error ? error.message : String(error)))
  } finally {
    await server?.stop()
    await reached?.stop?.()
  }
}
