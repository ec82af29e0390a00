import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { createCompressor, gzipEnd } from '../../src/http/compression.ts'

test('requests that come at one moment for one document have it compressed once', async () => {
  const compressor = createCompressor()
  // Larger than what is kept: nothing but the work under way can be shared.
  const body = Buffer.from(randomBytes(3_000_000).toString('hex'))
  const first = compressor.compress(body, 'key')
  const second = compressor.compress(body, 'key')
  const other = compressor.compress(body, 'other')
  const [one, two, three] = await Promise.all([first, second, other])
  assert.equal(one, two)
  assert.notEqual(one, three)
  const again = await compressor.compress(body, 'key')
  assert.notEqual(again, one, 'too large to be kept')
  for (const compressed of [one!, again!]) {
    assert.ok(gunzipSync(Buffer.concat([compressed.bytes, gzipEnd(compressed)])).equals(body))
  }
})

test('a small document is kept', async () => {
  const compressor = createCompressor()
  const body = Buffer.alloc(5000, 'x')
  const first = await compressor.compress(body, 'key')
  assert.equal(await compressor.compress(body, 'key'), first)
  assert.notEqual(await compressor.compress(body, undefined), first)
})
