/**
 * A PgBouncer of a test's own, from Debian's package, in front of a PostgreSQL server: in transaction mode, with few
 * connections, so that clients share them and hardly ever meet the same one twice. On loopback, ended by its process id.
 */
import { spawn } from 'node:child_process'
import { chownSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { findBinary } from './binaries.ts'
import { freePort } from './free-port.ts'
import { isListening } from './listening.ts'
import { ownerOf } from './postgres.ts'
import type { Availability } from './require.ts'

export interface PgBouncer {
  /** The URL of a database by way of the pooler. */
  urlOf(url: string): string
  stop(): Promise<void>
}

const READY_SECONDS = 20
const POOL_SIZE = 2

/** For all databases of the server that the URL names, as its user. */
export async function startPgBouncer(url: string): Promise<Availability<PgBouncer>> {
  const binary = findBinary('pgbouncer', ['/usr/sbin'])
  if (binary === undefined) return { missing: 'PgBouncer: no binary named pgbouncer on the PATH or in /usr/sbin' }
  const owner = ownerOf()
  if (typeof owner === 'string') return { missing: owner }
  const folder = mkdtempSync(join(tmpdir(), 'pangolin-pgbouncer-'))
  const port = await freePort()
  const files = { 'pgbouncer.ini': settings(url, port, folder), 'users.txt': '"tests" ""\n' }
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  if (owner.uid !== undefined && owner.gid !== undefined) chownSync(folder, owner.uid, owner.gid)
  const child = spawn(binary, [join(folder, 'pgbouncer.ini')], { ...owner, cwd: folder, stdio: 'ignore' })
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()).once('error', () => resolve()))
  const kill = (): void => void child.kill('SIGKILL')
  process.once('exit', kill)
  const stop = async (): Promise<void> => {
    kill()
    await exited
    process.off('exit', kill)
    rmSync(folder, { recursive: true, force: true })
  }
  const deadline = performance.now() + READY_SECONDS * 1000
  while (!(await isListening(port))) {
    if (child.exitCode === null && child.pid !== undefined && performance.now() < deadline) {
      await sleep(50)
      continue
    }
    const log = readLog(folder)
    await stop()
    return { missing: `PgBouncer does not start: ${log}` }
  }
  child.unref()
  return { value: { urlOf: (one) => Object.assign(new URL(one), { port: String(port) }).href, stop } }
}

function settings(url: string, port: number, folder: string): string {
  const { hostname, port: upstream, username, password } = new URL(url)
  return [
    '[databases]',
    `* = host=${hostname} port=${upstream} user=${username} password=${password}`,
    '[pgbouncer]',
    'listen_addr = 127.0.0.1',
    `listen_port = ${port}`,
    'unix_socket_dir =',
    'auth_type = trust',
    `auth_file = ${join(folder, 'users.txt')}`,
    `logfile = ${join(folder, 'log')}`,
    'pool_mode = transaction',
    `default_pool_size = ${POOL_SIZE}`,
    // The tests use many databases, one after the other.
    'server_idle_timeout = 2',
    'ignore_startup_parameters = statement_timeout,idle_in_transaction_session_timeout',
  ].join('\n')
}

function readLog(folder: string): string {
  try {
    return readFileSync(join(folder, 'log'), 'utf8').slice(-500)
  } catch {
    return 'it left no log'
  }
}
