/** What lines say, and that none that says it in another form keeps the others from being put in order. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { effectsOf, namesOf } from '../../src/history/effects.ts'
import type { Json } from '../../src/stores/entities.ts'

test('lines of the tenant, of protections and of what is not known yet say nothing of names', () => {
  const operations = ['create-warehouse', 'update-catalog', 'create-token', 'change-password', 'protect-table', 'paint-view', '']
  for (const operation of operations) {
    assert.deepEqual(effectsOf([{ operation, identifier: { namespace: ['a'], name: 'b' }, namespace: ['a'] }]), [])
  }
})

test('a rename says where it goes, an update of properties what it changes', () => {
  const table = { namespace: ['a', 'b'], name: 'c' }
  assert.deepEqual(
    effectsOf([
      { operation: 'rename-view', identifier: table, destination: { namespace: ['d'], name: 'e' }, 'metadata-location': 'f' },
      { operation: 'update-namespace-properties', namespace: ['a', 'b'], after: { x: '1', y: null, z: 3 } },
    ]),
    [
      {
        effect: 'moves',
        of: { kind: 'view', parent: 'a\u001fb', name: 'c' },
        to: { kind: 'view', parent: 'd', name: 'e' },
        file: 'f',
      },
      { effect: 'changes', of: { kind: 'namespace', parent: 'a', name: 'b' }, properties: { x: '1', y: null } },
    ],
  )
})

test('nothing that JSON can hold makes it fail', () => {
  const verb = fc.constantFrom('create', 'drop', 'update', 'rename', 'register', 'undrop', 'unregister')
  const kind = fc.constantFrom('table', 'view', 'namespace', 'namespace-properties')
  const json = fc.jsonValue() as fc.Arbitrary<Json>
  const operation = fc.record({
    operation: fc.oneof(
      json,
      fc.tuple(verb, kind).map((parts) => parts.join('-')),
    ),
    identifier: fc.oneof(json, fc.record({ namespace: json, name: json })),
    destination: json,
    namespace: json,
    id: json,
    uuid: json,
    location: json,
    'metadata-location': json,
    after: json,
  }) as fc.Arbitrary<Json>
  fc.assert(
    fc.property(fc.oneof(json, fc.array(fc.oneof(json, operation))), (operations) => {
      for (const { kind: one, parent, name } of effectsOf(operations as Json).flatMap(namesOf)) {
        assert.deepEqual([typeof one, typeof parent, typeof name], ['string', 'string', 'string'])
      }
    }),
    { numRuns: 2000 },
  )
})
