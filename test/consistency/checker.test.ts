/** The checker itself: histories whose answer is known, and random ones that were made by a real register. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { misplaced } from './order.ts'
import { firstViolation, type Call, type Operation } from './checker.ts'

const read = (result: string | null): Operation => ({ kind: 'read', result })
const write = (value: string): Operation => ({ kind: 'write', value })
const cas = (expected: string | null, value: string, done: boolean): Operation => ({ kind: 'cas', expected, value, done })
const call = (invokedAt: number, returnedAt: number, operation: Operation): Call => ({ invokedAt, returnedAt, operation })
const holds = (...calls: Call[]): boolean => firstViolation(calls, null) === undefined

describe('the checker', () => {
  it('accepts what a register does', () => {
    assert.ok(holds())
    assert.ok(holds(call(1, 2, cas(null, 'a', true)), call(3, 4, read('a')), call(5, 6, cas('x', 'b', false))))
    assert.ok(holds(call(1, 9, write('a')), call(2, 3, read(null)), call(4, 5, read('a'))), 'takes effect within its time')
    assert.ok(holds(call(1, 9, write('a')), call(2, 8, write('b')), call(10, 11, read('a'))), 'either order')
    assert.ok(holds(call(1, Infinity, cas(null, 'a', false)), call(2, 3, read(null)), call(8, 9, read('a'))), 'late')
    assert.ok(holds(call(1, Infinity, cas(null, 'a', false)), call(2, 3, read(null)), call(8, 9, read(null))), 'never')
  })

  it('refuses what a register does not do', () => {
    assert.ok(!holds(call(1, 2, cas(null, 'a', true)), call(3, 4, read(null))), 'a stale read')
    assert.ok(!holds(call(1, 2, cas(null, 'a', true)), call(3, 4, cas(null, 'b', true))), 'a lost update')
    assert.ok(!holds(call(1, 2, cas(null, 'a', false))), 'a refusal without a reason')
    assert.ok(!holds(call(1, 2, read('a'))), 'a value from nowhere')
    assert.ok(!holds(call(5, Infinity, write('a')), call(1, 2, read('a'))), 'before it was asked for')
    assert.ok(!holds(call(1, 9, write('a')), call(2, 3, read('a')), call(4, 5, read(null))), 'there and back')
    assert.ok(
      !holds(
        call(1, 20, write('a')),
        call(2, 21, write('b')),
        ...['a', 'b', 'a'].map((v, n) => call(3 + 2 * n, 4 + 2 * n, read(v))),
      ),
    )
  })

  it('accepts every history of a real register, and refuses it with one read changed', () => {
    const step = fc.record({ client: fc.nat(4), kind: fc.constantFrom('read', 'write', 'cas'), stale: fc.boolean() })
    fc.assert(
      fc.property(
        fc.array(step, { minLength: 1, maxLength: 60 }),
        fc.array(fc.nat(6), { minLength: 60, maxLength: 60 }),
        (steps, widths) => {
          let value: string | null = null
          // Operations take effect one after the other; their times reach as far to both sides as their client is free.
          const free = new Map<number, number>()
          const calls = steps.map(({ client, kind, stale }, n): Call => {
            const at = n * 10
            const invokedAt = Math.max((free.get(client) ?? -100) + 0.001 * (client + 1), at - widths[n]! * 10 - 0.01 * client)
            const returnedAt = at + 0.1
            free.set(client, returnedAt)
            if (kind === 'read') return call(invokedAt, returnedAt, read(value))
            if (kind === 'write') return call(invokedAt, returnedAt, write((value = `w${n}`)))
            const expected = stale ? 'never' : value
            if (!stale) value = `c${n}`
            return call(invokedAt, returnedAt, cas(expected, `c${n}`, !stale))
          })
          assert.equal(firstViolation(calls, null), undefined)
          const at = steps.findIndex(({ kind }) => kind === 'read')
          if (at < 0) return
          assert.ok(firstViolation(calls.with(at, { ...calls[at]!, operation: read('from nowhere') }), null) !== undefined)
        },
      ),
      { numRuns: 200 },
    )
  })
})

it('a change in front of one that was acknowledged before it began is found, and so is one that is missing', () => {
  const done = [
    { id: 'a', startedAt: 0, endedAt: 10 },
    { id: 'b', startedAt: 5, endedAt: 20 },
    { id: 'c', startedAt: 11, endedAt: 30 },
  ]
  const placed = (...ids: string[]): Map<string, number> => new Map(ids.map((id, at) => [id, at + 1]))
  for (const order of ['abc', 'bac', 'acb']) assert.equal(misplaced(done, placed(...order)), undefined, order)
  for (const order of ['cab', 'cba', 'bca']) assert.match(misplaced(done, placed(...order)) ?? '', /^a was acknowledged before c/)
  assert.match(misplaced(done, placed('a', 'b')) ?? '', /^c was acknowledged and is not/)
})
