/**
 * The Java that the compatibility kit, the reference server and other test tools run in: Maven resolves what a `pom.xml` names,
 * `javac` compiles the few classes beside it, and the outcome is kept in the cache folder, shared by all checkouts with the
 * same.
 */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import type { Availability } from '../../services/require.ts'
import { cacheFolder, madeOnce } from '../cache.ts'

const run = promisify(execFile)
const FOLDER = import.meta.dirname
const POM = join(FOLDER, 'pom.xml')
const SOURCES = ['ReferenceServer.java', 'CapableCatalogTests.java', 'SigningCatalogTests.java'].map((name) => join(FOLDER, name))
const CLOUDS = join(FOLDER, '..', 'clouds')
const RESOLVE = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:build-classpath'
const OLDEST = 17
/** Where Debian and its relatives install them. */
const JAVA_HOMES = '/usr/lib/jvm'

export interface JavaEnv {
  readonly java: string
  readonly classpath: string
}

export const javaEnv = (): Promise<Availability<JavaEnv>> => compiled(POM, SOURCES)

/** The client with its file IO for Google Cloud Storage, and a program that uses both. */
export const cloudEnv = (): Promise<Availability<JavaEnv>> =>
  compiled(join(CLOUDS, 'pom.xml'), [join(CLOUDS, 'CloudSession.java')])

/** What the POM names and the classes of the sources, which need it. */
async function compiled(pom: string, sources: readonly string[]): Promise<Availability<JavaEnv>> {
  const missing =
    (await missingTool('java', ['-version'])) ?? (await missingTool('javac', ['-version'])) ?? (await missingTool('mvn', ['-v']))
  if (missing !== undefined) return { missing }
  const hash = createHash('sha256')
  for (const file of [pom, ...sources]) hash.update(readFileSync(file))
  try {
    const folder = await madeOnce(join(cacheFolder(), `java-${hash.digest('hex').slice(0, 12)}`), (folder) =>
      make(folder, pom, sources),
    )
    return { value: { java: 'java', classpath: classpath(folder) } }
  } catch (error) {
    return { missing: `the Java test tools could not be installed: ${reasonOf(error)}` }
  }
}

/** The beginning of what a failed tool said. */
export function reasonOf(error: unknown): string {
  const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string }
  return `${stdout}\n${stderr}`.trim().split('\n').slice(0, 3).join(' | ') || String(error)
}

async function make(folder: string, pom: string, sources: readonly string[]): Promise<void> {
  mkdirSync(join(folder, 'classes'), { recursive: true })
  await resolve(pom, join(folder, 'classpath'))
  await run('javac', ['-d', join(folder, 'classes'), '-cp', classpath(folder), ...sources])
}

/** Lets Maven fetch what the POM names into its own repository, and writes the class path to the file. */
export async function resolve(pom: string, file: string): Promise<void> {
  await run('mvn', ['-q', '-B', '-f', pom, RESOLVE, `-Dmdep.outputFile=${file}`], {
    timeout: 15 * 60_000,
    maxBuffer: 1 << 26,
  })
}

function classpath(folder: string): string {
  return [join(folder, 'classes'), readFileSync(join(folder, 'classpath'), 'utf8').trim()].join(delimiter)
}

/** A Java of this version or a newer one: on the PATH, in JAVA_HOME, or beside the others of the machine. */
export async function javaOf(oldest: number): Promise<Availability<string>> {
  const homes = [process.env['JAVA_HOME'] ?? '', ...othersOfTheMachine()].filter((home) => home !== '')
  for (const java of ['java', ...homes.map((home) => join(home, 'bin', 'java'))]) {
    if ((await missingTool(java, ['-version'], oldest)) === undefined) return { value: java }
  }
  return { missing: `no Java ${oldest} or newer on the PATH, in JAVA_HOME or below ${JAVA_HOMES}` }
}

function othersOfTheMachine(): string[] {
  if (!existsSync(JAVA_HOMES)) return []
  return readdirSync(JAVA_HOMES).map((name) => join(JAVA_HOMES, name))
}

/** Why the tool can't be used, if so. */
export async function missingTool(
  command: string,
  options: readonly string[],
  oldest: number = OLDEST,
): Promise<string | undefined> {
  try {
    const { stdout, stderr } = await run(command, [...options])
    const major = Number(/(?:version "|javac )(\d+)/.exec(stdout + stderr)?.[1] ?? OLDEST)
    return major < oldest ? `${command} ${major} is older than ${oldest}` : undefined
  } catch {
    return `no ${command} on this machine`
  }
}

// `node test/clients/java/java.ts` installs ahead of the tests.
if (import.meta.main) {
  for (const install of [javaEnv, cloudEnv]) {
    const made = await install()
    const ready = 'value' in made
    console.log(ready ? `ready: ${made.value.classpath.split(delimiter).length} class path entries` : `missing: ${made.missing}`)
    if (!ready) process.exitCode = 1
  }
}
