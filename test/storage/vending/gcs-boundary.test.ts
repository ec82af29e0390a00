/** Access boundaries of Google, evaluated by a reader of their language that shares nothing with what writes them. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { canonicalLocation, type Location } from '../../../src/iceberg/location.ts'
import { accessBoundary, celString, MAX_RULES } from '../../../src/storage/vending/gcs-boundary.ts'
import { VendingError } from '../../../src/storage/vending/vending.ts'
import { evaluateCel } from './cel.ts'

const place = (key: string): Location => canonicalLocation(`gs://lake/${key}`)
/** Locations that no check of ours has seen: the serialiser must hold by itself. */
const unchecked = (key: string): Location => `gs://lake/${key}` as Location

function opens(prefixes: readonly Location[], object: string): boolean {
  const { accessBoundaryRules } = accessBoundary({ prefixes, access: 'read' }).accessBoundary
  const resourceName = `projects/_/buckets/lake/objects/${object}`
  return accessBoundaryRules.some(({ availabilityCondition }) =>
    evaluateCel(availabilityCondition.expression, { resourceName, attributes: {} }),
  )
}
function lists(prefixes: readonly Location[], prefix: string | undefined): boolean {
  const { accessBoundaryRules } = accessBoundary({ prefixes, access: 'read' }).accessBoundary
  const attributes: Record<string, string> = prefix === undefined ? {} : { 'storage.googleapis.com/objectListPrefix': prefix }
  return accessBoundaryRules.some(({ availabilityCondition }) =>
    evaluateCel(availabilityCondition.expression, { resourceName: 'projects/_/buckets/lake', attributes }),
  )
}

const HOSTILE = [
  "x') || true || resource.name.startsWith('",
  "'",
  "\\'",
  '\\',
  '"',
  'a\nb',
  'a\r\u0000b',
  "\\u0027) || resource.name.startsWith('",
  '${x}',
  '*',
  '\u00fc\u{1f980}',
  '\u2028',
  'a/*',
  "''' || '''",
  '`',
]

describe('an access boundary of Google (evaluated by the tests: this proves our request, not what Google makes of it)', () => {
  it('is the request that Google documents', () => {
    assert.deepEqual(accessBoundary({ prefixes: [place('ns/t-1')], access: 'read-write' }), {
      accessBoundary: {
        accessBoundaryRules: [
          {
            availableResource: '//storage.googleapis.com/projects/_/buckets/lake',
            availablePermissions: ['inRole:roles/storage.objectUser'],
            availabilityCondition: {
              expression:
                "resource.name.startsWith('projects/_/buckets/lake/objects/ns/t-1/') || " +
                "api.getAttribute('storage.googleapis.com/objectListPrefix', '').startsWith('ns/t-1/')",
            },
          },
        ],
      },
    })
    const [rule] = accessBoundary({ prefixes: [place('t')], access: 'read' }).accessBoundary.accessBoundaryRules
    assert.deepEqual(rule?.availablePermissions, ['inRole:roles/storage.objectViewer'])
  })

  it('opens and lists what lies below, and nothing beside it', () => {
    const prefixes = [place('ns/t'), place('other/data')]
    for (const object of ['ns/t/metadata/v1', 'ns/t/x', 'other/data/f']) assert.ok(opens(prefixes, object), object)
    for (const object of ['ns/t', 'ns/t2/x', 'ns/tx', 'ns/x', 'x', '', 'other/data2/f', 'other/x', 'NS/T/x'])
      assert.ok(!opens(prefixes, object), object)
    for (const prefix of ['ns/t/', 'ns/t/data/', 'other/data/x']) assert.ok(lists(prefixes, prefix), prefix)
    for (const prefix of [undefined, '', 'ns/', 'ns/t', 'ns/t2/', 'other/']) assert.ok(!lists(prefixes, prefix), prefix)
  })

  it('means every name literally', () => {
    for (const name of HOSTILE) {
      const prefixes = [unchecked(`ns/${name}`)]
      assert.ok(opens(prefixes, `ns/${name}/x`), name)
      for (const object of ['ns/x/x', 'x', 'ns/', `ns/${name}2/x`]) assert.ok(!opens(prefixes, object), `${name}: ${object}`)
      assert.ok(!lists(prefixes, undefined), name)
    }
    const texts = fc.string({ unit: 'binary', maxLength: 40 })
    fc.assert(
      fc.property(texts, texts, (key, object) => {
        if (key === '' || key.startsWith('/')) return
        assert.ok(opens([unchecked(key)], `${key}/${object}`))
        assert.equal(opens([unchecked(key)], object), object.startsWith(`${key}/`))
      }),
      { numRuns: 2000 },
    )
  })

  it('writes literals in ASCII that hold no quote and no end of a line', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const literal = celString(text)
        assert.match(literal, /^'([^'\\\n\r]|\\[\\'"`]|\\u[0-9a-f]{4}|\\U[0-9a-f]{8})*'$/)
        assert.match(literal, /^[ -~]*$/)
      }),
    )
  })

  it('is refused where it would mean a bucket, several of them, or more than Google takes', () => {
    const refused = (prefixes: readonly Location[]): void =>
      assert.throws(
        () => accessBoundary({ prefixes, access: 'read' }),
        (error) => error instanceof VendingError && error.kind === 'invalid',
      )
    refused([])
    refused([canonicalLocation('gs://lake')])
    refused([place('t'), canonicalLocation('gs://lake')])
    refused([place('t'), canonicalLocation('gs://other/t')])
    refused(Array.from({ length: MAX_RULES + 1 }, (_, i) => place(`t${i}`)))
    assert.equal(
      accessBoundary({ prefixes: Array.from({ length: MAX_RULES }, (_, i) => place(`t${i}`)), access: 'read' }).accessBoundary
        .accessBoundaryRules.length,
      MAX_RULES,
    )
  })
})
