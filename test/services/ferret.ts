/**
 * FerretDB 1.24 over SQLite, in the place of MongoDB: written by others, so that it is a second opinion on the form of our
 * requests. Its compare-and-set is not atomic, and the engine refuses it; tests that change one thing at a time use it all
 * the same (`unproven.ts`). Built from Go's module proxy, kept in the cache folder.
 */
import { execFile, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { cacheFolder, madeOnce } from '../clients/cache.ts'
import { freePort } from './free-port.ts'
import type { Availability } from './require.ts'

const run = promisify(execFile)
const FOLDER = join(import.meta.dirname, 'ferret')
const FILES = ['main.go', 'go.mod', 'go.sum']
const BINARY = 'ferretdb'
const ATTEMPTS = 3
const READY_SECONDS = 30
const POOL = '&maxPoolSize=1'

export interface FerretServer {
  /**
   * With a database's name, which is made when it is first written to. Of one process one request at a time reaches the
   * server, so that it has no requests to keep apart.
   */
  readonly urlOf: (database: string) => string
  readonly stop: () => Promise<void>
}

/** The binary. Builds it when that was not done yet. */
export async function installFerret(): Promise<Availability<string>> {
  const hash = createHash('sha256')
  for (const file of FILES) hash.update(readFileSync(join(FOLDER, file)))
  const folder = join(cacheFolder(), `ferret-${hash.digest('hex').slice(0, 12)}`)
  try {
    return { value: join(await madeOnce(folder, build), BINARY) }
  } catch (error) {
    const { stderr = '' } = error as { stderr?: string }
    return { missing: `FerretDB could not be built: ${stderr.trim().split('\n').at(-1) || String(error)}` }
  }
}

async function build(folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true })
  const source = join(folder, 'source')
  cpSync(FOLDER, source, { recursive: true })
  await run('go', ['build', '-ldflags=-s -w', '-o', join(folder, BINARY), '.'], { cwd: source, timeout: 1_200_000 })
  rmSync(source, { recursive: true, force: true })
}

let shared: Promise<Availability<FerretServer>> | undefined

/** The process's one server, or why there is none. */
export function startFerret(): Promise<Availability<FerretServer>> {
  return (shared ??= start())
}

/** The server of `startFerret`, if it was started. */
export async function stopFerret(): Promise<void> {
  const started = await shared
  shared = undefined
  if (started !== undefined && 'value' in started) await started.value.stop()
}

async function start(): Promise<Availability<FerretServer>> {
  const made = await installFerret()
  if ('missing' in made) return made
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const started = await tryStart(made.value)
    if (started !== undefined) return { value: started }
  }
  return { missing: `FerretDB: ${made.value} does not start` }
}

async function tryStart(binary: string): Promise<FerretServer | undefined> {
  const port = await freePort()
  const folder = mkdtempSync(join(tmpdir(), 'pangolin-ferret-'))
  // It writes a file about itself into its working folder.
  const child = spawn(binary, [`127.0.0.1:${port}`, folder], { cwd: folder, stdio: ['pipe', 'ignore', 'ignore'] })
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()).once('error', () => resolve()))
  const kill = (): void => void child.kill('SIGKILL')
  process.once('exit', kill)
  const stop = async (): Promise<void> => {
    child.ref()
    kill()
    await exited
    process.off('exit', kill)
    if (existsSync(folder)) rmSync(folder, { recursive: true, force: true })
  }
  for (let i = 0; i < READY_SECONDS * 20 && child.exitCode === null && child.pid !== undefined; i++) {
    if (await answers(port)) {
      // A test process ends when its tests do, not when the server does.
      child.unref()
      ;(child.stdin as unknown as { unref(): void }).unref()
      return { urlOf: (database) => `mongodb://127.0.0.1:${port}/${database}?directConnection=true${POOL}`, stop }
    }
    await sleep(50)
  }
  await stop()
  return undefined
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    const end = (result: boolean) => (): void => {
      socket.destroy()
      resolve(result)
    }
    socket.once('connect', end(true)).once('error', end(false))
  })
}

// `node test/services/ferret.ts` builds ahead of the tests.
if (import.meta.main) {
  const made = await installFerret()
  console.log('value' in made ? 'ready' : `missing: ${made.missing}`)
  process.exitCode = 'value' in made ? 0 : 1
}
