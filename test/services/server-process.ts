/**
 * A server that a test process starts for itself: on loopback, with a folder of its own, started again on another port where
 * the first was taken meanwhile, and ended by its process id at the latest when the test process ends.
 */
import { spawn } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from './free-port.ts'
import type { Availability } from './require.ts'

const ATTEMPTS = 3
const READY_SECONDS = 60

export interface ServerProcess {
  readonly port: number
  readonly stop: () => Promise<void>
}

export interface ServerCommand {
  readonly name: string
  readonly command: string
  /** `folder` is empty at first, and removed at the end. */
  readonly args: (port: number, folder: string) => readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  /** Whether it serves. */
  readonly isReady: (port: number) => Promise<boolean>
  /** Within which it must. A minute when nothing is said. */
  readonly readySeconds?: number
}

export async function startServerProcess(server: ServerCommand): Promise<Availability<ServerProcess>> {
  let problem = ''
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const started = await tryStart(server)
    if (typeof started !== 'string') return { value: started }
    problem = started
  }
  return { missing: `${server.name}: ${server.command} does not start: ${problem}` }
}

async function tryStart(server: ServerCommand): Promise<ServerProcess | string> {
  const { name, command, args, environment, isReady, readySeconds = READY_SECONDS } = server
  const port = await freePort()
  const folder = mkdtempSync(join(tmpdir(), `pangolin-${name}-`))
  const logFile = join(folder, 'log')
  const log = openSync(logFile, 'w')
  const child = spawn(command, args(port, folder), {
    env: { PATH: process.env['PATH'], HOME: folder, ...environment },
    stdio: ['ignore', log, log],
  })
  closeSync(log)
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()).once('error', () => resolve()))
  const end = (): void => {
    child.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  }
  process.once('exit', end)
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL')
    await exited
    process.off('exit', end)
    rmSync(folder, { recursive: true, force: true })
  }
  for (let i = 0; i < readySeconds * 10 && child.exitCode === null && child.pid !== undefined; i += 1) {
    if (await isReady(port).catch(() => false)) {
      // A test process ends when its tests do, not when its servers do.
      child.unref()
      return { port, stop }
    }
    await sleep(100)
  }
  const said = readFileSync(logFile, 'utf8').slice(-500)
  await stop()
  return said === '' ? 'it said nothing' : said
}
