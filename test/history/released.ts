/** The version before this one, which knows no positions (schema 12): its program, out of the history of this repository. */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Availability } from '../services/require.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const COMMIT = '8c7e8f19740577cbdfe72d8fea8e4f2ac3136006'

let made: Availability<string> | undefined

/** A folder with its sources, removed with the process. Clones that are shallow, and sources without a clone, do not have it. */
export function releasedProgram(): Availability<string> {
  return (made ??= checkedOut())
}

function checkedOut(): Availability<string> {
  const archive = spawnSync('git', ['-C', ROOT, 'archive', COMMIT, 'src', 'scripts', 'package.json'], {
    maxBuffer: 1 << 27,
  })
  if (archive.status !== 0) {
    const why = archive.error?.message ?? archive.stderr.toString().trim()
    return {
      missing: `the version before can not be started: commit ${COMMIT} is not in this clone, which may be shallow (${why})`,
    }
  }
  const folder = mkdtempSync(join(tmpdir(), 'pangolin-released-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  execFileSync('tar', ['-x', '-C', folder], { input: archive.stdout })
  symlinkSync(realpathSync(join(ROOT, 'node_modules')), join(folder, 'node_modules'), 'junction')
  return { value: folder }
}
