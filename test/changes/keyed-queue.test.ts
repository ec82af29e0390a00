import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createKeyedQueue } from '../../src/changes/keyed-queue.ts'
import { rejects } from '../catalog/setup.ts'

test('the queue runs one at a time per name, in order, and never locks up', async () => {
  const queue = createKeyedQueue({ maxWaiting: 50 })
  const log: string[] = []
  const work = (name: string, keys: string[]) =>
    queue.run(keys, async () => {
      log.push(`+${name}`)
      await new Promise((resolve) => setImmediate(resolve))
      log.push(`-${name}`)
    })
  await Promise.all([work('1', ['a', 'b']), work('2', ['b', 'a']), work('3', ['a', 'a']), work('4', ['c'])])
  const ofA = log.filter((entry) => !entry.endsWith('4'))
  assert.deepEqual(ofA, ['+1', '-1', '+2', '-2', '+3', '-3'])
  assert.ok(log.indexOf('+4') < log.indexOf('-1'), 'other names do not wait')
  await assert.rejects(
    queue.run(['a'], async () => Promise.reject(new Error('x'))),
    /x/,
  )
  await work('5', ['a'])
  const many = Array.from({ length: 51 }, () => work('n', ['a']))
  await assert.rejects(Promise.all(many), rejects(429, /More than 50/))
  await Promise.allSettled(many)
  await work('6', ['a'])
})
