/**
 * A PostgreSQL server of a test process's own, from Debian's package or whatever `initdb` is on the PATH: on loopback, on a
 * port of its own, with its data in a temporary folder, ended by its process id. It can be killed and started again.
 * PANGOLIN_TEST_POSTGRES_URL, the URL of a database for tests, takes its place where nothing is done to the server itself.
 */
import { execFile, spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { accessSync, chownSync, constants, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { Client } from 'pg'
import type { Availability } from './require.ts'
import './unproven.ts'
import { freePort } from './free-port.ts'

export interface PostgresServer {
  /** A new, empty database; its URL. */
  createDatabase(): Promise<string>
  /** Statements of the administrator, in the database of the URL or the server's first one. */
  query(sql: string, url?: string): Promise<(string | null)[][]>
  /** The server and all its processes die at once, as in a crash of the machine. */
  kill(): Promise<void>
  start(): Promise<void>
  stop(): Promise<void>
}

const PASSWORD = 'tests-password'
const ATTEMPTS = 3
const RESTARTS = 25
const READY_SECONDS = 60
/** Nothing in these tests outlives the machine. Those about crashes ask for a server that is sure of its disk. */
const FAST = ['fsync=off', 'synchronous_commit=off', 'full_page_writes=off']

function findBinaries(): string | undefined {
  let versions: string[] = []
  try {
    versions = readdirSync('/usr/lib/postgresql').sort((a, b) => Number(b) - Number(a))
  } catch {}
  const folders = [
    ...versions.map((version) => join('/usr/lib/postgresql', version, 'bin')),
    ...(process.env['PATH'] ?? '').split(delimiter),
  ]
  return folders.find((folder) => {
    try {
      for (const name of ['initdb', 'postgres']) accessSync(join(folder, name), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

let shared: Promise<Availability<PostgresServer>> | undefined

/** The process's one server for tests that do nothing to it, or why there is none. */
export function startPostgres(): Promise<Availability<PostgresServer>> {
  return (shared ??= launchPostgres({ isDurable: false }))
}

/** The server started last, without starting one. */
export async function stopSharedPostgres(): Promise<void> {
  const started = await shared
  shared = undefined
  if (started !== undefined && 'value' in started) await started.value.stop()
}

export interface LaunchOptions {
  readonly isDurable: boolean
  /** The server's certificate and its key, as PEM; it takes connections with TLS and without. */
  readonly tls?: { readonly certificate: string; readonly key: string }
}

/** A server for one test. */
export async function launchPostgres({ isDurable, tls }: LaunchOptions): Promise<Availability<PostgresServer>> {
  const external = process.env['PANGOLIN_TEST_POSTGRES_URL']
  if (external !== undefined && !isDurable && tls === undefined) return { value: externalServer(external) }
  const binaries = findBinaries()
  if (binaries === undefined) return { missing: 'PostgreSQL: no initdb and postgres below /usr/lib/postgresql or on the PATH' }
  const owner = ownerOf()
  if (typeof owner === 'string') return { missing: owner }
  const folder = mkdtempSync(join(tmpdir(), 'pangolin-postgres-'))
  if (owner.uid !== undefined && owner.gid !== undefined) chownSync(folder, owner.uid, owner.gid)
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  const data = join(folder, 'data')
  const passwordFile = join(folder, 'password')
  writeFileSync(passwordFile, PASSWORD)
  const login = ['-U', 'tests', '-A', 'scram-sha-256', `--pwfile=${passwordFile}`]
  const parameters = ['-D', data, ...login, '-E', 'UTF8', '--no-locale', '--no-sync']
  const made = spawnSync(join(binaries, 'initdb'), parameters, {
    ...owner,
    cwd: folder,
    env: environment(folder),
    encoding: 'utf8',
  })
  if (made.status !== 0) return { missing: `PostgreSQL: initdb failed: ${made.error?.message ?? made.stderr}` }
  const settings = [...(isDurable ? [] : FAST), ...(tls === undefined ? [] : tlsSettings(folder, owner, tls))]
  const server = new Server({ binary: join(binaries, 'postgres'), folder, owner, settings })
  for (let attempt = 1; ; attempt++) {
    try {
      await server.start()
      return { value: server }
    } catch (error) {
      if (attempt === ATTEMPTS) return { missing: `PostgreSQL does not start: ${(error as Error).message}` }
    }
  }
}

interface Owner {
  readonly uid?: number
  readonly gid?: number
}

function tlsSettings(folder: string, { uid, gid }: Owner, tls: Required<LaunchOptions>['tls']): string[] {
  const parts = { cert: tls.certificate, key: tls.key }
  const settings = Object.entries(parts).map(([name, text]) => {
    const file = join(folder, `server.${name}`)
    writeFileSync(file, text, { mode: 0o600 })
    if (uid !== undefined && gid !== undefined) chownSync(file, uid, gid)
    return `ssl_${name}_file=${file}`
  })
  return ['ssl=on', ...settings]
}

/** PostgreSQL refuses to run as root, and has a user of its own where a package installed it. */
export function ownerOf(): Owner | string {
  if (userInfo().uid !== 0) return {}
  const entry = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
    .find(([name]) => name === 'postgres')
  if (entry === undefined) return 'PostgreSQL does not run as root, and there is no user named postgres'
  return { uid: Number(entry[2]), gid: Number(entry[3]) }
}

const environment = (folder: string): NodeJS.ProcessEnv => ({ PATH: process.env['PATH'], HOME: folder, LC_ALL: 'C' })

const urlOf = (port: number, database: string): string => `postgres://tests:${PASSWORD}@127.0.0.1:${port}/${database}`

interface ServerParts {
  readonly binary: string
  readonly folder: string
  readonly owner: Owner
  readonly settings: readonly string[]
}

class Server implements PostgresServer {
  readonly #parts: ServerParts
  /** An immediate shutdown: unlike a killed server, it leaves no shared memory. */
  readonly #killWithTest = (): void => void this.#child?.kill('SIGQUIT')
  #child: ChildProcess | undefined
  #port: number | undefined
  #databases = 0

  constructor(parts: ServerParts) {
    this.#parts = parts
  }

  /** Of a server that was killed, processes may live on for a moment, and keep its memory. */
  async start(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#startOnce()
      } catch (error) {
        if (attempt === RESTARTS || !String(error).includes('still in use')) throw error
        await sleep(200)
      }
    }
  }

  async #startOnce(): Promise<void> {
    const { binary, folder, owner, settings: own } = this.#parts
    const port = this.#port ?? (await freePort())
    const settings = ['listen_addresses=127.0.0.1', `unix_socket_directories=${folder}`, `port=${port}`, 'max_connections=200']
    const parameters = [...settings, ...own].flatMap((setting) => ['-c', setting])
    const child = spawn(binary, ['-D', join(folder, 'data'), ...parameters], {
      ...owner,
      cwd: folder,
      env: environment(folder),
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    this.#child = child
    process.once('exit', this.#killWithTest)
    let log = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => (log = (log + text).slice(-2000)))
    for (const deadline = performance.now() + READY_SECONDS * 1000; ; await sleep(30)) {
      if (child.exitCode !== null || child.pid === undefined) throw new Error(log)
      try {
        await run(urlOf(port, 'postgres'), 'select 1')
        break
      } catch (error) {
        if (performance.now() < deadline) continue
        await this.kill()
        throw error
      }
    }
    this.#port = port
    // A test process ends when its tests do, not when its server does.
    child.unref()
    ;(child.stderr as unknown as { unref?: () => void }).unref?.()
  }

  #url(database: string): string {
    return urlOf(this.#port ?? 0, database)
  }

  async createDatabase(): Promise<string> {
    const name = `test_${++this.#databases}`
    await this.query(`create database ${name}`)
    return this.#url(name)
  }

  query(sql: string, url = this.#url('postgres')): Promise<(string | null)[][]> {
    return run(url, sql)
  }

  kill(): Promise<void> {
    return this.#end('SIGKILL')
  }

  async stop(): Promise<void> {
    // An immediate shutdown: what is left is removed.
    await this.#end('SIGQUIT')
    rmSync(this.#parts.folder, { recursive: true, force: true })
  }

  async #end(signal: 'SIGKILL' | 'SIGQUIT'): Promise<void> {
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    child.ref()
    const children = signal === 'SIGKILL' ? await childrenOf(child.pid ?? 0) : []
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill(signal)
    // In a crash of the machine nobody finishes his work, either.
    for (const pid of children) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch {}
    }
    await ended
    process.off('exit', this.#killWithTest)
  }
}

async function childrenOf(pid: number): Promise<number[]> {
  const { stdout } = await promisify(execFile)('ps', ['--no-headers', '-o', 'pid', '--ppid', String(pid)]).catch(() => ({
    stdout: '',
  }))
  return stdout.split('\n').map(Number).filter(Boolean)
}

function externalServer(url: string): PostgresServer {
  const created: string[] = []
  const refuse = (): Promise<never> => Promise.reject(new Error('the server of PANGOLIN_TEST_POSTGRES_URL is not ours'))
  return {
    createDatabase: async () => {
      const name = `pangolin_test_${process.pid}_${created.length}`
      created.push(name)
      await run(url, `create database ${name}`)
      return Object.assign(new URL(url), { pathname: `/${name}` }).href
    },
    query: (sql, database = url) => run(database, sql),
    kill: refuse,
    start: refuse,
    stop: async () => {
      for (const name of created) await run(url, `drop database ${name}`)
    },
  }
}

async function run(url: string, sql: string): Promise<(string | null)[][]> {
  const client = new Client({ connectionString: url })
  // A server that dies closes the connection in its own time.
  client.on('error', () => undefined)
  await client.connect()
  try {
    const { rows } = await client.query<(string | null)[]>({ text: sql, rowMode: 'array' })
    return rows
  } finally {
    await client.end()
  }
}
