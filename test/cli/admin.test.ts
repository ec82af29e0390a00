/** `pangolin admin …` as it is typed, beside a running server: a lost password, and a lost token. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { startServer, type RunningServer } from '../clients/server.ts'

const MAIN = join(import.meta.dirname, '..', '..', 'src', 'main.ts')

function admin(dataDir: string, args: readonly string[], input?: string) {
  const env = { PATH: process.env['PATH'], HOME: process.env['HOME'], PANGOLIN_DATA: dataDir }
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', MAIN, 'admin', ...args],
    { env, encoding: 'utf8', ...(input !== undefined && { input }) },
  )
  return { status, stdout, stderr }
}

const login = (server: RunningServer, username: string, password: string): Promise<Response> =>
  fetch(`${server.url}/api/v1/users/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ username, password }),
  })

const config = (server: RunningServer, token: string): Promise<Response> =>
  fetch(`${server.url}/v1/config?warehouse=lake`, { headers: { authorization: `Bearer ${token}` } })

async function refusedSoon(ask: () => Promise<Response>): Promise<void> {
  for (const deadline = performance.now() + 20_000; performance.now() < deadline;) {
    if ((await ask()).status === 401) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  assert.fail('it was not refused')
}

test('a lost password is replaced on the machine of the database, and a token made there', async (t) => {
  const server = await startServer({ database: 'sqlite', env: { PANGOLIN_AUTH_RATE_LIMIT: '0' } })
  t.after(() => server.stop())
  const { dataDir } = server
  const { token: session } = (await (await login(server, server.username, server.password)).json()) as { token: string }
  assert.equal((await config(server, session)).status, 200)

  const reset = admin(dataDir, ['reset-password'])
  assert.deepEqual([reset.status, reset.stderr], [0, ''])
  const password = reset.stdout.trim()
  assert.match(password, /^\w{24}$/)
  assert.equal((await login(server, server.username, server.password)).status, 401)
  assert.equal((await login(server, server.username, password)).status, 200)
  // What the old password was answered with is over; the long-lived token of the first start is not.
  await refusedSoon(() => config(server, session))
  assert.equal((await config(server, server.adminToken)).status, 200)

  const chosen = admin(dataDir, ['reset-password', '--user', server.username, '--password-stdin'], 'correct horse battery\n')
  assert.deepEqual([chosen.status, chosen.stdout], [0, `The password of ${server.username} is changed\n`])
  assert.equal((await login(server, server.username, 'correct horse battery')).status, 200)

  const made = admin(dataDir, ['create-token', '--description', 'rescue', '--expires-in-hours', '1'])
  assert.equal(made.status, 0, made.stderr)
  assert.equal((await config(server, made.stdout.trim())).status, 200)
  const mine = await fetch(`${server.url}/api/v1/users/me/tokens`, { headers: { authorization: `Bearer ${made.stdout.trim()}` } })
  const tokens = (await mine.json()) as { description: string; is_valid: boolean }[]
  assert.ok(tokens.some(({ description, is_valid }) => description === 'rescue' && is_valid))
})

test('admin refuses what it can not do, and says why', async (t) => {
  const server = await startServer({ database: 'sqlite' })
  t.after(() => server.stop())
  const { dataDir } = server
  const refusals: [readonly string[], number, RegExp, string?][] = [
    [[], 2, /A command is needed/],
    [['rest-password'], 2, /no command admin rest-password/],
    [['reset-password', '--description', 'x'], 2, /admin reset-password has no option --description/],
    [['create-token', 'x'], 2, /admin create-token takes no "x"/],
    [['create-token', '--expires-in-hours=-1'], 2, /must be more than 0/],
    [['create-token', '--user', 'somebody'], 1, /User does not exist: somebody. There is admin/],
    [['reset-password', '--password-stdin'], 1, /expected 12 to 1024 characters, got 5/, 'short\n'],
  ]
  for (const [args, status, message, input] of refusals) {
    const result = admin(dataDir, args, input ?? '')
    assert.deepEqual([result.status, result.stdout], [status, ''], args.join(' '))
    assert.match(result.stderr, message)
  }
  assert.equal((await login(server, server.username, server.password)).status, 200, 'nothing was changed')
})
