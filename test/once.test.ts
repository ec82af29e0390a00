import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { once, shared } from '../src/once.ts'

test('once: one piece of work for all callers, kept when it succeeded, done again when it failed', async () => {
  let runs = 0
  const get = once(async () => {
    if (++runs < 3) throw new Error(`run ${runs}`)
    return runs
  })
  assert.equal(await get.known(), undefined)
  assert.equal(runs, 0, 'to ask what is known begins nothing')
  const together = await Promise.allSettled([get(), get()])
  assert.deepEqual(
    together.map(({ status }) => status),
    ['rejected', 'rejected'],
  )
  assert.equal(runs, 1)
  await assert.rejects(get(), /run 2/)
  assert.equal(await get(), 3)
  assert.equal(await get(), 3)
  assert.equal(await get.known(), 3)
})

test('once and shared: work that fails before it makes a promise is done again, too', async () => {
  for (const keep of [once, shared]) {
    let runs = 0
    const get = keep((): Promise<number> => {
      if (++runs === 1) throw new Error('at once')
      return Promise.resolve(runs)
    })
    await assert.rejects(get(), /at once/)
    assert.equal(await get(), 2)
  }
})

test('shared: callers that come meanwhile get the same, later ones have it done again', async () => {
  let runs = 0
  const get = shared(async () => ++runs)
  assert.deepEqual(await Promise.all([get(), get()]), [1, 1])
  assert.equal(await get(), 2)
})

/** Each of these forgets by itself, or keeps the end of something on purpose. */
const OWN_WAYS = [
  'access/authenticate.ts',
  'stores/mongo.ts',
  'stores/mongo/driver.ts',
  'stores/sql/engine.ts',
  'tasks/runner.ts',
]

test('no other code keeps a promise by hand', () => {
  const folder = join(import.meta.dirname, '../src')
  const kept = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(
    (name) =>
      name.endsWith('.ts') &&
      /^\s*(?:let |readonly |#)*#?\w+: Promise<.*> \| undefined$/m.test(readFileSync(join(folder, name), 'utf8')),
  )
  assert.deepEqual(
    kept.toSorted(),
    [...OWN_WAYS, 'once.ts'].toSorted().filter((name) => kept.includes(name)),
  )
  assert.ok(kept.includes('stores/mongo/driver.ts'), 'the pattern finds what there is')
})
