/** Who may test a warehouse, how many at once, and what is said of a service that never answers. */
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import type { Principal } from '../../src/access/principal.ts'
import { IcebergError } from '../../src/iceberg/errors.ts'
import type { ManagementContext, WarehouseTestAnswer } from '../../src/management/context.ts'
import { testNewWarehouse, testWarehouse } from '../../src/management/warehouse-test.ts'
import { call, startTestServer } from '../http/harness.ts'

const admin: Principal = { id: 'u1', name: 'ada', tenantId: 't1', role: 'tenant-admin' }
const body = { name: 'w', storage_config: { type: 'local', path: '/lake' } }
const refusal = (code: number) => (error: unknown) => error instanceof IcebergError && error.code === code

/** Nothing but what these use cases ask for; everything else would be a look-up. */
function contextWith(run: () => Promise<WarehouseTestAnswer>): ManagementContext {
  const catalog = { uuid: () => 'id', log: () => undefined }
  return { catalog, storage: { test: run } } as unknown as ManagementContext
}

test('so many warehouses are tested at once and no more; one that ends makes room, also when it fails', async () => {
  const ends: ((error?: Error) => void)[] = []
  const context = contextWith(
    () => new Promise((resolve, reject) => ends.push((error) => (error ? reject(error) : resolve({ ok: true, checks: [] })))),
  )
  const running = Array.from({ length: 4 }, () => testNewWarehouse(context, admin, body))
  await assert.rejects(testNewWarehouse(context, admin, body), refusal(429))
  ends[0]?.(new Error('broken'))
  await assert.rejects(running[0]!, /broken/)
  const another = testNewWarehouse(context, admin, body)
  await assert.rejects(testNewWarehouse(context, admin, body), refusal(429))
  for (const end of ends) end()
  assert.deepEqual(await another, { ok: true, checks: [] })
  await Promise.all(running.slice(1))
})

test('whoever may not is refused before anything is looked up or asked', async () => {
  const context = contextWith(() => assert.fail('it was tested'))
  const narrowed: Principal = {
    ...admin,
    bounds: { access: 'read-write', within: undefined, text: '', made: 'read-write everywhere' },
  }
  for (const principal of [narrowed, { ...admin, role: 'user' } as unknown as Principal]) {
    await assert.rejects(testWarehouse(context, principal, 'w'), refusal(403))
    await assert.rejects(testNewWarehouse(context, principal, {}), refusal(403))
  }
})

test('a service that takes connections and never answers is told so, in time', async (t) => {
  const silent = createServer(() => undefined)
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    silent.closeAllConnections()
    silent.close()
  })
  const endpoint = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`
  const storage_config = { bucket: 'lake', endpoint, access_key_id: 'id', secret_access_key: 'hunter2hunter2' }
  const server = await startTestServer(t)
  const answer = await call(server, 'POST', '/api/v1/warehouses/test', { body: { name: 'w', storage_config } })
  assert.equal(answer.status, 200, answer.text)
  const [write, ...others] = answer.json.checks
  assert.match(
    `${write.name} ${write.status} ${write.message} ${write.fix}`,
    /^server\.write failed .*no answer in \d+ seconds .*did not answer in time/,
  )
  assert.ok(
    others.every(({ status }: { status: string }) => status === 'skipped'),
    answer.text,
  )
  assert.ok(!answer.text.includes('hunter2') && !server.log.join('').includes('hunter2'))
})
