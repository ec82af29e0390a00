/**
 * The row that changes whenever a catalog takes a place or a warehouse moves. What looks at the places of others reads it first
 * and replaces it in its batch, so that two changes that each find room beside what was there can't both land.
 */
import type { NewRow } from '../stores/entities.ts'
import type { Mutation, Store } from '../stores/store.ts'

/** The step that holds what is read from now on. */
export const lockPlaces = (store: Store, tenantId: string, now: () => number): Promise<Mutation> =>
  lock(store, `places-of-catalogs/${tenantId}`, now)

/** The same for the catalogs that narrowed tokens name. */
export const lockTokenNames = (store: Store, tenantId: string, now: () => number): Promise<Mutation> =>
  lock(store, `catalogs-in-tokens/${tenantId}`, now)

async function lock(store: Store, name: string, now: () => number): Promise<Mutation> {
  const known = await store.get('settings', { name })
  const row: NewRow<'settings'> = { name, value: null, updated_at: now() }
  if (known === undefined) return { op: 'insert', entity: 'settings', row }
  return { op: 'replace', entity: 'settings', row, expected: known.version }
}
