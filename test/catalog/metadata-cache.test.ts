import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { createMetadataCache } from '../../src/catalog/documents/metadata-cache.ts'

const MEGABYTE = 1024 * 1024

test('a document that is too large to be kept is shared by those who use it at the time', async () => {
  const cache = createMetadataCache({ maxBytes: MEGABYTE })
  let reads = 0
  const load = () =>
    cache.load('k', async () => {
      reads++
      return Buffer.alloc(3 * MEGABYTE)
    })
  const first = await load()
  const body = Buffer.alloc(3 * MEGABYTE)
  cache.keep(first, 'all', { etag: 'e', body })
  assert.equal(cache.get('k'), first)
  assert.equal(await load(), first)
  assert.equal(reads, 1)
  assert.equal(cache.sizeBytes, 0, 'not kept')
  cache.forget('k')
  assert.equal(cache.get('k'), undefined)
  assert.notEqual(await load(), first)
})

test('of documents that are known to be too large, two are read at once', async () => {
  const cache = createMetadataCache({ maxBytes: MEGABYTE })
  const keys = ['a', 'b', 'c', 'd', 'e']
  const ends: (() => void)[] = []
  const read = (): Promise<Buffer> => new Promise((resolve) => ends.push(() => resolve(Buffer.alloc(2 * MEGABYTE))))
  const round = async (atOnce: number): Promise<void> => {
    const loads = Promise.all(keys.map((key) => cache.load(key, read)))
    await new Promise((resolve) => setTimeout(resolve, 20))
    assert.equal(ends.length, atOnce)
    for (let index = 0; index < keys.length; index++) {
      while (ends.length === 0) await new Promise((resolve) => setImmediate(resolve))
      ends.shift()!()
    }
    await loads
  }
  await round(5)
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  await new Promise((resolve) => setTimeout(resolve, 1))
  collect()
  await round(2)
})

const PARSED = [
  { jsonBytes: 25_000, isKept: true },
  { jsonBytes: 600_000, isKept: true },
  { jsonBytes: MEGABYTE, isKept: true },
  { jsonBytes: 2 * MEGABYTE, isKept: false },
]

test('metadata of up to a megabyte is kept in its parsed form, with the memory that is the default', () => {
  for (const { jsonBytes, isKept } of PARSED) {
    const cache = createMetadataCache({ maxBytes: 32 * MEGABYTE })
    const metadata = {}
    cache.putParsed('small', metadata, 1000)
    cache.putParsed('key', metadata, jsonBytes)
    assert.equal(cache.parsed('key') === metadata, isKept, `${jsonBytes} bytes`)
    assert.ok(cache.sizeBytes <= 8 * MEGABYTE, `${cache.sizeBytes} bytes are counted`)
  }
})
