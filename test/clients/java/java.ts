/**
 * The Java that the compatibility kit and the reference server run in: Maven resolves what `pom.xml` names, `javac`
 * compiles the few classes beside it, and the outcome is kept in the cache folder, shared by all checkouts with the same.
 */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import type { Availability } from '../../services/require.ts'
import { cacheFolder, madeOnce } from '../cache.ts'

const run = promisify(execFile)
const FOLDER = import.meta.dirname
const POM = join(FOLDER, 'pom.xml')
const SOURCES = ['ReferenceServer.java', 'CapableCatalogTests.java'].map((name) => join(FOLDER, name))
const RESOLVE = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:build-classpath'
const OLDEST = 17

export interface JavaEnv {
  readonly java: string
  readonly classpath: string
}

export async function javaEnv(): Promise<Availability<JavaEnv>> {
  const missing =
    (await missingTool('java', ['-version'])) ?? (await missingTool('javac', ['-version'])) ?? (await missingTool('mvn', ['-v']))
  if (missing !== undefined) return { missing }
  const hash = createHash('sha256')
  for (const file of [POM, ...SOURCES]) hash.update(readFileSync(file))
  try {
    const folder = await madeOnce(join(cacheFolder(), `java-${hash.digest('hex').slice(0, 12)}`), make)
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

async function make(folder: string): Promise<void> {
  mkdirSync(join(folder, 'classes'), { recursive: true })
  await resolve(POM, join(folder, 'classpath'))
  await run('javac', ['-d', join(folder, 'classes'), '-cp', classpath(folder), ...SOURCES])
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

/** Why the tool can't be used, if so. */
export async function missingTool(command: string, options: readonly string[]): Promise<string | undefined> {
  try {
    const { stdout, stderr } = await run(command, [...options])
    const major = Number(/(?:version "|javac )(\d+)/.exec(stdout + stderr)?.[1] ?? OLDEST)
    return major < OLDEST ? `${command} ${major} is older than ${OLDEST}` : undefined
  } catch {
    return `no ${command} on this machine`
  }
}

// `node test/clients/java/java.ts` installs ahead of the tests.
if (import.meta.main) {
  const made = await javaEnv()
  console.log(
    'value' in made ? `ready: ${made.value.classpath.split(delimiter).length} class path entries` : `missing: ${made.missing}`,
  )
  process.exitCode = 'value' in made ? 0 : 1
}
