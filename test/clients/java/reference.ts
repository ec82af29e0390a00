/** The reference implementation's REST server as a child process on a loopback port, for the tests that compare with it. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { JavaEnv } from './java.ts'

const READY_SECONDS = 60

export interface ReferenceServer {
  /** Without a trailing slash. */
  readonly url: string
  /** Loopback paths below which the catalog keeps tables that name no location. */
  readonly warehouse: string
  stop(): Promise<void>
}

export interface ReferenceOptions {
  /** `memory` keeps the metadata files in memory too; with `sqlite` they are files that a client can read. */
  readonly catalog: 'memory' | 'sqlite'
}

export async function startReferenceServer(env: JavaEnv, { catalog }: ReferenceOptions): Promise<ReferenceServer> {
  const folder = mkdtempSync(join(tmpdir(), 'pangolin-reference-'))
  const warehouse = join(folder, 'warehouse')
  const database = catalog === 'memory' ? 'memory' : `jdbc:sqlite:${join(folder, 'catalog.db')}`
  const logging = '-Dorg.slf4j.simpleLogger.defaultLogLevel=off'
  const flags = ['-Xmx512m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', logging, '-cp', env.classpath]
  const child = spawn(env.java, [...flags, 'pangolin.ReferenceServer', warehouse, database], { stdio: ['pipe', 'pipe', 'pipe'] })
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  let errors = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors = (errors + text).slice(-20_000)))
  const stop = async (): Promise<void> => {
    child.stdin.destroy()
    const impatience = setTimeout(() => child.kill('SIGKILL'), 10_000)
    await ended
    clearTimeout(impatience)
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    const port = await new Promise<string>((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`the reference server was not ready after ${READY_SECONDS} s`)),
        READY_SECONDS * 1000,
      )
      let output = ''
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        output += text
        const match = /listening on (\d+)/.exec(output)
        if (match === null) return
        clearTimeout(timer)
        resolve(match[1]!)
      })
      child.once('exit', () => reject(new Error(`the reference server ended before it was ready:\n${errors}`)))
    })
    return { url: `http://127.0.0.1:${port}`, warehouse, stop }
  } catch (error) {
    child.kill('SIGKILL')
    await stop()
    throw error
  }
}
