/** Warehouses are tested before they are trusted: as they are, or as they would be, before they are saved. */
import { isAllowed } from '../access/decide.ts'
import type { Principal } from '../access/principal.ts'
import { notAllowed } from '../access/refusals.ts'
import { IcebergError } from '../iceberg/errors.ts'
import type { WarehouseSettings } from '../storage/open.ts'
import type { ManagementContext, WarehouseTestAnswer } from './context.ts'
import { settingsOf } from './handles.ts'
import { readNewWarehouse, warehouseRow, type WarehouseTrial } from './warehouses.ts'

/** Each holds connections and waits for other services. */
const MOST_AT_ONCE = 4
const RETRY_SECONDS = 5
const running = new WeakMap<ManagementContext, number>()

/** Asked before anything is looked up. @throws IcebergError 403 */
function assertMayTest(principal: Principal): void {
  if (!isAllowed(principal, 'warehouse.manage', { tenantId: principal.tenantId })) throw notAllowed(principal, 'warehouse.manage')
}

async function test(
  context: ManagementContext,
  principal: Principal,
  name: string,
  settings: WarehouseSettings,
): Promise<WarehouseTestAnswer> {
  const others = running.get(context) ?? 0
  if (others >= MOST_AT_ONCE) {
    const message = `${MOST_AT_ONCE} warehouses are being tested already; try again`
    throw new IcebergError('TooManyRequestsException', message, { retryAfterSeconds: RETRY_SECONDS })
  }
  running.set(context, others + 1)
  try {
    const { id, name: who, tenantId } = principal
    const answer = await context.storage.test(settings, { id: context.catalog.uuid(), principal: { id, name: who, tenantId } })
    const failed = answer.checks.filter(({ status }) => status === 'failed').map((check) => `${check.name}: ${check.message}`)
    context.catalog.log('warehouse-tested', { warehouse: name, ok: answer.ok, failed })
    return answer
  } finally {
    running.set(context, (running.get(context) ?? 1) - 1)
  }
}

/** One that is saved, with its secrets. */
export async function testWarehouse(
  context: ManagementContext,
  principal: Principal,
  name: string,
): Promise<WarehouseTestAnswer> {
  assertMayTest(principal)
  return test(context, principal, name, settingsOf(await warehouseRow(context, principal, name), context))
}

/** `json` as for the creation of one; nothing of it is kept. */
export async function testNewWarehouse(
  context: ManagementContext,
  principal: Principal,
  json: unknown,
): Promise<WarehouseTestAnswer> {
  assertMayTest(principal)
  const { name, settings } = readNewWarehouse(json)
  return test(context, principal, name, settings)
}

/** For settings that are about to be saved. */
export const trialOf =
  (context: ManagementContext, principal: Principal): WarehouseTrial =>
  (name, settings) =>
    test(context, principal, name, settings)
