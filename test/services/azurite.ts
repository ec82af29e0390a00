/**
 * Azurite, Microsoft's emulator of Azure's blob service, one for a test process. It is installed from npm into the cache
 * folder on first use: as a dependency it would weigh more than all others together.
 */
import { execFile } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { cacheFolder, madeOnce } from '../clients/cache.ts'
import type { Availability } from './require.ts'
import { startServerProcess } from './server-process.ts'

export const AZURITE_VERSION = '3.37.0'
const ACCOUNT = 'devstoreaccount1'
const KEY = 'cGFuZ29saW4gdGVzdHMgdXNlIGEga2V5IG9mIHRoZWlyIG93bjsgaXQgb3BlbnMgbm90aGluZw=='

export interface Azurite {
  readonly account: string
  readonly accountKey: string
  /** With the account in its path, as emulators have it. */
  readonly blobEndpoint: string
  readonly createContainer: (name: string) => Promise<void>
  readonly stop: () => Promise<void>
}

let shared: Promise<Availability<Azurite>> | undefined

/** The process's one instance, or why there is none. */
export function startAzurite(): Promise<Availability<Azurite>> {
  return (shared ??= start())
}

/** The instance of `startAzurite`, if it was started. */
export async function stopAzurite(): Promise<void> {
  const started = await shared
  shared = undefined
  if (started !== undefined && 'value' in started) await started.value.stop()
}

async function install(): Promise<Availability<string>> {
  try {
    const folder = await madeOnce(join(cacheFolder(), `azurite-${AZURITE_VERSION}`), async (target) => {
      mkdirSync(target, { recursive: true })
      writeFileSync(join(target, 'package.json'), '{"private":true}')
      const args = ['install', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error', `azurite@${AZURITE_VERSION}`]
      await promisify(execFile)('npm', args, { cwd: target, timeout: 10 * 60_000, maxBuffer: 1 << 26 })
    })
    return { value: join(folder, 'node_modules', 'azurite', 'dist', 'src', 'blob', 'main.js') }
  } catch (error) {
    return { missing: `Azurite could not be installed: ${String((error as { stderr?: string }).stderr ?? error).slice(-300)}` }
  }
}

/** For an instance of its own: with TLS (a certificate and its key), Azurite takes tokens of principals too. */
export async function startOwnAzurite(tls?: { readonly cert: string; readonly key: string }): Promise<Availability<Azurite>> {
  const program = await install()
  if ('missing' in program) return program
  const scheme = tls === undefined ? 'http' : 'https'
  const started = await startServerProcess({
    name: 'azurite',
    command: process.execPath,
    args: (port) =>
      [program.value, '--blobHost', '127.0.0.1', '--blobPort', String(port)]
        .concat('--inMemoryPersistence', '--skipApiVersionCheck', '--disableTelemetry', '--silent')
        .concat(tls === undefined ? [] : ['--oauth', 'basic', '--cert', tls.cert, '--key', tls.key]),
    environment: { AZURITE_ACCOUNTS: `${ACCOUNT}:${KEY}` },
    isReady: async (port) => (await fetch(`${scheme}://127.0.0.1:${port}/${ACCOUNT}?comp=list`)).status > 0,
  })
  if ('missing' in started) return started
  const blobEndpoint = `${scheme}://127.0.0.1:${started.value.port}/${ACCOUNT}`
  return {
    value: {
      account: ACCOUNT,
      accountKey: KEY,
      blobEndpoint,
      createContainer: async (name) => {
        const { BlobServiceClient, StorageSharedKeyCredential } = await import('@azure/storage-blob')
        await new BlobServiceClient(blobEndpoint, new StorageSharedKeyCredential(ACCOUNT, KEY)).createContainer(name)
      },
      stop: started.value.stop,
    },
  }
}

const start = (): Promise<Availability<Azurite>> => startOwnAzurite()

// `node test/services/azurite.ts` installs it ahead of the tests.
if (import.meta.main) {
  const made = await install()
  console.log('value' in made ? made.value : made.missing)
  process.exitCode = 'value' in made ? 0 : 1
}
