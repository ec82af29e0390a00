import assert from 'node:assert/strict'
import { existsSync, renameSync } from 'node:fs'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { setTimeout as sleep } from 'node:timers/promises'
import { entryKey } from '../../src/catalog/entries.ts'
import { updateTable } from '../../src/catalog/update-table.ts'
import { dropTable } from '../../src/catalog/drop.ts'
import { listCommits } from '../../src/catalog/history.ts'
import { createNamespace } from '../../src/catalog/namespaces.ts'
import { registerTable, unregisterTable } from '../../src/catalog/register.ts'
import { renameTable } from '../../src/catalog/rename.ts'
import { createTable, listTables, loadTable, tableExists } from '../../src/catalog/tables.ts'
import { createView } from '../../src/catalog/views.ts'
import { bodyOf, ident, newTable, newView, open, rejects, schema, set } from './setup.ts'

const path = (location: string): string => location.replace(/^file:\/\//, '')

test('a table is created, loaded, listed and dropped', async (t) => {
  const { context, call, catalog } = await open(t)
  const created = await createTable(context, call, ['ns'], { name: 'orders', schema, properties: { a: '1' } })
  const { metadata, config, ...rest } = bodyOf(created)
  assert.match(rest['metadata-location'] as string, /\/lake\/ns\/orders\/metadata\/00000-[0-9a-f-]{36}\.metadata\.json$/)
  assert.equal(metadata.location, `${catalog.root}/ns/orders`)
  assert.equal(metadata.properties.a, '1')
  assert.deepEqual(config, { 'client.region': 'eu-west-1' })
  assert.ok(existsSync(path(`${metadata.location}/data`)), 'the folder that clients write to')
  const loaded = await loadTable(context, call, ident('orders'))
  assert.deepEqual(bodyOf(loaded), bodyOf(created))
  assert.equal(loaded.etag, created.etag)
  await tableExists(context, call, ident('orders'))
  assert.deepEqual(await listTables(context, call, ['ns'], {}), {
    identifiers: [{ namespace: ['ns'], name: 'orders' }],
    'next-page-token': null,
  })
  await dropTable(context, call, ident('orders'))
  await assert.rejects(
    async () => tableExists(context, call, ident('orders')),
    rejects(404, /^Table does not exist: ns\.orders$/),
  )
  await assert.rejects(dropTable(context, call, ident('orders')), rejects(404, /ns\.orders/))
  await assert.rejects(async () => loadTable(context, call, ident('x', 'none')), rejects(404, /Table does not exist: none\.x/))
})

test('names and places that are taken', async (t) => {
  const { context, call } = await open(t)
  await newTable({ context, call } as never, 't')
  await createView(context, call, ['ns'], { name: 'v', ...newView })
  const create = (name: string, namespace = ['ns']) => createTable(context, call, namespace, { name, schema })
  await assert.rejects(create('t'), rejects(409, /^Table already exists: ns\.t$/, 'AlreadyExistsException'))
  await assert.rejects(create('v'), rejects(409, /^View with same name already exists: ns\.v$/))
  await assert.rejects(create('t', ['none']), rejects(404, /^Namespace does not exist: none$/, 'NoSuchNamespaceException'))
  await assert.rejects(create('a\u0000b'), rejects(400, /Table name .* has a control character/))
  await assert.rejects(create('..'), rejects(400, /Table name must not be/))
  await assert.rejects(async () => listTables(context, call, ['none'], {}), rejects(404, /none/))
  const staged = createTable(context, call, ['ns'], { name: 't', schema, 'stage-create': true })
  await assert.rejects(staged, rejects(409, /Table already exists/))
})

test('any name makes a location of its own below the root', async (t) => {
  const { context, call, catalog } = await open(t)
  const names = ['a/b', '...', '*', '50%', 'ü x', '${aws:username}', "o'clock", 'A', 'a', '__proto__', 'n'.repeat(256)]
  const locations = new Set<string>()
  for (const name of names) {
    const { metadata } = bodyOf(await createTable(context, call, ['ns'], { name, schema }))
    assert.ok(metadata.location.startsWith(`${catalog.root}/`), metadata.location)
    assert.doesNotMatch(metadata.location.slice(catalog.root.length), /[*?'"${}\s]|\/\.{1,2}(\/|$)/)
    locations.add(metadata.location)
    assert.equal(bodyOf(await loadTable(context, call, ident(name))).metadata.location, metadata.location)
  }
  assert.equal(locations.size, names.length)
})

test('a location that a client chooses', async (t) => {
  const { context, call, folder } = await open(t)
  const create = (name: string, location: string) => createTable(context, call, ['ns'], { name, schema, location })
  const mine = bodyOf(await create('mine', `file:${folder}/extra/mine/`))
  assert.equal(mine.metadata.location, `file:${folder}/extra/mine`, 'as the client spells it, without the slash')
  for (const taken of ['extra/mine', 'extra/mine/sub', 'extra/mine/sub/deep']) {
    await assert.rejects(create('other', `file://${folder}/${taken}`), rejects(400, /overlaps/))
  }
  await create('sibling', `file://${folder}/extra/mine2`)
  await create('deep', `file://${folder}/extra/x/y/z`)
  await assert.rejects(create('around', `file://${folder}/extra/x`), rejects(400, /overlaps/))
  for (const outside of [
    `file://${folder}/extra`,
    `file://${folder}/lake`,
    `file://${folder}/other/t`,
    'file:///etc/t',
    's3://bucket/t',
  ]) {
    await assert.rejects(create('other', outside), rejects(400, /Invalid location/))
  }
  await assert.rejects(create('other', `file://${folder}/lake/../../t`), rejects(400, /Invalid location/))
  for (const property of ['write.data.path', 'write.metadata.path']) {
    const request = { name: 'other', schema, properties: { [property]: 'file:///etc/x' } }
    await assert.rejects(createTable(context, call, ['ns'], request), rejects(400, /etc/))
  }
})

test('of creations racing for one place exactly one wins', async (t) => {
  const { context, call, folder } = await open(t)
  const create = (n: number) =>
    createTable(context, call, ['ns'], { name: `t${n}`, schema, location: `file://${folder}/extra/same${n % 2 ? '/sub' : ''}` })
  const results = await Promise.allSettled(Array.from({ length: 8 }, (_, n) => create(n)))
  assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1)
})

test('of creations racing for one name exactly one wins, and no file of the others stays', async (t) => {
  const one = await open(t)
  const two = one.another()
  const results = await Promise.allSettled(Array.from({ length: 8 }, (_, n) => newTable(n % 2 ? one : two, 't')))
  assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1)
  for (const result of results) if (result.status === 'rejected') rejects(409, /Table already exists: ns\.t/)(result.reason)
  assert.equal(one.files().length, 1)
})

test('a staged creation keeps nothing, and its uuid and place come to life with the commit', async (t) => {
  const { context, call, files } = await open(t)
  const staged = await createTable(context, call, ['ns'], { name: 't', schema, 'stage-create': true })
  const { metadata, ...rest } = bodyOf(staged)
  assert.equal(rest['metadata-location'], null)
  assert.equal(staged.etag, undefined)
  assert.deepEqual(files(), [])
  await assert.rejects(async () => tableExists(context, call, ident('t')), rejects(404, /ns\.t/))
  const updates = [
    { action: 'assign-uuid', uuid: metadata['table-uuid'] },
    { action: 'upgrade-format-version', 'format-version': 2 },
    { action: 'add-schema', schema: metadata.schemas[0] },
    { action: 'set-current-schema', 'schema-id': -1 },
    { action: 'add-spec', spec: metadata['partition-specs'][0] },
    { action: 'set-default-spec', 'spec-id': -1 },
    { action: 'add-sort-order', 'sort-order': metadata['sort-orders'][0] },
    { action: 'set-default-sort-order', 'sort-order-id': -1 },
    { action: 'set-location', location: metadata.location },
    set({ k: 'v' }),
  ]
  const requirements = [{ type: 'assert-create' }]
  const committed = bodyOf(await updateTable(context, call, ident('t'), { requirements, updates }))
  assert.equal(committed.metadata['table-uuid'], metadata['table-uuid'])
  assert.equal(committed.metadata.location, metadata.location)
  assert.match(committed['metadata-location'] as string, /\/00000-/)
  const again = updateTable(context, call, ident('t'), { requirements, updates })
  await assert.rejects(again, rejects(409, /^Requirement failed: table already exists/, 'CommitFailedException'))
  const elsewhere = updateTable(context, call, ident('t', 'none'), { requirements, updates })
  await assert.rejects(elsewhere, rejects(404, /Namespace does not exist: none/))
  // Without a location of its own, the place is ours to choose.
  const homeless = updates.filter(({ action }) => action !== 'set-location' && action !== 'assign-uuid')
  const chosen = bodyOf(await updateTable(context, call, ident('t2'), { requirements, updates: homeless }))
  assert.match(chosen.metadata.location, /\/lake\/ns\/t2$/)
})

test('the place of a staged table that somebody else took meanwhile is refused', async (t) => {
  const { context, call } = await open(t)
  const staged = bodyOf(await createTable(context, call, ['ns'], { name: 'a', schema, 'stage-create': true }))
  await createTable(context, call, ['ns'], { name: 'b', schema, location: staged.metadata.location })
  const updates = [
    { action: 'add-schema', schema: staged.metadata.schemas[0] },
    { action: 'set-current-schema', 'schema-id': -1 },
    { action: 'add-spec', spec: staged.metadata['partition-specs'][0] },
    { action: 'set-default-spec', 'spec-id': -1 },
    { action: 'add-sort-order', 'sort-order': staged.metadata['sort-orders'][0] },
    { action: 'set-default-sort-order', 'sort-order-id': -1 },
    { action: 'set-location', location: staged.metadata.location },
  ]
  const commit = updateTable(context, call, ident('a'), { requirements: [{ type: 'assert-create' }], updates })
  await assert.rejects(commit, rejects(400, /overlaps/))
})

test('rename: across namespaces, and everything in its way', async (t) => {
  const { context, call } = await open(t)
  await createNamespace(context, call, { namespace: ['other'] })
  const fixture = { context, call } as never
  const before = await newTable(fixture, 'a')
  await newTable(fixture, 'b')
  await createView(context, call, ['ns'], { name: 'v', ...newView })
  const rename = (source: ReturnType<typeof ident>, destination: ReturnType<typeof ident>) =>
    renameTable(context, call, { source, destination })
  await rename(ident('a'), ident('a2', 'other'))
  const after = bodyOf(await loadTable(context, call, ident('a2', 'other')))
  assert.deepEqual(after, before)
  await assert.rejects(async () => tableExists(context, call, ident('a')), rejects(404, /ns\.a/))
  await assert.rejects(rename(ident('a'), ident('x')), rejects(404, /Table does not exist: ns\.a/))
  await assert.rejects(rename(ident('v'), ident('x')), rejects(404, /Table does not exist: ns\.v/))
  await assert.rejects(rename(ident('b'), ident('b', 'none')), rejects(404, /Namespace does not exist: none/))
  await assert.rejects(rename(ident('b'), ident('v')), rejects(409, /^Cannot rename ns\.b to ns\.v\. View already exists$/))
  await assert.rejects(
    rename(ident('b'), ident('a2', 'other')),
    rejects(409, /Cannot rename ns\.b to other\.a2\. Table already exists/),
  )
  await assert.rejects(rename(ident('b'), { namespace: ['a\u001fb'], name: 'x' }), rejects(400, /unit separator/))
  await rename(ident('b'), ident('b'))
  await updateTable(context, call, ident('a2', 'other'), { requirements: [], updates: [set({ still: 'works' })] })
})

test('commits racing with a rename land before it or fail, and none is lost', async (t) => {
  const one = await open(t)
  const two = one.another()
  await newTable(one, 't')
  const commits = Array.from({ length: 10 }, (_, n) =>
    updateTable(n % 2 ? one.context : two.context, one.call, ident('t'), {
      requirements: [],
      updates: [set({ [`k${n}`]: '1' })],
    }),
  )
  const renamed = renameTable(two.context, two.call, { source: ident('t'), destination: ident('u') })
  const results = await Promise.allSettled(commits)
  await renamed
  const { properties } = bodyOf(await loadTable(one.context, one.call, ident('u'))).metadata
  results.forEach((result, n) => assert.equal(`k${n}` in properties, result.status === 'fulfilled'))
})

test('a purge is a task, stored with the drop', async (t) => {
  const { context, call, store, tasks, hooks } = await open(t)
  const table = await newTable({ context, call } as never, 't')
  hooks.write = (mutations, next) => {
    assert.deepEqual(
      mutations.map(({ op, entity }) => `${op} ${entity}`),
      ['remove entries', 'require protections', 'insert tasks', 'insert commits'],
    )
    return next(mutations)
  }
  await dropTable(context, call, ident('t'), { purgeRequested: true })
  const [task] = await store.list('tasks', { index: 'by_due', where: {}, limit: 10 })
  assert.equal(task?.kind, 'purge-table')
  const payload = task?.payload as Record<string, unknown>
  assert.equal(payload['metadata_location'], table['metadata-location'])
  assert.equal(payload['location'], table.metadata.location)
  assert.equal(payload['catalog_id'], 'c1')
  assert.equal(tasks.stored, 1)
  assert.ok(existsSync(path(table['metadata-location'] as string)), 'the files are for the task')
})

test('register: what was dropped comes back as it was; overwrite; refusals', async (t) => {
  const fixture = await open(t)
  const { context, call, folder } = fixture
  const table = await newTable(fixture, 't', { a: 'b' })
  const file = table['metadata-location'] as string
  const register = (name: string, location: string, overwrite?: boolean) =>
    registerTable(context, call, ['ns'], {
      name,
      'metadata-location': location,
      ...(overwrite === undefined ? {} : { overwrite }),
    })
  await assert.rejects(register('t', file), rejects(409, /^Table already exists: ns\.t$/))
  await assert.rejects(register('u', file), rejects(400, /overlaps/))
  const second = bodyOf(await updateTable(context, call, ident('t'), { requirements: [], updates: [set({ a: 'c' })] }))
  assert.equal(bodyOf(await register('t', file, true)).metadata.properties.a, 'b')
  assert.equal(bodyOf(await loadTable(context, call, ident('t')))['metadata-location'], file)
  await dropTable(context, call, ident('t'))
  const registered = await register('t', second['metadata-location'] as string)
  assert.deepEqual(bodyOf(registered), second)
  assert.equal(registered.etag, (await loadTable(context, call, ident('t'))).etag)
  await updateTable(context, call, ident('t'), { requirements: [], updates: [set({ a: 'd' })] })
  for (const bad of ['file:///etc/passwd', 'http://169.254.169.254/x.json', `file://${folder}/lake/../x.json`, 'x']) {
    await assert.rejects(register('n', bad), rejects(400, /Invalid/))
  }
  await assert.rejects(
    register('n', `file://${folder}/lake/none.metadata.json`),
    rejects(404, /Failed to open input stream for file: /),
  )
  const notJson = `file://${folder}/lake/bad.metadata.json`
  await call.catalog.storage.create(notJson, Buffer.from('{"format-version":2'))
  await assert.rejects(register('n', notJson), rejects(400, /./))
  const elsewhere = `file://${folder}/lake/elsewhere.metadata.json`
  await call.catalog.storage.create(elsewhere, Buffer.from(JSON.stringify({ ...table.metadata, location: 'file:///etc' })))
  await assert.rejects(register('n', elsewhere), rejects(400, /Invalid location/))
  const bomb = `file://${folder}/lake/bomb.gz.metadata.json`
  await call.catalog.storage.create(bomb, gzipSync(`{"x":[${'[],'.repeat(4_100_000)}1]}`))
  await assert.rejects(register('n', bomb), rejects(400, /more than 4000000 values/))
  await assert.rejects(registerTable(context, call, ['none'], { name: 'n', 'metadata-location': file }), rejects(404, /none/))
})

test('unregister answers the last state, leaves the files, and later commits fail', async (t) => {
  const fixture = await open(t)
  const { context, call } = fixture
  await newTable(fixture, 't')
  const last = bodyOf(await updateTable(context, call, ident('t'), { requirements: [], updates: [set({ a: 'b' })] }))
  const answer = await unregisterTable(context, call, ident('t'))
  const { config, ...expected } = last
  assert.deepEqual(bodyOf(answer), expected)
  assert.ok(config)
  assert.ok(existsSync(path(last['metadata-location'] as string)))
  const late = updateTable(context, call, ident('t'), { requirements: [], updates: [set({ a: 'c' })] })
  await assert.rejects(late, rejects(404, /Table does not exist: ns\.t/))
  await assert.rejects(unregisterTable(context, call, ident('t')), rejects(404, /ns\.t/))
  await registerTable(context, call, ['ns'], { name: 'back', 'metadata-location': last['metadata-location'] as string })
})

test('unregister under fire includes every acknowledged commit', async (t) => {
  const one = await open(t)
  const two = one.another()
  await newTable(one, 't')
  const commits = Array.from({ length: 12 }, (_, n) =>
    updateTable(two.context, two.call, ident('t'), { requirements: [], updates: [set({ [`k${n}`]: '1' })] }),
  )
  const answer = bodyOf(await unregisterTable(one.context, one.call, ident('t')))
  const results = await Promise.allSettled(commits)
  results.forEach((result, n) => assert.equal(`k${n}` in answer.metadata.properties, result.status === 'fulfilled'))
})

test('a metadata file that is gone is 404, cached or not', async (t) => {
  const fixture = await open(t)
  const { context, call } = fixture
  const table = await newTable(fixture, 't')
  const file = path(table['metadata-location'] as string)
  renameSync(file, `${file}.away`)
  // That a file is there is believed for a millisecond or two.
  await sleep(5)
  for (const who of [fixture, fixture.another()]) {
    await assert.rejects(
      async () => loadTable(who.context, who.call, ident('t')),
      rejects(404, /^Failed to open input stream for file: /, 'NotFoundException'),
    )
  }
  renameSync(`${file}.away`, file)
  await loadTable(context, call, ident('t'))
})

test('the log of the catalog names who did what to what, newest first', async (t) => {
  const fixture = await open(t)
  const { context, call, store } = fixture
  const created = await newTable(fixture, 't')
  const updated = bodyOf(await updateTable(context, call, ident('t'), { requirements: [], updates: [set({ a: 'b' })] }))
  const { id, uuid, location } = (await store.get('entries', entryKey(call.catalog, ident('t'))))!
  await dropTable(context, call, ident('t'))
  const { commits } = await listCommits(context, call, {})
  assert.deepEqual(
    commits.map(({ message }) => message),
    ['Drop table ns.t', 'Commit to table ns.t', 'Create table ns.t', 'Create namespace ns'],
  )
  assert.ok(commits.every(({ author }) => author === 'ada'))
  assert.deepEqual(commits[1]?.operations, [
    {
      operation: 'update-table',
      identifier: { namespace: ['ns'], name: 't' },
      id,
      'metadata-location': updated['metadata-location'],
      'previous-metadata-location': created['metadata-location'],
    },
  ])
  assert.deepEqual(commits[2]?.operations, [
    {
      operation: 'create-table',
      identifier: { namespace: ['ns'], name: 't' },
      id,
      'metadata-location': created['metadata-location'],
      'previous-metadata-location': null,
      uuid,
      location,
    },
  ])
  const page = await listCommits(context, call, { pageToken: '', pageSize: 3 })
  const rest = await listCommits(context, call, { pageToken: page['next-page-token'] as string })
  assert.deepEqual([...page.commits, ...rest.commits], commits)
})

test('all names are listed page by page, and others get their turn between two pages', async (t) => {
  const { context, call, catalog, store } = await open(t)
  const row = (n: number) => ({
    ...entryKey(catalog, ident(`t${String(n).padStart(5, '0')}`)),
    id: `e${n}`,
    uuid: null,
    kind: 'table',
    epoch: 0,
    deleted: false,
    metadata_location: 'file:///none',
    location: `file:///none/${n}`,
    created_at: 0,
    updated_at: 0,
  })
  await store.write(Array.from({ length: 2500 }, (_, n) => ({ op: 'insert', entity: 'entries', row: row(n) })))
  const listed = await listTables(context, call, ['ns'], {})
  const sizes = [listed.identifiers.length]
  const names = listed.identifiers.map(({ name }) => name)
  let turns = 0
  let isOver = false
  const count = (): void => void (isOver || (turns++, setImmediate(count)))
  count()
  for await (const page of listed.rest ?? []) {
    sizes.push(page.length)
    for (const { name } of page) names.push(name)
  }
  isOver = true
  assert.deepEqual(sizes, [1000, 1000, 500])
  assert.deepEqual(
    names,
    Array.from({ length: 2500 }, (_, n) => `t${String(n).padStart(5, '0')}`),
  )
  assert.ok(turns >= 2)
  const page = await listTables(context, call, ['ns'], { pageToken: '' })
  assert.deepEqual([page.identifiers.length, page.rest], [1000, undefined])
})
