/** Several workers on one port and one SQLite file: started as one, replaced when they die, ended together. */
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { loadSettings } from '../../src/config.ts'

const MAIN = join(import.meta.dirname, '..', '..', 'src', 'main.ts')
const WORKERS = 3

interface Run {
  readonly child: ChildProcess
  readonly data: string
  readonly output: { text: string }
  readonly ended: Promise<number | null>
}

function run(t: TestContext, env: Readonly<Record<string, string>> = {}): Run {
  const data = mkdtempSync(join(tmpdir(), 'pangolin-workers-'))
  const settings = { PANGOLIN_DATA: data, PORT: '0', LOG_FORMAT: 'json', PANGOLIN_WORKERS: String(WORKERS) }
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', MAIN], {
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...settings, ...env },
  })
  const output = { text: '' }
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => (output.text += chunk))
  }
  const ended = new Promise<number | null>((resolve) => child.once('close', (code) => resolve(code)))
  t.after(async () => {
    // Its workers end with it.
    child.kill('SIGKILL')
    await ended
    rmSync(data, { recursive: true, force: true })
  })
  return { child, data, output, ended }
}

type Line = Readonly<Record<string, unknown>>
const events = ({ output }: Run, event: string): Line[] =>
  output.text
    .split('\n')
    .filter((line) => line.startsWith('{') && line.endsWith('}'))
    .map((line) => JSON.parse(line) as Line)
    .filter((line) => line['event'] === event)

async function until<T>(run: Run, look: () => T | undefined): Promise<T> {
  for (;;) {
    const found = look()
    if (found !== undefined) return found
    assert.equal(run.child.exitCode, null, run.output.text)
    await sleep(20)
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** Again, where the connection was one of a worker that was killed. */
async function sendSurely(url: string, token: string): Promise<number> {
  for (;;) {
    try {
      return (await send(url, token)).status
    } catch (error) {
      assert.match(String((error as NodeJS.ErrnoException).code), /ECONNRESET|EPIPE/)
    }
  }
}

/** On a connection of its own, so that the requests of a test spread over the workers. */
function send(url: string, token: string, method = 'GET', body?: object): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
    const outgoing = request(
      url,
      { method, headers, agent: new Agent({ keepAlive: false }), signal: AbortSignal.timeout(30_000) },
      (answer) => {
        let text = ''
        answer.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text }))
        answer.on('error', reject)
      },
    )
    outgoing.on('error', reject)
    outgoing.end(body === undefined ? undefined : JSON.stringify(body))
  })
}

test(
  'workers start once, see each other’s changes, are replaced when they die, and drain together',
  { timeout: 120_000 },
  async (t) => {
    const server = run(t)
    const { url, firstStart } = (await until(server, () => events(server, 'listening')[0])) as {
      url: string
      firstStart: boolean
    }
    assert.equal(firstStart, true)
    const pids = events(server, 'worker-started').map(({ pid }) => pid as number)
    assert.equal(new Set(pids).size, WORKERS)
    const { token } = JSON.parse(readFileSync(join(server.data, 'admin.json'), 'utf8')) as { token: string }

    // Whoever answers next sees the change that the one before has made.
    for (let n = 0; n < 12; n++) {
      assert.equal((await send(`${url}/v1/lake/namespaces`, token, 'POST', { namespace: [`n${n}`] })).status, 200)
      assert.equal((await send(`${url}/v1/lake/namespaces/n${n}`, token)).status, 200)
    }
    const catalogs = JSON.parse((await send(`${url}/api/v1/catalogs`, token)).text) as unknown[]
    assert.equal(catalogs.length, 1)

    process.kill(pids[0]!, 'SIGKILL')
    for (let n = 0; n < 30; n++) assert.equal(await sendSurely(`${url}/v1/lake/namespaces`, token), 200)
    const died = await until(server, () => events(server, 'worker-died')[0])
    assert.deepEqual([died['signal'], died['level']], ['SIGKILL', 'error'])
    const started = await until(server, () => events(server, 'worker-started')[WORKERS])
    assert.ok(!pids.includes(started['pid'] as number))
    assert.equal(events(server, 'listening').length, 1, 'one banner')

    const alive = [...pids.slice(1), started['pid'] as number]
    assert.ok(alive.every(isAlive))
    server.child.kill('SIGTERM')
    assert.equal(await server.ended, 0)
    assert.deepEqual(alive.filter(isAlive), [])
    const stopping = events(server, 'stopping').map(({ worker }) => worker)
    assert.equal(new Set(stopping).size, WORKERS + 1, 'each says who it is, and the supervisor is none of them')
    assert.equal(events(server, 'worker-died').length, 1, 'workers that were told to end did not die')
  },
)

test('workers end with their supervisor', { timeout: 60_000 }, async (t) => {
  const server = run(t)
  await until(server, () => events(server, 'listening')[0])
  const pids = events(server, 'worker-started').map(({ pid }) => pid as number)
  server.child.kill('SIGKILL')
  while (pids.some(isAlive)) await sleep(20)
})

test('a first worker that can not start says why, once', async (t) => {
  const taken = createServer().listen(0, '127.0.0.1')
  t.after(() => taken.close())
  await new Promise((resolve) => taken.once('listening', resolve))
  const server = run(t, { PORT: String((taken.address() as AddressInfo).port) })
  assert.equal(await server.ended, 1)
  assert.equal(server.output.text.match(/Port \d+ of 127\.0\.0\.1 is in use/g)?.length, 1, server.output.text)
})

test('how many workers there are', () => {
  const settings = (env: Record<string, string>) => loadSettings({ PANGOLIN_DATA: join(tmpdir(), 'pangolin-none'), ...env })
  const memory = { DATABASE_URL: 'memory:' }
  assert.equal(settings({}).workers, 1)
  assert.equal(settings({ PANGOLIN_WORKERS: '7' }).workers, 7)
  assert.ok(settings({ PANGOLIN_WORKERS: 'auto' }).workers >= 1)
  assert.equal(settings({ ...memory, PANGOLIN_WORKERS: 'auto' }).workers, 1)
  assert.throws(
    () => settings({ ...memory, PANGOLIN_WORKERS: '2' }),
    /PANGOLIN_WORKERS=2 needs a database that processes can share/,
  )
  for (const wrong of ['0', '257', '-1', 'many', '1.5']) {
    assert.throws(() => settings({ PANGOLIN_WORKERS: wrong }), /PANGOLIN_WORKERS must be an integer from 1 to 256 or auto/)
  }
})
