import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { test } from 'node:test'
import { array, assert as assertProperty, asyncProperty, constantFrom } from 'fast-check'
import { updateTable } from '../../src/catalog/update-table.ts'
import { loadTable } from '../../src/catalog/tables.ts'
import { StorageError } from '../../src/storage/storage.ts'
import { StoreError } from '../../src/stores/store.ts'
import { bodyOf, ident, newTable, open, rejects, set } from './setup.ts'
import type { Fixture, LoadResult, Loose } from './setup.ts'

const commit = async (fixture: Fixture, updates: object[], requirements: object[] = [], name = 't'): Promise<LoadResult> =>
  bodyOf(await updateTable(fixture.context, fixture.call, ident(name), { requirements, updates }))
const load = async (fixture: Fixture, name = 't'): Promise<LoadResult> =>
  bodyOf(await loadTable(fixture.context, fixture.call, ident(name)))
const exists = (location: string | null): boolean => existsSync((location as string).replace(/^file:\/\//, ''))

const snapshot = (id: number, sequence: number, location: string, parent?: number) => ({
  action: 'add-snapshot',
  snapshot: {
    'snapshot-id': id,
    ...(parent === undefined ? {} : { 'parent-snapshot-id': parent }),
    'sequence-number': sequence,
    'timestamp-ms': Date.now(),
    'manifest-list': `${location}/metadata/snap-${id}.avro`,
    summary: { operation: 'append' },
    'schema-id': 0,
  },
})
const ref = (id: number) => ({ action: 'set-snapshot-ref', 'ref-name': 'main', type: 'branch', 'snapshot-id': id })

test('a commit writes the next file, names the one before in its log, and is answered like a load', async (t) => {
  const fixture = await open(t)
  const created = await newTable(fixture, 't')
  const answer = await updateTable(fixture.context, fixture.call, ident('t'), { requirements: [], updates: [set({ a: 'b' })] })
  const committed = bodyOf(answer)
  assert.match(committed['metadata-location'] as string, /\/metadata\/00001-[0-9a-f-]{36}\.metadata\.json$/)
  assert.deepEqual(
    committed.metadata['metadata-log'].map((entry: Loose) => entry['metadata-file']),
    [created['metadata-location']],
  )
  assert.ok(committed.config)
  assert.deepEqual(await load(fixture), committed)
  assert.deepEqual(await load(fixture.another()), committed, 'and what is on disk is what was answered')
})

test('no effective change: no file, no commit, the same ETag', async (t) => {
  const fixture = await open(t)
  await newTable(fixture, 't', { a: 'b' })
  const before = await loadTable(fixture.context, fixture.call, ident('t'))
  const answer = await updateTable(fixture.context, fixture.call, ident('t'), { requirements: [], updates: [set({ a: 'b' })] })
  assert.equal(answer.etag, before.etag)
  assert.equal(fixture.files().length, 1)
})

test('a requirement that fails is 409 and leaves nothing behind', async (t) => {
  const fixture = await open(t)
  await newTable(fixture, 't')
  const failing = commit(fixture, [set({ a: 'b' })], [{ type: 'assert-current-schema-id', 'current-schema-id': 7 }])
  await assert.rejects(failing, rejects(409, /^Requirement failed: current schema/, 'CommitFailedException'))
  await assert.rejects(commit(fixture, [{ action: 'no-such' }]), rejects(400, /no-such/))
  await assert.rejects(commit(fixture, [], [{ type: 'assert-nonsense' }]), rejects(400, /assert-nonsense/))
  await assert.rejects(commit(fixture, [set({ a: 'b' })], [], 'none'), rejects(404, /Table does not exist: ns\.none/))
  assert.equal(fixture.files().length, 1)
})

test('a schema update by a handle loaded before a data write succeeds without a refresh', async (t) => {
  const fixture = await open(t)
  const stale = await newTable(fixture, 't')
  const { metadata } = stale
  // Somebody appends data in the meantime.
  await commit(
    fixture,
    [snapshot(1, 1, metadata.location), ref(1)],
    [
      { type: 'assert-table-uuid', uuid: metadata['table-uuid'] },
      { type: 'assert-ref-snapshot-id', ref: 'main', 'snapshot-id': null },
    ],
  )
  const fields = [...metadata.schemas[0].fields, { id: 3, name: 'extra', required: false, type: 'int' }]
  const evolved = await commit(
    fixture,
    [
      { action: 'add-schema', schema: { ...metadata.schemas[0], fields, 'schema-id': 1 }, 'last-column-id': 3 },
      { action: 'set-current-schema', 'schema-id': -1 },
    ],
    [
      { type: 'assert-table-uuid', uuid: metadata['table-uuid'] },
      { type: 'assert-current-schema-id', 'current-schema-id': metadata['current-schema-id'] },
      { type: 'assert-last-assigned-field-id', 'last-assigned-field-id': metadata['last-column-id'] },
    ],
  )
  assert.equal(evolved.metadata['current-schema-id'], 1)
  assert.equal(evolved.metadata['current-snapshot-id'], 1)
  // And an append that knows of neither change's schema, only of its own branch.
  const appended = await commit(
    fixture,
    [snapshot(2, 2, metadata.location, 1), ref(2)],
    [{ type: 'assert-ref-snapshot-id', ref: 'main', 'snapshot-id': 1 }],
  )
  assert.equal(appended.metadata['current-snapshot-id'], 2)
  const late = commit(
    fixture,
    [snapshot(3, 3, metadata.location, 1), ref(3)],
    [{ type: 'assert-ref-snapshot-id', ref: 'main', 'snapshot-id': 1 }],
  )
  await assert.rejects(late, rejects(409, /branch main/))
})

test('100 committers on one table, in two processes: none lost, none refused', async (t) => {
  const one = await open(t)
  const two = one.another()
  await newTable(one, 't')
  const answers = await Promise.all(Array.from({ length: 100 }, (_, n) => commit(n % 2 ? one : two, [set({ [`k${n}`]: 'v' })])))
  const { metadata, ...last } = await load(one)
  for (let n = 0; n < 100; n += 1) assert.equal(metadata.properties[`k${n}`], 'v')
  const acknowledged = new Set(answers.map((answer) => answer['metadata-location']))
  assert.equal(acknowledged.size, 100)
  assert.ok(acknowledged.has(last['metadata-location']))
  assert.equal(one.files().length, 101, 'no orphan of a lost race stays')
})

test('a process that keeps a table busy lets others have their turn', async (t) => {
  const busy = await open(t)
  const modest = busy.another()
  await newTable(busy, 't')
  const shift = { over: false }
  const worker = async (n: number): Promise<void> => {
    while (!shift.over) await commit(busy, [set({ [`busy${n}`]: String(Math.random()) })])
  }
  const workers = Array.from({ length: 8 }, (_, n) => worker(n))
  for (let n = 0; n < 10; n += 1) await commit(modest, [set({ [`modest${n}`]: 'v' })])
  shift.over = true
  await Promise.all(workers)
  const { properties } = (await load(busy)).metadata
  for (let n = 0; n < 10; n += 1) assert.equal(properties[`modest${n}`], 'v')
})

test('in one process committers wait for each other instead of racing', async (t) => {
  const fixture = await open(t)
  await newTable(fixture, 't')
  let writes = 0
  fixture.hooks.write = (mutations, next) => {
    writes += 1
    return next(mutations)
  }
  await Promise.all(Array.from({ length: 64 }, (_, n) => commit(fixture, [set({ [`k${n}`]: 'v' })])))
  assert.equal(writes, 64)
})

test('a lost race is tried again on the new base, and its file is removed', async (t) => {
  const fixture = await open(t)
  const other = fixture.another()
  await newTable(fixture, 't')
  fixture.hooks.write = async (mutations, next) => {
    fixture.hooks.write = undefined
    await commit(other, [set({ theirs: '1' })])
    return next(mutations)
  }
  const { metadata } = await commit(fixture, [set({ ours: '1' })])
  assert.deepEqual([metadata.properties.theirs, metadata.properties.ours], ['1', '1'])
  assert.equal(fixture.files().length, 3)
})

test('a lost race that breaks a requirement is 409 with nothing left behind', async (t) => {
  const fixture = await open(t)
  const other = fixture.another()
  const { metadata } = await newTable(fixture, 't')
  const append = (id: number) => [snapshot(id, 1, metadata.location), ref(id)]
  const requirements = [{ type: 'assert-ref-snapshot-id', ref: 'main', 'snapshot-id': null }]
  fixture.hooks.write = async (mutations, next) => {
    fixture.hooks.write = undefined
    await commit(other, append(1), requirements)
    return next(mutations)
  }
  await assert.rejects(commit(fixture, append(2), requirements), rejects(409, /Requirement failed/, 'CommitFailedException'))
  assert.equal(fixture.files().length, 2)
  assert.equal((await load(fixture)).metadata['current-snapshot-id'], 1)
})

test('races lost for ever end in 429, which every client may repeat, never in 409', async (t) => {
  const fixture = await open(t)
  await newTable(fixture, 't')
  fixture.hooks.write = async () => {
    throw new StoreError('conflict', 'always', { step: 0 })
  }
  await assert.rejects(commit(fixture, [set({ a: 'b' })]), rejects(429, /nothing was changed/))
  assert.equal(fixture.files().length, 1)
})

test('the store fails before the batch: 503, the file is gone, the table is as it was', async (t) => {
  const fixture = await open(t)
  const before = await newTable(fixture, 't')
  fixture.hooks.write = async () => {
    throw new StoreError('unavailable', 'down')
  }
  await assert.rejects(commit(fixture, [set({ a: 'b' })]), rejects(503, /nothing was changed/))
  fixture.hooks.write = undefined
  assert.equal(fixture.files().length, 1)
  assert.deepEqual(await load(fixture), before)
})

test('the connection breaks after the batch landed: read back, 200, the file stays', async (t) => {
  const fixture = await open(t)
  await newTable(fixture, 't')
  fixture.hooks.write = async (mutations, next) => {
    fixture.hooks.write = undefined
    await next(mutations)
    throw new StoreError('unknown', 'connection lost')
  }
  const committed = await commit(fixture, [set({ a: 'b' })])
  assert.ok(exists(committed['metadata-location']))
  assert.equal((await load(fixture.another())).metadata.properties.a, 'b')
})

test('landed, then overtaken by others before it was read back: still 200', async (t) => {
  const fixture = await open(t)
  const other = fixture.another()
  await newTable(fixture, 't')
  fixture.hooks.write = async (mutations, next) => {
    fixture.hooks.write = undefined
    await next(mutations)
    for (const n of [1, 2, 3]) await commit(other, [set({ [`n${n}`]: '1' })])
    throw new StoreError('unknown', 'connection lost')
  }
  const committed = await commit(fixture, [set({ a: 'b' })])
  assert.equal(committed.metadata.properties.n1, undefined, 'the answer is the state that this commit made')
  assert.equal((await load(fixture)).metadata.properties.a, 'b')
})

test('not known whether it landed: 500 CommitStateUnknown, the file stays, and a late landing is whole', async (t) => {
  const fixture = await open(t)
  await newTable(fixture, 't')
  let late: (() => Promise<unknown>) | undefined
  fixture.hooks.write = async (mutations, next) => {
    late = () => next(mutations)
    throw new StoreError('unknown', 'connection lost')
  }
  await assert.rejects(commit(fixture, [set({ a: 'b' })]), rejects(500, /not known/, 'CommitStateUnknownException'))
  fixture.hooks.write = undefined
  assert.equal(fixture.files().length, 2)
  await late?.()
  const landed = await load(fixture)
  assert.equal(landed.metadata.properties.a, 'b')
  assert.ok(exists(landed['metadata-location']))
})

test('the object store fails: 503, no pointer, no file', async (t) => {
  const fixture = await open(t)
  await newTable(fixture, 't')
  for (const landed of [false, true]) {
    fixture.hooks.create = async (location, bytes, next) => {
      if (landed) await next(location, bytes)
      throw new StorageError('unavailable', `no answer for ${location}`)
    }
    await assert.rejects(commit(fixture, [set({ a: 'b' })]), rejects(503, /nothing was changed/))
    assert.equal(fixture.files().length, 1)
  }
})

test('a process that dies between file and pointer leaves an orphan and a table that works', async (t) => {
  const fixture = await open(t)
  await newTable(fixture, 't')
  const { promise: forever } = Promise.withResolvers<never>()
  fixture.hooks.write = () => forever
  void commit(fixture, [set({ a: 'dead' })])
  while (fixture.files().length < 2) await new Promise((resolve) => setImmediate(resolve))
  const survivor = fixture.another()
  const { metadata } = await commit(survivor, [set({ a: 'alive' })])
  assert.equal(metadata.properties.a, 'alive')
  assert.equal(fixture.files().length, 3)
})

test('an error that nobody foresaw never deletes the file', async (t) => {
  const fixture = await open(t)
  await newTable(fixture, 't')
  fixture.hooks.write = async (mutations, next) => {
    await next(mutations)
    throw new RangeError('a bug behind the commit')
  }
  await assert.rejects(commit(fixture, [set({ a: 'b' })]), RangeError)
  fixture.hooks.write = undefined
  assert.equal((await load(fixture.another())).metadata.properties.a, 'b')
})

test('gzip metadata is written, named and read back', async (t) => {
  const fixture = await open(t)
  await newTable(fixture, 't')
  const committed = await commit(fixture, [set({ 'write.metadata.compression-codec': 'gzip' })])
  assert.match(committed['metadata-location'] as string, /\.gz\.metadata\.json$/)
  assert.deepEqual(await load(fixture.another()), committed)
})

test('old metadata files are given to a task when the table asks for it, and only then', async (t) => {
  const fixture = await open(t)
  await newTable(fixture, 'keep', { 'write.metadata.previous-versions-max': '1' })
  await newTable(fixture, 'trim', {
    'write.metadata.previous-versions-max': '1',
    'write.metadata.delete-after-commit.enabled': 'true',
  })
  for (const name of ['keep', 'trim']) for (let n = 0; n < 4; n += 1) await commit(fixture, [set({ n: `${n}` })], [], name)
  const tasks = await fixture.store.list('tasks', { index: 'by_due', where: {}, limit: 10 })
  assert.deepEqual(
    tasks.map(({ kind }) => kind),
    ['delete-files', 'delete-files', 'delete-files'],
  )
  const { location } = (await load(fixture, 'trim')).metadata
  for (const { payload } of tasks as Loose[]) {
    assert.equal(payload.location, location)
    assert.equal(payload.files.length, 1)
    assert.ok(exists(payload.files[0]), 'the files are for the task')
  }
  assert.equal(fixture.tasks.stored, 3)
})

test('places that metadata may name are checked in commits too', async (t) => {
  const fixture = await open(t)
  const { metadata } = await newTable(fixture, 't')
  const other = await newTable(fixture, 'other')
  const bad: object[] = [
    { action: 'set-location', location: 'file:///etc/x' },
    { action: 'set-location', location: other.metadata.location },
    { action: 'set-location', location: `${other.metadata.location}/data` },
    set({ 'write.metadata.path': 'file:///etc' }),
    set({ 'write.data.path': 's3://elsewhere/x' }),
    snapshot(1, 1, 'file:///etc'),
    snapshot(1, 1, `${metadata.location}/../../../x`),
  ]
  for (const update of bad) await assert.rejects(commit(fixture, [update]), rejects(400, /./), JSON.stringify(update))
  const moved = await commit(fixture, [{ action: 'set-location', location: `file://${fixture.folder}/extra/new` }])
  assert.ok(moved['metadata-location']?.startsWith(`file://${fixture.folder}/extra/new/metadata/00001-`))
  const path = `file://${fixture.folder}/extra/meta`
  const redirected = await commit(fixture, [set({ 'write.metadata.path': path })])
  assert.ok(redirected['metadata-location']?.startsWith(`${path}/00002-`))
})

test('64-bit ids go through a commit exactly', async (t) => {
  const fixture = await open(t)
  const { metadata } = await newTable(fixture, 't')
  const id = 9223372036854775807n
  const add = snapshot(1, 1, metadata.location)
  const updates = [
    { ...add, snapshot: { ...add.snapshot, 'snapshot-id': id } },
    { ...ref(1), 'snapshot-id': id },
  ]
  await commit(fixture, updates)
  for (const who of [fixture, fixture.another()]) assert.equal((await load(who)).metadata['current-snapshot-id'], id)
})

test('property: whatever fails on the way, acknowledged commits form one chain of metadata files', async (t) => {
  const faults = array(constantFrom('none', 'none', 'conflict', 'before', 'after', 'unknown'), {
    minLength: 1,
    maxLength: 12,
  })
  await assertProperty(
    asyncProperty(faults, async (plan) => {
      const one = await open(t)
      const two = one.another()
      await newTable(one, 't', { 'write.metadata.previous-versions-max': '1000' })
      const script = [...plan]
      for (const fixture of [one, two]) {
        fixture.hooks.write = async (mutations, next) => {
          const fault = script.pop() ?? 'none'
          if (fault === 'before') throw new StoreError('unavailable', 'before')
          if (fault === 'conflict') throw new StoreError('conflict', 'conflict', { step: 0 })
          if (fault === 'unknown') throw new StoreError('unknown', 'unknown')
          const versions = await next(mutations)
          if (fault === 'after') throw new StoreError('unknown', 'after')
          return versions
        }
      }
      const commits = Array.from({ length: 12 }, (_, n) => commit(n % 2 ? one : two, [set({ [`k${n}`]: 'v' })]))
      const results = await Promise.allSettled(commits)
      const last = await load(one.another())
      const chain = new Set<string>(last.metadata['metadata-log'].map((entry: Loose) => entry['metadata-file']))
      chain.add(last['metadata-location'] as string)
      results.forEach((result, n) => {
        if (result.status === 'fulfilled') assert.ok(chain.has(result.value['metadata-location'] as string))
        else assert.ok([500, 503].includes(result.reason.code), result.reason.message)
        // Here an unknown outcome never landed, so what is in the table is exactly what was acknowledged.
        assert.equal(last.metadata.properties[`k${n}`], result.status === 'fulfilled' ? 'v' : undefined)
      })
      for (const file of chain) assert.ok(exists(file), file)
    }),
    { numRuns: 25 },
  )
})
