/** Reads that share round trips: as fresh as if each were alone. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { Gathering } from '../../../src/stores/mongo/gather.ts'

interface Row {
  readonly _id: string
  readonly value: number
}

/** Answers when told to, with what is there when it was asked. */
function held(): {
  reads: Gathering<Row>
  rows: Map<string, number>
  asked: (readonly string[])[]
  answer: (error?: Error) => void
} {
  const rows = new Map<string, number>()
  const asked: (readonly string[])[] = []
  const answers: ((error?: Error) => void)[] = []
  const reads = new Gathering<Row>((ids) => {
    asked.push(ids)
    const found = ids.flatMap((id) => (rows.has(id) ? [{ _id: id, value: rows.get(id) ?? 0 }] : []))
    return new Promise((resolve, reject) => answers.push((error) => (error === undefined ? resolve(found) : reject(error))))
  })
  return { reads, rows, asked, answer: (error) => answers.shift()?.(error) }
}

test('those of one turn go together, each once, and a missing one is not there', async () => {
  const { reads, rows, asked, answer } = held()
  rows.set('a', 1)
  const found = [reads.read('a'), reads.read('a'), reads.read('b')]
  await turn()
  answer()
  assert.deepEqual(await Promise.all(found), [{ _id: 'a', value: 1 }, { _id: 'a', value: 1 }, undefined])
  assert.deepEqual(asked, [['a', 'b']])
})

test('whoever comes later is not given what was read before', async () => {
  const { reads, rows, answer } = held()
  rows.set('a', 1)
  const first = reads.read('a')
  await turn()
  rows.set('a', 2)
  const second = reads.read('a')
  await turn()
  answer()
  answer()
  assert.deepEqual([(await first)?.value, (await second)?.value], [1, 2])
})

test('a failure is that of those who were read together, and no more', async () => {
  const { reads, asked, answer } = held()
  const failed = [reads.read('a'), reads.read('b')]
  await turn()
  const later = reads.read('a')
  await turn()
  answer(new Error('broken'))
  for (const one of failed) await assert.rejects(one, /broken/)
  answer()
  assert.equal(await later, undefined)
  assert.equal(asked.length, 2)
})

test('no more than some at once, of no more than some rows, and all are answered', async () => {
  const { reads, asked, answer } = held()
  const found = Array.from({ length: 2000 }, (_, i) => reads.read(`row ${i}`))
  for (let i = 0; i < 100; i++) await turn()
  assert.ok(asked.length < 20, `${asked.length} are under way`)
  for (let i = 0; i < 200; i++) {
    answer()
    await turn()
  }
  assert.equal((await Promise.all(found)).length, 2000)
  assert.ok(asked.every((ids) => ids.length <= 64))
  assert.equal(asked.flat().length, 2000)
})
