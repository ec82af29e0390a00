/** Migration 11: what was dropped and can come back. A program of before drops for good. */
import type { EntityDeclaration } from '../../entities.ts'

export const dropped = {
  dropped: {
    columns: {
      tenant_id: 'text',
      catalog_id: 'text',
      id: 'text',
      branch: 'text',
      kind: 'text',
      row: 'json',
      location: 'text?',
      dropped_at: 'integer',
      dropped_by: 'text',
      kept_until: 'integer',
    },
    key: ['tenant_id', 'catalog_id', 'id'],
    indexes: { by_expiry: { columns: ['kept_until'] }, by_location: { columns: ['tenant_id', 'location'] } },
  },
} as const satisfies { readonly [entity: string]: EntityDeclaration }
