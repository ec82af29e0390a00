/** Migration 12: what is protected against dropping. A program of before drops it all the same. */
import type { EntityDeclaration } from '../../entities.ts'

export const protections = {
  protections: {
    columns: { tenant_id: 'text', object_id: 'text', kind: 'text', protected_at: 'integer', protected_by: 'text' },
    key: ['tenant_id', 'object_id'],
    indexes: {},
  },
} as const satisfies { readonly [entity: string]: EntityDeclaration }
