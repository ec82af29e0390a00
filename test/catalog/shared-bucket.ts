/** Catalogs of several warehouses that share a bucket, and what is asked of places in it. */
import type { TestContext } from 'node:test'
import type { CatalogCall } from '../../src/catalog/call.ts'
import { createCatalogRow } from '../../src/catalog/catalogs.ts'
import { createNamespace } from '../../src/catalog/namespaces.ts'
import { canonicalLocation } from '../../src/iceberg/location.ts'
import { StorageError, type ObjectStore } from '../../src/storage/storage.ts'
import { open, rejects, schema, type Fixture } from './setup.ts'

/** A bucket. Whoever opens it under another prefix sees the same files. */
function bucket(): ObjectStore {
  const files = new Map<string, Buffer>()
  const key = (location: string): string => canonicalLocation(location)
  return {
    read: async (location) => {
      const bytes = files.get(key(location))
      if (bytes === undefined) throw new StorageError('missing', location)
      return bytes
    },
    create: async (location, bytes) => void files.set(key(location), Buffer.from(bytes)),
    delete: async (locations) => locations.forEach((location) => files.delete(key(location))),
    list: async function* () {},
    prepare: async () => {},
    close: async () => {},
  }
}

export interface World extends Fixture {
  /** Catalogs in three warehouses that share a bucket: one at its top, one inside of that, one beside it. */
  readonly calls: readonly CatalogCall[]
}

export async function world(t: TestContext): Promise<World> {
  const fixture = await open(t)
  const storage = bucket()
  const roots = ['s3://bucket/wh', 's3://bucket/wh/team/inner', 's3://bucket/beside']
  const calls: CatalogCall[] = []
  for (const [at, root] of roots.entries()) {
    const name = `shared${at}`
    const row = { tenant_id: 't1', name, id: `s${at}`, catalog_type: 'local', warehouse_name: name, storage_location: null }
    const rest = { federated_config: null, properties: {}, created_at: 0, updated_at: 0 }
    await fixture.store.write(createCatalogRow({ ...row, ...rest }))
    const place = canonicalLocation(root)
    const catalog = { ...fixture.catalog, id: `s${at}`, name, warehouseName: name, root: canonicalLocation(`${root}/${name}`) }
    const call = { ...fixture.call, catalog: { ...catalog, allowedRoots: [place], storage } }
    for (const namespace of [['ns'], ['other']]) await createNamespace(fixture.context, call, { namespace })
    calls.push(call)
  }
  return { ...fixture, calls }
}

export const creation = (location: string) => [
  { action: 'add-schema', schema },
  { action: 'set-current-schema', 'schema-id': -1 },
  { action: 'add-spec', spec: { fields: [] } },
  { action: 'set-default-spec', 'spec-id': -1 },
  { action: 'add-sort-order', 'sort-order': { fields: [] } },
  { action: 'set-default-sort-order', 'sort-order-id': -1 },
  { action: 'set-location', location },
]
export const NEW = { requirements: [{ type: 'assert-create' }] }
export const overlaps = rejects(400, /overlaps the location of another table or view/)
export const overlapsPlace = rejects(400, /overlaps a place that another table has for its files/)
export const PROPERTIES = ['write.data.path', 'write.metadata.path', 'write.object-storage.path', 'write.folder-storage.path']
