/** Deletions that have not ended: listed, tried again, given up for good. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { NEVER } from '../../src/catalog/background.ts'
import { pendingDeletion } from '../../src/catalog/places/deletions.ts'
import { storeCommand } from '../../src/cli/store.ts'
import { canonicalLocation } from '../../src/iceberg/location.ts'
import { cancelDeletion, listDeletions, resumeDeletion } from '../../src/operations/deletions.ts'
import { openStore } from '../../src/stores/open.ts'
import { taskRow } from '../tasks/tables.ts'

const location = 's3://bucket/t'

test('a deletion that was given up is resumed or cancelled, one that runs is left alone', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'pangolin-deletions-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'a.db')
  const store = openStore(file)
  await store.migrate()
  t.after(() => store.close())
  const add = (id: string, changes: object) =>
    store.write([
      { op: 'insert', entity: 'tasks', row: { ...taskRow('purge-table', { location }, { location, ...changes }), id } },
    ])
  await store.write([{ op: 'insert', entity: 'tenants', row: { id: 't1', name: 'one', properties: {}, created_at: 0 } }])
  const now = Date.now()
  await add('given-up', { due_at: NEVER, attempts: 10, last_error: 'Error: no luck' })
  await add('running', { due_at: now + 60_000, owner: 'a', attempts: 1 })
  await add('waiting', { due_at: now + 60_000 })
  await add('other', { kind: 'remove-folders' })
  const states = async () => Object.fromEntries((await listDeletions(store, now)).map(({ id, state }) => [id, state]))
  assert.deepEqual(await states(), { 'given-up': 'given up', running: 'running', waiting: 'waiting' })

  const ground = await store.get('tenants', { id: 't1' })
  await resumeDeletion(store, 'given-up', now)
  const resumed = await store.get('tasks', { id: 'given-up' })
  assert.deepEqual([resumed?.due_at, resumed?.attempts, resumed?.last_error, resumed?.location], [now, 0, null, location])
  assert.notEqual((await store.get('tenants', { id: 't1' }))?.version, ground?.version)
  for (const change of [resumeDeletion, cancelDeletion]) {
    await assert.rejects(change(store, 'running', now), /A server is at work/)
    await assert.rejects(change(store, 'other', now), /There is no deletion other/)
    await assert.rejects(change(store, 'none', now), /There is no deletion none/)
  }
  await assert.rejects(resumeDeletion(store, 'waiting', now), /has not failed: it waits until .*, and can be undone/)
  await cancelDeletion(store, 'waiting', now)
  assert.deepEqual(await states(), { 'given-up': 'waiting', running: 'running' })

  const payload = { catalog: { storage_location: location } }
  await add('catalog', { kind: 'remove-catalog', payload, due_at: NEVER, attempts: 10, location: null })
  assert.equal((await listDeletions(store, now)).find(({ id }) => id === 'catalog')?.location, location)
  await assert.rejects(cancelDeletion(store, 'catalog', now), /Nothing else removes what is left of the catalog: resume catalog/)
  await resumeDeletion(store, 'catalog', now)
  assert.equal((await store.get('tasks', { id: 'catalog' }))?.due_at, now)
  await store.write([{ op: 'remove', entity: 'tasks', key: { id: 'catalog' }, expected: 'any' }])

  // As it is typed.
  const said = { out: '', err: '' }
  const command = (...args: string[]): Promise<number> => {
    said.out = said.err = ''
    return storeCommand(['deletions', '--database', file, ...args], {
      environment: {},
      openWarehouses: () => assert.fail(),
      rekeyParts: () => assert.fail(),
      out: (text) => (said.out += text),
      err: (text) => (said.err += text),
    })
  }
  assert.equal(await command(), 0)
  assert.match(said.out, /^given-up {2}purge-table {2}waiting, 0 attempts since .* {2}s3:\/\/bucket\/t\n/m)
  assert.equal(await command('--json'), 0)
  assert.equal(JSON.parse(said.out).length, 2)
  assert.equal(await command('--resume', 'a', '--cancel', 'b'), 2)
  assert.equal(await command('--cancel', 'running'), 1)
  assert.equal(await command('--cancel', 'given-up'), 0)
  assert.match(said.out, /^Cancelled, what it has not deleted stays: given-up/)
  await store.write([{ op: 'remove', entity: 'tasks', key: { id: 'running' }, expected: 'any' }])
  assert.equal(await pendingDeletion({ store }, { tenantId: 't1' }, canonicalLocation(location)), undefined)
  assert.equal(await command(), 0)
  assert.equal(said.out, 'No deletion is waiting.\n')
})
