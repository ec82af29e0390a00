/** `require` and `requireEmpty`, alone and where they meet other batches. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import type { Mutation } from '../../../src/stores/store.ts'
import type { Backend } from '../backends.ts'
import {
  conflict,
  entry,
  insert,
  mutation,
  namespace,
  remove,
  replace,
  require,
  useStore,
  user,
  winners,
  writeOne,
  racing,
} from './rows.ts'

export function requirements(backend: Backend): void {
  const use = useStore(backend)
  const emptyNamespace = (tenant_id: string): Mutation => ({
    op: 'requireEmpty',
    entity: 'entries',
    index: 'primary',
    where: { tenant_id, catalog_id: 'lake', branch: 'main', namespace: 'ns' },
  })

  test('a version, any version, no row', async () => {
    const { store } = use
    const row = namespace()
    await store.write([require('namespaces', row, 'none')])
    await assert.rejects(store.write([require('namespaces', row, 'any')]), conflict(0))
    const version = await writeOne(store, insert('namespaces', row))
    await store.write([require('namespaces', row, 'any'), require('namespaces', row, version)])
    await assert.rejects(store.write([require('namespaces', row, 'none')]), conflict(0))
    await assert.rejects(store.write([require('namespaces', row, version - 1)]), conflict(0))
  })

  test('requireEmpty by any leading part of an index', async () => {
    const { store } = use
    const row = entry()
    const { tenant_id } = row
    const empty = (index: string, where: object): Mutation => mutation({ op: 'requireEmpty', entity: 'entries', index, where })
    await store.write([emptyNamespace(tenant_id), empty('by_location', { tenant_id }), insert('entries', row)])
    const taken = [
      empty('primary', {}),
      empty('primary', { tenant_id }),
      empty('by_location', { location: row.location, tenant_id }),
      empty('by_kind', { tenant_id, catalog_id: 'lake', branch: 'main', namespace: 'ns', kind: 'table' }),
    ]
    for (const step of taken) await assert.rejects(store.write([insert('entries', entry()), step]), conflict(1))
    await store.write([
      empty('by_kind', { tenant_id, catalog_id: 'lake', branch: 'main', namespace: 'ns', kind: 'view' }),
      empty('by_location', { location: `${row.location}x`, tenant_id }),
    ])
    await store.write([remove('entries', row, 'any'), emptyNamespace(tenant_id)])
  })

  test('requireEmpty with null', async () => {
    const { store } = use
    const empty = (tenant_id: string | null, username: string): Mutation => ({
      op: 'requireEmpty',
      entity: 'users',
      index: 'by_tenant',
      where: { tenant_id, username },
    })
    const row = user()
    await store.write([empty(null, row.username), insert('users', row)])
    await assert.rejects(store.write([empty(null, row.username)]), conflict(0))
    await store.write([empty(row.id, row.username), empty(null, 'nobody')])
  })

  racing(backend)('a table is never left in a namespace that was dropped while it was created', async () => {
    const { store } = use
    for (let round = 0; round < 20; round++) {
      const space = namespace()
      const { tenant_id } = space
      const version = await writeOne(store, insert('namespaces', space))
      const create = (name: string): Mutation[] => [
        require('namespaces', space, 'any'),
        insert('entries', entry({ tenant_id, name })),
      ]
      const drop = [remove('namespaces', space, version), emptyNamespace(tenant_id)]
      const outcomes = [0, 1, 2, 3, 4].map((i) => store.write(i === round % 5 ? drop : create(`t${i}`)))
      await winners(outcomes)
      const tables = await store.list('entries', { index: 'primary', where: { tenant_id }, limit: 10 })
      const isDropped = (await store.get('namespaces', space)) === undefined
      assert.equal(tables.length > 0, !isDropped, 'either dropped or with tables')
    }
  })

  racing(backend)('what was required to be absent, or as it is, is so until the batch is done', async () => {
    const { store } = use
    for (let round = 0; round < 20; round++) {
      const [space, table] = [namespace(), entry()]
      const version = await writeOne(store, insert('namespaces', space))
      // Each of them undoes what the other one requires.
      const outcomes = await Promise.all([
        winners([store.write([require('entries', table, 'none'), replace('namespaces', { ...space, epoch: 2 }, version)])]),
        winners([store.write([require('namespaces', space, version), insert('entries', table)])]),
      ])
      assert.equal(outcomes[0] + outcomes[1], 1)
    }
  })

  test('a namespace that was dropped and created again is not the one that was required', async () => {
    const { store } = use
    const space = namespace({ name: randomUUID() })
    const version = await writeOne(store, insert('namespaces', space))
    await store.write([remove('namespaces', space, version), insert('namespaces', space)])
    const table = entry({ tenant_id: space.tenant_id })
    await assert.rejects(store.write([require('namespaces', space, version), insert('entries', table)]), conflict(0))
    assert.equal(await store.get('entries', table), undefined)
  })
}
