/** What a run of the matrix ran on, as each program says of itself. */
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { promisify } from 'node:util'
import { AZURITE_VERSION } from '../../services/azurite.ts'
import { findBinary } from '../../services/binaries.ts'
import { givenMongo } from '../../services/mongo.ts'
import { startPostgres } from '../../services/postgres.ts'
import { pythonEnv, requirementsOf } from '../python.ts'
import type { Combination } from './matrix.ts'

const run = promisify(execFile)
const ROOT = join(import.meta.dirname, '..', '..', '..')
const PACKAGES = `import sys, pyiceberg, pyarrow
print(f"PyIceberg {pyiceberg.__version__} (PyArrow {pyarrow.__version__}, Python {sys.version.split()[0]})")`

async function python(): Promise<string | undefined> {
  const env = await pythonEnv(requirementsOf())
  return 'missing' in env ? undefined : (await run(env.value, ['-c', PACKAGES])).stdout.trim()
}

function sqlite(): string {
  const database = new DatabaseSync(':memory:')
  const { version } = database.prepare('select sqlite_version() as version').get() as { readonly version: string }
  database.close()
  return `SQLite ${version}`
}

async function postgres(): Promise<string | undefined> {
  const server = await startPostgres()
  if ('missing' in server) return undefined
  const [row] = await server.value.query('show server_version')
  return `PostgreSQL ${row?.[0]?.split(' ')[0] ?? ''}`
}

/** The stand-in's version is the one that is pinned. */
function mongo(): string {
  if (givenMongo !== undefined) return 'MongoDB of MONGODB_TEST_URI'
  const pom = readFileSync(join(ROOT, 'test', 'services', 'mongo', 'pom.xml'), 'utf8')
  const [, version = ''] = /<artifactId>mongo-java-server[\w-]*<\/artifactId>\s*<version>([^<]+)</.exec(pom) ?? []
  return `mongo-java-server ${version}`.trim()
}

function ferret(): string {
  const module = readFileSync(join(ROOT, 'test', 'services', 'ferret', 'go.mod'), 'utf8')
  return `FerretDB ${/FerretDB v(\S+)/.exec(module)?.[1] ?? ''}`.trim()
}

/** What Go built from the module proxy does not know its own version, but Go does. */
async function goBuilt(name: string, title: string): Promise<string | undefined> {
  const binary = findBinary(name)
  if (binary === undefined) return undefined
  const module = await run('go', ['version', '-m', binary]).catch(() => undefined)
  const [, version] = /\tmod\t\S+\t(\S+)/.exec(module?.stdout ?? '') ?? []
  return version === undefined || version === '(devel)' ? title : `${title} ${version.replace(/^v/, '')}`
}

/** Of what the combinations need and the machine has, the product and the client first. */
export async function versionsOf(combinations: readonly Combination[]): Promise<string[]> {
  const uses = (name: string): boolean => combinations.some(({ database, storage }) => database === name || storage === name)
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { readonly version: string }
  const versions = [
    `Pangolin ${version}`,
    await python(),
    `Node.js ${process.version.slice(1)}`,
    uses('sqlite') ? sqlite() : undefined,
    uses('postgres') ? await postgres() : undefined,
    uses('mongo') ? mongo() : undefined,
    uses('ferret') ? ferret() : undefined,
    uses('s3') ? await goBuilt('minio', 'MinIO') : undefined,
    uses('azure') ? `Azurite ${AZURITE_VERSION}` : undefined,
    uses('gcs') ? await goBuilt('fake-gcs-server', 'fake-gcs-server') : undefined,
  ]
  return versions.filter((text) => text !== undefined)
}
