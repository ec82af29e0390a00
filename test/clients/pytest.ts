/** Runs a folder of Python tests against a catalog and makes each of them a subtest, as its outcome comes in. */
import { spawn } from 'node:child_process'
import { mkdtempSync, openSync, readSync, closeSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

const LIMIT_MINUTES = 15
const PYTEST = ['-m', 'pytest', '-q', '-p', 'no:cacheprovider', '-p', 'pytest_outcomes', '--tb=short']

/** What `conftest.py` is told of the catalog under test. */
export interface CatalogSettings {
  /** For PyIceberg's `load_catalog`. */
  readonly properties: Readonly<Record<string, string>>
  readonly username: string
  readonly password: string
  readonly kind: 'local' | 's3' | 'azure' | 'gcs'
  /** For clients that take these from their own configuration only, and for those that manage warehouses. */
  readonly storage?: Readonly<Record<'endpoint' | 'region' | 'bucket' | 'accessKey' | 'secretKey', string>>
}

export interface PytestOptions {
  /** Beside what every suite gets. */
  readonly env?: Readonly<Record<string, string>>
  readonly selection?: readonly string[]
}

export interface Outcome {
  readonly name: string
  readonly failure: string | null
  readonly skipped: string | null
}

/** Returns how many tests ran, each as a subtest. */
export async function runPytest(
  test: TestContext,
  python: string,
  folder: string,
  catalog: CatalogSettings,
  options: PytestOptions = {},
): Promise<number> {
  let count = 0
  for await (const outcome of pytestOutcomes(python, folder, catalog, options)) {
    count++
    await test.test(outcome.name, (subtest) => {
      if (outcome.skipped !== null) subtest.skip(outcome.skipped)
      if (outcome.failure !== null) throw pythonError(outcome.failure)
    })
  }
  return count
}

/** As they come in. A run that ends in any other way than by running all its tests fails. */
export async function* pytestOutcomes(
  python: string,
  folder: string,
  catalog: CatalogSettings,
  { env = {}, selection = [] }: PytestOptions = {},
): AsyncGenerator<Outcome> {
  const scratch = mkdtempSync(join(tmpdir(), 'pangolin-pytest-'))
  const report = join(scratch, 'report')
  writeFileSync(report, '')
  const child = spawn(python, [...PYTEST, ...selection, folder], {
    cwd: folder,
    env: {
      ...Object.fromEntries(['PATH', 'HOME', 'LANG', 'TZ'].map((name) => [name, process.env[name]])),
      TMPDIR: scratch,
      PYTHONDONTWRITEBYTECODE: '1',
      PYTHONPATH: import.meta.dirname,
      ...env,
      PANGOLIN_TEST_CATALOG: JSON.stringify(catalog),
      PANGOLIN_TEST_REPORT: report,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: LIMIT_MINUTES * 60_000,
    killSignal: 'SIGKILL',
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (output = (output + text).slice(-20_000)))
  }
  const exit = new Promise<number | null>((resolve) => child.once('close', resolve))
  let count = 0
  try {
    for await (const outcome of follow(report, exit)) {
      count++
      yield outcome
    }
    const code = await exit
    // 1 says that tests failed, and each of them already has, above.
    if (code !== 0 && code !== 1) throw new Error(`pytest ended with ${code ?? 'a signal'}:\n${output}`)
    if (count === 0) throw new Error(`pytest ran no test:\n${output}`)
  } finally {
    child.kill('SIGKILL')
    rmSync(scratch, { recursive: true, force: true })
  }
}

/** Python's own account of the failure, without the stack of this file, which tells nothing. */
function pythonError(failure: string): Error {
  const error = new Error(failure)
  error.stack = failure
  return error
}

/** The lines that are appended to the file until the process has ended. */
async function* follow(file: string, ended: Promise<unknown>): AsyncGenerator<Outcome> {
  const descriptor = openSync(file, 'r')
  const buffer = Buffer.alloc(1 << 16)
  let running = true
  void ended.then(() => (running = false))
  let rest = Buffer.alloc(0)
  try {
    for (;;) {
      const last = !running
      for (let size = readSync(descriptor, buffer); size > 0; size = readSync(descriptor, buffer)) {
        rest = Buffer.concat([rest, buffer.subarray(0, size)])
      }
      for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
        yield JSON.parse(rest.subarray(0, end).toString('utf8')) as Outcome
        rest = rest.subarray(end + 1)
      }
      if (last) return
      await sleep(100)
    }
  } finally {
    closeSync(descriptor)
  }
}
