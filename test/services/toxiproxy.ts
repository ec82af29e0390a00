/**
 * One toxiproxy for a test process: proxies on loopback in front of servers, and the faults of networks between them. Started
 * on first use, ended by its process id. `.ci/run` builds the binary.
 */
import { spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { findBinary } from './binaries.ts'
import { freePort } from './free-port.ts'
import type { Availability } from './require.ts'

/** A fault as toxiproxy takes it. `upstream` is what goes to the server. */
export interface Toxic {
  readonly type: 'latency' | 'slow_close' | 'timeout' | 'reset_peer' | 'limit_data' | 'slicer'
  readonly stream: 'upstream' | 'downstream'
  readonly attributes: Readonly<Record<string, number>>
}

export interface ToxicProxy {
  /** The URL with the proxy in the place of its host and port. */
  urlOf(url: string): string
  /** For all connections, those that are open included. */
  add(toxic: Toxic): Promise<void>
  /** Closes all connections and takes no new ones until `heal`. */
  cut(): Promise<void>
  /** Takes back all faults. */
  heal(): Promise<void>
}

export interface Toxiproxy {
  /** In front of the server that the URL names. */
  readonly proxyFor: (url: string) => Promise<ToxicProxy>
  readonly stop: () => Promise<void>
}

const ATTEMPTS = 3
const READY_SECONDS = 20

let shared: Promise<Availability<Toxiproxy>> | undefined

/** The process's one instance, or why there is none. */
export function startToxiproxy(): Promise<Availability<Toxiproxy>> {
  return (shared ??= start())
}

/** The instance of `startToxiproxy`, if it was started. */
export async function stopToxiproxy(): Promise<void> {
  const started = await shared
  shared = undefined
  if (started !== undefined && 'value' in started) await started.value.stop()
}

async function start(): Promise<Availability<Toxiproxy>> {
  const binary = findBinary('toxiproxy-server')
  if (binary === undefined) return { missing: 'toxiproxy: no binary named toxiproxy-server in the test cache or on the PATH' }
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const started = await tryStart(binary)
    if (started !== undefined) return { value: started }
  }
  return { missing: `toxiproxy: ${binary} does not start` }
}

async function tryStart(binary: string): Promise<Toxiproxy | undefined> {
  const port = await freePort()
  const child = spawn(binary, ['-host', '127.0.0.1', '-port', String(port)], { stdio: 'ignore' })
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()).once('error', () => resolve()))
  const kill = (): void => void child.kill('SIGKILL')
  process.once('exit', kill)
  const api = `http://127.0.0.1:${port}`
  const isThere = async (): Promise<boolean> => {
    for (let i = 0; i < READY_SECONDS * 20 && child.exitCode === null && child.pid !== undefined; i++) {
      const answer = await fetch(`${api}/version`).catch(() => undefined)
      if (answer?.ok) return true
      await sleep(50)
    }
    return false
  }
  const stop = async (): Promise<void> => {
    kill()
    await exited
    process.off('exit', kill)
  }
  if (!(await isThere())) {
    await stop()
    return undefined
  }
  // A test process ends when its tests do, not when the proxy does.
  child.unref()
  return { proxyFor: (url) => proxyFor(api, url), stop }
}

let proxies = 0

async function proxyFor(api: string, target: string): Promise<ToxicProxy> {
  const name = `proxy-${++proxies}`
  const ask = async (method: string, path: string, body?: object): Promise<unknown> => {
    const answer = await fetch(`${api}${path}`, { method, ...(body && { body: JSON.stringify(body) }) })
    const text = await answer.text()
    if (!answer.ok) throw new Error(`toxiproxy: ${method} ${path}: ${answer.status} ${text}`)
    return text === '' ? undefined : JSON.parse(text)
  }
  const { hostname, port } = new URL(target)
  const made = await ask('POST', '/proxies', { name, listen: '127.0.0.1:0', upstream: `${hostname}:${port}`, enabled: true })
  const { listen } = made as { readonly listen: string }
  const toxics: string[] = []
  // Enabled again it would choose another port unless it is told.
  const enable = (enabled: boolean): Promise<unknown> => ask('POST', `/proxies/${name}`, { enabled, listen })
  return {
    urlOf: (url) => Object.assign(new URL(url), { host: listen }).href,
    add: async (toxic) => {
      toxics.push(`toxic-${toxics.length}`)
      await ask('POST', `/proxies/${name}/toxics`, { name: toxics.at(-1), toxicity: 1, ...toxic })
    },
    cut: async () => void (await enable(false)),
    heal: async () => {
      for (const toxic of toxics.splice(0)) await ask('DELETE', `/proxies/${name}/toxics/${toxic}`)
      await enable(true)
    },
  }
}
