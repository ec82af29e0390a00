import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MAX_LONG } from '../../../src/iceberg/long.ts'
import { addSnapshot, changed, refused, setRef, snapshot, table, unchanged } from '../metadata.ts'

const base = changed(table(), [addSnapshot(snapshot(1)), addSnapshot(snapshot(2, { 'sequence-number': 2 })), setRef(2)])
const removeRef = (name: string) => ({ action: 'remove-snapshot-ref', 'ref-name': name })

describe('set-snapshot-ref', () => {
  it('makes a branch, a tag, and main the current snapshot', () => {
    const retention = { 'min-snapshots-to-keep': 3, 'max-snapshot-age-ms': 5, 'max-ref-age-ms': MAX_LONG }
    const after = changed(base, [
      setRef(1, 'audit', retention),
      setRef(1, 'v1', { type: 'TAG', 'max-ref-age-ms': null }),
      setRef(1),
    ])
    assert.deepEqual(after.refs, {
      main: { type: 'branch', 'snapshot-id': 1 },
      audit: { type: 'branch', 'snapshot-id': 1, ...retention },
      v1: { type: 'tag', 'snapshot-id': 1 },
    })
    assert.equal(after['current-snapshot-id'], 1)
  })
  it('leaves an equal reference', () => unchanged(base, [setRef(2)]))
  it('takes names as people write them', () => {
    for (const name of ['feature/x', 'v1.0', 'Überblick 3', '__proto__', 'constructor']) {
      assert.deepEqual(Object.getOwnPropertyDescriptor(changed(base, [setRef(1, name)]).refs, name)?.value, {
        type: 'branch',
        'snapshot-id': 1,
      })
    }
  })
  const faults: [string, object, RegExp][] = [
    ['an unknown snapshot', setRef(3), /unknown snapshot: 3/],
    ['main as a tag', setRef(1, 'main', { type: 'tag' }), /must be a branch/],
    ['an unknown type', setRef(1, 'b', { type: 'twig' }), /branch or tag/],
    ['no type', { ...setRef(1, 'b'), type: undefined }, /type/],
    ['an empty name', setRef(1, ''), /1 to 255/],
    ['a long name', setRef(1, 'x'.repeat(256)), /1 to 255/],
    ['a control character', setRef(1, 'a\nb'), /control/],
    ['a branch that keeps no snapshot', setRef(1, 'b', { 'min-snapshots-to-keep': 0 }), /must be positive/],
    ['an age below zero', setRef(1, 'b', { 'max-snapshot-age-ms': -1 }), /must be positive/],
    ['a reference age of zero', setRef(1, 'b', { 'max-ref-age-ms': 0 }), /must be positive/],
    ['a count of more than 32 bits', setRef(1, 'b', { 'min-snapshots-to-keep': 2 ** 31 }), /32-bit/],
    ['a tag with a history', setRef(1, 't', { type: 'tag', 'min-snapshots-to-keep': 1 }), /a tag has no/],
    ['a tag with a snapshot age', setRef(1, 't', { type: 'tag', 'max-snapshot-age-ms': 1 }), /a tag has no/],
  ]
  for (const [name, update, message] of faults) it(`refuses ${name}`, () => refused(base, [update], message))
})

describe('remove-snapshot-ref', () => {
  it('removes, and empties the table with main', () => {
    const after = changed(base, [setRef(1, 'b'), removeRef('main')])
    assert.deepEqual(Object.keys(after.refs), ['b'])
    assert.equal(after['current-snapshot-id'], undefined)
    assert.equal(after.snapshots.length, 2)
  })
  it('ignores what is not there', () => unchanged(base, [removeRef('b')]))
  it('forgets a reference made by the same commit', () => unchanged(base, [setRef(1, 'b'), removeRef('b')]))
})
