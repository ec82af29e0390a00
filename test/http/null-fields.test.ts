/** `null` is absent wherever a field is optional. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { call, startTestServer } from './harness.ts'
import { NEW_TABLE, NEW_VIEW, nullRequests } from './null-requests.ts'

test('null is taken for absent in every request', async (t) => {
  const server = await startTestServer(t)
  const post = (path: string, body: unknown) => call(server, 'POST', `/v1/lake/${path}`, { body })
  await post('namespaces', { namespace: ['n'] })
  const made = await post('namespaces/n/tables', { name: 't', ...NEW_TABLE })
  await post('namespaces/n/views', { name: 'v', ...NEW_VIEW })
  const location: string = made.json.metadata.location
  const places = { namespace: 'n', table: 't', view: 'v', location: `${location}/metadata` }
  for (const { what, path, body } of nullRequests(places)) {
    const answer = await post(path, body)
    assert.ok(answer.status < 300, `${what}: ${answer.status} ${answer.text}`)
    if (path.endsWith('s') && answer.json?.metadata !== undefined)
      assert.doesNotMatch(answer.text, /"(?:initial|write)-default":null|"doc":null/, what)
  }
  const registered = 'namespaces/n/register'
  const file: string = (await post('namespaces/n/tables', { name: 'moved', ...NEW_TABLE })).json['metadata-location']
  assert.equal((await call(server, 'DELETE', '/v1/lake/namespaces/n/tables/moved')).status, 204)
  assert.equal((await post(registered, { name: 'moved', 'metadata-location': file, overwrite: null })).status, 200)
  const report = {
    'report-type': 'scan-report',
    'table-name': 't',
    'snapshot-id': 1,
    'schema-id': 0,
    filter: true,
    'projected-field-ids': [],
    'projected-field-names': [],
    metrics: {},
    metadata: null,
  }
  assert.equal((await post('namespaces/n/tables/t/metrics', report)).status, 204)
})

test('a commit that asks for nothing changes nothing', async (t) => {
  const server = await startTestServer(t)
  const post = (path: string, body: unknown) => call(server, 'POST', `/v1/lake/namespaces${path}`, { body })
  await post('', { namespace: ['n'] })
  const { json } = await post('/n/tables', { name: 't', ...NEW_TABLE })
  for (const body of [{}, { requirements: null, updates: null }, { requirements: [], updates: [] }]) {
    const answer = await post('/n/tables/t', body)
    assert.equal(answer.status, 200)
    assert.equal(answer.json['metadata-location'], json['metadata-location'])
  }
  // Without assert-create there is no table to create.
  assert.equal((await post('/n/tables/absent', {})).status, 404)
  for (const body of [{ requirements: {} }, { updates: 'x' }, { requirements: [null] }, { updates: [null] }, null, []])
    assert.equal((await post('/n/tables/t', body)).status, 400, JSON.stringify(body))
})
