/** Dropping catalogs. */
import type { Principal } from '../access/principal.ts'
import { dropCatalogRow, FIRST_NAMESPACE, MAIN_BRANCH } from '../catalog/catalogs.ts'
import { unprotected } from '../catalog/protection.ts'
import { change } from '../changes/change.ts'
import { tenantLog, type ChangeCall } from '../changes/context.ts'
import type { Row } from '../stores/entities.ts'
import type { Mutation } from '../stores/store.ts'
import { inUse, outcomeOf, refuseInUse, rowOf, shown, thingOf, within } from './catalogs.ts'
import type { ManagementContext } from './context.ts'

export async function dropCatalog(context: ManagementContext, call: ChangeCall, name: string, force = false): Promise<void> {
  const { principal } = call
  return change<void>(context.catalog, call, {
    what: `catalog ${name}`,
    log: tenantLog(principal.tenantId),
    attempt: async () => {
      const row = await rowOf(context, principal, name)
      await refuseInUse(context, row, 'drop it')
      return {
        message: `Drop catalog ${name}`,
        operations: [{ operation: 'drop-catalog', before: outcomeOf(shown(row)), after: null }],
        steps: [
          await unprotected(context.catalog, principal, thingOf(row), force),
          ...(await dropFirstNamespace(context, principal, row, force)),
          ...dropCatalogRow(row),
        ],
        status: 204,
        outcome: null,
        answer: () => context.handles.forget(principal.tenantId),
      }
    },
    replay: () => undefined,
  })
}

/** The namespace that came with the catalog goes with it, where it is empty and all there is. */
async function dropFirstNamespace(
  context: ManagementContext,
  principal: Principal,
  row: Row<'catalogs'>,
  force: boolean,
): Promise<Mutation[]> {
  const where = { ...within(row), branch: MAIN_BRANCH }
  const [first, another] = await context.catalog.store.list('namespaces', { index: 'primary', where, limit: 2 })
  if (first === undefined) return []
  const { parent, name, id, version: expected } = first
  if (another !== undefined || parent !== '' || name !== FIRST_NAMESPACE[0]) throw inUse(row.name, 'drop it')
  const thing = { title: `namespace ${name} of catalog ${row.name}`, id, tenantId: row.tenant_id }
  return [
    { op: 'remove', entity: 'namespaces', key: { ...where, parent, name }, expected },
    await unprotected(context.catalog, principal, thing, force),
  ]
}
