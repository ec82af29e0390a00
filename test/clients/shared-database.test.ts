/** Two servers on one PostgreSQL database: what one of them acknowledged, the other one knows. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { startPostgres, stopSharedPostgres } from '../services/postgres.ts'
import { requireService } from '../services/require.ts'
import { createApi, type Api } from './crash/api.ts'
import { CATALOG, tablePath, type LoadedTable } from './crash/work.ts'
import { startServer } from './server.ts'

after(stopSharedPostgres)

test('two servers share a database and behave as one', async (t) => {
  const postgres = requireService(t, await startPostgres())
  if (postgres === undefined) return
  const databaseUrl = await postgres.createDatabase()
  // One folder, for the keys and the warehouse.
  const dataDir = mkdtempSync(join(tmpdir(), 'pangolin-shared-'))
  t.after(() => rmSync(dataDir, { recursive: true, force: true }))
  const servers = [
    await startServer({ database: 'postgres', databaseUrl, dataDir }),
    await startServer({ database: 'postgres', databaseUrl, dataDir }),
  ]
  t.after(() => Promise.all(servers.map((server) => server.stop())))
  const [one, two] = servers.map((server) => createApi(server.url, servers[0]?.adminToken ?? '')) as [Api, Api]
  const path = tablePath('ns', 'counter')
  const post = async (api: Api, path: string, body: unknown): Promise<number> =>
    (await api.send({ method: 'POST', path, body })).status
  const schema = { type: 'struct', fields: [{ id: 1, name: 'id', type: 'long', required: true }] }
  assert.equal(await post(one, `${CATALOG}/namespaces`, { namespace: ['ns'] }), 200)
  assert.equal(await post(two, `${CATALOG}/namespaces/ns/tables`, { name: 'counter', schema }), 200)

  const counter = async (api: Api): Promise<string | undefined> =>
    (await api.get<LoadedTable>(path)).metadata.properties['counter']
  const set = (api: Api, name: string, value: string): Promise<number> =>
    post(api, path, { requirements: [], updates: [{ action: 'set-properties', updates: { [name]: value } }] })
  for (let i = 0; i < 20; i++) {
    const [writer, reader] = i % 2 === 0 ? [one, two] : [two, one]
    assert.equal(await set(writer, 'counter', String(i)), 200)
    assert.equal(await counter(reader), String(i))
  }
  // Commits that meet are all carried out, by whichever server.
  const names = Array.from({ length: 20 }, (_, i) => `p${i}`)
  assert.deepEqual(
    await Promise.all(names.map((name, i) => set(i % 2 === 0 ? one : two, name, 'x'))),
    names.map(() => 200),
  )
  const { properties } = (await one.get<LoadedTable>(path)).metadata
  assert.deepEqual(
    names.filter((name) => properties[name] !== 'x'),
    [],
  )
  // Of creations of one table that meet, one wins.
  const creations = await Promise.all(
    names.map((_, i) => post(i % 2 === 0 ? one : two, `${CATALOG}/namespaces/ns/tables`, { name: 'raced', schema })),
  )
  assert.deepEqual(creations.toSorted(), [200, ...names.slice(1).map(() => 409)])
  assert.equal((await one.send({ method: 'DELETE', path })).status, 204)
  assert.equal((await two.send({ method: 'GET', path })).status, 404)
})
