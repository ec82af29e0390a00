/** Updates of how a table's data is laid out: partition specs and sort orders. Each answers whether it changed the draft. */
import { badRequest, validationFailed } from '../errors.ts'
import { checkOrder, checkSpec } from '../layout.ts'
import { bindPartitionSpec } from '../partition-spec.ts'
import { bindSortOrder } from '../sort-order.ts'
import type { UpdateOf } from '../table-update.ts'
import { schemaInUse, type Draft } from './draft.ts'

const MAX_FIELDS = 100
const MAX_SPECS = 1000
const MAX_ORDERS = 1000

/** Far more than any table has, few enough to compare. */
function checkSize(what: string, added: { readonly fields?: unknown }, count: number, limit: number): void {
  if (Array.isArray(added.fields) && added.fields.length > MAX_FIELDS) {
    throw badRequest(`Invalid ${what}: expected at most ${MAX_FIELDS} fields, got ${added.fields.length}`)
  }
  if (count >= limit) throw badRequest(`Cannot add a ${what}: the table has ${count}, at most ${limit} are accepted`)
}

export function addSpec(draft: Draft, update: UpdateOf<'add-spec'>): boolean {
  checkSize('partition spec', update.spec, draft.specs.size, MAX_SPECS)
  const schema = schemaInUse(draft, 'add a partition spec')
  const { spec, lastPartitionId, reused } = bindPartitionSpec({
    spec: update.spec,
    schema,
    formatVersion: draft.formatVersion,
    lastPartitionId: draft.lastPartitionId,
    specs: [...draft.specs.values()],
  })
  draft.lastAddedSpecId = spec['spec-id']
  if (reused) {
    checkSpec(spec, schema, true)
    return false
  }
  draft.specs.set(spec['spec-id'], spec)
  draft.lastPartitionId = lastPartitionId
  return true
}

export function setDefaultSpec(draft: Draft, update: UpdateOf<'set-default-spec'>): boolean {
  const asked = update['spec-id']
  const id = asked === -1 ? draft.lastAddedSpecId : asked
  if (id === undefined) throw validationFailed('Cannot set last added spec: no spec has been added')
  if (!draft.specs.has(id)) throw badRequest(`Cannot set default partition spec to unknown spec: ${id}`)
  const changed = draft.defaultSpecId !== id
  draft.defaultSpecId = id
  return changed
}

export function removePartitionSpecs(draft: Draft, update: UpdateOf<'remove-partition-specs'>): boolean {
  const ids = new Set(update['spec-ids'])
  if (ids.has(draft.defaultSpecId)) throw badRequest('Cannot remove the default partition spec')
  let changed = false
  for (const id of ids) {
    if (!draft.specs.delete(id)) continue
    changed = true
    if (draft.lastAddedSpecId === id) draft.lastAddedSpecId = undefined
  }
  return changed
}

export function addSortOrder(draft: Draft, update: UpdateOf<'add-sort-order'>): boolean {
  checkSize('sort order', update['sort-order'], draft.orders.size, MAX_ORDERS)
  const schema = schemaInUse(draft, 'add a sort order')
  const { order, reused } = bindSortOrder({
    order: update['sort-order'],
    schema,
    orders: [...draft.orders.values()],
  })
  draft.lastAddedOrderId = order['order-id']
  if (reused) {
    checkOrder(order, schema, true)
    return false
  }
  draft.orders.set(order['order-id'], order)
  return true
}

export function setDefaultSortOrder(draft: Draft, update: UpdateOf<'set-default-sort-order'>): boolean {
  const asked = update['sort-order-id']
  const id = asked === -1 ? draft.lastAddedOrderId : asked
  if (id === undefined) throw validationFailed('Cannot set last added sort order: no sort order has been added')
  if (!draft.orders.has(id)) throw badRequest(`Cannot set default sort order to unknown order: ${id}`)
  const changed = draft.defaultSortOrderId !== id
  draft.defaultSortOrderId = id
  return changed
}
