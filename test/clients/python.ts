/**
 * The Python that the client suites run in: a virtual environment in the cache folder, made from the pinned requirements
 * on first use and shared by all checkouts that pin the same.
 */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Availability } from '../services/require.ts'
import { cacheFolder, madeOnce } from './cache.ts'

const run = promisify(execFile)
const OLDEST = [3, 10] as const

/** What a suite's folder asks for. */
export const requirementsOf = (suite = 'pyiceberg'): string => join(import.meta.dirname, suite, 'requirements.txt')

/** Path of the environment's Python interpreter. */
export async function pythonEnv(requirements: string = requirementsOf()): Promise<Availability<string>> {
  const system = await systemPython()
  if ('missing' in system) return system
  const { executable, version } = system.value
  const hash = createHash('sha256').update(readFileSync(requirements)).update(version).digest('hex').slice(0, 12)
  try {
    const folder = await madeOnce(join(cacheFolder(), `venv-${hash}`), async (target) => {
      await run(executable, ['-m', 'venv', target])
      const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--requirement', requirements]
      await run(join(target, 'bin', 'python'), pip, { timeout: 15 * 60_000, maxBuffer: 1 << 26 })
    })
    return { value: join(folder, 'bin', 'python') }
  } catch (error) {
    const reason = (error as { stderr?: string }).stderr?.trim().split('\n').slice(-3).join(' | ') || String(error)
    return { missing: `Python packages could not be installed: ${reason}` }
  }
}

async function systemPython(): Promise<Availability<{ readonly executable: string; readonly version: string }>> {
  const probe = 'import sys, venv, ensurepip; print("%d.%d.%d" % sys.version_info[:3])'
  for (const executable of ['python3', 'python']) {
    try {
      const version = (await run(executable, ['-c', probe])).stdout.trim()
      const [major = 0, minor = 0] = version.split('.').map(Number)
      if (major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1])) return { value: { executable, version } }
    } catch {
      // Not this one: it is not there, or has no venv module.
    }
  }
  return { missing: `no Python ${OLDEST.join('.')} or newer with its venv module` }
}

// `node test/clients/python.ts <suite>` makes the suite's environment ahead of the tests.
if (import.meta.main) {
  const made = await pythonEnv(requirementsOf(process.argv[2]))
  console.log('value' in made ? made.value : `missing: ${made.missing}`)
  process.exitCode = 'value' in made ? 0 : 1
}
