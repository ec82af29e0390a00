/** The program as a process: first start, second start, interrupted start, signals, what can't be. */
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

const MAIN = join(import.meta.dirname, '..', '..', 'src', 'main.ts')

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'pangolin-process-'))
  t.after(() => rmSync(path, { recursive: true, force: true }))
  return path
}

interface Run {
  readonly child: ChildProcess
  readonly output: { text: string }
  readonly ended: Promise<number | null>
}

function run(t: TestContext, data: string, env: Readonly<Record<string, string>> = {}, args: readonly string[] = []): Run {
  const inherited = { PATH: process.env['PATH'], HOME: process.env['HOME'], PANGOLIN_DATA: data, PORT: '0' }
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', MAIN, ...args], {
    env: { ...inherited, ...env },
  })
  const output = { text: '' }
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (chunk: string) => (output.text += chunk))
  const ended = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)))
  t.after(() => child.kill('SIGKILL'))
  return { child, output, ended }
}

async function url(run: Run): Promise<string> {
  for (;;) {
    const found = /http:\/\/127\.0\.0\.1:\d+/.exec(run.output.text)?.[0]
    if (found !== undefined) return found
    assert.equal(run.child.exitCode, null, run.output.text)
    await sleep(10)
  }
}

const admin = (data: string) =>
  JSON.parse(readFileSync(join(data, 'admin.json'), 'utf8')) as { username: string; password: string; token: string }
const get = (at: string, token: string) => fetch(at, { headers: { authorization: `Bearer ${token}` } })

test('a first start makes everything, a second one finds it; the banner tells no secret; a signal drains', async (t) => {
  const data = folder(t)
  const first = run(t, data)
  const at = await url(first)
  const { username, password, token } = admin(data)
  assert.equal(username, 'admin')
  assert.ok(password.length >= 20)
  if (process.platform !== 'win32') {
    const secret = ['admin.json', 'keys/session', 'keys/encryption', 'pangolin.db', 'pangolin.db-wal', 'pangolin.db-shm']
    for (const file of secret) assert.equal(statSync(join(data, file)).mode & 0o777, 0o600, file)
  }
  assert.match(first.output.text, /load_catalog\("lake", type="rest", uri="http:\/\/127\.0\.0\.1:\d+", warehouse="lake"/)
  for (const secret of [password, token]) assert.ok(!first.output.text.includes(secret))
  const made = await fetch(`${at}/v1/lake/namespaces`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
    body: '{"namespace":["kept"]}',
  })
  assert.equal(made.status, 200)
  const namespaces = async (at: string): Promise<unknown> =>
    ((await (await get(`${at}/v1/lake/namespaces`, token)).json()) as { namespaces: unknown }).namespaces
  assert.deepEqual(await namespaces(at), [['default'], ['kept']])
  const headers = { authorization: `Bearer ${token}` }
  assert.equal((await fetch(`${at}/v1/lake/namespaces/default`, { method: 'DELETE', headers })).status, 204)
  first.child.kill('SIGTERM')
  assert.equal(await first.ended, 0)
  const second = run(t, data)
  const again = await url(second)
  assert.deepEqual(admin(data), { username, password, token })
  assert.deepEqual(await namespaces(again), [['kept']], 'what was dropped is not made again')
  assert.doesNotMatch(second.output.text, /made the administrator/)
  second.child.kill('SIGINT')
  assert.equal(await second.ended, 0)
})

test('a first start that is killed at any moment is finished by the next', async (t) => {
  for (const delay of [100, 200, 300, 400, 500, 700]) {
    const data = folder(t)
    const killed = run(t, data)
    await sleep(delay)
    killed.child.kill('SIGKILL')
    await killed.ended
    const next = run(t, data)
    const { token } = (await url(next), admin(data))
    const config = await get(`${await url(next)}/v1/config?warehouse=lake`, token)
    assert.equal(config.status, 200, `killed after ${delay} ms`)
    const namespace = await get(`${await url(next)}/v1/lake/namespaces/default`, token)
    assert.equal(namespace.status, 200, `killed after ${delay} ms`)
    next.child.kill('SIGTERM')
    assert.equal(await next.ended, 0)
  }
})

test('two that start at once on one folder agree', async (t) => {
  const data = folder(t)
  const both = [run(t, data), run(t, data)]
  const urls = await Promise.all(both.map(url))
  const { token } = admin(data)
  for (const at of urls) assert.equal((await get(`${at}/v1/config`, token)).status, 200)
  const catalogs = (await (await get(`${urls[0]}/api/v1/catalogs`, token)).json()) as unknown[]
  assert.equal(catalogs.length, 1)
})

test('what can not be started says why, in a line', async (t) => {
  const data = folder(t)
  const taken = createServer().listen(0, '127.0.0.1')
  t.after(() => taken.close())
  await new Promise((resolve) => taken.once('listening', resolve))
  const port = String((taken.address() as AddressInfo).port)
  const cases: [Record<string, string>, RegExp, string[]?][] = [
    [{ PORT: port }, /Port \d+ of 127\.0\.0\.1 is in use; choose another one with PORT/],
    [{ PANGOLIN_DTA: 'x' }, /there is no setting PANGOLIN_DTA\. Did you mean PANGOLIN_DATA\?/],
    [{ DATABASE_URL: 'sqlite:?x=1' }, /DATABASE_URL/],
    [{ PANGOLIN_NO_AUTH: 'true', PANGOLIN_BIND_ADDRESS: '0.0.0.0' }, /loopback/],
    [{}, /Unknown argument "--prot"/, ['--prot']],
  ]
  const damaged = (name: string, content: string): Record<string, string> => {
    const other = folder(t)
    mkdirSync(join(other, 'keys'))
    writeFileSync(join(other, name), content)
    return { PANGOLIN_DATA: other }
  }
  const file = join(data, 'file')
  writeFileSync(file, '')
  cases.push(
    [{ PANGOLIN_DATA: file }, /PANGOLIN_DATA: .*exists.*file'/],
    [{ PANGOLIN_DATA: join(file, 'below') }, /PANGOLIN_DATA: .*below'/],
    [damaged('pangolin.db', 'x'.repeat(5000)), /DATABASE_URL: sqlite:.*pangolin\.db: SQLite: file is not a database/],
    [{ DATABASE_URL: join(file, 'x.db') }, /DATABASE_URL: sqlite:.*x\.db: .*file is no folder, so it holds no database file/],
    [damaged('keys/session', 'abc'), /keys.session must be 32 bytes in base64/],
    [damaged('admin.json', 'abc'), /admin\.json is no JSON; remove it/],
    [damaged('admin.json', '{"username":"admin"}'), /admin\.json lacks username, password or token; remove it/],
  )
  for (const [env, message, args] of cases) {
    const failed = run(t, data, env, args)
    assert.equal(await failed.ended, 1, JSON.stringify(env))
    assert.match(failed.output.text, message)
    assert.doesNotMatch(failed.output.text, /\n\s+at /, 'no stack')
  }
})

test('what is under way when a signal comes is finished; a client that dawdles is cut off', async (t) => {
  const data = folder(t)
  const server = run(t, data, { PANGOLIN_SHUTDOWN_GRACE_SECS: '1' })
  const at = await url(server)
  const { token } = admin(data)
  const agent = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  const writes = Array.from({ length: 20 }, (_, index) =>
    fetch(`${at}/v1/lake/namespaces`, {
      method: 'POST',
      headers: agent,
      body: JSON.stringify({ namespace: [`n${index}`] }),
    }).then(
      (response) => (response.ok ? index : undefined),
      () => undefined,
    ),
  )
  await sleep(20)
  server.child.kill('SIGTERM')
  const acknowledged = (await Promise.all(writes)).filter((index) => index !== undefined)
  assert.equal(await server.ended, 0)
  const again = run(t, data)
  const listed = (await (await get(`${await url(again)}/v1/lake/namespaces`, token)).json()) as { namespaces: string[][] }
  const there = new Set(listed.namespaces.map(([name]) => name))
  for (const index of acknowledged) assert.ok(there.has(`n${index}`), `n${index} was acknowledged`)
})

test('a server whose output nobody reads any more goes on', async (t) => {
  const data = folder(t)
  const server = run(t, data)
  const at = await url(server)
  server.child.stdout!.destroy()
  server.child.stderr!.destroy()
  const { token } = admin(data)
  const ask = (method: string, path: string, body?: object) =>
    fetch(`${at}${path}`, { method, headers: { authorization: `Bearer ${token}` }, ...(body && { body: JSON.stringify(body) }) })
  await ask('POST', '/v1/lake/namespaces', { namespace: ['n'] })
  await ask('POST', '/v1/lake/namespaces/n/tables', { name: 't', schema: { type: 'struct', fields: [] } })
  // The purge ends with a line in the log.
  assert.equal((await ask('DELETE', '/v1/lake/namespaces/n/tables/t?purgeRequested=true')).status, 204)
  const files = join(data, 'warehouse', 'lake', 'n')
  while (existsSync(files) && readdirSync(files).length > 0) await sleep(20)
  await sleep(100)
  assert.equal((await ask('GET', '/v1/lake/namespaces/n')).status, 200)
  server.child.kill('SIGTERM')
  assert.equal(await server.ended, 0)
})
