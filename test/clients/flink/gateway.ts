/**
 * Flink's SQL gateway, one for a test process, on loopback: it takes statements by HTTP, and runs their jobs in small clusters
 * within its own process.
 */
import { delimiter, join } from 'node:path'
import type { Availability } from '../../services/require.ts'
import { startServerProcess, type ServerProcess } from '../../services/server-process.ts'
import { jarsOf } from '../java/jars.ts'

/** It takes some ten on an idle machine. */
const READY_SECONDS = 180

const JVM = '-Xmx768m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Duser.timezone=UTC'.split(' ')
/** Packages of Java that Flink's serialisation looks into, as its own scripts open them. */
const OPEN =
  'java.lang java.lang.reflect java.net java.io java.nio sun.nio.ch java.text java.time java.util java.util.concurrent java.util.concurrent.atomic java.util.concurrent.locks'

let shared: Promise<Availability<ServerProcess>> | undefined

/** Where the process's one instance listens, as environment variables for the suite, or why there is none. */
export async function flink(): Promise<Availability<{ readonly PANGOLIN_FLINK_PORT: string }>> {
  const started = await (shared ??= start())
  return 'value' in started ? { value: { PANGOLIN_FLINK_PORT: String(started.value.port) } } : started
}

/** The instance of `flink`, if it was started. */
export async function stopFlink(): Promise<void> {
  const started = await shared
  shared = undefined
  if (started !== undefined && 'value' in started) await started.value.stop()
}

async function start(): Promise<Availability<ServerProcess>> {
  const jars = await jarsOf('flink', join(import.meta.dirname, 'pom.xml'))
  if ('missing' in jars) return jars
  return startServerProcess({
    name: 'flink',
    command: 'java',
    args: (port, folder) => [
      ...JVM,
      ...OPEN.split(' ').map((name) => `--add-opens=java.base/${name}=ALL-UNNAMED`),
      `-Djava.io.tmpdir=${folder}`,
      '-cp',
      jars.value.join(delimiter),
      'org.apache.flink.table.gateway.SqlGateway',
      ...['port', 'bind-port'].map((key) => `-Dsql-gateway.endpoint.rest.${key}=${port}`),
    ],
    // Where `config.yaml` lies.
    environment: { FLINK_CONF_DIR: import.meta.dirname },
    isReady: async (port) => (await fetch(`http://127.0.0.1:${port}/v1/info`, { signal: AbortSignal.timeout(5_000) })).ok,
    readySeconds: READY_SECONDS,
  })
}
