/** A store's worth of rows that fit together, with the values that are hard to carry. */
import type { Store } from '../../src/stores/store.ts'
import type { Mutation } from '../../src/stores/store.ts'
import { insert } from '../stores/suite/rows.ts'

const AT = 1_700_000_000_000
export const HOSTILE = ['a\u0000b', 'line\u2028end\n"', '\u{1f600}', '\uffff', 'ä', '']

/** One tenant with a warehouse, a catalog, namespaces and as many tables as asked for. */
export function lakeRows(tenant_id: string, tables: number): Mutation[] {
  const times = { created_at: AT, updated_at: AT }
  const place = { tenant_id, catalog_id: `c-${tenant_id}`, branch: 'main' }
  const user = {
    id: `u-${tenant_id}`,
    tenant_id,
    username: `user ${tenant_id}`,
    email: `ada@${tenant_id}`,
    password_hash: '$argon2id$x',
    role: 'tenant-admin',
    active: true,
    ...times,
  }
  const token = {
    id: `t-${tenant_id}`,
    tenant_id,
    user_id: user.id,
    secret_hash: 'ab',
    description: 'for tests',
    created_at: AT,
    expires_at: 8_000_000_000_000,
    bounds: { access: 'read', within: HOSTILE.map((catalog) => ({ catalog })) },
  }
  const properties = Object.fromEntries(HOSTILE.map((text, at) => [`${at}${text}`, [text, 1.5, -0, null, true, { [text]: AT }]]))
  const namespace = { ...place, epoch: 0, deleted: false, properties, location: null, ...times }
  return [
    insert('tenants', { id: tenant_id, name: `tenant ${tenant_id}`, properties, created_at: AT }),
    insert('users', user),
    insert('tokens', token),
    insert('warehouses', {
      tenant_id,
      name: 'w',
      id: `w-${tenant_id}`,
      use_sts: false,
      storage_config: { type: 'local', path: '/lake' },
      vending_strategy: HOSTILE,
      secrets: 'sealed',
      table_location_layout: 'plain',
      purge_delay_hours: 24,
      ...times,
    }),
    insert('catalogs', {
      tenant_id,
      name: 'lake',
      id: place.catalog_id,
      catalog_type: 'local',
      warehouse_name: 'w',
      storage_location: `file:///lake/${tenant_id}`,
      federated_config: HOSTILE,
      properties: {},
      ...times,
    }),
    insert('branches', {
      tenant_id,
      catalog_id: place.catalog_id,
      name: 'main',
      branch_type: 'main',
      epoch: 0,
      parent: 'main',
      parent_epoch: 0,
      created_at: AT,
    }),
    insert('namespaces', { ...namespace, parent: '', name: 'a', id: `n1-${tenant_id}`, location: `file:///lake/${tenant_id}` }),
    insert('namespaces', { ...namespace, parent: 'a', name: 'b', id: `n2-${tenant_id}` }),
    ...Array.from({ length: tables }, (_, n) =>
      insert('entries', {
        ...place,
        namespace: n % 2 === 0 ? 'a' : 'a\u001fb',
        name: `table ${n}${HOSTILE[n % HOSTILE.length]}`,
        id: `e${n}-${tenant_id}`,
        kind: 'table',
        epoch: 0,
        deleted: false,
        uuid: n % 2 === 0 ? null : tenant_id,
        metadata_location: `file:///lake/${tenant_id}/${n}/metadata/00000-a.metadata.json`,
        location: `file:///lake/${tenant_id}/${n}`,
        ...times,
      }),
    ),
    insert('commits', {
      ...place,
      id: '0191',
      timestamp_ms: AT,
      author: 'ada',
      message: 'm',
      operations: [{ operation: 'create-table' }],
      origin: { principal_id: 'u1', token_id: 't1' },
      position: 1,
      arrival: null,
    }),
    insert('positions', { ...place, position: 1, commit_id: '0191', at: AT, hash: 'h' }),
    insert('logs', { ...place, position: 1, at: AT, hash: 'h', first_position: 0, first_hash: '' }),
    insert('states', {
      ...place,
      kind: 'table',
      parent: 'a',
      name: `state${HOSTILE[0]}`,
      since: 1,
      until: 2,
      id: 'e0',
      uuid: 'u0',
      location: `file:///lake/${tenant_id}/0`,
      properties: null,
    }),
    insert('states', {
      ...place,
      kind: 'namespace',
      parent: '',
      name: 'a',
      since: 1,
      until: null,
      id: null,
      uuid: null,
      location: null,
      properties: { state: HOSTILE[0] ?? '' },
    }),
    insert('versions', {
      ...place,
      namespace: 'a',
      name: 'table 0',
      position: 1,
      metadata_location: `file:///lake/${tenant_id}/0/metadata/00000-a.metadata.json`,
    }),
    insert('idempotency', {
      tenant_id,
      idempotency_key: 'k',
      fingerprint: 'f',
      status: 200,
      outcome: HOSTILE,
      expires_at: 8_000_000_000_000,
    }),
    insert('metrics', {
      tenant_id,
      catalog_id: place.catalog_id,
      entry_id: `e0-${tenant_id}`,
      id: '0191',
      received_at: AT,
      report_type: 'scan-report',
      principal_id: user.id,
      report: '{"snapshot-id":9223372036854775807}',
    }),
    insert('tasks', {
      id: `task-${tenant_id}`,
      tenant_id,
      kind: 'delete-files',
      payload: { files: HOSTILE },
      due_at: 8_000_000_000_000,
      owner: 'one',
      attempts: 0,
      last_error: 'x',
      created_at: AT,
      location: `file:///lake/${tenant_id}/old`,
    }),
    insert('places', { tenant_id, location: `file:///elsewhere/${tenant_id}`, entry_id: `e0-${tenant_id}` }),
    insert('dropped', {
      tenant_id,
      catalog_id: place.catalog_id,
      id: '0191',
      branch: place.branch,
      kind: 'table',
      row: HOSTILE,
      location: `file:///lake/${tenant_id}/dropped`,
      dropped_at: AT,
      dropped_by: 'ada',
      kept_until: 8_000_000_000_000,
    }),
    insert('protections', { tenant_id, object_id: `e1-${tenant_id}`, kind: 'table', protected_at: AT, protected_by: 'ada' }),
    insert('settings', { name: `setting of ${tenant_id}`, value: HOSTILE, updated_at: AT }),
  ]
}

export async function writeLake(store: Store, tables = 20): Promise<void> {
  await store.write(lakeRows('t1', tables))
  await store.write(lakeRows('t2', 3))
}
