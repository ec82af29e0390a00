/** What credentials for one table must open, and what they must not: the same on emulators and on the clouds themselves. */
import assert from 'node:assert/strict'
import { joinLocation, type Location } from '../../../src/iceberg/location.ts'
import { openObjectStore, openVendedStore, openVending, rootLocation, type WarehouseSettings } from '../../../src/storage/open.ts'
import { StorageError, type ObjectStore, type StoredObject } from '../../../src/storage/storage.ts'
import type { Vended, VendScope } from '../../../src/storage/vending/vending.ts'

const forbidden = (error: unknown): boolean => error instanceof StorageError && error.kind === 'forbidden'

export async function listed(store: ObjectStore, prefix: string): Promise<StoredObject[]> {
  const found = []
  for await (const object of store.list(prefix)) found.push(object)
  return found
}

/** The names of tables try what grammars of all kinds think is theirs. */
export async function provesScope(warehouse: WarehouseSettings, names: readonly string[]): Promise<void> {
  const root = rootLocation(warehouse)
  const server = openObjectStore(warehouse)
  const vendor = openVending(warehouse)?.vendor
  assert.ok(vendor)
  const clientFor = async (table: Location, access: VendScope['access']): Promise<ObjectStore> => {
    const principal = { id: 'u1', name: 'ada', tenantId: 't1' }
    const scope = { prefixes: [table], access, principal, lifetimeSeconds: vendor.lifetime.seconds }
    const { credentials }: Vended = await vendor.vend(scope)
    assert.deepEqual(
      credentials.map(({ prefix }) => prefix),
      [table],
    )
    const client = openVendedStore(warehouse, credentials[0]?.config ?? {})
    assert.ok(client)
    return client
  }
  for (const name of names) {
    const [table, sibling] = [joinLocation(root, 'ns', name), joinLocation(root, 'ns', `${name}2`)]
    for (const place of [table, sibling]) await server.create(`${place}/data/f`, Buffer.from('theirs'))
    const [writer, reader] = [await clientFor(table, 'read-write'), await clientFor(table, 'read')]
    await writer.create(`${table}/data/own`, Buffer.from('own'))
    for (const client of [writer, reader]) {
      assert.equal(String(await client.read(`${table}/data/f`, { maxBytes: 10 })), 'theirs')
      assert.equal((await listed(client, `${table}/`)).length, 2)
      await assert.rejects(client.read(`${sibling}/data/f`, { maxBytes: 10 }), forbidden)
      await assert.rejects(client.create(`${sibling}/data/x`, Buffer.from('x')), forbidden)
      await assert.rejects(client.delete([`${sibling}/data/f`]), forbidden)
      await assert.rejects(listed(client, `${sibling}/`), forbidden)
      await assert.rejects(listed(client, `${root}/`), forbidden)
    }
    await assert.rejects(reader.create(`${table}/data/x`, Buffer.from('x')), forbidden)
    await assert.rejects(reader.delete([`${table}/data/own`]), forbidden)
    await writer.delete([`${table}/data/own`])
    await Promise.all([writer.close(), reader.close()])
  }
  await server.close()
}
