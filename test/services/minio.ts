/**
 * One MinIO for a test process: started on first use, on loopback, with its data in a temporary folder, and ended by its
 * process id.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { findBinary } from './binaries.ts'
import type { Availability } from './require.ts'
import { freePort } from './free-port.ts'

export interface Minio {
  readonly endpoint: string
  readonly accessKey: string
  readonly secretKey: string
  readonly region: string
  readonly createBucket: (name: string) => Promise<void>
  readonly stop: () => Promise<void>
}

const ATTEMPTS = 3
const READY_SECONDS = 60

let shared: Promise<Availability<Minio>> | undefined

/** The process's one instance, or why there is none. */
export function startMinio(): Promise<Availability<Minio>> {
  return (shared ??= start())
}

async function start(): Promise<Availability<Minio>> {
  const binary = findBinary('minio')
  if (binary === undefined) return { missing: 'MinIO: no binary named minio in the test cache or on the PATH' }
  const folder = mkdtempSync(join(tmpdir(), 'pangolin-minio-'))
  let problem = ''
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const started = await tryStart(binary, folder)
    if (typeof started !== 'string') return { value: started }
    problem = started
  }
  rmSync(folder, { recursive: true, force: true })
  return { missing: `MinIO: ${binary} does not start: ${problem}` }
}

async function tryStart(binary: string, folder: string): Promise<Minio | string> {
  const [port, consolePort] = [await freePort(), await freePort()]
  const [accessKey, secretKey] = ['pangolin-test', 'pangolin-test-secret']
  const data = join(folder, 'data')
  mkdirSync(data, { recursive: true })
  const logFile = join(folder, 'log')
  const log = openSync(logFile, 'w')
  const child = spawn(
    binary,
    ['server', data, '--address', `127.0.0.1:${port}`, '--console-address', `127.0.0.1:${consolePort}`],
    {
      env: {
        PATH: process.env['PATH'],
        HOME: folder,
        MINIO_ROOT_USER: accessKey,
        MINIO_ROOT_PASSWORD: secretKey,
        MINIO_BROWSER: 'off',
        MINIO_UPDATE: 'off',
      },
      stdio: ['ignore', log, log],
    },
  )
  closeSync(log)
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()).once('error', () => resolve()))
  const kill = (): void => {
    child.kill('SIGKILL')
  }
  process.once('exit', kill)
  const endpoint = `http://127.0.0.1:${port}`
  if (!(await ready(endpoint, child))) {
    kill()
    await exited
    process.off('exit', kill)
    return readFileSync(logFile, 'utf8').slice(-500)
  }
  // A test process ends when its tests do, not when MinIO does.
  child.unref()
  const stop = async (): Promise<void> => {
    shared = undefined
    child.kill('SIGKILL')
    await exited
    process.off('exit', kill)
    rmSync(folder, { recursive: true, force: true })
  }
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  return {
    endpoint,
    accessKey,
    secretKey,
    region: 'us-east-1',
    createBucket: (name) => createBucket(endpoint, accessKey, secretKey, name),
    stop,
  }
}

async function ready(endpoint: string, child: ChildProcess): Promise<boolean> {
  for (let i = 0; i < READY_SECONDS * 10 && child.exitCode === null && child.pid !== undefined; i += 1) {
    try {
      const { status } = await fetch(`${endpoint}/minio/health/ready`, { signal: AbortSignal.timeout(2000) })
      if (status === 200) return true
    } catch {}
    await sleep(100)
  }
  return false
}

async function createBucket(endpoint: string, accessKeyId: string, secretAccessKey: string, name: string): Promise<void> {
  const { CreateBucketCommand, S3Client } = await import('@aws-sdk/client-s3')
  const client = new S3Client({
    endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId, secretAccessKey },
  })
  try {
    await client.send(new CreateBucketCommand({ Bucket: name }))
  } finally {
    client.destroy()
  }
}
