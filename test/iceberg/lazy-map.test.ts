import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LazyMap } from '../../src/iceberg/updates/lazy-map.ts'
import { applyUpdates } from '../../src/iceberg/table-metadata-builder.ts'
import { parseTableUpdates } from '../../src/iceberg/table-update.ts'
import { addSnapshot, changed, NOW, snapshot, table } from './metadata.ts'

test('a lazy map is made once, when somebody asks', () => {
  let made = 0
  const lazy = new LazyMap(() => {
    made++
    return new Map([['a', 1]])
  })
  assert.deepEqual([made, lazy.isUntouched], [0, true])
  lazy.set('b', 2)
  assert.deepEqual(
    [lazy.get('a'), lazy.has('b'), lazy.size, [...lazy]],
    [
      1,
      true,
      2,
      [
        ...new Map([
          ['a', 1],
          ['b', 2],
        ]),
      ],
    ],
  )
  assert.deepEqual([lazy.delete('a'), lazy.delete('a'), [...lazy.keys()], [...lazy.values()]], [true, false, ['b'], [2]])
  assert.deepEqual([made, lazy.isUntouched], [1, false])
})

test('a commit goes through no long list that it leaves alone', () => {
  const base = changed(
    table(),
    Array.from({ length: 50 }, (_, at) => addSnapshot(snapshot(at + 1, { 'sequence-number': at + 1 }))),
  )
  const asked: string[] = []
  const watched = Object.fromEntries(
    (['snapshots', 'statistics', 'partition-statistics', 'metadata-log'] as const).map((key) => [
      key,
      new Proxy(base[key], {
        get(list, name, receiver) {
          if (typeof name === 'string' && /^(?:[1-9]|map|entries|values)/.test(name)) asked.push(`${key}.${name}`)
          return Reflect.get(list, name, receiver) as unknown
        },
      }),
    ]),
  )
  const updates = parseTableUpdates([{ action: 'set-properties', updates: { a: '1' } }])
  const { metadata, changed: hasChanged } = applyUpdates({ ...base, ...watched }, updates, { now: NOW + 1000 })
  assert.equal(hasChanged, true)
  assert.deepEqual(asked, [])
  for (const [key, list] of Object.entries(watched)) assert.equal(metadata[key], list, key)
})
