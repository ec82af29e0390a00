/** Migration 7: what a database knows of the servers that use it, such as the key that its secrets are sealed with. */
import type { EntityDeclaration } from '../../entities.ts'

export const settings = {
  settings: {
    columns: { name: 'text', value: 'json', updated_at: 'integer' },
    key: ['name'],
    indexes: {},
  },
} as const satisfies { readonly [entity: string]: EntityDeclaration }
