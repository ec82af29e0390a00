/**
 * Several server processes on one database are one register for each table and each namespace: every client sees what an
 * order of all changes explains, also while a server is killed. And the proof of the proof: a planted fault is found.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { updateTable } from '../../src/catalog/update-table.ts'
import { createTable, loadTable } from '../../src/catalog/tables.ts'
import { IcebergError } from '../../src/iceberg/errors.ts'
import { bodyOf, ident, open, type Fixture } from '../catalog/setup.ts'
import { startServer, type RunningServer } from '../clients/server.ts'
import { newDatabase, serverDatabases, stopDatabases } from '../services/databases.ts'
import { firstViolation } from './checker.ts'
import { misplaced, type Acknowledged } from './order.ts'
import { casCommit, columns, record, valueOf, type History, type Register } from './clients.ts'

const LOAD_MS = Number(process.env['PANGOLIN_TEST_LOAD_MS'] ?? 8000)
/** So many compare-and-sets of a load in which a fault befalls one in a thousand. */
const FAULT_LOAD = 2500
const FAULT_LOAD_LIMIT_MS = 120_000
const SERVERS = 3
const TABLES = ['one', 'two']
const NAMESPACE = 'registers'

interface Answer {
  readonly status: number
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly json: any
}

/** As the server answers who surely changed nothing; so does one that is not there. */
const NOTHING: Answer = { status: 503, json: undefined }

/** Changes that servers acknowledged, by the id of the request. */
let acknowledged: Acknowledged[] = []
let asked = 0

/** `undefined` when the server went away in the middle of it, or says that it does not know. */
async function ask(server: RunningServer, method: string, path: string, body?: object): Promise<Answer | undefined> {
  const [id, startedAt] = [`ask-${++asked}`, performance.now()]
  try {
    const answer = await fetch(`${server.url}/v1/lake/namespaces${path}`, {
      method,
      headers: { authorization: `Bearer ${server.adminToken}`, 'content-type': 'application/json', 'x-request-id': id },
      ...(body && { body: JSON.stringify(body) }),
    })
    const text = await answer.text()
    if (answer.status === 429 || answer.status === 503) return NOTHING
    if (answer.status >= 500) return undefined
    if (method === 'POST' && answer.status === 200) acknowledged.push({ id, startedAt, endedAt: performance.now() })
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

/** Enough of each register for `verdict`, on a slow machine too. */
const isLoad = ({ calls }: History): boolean => [...calls.values()].every((some) => some.length > 80)

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

after(stopDatabases)

for (const { database, title } of [{ database: 'sqlite', title: 'sqlite' } as const, ...serverDatabases]) {
  describe(`several servers on ${title}`, () => {
    it('are one register for each table and namespace, also when one of them is killed', { timeout: 180_000 }, async (t) => {
      const databaseUrl = database === 'sqlite' ? '' : await newDatabase(t, database)
      if (databaseUrl === undefined) return
      acknowledged = []
      const dataDir = mkdtempSync(join(tmpdir(), 'pangolin-consistency-'))
      const servers: RunningServer[] = []
      t.after(async () => {
        await Promise.all(servers.map((server) => server.stop()))
        rmSync(dataDir, { recursive: true, force: true })
      })
      // The first one makes the administrator and the catalog.
      for (let n = 0; n < SERVERS; n++) servers.push(await startServer({ database, databaseUrl, dataDir }))
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
      const recording = record(registers, (history) => performance.now() > endsAt && isLoad(history))
      await sleep(LOAD_MS / 3)
      await servers[1]!.kill('SIGKILL')
      await servers[1]!.restart()
      assert.deepEqual(verdict(t, await recording), [])
      const positions = await positionsIn(first!)
      t.diagnostic(`${acknowledged.length} of ${positions.size} changes were acknowledged`)
      assert.equal(misplaced(acknowledged, positions), undefined)
    })
  })
}

/** Where the log has the changes, by the ids of their requests. Positions are counted without a gap. */
async function positionsIn(server: RunningServer): Promise<Map<string, number>> {
  const positions = new Map<string, number>()
  let last = 0
  for (let pageToken: string | null = ''; pageToken !== null;) {
    const query = new URLSearchParams({ order: 'asc', limit: '1000', ...(pageToken !== '' && { pageToken }) })
    const answer: Response = await fetch(`${server.url}/api/v1/catalogs/lake/commits?${query}`, {
      headers: { authorization: `Bearer ${server.adminToken}` },
    })
    assert.equal(answer.status, 200)
    for (const { position, request_id } of (await answer.json()) as { position: number; request_id: string }[]) {
      assert.equal(position, ++last)
      positions.set(request_id, position)
    }
    pageToken = answer.headers.get('x-next-page-token')
  }
  return positions
}

describe('a planted fault', () => {
  /** The load lasts until it is that many compare-and-sets, of all processes together. */
  async function run(t: TestContext, plant: (fixture: Fixture, nth: number) => Fixture['hooks']['write'], load: number) {
    const fixture = await open(t)
    const fixtures = [fixture, fixture.another(), fixture.another()]
    const registers: Register[][] = []
    for (const name of TABLES) {
      const request = { name, schema: columns as never, properties: { 'format-version': '1' } }
      const { metadata } = bodyOf(await createTable(fixture.context, fixture.call, ['ns'], request))
      registers.push(fixtures.map((one) => useCases(one, name, metadata.location as string)))
    }
    let count = 0
    for (const one of fixtures) {
      one.hooks.write = (steps, next) => {
        const isCommit = steps.some(({ op, entity }) => op === 'replace' && entity === 'entries')
        const planted = isCommit ? plant(one, ++count) : undefined
        return planted === undefined ? next(steps) : planted(steps, next)
      }
    }
    const endsAt = performance.now() + FAULT_LOAD_LIMIT_MS
    const history = await record(registers, () => count >= load || performance.now() > endsAt)
    assert.ok(count >= load, `only ${count} compare-and-sets`)
    return verdict(t, history)
  }

  it('is not there: nothing is found', async (t) => {
    assert.deepEqual(await run(t, () => undefined, FAULT_LOAD), [])
  })

  it('that acknowledges one compare-and-set in a thousand without doing it is found', async (t) => {
    const acknowledge: Fixture['hooks']['write'] = async (steps) => steps.map((_, at) => at + 1)
    const violations = await run(t, (_, nth) => (nth % 1000 === 0 ? acknowledge : undefined), FAULT_LOAD)
    assert.ok(violations.length > 0, 'not found')
  })

  it('that does one compare-and-set in ten without comparing is found', async (t) => {
    let lost = 0
    const blindly =
      ({ store }: Fixture): Fixture['hooks']['write'] =>
      async (steps, next) => {
        const fresh = await Promise.all(
          steps.map(async (step) => {
            if (step.op !== 'replace' || step.entity !== 'entries') return step
            // As if the row were still at the version that was expected.
            const { version } = (await store.get('entries', step.row))!
            if (version !== step.expected) lost++
            return { ...step, expected: version }
          }),
        )
        return next(fresh)
      }
    const violations = await run(t, (fixture, nth) => (nth % 10 === 0 ? blindly(fixture) : undefined), FAULT_LOAD)
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
