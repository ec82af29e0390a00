/** The protocol of the MongoDB engine, explored to the end; and faults planted in it, which the exploration must find. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { exploreAside, pairs } from './models.ts'
import { faults } from './planted-faults.ts'

for (const pair of Object.keys(pairs)) {
  test(`${pair}, with a crash of one of them at any moment and without`, async () => {
    const { outcomes, failure } = await exploreAside({ pair, crashes: true, haste: 0 })
    assert.equal(failure, undefined)
    assert.ok(outcomes.length > 2, 'the order matters, and the crash')
  })
}

const SLOW = [
  'one compare-and-set against a batch',
  'commits of two rows under one key',
  'a commit and one who drops what it inserts',
]

for (const pair of SLOW) {
  test(`${pair}, one of them so slow that the other loses patience`, async () => {
    const { outcomes, failure } = await exploreAside({ pair, crashes: false, haste: 1 })
    assert.equal(failure, undefined)
    assert.ok(outcomes.length > 1, 'the order matters')
  })
}

const foundBy: { readonly [fault: string]: string } = {
  'a compare-and-set that does not compare': 'one compare-and-set against a commit',
  'a row is marked in whatever version it is': 'two batches over the same two rows, in opposite order',
  "a mark is set over another batch's": 'two batches over the same two rows, in opposite order',
  'a row that others require is marked all the same': 'creating below what is dropped',
  'a commit does not mind the mark of a batch': 'a commit against a batch over its row and another',
  'committed before it holds its rows': 'two batches over the same two rows, in opposite order',
  'what is said to be aborted is not': 'one compare-and-set against a batch',
  'readers take every mark for one that came too late': 'a batch and a reader of its rows',
  'a batch that is called off may be committed still': 'commits of two rows under one key',
  'the outbox is emptied and nothing delivered': 'a commit and a reader of its rows',
  'what is in the outbox goes with the row': 'a commit of what is dropped',
  'drafts are rows at once': 'a commit and a reader of its rows',
}

for (const fault of Object.keys(faults)) {
  test(`a planted fault is found: ${fault}`, async () => {
    const pair = foundBy[fault] ?? ''
    const { failure } = await exploreAside({ pair, fault, crashes: !SLOW.includes(pair), haste: SLOW.includes(pair) ? 1 : 0 })
    assert.ok(failure !== undefined, 'it was not found')
  })
}
