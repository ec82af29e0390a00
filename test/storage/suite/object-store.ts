/** What every object store must do. A backend's test names the backend and gives a fresh root for each test. */
import assert from 'node:assert/strict'
import { it, type TestContext } from 'node:test'
import { StorageError, type ObjectStore, type StorageErrorKind } from '../../../src/storage/storage.ts'

export interface Opened {
  readonly store: ObjectStore
  /** Canonical, without a slash at its end. */
  readonly root: string
}

const is =
  (kind: StorageErrorKind, secret?: string) =>
  (error: unknown): boolean => {
    assert.ok(error instanceof StorageError, String(error))
    assert.equal(error.kind, kind, error.message)
    if (secret !== undefined) assert.ok(!error.message.includes(secret))
    return true
  }

async function listed(store: ObjectStore, prefix: string): Promise<string[]> {
  const found = []
  for await (const { location, sizeBytes } of store.list(prefix)) found.push(`${location.slice(prefix.length)} ${sizeBytes}`)
  return found.sort()
}

const bytes = (text: string): Buffer => Buffer.from(text)

export function objectStoreSuite(open: (test: TestContext) => Promise<Opened | undefined>): void {
  const test = (name: string, run: (opened: Opened) => Promise<void>): void => {
    it(name, async (context) => {
      const opened = await open(context)
      if (!opened) return
      try {
        await run(opened)
      } finally {
        await opened.store.close()
      }
    })
  }

  test('reads what it created, byte for byte', async ({ store, root }) => {
    for (const [name, content] of [
      ['a', Buffer.alloc(0)],
      ['b', Buffer.from([0, 255, 1])],
      ['c', Buffer.alloc(300_000, 'xyz')],
    ] as const) {
      await store.create(`${root}/t/metadata/${name}`, content)
      assert.deepEqual(await store.read(`${root}/t/metadata/${name}`, { maxBytes: 300_000 }), content)
    }
  })

  test('takes names literally', async ({ store, root }) => {
    const names = ['p=a%2Fb', 'p=%25', 'sp ace', '\u00fcn\u00efc\u00f6de \u{1f980}', "it's(1)!", 'a+b&c=d', 'x:y@z', '...', '~t']
    for (const name of names) await store.create(`${root}/lit/${name}/f`, bytes(name))
    for (const name of names) assert.equal(String(await store.read(`${root}/lit/${name}/f`, { maxBytes: 100 })), name)
    assert.deepEqual(await listed(store, `${root}/lit/`), names.map((name) => `${name}/f ${bytes(name).length}`).sort())
    await store.delete(names.map((name) => `${root}/lit/${name}/f`))
    assert.deepEqual(await listed(store, `${root}/lit/`), [])
  })

  test('never overwrites', async ({ store, root }) => {
    await store.create(`${root}/x`, bytes('first'))
    await assert.rejects(store.create(`${root}/x`, bytes('second')), is('exists'))
    assert.equal(String(await store.read(`${root}/x`, { maxBytes: 10 })), 'first')
  })

  test('lets exactly one of many creators win', async ({ store, root }) => {
    const outcomes = await Promise.allSettled(Array.from({ length: 8 }, (_, i) => store.create(`${root}/race/x`, bytes(`w${i}`))))
    const winners = outcomes.flatMap(({ status }, i) => (status === 'fulfilled' ? [`w${i}`] : []))
    assert.equal(winners.length, 1)
    assert.equal(String(await store.read(`${root}/race/x`, { maxBytes: 10 })), winners[0])
    for (const outcome of outcomes) if (outcome.status === 'rejected') is('exists')(outcome.reason)
  })

  test('bounds what it reads', async ({ store, root }) => {
    await store.create(`${root}/big`, Buffer.alloc(5000))
    await assert.rejects(store.read(`${root}/big`, { maxBytes: 4999 }), is('too-large'))
    assert.equal((await store.read(`${root}/big`, { maxBytes: 5000 })).length, 5000)
  })

  test('says that an object is missing', async ({ store, root }) => {
    await assert.rejects(store.read(`${root}/none`, { maxBytes: 10 }), is('missing'))
    await store.create(`${root}/file`, bytes('x'))
    await assert.rejects(store.read(`${root}/file/below`, { maxBytes: 10 }), is('missing'))
    await assert.rejects(store.read(`${root}/no/such/folder`, { maxBytes: 10 }), is('missing'))
  })

  test('deletes, also what is not there', async ({ store, root }) => {
    const locations = Array.from({ length: 25 }, (_, i) => `${root}/d/${i}`)
    for (const location of locations) await store.create(location, bytes('x'))
    await store.delete([...locations.slice(0, 24), `${root}/d/none`, `${root}/none/none`, ...locations.slice(0, 2)])
    assert.deepEqual(await listed(store, `${root}/d/`), ['24 1'])
    await store.delete([])
  })

  test('deletes a folder only where it is empty', async ({ store, root }) => {
    await store.prepare(`${root}/f`)
    await store.create(`${root}/f/data/x/y/z`, bytes('x'))
    await store.delete([`${root}/f/`])
    assert.deepEqual(await listed(store, `${root}/f/`), ['data/x/y/z 1'])
    await store.delete([`${root}/f/data/x/y/z`, `${root}/f/`, `${root}/f/`])
    assert.deepEqual(await listed(store, `${root}/f/`), [])
  })

  test('lists below a prefix, not beside it', async ({ store, root }) => {
    for (const name of ['t/a', 't/b/c', 't2/a', 't.x', 'u']) await store.create(`${root}/${name}`, bytes('12'))
    assert.deepEqual(await listed(store, `${root}/t/`), ['a 2', 'b/c 2'])
    assert.deepEqual(await listed(store, `${root}/none/`), [])
    assert.deepEqual((await listed(store, `${root}/`)).length, 5)
  })

  test('creates in a prepared table, and prepares twice', async ({ store, root }) => {
    await store.prepare(`${root}/n/t`)
    await store.prepare(`${root}/n/t`)
    await store.create(`${root}/n/t/metadata/m`, bytes('x'))
    assert.deepEqual(await listed(store, `${root}/n/t/`), ['metadata/m 1'])
  })

  test('accepts other spellings of its locations', async ({ store, root }) => {
    await store.create(`${root}/s`, bytes('x'))
    const other = root
      .replace(/^file:\/\//, 'file:')
      .replace(/^s3:/, 'S3a:')
      .replace(/^gs:/, 'GCS:')
      .replace(/^abfss:(.*)\.dfs\./, 'wasbs:$1.BLOB.')
    assert.notEqual(other, root)
    assert.equal(String(await store.read(`${other}/s`, { maxBytes: 10 })), 'x')
  })

  test('refuses every location that is not below its root', async ({ store, root }) => {
    const above = root.slice(0, root.lastIndexOf('/'))
    const outside = [
      root,
      `${root}2/x`,
      `${above}/x`,
      `${root}/../x`,
      `${root}/a/../../x`,
      `${root}//x`,
      `${root}/./x`,
      `${root}/x/..`,
      `${root}\\..\\x`,
      '/etc/passwd',
      'file:///etc/passwd',
      'file:/etc/passwd',
      's3://other-bucket/x',
      's3://other-bucket',
      'http://127.0.0.1/x',
      '',
      `${root}/a\u0000b`,
      `${root}/a\nb`,
    ]
    for (const location of outside) {
      await assert.rejects(store.read(location, { maxBytes: 10 }), is('forbidden'), location)
      await assert.rejects(store.create(location, bytes('x')), is('forbidden'), location)
      await assert.rejects(store.delete([location]), is('forbidden'), location)
    }
    await assert.rejects(listed(store, `${above}/`))
    await assert.rejects(listed(store, `${root}2/`))
    await assert.rejects(store.prepare(`${root}2`))
  })
}
