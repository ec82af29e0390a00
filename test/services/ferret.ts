/**
 * FerretDB 1.24 over SQLite, in the place of MongoDB: written by others, so that it is a second opinion on the form of our
 * requests. Its compare-and-set is not atomic, and the engine refuses it; tests that change one thing at a time use it all
 * the same (`unproven.ts`). Built from Go's module proxy, kept in the cache folder.
 */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { cacheFolder, madeOnce } from '../clients/cache.ts'
import { isListening } from './listening.ts'
import type { Availability } from './require.ts'
import { startServerProcess } from './server-process.ts'

const run = promisify(execFile)
const FOLDER = join(import.meta.dirname, 'ferret')
const FILES = ['main.go', 'go.mod', 'go.sum']
const BINARY = 'ferretdb'
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
  const started = await startServerProcess({
    name: 'ferret',
    command: made.value,
    args: (port, folder) => [`127.0.0.1:${port}`, folder],
    isReady: isListening,
  })
  if ('missing' in started) return started
  const { port, stop } = started.value
  return { value: { urlOf: (database) => `mongodb://127.0.0.1:${port}/${database}?directConnection=true${POOL}`, stop } }
}

// `node test/services/ferret.ts` builds ahead of the tests.
if (import.meta.main) {
  const made = await installFerret()
  console.log('value' in made ? 'ready' : `missing: ${made.missing}`)
  process.exitCode = 'value' in made ? 0 : 1
}
