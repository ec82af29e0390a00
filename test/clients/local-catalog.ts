/** A catalog for suites that choose the locations of their tables themselves. */
import assert from 'node:assert/strict'
import type { RunningServer } from './server.ts'

export interface LocalCatalog {
  readonly name: string
  /** Tables may lie anywhere below it. The server's PANGOLIN_LOCAL_ROOTS must allow it. */
  readonly folder: string
  /** Below `folder`: where tables lie that choose no location. */
  readonly home: string
}

/** Makes a catalog and its warehouse. */
export async function makeLocalCatalog(server: RunningServer, { name, folder, home }: LocalCatalog): Promise<void> {
  const post = async (path: string, body: object): Promise<void> => {
    const headers = { authorization: `Bearer ${server.adminToken}`, 'content-type': 'application/json' }
    const response = await fetch(server.url + path, { method: 'POST', headers, body: JSON.stringify(body) })
    assert.ok(response.ok, `${path}: ${response.status} ${await response.text()}`)
  }
  await post('/api/v1/warehouses', { name, storage_config: { type: 'local', path: folder } })
  await post('/api/v1/catalogs', { name, warehouse_name: name, storage_location: `file://${home}` })
}
