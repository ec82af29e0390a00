/** What the counter of commits makes of headers that no SQLite wrote, or that it is just writing. */
import assert from 'node:assert/strict'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { CommitCounter } from '../../../src/stores/sql/sqlite-commit-counter.ts'
import { openSqliteStore } from '../../../src/stores/sql/sqlite.ts'
import { temporaryFolder } from '../folder.ts'
import { tenant } from '../suite/rows.ts'

let folder = ''
before(async () => {
  folder = await temporaryFolder()
})
after(() => rm(folder, { recursive: true, force: true }))

/** A header whose transactions are counted at word 2, twice; `second` for a writer that is between the two copies. */
function header(count: number, { second = count, format = 3_007_000 } = {}): Buffer {
  const words = new Uint32Array(24)
  words.set([format, 0, count], 0)
  words.set([format, 0, second], 12)
  return Buffer.from(words.buffer)
}

/** A database that is none, beside a header as the test likes it. */
async function withHeader(name: string, bytes: Buffer): Promise<{ counter: CommitCounter; write(bytes: Buffer): Promise<void> }> {
  const path = join(folder, name)
  await writeFile(path, '')
  const write = (next: Buffer): Promise<void> => writeFile(`${path}-shm`, next)
  await write(bytes)
  return { counter: new CommitCounter(path), write }
}

test('the same number while the header is the same, another one after each change', async () => {
  const { counter, write } = await withHeader('count.db', header(1))
  const first = counter.read()
  assert.notEqual(first, undefined)
  assert.equal(counter.read(), first)
  await write(header(2))
  const second = counter.read()
  assert.notEqual(second, first)
  await write(header(1))
  assert.ok(![first, second, undefined].includes(counter.read()), 'what was before is another state, too')
})

test('between the two copies nothing can be told, and afterwards again', async () => {
  const { counter, write } = await withHeader('torn.db', header(1))
  const before = counter.read()
  await write(header(1, { second: 2 }))
  assert.equal(counter.read(), undefined)
  await write(header(2))
  assert.notEqual(counter.read(), before)
  await write(header(2).subarray(0, 40))
  assert.equal(counter.read(), undefined, 'a file that is too short')
})

test('an unknown format, a missing file, and a commit that does not show: never asked again', async () => {
  const unknown = await withHeader('format.db', header(1, { format: 3_008_000 }))
  assert.equal(unknown.counter.read(), undefined)
  await unknown.write(header(1))
  assert.equal(unknown.counter.read(), undefined)
  assert.equal(new CommitCounter(join(folder, 'nothing.db')).read(), undefined)
  const stale = await withHeader('stale.db', header(1))
  stale.counter.mustDiffer(stale.counter.read())
  assert.equal(stale.counter.read(), undefined)
})

test('of a real database: every commit shows, by whichever store, and reading does not count', async () => {
  const path = join(folder, 'real.db')
  const [one, other] = [openSqliteStore({ path }), openSqliteStore({ path })]
  try {
    await one.migrate()
    const counter = new CommitCounter(path)
    for (const store of [one, other, one, other]) {
      const before = counter.read()
      assert.notEqual(before, undefined)
      const row = tenant()
      assert.equal(await store.get('tenants', { id: row.id }), undefined)
      assert.equal(counter.read(), before)
      await store.write([{ op: 'insert', entity: 'tenants', row }])
      assert.notEqual(counter.read(), before)
    }
  } finally {
    await Promise.all([one.close(), other.close()])
  }
})
