/**
 * The product as a child process, for tests that need a real one: client suites, the crash test, the bench. It listens on
 * a loopback port of its own choice, keeps its data in a folder of its own, and never outlives the test process.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { assertNoSecrets } from '../no-secrets.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const READY_SECONDS = 60
const STOP_SECONDS = 30
/** Those that `npm start` runs it with. */
const FLAGS = JSON.parse(readFileSync(join(ROOT, 'scripts', 'server-flags.json'), 'utf8')) as readonly string[]
const ENVIRONMENT = JSON.parse(readFileSync(join(ROOT, 'scripts', 'server-environment.json'), 'utf8')) as NodeJS.ProcessEnv
const LOG_CHARACTERS = 100_000

export type Database = 'memory' | 'sqlite' | 'postgres' | 'mongo' | 'ferret'

export interface ServerOptions {
  readonly database: Database
  /** Of an empty database in PostgreSQL, MongoDB or FerretDB. */
  readonly databaseUrl?: string
  /** Settings beside the ones that this harness makes. */
  readonly env?: Readonly<Record<string, string>>
  /** A folder that is there already and stays: the caller's. Otherwise one is made, and removed by `stop`. */
  readonly dataDir?: string
  /** Runs the built JavaScript, as a user's start does, instead of the sources. */
  readonly dist?: boolean
  /** The folder of another version, which is run from its sources. */
  readonly root?: string
}

export interface RunningServer {
  /** Without a trailing slash. The same after `restart`. */
  readonly url: string
  readonly adminToken: string
  readonly username: string
  readonly password: string
  readonly dataDir: string
  readonly pid: number
  /** The end of what the process printed so far. */
  readonly log: string
  /** Sends the signal and waits until the process has ended. */
  kill(signal: NodeJS.Signals): Promise<void>
  /** Ends the process in good order, and removes a data folder that the harness made. Does nothing the second time. */
  stop(options?: { readonly keepData?: boolean }): Promise<void>
  /** Starts again on the same data and port; ends a process that still runs in good order first. */
  restart(): Promise<void>
}

export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const dataDir = options.dataDir ?? mkdtempSync(join(tmpdir(), 'pangolin-test-'))
  let life = await launch(options, dataDir, 0)
  const { url, admin } = life
  const port = Number(new URL(url).port)
  return {
    url,
    adminToken: admin.token,
    username: admin.username,
    password: admin.password,
    dataDir,
    get pid() {
      return life.child.pid ?? 0
    },
    get log() {
      return life.output.text
    },
    kill: (signal) => end(life, signal),
    async stop({ keepData = false } = {}) {
      await end(life, 'SIGTERM')
      if (existsSync(join(dataDir, 'admin.json'))) assertNoSecrets(life.output.text, dataDir, options.databaseUrl)
      if (!keepData && options.dataDir === undefined) rmSync(dataDir, { recursive: true, force: true })
    },
    async restart() {
      await end(life, 'SIGTERM')
      life = await launch(options, dataDir, port)
    },
  }
}

interface Life {
  readonly child: ChildProcess
  readonly url: string
  readonly admin: { readonly username: string; readonly password: string; readonly token: string }
  readonly output: { text: string }
}

async function launch(options: ServerOptions, dataDir: string, port: number): Promise<Life> {
  const program = join(options.root ?? ROOT, ...(options.dist === true ? ['dist', 'main.js'] : ['src', 'main.ts']))
  // FerretDB is refused by any server that is not told otherwise from within.
  const unproven = options.database === 'ferret' ? ['--import', join(ROOT, 'test', 'services', 'unproven.ts')] : []
  const child = spawn(process.execPath, [...FLAGS, ...unproven, program], {
    cwd: dataDir,
    env: environment(options, dataDir, port),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const killWithTest = (): void => void child.kill('SIGKILL')
  process.once('exit', killWithTest)
  child.once('exit', () => process.off('exit', killWithTest))
  const output = { text: '' }
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output.text = (output.text + text).slice(-LOG_CHARACTERS)
    })
  }
  const url = await ready(child, output).catch((error: unknown) => {
    child.kill('SIGKILL')
    throw error
  })
  const admin = JSON.parse(readFileSync(join(dataDir, 'admin.json'), 'utf8')) as Life['admin']
  return { child, url, admin, output }
}

/** Only what a process needs, so that a developer's settings don't leak into the server under test. */
function environment(options: ServerOptions, dataDir: string, port: number): NodeJS.ProcessEnv {
  const inherited = Object.fromEntries(['PATH', 'HOME', 'TMPDIR', 'LANG', 'TZ'].map((name) => [name, process.env[name]]))
  return {
    ...ENVIRONMENT,
    ...inherited,
    PORT: String(port),
    PANGOLIN_DATA: dataDir,
    PANGOLIN_BIND_ADDRESS: '127.0.0.1',
    ...(options.database === 'memory' ? { DATABASE_URL: 'memory:' } : {}),
    ...(['postgres', 'mongo', 'ferret'].includes(options.database) ? { DATABASE_URL: options.databaseUrl } : {}),
    ...options.env,
  }
}

/** The URL that the banner names, once the server answers that it is ready. */
async function ready(child: ChildProcess, output: { readonly text: string }): Promise<string> {
  const deadline = performance.now() + READY_SECONDS * 1000
  while (performance.now() < deadline) {
    if (child.exitCode !== null || child.signalCode !== null) {
      throw new Error(`the server ended with ${child.exitCode ?? child.signalCode} before it was ready:\n${output.text}`)
    }
    const url = /http:\/\/127\.0\.0\.1:[1-9]\d*/.exec(output.text)?.[0]
    if (url !== undefined && (await answers(`${url}/health/ready`))) return url
    await sleep(20)
  }
  throw new Error(`the server was not ready after ${READY_SECONDS} s:\n${output.text}`)
}

async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(5_000) })
    await response.arrayBuffer()
    return response.ok
  } catch {
    return false
  }
}

async function end({ child, output }: Life, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  child.kill(signal)
  let killed = false
  const impatience = setTimeout(() => (killed = child.kill('SIGKILL')), STOP_SECONDS * 1000)
  await ended
  clearTimeout(impatience)
  if (killed) throw new Error(`the server did not end within ${STOP_SECONDS} s of ${signal}:\n${output.text}`)
}
