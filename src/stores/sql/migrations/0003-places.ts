/**
 * Migration 3: places beside their own location that tables name for files. Those of tables made before have rows from their
 * next commit on that changes such a place.
 */
import type { EntityDeclaration } from '../../entities.ts'

export const places = {
  places: {
    columns: { tenant_id: 'text', location: 'text', entry_id: 'text' },
    key: ['tenant_id', 'location', 'entry_id'],
    indexes: { by_entry: { columns: ['tenant_id', 'entry_id'] } },
  },
} as const satisfies { readonly [entity: string]: EntityDeclaration }
