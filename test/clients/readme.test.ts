/** What a newcomer pastes works: the README's Python, as it stands there, against a server started as a user starts one. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { requireService } from '../services/require.ts'
import { pythonEnv } from './python.ts'
import { startServer } from './server.ts'

const run = promisify(execFile)
const README = join(import.meta.dirname, '..', '..', 'README.md')
const DEFAULT_URL = 'http://127.0.0.1:8080'

test("the README's first Python block, pasted twice", async (context) => {
  const python = requireService(context, await pythonEnv())
  if (python === undefined) return
  const block = /^```python\n([^]*?)^```$/m.exec(readFileSync(README, 'utf8'))?.[1]
  assert.ok(block !== undefined && block.includes(DEFAULT_URL), `the README has a Python block that connects to ${DEFAULT_URL}`)
  const folder = mkdtempSync(join(tmpdir(), 'pangolin-readme-'))
  mkdirSync(join(folder, 'data'))
  const server = await startServer({ database: 'sqlite', dataDir: join(folder, 'data') })
  try {
    // The one thing that differs from a user's start is the port, which may be taken here.
    const pasted = block.replaceAll(DEFAULT_URL, server.url)
    const first = await run(python, ['-W', 'error::SyntaxWarning', '-c', pasted], { cwd: folder })
    for (const word of ['apple', 'pear', 'plum']) assert.equal(first.stdout.split(`"${word}"`).length, 2, first.stdout)
    const second = await run(python, ['-c', pasted], { cwd: folder })
    assert.match(second.stdout, /apple[^]*apple/)
  } finally {
    await server.stop()
    rmSync(folder, { recursive: true, force: true })
  }
})
