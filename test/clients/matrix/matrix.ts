/**
 * The verification matrix: what PyIceberg can do on every database and every storage, from a run on this machine. Each
 * combination is a server process of its own and four tests; what the machine lacks is skipped, and says why.
 */
import { join } from 'node:path'
import { MONGO_TITLE, startMongo } from '../../services/mongo.ts'
import { startMinio } from '../../services/minio.ts'
import { startPostgres } from '../../services/postgres.ts'
import type { Availability } from '../../services/require.ts'
import { pythonEnv, requirementsOf } from '../python.ts'
import { pytestOutcomes, type CatalogSettings } from '../pytest.ts'
import { startServer, type Database, type RunningServer } from '../server.ts'
import { localCatalog, s3Catalog, type WAREHOUSES } from '../suite.ts'

export type Warehouse = (typeof WAREHOUSES)[number]
export const DATABASES = ['memory', 'sqlite', 'postgres', 'mongo'] as const satisfies readonly Database[]
export const TITLES: Readonly<Record<Database | Warehouse, string>> = {
  memory: 'memory',
  sqlite: 'SQLite',
  postgres: 'PostgreSQL',
  mongo: MONGO_TITLE.replace('mongo', 'MongoDB'),
  local: 'local disk',
  s3: 'S3 (MinIO)',
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
  readonly warehouse: Warehouse
  readonly cells: readonly Cell[]
}

export interface Combination {
  readonly database: Database
  readonly warehouse: Warehouse
}

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
  return { value: '' }
}

async function catalogOn(server: RunningServer, warehouse: Warehouse): Promise<Availability<CatalogSettings>> {
  if (warehouse === 'local') return { value: localCatalog(server) }
  const minio = await startMinio()
  return 'missing' in minio ? minio : { value: await s3Catalog(server, minio.value) }
}

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
export async function runCombination({ database, warehouse }: Combination): Promise<Row> {
  const row = (cells: readonly Cell[]): Row => ({ database, warehouse, cells })
  let server: RunningServer | undefined
  try {
    const python = await pythonEnv(requirementsOf())
    if ('missing' in python) return row(all('skipped', python.missing))
    const url = await databaseUrl(database)
    if ('missing' in url) return row(all('skipped', url.missing))
    server = await startServer({ database, databaseUrl: url.value, env: { PANGOLIN_AUTH_RATE_LIMIT: '0' } })
    const catalog = await catalogOn(server, warehouse)
    if ('missing' in catalog) return row(all('skipped', catalog.missing))
    return row(await cellsOf(python.value, catalog.value))
  } catch (error) {
    return row(all('failed', error instanceof Error ? error.message : String(error)))
  } finally {
    await server?.stop()
  }
}
