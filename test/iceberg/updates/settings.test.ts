import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { badRequest } from '../../../src/iceberg/errors.ts'
import { parseTableMetadata, type TableMetadata } from '../../../src/iceberg/table-metadata.ts'
import {
  addSnapshot,
  changed,
  LOCATION,
  NOW,
  OTHER_UUID,
  refused,
  run,
  setRef,
  snapshot,
  table,
  unchanged,
  UUID,
} from '../metadata.ts'

const assign = (uuid: string) => ({ action: 'assign-uuid', uuid })
const upgrade = (version: number) => ({ action: 'upgrade-format-version', 'format-version': version })
const set = (updates: object) => ({ action: 'set-properties', updates })
const removeProperties = (...removals: string[]) => ({ action: 'remove-properties', removals })
const setLocation = (location: string) => ({ action: 'set-location', location })

describe('assign-uuid', () => {
  it('leaves the same uuid, in any case', () => unchanged(table(), [assign(UUID.toUpperCase())]))
  it('refuses another one (trap 6)', () => refused(table(), [assign(OTHER_UUID)], /Cannot reassign uuid/))
  it('refuses what is no uuid', () => refused(table(), [assign('a-b')], /Invalid uuid/))
  it('gives one to a table that had none', () => {
    const { 'table-uuid': _uuid, ...bare } = table(1)
    assert.equal(changed(bare as TableMetadata, [assign(UUID.toUpperCase())])['table-uuid'], UUID)
    assert.equal(changed(bare as TableMetadata, [set({ a: 'b' })], { newUuid: OTHER_UUID })['table-uuid'], OTHER_UUID)
  })
})

describe('upgrade-format-version', () => {
  it('goes up', () => {
    const after = changed(table(1), [upgrade(2)])
    assert.equal(after['format-version'], 2)
    assert.equal(after['next-row-id'], undefined)
    assert.equal(changed(after, [upgrade(3)])['next-row-id'], 0)
  })
  it('leaves the same version', () => unchanged(table(), [upgrade(2)]))
  it('refuses to go down', () => refused(table(3), [upgrade(2)], /Cannot downgrade v3 table to v2/))
  for (const version of [0, -1, 4, 99])
    it(`refuses version ${version}`, () => refused(table(), [upgrade(version)], /Unsupported format version/))
  it('lets snapshots of version 1 keep sequence number 0', () => {
    const one = changed(table(1), [addSnapshot(snapshot(1, { 'sequence-number': 0 })), setRef(1)])
    const two = changed(one, [upgrade(2), addSnapshot(snapshot(2, { 'parent-snapshot-id': 1 })), setRef(2)])
    assert.deepEqual(
      two.snapshots.map((one) => one['sequence-number'] ?? 0),
      [0, 1],
    )
  })
})

describe('set-location', () => {
  it('moves, without the slash at the end', () => {
    assert.equal(changed(table(), [setLocation('s3://bucket/other//')]).location, 's3://bucket/other')
  })
  it('leaves the same place', () => unchanged(table(), [setLocation(`${LOCATION}/`)]))
  it('refuses an empty one', () => refused(table(), [setLocation('')], /must not be empty/))
  it('asks whether the place is allowed', () => {
    const checkLocation = (location: string, what: string): void => {
      throw badRequest(`${what}: ${location} is not allowed`)
    }
    assert.throws(
      () => run(table(), [setLocation('s3://else/where')], { checkLocation }),
      /location of the table: s3:\/\/else\/where/,
    )
  })
})

describe('set-properties', () => {
  it('adds and replaces', () => {
    const after = changed(table(2, { a: '1', b: '2' }), [set({ b: '3', c: '' })])
    assert.deepEqual(after.properties, { 'write.parquet.compression-codec': 'zstd', a: '1', b: '3', c: '' })
  })
  it('takes the key of early clients', () => {
    assert.equal(changed(table(), [{ action: 'set-properties', updated: { a: 'x' } }]).properties['a'], 'x')
    const both = { action: 'set-properties', updated: { a: 'x' }, updates: { a: 'y' } }
    assert.equal(changed(table(), [both]).properties['a'], 'y')
  })
  it('leaves equal values', () => {
    unchanged(table(2, { a: '1' }), [set({ a: '1' })])
    unchanged(table(2, { a: '1' }), [set({})])
    unchanged(table(), [set({ a: '1' }), removeProperties('a')])
  })
  it('keeps keys that mean something to JavaScript', () => {
    const hostile = JSON.parse('{"__proto__":"p","constructor":"c","toString":"t"}') as object
    const after = changed(table(), [set(hostile)])
    assert.deepEqual(Object.keys(after.properties).slice(1), ['__proto__', 'constructor', 'toString'])
    assert.equal(Object.getPrototypeOf(after.properties), Object.prototype)
    assert.deepEqual(Object.keys(changed(after, [removeProperties('__proto__')]).properties).slice(1), [
      'constructor',
      'toString',
    ])
  })
  const reserved = [
    'format-version',
    'uuid',
    'snapshot-count',
    'current-snapshot-id',
    'current-snapshot-summary',
    'current-snapshot-timestamp-ms',
    'current-schema',
    'default-partition-spec',
    'default-sort-order',
  ]
  for (const key of reserved)
    it(`refuses the reserved key ${key}`, () => refused(table(), [set({ [key]: '2' })], /reserved property/))
  const faults: [string, object, RegExp][] = [
    ['a number that is none', { 'write.metadata.previous-versions-max': 'many' }, /expected an integer/],
    ['a number of retries below zero', { 'commit.retry.num-retries': '-1' }, /from 0/],
    ['a number beyond 32 bits', { 'commit.retry.min-wait-ms': '2147483648' }, /to 2147483647/],
    ['a codec that is not written', { 'write.metadata.compression-codec': 'zstd' }, /none or gzip/],
    ['a secret key', { 's3.secret-access-key': 'x' }, /no place for secrets/],
    ['a token', { 'adls.sas-token.account': 'x' }, /no place for secrets/],
    ['an empty key', { '': 'x' }, /1 to 1024/],
    ['a long key', { ['k'.repeat(1025)]: 'x' }, /1 to 1024/],
    ['a value that is no text', { a: 1 }, /object of strings/],
    ['null', { a: null }, /object of strings/],
    ['too many', Object.fromEntries(Array.from({ length: 10_001 }, (_, i) => [`k${i}`, ''])), /at most 10000/],
  ]
  for (const [name, updates, message] of faults) it(`refuses ${name}`, () => refused(table(), [set(updates)], message))
  it('counts the properties of the table, too', () => {
    const half = Object.fromEntries(Array.from({ length: 6000 }, (_, i) => [`a${i}`, '']))
    const other = Object.fromEntries(Array.from({ length: 6000 }, (_, i) => [`b${i}`, '']))
    refused(table(), [set(half), set(other)], /12001 properties; PANGOLIN_MAX_TABLE_PROPERTIES .* 10000/)
  })
  it('asks whether the places in properties are allowed', () => {
    const seen: string[] = []
    const keys = ['write.data.path', 'write.metadata.path', 'write.object-storage.path', 'write.folder-storage.path']
    const updates = Object.fromEntries(keys.map((key) => [key, 's3://x/y']))
    run(table(), [set({ ...updates, 'write.other': 's3://z' })], {
      checkLocation: (location, what) => void seen.push(`${what} ${location}`),
    })
    assert.deepEqual(
      seen,
      keys.map((key) => `property ${key} s3://x/y`),
    )
  })
})

describe('remove-properties', () => {
  it('removes, and ignores what is not there', () => {
    const base = table(2, { a: '1', b: '2' })
    assert.equal(Object.hasOwn(changed(base, [removeProperties('a', 'z')]).properties, 'a'), false)
    assert.equal(Object.hasOwn(changed(base, [{ action: 'remove-properties', removed: ['a'] }]).properties, 'a'), false)
    unchanged(base, [removeProperties('z')])
  })
})

describe('encryption', () => {
  const key = (id: string, by?: string) => ({
    action: 'add-encryption-key',
    'encryption-key': { 'key-id': id, 'encrypted-key-metadata': 'a2V5', ...(by === undefined ? {} : { 'encrypted-by-id': by }) },
  })
  const removeKey = (id: string) => ({ action: 'remove-encryption-key', 'key-id': id })
  const rows = { 'first-row-id': 0, 'added-rows': 1 }

  it('needs format version 3, at the end of the commit', () => {
    for (const property of ['encryption.key-id', 'encryption.data-key-length']) {
      refused(table(2), [set({ [property]: '16' })], /need format version 3/)
      changed(table(2), [set({ [property]: '16' }), upgrade(3)])
    }
  })
  it('fixes the key of a table', () => {
    const base = changed(table(3), [set({ 'encryption.key-id': 'master' })])
    refused(base, [set({ 'encryption.key-id': 'other' })], /Cannot change property encryption.key-id/)
    refused(base, [removeProperties('encryption.key-id')], /Cannot change property encryption.key-id/)
    unchanged(base, [set({ 'encryption.key-id': 'master' })])
  })
  it('adds a key once', () => {
    const base = changed(table(3), [key('k')])
    unchanged(base, [key('k')])
    refused(base, [key('k', 'x')], /another key has that id/)
    refused(
      base,
      [{ ...key('l'), 'encryption-key': { 'key-id': 'l', 'encrypted-key-metadata': 'not base64!' } }],
      /encrypted-key-metadata/,
    )
    for (const text of ['abcde', 'ab=', 'abc==', 'abcd=='])
      refused(base, [{ ...key('l'), 'encryption-key': { 'key-id': 'l', 'encrypted-key-metadata': text } }], /must be Base64/)
    for (const text of ['', 'ab', 'abc', 'ab==', 'abc=', 'abcd'])
      changed(base, [{ ...key('l'), 'encryption-key': { 'key-id': 'l', 'encrypted-key-metadata': text } }])
  })
  it('removes keys that nothing needs', () => {
    const base = changed(table(3), [key('kek'), key('k', 'kek'), addSnapshot(snapshot(1, { ...rows, 'key-id': 'k' })), setRef(1)])
    refused(base, [removeKey('k')], /snapshot 1 needs it/)
    refused(base, [removeKey('kek')], /key k is encrypted by it/)
    unchanged(base, [removeKey('z')])
    const after = changed(base, [removeKey('kek'), removeKey('k'), { action: 'remove-snapshots', 'snapshot-ids': [1] }])
    assert.equal(after['encryption-keys'], undefined)
  })
})

describe('statistics', () => {
  const base = changed(table(), [addSnapshot(snapshot(1)), setRef(1)])
  const file = { 'snapshot-id': 1, 'statistics-path': 's3://b/s.puffin', 'file-size-in-bytes': 10 }
  const full = { ...file, 'file-footer-size-in-bytes': 2, 'blob-metadata': [] }
  const kinds = [
    ['statistics', { action: 'set-statistics', statistics: full }, 'remove-statistics'],
    ['partition-statistics', { action: 'set-partition-statistics', 'partition-statistics': file }, 'remove-partition-statistics'],
  ] as const
  for (const [field, update, removal] of kinds) {
    it(`${update.action} keeps one file for a snapshot`, () => {
      const once = changed(base, [update])
      unchanged(once, [update])
      const other = { ...update, [field]: { ...full, 'statistics-path': 's3://b/other.puffin' } }
      const twice = changed(once, [other])
      assert.deepEqual(
        twice[field].map((one) => one['statistics-path']),
        ['s3://b/other.puffin'],
      )
      assert.deepEqual(changed(twice, [{ action: removal, 'snapshot-id': 1 }])[field], [])
      unchanged(base, [{ action: removal, 'snapshot-id': 1 }])
    })
    it(`${update.action} needs the snapshot`, () => {
      refused(base, [{ ...update, [field]: { ...full, 'snapshot-id': 2 } }], /unknown snapshot: 2/)
    })
    it(`${update.action} records a file of anywhere`, () => {
      const refuse = (location: string) => assert.fail(location)
      for (const path of ['s3://elsewhere/s.puffin', 'file:/etc/passwd', 'hdfs://x/../y', 'x', '%2e%2e/x']) {
        const foreign = { ...update, [field]: { ...full, 'statistics-path': path } }
        assert.equal(run(base, [foreign], { checkLocation: refuse }).metadata[field][0]?.['statistics-path'], path)
      }
    })
  }
  it('refuses two snapshot ids that differ', () => {
    refused(base, [{ action: 'set-statistics', 'snapshot-id': 2, statistics: full }], /snapshot-id 2 differs/)
    changed(base, [{ action: 'set-statistics', 'snapshot-id': 1, statistics: full }])
  })
})

describe('updates of one commit', () => {
  it('never let time go back', () => {
    const after = changed(table(), [set({ a: '1' })], { now: NOW - 1_000_000 })
    assert.equal(after['last-updated-ms'], NOW)
    assert.equal(changed(table(), [set({ a: '1' })], { now: NOW + 5 })['last-updated-ms'], NOW + 5)
  })
  it('that take each other back change nothing', () => {
    unchanged(table(), [setLocation('s3://bucket/b'), setLocation(LOCATION)])
  })
  it('keep unknown fields of the table', () => {
    const odd = parseTableMetadata({ ...table(), 'x-top': { deep: [1n] } })
    assert.deepEqual(changed(odd, [set({ a: '1' })])['x-top'], { deep: [1n] })
  })
  it('of views are refused for tables', () => {
    refused(
      table(),
      [{ action: 'set-current-view-version', 'view-version-id': 1 }],
      /Cannot apply update set-current-view-version to a table/,
    )
  })
  it('answer the ones that had an effect', () => {
    const { changes } = run(table(), [upgrade(2), set({ a: '1' })])
    assert.deepEqual(
      changes.map((change) => change.action),
      ['set-properties'],
    )
  })
})
