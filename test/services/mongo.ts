/**
 * What tests of the MongoDB engine run on: the server that `MONGODB_TEST_URI` names, or a stand-in that each test process
 * starts for itself, on loopback, with its data in its memory or a file. The stand-in is mongo-java-server, found by Maven and kept in
 * the cache folder; it shows that our requests are well formed and our protocol sound, not what MongoDB does.
 */
import { execFile, spawn } from 'node:child_process'
import { createHash, randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { MongoClient } from 'mongodb'
import { cacheFolder, madeOnce } from '../clients/cache.ts'
import type { Availability } from './require.ts'
import './unproven.ts'

const run = promisify(execFile)
const FOLDER = join(import.meta.dirname, 'mongo')
const POM = join(FOLDER, 'pom.xml')
const SOURCE = join(FOLDER, 'MongoMain.java')
const RESOLVE = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:build-classpath'
const READY_SECONDS = 60

export interface MongoServer {
  readonly url: string
  /** The URL of a new, empty database. */
  readonly createDatabase: () => string
  readonly stop: () => Promise<void>
}

export interface MongoProcess extends MongoServer {
  /** Ends it at once, as when the machine fails; `start` brings it back, on the same port and data. */
  readonly kill: () => Promise<void>
  readonly start: () => Promise<void>
}

/** The MongoDB to test on, if one is given. No such server can be had from a registry, so it may be missing even in CI. */
export const givenMongo = process.env['MONGODB_TEST_URI']
export const NO_MONGO = 'MONGODB_TEST_URI names no MongoDB server, and none can be installed from a package registry'
/** As it is called in the names of tests. */
export const MONGO_TITLE = givenMongo === undefined ? 'mongo on a stand-in' : 'mongo on MONGODB_TEST_URI'

let shared: Promise<Availability<MongoServer>> | undefined

/** The server of `startMongo`, if it was started. */
export async function stopMongo(): Promise<void> {
  const started = await shared
  shared = undefined
  if (started !== undefined && 'value' in started) await started.value.stop()
}

/** The process's one server, or why there is none. */
export function startMongo(): Promise<Availability<MongoServer>> {
  return (shared ??= givenMongo === undefined ? launchMongo({ isDurable: false }) : Promise.resolve({ value: given(givenMongo) }))
}

/** The URL with another database in it. (With several hosts it is no URL to `URL`.) */
export const withDatabase = (url: string, name: string): string =>
  url.replace(/^(\w[\w+]*:\/\/[^/?]+)(\/[^?]*)?/, (_, host: string) => `${host}/${name}`)

/** Removes at the end what it has created. */
function given(url: string): MongoServer {
  const names: string[] = []
  const createDatabase = (): string => {
    const name = `test-${randomUUID()}`
    names.push(name)
    return withDatabase(url, name)
  }
  const stop = async (): Promise<void> => {
    const client = new MongoClient(url)
    for (const name of names.splice(0)) await client.db(name).dropDatabase()
    await client.close()
  }
  return { url, createDatabase, stop }
}

/** A stand-in for one test. */
export async function launchMongo({ isDurable }: { readonly isDurable: boolean }): Promise<Availability<MongoProcess>> {
  const made = await installMongo()
  if ('missing' in made) return made
  try {
    return { value: await launch(made.value, isDurable) }
  } catch (error) {
    return { missing: `the stand-in for MongoDB does not start: ${String(error)}` }
  }
}

/** Whether there is a stand-in to start, without starting it. Installs it when that was not done yet. */
export async function installMongo(): Promise<Availability<string>> {
  const hash = createHash('sha256').update(readFileSync(POM)).update(readFileSync(SOURCE)).digest('hex')
  const name = join(cacheFolder(), `mongo-${hash.slice(0, 12)}`)
  // Nothing but java is needed once it is there.
  for (const tool of existsSync(name) ? ['java'] : ['java', 'javac', 'mvn']) {
    const isThere = await run(tool, ['-version']).then(
      () => true,
      () => false,
    )
    if (!isThere) return { missing: `no ${tool} on this machine` }
  }
  try {
    const folder = await madeOnce(name, make)
    return { value: classpathIn(folder) }
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string }
    const reason = `${stdout}\n${stderr}`.trim().split('\n').slice(0, 3).join(' | ') || String(error)
    return { missing: `the stand-in for MongoDB could not be installed: ${reason}` }
  }
}

async function make(folder: string): Promise<void> {
  mkdirSync(join(folder, 'classes'), { recursive: true })
  await run('mvn', ['-q', '-B', '-f', POM, RESOLVE, `-Dmdep.outputFile=${join(folder, 'classpath')}`], { timeout: 300_000 })
  await run('javac', ['-d', join(folder, 'classes'), '-cp', classpathIn(folder), SOURCE])
}

const classpathIn = (folder: string): string =>
  [join(folder, 'classes'), readFileSync(join(folder, 'classpath'), 'utf8').trim()].join(delimiter)

async function launch(path: string, isDurable: boolean): Promise<MongoProcess> {
  const folder = isDurable ? mkdtempSync(join(tmpdir(), 'pangolin-mongo-')) : undefined
  const file = folder === undefined ? undefined : join(folder, 'data')
  let life = await live(path, 0, file)
  const { port } = life
  const url = (database = ''): string => `mongodb://127.0.0.1:${port}/${database}?directConnection=true`
  return {
    url: url(),
    createDatabase: () => url(`test-${randomUUID()}`),
    kill: () => life.end(),
    start: async () => void (life = await live(path, port, file)),
    stop: async () => {
      await life.end()
      if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
    },
  }
}

async function live(path: string, wanted: number, file?: string): Promise<{ port: number; end: () => Promise<void> }> {
  const data = file === undefined ? [] : [file]
  const options = ['-Xmx384m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-cp', path, 'MongoMain', String(wanted), ...data]
  // It ends when its standard input does: with this process, however that ends.
  const child = spawn('java', options, { stdio: ['pipe', 'pipe', 'ignore'] })
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()).once('error', () => resolve()))
  const lines = createInterface({ input: child.stdout })
  const port = await new Promise<number>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`it was not ready in ${READY_SECONDS} s`)), READY_SECONDS * 1000)
    lines.once('line', (line) => resolve(Number(/\d+$/.exec(line)?.[0])))
    void exited.then(() => reject(new Error('it ended at once')))
    const stopTimer = (): void => clearTimeout(timer)
    lines.once('line', stopTimer)
    void exited.then(stopTimer)
  }).catch((error: unknown) => {
    child.kill('SIGKILL')
    throw error
  })
  const killWithTest = (): void => void child.kill('SIGKILL')
  process.once('exit', killWithTest)
  // A test process ends when its tests do, not when the stand-in does.
  child.unref()
  ;(child.stdin as unknown as { unref(): void }).unref()
  ;(child.stdout as unknown as { unref(): void }).unref()
  const end = async (): Promise<void> => {
    process.off('exit', killWithTest)
    child.ref()
    child.kill('SIGKILL')
    await exited
  }
  return { port, end }
}

// `node test/services/mongo.ts` installs ahead of the tests.
if (import.meta.main) {
  const made = await installMongo()
  console.log('value' in made ? 'ready' : `missing: ${made.missing}`)
  process.exitCode = 'value' in made ? 0 : 1
}
