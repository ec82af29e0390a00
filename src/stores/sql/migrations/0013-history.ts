/**
 * Migration 13: the order of the log, and the past states of what it speaks of. Changes that were logged before are put in order
 * by the sequencer, and so are those of a program of before that runs meanwhile.
 */
import type { EntityDeclaration } from '../../entities.ts'
import { indexName, quote } from '../dialect.ts'
import type { Dialect } from '../dialect.ts'
import { createAll } from '../migrations.ts'

const created = {
  positions: {
    columns: {
      tenant_id: 'text',
      catalog_id: 'text',
      branch: 'text',
      position: 'integer',
      commit_id: 'text',
      at: 'integer',
      hash: 'text',
    },
    key: ['tenant_id', 'catalog_id', 'branch', 'position'],
    indexes: {},
  },
  logs: {
    columns: {
      tenant_id: 'text',
      catalog_id: 'text',
      branch: 'text',
      position: 'integer',
      at: 'integer',
      hash: 'text',
      first_position: 'integer',
      first_hash: 'text',
    },
    key: ['tenant_id', 'catalog_id', 'branch'],
    indexes: {},
  },
  states: {
    columns: {
      tenant_id: 'text',
      catalog_id: 'text',
      branch: 'text',
      kind: 'text',
      parent: 'text',
      name: 'text',
      since: 'integer',
      until: 'integer?',
      id: 'text?',
      uuid: 'text?',
      location: 'text?',
      properties: 'json?',
    },
    key: ['tenant_id', 'catalog_id', 'branch', 'kind', 'parent', 'name', 'since'],
    indexes: {},
  },
  versions: {
    columns: {
      tenant_id: 'text',
      catalog_id: 'text',
      branch: 'text',
      namespace: 'text',
      name: 'text',
      position: 'integer',
      metadata_location: 'text',
    },
    key: ['tenant_id', 'catalog_id', 'branch', 'namespace', 'name', 'position'],
    indexes: {},
  },
} as const satisfies { readonly [entity: string]: EntityDeclaration }

const KEY = ['"tenant_id"', '"catalog_id"', '"branch"', '"id"']

export const history = (dialect: Dialect): readonly string[] => {
  const first = [`"position"${dialect.nullOrder.index}`, `"arrival"${dialect.nullOrder.index}`]
  const columns = [...first, ...(dialect.indexesWholeOrder ? KEY : [])]
  return [
    `alter table "commits" add column "position" ${dialect.types.integer}`,
    ...dialect.addDrawn('commits', 'arrival'),
    `create index ${quote(indexName('commits', 'pending'))} on "commits" (${columns.join(', ')})`,
    ...createAll(dialect, created),
  ]
}
