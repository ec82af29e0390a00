/** PyIceberg's own tests: they are in its source distribution alone. */
import { execFile } from 'node:child_process'
import { mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Availability } from '../../services/require.ts'
import { cacheFolder, madeOnce } from '../cache.ts'
import { pythonEnv, requirementsOf } from '../python.ts'

const run = promisify(execFile)
const VERSION = '0.12.0'
/** Without PyIceberg itself, which would be imported in place of the one that is installed. */
const KEPT = ['tests', 'dev', 'pyproject.toml', 'LICENSE', 'NOTICE']

/** The folder that holds `tests`. `python`: of an environment with pip. */
export async function pyicebergTests(python: string): Promise<Availability<string>> {
  try {
    return { value: await madeOnce(join(cacheFolder(), `pyiceberg-tests-${VERSION}`), (folder) => fetch(python, folder)) }
  } catch (error) {
    return { missing: `PyIceberg's source distribution could not be fetched: ${String(error).slice(0, 500)}` }
  }
}

async function fetch(python: string, folder: string): Promise<void> {
  const fetched = join(folder, 'fetched')
  mkdirSync(fetched, { recursive: true })
  const pip = ['-m', 'pip', 'download', '--quiet', '--disable-pip-version-check', '--no-deps', '--no-binary', 'pyiceberg']
  await run(python, [...pip, '--dest', fetched, `pyiceberg==${VERSION}`], { timeout: 15 * 60_000 })
  const [archive = ''] = readdirSync(fetched)
  await run('tar', ['-xzf', join(fetched, archive), '-C', fetched])
  for (const name of KEPT) renameSync(join(fetched, `pyiceberg-${VERSION}`, name), join(folder, name))
  rmSync(fetched, { recursive: true })
}

// `node test/clients/pyiceberg_suite/sdist.ts` fetches ahead of the tests.
if (import.meta.main) {
  const python = await pythonEnv(requirementsOf('pyiceberg_suite'))
  const made = 'value' in python ? await pyicebergTests(python.value) : python
  console.log('value' in made ? made.value : `missing: ${made.missing}`)
  process.exitCode = 'value' in made ? 0 : 1
}
