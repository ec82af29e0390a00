import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { overlaps, type Location } from '../../src/iceberg/location.ts'
import { openMemoryStore } from '../../src/stores/memory.ts'
import { findOwner } from '../../src/tasks/ownership.ts'
import { addEntry, entryRow } from './tables.ts'

describe('findOwner', () => {
  it('finds an entry exactly where locations overlap', async () => {
    const name = fc.constantFrom('a', 'b', 'a-', 'a.', 'a b', 'ab', '\u00e9', '~')
    const location = fc
      .tuple(fc.constantFrom('s3://bucket', 's3://bucket2', 'file://'), fc.array(name, { minLength: 1, maxLength: 4 }))
      .map(([start, names]) => `${start}/${names.join('/')}` as Location)
    await fc.assert(
      fc.asyncProperty(fc.array(location, { maxLength: 6 }), location, async (taken, wanted) => {
        const store = openMemoryStore()
        for (const place of taken) await addEntry(store, entryRow(place, `${place}/metadata/m`))
        const owner = await findOwner(store, 't1', wanted)
        assert.equal(
          owner !== undefined,
          taken.some((place) => overlaps(place, wanted)),
        )
        assert.ok(owner === undefined || overlaps(owner.location as Location, wanted))
      }),
    )
  })

  it('finds an entry at a whole bucket', async () => {
    const store = openMemoryStore()
    await addEntry(store, entryRow('s3://bucket', 's3://bucket/metadata/m'))
    assert.equal((await findOwner(store, 't1', 's3://bucket/a/b' as Location))?.location, 's3://bucket')
    assert.equal(await findOwner(store, 't1', 's3://bucket2/a/b' as Location), undefined)
    assert.equal(await findOwner(store, 't2', 's3://bucket/a/b' as Location), undefined)
  })
})
