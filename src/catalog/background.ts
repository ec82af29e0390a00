/** Background work as a step of the batch that makes it necessary: what was acknowledged is never left half done. */
import type { Json } from '../stores/entities.ts'
import type { Mutation } from '../stores/store.ts'
import type { CatalogCall, CatalogContext } from './call.ts'

/** Due never again: refused, or tried too often. Such a task is kept, for an administrator to resume or cancel. */
export const NEVER = Number.MAX_SAFE_INTEGER

/** The kinds of tasks that this room stores, and what each is given beside the catalog and its warehouse. Locations are canonical. */
interface Payloads {
  'purge-table': {
    readonly entry_id: string
    readonly table: string
    readonly location: string
    readonly metadata_location: string
    readonly uuid: string | null
  }
  'remove-folders': { readonly location: string }
  'delete-files': { readonly entry_id: string; readonly location: string; readonly files: readonly string[] }
}

export function storeTask<K extends keyof Payloads>(
  context: CatalogContext,
  call: CatalogCall,
  kind: K,
  payload: Payloads[K] & { readonly [key: string]: Json },
  given: { readonly id?: string; readonly dueInMs?: number; readonly dueAt?: number } = {},
): Mutation {
  const now = context.now()
  const { id = context.uuidV7(), dueInMs = 0, dueAt = now + dueInMs } = given
  const row = {
    id,
    tenant_id: call.catalog.tenantId,
    kind,
    payload: { catalog_id: call.catalog.id, warehouse_name: call.catalog.warehouseName, ...payload },
    due_at: dueAt,
    owner: null,
    attempts: 0,
    last_error: null,
    created_at: now,
    location: payload.location,
  }
  return { op: 'insert', entity: 'tasks', row }
}
