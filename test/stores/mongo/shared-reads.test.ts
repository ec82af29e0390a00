/** Reads that share a round trip see all that was done before they were asked for. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SharedReads } from '../../../src/stores/mongo/shared-reads.ts'

/** Reads that begin when they are called and end when they are told to. */
function register() {
  const state = { value: 0, begun: 0, ends: [] as (() => void)[] }
  const read = (): Promise<number> => {
    state.begun++
    const seen = state.value
    return new Promise((resolve) => state.ends.push(() => resolve(seen)))
  }
  const endOne = async (): Promise<void> => {
    state.ends.shift()?.()
    await new Promise((resolve) => setImmediate(resolve))
  }
  return { state, read, endOne }
}

test('those that come while one is under way share the next one, and see what was written meanwhile', async () => {
  const { state, read, endOne } = register()
  const shared = new SharedReads<number>()
  const first = shared.read('a', read)
  state.value = 1
  const others = Array.from({ length: 10 }, () => shared.read('a', read))
  assert.equal(state.begun, 1)
  await endOne()
  assert.equal(await first, 0, 'it began before')
  assert.equal(state.begun, 2)
  state.value = 2
  const late = shared.read('a', read)
  await endOne()
  assert.deepEqual(
    await Promise.all(others),
    Array.from({ length: 10 }, () => 1),
  )
  await endOne()
  assert.equal(await late, 2, 'not an older answer')
  assert.equal(state.begun, 3)
})

test('other documents are not waited for; a failure is shared, and the next read begins all the same', async () => {
  const { read, state, endOne } = register()
  const shared = new SharedReads<number>()
  const broken = shared.read('a', () => Promise.reject(new Error('broken')))
  const behind = shared.read('a', read)
  const other = shared.read('b', read)
  assert.equal(state.begun, 1)
  await assert.rejects(broken, /broken/)
  await endOne()
  await endOne()
  assert.deepEqual(await Promise.all([behind, other]), [0, 0])
  const again = shared.read('a', read)
  await endOne()
  assert.equal(await again, 0)
})
