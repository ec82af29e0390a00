/**
 * Several server processes on one database are one register for each table and each namespace: every client sees what an
 * order of all changes explains, also while a server is killed. And the proof of the proof: a planted fault is found.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { updateTable } from '../../src/catalog/commit.ts'
import { createTable, loadTable } from '../../src/catalog/tables.ts'
import { IcebergError } from '../../src/iceberg/errors.ts'
import { bodyOf, ident, open, type Fixture } from '../catalog/setup.ts'
import { startServer, type RunningServer } from '../clients/server.ts'
import { firstViolation } from './checker.ts'
import { casCommit, columns, record, valueOf, type History, type Register } from './clients.ts'

const LOAD_MS = Number(process.env['PANGOLIN_TEST_LOAD_MS'] ?? 8000)
const FAULT_LOAD_MS = 2500
const SERVERS = 3
const TABLES = ['one', 'two']
const NAMESPACE = 'registers'

/** Databases that processes can share: what the servers of one test are told of theirs. */
const databases: readonly { readonly name: string; readonly env: (t: TestContext) => Promise<Record<string, string>> }[] = [
  { name: 'sqlite', env: async () => ({}) },
]

interface Answer {
  readonly status: number
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly json: any
}

/** As the server answers who surely changed nothing; so does one that is not there. */
const NOTHING: Answer = { status: 503, json: undefined }

/** `undefined` when the server went away in the middle of it, or says that it does not know. */
async function ask(server: RunningServer, method: string, path: string, body?: object): Promise<Answer | undefined> {
  try {
    const answer = await fetch(`${server.url}/v1/lake/namespaces${path}`, {
      method,
      headers: { authorization: `Bearer ${server.adminToken}`, 'content-type': 'application/json' },
      ...(body && { body: JSON.stringify(body) }),
    })
    const text = await answer.text()
    if (answer.status === 429 || answer.status === 503) return NOTHING
    if (answer.status >= 500) return undefined
    return { status: answer.status, json: text === '' ? undefined : JSON.parse(text) }
  } catch (error) {
    const { code } = ((error as Error).cause ?? {}) as { readonly code?: string }
    if (code !== 'ECONNREFUSED') return undefined
    await sleep(20)
    return NOTHING
  }
}

function tableRegister(server: RunningServer, table: string, location: string): Register {
  const path = `/${NAMESPACE}/tables/${table}`
  return {
    name: `table ${table}`,
    read: async () => {
      const answer = await ask(server, 'GET', path)
      if (answer === undefined || answer === NOTHING) return undefined
      assert.equal(answer.status, 200, JSON.stringify(answer.json))
      return { value: valueOf(answer.json.metadata) }
    },
    cas: async (expected, value) => {
      const answer = await ask(server, 'POST', path, casCommit(location, expected, value))
      if (answer === undefined) return undefined
      if (answer === NOTHING) return 'nothing'
      assert.match(String(answer.status), /200|409/, JSON.stringify(answer.json))
      return answer.status === 200
    },
  }
}

function namespaceRegister(server: RunningServer): Register {
  return {
    name: 'namespace',
    read: async () => {
      const answer = await ask(server, 'GET', `/${NAMESPACE}`)
      if (answer?.status !== 200) return undefined
      return { value: (answer.json.properties as { value?: string }).value ?? null }
    },
    write: async (value) => {
      const answer = await ask(server, 'POST', `/${NAMESPACE}/properties`, { updates: { value } })
      return answer === NOTHING ? 'nothing' : answer?.status === 200 ? true : undefined
    },
  }
}

function verdict(t: TestContext, history: History): string[] {
  const violations: string[] = []
  let [reads, done, refused] = [0, 0, 0]
  for (const [name, calls] of history.calls) {
    for (const { operation } of calls) {
      if (operation.kind === 'read') reads++
      else if (operation.kind === 'write' || operation.done) done++
      else refused++
    }
    const violation = firstViolation(calls, null)
    if (violation !== undefined) violations.push(`${name}: nothing explains ${JSON.stringify(violation)}`)
  }
  t.diagnostic(`${reads} reads, ${done} changes, ${refused} refused, ${history.unknown} unknown`)
  assert.ok(reads > 50 && done > 20 && refused > 5, 'the load was hardly one')
  return violations
}

for (const { name, env } of databases) {
  describe(`several servers on ${name}`, () => {
    it('are one register for each table and namespace, also when one of them is killed', { timeout: 180_000 }, async (t) => {
      const dataDir = mkdtempSync(join(tmpdir(), 'pangolin-consistency-'))
      const settings = await env(t)
      const servers: RunningServer[] = []
      t.after(async () => {
        await Promise.all(servers.map((server) => server.stop()))
        rmSync(dataDir, { recursive: true, force: true })
      })
      const starting = Array.from({ length: SERVERS }, () => startServer({ database: 'sqlite', dataDir, env: settings }))
      servers.push(...(await Promise.all(starting)))
      const [first] = servers
      assert.equal((await ask(first!, 'POST', '', { namespace: [NAMESPACE] }))?.status, 200)
      const registers = [servers.map((server) => namespaceRegister(server))]
      for (const table of TABLES) {
        const request = { name: table, schema: columns, properties: { 'format-version': '1' } }
        const made = await ask(first!, 'POST', `/${NAMESPACE}/tables`, request)
        assert.equal(made?.status, 200)
        registers.push(servers.map((server) => tableRegister(server, table, made.json.metadata.location as string)))
      }
      const endsAt = performance.now() + LOAD_MS
      const recording = record(registers, () => performance.now() > endsAt)
      await sleep(LOAD_MS / 3)
      await servers[1]!.kill('SIGKILL')
      await servers[1]!.restart()
      assert.deepEqual(verdict(t, await recording), [])
    })
  })
}

describe('a planted fault', () => {
  async function run(t: TestContext, plant: (fixture: Fixture) => void): Promise<string[]> {
    const fixture = await open(t)
    const fixtures = [fixture, fixture.another(), fixture.another()]
    const registers: Register[][] = []
    for (const name of TABLES) {
      const request = { name, schema: columns as never, properties: { 'format-version': '1' } }
      const { metadata } = bodyOf(await createTable(fixture.context, fixture.call, ['ns'], request))
      registers.push(fixtures.map((one) => useCases(one, name, metadata.location as string)))
    }
    for (const one of fixtures) plant(one)
    const endsAt = performance.now() + FAULT_LOAD_MS
    return verdict(t, await record(registers, () => performance.now() > endsAt))
  }

  it('is not there: nothing is found', async (t) => {
    assert.deepEqual(await run(t, () => {}), [])
  })

  it('that acknowledges one compare-and-set in fifty without doing it is found', async (t) => {
    let count = 0
    const violations = await run(t, ({ hooks }) => {
      hooks.write = async (steps, next) => {
        const isCommit = steps.some(({ op, entity }) => op === 'replace' && entity === 'entries')
        return isCommit && ++count % 50 === 0 ? steps.map((_, at) => at + 1) : next(steps)
      }
    })
    assert.ok(count >= 50)
    assert.ok(violations.length > 0, 'not found')
  })

  it('that does one compare-and-set in ten without comparing is found', async (t) => {
    let lost = 0
    const violations = await run(t, ({ hooks, store }) => {
      let count = 0
      hooks.write = async (steps, next) => {
        const fresh = await Promise.all(
          steps.map(async (step) => {
            if (step.op !== 'replace' || step.entity !== 'entries' || ++count % 10 > 0) return step
            // As if the row were still at the version that was expected.
            const { version } = (await store.get('entries', step.row))!
            if (version !== step.expected) lost++
            return { ...step, expected: version }
          }),
        )
        return next(fresh)
      }
    })
    assert.ok(lost > 0, 'nobody else was ever faster, which is where comparing matters')
    assert.ok(violations.length > 0, `${lost} updates were lost, and not found`)
  })
})

function useCases(fixture: Fixture, name: string, location: string): Register {
  const { context, call } = fixture
  return {
    name: `table ${name}`,
    read: async () => ({ value: valueOf(bodyOf(await loadTable(context, call, ident(name))).metadata) }),
    cas: async (expected, value) => {
      try {
        await updateTable(context, call, ident(name), casCommit(location, expected, value) as never)
        return true
      } catch (error) {
        if (error instanceof IcebergError && error.code === 409) return false
        throw error
      }
    },
  }
}
