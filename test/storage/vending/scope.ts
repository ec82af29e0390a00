/**
 * What credentials for one table must open, and what they must not: the same on emulators and on the clouds themselves, and
 * by the same steps as a person's test of a warehouse.
 */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { openProbeTarget, type WarehouseSettings } from '../../../src/storage/open.ts'
import { probeWarehouse } from '../../../src/storage/probe/probe.ts'

export const PRINCIPAL = { id: 'u1', name: 'ada', tenantId: 't1' }
/** All that a test of a warehouse looks at, in its order, where the warehouse vends. */
export const EVERY_CHECK = [
  ...['write', 'overwrite', 'read', 'list', 'delete'].map((name) => `server.${name}`),
  ...['vend', 'write', 'read', 'list', 'delete', 'sibling', 'neighbour', 'above'].map((name) => `writer.${name}`),
  ...['vend', 'read', 'list', 'no-write', 'sibling', 'neighbour', 'above'].map((name) => `reader.${name}`),
  'cleanup',
]

/** The names of tables try what grammars of all kinds think is theirs. */
export async function provesScope(warehouse: WarehouseSettings, names: readonly string[]): Promise<void> {
  for (const table of names) {
    const { ok, checks } = await probeWarehouse(openProbeTarget(warehouse), { id: randomUUID(), principal: PRINCIPAL, table })
    assert.deepEqual(
      checks.filter(({ status }) => status !== 'passed'),
      [],
    )
    assert.deepEqual(
      checks.map(({ name }) => name),
      EVERY_CHECK,
    )
    assert.ok(ok)
  }
}
