/**
 * fake-gcs-server, an emulator of Google Cloud Storage, one for a test process. It looks at no credentials at all. `.ci/run`
 * builds the binary.
 */
import { findBinary } from './binaries.ts'
import type { Availability } from './require.ts'
import { startServerProcess } from './server-process.ts'

export interface FakeGcs {
  readonly serviceHost: string
  readonly createBucket: (name: string) => Promise<void>
  readonly stop: () => Promise<void>
}

let shared: Promise<Availability<FakeGcs>> | undefined

/** The process's one instance, or why there is none. */
export function startFakeGcs(): Promise<Availability<FakeGcs>> {
  return (shared ??= start())
}

/** The instance of `startFakeGcs`, if it was started. */
export async function stopFakeGcs(): Promise<void> {
  const started = await shared
  shared = undefined
  if (started !== undefined && 'value' in started) await started.value.stop()
}

async function start(): Promise<Availability<FakeGcs>> {
  const binary = findBinary('fake-gcs-server')
  if (binary === undefined) return { missing: 'fake-gcs-server: no such binary in the test cache or on the PATH' }
  const started = await startServerProcess({
    name: 'fake-gcs',
    command: binary,
    args: (port) =>
      ['-scheme', 'http', '-host', '127.0.0.1', '-port', String(port), '-backend', 'memory'].concat(
        ['-public-host', `127.0.0.1:${port}`],
        ['-external-url', `http://127.0.0.1:${port}`],
      ),
    isReady: async (port) => (await fetch(`http://127.0.0.1:${port}/storage/v1/b?project=test`)).ok,
  })
  if ('missing' in started) return started
  const serviceHost = `http://127.0.0.1:${started.value.port}`
  return {
    value: {
      serviceHost,
      createBucket: async (name) => {
        const headers = { 'content-type': 'application/json' }
        const body = JSON.stringify({ name })
        const answer = await fetch(`${serviceHost}/storage/v1/b?project=test`, { method: 'POST', headers, body })
        if (!answer.ok) throw new Error(`can't create the bucket ${name}: ${answer.status}`)
        await answer.arrayBuffer()
      },
      stop: started.value.stop,
    },
  }
}
