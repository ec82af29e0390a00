/** `pangolin audit …` on the database of a server, while that runs, and after its log was altered. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { auditCommand } from '../../src/cli/audit.ts'
import { openStore } from '../../src/stores/open.ts'
import { call, startTestServer } from '../http/harness.ts'

interface Result {
  readonly code: number
  readonly out: string
  readonly err: string
}

async function audit(...args: string[]): Promise<Result> {
  const text = { out: '', err: '' }
  const code = await auditCommand(args, {
    environment: {},
    out: (more) => void (text.out += more),
    err: (more) => void (text.err += more),
  })
  return { code, ...text }
}

test('what servers wrote is sound, and what was altered since is named', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'pangolin-audit-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const DATABASE_URL = `sqlite:${join(folder, 'audited.db')}`
  const server = await startTestServer(t, { DATABASE_URL })
  for (const name of ['a', 'b', 'c']) await call(server, 'POST', '/v1/lake/namespaces', { body: { namespace: [name] } })
  await call(server, 'GET', '/api/v1/catalogs/lake/commits')
  const sound = await audit('verify', '--database', DATABASE_URL)
  assert.equal(sound.code, 0, sound.out + sound.err)
  assert.match(sound.out, /nothing is wrong/)
  assert.match(sound.out, /catalog [^ ]+@main of tenant [^ ]+: position 4, hash [A-Za-z0-9_-]{43}/)

  const store = openStore(DATABASE_URL)
  t.after(() => store.close())
  const rows = await store.list('commits', { index: 'primary', where: {}, limit: 100 })
  const row = rows.find(({ message }) => message === 'Create namespace b')!
  await store.write([{ op: 'replace', entity: 'commits', row: { ...row, author: 'eve' }, expected: row.version }])
  const altered = await audit('verify', '--database', DATABASE_URL, '--json')
  assert.equal(altered.code, 1)
  const { faults } = JSON.parse(altered.out) as { faults: { kind: string; position: number; commit_id: string }[] }
  assert.deepEqual(
    faults.map(({ kind, position, commit_id }) => [kind, position, commit_id]),
    [['altered', row.position, row.id]],
  )
})

test('a command that is not understood ends with 2, a database that is not there with 1', async () => {
  assert.equal((await audit('--help')).code, 0)
  assert.equal((await audit('falsify')).code, 2)
  const none = await audit('verify', '--database', join(tmpdir(), 'no-such-folder', 'none.db'))
  assert.equal(none.code, 1)
  assert.match(none.err, /there is no file/)
})
