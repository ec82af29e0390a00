import assert from 'node:assert/strict'
import { test } from 'node:test'
import { booleanParameter, choiceParameter, integerParameter, pageOf, parameter, rawParameter } from '../../src/http/query.ts'
import { IcebergError } from '../../src/iceberg/errors.ts'

const bad = (message: RegExp) => (error: unknown) =>
  error instanceof IcebergError && error.code === 400 && message.test(error.message)

test('values are decoded as forms are', () => {
  assert.equal(parameter('a=1&b=x+y%2Bz', 'b'), 'x y+z')
  assert.equal(rawParameter('b=x%1Fy', 'b'), 'x%1Fy')
  assert.equal(parameter('a=1', 'b'), undefined)
  assert.equal(parameter('b', 'b'), '')
  assert.equal(parameter('b=', 'b'), '')
  assert.equal(parameter('%62=1', 'b'), '1')
  assert.equal(parameter('__proto__=1', 'constructor'), undefined)
})

test('a repeated parameter is refused, one that nobody reads is not', () => {
  assert.throws(() => parameter('pageSize=1&pageSize=2', 'pageSize'), bad(/pageSize must not be repeated/))
  assert.throws(() => parameter('pageSize=1&page%53ize=2', 'pageSize'), bad(/repeated/))
  assert.equal(parameter('x=1&x=2&a=3', 'a'), '3')
  assert.deepEqual(pageOf('pageSize[]=5'), { pageToken: undefined, pageSize: undefined })
})

test('escapes that are none are refused', () => {
  for (const query of ['a=%', 'a=%zz', 'a=%C3%28', '%zz=1&a=2'])
    assert.throws(() => parameter(query, 'a'), bad(/percent escape/), query)
})

test('sizes', () => {
  assert.deepEqual(pageOf(''), {})
  assert.deepEqual(pageOf('pageToken=&pageSize=7'), { pageToken: '', pageSize: 7 })
  assert.equal(pageOf('pageSize=99999999').pageSize, 10_000)
  for (const size of ['-1', '0', '1.5', '1e3', 'NaN', '', '9'.repeat(40)]) {
    assert.throws(() => integerParameter(`pageSize=${size}`, 'pageSize', 1, 100), bad(/pageSize/), size)
  }
})

test('truths and choices', () => {
  assert.equal(booleanParameter('purgeRequested=True', 'purgeRequested'), true)
  assert.equal(booleanParameter('purgeRequested=false', 'purgeRequested'), false)
  assert.equal(booleanParameter('', 'purgeRequested'), undefined)
  assert.throws(() => booleanParameter('purgeRequested=1', 'purgeRequested'), bad(/true or false/))
  assert.equal(choiceParameter('snapshots=refs', 'snapshots', ['all', 'refs']), 'refs')
  assert.throws(() => choiceParameter('snapshots=none', 'snapshots', ['all', 'refs']), bad(/all, refs/))
})

test('a flood of parameters is refused', () => {
  assert.throws(() => parameter('a=1&'.repeat(200), 'b'), bad(/More than/))
})
