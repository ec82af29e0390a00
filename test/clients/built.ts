/** Suites that others wrote in compiled languages: fetched from their registries, built once, kept in the cache folder. */
import { execFile, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { promisify } from 'node:util'
import type { Availability } from '../services/require.ts'
import { cacheFolder, madeOnce } from './cache.ts'

const BUILD_MINUTES = 30
const LIMIT_MINUTES = 10

/** Of a build tool: its standard output. @throws with what it printed, when it fails */
export async function build(
  folder: string,
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  const { stdout } = await promisify(execFile)(command, [...args], {
    cwd: folder,
    env: { ...process.env, ...env },
    timeout: BUILD_MINUTES * 60_000,
    maxBuffer: 1 << 28,
  })
  return stdout
}

/** The folder of a suite; `inputs` are all that its build depends on. */
export async function builtOnce(
  name: string,
  tool: string,
  inputs: readonly string[],
  make: (folder: string) => Promise<void>,
): Promise<Availability<string>> {
  try {
    await promisify(execFile)(tool, ['version'])
  } catch {
    return { missing: `no ${tool} on this machine` }
  }
  const hash = createHash('sha256').update(inputs.join('\0')).digest('hex').slice(0, 12)
  try {
    return { value: await madeOnce(join(cacheFolder(), `${name}-${hash}`), make) }
  } catch (error) {
    const { stderr = '' } = error as { stderr?: string }
    return { missing: `${name} could not be built: ${stderr.trim().split('\n').slice(-3).join(' | ') || String(error)}` }
  }
}

export interface NativeOutcome {
  readonly name: string
  readonly outcome: 'passed' | 'failed' | 'skipped'
}

/**
 * Runs a test program and makes each of its tests a subtest; returns how many passed. What a failed test printed stands in
 * the output of all. `read`: the outcomes that the whole output tells.
 */
export async function runNative(
  test: TestContext,
  program: readonly [string, ...string[]],
  env: Readonly<Record<string, string>>,
  read: (output: string) => readonly NativeOutcome[],
): Promise<number> {
  const [command, ...args] = program
  const { code, output } = await finished(command, args, env)
  const outcomes = read(output)
  for (const { name, outcome } of outcomes) {
    await test.test(name, (subtest) => {
      if (outcome === 'skipped') subtest.skip('by the suite itself')
      if (outcome === 'failed') throw new Error(`${name} failed:\n${output.slice(-20_000)}`)
    })
  }
  const failed = outcomes.some(({ outcome }) => outcome === 'failed')
  if (code !== 0 && !failed) throw new Error(`${command} ended with ${code ?? 'a signal'}:\n${output.slice(-20_000)}`)
  return outcomes.filter(({ outcome }) => outcome === 'passed').length
}

/** What the program printed, on both streams, and its exit code. */
export function finished(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<{ readonly code: number | null; readonly output: string }> {
  const child = spawn(command, [...args], {
    env: { ...Object.fromEntries(['PATH', 'HOME', 'TMPDIR', 'LANG', 'TZ'].map((name) => [name, process.env[name]])), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: LIMIT_MINUTES * 60_000,
    killSignal: 'SIGKILL',
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (output += text))
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve({ code, output }))
  })
}
