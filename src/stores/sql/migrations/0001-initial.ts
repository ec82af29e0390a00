/**
 * Migration 1: the tables as they were when the schema began. Frozen: a later change is a migration of its own.
 */
import type { EntityDeclaration } from '../../entities.ts'

export const initial = {
  tenants: {
    columns: {
      id: 'text',
      name: 'text',
      properties: 'json',
      created_at: 'integer',
    },
    key: ['id'],
    indexes: {
      by_name: { columns: ['name'], unique: true },
    },
  },
  users: {
    columns: {
      id: 'text',
      tenant_id: 'text?',
      username: 'text',
      email: 'text?',
      password_hash: 'text?',
      role: 'text',
      active: 'boolean',
      created_at: 'integer',
      updated_at: 'integer',
    },
    key: ['id'],
    indexes: {
      by_username: { columns: ['username'], unique: true },
      by_tenant: { columns: ['tenant_id', 'username'] },
    },
  },
  tokens: {
    columns: {
      id: 'text',
      tenant_id: 'text?',
      user_id: 'text',
      secret_hash: 'text',
      description: 'text?',
      created_at: 'integer',
      expires_at: 'integer?',
    },
    key: ['id'],
    indexes: {
      by_user: { columns: ['user_id', 'created_at'] },
    },
  },
  warehouses: {
    columns: {
      tenant_id: 'text',
      name: 'text',
      id: 'text',
      use_sts: 'boolean',
      storage_config: 'json',
      vending_strategy: 'json?',
      secrets: 'text?',
      created_at: 'integer',
      updated_at: 'integer',
    },
    key: ['tenant_id', 'name'],
    indexes: {},
  },
  catalogs: {
    columns: {
      tenant_id: 'text',
      name: 'text',
      id: 'text',
      catalog_type: 'text',
      warehouse_name: 'text?',
      storage_location: 'text?',
      federated_config: 'json?',
      properties: 'json',
      created_at: 'integer',
      updated_at: 'integer',
    },
    key: ['tenant_id', 'name'],
    indexes: {
      by_warehouse: { columns: ['tenant_id', 'warehouse_name'] },
    },
  },
  branches: {
    columns: {
      tenant_id: 'text',
      catalog_id: 'text',
      name: 'text',
      branch_type: 'text',
      epoch: 'integer',
      parent: 'text?',
      parent_epoch: 'integer?',
      created_at: 'integer',
    },
    key: ['tenant_id', 'catalog_id', 'name'],
    indexes: {},
  },
  namespaces: {
    columns: {
      tenant_id: 'text',
      catalog_id: 'text',
      branch: 'text',
      parent: 'text',
      name: 'text',
      id: 'text',
      epoch: 'integer',
      deleted: 'boolean',
      properties: 'json',
      created_at: 'integer',
      updated_at: 'integer',
    },
    key: ['tenant_id', 'catalog_id', 'branch', 'parent', 'name'],
    indexes: {},
  },
  entries: {
    columns: {
      tenant_id: 'text',
      catalog_id: 'text',
      branch: 'text',
      namespace: 'text',
      name: 'text',
      id: 'text',
      kind: 'text',
      epoch: 'integer',
      deleted: 'boolean',
      metadata_location: 'text',
      location: 'text',
      created_at: 'integer',
      updated_at: 'integer',
    },
    key: ['tenant_id', 'catalog_id', 'branch', 'namespace', 'name'],
    indexes: {
      by_kind: { columns: ['tenant_id', 'catalog_id', 'branch', 'namespace', 'kind', 'name'] },
      by_location: { columns: ['tenant_id', 'location'] },
      by_id: { columns: ['tenant_id', 'id'] },
    },
  },
  commits: {
    columns: {
      tenant_id: 'text',
      catalog_id: 'text',
      branch: 'text',
      id: 'text',
      timestamp_ms: 'integer',
      author: 'text',
      message: 'text',
      operations: 'json',
    },
    key: ['tenant_id', 'catalog_id', 'branch', 'id'],
    indexes: {},
  },
  idempotency: {
    columns: {
      tenant_id: 'text',
      idempotency_key: 'text',
      fingerprint: 'text',
      status: 'integer',
      outcome: 'json?',
      expires_at: 'integer',
    },
    key: ['tenant_id', 'idempotency_key'],
    indexes: {
      by_expiry: { columns: ['expires_at'] },
    },
  },
  metrics: {
    columns: {
      tenant_id: 'text',
      catalog_id: 'text',
      entry_id: 'text',
      id: 'text',
      received_at: 'integer',
      report_type: 'text',
      report: 'text',
    },
    key: ['tenant_id', 'catalog_id', 'entry_id', 'id'],
    indexes: {
      by_age: { columns: ['received_at'] },
    },
  },
  tasks: {
    columns: {
      id: 'text',
      tenant_id: 'text',
      kind: 'text',
      payload: 'json',
      due_at: 'integer',
      owner: 'text?',
      attempts: 'integer',
      last_error: 'text?',
      created_at: 'integer',
    },
    key: ['id'],
    indexes: {
      by_due: { columns: ['due_at'] },
    },
  },
} as const satisfies { readonly [entity: string]: EntityDeclaration }
