/** `pangolin store …` as it is typed: the program as a process, real database files, a copy that is killed again and again. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { openStore } from '../../src/stores/open.ts'
import { openWarehouses, rekeyParts, startApp } from '../../src/app.ts'
import { storeCommand } from '../../src/cli/store.ts'
import { loadSettings } from '../../src/config.ts'
import { fill } from '../../src/operations/fill.ts'
import { startServer } from '../clients/server.ts'
import { digestStore, totalRows } from '../../src/operations/rows.ts'
import { lakeRows } from '../operations/rows.ts'

const MAIN = join(import.meta.dirname, '..', '..', 'src', 'main.ts')

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'pangolin-cli-'))
  t.after(() => rmSync(path, { recursive: true, force: true }))
  return path
}

interface Result {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

function start(cwd: string, args: readonly string[]) {
  const env = { PATH: process.env['PATH'], HOME: process.env['HOME'], PANGOLIN_DATA: join(cwd, 'data') }
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', MAIN, 'store', ...args], { cwd, env })
  const text = { out: '', err: '' }
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text.out += chunk))
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (text.err += chunk))
  const ended = new Promise<Result>((resolve) => child.once('close', (code) => resolve({ code, ...text })))
  return { child, ended }
}
const store = (cwd: string, ...args: string[]): Promise<Result> => start(cwd, args).ended

async function digests(path: string) {
  const opened = openStore(path)
  try {
    return await digestStore(opened)
  } finally {
    await opened.close()
  }
}

test('a server’s database is checked, backed up while it serves, restored and copied', async (t) => {
  const place = folder(t)
  const data = join(place, 'data')
  mkdirSync(data)
  const server = await startServer({ database: 'sqlite', dataDir: data })
  t.after(() => server.stop())
  const headers = { authorization: `Bearer ${server.adminToken}`, 'content-type': 'application/json' }
  const post = async (path: string, body: object) => {
    const answer = await fetch(`${server.url}${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
    assert.equal(answer.status, 200, await answer.text())
  }
  await post('/v1/lake/namespaces', { namespace: ['kept'] })
  const schema = { type: 'struct', fields: [{ id: 1, name: 'id', required: true, type: 'long' }] }
  await post('/v1/lake/namespaces/kept/tables', { name: 't', schema })

  const checked = await store(place, 'check', '--files', '--json')
  assert.equal(checked.code, 0, checked.err)
  const report = JSON.parse(checked.out) as { findings: unknown[]; files: number; rows: { entries: number } }
  assert.deepEqual([report.findings, report.files, report.rows.entries], [[], 1, 1])
  const saved = await store(place, 'backup', 'saved.backup')
  assert.equal(saved.code, 0, saved.err)
  assert.match(saved.out, /\d+ rows of sqlite:.*pangolin\.db are in .*saved\.backup:\n/)
  await server.stop()

  const restored = await store(place, 'restore', 'saved.backup', '--database', 'sqlite:restored.db')
  assert.equal(restored.code, 0, restored.err)
  const copied = await store(place, 'copy', '--from', 'sqlite:restored.db', '--to', 'sqlite:data/copied.db')
  assert.equal(copied.code, 0, copied.err)
  assert.match(copied.out, /Read back and found equal:\n/)
  const again = await startServer({ database: 'sqlite', dataDir: data, env: { DATABASE_URL: 'sqlite:copied.db' } })
  t.after(() => again.stop())
  const table = await fetch(`${again.url}/v1/lake/namespaces/kept/tables/t`, { headers })
  assert.equal(table.status, 200)
})

test('a copy that is killed at any moment is finished by the same command', async (t) => {
  const place = folder(t)
  const source = openStore(join(place, 'from.db'))
  await source.migrate()
  for (let n = 0; n < 30; n++) await source.write(lakeRows(`t${n}`, 300))
  await source.close()
  const args = ['copy', '--from', 'from.db', '--to', 'to.db', '--json']
  let killed = 0
  for (const delay of [0, 150, 400]) {
    const { child, ended } = start(place, args)
    while (child.exitCode === null && !existsSync(join(place, 'to.db'))) await sleep(5)
    await Promise.race([sleep(delay), ended])
    child.kill('SIGKILL')
    if ((await ended).code === null) killed++
  }
  assert.ok(killed > 0, 'it was never killed')
  const { code, err } = await store(place, ...args)
  assert.equal(code, 0, err)
  const [from, to] = [await digests(join(place, 'from.db')), await digests(join(place, 'to.db'))]
  assert.deepEqual(to, from)
  assert.ok(totalRows(from) > 9_000)
})

test('what it will not do, and why', async (t) => {
  const place = folder(t)
  const [missing, b] = [join(place, 'missing.db'), join(place, 'b.db')]
  const cases: [string[], number, RegExp][] = [
    [[], 2, /A command is needed\n\nUsage:/],
    [['mend'], 2, /There is no command store mend/],
    [['copy', '--from', 'a.db'], 2, /needs --from URL and --to URL/],
    [['check', '--from', 'a.db'], 2, /store check has no option --from/],
    [['check', '--colour'], 2, /--colour/],
    [['backup'], 2, /store backup needs one FILE/],
    [['check', 'x'], 2, /store check takes no "x"/],
    [['copy', '--from', missing, '--to', b], 1, /--from: there is no file .*missing\.db/],
    [['copy', '--from', 'memory:', '--to', b], 1, /--from: a memory: database is gone with its server/],
    [['copy', '--from', 'oracle://ada:pa55word@db/x', '--to', b], 1, /--from: No database is known for the scheme oracle:/],
    [['restore', 'nothing.backup', '--database', b], 1, /nothing\.backup is damaged or no backup: ENOENT/],
    [['check', '--database', missing], 1, /there is no file .*missing\.db/],
  ]
  const run = async (args: string[]): Promise<Result> => {
    const result = { out: '', err: '' }
    const environment = { PANGOLIN_DATA: join(place, 'data'), INIT_CWD: place }
    const code = await storeCommand(args, {
      environment,
      openWarehouses,
      rekeyParts,
      out: (text) => (result.out += text),
      err: (text) => (result.err += text),
    })
    return { code, ...result }
  }
  for (const [args, code, message] of cases) {
    const result = await run(args)
    assert.match(result.err, message, args.join(' '))
    assert.equal(result.code, code, args.join(' '))
    assert.doesNotMatch(result.err, /pa55word|\n\s+at /)
    assert.equal(result.out, '')
  }
  assert.match((await run(['--help'])).out, /^Usage:/)
  assert.ok(!existsSync(missing))
})

test('no server starts on a copy that is not finished', async (t) => {
  const data = join(folder(t), 'data')
  mkdirSync(data)
  const path = join(data, 'pangolin.db')
  const half = openStore(path)
  await half.migrate()
  const source = { identity: 'sqlite:elsewhere.db', rows: () => assert.fail('the source breaks') }
  await assert.rejects(fill({ source, target: half, now: Date.now }))
  await half.close()
  const settings = loadSettings({ PANGOLIN_DATA: data, PORT: '0' })
  await assert.rejects(
    startApp(settings, () => {}),
    /unfinished copy of sqlite:elsewhere\.db/,
  )
})
