/**
 * The same random sequences of commits to the reference implementation and to ours: the same requests are refused, for the
 * same kind of reason, and the accepted ones make the same metadata. First our core within this process, then the server.
 * PANGOLIN_TEST_SEED repeats or varies a run; PANGOLIN_TEST_SEQUENCES says how long it is.
 */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { requireService } from '../services/require.ts'
import { coreSide } from './differential/core-side.ts'
import { runSequence } from './differential/sequence.ts'
import { createNamespace, httpSide, type Kind, type MakeSide } from './differential/sides.ts'
import { javaEnv } from './java/java.ts'
import { startReferenceServer, type ReferenceServer } from './java/reference.ts'
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

async function compare(test: TestContext, kind: Kind, sequences: number, reference: MakeSide, ours: MakeSide): Promise<void> {
  const failures: string[] = []
  const seen = new Set<string>()
  const deviations = new Map<string, number>()
  let [accepted, refused] = [0, 0]
  for (let index = 0; index < sequences && failures.length < REPORTED; index++) {
    const result = await runSequence(kind, SEED + index, reference, ours)
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
  if (sequences >= 300) {
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
  const reference: ReferenceServer = await startReferenceServer(env, { catalog: 'memory' })
  const theirs = { base: `${reference.url}/v1`, namespace: 'differential' }
  try {
    await createNamespace(theirs)
    await context.test('tables, in our core', (test) => compare(test, 'table', SEQUENCES, httpSide(theirs), coreSide))
    await context.test('views, in our core', (test) => compare(test, 'view', SEQUENCES / 2, httpSide(theirs), coreSide))
    const server = await startServer({ database: 'memory', env: { PANGOLIN_LOCAL_ROOTS: '/tmp' } })
    try {
      const ours = { base: `${server.url}/v1/lake`, namespace: 'differential', token: server.adminToken }
      await createNamespace(ours)
      // Names were taken by the sequences before.
      const again = { ...theirs, namespace: 'over-http' }
      await createNamespace(again)
      await context.test('tables, over HTTP', (test) => compare(test, 'table', SEQUENCES / 10, httpSide(again), httpSide(ours)))
      await context.test('views, over HTTP', (test) => compare(test, 'view', SEQUENCES / 10, httpSide(again), httpSide(ours)))
    } finally {
      await server.stop()
    }
  } finally {
    await reference.stop()
  }
})
