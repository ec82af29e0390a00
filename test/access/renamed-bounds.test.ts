/** What narrowed tokens say of a catalog that gets another name. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hashSecret, secretMatches } from '../../src/access/api-tokens.ts'
import { boundsJson, createBounds, readBounds, withRenamedCatalog } from '../../src/access/bounds.ts'
import type { Json } from '../../src/stores/entities.ts'

const made = createBounds('read', [{ catalog: 'lake', namespace: ['a'] }, { catalog: 'constructor' }])
const json = boundsJson(made)
const names = (row: Json): string[] => readBounds(row)!.within!.map(({ catalog }) => catalog)

test('bounds follow their catalogs, and the secret stays good', () => {
  const once = withRenamedCatalog(json, 'lake', 'sea')!
  assert.deepEqual(names(once), ['constructor', 'sea'])
  const twice = withRenamedCatalog(once, 'sea', 'ocean')!
  assert.deepEqual(names(twice), ['constructor', 'ocean'])
  const hash = hashSecret('secret', made)
  for (const row of [json, once, twice]) assert.ok(secretMatches('secret', hash, readBounds(row)))
  assert.notEqual(readBounds(once)!.text, made.text, 'what is remembered for bounds is not shared by others')
  assert.deepEqual(withRenamedCatalog(twice, 'ocean', 'lake'), json, 'back again leaves no trace')
})

test('bounds that do not name it are left alone', () => {
  assert.equal(withRenamedCatalog(json, 'sea', 'lake'), undefined)
  assert.equal(
    withRenamedCatalog(withRenamedCatalog(json, 'lake', 'sea')!, 'lake', 'x'),
    undefined,
    'its old name is another one',
  )
  assert.equal(withRenamedCatalog(null, 'lake', 'sea'), undefined)
  assert.equal(withRenamedCatalog(boundsJson(createBounds('read', undefined)), 'lake', 'sea'), undefined)
  assert.equal(withRenamedCatalog(json, 'toString', 'sea'), undefined)
  assert.deepEqual(names(withRenamedCatalog(json, 'constructor', 'x')!), ['lake', 'x'])
})

test('two catalogs swap their names, and two bounds meet in one', () => {
  const both = boundsJson(createBounds('read', [{ catalog: 'a' }, { catalog: 'b', namespace: ['n'] }]))
  const swapped = [
    ['a', 'x'],
    ['b', 'a'],
    ['x', 'b'],
  ].reduce((row, [from, to]) => withRenamedCatalog(row, from!, to!)!, both)
  assert.deepEqual(readBounds(swapped)!.within, [{ catalog: 'a', namespace: ['n'] }, { catalog: 'b' }])
  const met = readBounds(withRenamedCatalog(both, 'a', 'b'))!
  assert.deepEqual(
    met.within,
    [{ catalog: 'b', namespace: ['n'] }, { catalog: 'b' }].toSorted((one) => ('namespace' in one ? -1 : 1)),
  )
})
