/** An nginx of a test's own, from Debian's package: one site, on loopback, ended by its process id. */
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { findBinary } from './binaries.ts'
import { isListening } from './listening.ts'
import type { Availability } from './require.ts'

export interface Nginx {
  stop(): Promise<void>
}

const READY_SECONDS = 20
const SCRATCH = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']

/** `site` is what stands in the block `http`; it listens on `port`. */
export async function startNginx(site: string, port: number): Promise<Availability<Nginx>> {
  const binary = findBinary('nginx', ['/usr/sbin'])
  if (binary === undefined) return { missing: 'nginx: no binary named nginx on the PATH or in /usr/sbin' }
  const folder = mkdtempSync(join(tmpdir(), 'pangolin-nginx-'))
  for (const name of SCRATCH) mkdirSync(join(folder, name))
  const settings = [
    'daemon off;',
    'worker_processes 1;',
    `pid ${join(folder, 'pid')};`,
    'events { worker_connections 512; }',
    'http {',
    'access_log off;',
    ...SCRATCH.map((name) => `${name}_temp_path ${join(folder, name)};`),
    site,
    '}',
  ].join('\n')
  writeFileSync(join(folder, 'nginx.conf'), settings)
  const log = join(folder, 'error.log')
  // Started by root, its workers would be of another user, which can't use the folder.
  const user = process.getuid?.() === 0 ? 'user root; ' : ''
  const child = spawn(binary, ['-p', folder, '-e', log, '-c', join(folder, 'nginx.conf'), '-g', `${user}error_log ${log};`], {
    stdio: 'ignore',
  })
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()).once('error', () => resolve()))
  const kill = (): void => void child.kill('SIGTERM')
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
    const reason = readLog(log)
    await stop()
    return { missing: `nginx does not start: ${reason}` }
  }
  return { value: { stop } }
}

function readLog(file: string): string {
  try {
    return readFileSync(file, 'utf8').slice(-500)
  } catch {
    return 'it left no log'
  }
}
