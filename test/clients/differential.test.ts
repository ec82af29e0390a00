/**
 * The same random sequences of commits to the reference implementation and to ours: the same requests are refused, for the
 * same kind of reason, and the accepted ones make the same metadata. First our core within this process, then the server.
 * PANGOLIN_TEST_SEED repeats or varies a run; PANGOLIN_TEST_SEQUENCES says how long it is.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { NEW_TABLE, NEW_VIEW, nullRequests } from '../http/null-requests.ts'
import { requireService } from '../services/require.ts'
import { TABLE_FAULTS, TABLE_NULLS, tableFile, TABLES } from '../iceberg/foreign-files.ts'
import type { Outcome } from './differential/compare.ts'
import { coreSide } from './differential/core-side.ts'
import { runSequence, type Sides } from './differential/sequence.ts'
import { undoSequence } from './differential/undone.ts'
import { createNamespace, httpSide, postTo, readerAt, type HttpOptions, type Kind, type MakeSide } from './differential/sides.ts'
import { javaEnv } from './java/java.ts'
import { startReferenceServer } from './java/reference.ts'
import { makeLocalCatalog } from './local-catalog.ts'
import { startServer } from './server.ts'

const SEED = Number(process.env['PANGOLIN_TEST_SEED'] ?? 1)
const SEQUENCES = Number(process.env['PANGOLIN_TEST_SEQUENCES'] ?? 1000)
const REPORTED = 5

/** Each must have been part of an accepted commit, or the run has shown nothing about it. */
const TABLE_ACTIONS = `
  assign-uuid upgrade-format-version add-schema set-current-schema add-spec set-default-spec add-sort-order set-default-sort-order
  add-snapshot set-snapshot-ref remove-snapshots remove-snapshot-ref set-location set-properties remove-properties set-statistics
  remove-statistics set-partition-statistics remove-partition-statistics remove-partition-specs remove-schemas add-encryption-key
  remove-encryption-key`
const VIEW_ACTIONS = `
  assign-uuid upgrade-format-version add-schema set-location set-properties remove-properties add-view-version
  set-current-view-version`

/** What a server answers to requests with `null` for an optional field, by the field. */
async function nullStatuses(options: HttpOptions): Promise<ReadonlyMap<string, number>> {
  const post = postTo(options)
  const made = await post(`namespaces/${options.namespace}/tables`, { name: 'nulls', ...NEW_TABLE })
  await post(`namespaces/${options.namespace}/views`, { name: 'nulls_of_views', ...NEW_VIEW })
  const { metadata } = (await made.json()) as { readonly metadata: { readonly location: string } }
  const places = { namespace: options.namespace, table: 'nulls', view: 'nulls_of_views', location: metadata.location }
  const statuses = new Map<string, number>()
  for (const { what, path, body } of nullRequests(places)) statuses.set(what, (await post(path, body)).status)
  return statuses
}

async function compare(test: TestContext, kind: Kind, sequences: number, sides: Sides): Promise<void> {
  const failures: string[] = []
  const seen = new Set<string>()
  const deviations = new Map<string, number>()
  let [accepted, refused] = [0, 0]
  for (let index = 0; index < sequences && failures.length < REPORTED; index++) {
    const result = await runSequence(kind, SEED + index, sides)
    if (result.failure !== undefined) failures.push(result.failure)
    if (result.deviation !== undefined) deviations.set(result.deviation, (deviations.get(result.deviation) ?? 0) + 1)
    for (const action of result.actions) seen.add(action)
    accepted += result.accepted
    refused += result.refused
  }
  test.diagnostic(`seeds ${SEED} to ${SEED + sequences - 1}: ${accepted} commits accepted, ${refused} refused by both`)
  for (const [name, count] of deviations) test.diagnostic(`${count} times on purpose: ${name}`)
  assert.equal(
    failures.length,
    0,
    `differences from the reference implementation (PANGOLIN_TEST_SEED=<seed> repeats one):\n${failures.join('\n')}`,
  )
  if (sequences >= 500) {
    const missing = (kind === 'table' ? TABLE_ACTIONS : VIEW_ACTIONS)
      .trim()
      .split(/\s+/)
      .filter((action) => !seen.has(action))
    assert.deepEqual(missing, [], 'actions that no accepted commit had')
  }
}

test('commits as the reference implementation makes them', async (context) => {
  const env = requireService(context, await javaEnv())
  if (env === undefined) return
  const folder = mkdtempSync(join(tmpdir(), 'pangolin-differential-'))
  const root = `file:${folder}`
  const reference = await startReferenceServer(env, { catalog: 'memory' })
  const theirs = { base: `${reference.url}/v1`, namespace: 'in-process' }
  try {
    await createNamespace(theirs)
    const reader = readerAt(reference.url)
    const core = { reference: httpSide(theirs), ours: coreSide, reader, root }
    await context.test('tables, in our core', (test) => compare(test, 'table', SEQUENCES, core))
    await context.test('views, in our core', (test) => compare(test, 'view', SEQUENCES / 2, core))
    await context.test('commits undone, and made again, are read', async (test) => {
      let [undone, refused] = [0, 0]
      for (const kind of ['table', 'view'] as const) {
        for (let index = 0; index < SEQUENCES / 4; index++) {
          const result = await undoSequence(kind, SEED + index, core)
          assert.equal(result.failure, undefined)
          undone += result.undone
          refused += result.refused
        }
      }
      test.diagnostic(`${undone} commits undone, ${refused} refused`)
      assert.ok(undone > SEQUENCES / 2 && undone > 4 * refused, `${undone} undone, ${refused} refused`)
    })
    await context.test('a spec of before meets a schema that does not suit it', async () => {
      const column = (id: number, name: string, type: string) => ({ id, name, required: false, type })
      const table = [column(1, 'id', 'int'), column(2, 'ts', 'timestamp')]
      const columns = (...fields: object[]) => ({ type: 'struct', 'schema-id': 0, fields })
      const day = { name: 'ts_day', transform: 'day', 'source-id': 2 }
      const unpartitioned = [
        { action: 'add-spec', spec: { 'spec-id': 0, fields: [] } },
        { action: 'set-default-spec', 'spec-id': -1 },
      ]
      for (const [name, fields] of Object.entries({
        named: [...table, column(3, 'ts_day', 'int')],
        retyped: [column(1, 'id', 'int'), column(2, 'ts', 'long')],
      })) {
        const statuses = [core.reference, core.ours].map(async (make) => {
          const side = make('table', name)
          const first = { name, schema: columns(...table), 'partition-spec': { 'spec-id': 0, fields: [day] }, properties: {} }
          const location = `${root}/${name}`
          assert.equal((await side.create({ ...first, location })).status, 200)
          assert.equal((await side.commit({ requirements: [], updates: unpartitioned })).status, 200)
          const schema = { action: 'add-schema', schema: columns(...fields) }
          const current = { action: 'set-current-schema', 'schema-id': -1 }
          return (await side.commit({ requirements: [], updates: [schema, current] })).status
        })
        assert.deepEqual(await Promise.all(statuses), [400, 400], name)
      }
    })
    await context.test('files of other writers are taken where the reader takes them', async () => {
      for (const [what, fields] of TABLES) assert.equal(await reader('table', tableFile(fields)), undefined, what)
      for (const [what, fields] of TABLE_FAULTS) assert.notEqual(await reader('table', tableFile(fields)), undefined, what)
      for (const [what, fields, taken] of TABLE_NULLS)
        assert.equal((await reader('table', tableFile(fields))) === undefined, taken, `null: ${what}`)
    })
    await context.test('the comparison notices one wrong number', async () => {
      const wrong: MakeSide = (kind, name) => {
        const side = coreSide(kind, name)
        const tamper = ({ metadata, ...rest }: Outcome): Outcome =>
          metadata === undefined ? rest : { ...rest, metadata: { ...metadata, 'last-column-id': 1_000_000 } }
        return {
          create: async (request) => tamper(await side.create(request)),
          commit: async (request) => tamper(await side.commit(request)),
        }
      }
      const { failure } = await runSequence('table', SEED + SEQUENCES, { ...core, ours: wrong })
      assert.match(failure ?? '', /last-column-id: reference \d+, ours 1000000/)
    })
    const server = await startServer({ database: 'memory', env: { PANGOLIN_LOCAL_ROOTS: folder } })
    try {
      await makeLocalCatalog(server, { name: 'differential', folder, home: join(folder, 'home') })
      const ours = { base: `${server.url}/v1/differential`, namespace: 'over-http', token: server.adminToken }
      // Another namespace: the names in the first one were taken by the sequences before.
      const again = { ...theirs, namespace: 'over-http' }
      await Promise.all([createNamespace(ours), createNamespace(again)])
      const http = { reference: httpSide(again), ours: httpSide(ours), reader, root }
      await context.test('null is absent where the reference takes it so', async (test) => {
        const taken = [0, 0]
        const servers: readonly HttpOptions[] = [again, ours]
        const statuses = await Promise.all(servers.map(nullStatuses))
        for (const [what, status] of statuses[0]!) {
          taken[status < 300 ? 0 : 1]!++
          assert.ok(statuses[1]!.get(what)! < 300, `${what}: reference ${status}, ours ${statuses[1]!.get(what)}`)
        }
        test.diagnostic(`of the null fields the reference takes ${taken[0]}, and refuses ${taken[1]} that we take`)
      })
      await context.test('tables, over HTTP', (test) => compare(test, 'table', SEQUENCES / 10, http))
      await context.test('views, over HTTP', (test) => compare(test, 'view', SEQUENCES / 10, http))
    } finally {
      await server.stop()
    }
  } finally {
    await reference.stop()
    rmSync(folder, { recursive: true, force: true })
  }
})
