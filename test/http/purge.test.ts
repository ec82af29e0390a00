/** A drop with purge over HTTP: when it is answered, the files of a small table are gone; a storage that fails fails no drop. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { startServer } from '../clients/server.ts'

interface Created {
  readonly 'metadata-location': string
  readonly metadata: { readonly location: string }
}
const schema = { type: 'struct', fields: [{ id: 1, name: 'id', required: true, type: 'long' }] }

for (const workers of ['1', '2']) {
  test(`files are gone when a purge is answered (${workers} processes)`, { timeout: 120_000 }, async (t) => {
    const server = await startServer({ database: 'sqlite', env: { PANGOLIN_WORKERS: workers } })
    t.after(() => server.stop())
    const headers = { authorization: `Bearer ${server.adminToken}`, 'content-type': 'application/json' }
    const ask = async (method: string, path: string, body?: object) => {
      // A connection of its own may come to another process.
      const answer = await fetch(`${server.url}/v1/lake/${path}`, {
        method,
        headers: { ...headers, connection: 'close' },
        ...(body && { body: JSON.stringify(body) }),
      })
      return { status: answer.status, json: (await answer.json().catch(() => undefined)) as Created }
    }
    assert.equal((await ask('POST', 'namespaces', { namespace: ['p'] })).status, 200)
    for (let round = 0; round < 20; round++) {
      const { json } = await ask('POST', 'namespaces/p/tables', { name: 't', schema })
      const folder = fileURLToPath(json.metadata.location)
      assert.ok(existsSync(folder))
      assert.equal((await ask('DELETE', 'namespaces/p/tables/t?purgeRequested=true')).status, 204)
      assert.ok(!existsSync(folder), `round ${round}`)
    }
    // A folder where the metadata file should be: that can't be purged.
    const { json } = await ask('POST', 'namespaces/p/tables', { name: 't', schema })
    const file = fileURLToPath(json['metadata-location'])
    rmSync(file)
    mkdirSync(file)
    assert.equal((await ask('DELETE', 'namespaces/p/tables/t?purgeRequested=true')).status, 204)
    const again = await ask('POST', 'namespaces/p/tables', { name: 't', schema, location: json.metadata.location })
    assert.equal(again.status, 400)
    assert.match(JSON.stringify(again.json), /given up/)
  })
}
