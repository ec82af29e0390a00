/** Versions: who wrote last is known exactly, and only who knows it may write next. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import type { Backend } from '../backends.ts'
import { conflict, entry, insert, remove, replace, require, tenant, useStore, winners, writeOne, racing } from './rows.ts'

export function compareAndSet(backend: Backend): void {
  const use = useStore(backend)

  test('a stale version writes nothing', async () => {
    const { store } = use
    const row = tenant()
    const first = await writeOne(store, insert('tenants', row))
    const second = await writeOne(store, replace('tenants', { ...row, created_at: 2 }, first))
    assert.notEqual(second, first)
    await assert.rejects(store.write([replace('tenants', { ...row, created_at: 3 }, first)]), conflict(0))
    await assert.rejects(store.write([remove('tenants', row, first)]), conflict(0))
    await assert.rejects(store.write([require('tenants', row, first)]), conflict(0))
    assert.deepEqual(await store.get('tenants', row), { ...row, created_at: 2, version: second })
    await store.write([require('tenants', row, second), remove('tenants', row, second)])
  })

  test('a replacement that names what it changes leaves the rest, and every index, as it should be', async () => {
    const { store } = use
    const row = entry({ uuid: 'u', location: `file:///${randomUUID()}/` })
    const first = await writeOne(store, insert('entries', row))
    const moved = { ...row, location: `file:///${randomUUID()}/`, uuid: null }
    const second = await writeOne(store, replace('entries', moved, first, ['location', 'uuid']))
    await assert.rejects(store.write([replace('entries', row, first, ['location', 'uuid'])]), conflict(0))
    const expected = { ...moved, version: second }
    assert.deepEqual(await store.get('entries', row), expected)
    const at = (location: string) =>
      store.list('entries', { index: 'by_location', where: { tenant_id: row.tenant_id, location }, limit: 2 })
    assert.deepEqual([await at(row.location), await at(moved.location)], [[], [expected]])
    // In one batch with others of its kind, which change more and less.
    const all = { ...moved, metadata_location: 'm', epoch: 7 }
    const steps = [replace('entries', moved, second, []), insert('tenants', tenant()), replace('entries', all, 1, ['epoch'])]
    await assert.rejects(store.write(steps), conflict(2))
    const third = await writeOne(store, replace('entries', all, second, ['metadata_location', 'epoch']))
    const fourth = await writeOne(store, replace('entries', all, third, []))
    assert.notEqual(fourth, third)
    assert.deepEqual(await store.get('entries', row), { ...all, version: fourth })
  })

  test('a replacement in part meets unique indexes like any other', async () => {
    const { store } = use
    const [a, b] = [tenant({ properties: { kept: [1] } }), tenant()]
    const [versionA] = await store.write([insert('tenants', a), insert('tenants', b)])
    await assert.rejects(store.write([replace('tenants', { ...a, name: b.name }, versionA!, ['name'])]), conflict(0))
    const renamed = { ...a, name: `renamed ${a.id}` }
    const version = await writeOne(store, replace('tenants', renamed, versionA!, ['name']))
    assert.deepEqual(await store.list('tenants', { index: 'by_name', where: { name: renamed.name }, limit: 2 }), [
      { ...renamed, version },
    ])
    await store.write([insert('tenants', tenant({ name: a.name }))])
  })

  test('what is missing can be neither replaced nor removed nor required', async () => {
    const { store } = use
    const row = tenant()
    await assert.rejects(store.write([replace('tenants', row, 1)]), conflict(0))
    await assert.rejects(store.write([remove('tenants', row, 1)]), conflict(0))
    await assert.rejects(store.write([remove('tenants', row, 'any')]), conflict(0))
    await assert.rejects(store.write([require('tenants', row, 'any')]), conflict(0))
    await assert.rejects(store.write([require('tenants', row, 1)]), conflict(0))
    assert.equal(await store.get('tenants', row), undefined)
  })

  test('writing the same values again makes a new version', async () => {
    const { store } = use
    const row = tenant()
    const versions = [await writeOne(store, insert('tenants', row))]
    for (let i = 0; i < 20; i++) versions.push(await writeOne(store, replace('tenants', row, versions.at(-1) ?? 0)))
    assert.equal(new Set(versions).size, versions.length)
    assert.ok(versions.every((version) => Number.isSafeInteger(version)))
  })

  test('a row removed and inserted again never has its old version (ABA)', async () => {
    const { store } = use
    const row = tenant()
    const seen = new Set<number>()
    for (let i = 0; i < 20; i++) {
      const version = await writeOne(store, insert('tenants', row))
      for (const old of seen) await assert.rejects(store.write([replace('tenants', row, old)]), conflict(0))
      assert.ok(!seen.has(version))
      seen.add(version)
      await store.write([remove('tenants', row, version)])
    }
  })

  test('inserting what is there conflicts and changes nothing', async () => {
    const { store } = use
    const row = tenant()
    const version = await writeOne(store, insert('tenants', row))
    await assert.rejects(store.write([insert('tenants', { ...row, created_at: 9 })]), conflict(0))
    assert.deepEqual(await store.get('tenants', row), { ...row, version })
  })

  racing(backend)('of a hundred writers with the same version one wins', async () => {
    const { store } = use
    const row = entry()
    const version = await writeOne(store, insert('entries', row))
    const writes = Array.from({ length: 100 }, (_, i) =>
      store.write([replace('entries', { ...row, metadata_location: `m${i}` }, version)]),
    )
    assert.equal(await winners(writes), 1)
    const inserted = entry()
    assert.equal(await winners(Array.from({ length: 100 }, () => store.write([insert('entries', inserted)]))), 1)
    assert.equal(await winners(Array.from({ length: 100 }, () => store.write([remove('entries', inserted, 'any')]))), 1)
  })
}
