/**
 * Trino, one for a test process: its server from Maven with the one plugin that the suite needs, kept in the cache folder, on
 * loopback and without any catalog. The suite makes its catalogs by SQL. It needs a newer Java than the other test tools.
 */
import { execFile } from 'node:child_process'
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Availability } from '../../services/require.ts'
import { startServerProcess, type ServerProcess } from '../../services/server-process.ts'
import { cacheFolder, madeOnce } from '../cache.ts'
import { javaOf, missingTool, reasonOf } from '../java/java.ts'

const run = promisify(execFile)
const VERSION = '476'
const OLDEST_JAVA = 24
const PLUGIN = 'iceberg'
/** As Trino's own launcher has it, but with little memory and a quick start. */
const JVM = [
  '-Xmx1G',
  '-XX:+UseSerialGC',
  '-XX:TieredStopAtLevel=1',
  '-Duser.timezone=UTC',
  '-Djdk.attach.allowAttachSelf=true',
  '--add-modules=jdk.incubator.vector',
  '--add-opens=java.base/java.nio=ALL-UNNAMED',
  '--enable-native-access=ALL-UNNAMED',
  '--sun-misc-unsafe-memory-access=allow',
]
const COPY = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy'
/** It takes some fifteen on an idle machine. */
const READY_SECONDS = 180

interface Installation {
  readonly java: string
  readonly folder: string
}

let shared: Promise<Availability<ServerProcess>> | undefined

/** Where the process's one instance listens, as environment variables for the suite, or why there is none. */
export async function trino(): Promise<Availability<{ readonly PANGOLIN_TRINO_PORT: string }>> {
  const started = await (shared ??= start())
  return 'value' in started ? { value: { PANGOLIN_TRINO_PORT: String(started.value.port) } } : started
}

/** The instance of `trino`, if it was started. */
export async function stopTrino(): Promise<void> {
  const started = await shared
  shared = undefined
  if (started !== undefined && 'value' in started) await started.value.stop()
}

async function start(): Promise<Availability<ServerProcess>> {
  const installation = await install()
  if ('missing' in installation) return installation
  const { java, folder: home } = installation.value
  return startServerProcess({
    name: 'trino',
    command: java,
    args: (port, folder) => {
      configure(home, folder, port)
      return [
        ...JVM,
        `-Dconfig=${join(folder, 'config.properties')}`,
        `-Dlog.levels-file=${join(folder, 'log.properties')}`,
        '-cp',
        join(home, 'lib', '*'),
        'io.trino.server.TrinoServer',
      ]
    },
    // Where it is given no keys, it is not to ask the network for some.
    environment: { AWS_EC2_METADATA_DISABLED: 'true' },
    isReady: async (port) => {
      const answer = await fetch(`http://127.0.0.1:${port}/v1/info`, { signal: AbortSignal.timeout(5_000) })
      return ((await answer.json()) as { readonly starting: boolean }).starting === false
    },
    readySeconds: READY_SECONDS,
  })
}

/** The files that Trino reads at its start. */
function configure(home: string, folder: string, port: number): void {
  const config = {
    'node.environment': 'test',
    'node.bind-ip': '127.0.0.1',
    'node.internal-address': '127.0.0.1',
    coordinator: 'true',
    'node-scheduler.include-coordinator': 'true',
    'http-server.http.port': String(port),
    'discovery.uri': `http://127.0.0.1:${port}`,
    'plugin.dir': join(home, 'plugin'),
    'catalog.management': 'dynamic',
    'catalog.store': 'memory',
  }
  const lines = Object.entries(config).map(([key, value]) => `${key}=${value}\n`)
  writeFileSync(join(folder, 'config.properties'), lines.join(''))
  writeFileSync(join(folder, 'log.properties'), '=WARN\n')
}

async function install(): Promise<Availability<Installation>> {
  const java = await javaOf(OLDEST_JAVA)
  if ('missing' in java) return { missing: `Trino: ${java.missing}` }
  const missing = await missingTool('mvn', ['-v'])
  if (missing !== undefined) return { missing }
  try {
    const folder = await madeOnce(join(cacheFolder(), `trino-${VERSION}`), unpack)
    return { value: { java: java.value, folder } }
  } catch (error) {
    return { missing: `Trino could not be installed: ${reasonOf(error)}` }
  }
}

/** The archive holds each jar once and links to it from the plugins, so it is unpacked whole before the others are removed. */
async function unpack(folder: string): Promise<void> {
  mkdirSync(folder)
  const artifact = `-Dartifact=io.trino:trino-server:${VERSION}:tar.gz`
  await run('mvn', ['-q', '-B', COPY, artifact, `-DoutputDirectory=${folder}`], { timeout: 15 * 60_000, maxBuffer: 1 << 26 })
  const archive = join(folder, `trino-server-${VERSION}.tar.gz`)
  await run('tar', ['-xzf', archive, '-C', folder, '--strip-components=1'])
  rmSync(archive)
  rmSync(join(folder, 'secrets-plugin'), { recursive: true })
  for (const plugin of readdirSync(join(folder, 'plugin'))) {
    if (plugin !== PLUGIN) rmSync(join(folder, 'plugin', plugin), { recursive: true })
  }
}

// `node test/clients/trino/server.ts` installs ahead of the tests.
if (import.meta.main) {
  const made = await install()
  console.log('value' in made ? made.value.folder : `missing: ${made.missing}`)
  process.exitCode = 'value' in made ? 0 : 1
}
