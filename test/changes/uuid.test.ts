import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createUuidV7, isUuidV7 } from '../../src/changes/uuid.ts'

test('UUIDs of version 7 grow within a process, also when the clock stands or goes back', () => {
  let now = 1_700_000_000_000
  const next = createUuidV7(() => now)
  let last = next()
  assert.ok(isUuidV7(last))
  for (let n = 0; n < 20_000; n += 1) {
    if (n % 1000 === 0) now += n % 3000 === 0 ? -5 : 2
    const id = next()
    assert.ok(isUuidV7(id) && id > last, `${last} ${id}`)
    last = id
  }
})
