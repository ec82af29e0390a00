/** Unique indexes hold within a batch and against the whole store. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import type { Backend } from '../backends.ts'
import { conflict, insert, remove, replace, tenant, user, useStore, winners, writeOne, racing } from './rows.ts'

export function uniqueIndexes(backend: Backend): void {
  const use = useStore(backend)

  test('an insert with a taken value conflicts', async () => {
    const { store } = use
    const row = tenant()
    await store.write([insert('tenants', row)])
    const other = tenant({ name: row.name })
    await assert.rejects(store.write([insert('tenants', tenant()), insert('tenants', other)]), conflict(1))
    assert.equal(await store.get('tenants', other), undefined)
  })

  test('a replacement with a taken value conflicts, one with its own does not', async () => {
    const { store } = use
    const [a, b] = [tenant(), tenant()]
    await store.write([insert('tenants', a)])
    const version = await writeOne(store, insert('tenants', b))
    await assert.rejects(
      store.write([insert('tenants', tenant()), replace('tenants', { ...b, name: a.name }, version)]),
      conflict(1),
    )
    assert.deepEqual(await store.get('tenants', b), { ...b, version })
    await store.write([replace('tenants', { ...b, created_at: 3 }, version)])
    assert.equal((await store.get('tenants', b))?.created_at, 3)
  })

  test('a value is free when its row is gone or renamed, in the same batch too', async () => {
    const { store } = use
    const [a, b] = [tenant(), tenant()]
    const versionA = await writeOne(store, insert('tenants', a))
    const versionB = await writeOne(store, insert('tenants', b))
    const away = `away ${randomUUID()}`
    const [versionAway] = await store.write([
      replace('tenants', { ...a, name: away }, versionA),
      replace('tenants', { ...b, name: a.name }, versionB),
    ])
    await store.write([replace('tenants', { ...a, name: b.name }, versionAway ?? 0)])
    const byName = async (name: string): Promise<string | undefined> =>
      (await store.list('tenants', { index: 'by_name', where: { name }, limit: 2 })).map(({ id }) => id).join()
    assert.equal(await byName(a.name), b.id)
    assert.equal(await byName(b.name), a.id)
    assert.equal(await byName(away), '')
    const heir = tenant({ name: b.name })
    await store.write([remove('tenants', a, 'any'), insert('tenants', heir)])
    assert.equal(await byName(b.name), heir.id)
  })

  test('a batch that failed reserves no value', async () => {
    const { store } = use
    const row = tenant()
    await assert.rejects(store.write([insert('tenants', row), remove('tenants', { id: randomUUID() }, 'any')]), conflict(1))
    await store.write([insert('tenants', tenant({ name: row.name }))])
  })

  test('several columns hold rows apart together, and not where one of them is null', async () => {
    const { store } = use
    const [a, b] = [randomUUID(), randomUUID()]
    const username = `name ${randomUUID()}`
    const own = user({ tenant_id: a, username })
    const version = await writeOne(store, insert('users', own))
    const other = user({ tenant_id: b, username })
    const versionB = await writeOne(store, insert('users', other))
    await assert.rejects(store.write([insert('users', user({ tenant_id: a, username }))]), conflict(0))
    await assert.rejects(store.write([replace('users', { ...other, tenant_id: a }, versionB)]), conflict(0))
    const nowhere = [user({ username }), user({ username })]
    const [first] = await store.write(nowhere.map((row) => insert('users', row)))
    await assert.rejects(store.write([replace('users', { ...nowhere[0]!, tenant_id: a }, first!)]), conflict(0))
    const named = await store.list('users', { index: 'by_username', where: { username }, limit: 5 })
    const ids = [own, other, ...nowhere].map(({ id }) => id).toSorted()
    assert.deepEqual(
      named.map(({ id }) => id),
      ids,
    )
    // Without a tenant it keeps no name, and gets one back only where that is free.
    const [loose] = await store.write([replace('users', { ...own, tenant_id: null }, version)])
    const heir = user({ tenant_id: a, username })
    await store.write([insert('users', heir)])
    await assert.rejects(store.write([replace('users', own, loose!)]), conflict(0))
    await store.write([remove('users', heir, 'any'), replace('users', own, loose!)])
    await store.write([remove('users', own, 'any'), ...nowhere.map((row) => remove('users', row, 'any'))])
    await store.write([insert('users', user({ tenant_id: a, username }))])
  })

  racing(backend)('of fifty that want one value one gets it', async () => {
    const { store } = use
    const name = `wanted ${randomUUID()}`
    assert.equal(await winners(Array.from({ length: 50 }, () => store.write([insert('tenants', tenant({ name }))]))), 1)
    assert.equal((await store.list('tenants', { index: 'by_name', where: { name }, limit: 50 })).length, 1)
  })
}
