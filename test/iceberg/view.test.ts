import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { newViewMetadata, type NewView } from '../../src/iceberg/create-view.ts'
import { parse, stringify, type JsonObject } from '../../src/iceberg/json.ts'
import { parseViewRequirements } from '../../src/iceberg/table-requirement.ts'
import { commitView, type ViewCommitOptions } from '../../src/iceberg/view-commit.ts'
import { parseViewMetadata, type ViewMetadata } from '../../src/iceberg/view-metadata.ts'
import { parseViewUpdates } from '../../src/iceberg/view-update.ts'
import { LOCATION, NOW, OTHER_UUID, SCHEMA, UUID, WIDER, refuses, viewText } from './metadata.ts'

const sql = (text: string, dialect = 'spark') => ({ type: 'sql', sql: text, dialect })
const version = (...representations: object[]) => ({
  'version-id': 9,
  'timestamp-ms': NOW,
  'schema-id': 0,
  summary: { 'engine-name': 'test' },
  'default-catalog': 'lake',
  'default-namespace': ['a', 'b'],
  representations: representations.length > 0 ? representations : [sql('select 1')],
})
const view = (fields: Partial<NewView> = {}) =>
  newViewMetadata({ uuid: UUID, location: LOCATION, schema: SCHEMA, viewVersion: version(), properties: {}, now: NOW, ...fields })

function commit(base: ViewMetadata, updates: readonly object[], options: Partial<ViewCommitOptions> = {}) {
  const before = stringify(base)
  const done = commitView(
    base,
    { requirements: [], updates: parseViewUpdates(parse(stringify(updates))) },
    { now: NOW + 1000, ...options },
  )
  assert.equal(stringify(base), before, 'the base was changed')
  const text = viewText(done.metadata)
  assert.equal(viewText(parseViewMetadata(Buffer.from(text))), text)
  return done
}
const add = (one: object) => ({ action: 'add-view-version', 'view-version': one })
const use = (id: number) => ({ action: 'set-current-view-version', 'view-version-id': id })
const set = (updates: object) => ({ action: 'set-properties', updates })
const addSchema = (schema: object) => ({ action: 'add-schema', schema })
const replace = (base: ViewMetadata, ...representations: object[]) =>
  commit(base, [add(version(...representations)), use(-1)]).metadata
const ids = (metadata: ViewMetadata) => metadata.versions.map((one) => one['version-id'])

describe('newViewMetadata', () => {
  it('has version 1 and schema 0', () => {
    const made = view({ properties: { comment: 'c' } })
    assert.deepEqual(made, {
      'view-uuid': UUID,
      'format-version': 1,
      location: LOCATION,
      schemas: [SCHEMA],
      'current-version-id': 1,
      versions: [{ ...version(), 'version-id': 1 }],
      'version-log': [{ 'timestamp-ms': NOW, 'version-id': 1 }],
      properties: { comment: 'c' },
    })
    assert.deepEqual(parseViewMetadata(Buffer.from(viewText(made))), made)
  })
  const faults: [string, Partial<NewView>, RegExp][] = [
    ['no version', { viewVersion: null }, /view-version/],
    ['no representations', { viewVersion: { ...version(), representations: undefined } }, /representations/],
    ['an empty list of representations', { viewVersion: { ...version(), representations: [] } }, /at least one representation/],
    ['a query in capitals without a text', { viewVersion: version({ type: 'SQL', dialect: 'spark' }) }, /sql/],
    ['no namespace', { viewVersion: { ...version(), 'default-namespace': undefined } }, /default-namespace/],
    ['a query without a dialect', { viewVersion: version({ type: 'sql', sql: 'x' }) }, /dialect/],
    [
      'two queries of one dialect',
      { viewVersion: version(sql('a', 'Spark'), sql('b', 'sPARK')) },
      /multiple queries for dialect spark/,
    ],
    ['no schema', { schema: undefined }, /schema/],
    ['no location', { location: '/' }, /location/],
    ['a uuid that is none', { uuid: 'x' }, /uuid/],
    ['a history of nothing', { properties: { 'version.history.num-entries': '0' } }, /from 1/],
  ]
  for (const [name, fields, message] of faults) it(`refuses ${name}`, () => refuses(() => view(fields), 400, message))
  it('asks whether its places are allowed', () => {
    const seen: string[] = []
    view({ properties: { 'write.metadata.path': 's3://m' }, checkLocation: (location) => void seen.push(location) })
    assert.deepEqual(seen, [LOCATION, 's3://m'])
  })
})

describe('commitView', () => {
  it('adds a version with the next id and makes it current', () => {
    const after = replace(view(), sql('select 2'))
    assert.deepEqual(ids(after), [1, 9])
    assert.equal(after['current-version-id'], 9)
    assert.deepEqual(
      after['version-log'].map((entry) => entry['version-id']),
      [1, 9],
    )
    assert.deepEqual(ids(replace(after, sql('select 3'))), [1, 9, 10])
  })
  it('uses an equal version again, whatever its id and time', () => {
    const base = view()
    const same = { ...version(), 'version-id': 3, 'timestamp-ms': NOW + 9 }
    assert.deepEqual(commit(base, [add(same), use(-1)]), { metadata: base, changed: false })
    const back = commit(replace(base, sql('select 2')), [add(same), use(-1)]).metadata
    assert.equal(back['current-version-id'], 1)
    assert.deepEqual(back['version-log'].at(-1), { 'timestamp-ms': NOW + 1000, 'version-id': 1 })
  })
  it('takes -1 as the schema added last, also when it was there already', () => {
    const after = commit(view(), [addSchema(WIDER), add({ ...version(sql('x')), 'schema-id': -1 }), use(-1)]).metadata
    assert.deepEqual(
      after.schemas.map((schema) => schema['schema-id']),
      [0, 1],
    )
    assert.equal(after.versions.at(-1)?.['schema-id'], 1)
    const reused = commit(view(), [
      addSchema({ ...SCHEMA, 'schema-id': 4 }),
      add({ ...version(sql('x')), 'schema-id': -1 }),
      use(-1),
    ])
    assert.equal(reused.metadata.versions.at(-1)?.['schema-id'], 0)
  })
  it('notes only the last of several versions in its log', () => {
    const after = commit(view(), [add(version(sql('b'))), use(-1), add(version(sql('c'))), use(-1)]).metadata
    assert.deepEqual(
      after['version-log'].map((entry) => entry['version-id']),
      [1, 10],
    )
  })
  const faults: [string, object[], RegExp][] = [
    ['-1 without a version', [use(-1)], /no current version id has been set/],
    ['an unknown version', [use(7)], /unknown version: 7/],
    ['-1 without a schema', [add({ ...version(), 'schema-id': -1 })], /no schema has been added/],
    ['an unknown schema', [add({ ...version(), 'schema-id': 6 })], /unknown schema: 6/],
    ['two queries of one dialect', [add(version(sql('a'), sql('b', 'SPARK')))], /multiple queries for dialect spark/],
    ['another uuid', [{ action: 'assign-uuid', uuid: OTHER_UUID }], /Cannot reassign uuid/],
    ['another format version', [{ action: 'upgrade-format-version', 'format-version': 2 }], /Unsupported format version: 2/],
    ['an empty location', [{ action: 'set-location', location: '' }], /must not be empty/],
    ['a secret', [set({ password: 'x' })], /secrets/],
  ]
  for (const [name, updates, message] of faults) it(`refuses ${name}`, () => refuses(() => commit(view(), updates), 400, message))
  it('changes location and properties', () => {
    const after = commit(view({ properties: { a: '1', b: '2' } }), [
      { action: 'assign-uuid', uuid: UUID.toUpperCase() },
      { action: 'upgrade-format-version', 'format-version': 1 },
      { action: 'set-location', location: 's3://b/v/' },
      set({ a: '3' }),
      { action: 'remove-properties', removals: ['b', 'z'] },
    ])
    assert.equal(after.metadata.location, 's3://b/v')
    assert.deepEqual(after.metadata.properties, { a: '3' })
  })
  it('refuses to lose a dialect, unless that is allowed', () => {
    const base = view({ viewVersion: version(sql('a'), sql('b', 'Trino')) })
    refuses(() => replace(base, sql('c', 'SPARK')), 400, /loss of view dialects/)
    replace(base, sql('c', 'SPARK'), sql('d', 'trino'), sql('e', 'duckdb'))
    const allowed = commit(base, [set({ 'replace.drop-dialect.allowed': 'true' }), add(version(sql('c'))), use(-1)]).metadata
    assert.equal(allowed['current-version-id'], 9)
    refuses(
      () => replace(commit(allowed, [set({ 'replace.drop-dialect.allowed': 'no' })]).metadata, sql('x', 'trino')),
      400,
      /loss/,
    )
  })
  const many = (count: number, properties: Record<string, string>) => {
    let metadata = view({ properties, viewVersion: { ...version(), 'version-id': 1 } })
    for (let i = 2; i <= count; i++) metadata = replace(metadata, sql(`select ${i}`))
    return metadata
  }
  it('keeps ten versions', () => assert.equal(many(14, {}).versions.length, 10))
  it('keeps as many as it wants, the current one among them', () => {
    const base = many(5, { 'version.history.num-entries': '3' })
    assert.deepEqual(ids(base), [12, 11, 10])
    const back = commit(base, [use(10), add(version(sql('new')))]).metadata
    assert.equal(ids(back).includes(10), true)
    assert.equal(back.versions.length, 3)
  })
  it('forgets the log before a version that is gone', () => {
    const base = many(5, { 'version.history.num-entries': '2' })
    assert.deepEqual(
      base['version-log'].map((entry) => entry['version-id']),
      [11, 12],
    )
  })
  it('cuts no history without another effect', () => {
    const base = commit(view({ properties: { 'version.history.num-entries': '1' } }), [
      add(version(sql('x'))),
      add(version(sql('y'))),
      use(-1),
    ]).metadata
    assert.ok(base.versions.length > 1, 'versions that one commit adds are all kept')
    assert.equal(commit(base, [use(base['current-version-id'])]).metadata, base)
  })
  it('checks the uuid', () => {
    const requirements = (uuid: string) => ({
      requirements: parseViewRequirements([{ type: 'assert-view-uuid', uuid }]),
      updates: [],
    })
    assert.equal(commitView(view(), requirements(UUID.toUpperCase()), { now: NOW }).changed, false)
    refuses(
      () => commitView(view(), requirements(OTHER_UUID), { now: NOW }),
      409,
      /view UUID does not match/,
      'CommitFailedException',
    )
  })
})

describe('view metadata', () => {
  it('refuses a version without any representation, whether it becomes current or not', () => {
    const empty = { ...version(), representations: [] }
    for (const updates of [[add(empty)], [add(empty), use(-1)]])
      refuses(() => commit(view(), updates), 400, /at least one representation/)
  })
  it('keeps kinds of representations and fields that are not known here', () => {
    const odd = { type: 'substrait', plan: { big: 2n ** 60n } }
    const base = parseViewMetadata({ ...view({ viewVersion: version(sql('a'), odd) }), 'x-odd': [1n] })
    const after = replace(base, sql('b'), odd)
    const json = parse(viewText(after)) as JsonObject
    assert.deepEqual(json['x-odd'], [1])
    assert.equal(viewText(after).match(/"plan":{"big":1152921504606846976}/g)?.length, 2)
  })
  it('is written without empty properties', () =>
    assert.equal(Object.hasOwn(parse(viewText(view())) as object, 'properties'), false))
  const faults: [string, object, RegExp][] = [
    ['two versions of one id', { versions: [version(), version()], 'current-version-id': 9 }, /more than one view version/],
    ['two schemas of one id', { schemas: [SCHEMA, SCHEMA] }, /more than one schema/],
    ['no log', { 'version-log': undefined }, /version-log/],
    ['no uuid', { 'view-uuid': undefined }, /view-uuid/],
    ['a uuid that is none', { 'view-uuid': 'x' }, /must be a UUID/],
    ['no format version', { 'format-version': undefined }, /format-version/],
    ['no versions', { versions: [] }, /versions/],
  ]
  for (const [name, fields, message] of faults) {
    it(`refuses ${name}`, () => refuses(() => parseViewMetadata(parse(stringify({ ...view(), ...fields }))), 400, message))
  }
})
